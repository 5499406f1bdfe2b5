"""What a run writes down as it goes: a record a step, TensorBoard events, and completions.

Everything here takes the restored step, and leaves on the disk what an uninterrupted run would have
left: each step once, in order.
"""

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboardX import event_file_writer
from tensorboardX.proto import event_pb2, summary_pb2

from r1jax.training import records


class MetricsLog:
  """The numbers of each step, in `<workdir>/metrics.jsonl` and as TensorBoard events beside it.

  Usual keys: step, reward, accuracy, format, length, kl, entropy, clip_fraction, mismatch,
  zero_variance_fraction, truncated_fraction, tokens_per_second, and the seconds of each phase as
  `seconds/sample`, `seconds/reward`, `seconds/score`, `seconds/update`. Any scalar may join them.

  Write a step's metrics before its checkpoint: a run killed between the two then finds a record too
  many, which is cut, and never one too few.

  Args:
    workdir: the folder of the run.
    restored_step: as in `records.StepLog`.
  """

  def __init__(self, workdir: str | Path, *, restored_step: int):
    self._lines = records.StepLog(Path(workdir) / 'metrics.jsonl', restored_step=restored_step)
    self._events = _EventLog(Path(workdir) / 'tensorboard', first_step=restored_step + 1)

  def write(self, step: int, metrics: Mapping[str, Any]) -> None:
    """Records the metrics of a step; steps count from 1 and grow.

    Raises:
      ValueError: the step is recorded already.
      TypeError: a value is not one number.
      OSError: the disk is full; earlier steps are untouched.
    """
    if step <= self._lines.last_step:
      raise ValueError(
        f'step {step} is recorded already: {self._lines.path} is at step {self._lines.last_step}'
      )
    scalars = {key: _scalar(key, value) for key, value in metrics.items()}
    self._lines.append({'step': step, **metrics})
    self._events.write(step, scalars)

  def close(self) -> None:
    """Closes the files."""
    self._lines.close()
    self._events.close()


class CompletionsLog:
  """What was asked and answered at a step: `<workdir>/completions/step_000123.jsonl`.

  A row holds `question`, `gold`, `completion` and `terms` (the name and value of each reward term,
  of which `accuracy`, where there is one, tells right from wrong), and whatever else is known of
  the answer, such as `id`, `reward`, `length`, `truncated` and `checks_itself`.

  Args:
    workdir: the folder of the run.
    restored_step: as in `records.StepLog`.
  """

  def __init__(self, workdir: str | Path, *, restored_step: int):
    self._folder = Path(workdir) / 'completions'
    for step, path in completion_files(workdir).items():
      if step > restored_step:
        path.unlink()

  def write(self, step: int, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Writes the rows of a step as a file of their own, and returns its path."""
    path = self._folder / f'step_{step:06d}.jsonl'
    records.replace_file(path, b''.join(records.encode({'step': step, **row}) for row in rows))
    return path


def completion_files(workdir: str | Path) -> dict[int, Path]:
  """Returns the files of completions by step, in order."""
  files = (Path(workdir) / 'completions').glob('step_*.jsonl')
  steps = {int(match[1]): path for path in files if (match := re.search(r'_(\d+)$', path.stem))}
  return dict(sorted(steps.items()))


def _scalar(key: str, value: Any) -> float:
  try:
    return float(value)
  except (TypeError, ValueError) as error:
    raise TypeError(f'the metric "{key}" is {value!r}; a metric is one number') from error


class _EventLog:
  """TensorBoard events, written where they are logged.

  The usual writer of tensorboardX hands events to a thread through a bounded queue. On a full disk
  that thread dies and the training hangs at the queue; and a kill loses up to two minutes of
  events. Here a step is one event, on the disk before the next line of the program runs.
  """

  def __init__(self, folder: Path, *, first_step: int):
    folder.mkdir(parents=True, exist_ok=True)
    self._path = folder
    # The suffix keeps apart two starts within a second, and in order, as TensorBoard reads by name.
    self._writer = event_file_writer.EventsWriter(str(folder / 'events'), f'.{time.time_ns()}')
    # TensorBoard drops, of what came before, the steps from this one on.
    restart = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    self._write(event_pb2.Event(step=first_step, session_log=restart))

  def write(self, step: int, scalars: Mapping[str, float]) -> None:
    values = [summary_pb2.Summary.Value(tag=k, simple_value=v) for k, v in scalars.items()]
    self._write(event_pb2.Event(step=step, summary=summary_pb2.Summary(value=values)))

  def close(self) -> None:
    self._writer.close()

  def _write(self, event: event_pb2.Event) -> None:
    event.wall_time = time.time()
    with records.full_disk_explained(self._path):
      self._writer.write_event(event)
      self._writer.flush()
