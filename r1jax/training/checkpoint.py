"""Checkpoints that a killed run continues from, with Orbax.

A checkpoint is one tree of arrays and one JSON object, written under another name and renamed when
whole. The newest that reads back is used; a damaged one is named and set aside, and the one before
taken.
"""

import contextlib
import dataclasses
import errno
import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from absl import logging

from r1jax import hosts
from r1jax.training import state
from r1jax.training.records import full_disk_explained

# Where checkpoints go to be deleted: a kill in the midst leaves none that is half there.
_REMOVED = 'removed'
# Beside the checkpoints: where those that could not be read are put.
_DAMAGED = 'damaged_checkpoints'
# Characters of a fault that are shown; those of Orbax run to pages.
_SHOWN = 300
# A read that fails so says nothing of the checkpoint.
_TRANSIENT = (
  errno.EACCES,
  errno.EMFILE,
  errno.ENFILE,
  errno.ENOMEM,
  errno.EPERM,
  errno.ESTALE,
  errno.ETIMEDOUT,
)


@dataclasses.dataclass(frozen=True)
class Restored:
  """What a checkpoint held.

  Attributes:
    step: of the checkpoint.
    tree: arrays, placed as asked for.
    record: the JSON object.
    damaged: newer checkpoints that could not be read, named with their faults; they are set aside.
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
      like: tree of arrays; the checkpoint is read into their shapes, dtypes and places. They are
        used up if there is a checkpoint, so that memory never holds both.

    Raises:
      ValueError: if there are checkpoints but none can be read; all are named with their faults.
      OSError, MemoryError: a checkpoint was not read for a reason that is none of its own.
    """
    steps = sorted(self._manager.all_steps(), reverse=True)
    if not steps:
      return None
    shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    for leaf in jax.tree.leaves(like):
      if isinstance(leaf, jax.Array):
        leaf.delete()
    faults: dict[int, str] = {}
    for step in steps:
      found, fault = self._try(step, shapes)
      if found is None:
        faults[step] = f'{self.folder / str(step)}: {fault}'
        continue
      self._set_aside(list(faults))  # Or the run, when it gets there, would find the step taken.
      return Restored(step, *found, tuple(faults.values()))
    raise ValueError(
      f'no checkpoint in {self.folder} can be read; remove the folder to start anew:\n'
      + '\n'.join(faults.values())
    )

  def close(self) -> None:
    """Releases the folder."""
    with _quiet():
      self._manager.close()

  def _try(self, step: int, shapes: Any) -> tuple[tuple[Any, dict[str, Any]] | None, str]:
    """Returns what a checkpoint holds, or None and its fault if a process could not read it."""
    found, error, told = None, None, None
    try:
      found = self._read(step, shapes)
    except Exception as fault:  # Orbax raises many kinds; every one is reported.
      error, told = fault, f'{type(fault).__name__}: {fault}'[:_SHOWN]
    for other, is_transient in hosts.gather((told, error is not None and _is_transient(error))):
      if is_transient:
        raise error or hosts.OtherProcessError(other)
      if other is not None:
        return None, other
    return found, ''

  def _read(self, step: int, shapes: Any) -> tuple[Any, dict[str, Any]]:
    args = ocp.args.Composite(tree=ocp.args.StandardRestore(shapes), record=ocp.args.JsonRestore())
    with _quiet():
      found = self._manager.restore(step, args=args)
    tree, sealed = found['tree'], found['record']
    if _checksum(tree, sealed['record']) != sealed['checksum']:
      raise ValueError('what is read is not what was written: the checksum differs')
    return tree, sealed['record']

  def _set_aside(self, steps: list[int]) -> None:
    def move() -> None:
      for step in steps:
        place = self.folder.with_name(_DAMAGED) / str(step)
        shutil.rmtree(place, ignore_errors=True)
        place.parent.mkdir(exist_ok=True)
        (self.folder / str(step)).rename(place)

    hosts.first(move)
    with _quiet():
      self._manager.reload()

  def _delete_removed(self) -> None:
    if hosts.is_first():
      shutil.rmtree(self.folder / _REMOVED, ignore_errors=True)


def _is_transient(error: Exception) -> bool:
  """Returns whether the machine, and not the checkpoint, was the reason."""
  if isinstance(error, OSError):
    return error.errno in _TRANSIENT
  return isinstance(error, MemoryError) or 'RESOURCE_EXHAUSTED' in str(error)


def _checksum(tree: Any, record: dict[str, Any]) -> int:
  """Returns a number that a flipped bit anywhere in a checkpoint changes; Orbax has none."""
  text = json.dumps(record, sort_keys=True)
  return state.fingerprint(tree) ^ zlib.crc32(text.encode())


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
