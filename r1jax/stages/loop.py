"""The loop every trained stage runs in: records, evaluations, checkpoints, resume, stop.

Order within a step: update, metrics, completions, evaluation, checkpoint. A run killed anywhere
finds on the disk at most more than its last checkpoint knows, which is cut and made again.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from r1jax.training import records
from r1jax.training.checkpoint import Checkpoints
from r1jax.training.interrupt import StopRequest
from r1jax.training.metrics import CompletionsLog, MetricsLog
from r1jax.training.progress import Progress


@dataclasses.dataclass(frozen=True)
class Cadence:
  """When the loop does what; in steps, and always also at the last one.

  Attributes:
    steps: in all.
    checkpoint_every: steps between checkpoints.
    evaluate_every: steps between evaluations; 0 for none between first and last.
    completions_every: steps between records of completions.
    max_skipped: updates skipped in a row before the run stops.
  """

  steps: int
  checkpoint_every: int
  evaluate_every: int
  completions_every: int
  max_skipped: int

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


Advance = Callable[[Any, dict[str, Any], int], Progressed]
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
  stop: StopRequest,
) -> tuple[Any, dict[str, Any]]:
  """Runs a stage from its last checkpoint, or from the start, to its end.

  Args:
    advance: takes tree, record and number of a step (from 1).
    tree: arrays at the start.
    record: numbers at the start.
    cadence: when what is done.
    workdir: where everything is written.
    title: what the progress view is headed with.
    evaluations: of a tree at a step (0 is before the first): by split, what makes the record.
    stop: checked after each step, and by the evaluations.

  Returns:
    The tree at the end and the summary, as `r1jax.evaluation.report` describes it.

  Raises:
    Stopped: a stop was asked for; the checkpoint is written.
    FloatingPointError: too many updates in a row were not finite; the checkpoint is written.
  """
  checkpoints = Checkpoints(workdir)
  restored = checkpoints.restore(tree)
  first = 0
  if restored is not None:
    first, tree, record = restored.step, restored.tree, restored.record
  metrics_log = MetricsLog(workdir, restored_step=first)
  completions_log = CompletionsLog(workdir, restored_step=first)
  evaluations_log = records.StepLog(workdir / 'evaluations.jsonl', restored_step=first)
  try:
    with Progress(cadence.steps, title, start_step=first) as progress:
      if restored is not None:
        progress.message(f'Going on from the checkpoint of step {first}.')
      if first == 0:
        _evaluate(evaluations_log, evaluations(tree, 0), 0, progress)
      for step in range(first + 1, cadence.steps + 1):
        done = advance(tree, record, step)
        tree, record = done.tree, done.record
        metrics_log.write(step, done.metrics)
        progress.update(step, done.metrics)
        if cadence.is_due(cadence.completions_every, step):
          _write_completions(completions_log, progress, step, done.completions())
        failing = done.skipped >= cadence.max_skipped
        if cadence.is_due(cadence.evaluate_every, step) and not stop.requested and not failing:
          _evaluate(evaluations_log, evaluations(tree, step), step, progress)
        if cadence.is_due(cadence.checkpoint_every, step) or stop.requested or failing:
          checkpoints.save(step, tree, record)
        if failing:
          raise FloatingPointError(
            f'the loss or gradient of {done.skipped} updates in a row was not finite; the last '
            f'good parameters are saved in {checkpoints.folder / str(step)}. Lower the learning '
            'rate or the clip bounds, or look at the last completions.'
          )
        if step < cadence.steps:
          stop.check()
  finally:
    metrics_log.close()
    evaluations_log.close()
    checkpoints.close()
  return tree, summarize(workdir)


def summarize(workdir: Path) -> dict[str, Any]:
  """Returns the summary of a run: its first and last evaluation of each split, and its effort.

  The split that stands for the whole, as `base` and `trained`, is the first evaluated.
  """
  steps = records.read(workdir / 'metrics.jsonl')
  found = records.read(workdir / 'evaluations.jsonl')
  seconds = sum(
    value for step in steps for key, value in step.items() if key.startswith('seconds/')
  )
  summary: dict[str, Any] = {
    'steps': len(steps),
    'tokens': sum(step.get('tokens', 0) for step in steps),
    'seconds': seconds + sum(record.get('seconds', 0) for record in found),
  }
  for split in dict.fromkeys(record['split'] for record in found):
    ends = [record for record in found if record['split'] == split]
    named = {'base': ends[0], 'trained': ends[-1]}
    summary = named | summary if 'base' not in summary else summary
    summary[split] = named
  return summary


def _evaluate(log: records.StepLog, due: Mapping[str, Callable], step: int, progress) -> None:
  """Evaluates what is due at a step and not on record, as it is after a resume."""
  known = {(found['step'], found['split']) for found in records.read(log.path)}
  for split, evaluation in due.items():
    if (step, split) not in known:
      found = evaluation()
      log.append(found)
      progress.message(_headline(found))


def _headline(found: Mapping[str, Any]) -> str:
  judges = [name for name in ('strict', 'lenient') if name in found]
  parts = [f'pass@1 {name} {found[name]["pass_at_1"]["mean"]:.1%}' for name in judges]
  size = f'{found["num_problems"]} problems x {found["num_samples"]}'
  return f'step {found["step"]}: {found["split"]} ({size}): {", ".join(parts)}'


def _write_completions(log: CompletionsLog, progress: Progress, step: int, rows) -> None:
  if rows:
    log.write(step, rows)
    row = rows[step % len(rows)]
    progress.sample(row['question'], row['completion'], row['terms'])
