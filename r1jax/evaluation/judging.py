"""Judges sampled answers: one record of what `evaluations.jsonl` holds.

The record's fields are described at `r1jax.evaluation.report`.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from r1jax.evaluation import behaviour, estimators
from r1jax.rewards import math_equal
from r1jax.structs import Problem

Extract = Callable[[str], str | None]
Term = Callable[[Problem, str], float]


def judge(
  problems: Sequence[Problem],
  responses: Sequence[Sequence[str]],
  length_PG: np.ndarray,
  *,
  judges: Mapping[str, tuple[Term, Extract]],
) -> dict[str, Any]:
  """Returns the evaluation of G responses to each of P problems.

  Args:
    problems: what was asked.
    responses: `[P][G]` texts.
    length_PG: their lengths in tokens.
    judges: by name, such as 'strict' and 'lenient': what decides that a response is right, and
      what extracts the answer it votes for in cons@G. The first decides the curves by depth.
  """
  num_samples = len(responses[0])
  record: dict[str, Any] = {'num_problems': len(problems), 'num_samples': num_samples}
  correct: dict[str, np.ndarray] = {}
  for name, (term, extract) in judges.items():
    correct[name] = np.array(
      [[term(p, text) for text in group] for p, group in zip(problems, responses)]
    )
    record[name] = {
      'pass_at_1': _estimate(correct[name].mean(axis=1)),
      f'pass_at_{num_samples}': _estimate(correct[name].max(axis=1)),
      'cons_at_k': {**_estimate(_votes(problems, responses, extract)), 'k': num_samples},
    }
  record['length'] = {'mean': float(length_PG.mean()), 'std': float(length_PG.std())}
  record |= _checks(problems, responses)
  record['by_depth'] = _by(problems, 'depth', next(iter(correct.values())), length_PG)
  record['by_family'] = _by(problems, 'family', next(iter(correct.values())), length_PG)
  return record


def _estimate(score_P: np.ndarray) -> dict[str, float]:
  low, high = estimators.interval(score_P)
  return {'mean': float(score_P.mean()), 'low': low, 'high': high}


def _votes(problems, responses, extract: Extract) -> np.ndarray:
  """Returns cons@G of each problem."""
  votes = [
    estimators.majority_at_k(
      [extract(text) for text in group], problem.gold, len(group), equal=math_equal
    )
    for problem, group in zip(problems, responses)
  ]
  return np.array(votes)


def _checks(problems, responses) -> dict[str, float]:
  """Returns the share of answers that check themselves, and what their checks did."""
  texts = [text for group in responses for text in group]
  golds = [problem.gold for problem, group in zip(problems, responses) for _ in group]
  found = behaviour.check_outcomes(texts, golds)
  checks = found.wrong_to_right + found.right_to_wrong + found.stayed_right + found.stayed_wrong
  return {
    'checks_itself': found.num_checking / found.num_texts,
    'check_wrong_to_right': found.wrong_to_right / checks if checks else float('nan'),
    'check_right_to_wrong': found.right_to_wrong / checks if checks else float('nan'),
  }


def _by(problems, key: str, correct_PG: np.ndarray, length_PG: np.ndarray) -> dict[str, Any]:
  """Returns pass@1 and length of the problems that share a value of their metadata."""
  rows = defaultdict(list)
  for row, problem in enumerate(problems):
    if key in problem.metadata:
      rows[problem.metadata[key]].append(row)
  return {
    str(value): {
      'pass_at_1': float(correct_PG[rows[value]].mean()),
      'length': float(length_PG[rows[value]].mean()),
      'num_problems': len(rows[value]),
    }
    for value in sorted(rows)
  }
