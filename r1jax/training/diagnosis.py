"""Says plainly, and once, that a run is not learning, and what to look at.

The three silent failures that users of RL systems report most: a reward stuck at zero, groups
without variance (no gradient), and answers cut off at the length limit.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple


class Check(NamedTuple):
  """A condition on one metric that, held for a number of steps, calls for a warning."""

  metric: str
  holds: Callable[[float], bool]
  steps: int
  warning: str


CHECKS = (
  Check(
    'accuracy',
    lambda value: value == 0,
    20,
    'accuracy has been 0 for {steps} steps: no answer was right, so there is nothing to learn '
    'from. Look at a sampled completion. Does the answer stand where the reward reads it, inside '
    '<answer> or \\boxed{{}}? Is the gold answer what you expect? Does the limit on completion '
    'tokens leave room for an answer? Is the base model right at least now and then (its pass@k)? '
    'If not, take easier problems or a better base model.',
  ),
  Check(
    'zero_variance_fraction',
    lambda value: value == 1,
    3,
    'for {steps} steps every group had one and the same reward for all its answers: all advantages '
    'are 0 and the model does not move. If the reward is high the problems are too easy, if it is '
    'low too hard (see accuracy); otherwise raise the group size or the temperature, or sample new '
    'prompts in place of such groups.',
  ),
  Check(
    'truncated_fraction',
    lambda value: value > 0.5,
    3,
    'for {steps} steps most completions were cut off at the length limit, before their answer: '
    'they are scored as wrong whatever they were about to say. Raise the limit on completion '
    'tokens, or look at a sampled completion: does the model repeat itself, and does the stop '
    'token stop it?',
  ),
)


class Diagnosis:
  """Follows the metrics of a run and warns of each failure once.

  Args:
    checks: what to look for.
  """

  def __init__(self, checks: tuple[Check, ...] = CHECKS):
    self._streaks = dict.fromkeys(checks, 0)

  def update(self, metrics: Mapping[str, float | None]) -> list[str]:
    """Takes the metrics of the next step and returns the warnings that are due."""
    due = []
    for check in list(self._streaks):
      value = metrics.get(check.metric)
      if value is None:
        continue
      self._streaks[check] = self._streaks[check] + 1 if check.holds(value) else 0
      if self._streaks[check] == check.steps:
        due.append(check.warning.format(steps=check.steps))
        del self._streaks[check]
    return due
