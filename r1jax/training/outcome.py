"""The outcome of a run in words: base against trained, as rows of a table.

An evaluation is a mapping as `r1jax.evaluation.report` describes it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

Evaluation = Mapping[str, Any]

NOTE = (
  'strict: right, and in the format asked for; lenient: the last number counts, tags or not. '
  'In brackets: 95% intervals over problems.'
)


class Row(NamedTuple):
  """One line of the table; what was not measured is an empty text."""

  label: str
  base: str
  trained: str


def rows(summary: Mapping[str, Any]) -> list[Row]:
  """Returns the lines of the final table for what was measured.

  Args:
    summary: holds the evaluations `base` and `trained`.
  """
  base, trained = summary.get('base') or {}, summary.get('trained') or {}
  k = _cons_k(trained) or _cons_k(base)
  table = [
    _interval_row('pass@1, strict', base, trained, 'strict', 'pass_at_1'),
    _interval_row('pass@1, lenient', base, trained, 'lenient', 'pass_at_1'),
    _interval_row(f'cons@{k}, strict', base, trained, 'strict', 'cons_at_k'),
    _interval_row(f'cons@{k}, lenient', base, trained, 'lenient', 'cons_at_k'),
    Row('response length, tokens', _length(base), _length(trained)),
    _share_row('answers that check themselves', base, trained, 'checks_itself'),
    _share_row('checks: wrong made right', base, trained, 'check_wrong_to_right'),
    _share_row('checks: right made wrong', base, trained, 'check_right_to_wrong'),
  ]
  return [row for row in table if row.base or row.trained]


def effort(summary: Mapping[str, Any]) -> str:
  """Returns what the run took: '100 steps, 9,128 tokens, 8 min 21 s, up to ...'."""
  parts = []
  if 'steps' in summary:
    parts.append(f'{summary["steps"]:,.0f} steps')
  if 'tokens' in summary:
    parts.append(f'{summary["tokens"]:,.0f} tokens')
  if 'seconds' in summary:
    parts.append(duration(summary['seconds']))
  if summary.get('peak_bytes'):
    parts.append(f'up to {summary["peak_bytes"] / 1e9:.1f} GB of host memory')
  return ', '.join(parts)


def duration(seconds: float) -> str:
  """Returns seconds as people say them: '42 s', '8 min 21 s', '3 h 05 min'."""
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f'{hours} h {minutes:02} min'
  return f'{minutes} min {rest:02} s' if minutes else f'{rest} s'


def percent(share: float | None) -> str:
  """Returns a share as percent with one decimal; None, which stands for no number, as a dash."""
  return '–' if share is None else f'{100 * share:.1f}%'


def interval(estimate: Mapping[str, float | None]) -> str:
  """Returns an estimate with its 95% interval, such as '12.4% (10.9 to 14.1)'."""
  mean, low, high = (estimate.get(key) for key in ('mean', 'low', 'high'))
  if low is None or high is None:
    return percent(mean)
  return f'{percent(mean)} ({100 * low:.1f} to {100 * high:.1f})'


def _interval_row(label: str, base: Evaluation, trained: Evaluation, how: str, what: str) -> Row:
  cells = [
    interval(evaluation[how][what]) if what in evaluation.get(how, {}) else ''
    for evaluation in (base, trained)
  ]
  return Row(label, *cells)


def _share_row(label: str, base: Evaluation, trained: Evaluation, key: str) -> Row:
  cells = [percent(evaluation[key]) if key in evaluation else '' for evaluation in (base, trained)]
  return Row(label, *cells)


def _length(evaluation: Evaluation) -> str:
  return f'{evaluation["length"]["mean"]:.1f}' if 'length' in evaluation else ''


def _cons_k(evaluation: Evaluation) -> int | None:
  for how in ('strict', 'lenient'):
    if 'cons_at_k' in evaluation.get(how, {}):
      return evaluation[how]['cons_at_k']['k']
  return None
