"""The loop every trained stage runs in: records, evaluations, checkpoints, resume, stop.

Order within a step: update, metrics, completions, checkpoint, evaluation. A run killed anywhere
finds on the disk at most more than its last checkpoint knows, which is cut and made again, and less
by the evaluation of the restored parameters, which is then made.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from r1jax import hosts
from r1jax.training import records
from r1jax.training.checkpoint import Checkpoints, Restored
from r1jax.training.clock import Clock
from r1jax.training.interrupt import Stopped, StopRequest
from r1jax.training.metrics import CompletionsLog, MetricsLog
from r1jax.training.progress import Progress


@dataclasses.dataclass(frozen=True)
class Cadence:
  """When the loop does what; in steps, and always also at the last one.

  Attributes:
    steps: in all.
    checkpoint_every: steps between checkpoints; 0 for none before the last.
    evaluate_every: steps between evaluations; 0 for none between first and last.
    completions_every: steps between records of completions; 0 for none before the last.
    max_skipped: updates skipped in a row, at the end of a step, with which the run stops.
  """

  steps: int
  checkpoint_every: int
  evaluate_every: int
  completions_every: int
  max_skipped: int

  def __post_init__(self):
    every = ('checkpoint_every', 'evaluate_every', 'completions_every')
    for name, least in (('steps', 1), ('max_skipped', 1), *((name, 0) for name in every)):
      if getattr(self, name) < least:
        raise ValueError(f'{name} is {getattr(self, name)}; it must be at least {least}')

  def is_due(self, every: int, step: int) -> bool:
    """Returns whether something done every so many steps is due after this one."""
    return step == self.steps or (every > 0 and step % every == 0)


@dataclasses.dataclass(frozen=True)
class Progressed:
  """What a step hands the loop.

  Attributes:
    tree: arrays that a checkpoint holds.
    record: numbers that a checkpoint holds, such as the prompts drawn.
    metrics: of the step.
    completions: rows for the completions log, made when called.
    skipped: updates skipped in a row.
  """

  tree: Any
  record: dict[str, Any]
  metrics: Mapping[str, Any]
  completions: Callable[[], Sequence[Mapping[str, Any]]]
  skipped: int


# Is told what is being done, how much of it is done, and of how much.
Show = Callable[[str, int, int], None]
Advance = Callable[[Any, dict[str, Any], int, Show], Progressed]
Evaluations = Callable[[Any, int], Mapping[str, Callable[[], Mapping[str, Any]]]]


def run(
  advance: Advance,
  tree: Any,
  record: dict[str, Any],
  *,
  cadence: Cadence,
  workdir: Path,
  title: str,
  evaluations: Evaluations,
  clock: Clock,
  stop: StopRequest,
) -> tuple[Any, dict[str, Any]]:
  """Runs a stage from its last checkpoint, or from the start, to its end.

  Args:
    advance: takes tree, record, number of a step (from 1), and what shows how far the step is.
    tree: arrays at the start.
    record: numbers at the start; `begun`, if there, tells from what, and a checkpoint of a run
      that began from something else is refused.
    cadence: when what is done.
    workdir: where everything is written.
    title: what the progress view is headed with.
    evaluations: of a tree at a step (0 is before the first): by split, what makes the record.
    clock: of the run.
    stop: checked after each step, and by the evaluations.

  Returns:
    The tree at the end and the summary, as `r1jax.evaluation.report` describes it.

  Raises:
    Stopped: a stop was asked for; the checkpoint is written.
    FloatingPointError: too many updates in a row were not finite; the checkpoint is written.
    ValueError: the checkpoints cannot be read, or are of a run that began from something else.
  """
  with contextlib.ExitStack() as stack:
    checkpoints = stack.enter_context(contextlib.closing(Checkpoints(workdir)))
    hosts.check_same('what the run begins from (model, tokenizer, problems)', record.get('begun'))
    restored = checkpoints.restore(tree)
    first = 0
    if restored is not None:
      _check_begun(restored, record, checkpoints.folder)
      first, tree, record = restored.step, restored.tree, restored.record
    # Without a checkpoint nothing tells from what the records there began: not even step 0 stays.
    kept = -1 if restored is None else first
    logs = stack.enter_context(contextlib.closing(Logs(workdir, restored_step=kept)))
    progress = stack.enter_context(Progress(cadence.steps, title, start_step=first))
    if restored is not None:
      _announce(restored, progress)
      if first == cadence.steps and record['skipped'] >= cadence.max_skipped:
        raise _not_finite(record['skipped'], checkpoints.folder / str(first))
    if first == 0 or cadence.is_due(cadence.evaluate_every, first):
      _evaluate(logs, evaluations(tree, first), first, progress, stop)
      clock.tick()
    for step in range(first + 1, cadence.steps + 1):
      done = advance(tree, record, step, progress.part)
      tree, record = done.tree, done.record | {'skipped': done.skipped}
      clock.tick()
      logs.write_metrics(step, done.metrics)
      progress.update(step, done.metrics)
      if cadence.is_due(cadence.completions_every, step):
        _write_completions(logs, progress, step, done.completions())
      failing = done.skipped >= cadence.max_skipped
      if failing or cadence.is_due(cadence.checkpoint_every, step):
        checkpoints.save(step, tree, record)
      if failing:
        raise _not_finite(done.skipped, checkpoints.folder / str(step))
      try:
        if cadence.is_due(cadence.evaluate_every, step):
          _evaluate(logs, evaluations(tree, step), step, progress, stop)
        stop.check()
      except Stopped:
        checkpoints.save(step, tree, record)
        raise
  clock.tick()
  return tree, hosts.first(lambda: summarize(workdir))


class Logs:
  """What the loop writes down: the first process writes, and all know that it could."""

  def __init__(self, workdir: Path, *, restored_step: int):
    def opened() -> None:
      self._metrics = MetricsLog(workdir, restored_step=restored_step)
      self._completions = CompletionsLog(workdir, restored_step=restored_step)
      path = workdir / 'evaluations.jsonl'
      self._evaluations = records.StepLog(path, restored_step=restored_step)

    hosts.first(opened)

  def write_metrics(self, step: int, metrics: Mapping[str, Any]) -> None:
    """Writes the metrics of a step."""
    hosts.first(lambda: self._metrics.write(step, metrics))

  def write_completions(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes answers of a step."""
    hosts.first(lambda: self._completions.write(step, rows))

  def write_evaluation(self, record: Mapping[str, Any]) -> None:
    """Writes an evaluation."""
    hosts.first(lambda: self._evaluations.append(record))

  def evaluated(self) -> set[tuple[int, str]]:
    """Returns step and split of the evaluations on record."""
    return hosts.first(
      lambda: {(found['step'], found['split']) for found in records.read(self._evaluations.path)}
    )

  def close(self) -> None:
    """Closes the files."""
    if hosts.is_first():
      self._metrics.close()
      self._evaluations.close()


