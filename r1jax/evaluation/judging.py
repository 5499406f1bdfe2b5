"""Judges sampled answers: one record of what `evaluations.jsonl` holds.

The record's fields are described at `r1jax.evaluation.report`.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from r1jax.evaluation import behaviour, estimators
from r1jax.rewards import combine, lenient, math_equal
from r1jax.structs import Problem

Vote = Callable[[Problem, str], str | None]
Term = Callable[[Problem, str], float]
# Metadata that results are told by, where problems have it.
GROUPS = ('depth', 'family', 'level', 'subject')


class Reader(Protocol):
  """Reads answers of a task whose steps are known, such as `r1jax.tasks.world.reading`."""

  def style(self, problem: Problem, response: str) -> str:
    """Returns the style of a response."""
    ...

  def right_so_far(self, problem: Problem, work: str) -> bool | None:
    """Returns whether the beginning of a response is right; None if that cannot be told."""
    ...


def judge(
  problems: Sequence[Problem],
  responses: Sequence[Sequence[str]],
  length_PG: np.ndarray,
  *,
  judges: Mapping[str, tuple[Term, Vote | None]],
  reader: Reader | None = None,
) -> dict[str, Any]:
  """Returns the evaluation of G responses to each of P problems: `summary` of what is `seen`."""
  return summary(seen(problems, responses, length_PG, judges=judges, reader=reader))


@dataclasses.dataclass(frozen=True)
class Seen:
  """What is seen in the G responses to one problem.

  Attributes:
    correct: by judge, 1.0 or 0.0 for each response.
    votes: by judge that lets answers vote, cons@G.
    lengths: in tokens.
    num_checking: responses that check themselves.
    checks: of those that can be told, whether the work before the check was right, and the end.
    groups: of the problem's metadata, what results are told by.
    styles: of the responses; None without a reader.
  """

  correct: Mapping[str, np.ndarray]
  votes: Mapping[str, float]
  lengths: np.ndarray
  num_checking: int
  checks: Sequence[tuple[bool, bool]]
  groups: Mapping[str, str]
  styles: Sequence[str] | None


def seen(
  problems: Sequence[Problem],
  responses: Sequence[Sequence[str]],
  length_PG: np.ndarray,
  *,
  judges: Mapping[str, tuple[Term, Vote | None]],
  reader: Reader | None = None,
) -> list[Seen]:
  """Judges G responses to each of P problems.

  Args:
    problems: what was asked.
    responses: `[P][G]` texts.
    length_PG: their lengths in tokens.
    judges: by name, such as 'strict' and 'lenient': what decides that a response is right, and
      the answer it votes for in cons@G, or None where answers cannot be voted for, such as
      programs. The first decides what is told by groups of problems.
    reader: tells styles, and whether work before a check was right; without one, the last number
      before the check tells.
  """
  if not problems:  # Of several processes one may have none.
    return []
  terms = {name: term for name, (term, _) in judges.items()}
  values, _, _ = combine.evaluate(terms, problems, responses)
  votes = {name: vote for name, (_, vote) in judges.items() if vote is not None}
  return [
    Seen(
      correct={name: value_PG[p].astype(np.float64) for name, value_PG in values.items()},
      votes={name: _vote(problem, group, vote) for name, vote in votes.items()},
      lengths=np.asarray(length_PG[p]),
      num_checking=sum(behaviour.checks_itself(text) for text in group),
      checks=_checks(problem, group, reader),
      groups={
        name: str(problem.metadata[name])
        for name in GROUPS
        if isinstance(problem.metadata.get(name), str | int)
      },
      styles=None if reader is None else [reader.style(problem, text) for text in group],
    )
    for p, (problem, group) in enumerate(zip(problems, responses))
  ]


def summary(found: Sequence[Seen]) -> dict[str, Any]:
  """Returns the record of an evaluation from what was seen of each problem."""
  length_PG = np.stack([one.lengths for one in found])
  num_samples = length_PG.shape[1]
  record: dict[str, Any] = {'num_problems': len(found), 'num_samples': num_samples}
  correct = {name: np.stack([one.correct[name] for one in found]) for name in found[0].correct}
  for name, correct_PG in correct.items():
    right_P = correct_PG.sum(axis=1)
    record[name] = {
      f'pass_at_{k}': _estimate(estimators.pass_at_k(num_samples, right_P, k))
      for k in _attempts(num_samples)
    }
    if name in found[0].votes:
      votes_P = np.array([one.votes[name] for one in found])
      record[name]['cons_at_k'] = {**_estimate(votes_P), 'k': num_samples}
  record['length'] = {'mean': float(length_PG.mean()), 'std': float(length_PG.std())}
  ends = [end for one in found for end in one.checks]
  record |= {
    'checks_itself': sum(one.num_checking for one in found) / length_PG.size,
    'check_wrong_to_right': _share(ends, (False, True)),
    'check_right_to_wrong': _share(ends, (True, False)),
    'check_stayed_wrong': _share(ends, (False, False)),
  }
  first_PG = next(iter(correct.values()))
  for name in GROUPS:
    if groups := _by(found, name, first_PG, length_PG):
      record[f'by_{name}'] = groups
  if found[0].styles is not None:
    record['by_style'] = _by_style(found, first_PG, length_PG)
  return record


def _attempts(num_samples: int) -> list[int]:
  """Returns the k of pass@k: powers of two, and all."""
  return [*(2**n for n in range((num_samples - 1).bit_length())), num_samples]


def _estimate(score_P: np.ndarray) -> dict[str, float]:
  low, high = estimators.interval(score_P)
  return {'mean': float(score_P.mean()), 'low': low, 'high': high}


def _vote(problem: Problem, group: Sequence[str], vote: Vote) -> float:
  """Returns cons@G of a problem."""
  votes = [vote(problem, text) for text in group]
  return estimators.majority_at_k(votes, problem.gold, len(group), equal=math_equal)


def _checks(
  problem: Problem, group: Sequence[str], reader: Reader | None
) -> list[tuple[bool, bool]]:
  """Returns whether work was right before a check and at the end, where that can be told."""
  return [
    (before, bool(lenient.reward(problem, text)))
    for text in group
    if (before := _right_before_check(problem, text, reader)) is not None
  ]


def _right_before_check(problem: Problem, text: str, reader: Reader | None) -> bool | None:
  """Returns whether the work before the first check is right; None without check or work."""
  work = behaviour.work_before_check(text)
  if work is None:
    return None
  if reader is not None:
    return reader.right_so_far(problem, work)
  answer = behaviour.answer_before_check(text)
  return None if answer is None else math_equal(answer, problem.gold, question=problem.question)


def _share(items: Sequence[Any], kind: Any) -> float:
  return items.count(kind) / len(items) if items else float('nan')


def _by_style(found: Sequence[Seen], correct_PG, length_PG) -> dict[str, Any]:
  """Returns share, pass@1 and length of the answers of each style."""
  cells = defaultdict(list)
  for p, one in enumerate(found):
    for g, style in enumerate(one.styles or ()):
      cells[style].append((p, g))
  return {
    style: {
      'share': len(cells[style]) / correct_PG.size,
      'pass_at_1': float(np.mean([correct_PG[cell] for cell in cells[style]])),
      'length': float(np.mean([length_PG[cell] for cell in cells[style]])),
    }
    for style in sorted(cells)
  }


def _by(
  found: Sequence[Seen], key: str, correct_PG: np.ndarray, length_PG: np.ndarray
) -> dict[str, Any]:
  """Returns pass@1 and length of the problems that share a value of their metadata."""
  rows = defaultdict(list)
  for row, one in enumerate(found):
    if key in one.groups:
      rows[one.groups[key]].append(row)
  return {
    value: {
      'pass_at_1': float(correct_PG[rows[value]].mean()),
      'length': float(length_PG[rows[value]].mean()),
      'num_problems': len(rows[value]),
    }
    for value in sorted(rows, key=number_first)
  }


def number_first(text: str) -> tuple[bool, int, str]:
  """Returns what to sort names of groups by: numbers by their size, then words."""
  is_number = text.isdecimal() and len(text) < 20
  return not is_number, int(text) if is_number else 0, text
