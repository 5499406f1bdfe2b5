"""Checkpoints that a killed run continues from, with Orbax.

A checkpoint is one tree of arrays and one JSON object, written under another name and renamed when
whole. The newest that reads back is used; a damaged one is named, and the one before taken.
"""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from r1jax.training.records import full_disk_explained


@dataclasses.dataclass(frozen=True)
class Restored:
  """What a checkpoint held.

  Attributes:
    step: of the checkpoint.
    tree: arrays, placed as asked for.
    record: the JSON object.
  """

  step: int
  tree: Any
  record: dict[str, Any]


class Checkpoints:
  """The checkpoints in `<workdir>/checkpoints`.

  Args:
    workdir: folder of the run.
    keep: how many of the newest are kept, at least 2, so that a damaged one has one before it.
  """

  def __init__(self, workdir: str | Path, *, keep: int = 2):
    self.folder = (Path(workdir) / 'checkpoints').absolute()
    options = ocp.CheckpointManagerOptions(
      max_to_keep=keep, enable_async_checkpointing=False, create=True
    )
    self._manager = ocp.CheckpointManager(self.folder, options=options)

  def save(self, step: int, tree: Any, record: dict[str, Any]) -> None:
    """Writes the checkpoint of a step; it is there whole when this returns, or not at all."""
    if step in self._manager.all_steps():
      return
    args = ocp.args.Composite(tree=ocp.args.StandardSave(tree), record=ocp.args.JsonSave(record))
    with full_disk_explained(self.folder):
      self._manager.save(step, args=args)

  def restore(self, like: Any) -> Restored | None:
    """Returns the newest whole checkpoint, or None if there is none.

    Args:
      like: tree of arrays or shapes with shardings; the checkpoint is read into this form.

    Raises:
      ValueError: if there are checkpoints but none can be read; all are named with their faults.
    """
    shapes = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)
    faults = []
    for step in sorted(self._manager.all_steps(), reverse=True):
      args = ocp.args.Composite(
        tree=ocp.args.StandardRestore(shapes), record=ocp.args.JsonRestore()
      )
      try:
        found = self._manager.restore(step, args=args)
      except Exception as error:  # Orbax raises many kinds; every one is reported below.
        faults.append(f'{self.folder / str(step)}: {type(error).__name__}: {error}')
        logging.warning('damaged checkpoint, using the one before: %s', faults[-1])
        continue
      return Restored(step, found['tree'], found['record'])
    if faults:
      raise ValueError(
        'no checkpoint can be read; remove the folder to start anew:\n' + '\n'.join(faults)
      )
    return None

  def close(self) -> None:
    """Releases the folder."""
    self._manager.close()