def _announce(restored: Restored, progress: Progress) -> None:
  for fault in restored.damaged:
    progress.message(f'This checkpoint could not be read and is set aside: {fault}')
  progress.message(f'Going on from the checkpoint of step {restored.step}.')


def _check_begun(restored: Restored, record: dict[str, Any], folder: Path) -> None:
  if restored.record.get('begun') != record.get('begun'):
    raise ValueError(
      f'the checkpoints in {folder} are of a run that began from another model, tokenizer or '
      'problems than the config gives now; put back what it began from, or choose another --workdir'
    )


def _not_finite(skipped: int, checkpoint: Path) -> FloatingPointError:
  return FloatingPointError(
    f'the loss or gradient of {skipped} updates in a row was not finite; they changed nothing, and '
    f'the parameters before them are saved in {checkpoint}. Lower the learning rate or the clip '
    'bounds, or look at the last completions.'
  )


def summarize(workdir: Path) -> dict[str, Any]:
  """Returns the summary of a run: its first and last evaluation of each split, steps and tokens.

  The split that stands for the whole, as `base` and `trained`, is the first evaluated. There is a
  `base` only where something was evaluated before the first step.

  Args:
    workdir: folder of the run.
  """
  steps = records.read(workdir / 'metrics.jsonl')
  found = records.read(workdir / 'evaluations.jsonl')
  summary: dict[str, Any] = {
    'steps': len(steps),
    'tokens': sum(step.get('tokens', 0) for step in steps),
  }
  for split in dict.fromkeys(record['split'] for record in found):
    ends = [record for record in found if record['split'] == split]
    named = {'trained': ends[-1]}
    if ends[0]['step'] == 0:
      named = {'base': ends[0]} | named
    summary = summary if 'trained' in summary else named | summary
    summary[split] = named
  return summary


def _evaluate(
  logs: Logs, due: Mapping[str, Callable], step: int, progress: Progress, stop: StopRequest
) -> None:
  """Makes the evaluations that are due and not on record, as they may be after a resume."""
  known = logs.evaluated()
  for split, evaluation in due.items():
    stop.check()
    if (step, split) not in known:
      found = evaluation()
      logs.write_evaluation(found)
      progress.message(_headline(found))


def _headline(found: Mapping[str, Any]) -> str:
  judges = [name for name in ('strict', 'lenient') if name in found]
  parts = [f'pass@1 {name} {found[name]["pass_at_1"]["mean"]:.1%}' for name in judges]
  size = f'{found["num_problems"]} problems x {found["num_samples"]}'
  return f'step {found["step"]}: {found["split"]} ({size}): {", ".join(parts)}'


def _write_completions(logs: Logs, progress: Progress, step: int, rows) -> None:
  if rows:
    logs.write_completions(step, rows)
    row = rows[step % len(rows)]
    progress.sample(row['question'], row['completion'], row['terms'])
