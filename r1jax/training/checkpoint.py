"""Checkpoints that a killed run continues from, with Orbax.

A checkpoint is one tree of arrays and one JSON object, written under another name and renamed when
whole. The newest that reads back is used; a damaged one is named and removed, and the one before
taken.
"""

import contextlib
import dataclasses
import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from absl import logging

from r1jax.training.records import full_disk_explained

# Where checkpoints go to be deleted: a kill in the midst leaves none that is half there.
_REMOVED = 'removed'
# Characters of a fault that are shown; those of Orbax run to pages.
_SHOWN = 300


@dataclasses.dataclass(frozen=True)
class Restored:
  """What a checkpoint held.

  Attributes:
    step: of the checkpoint.
    tree: arrays, placed as asked for.
    record: the JSON object.
    damaged: newer checkpoints that could not be read, named with their faults; they are gone.
  """

  step: int
  tree: Any
  record: dict[str, Any]
  damaged: tuple[str, ...]


class Checkpoints:
  """The checkpoints in `<workdir>/checkpoints`.

  Args:
    workdir: folder of the run.
    keep: how many of the newest are kept, at least 2, so that a damaged one has one before it.
  """

  def __init__(self, workdir: str | Path, *, keep: int = 2):
    self.folder = (Path(workdir) / 'checkpoints').absolute()
    options = ocp.CheckpointManagerOptions(
      max_to_keep=keep,
      enable_async_checkpointing=False,
      cleanup_tmp_directories=True,
      todelete_subdir=_REMOVED,
    )
    with _quiet():
      self._manager = ocp.CheckpointManager(self.folder, options=options)
    self._delete_removed()

  def save(self, step: int, tree: Any, record: dict[str, Any]) -> None:
    """Writes the checkpoint of a step, unless it is there.

    Raises:
      OSError: the disk is full; earlier checkpoints are untouched.
    """
    if step in self._manager.all_steps():
      return
    sealed = {'record': record, 'checksum': _checksum(tree, record)}
    args = ocp.args.Composite(tree=ocp.args.StandardSave(tree), record=ocp.args.JsonSave(sealed))
    with full_disk_explained(self.folder), _quiet():
      self._manager.save(step, args=args)
    self._delete_removed()

  def restore(self, like: Any) -> Restored | None:
    """Returns the newest whole checkpoint, or None if there is none.

    Args:
      like: tree of arrays or shapes with shardings; the checkpoint is read into this form.

    Raises:
      ValueError: if there are checkpoints but none can be read; all are named with their faults.
    """
    shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    faults: dict[int, str] = {}
    for step in sorted(self._manager.all_steps(), reverse=True):
      try:
        tree, record = self._read(step, shapes)
      except Exception as error:  # Orbax raises many kinds; every one is reported below.
        fault = f'{type(error).__name__}: {error}'
        faults[step] = f'{self.folder / str(step)}: {fault[:_SHOWN]}'
        continue
      self._delete(list(faults))  # Or the run, when it gets there, would find the step taken.
      return Restored(step, tree, record, tuple(faults.values()))
    if faults:
      raise ValueError(
        f'no checkpoint in {self.folder} can be read; remove the folder to start anew:\n'
        + '\n'.join(faults.values())
      )
    return None

  def close(self) -> None:
    """Releases the folder."""
    with _quiet():
      self._manager.close()

  def _read(self, step: int, shapes: Any) -> tuple[Any, dict[str, Any]]:
    args = ocp.args.Composite(tree=ocp.args.StandardRestore(shapes), record=ocp.args.JsonRestore())
    with _quiet():
      found = self._manager.restore(step, args=args)
    tree, sealed = found['tree'], found['record']
    if _checksum(tree, sealed['record']) != sealed['checksum']:
      raise ValueError('what is read is not what was written: the checksum differs')
    return tree, sealed['record']

  def _delete(self, steps: list[int]) -> None:
    with _quiet():
      for step in steps:
        self._manager.delete(step)
    self._delete_removed()

  def _delete_removed(self) -> None:
    shutil.rmtree(self.folder / _REMOVED, ignore_errors=True)


def _checksum(tree: Any, record: dict[str, Any]) -> int:
  """Returns a number that a flipped bit anywhere in a checkpoint changes; Orbax has none."""
  text = json.dumps(record, sort_keys=True)
  return int(_sum_of_bits(tree)) ^ zlib.crc32(text.encode())


@jax.jit
def _sum_of_bits(tree: Any) -> jax.Array:
  """Returns the sum of all arrays' bits as numbers, modulo 2^32: the same in any order."""
  kinds = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}
  sums = [
    jnp.sum(jax.lax.bitcast_convert_type(leaf, kinds[leaf.dtype.itemsize]), dtype=jnp.uint32)
    for leaf in jax.tree.leaves(tree)
  ]
  return jnp.sum(jnp.stack(sums), dtype=jnp.uint32)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Keeps Orbax's log off the terminal, unless it was asked for: what fails is raised anyway."""
  before = logging.get_verbosity()
  if before <= logging.INFO:
    logging.set_verbosity(logging.FATAL)
  try:
    yield
  finally:
    logging.set_verbosity(before)
