"""One reward out of several named terms, each kept for the record."""

import math
import numbers
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from r1jax import structs

Term = Callable[[structs.Problem, str], float]
Scorer = Callable[
  [Sequence[structs.Problem], Sequence[Sequence[str]]], tuple[np.ndarray, dict[str, np.ndarray]]
]
# Characters of a response that an error's message shows.
_SHOWN = 2000


class TermError(RuntimeError):
  """A reward term is wrong: it raised, or returned what is no reward.

  Attributes:
    term: name of the term.
    problem: that was asked.
    response: the whole response that caused it.
  """

  def __init__(self, term: str, problem: structs.Problem, response: str, fault: str):
    shown = repr(response[:_SHOWN])
    if len(response) > _SHOWN:
      shown += f' (first {_SHOWN} of {len(response)} characters)'
    super().__init__(
      f'reward term {term!r} {fault}, on problem {problem.id!r} with response {shown}. A malformed '
      'response is worth 0; this is a fault of the term.'
    )
    self.term, self.problem, self.response = term, problem, response


def weighted(terms: Mapping[str, Term], weights: Mapping[str, float]) -> Scorer:
  """Returns a function that scores groups of responses by the weighted sum of the terms.

  The function takes P problems and, for each, the G responses of its group; it returns the reward
  `reward_PG`, float32 from 0 to the sum of the weights, and the values `value_PG` of every term by
  name, from 0 to 1 and before weighting. It raises TermError if a term raises or returns anything
  but a number from 0 to 1: nothing is caught and made a reward.

  Args:
    terms: pure functions of problem and response, by name.
    weights: one for each term, at least 0 and not all 0; a term of weight 0 is recorded only.

  Raises:
    ValueError: names the weight that is missing, unknown or out of range.
  """
  _check_weights(terms, weights)

  def score(
    problems: Sequence[structs.Problem], responses: Sequence[Sequence[str]]
  ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    _check_groups(problems, responses)
    values = {name: _evaluate(name, term, problems, responses) for name, term in terms.items()}
    total_PG = sum(weights[name] * value_PG for name, value_PG in values.items())
    return np.asarray(total_PG, np.float32), values

  return score


def _check_weights(terms: Mapping[str, Term], weights: Mapping[str, float]) -> None:
  if terms.keys() != weights.keys():
    raise ValueError(
      f'reward weights are given for {sorted(weights)}, but the terms are {sorted(terms)}: give '
      'each term one weight'
    )
  for name, weight in weights.items():
    if not math.isfinite(weight) or weight < 0:
      raise ValueError(f'reward weight of {name!r} is {weight}; it must be finite and at least 0')
  if not any(weights.values()):
    raise ValueError(f'reward weights are {dict(weights)}; at least one must be above 0')


def _check_groups(problems: Sequence[structs.Problem], responses: Sequence[Sequence[str]]) -> None:
  sizes = {len(group) for group in responses}
  if len(problems) != len(responses) or len(sizes) != 1:
    raise ValueError(
      f'{len(problems)} problems with {len(responses)} groups of {sorted(sizes)} responses; every '
      'problem needs one group, all of the same size'
    )


def _evaluate(
  name: str, term: Term, problems: Sequence[structs.Problem], responses: Sequence[Sequence[str]]
) -> np.ndarray:
  rows = [
    [_call(name, term, problem, response) for response in group]
    for problem, group in zip(problems, responses)
  ]
  return np.array(rows, np.float32)


def _call(name: str, term: Term, problem: structs.Problem, response: str) -> float:
  """Returns the term's value of one response, checked."""
  try:
    value = term(problem, response)
  except Exception as error:
    raise TermError(name, problem, response, f'raised {error!r}') from error
  if not isinstance(value, numbers.Real | np.bool_) or not 0 <= value <= 1:
    raise TermError(name, problem, response, f'returned {value!r} instead of a number in [0, 1]')
  return float(value)
