"""pass@k and cons@k of sampled answers, and how sure a mean over problems is."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95


def pass_at_k(num_samples: ArrayLike, num_correct: ArrayLike, k: ArrayLike) -> np.ndarray:
  """Returns the unbiased estimate of pass@k: 1 - C(n - c, k) / C(n, k).

  The chance that at least one of k samples, drawn without replacement from n of which c are right,
  is right (arXiv:2107.03374 eq. 1). Counted in integers of any size and rounded once, so neither
  overflow nor cancellation touches it.

  Args:
    num_samples: n, samples drawn of a problem.
    num_correct: c, how many of them are right, from 0 to n.
    k: size of the attempt, from 1 to n.

  Returns:
    Chances of the arguments' common shape, after broadcasting; a scalar for scalars.

  Raises:
    ValueError: if a count is out of range.
  """
  return np.vectorize(_pass_at_k, otypes=[float])(num_samples, num_correct, k)[()]


def _pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
  n, c, k = int(num_samples), int(num_correct), int(k)
  if not (0 <= c <= n and 1 <= k <= n):
    raise ValueError(
      f'pass@{k} of {n} samples with {c} right: k must be from 1 to the number of samples, and the '
      'right ones from 0 to it'
    )
  draws = math.comb(n, k)
  return (draws - math.comb(n - c, k)) / draws


def majority_at_k(
  answers: Sequence[str | None], gold: str, k: int, *, equal: Callable[[str, str], bool]
) -> float:
  """Returns cons@k of one problem: the chance that the majority of k of its samples is right.

  Self-consistency (arXiv:2203.11171; cons@64 in arXiv:2501.12948): answers that are equal vote
  together, however they are written. Of classes with equally many votes one is drawn by lot, so a
  tie of the right class with t others counts 1 / (t + 1). With k below the number of samples it is
  the exact expectation over all subsets of k, so that k = 1 gives pass@1 and no order matters.

  Args:
    answers: extracted answers, None where a completion gave none: it does not vote. If no sample
      of a subset votes, the subset is wrong.
    gold: the right answer.
    k: number of samples that vote, from 1 to the number of answers.
    equal: whether an answer (first) equals another or the gold answer (second), such as
      `rewards.math_equal`.

  Raises:
    ValueError: if k is out of range.
  """
  if not 1 <= k <= len(answers):
    raise ValueError(f'cons@{k} of {len(answers)} answers: k must be from 1 to their number')
  voting = [answer for answer in answers if answer is not None]
  wrong = [answer for answer in voting if not equal(answer, gold)]
  num_right, num_silent = len(voting) - len(wrong), len(answers) - len(voting)
  rivals = _class_sizes(wrong, equal)
  credit = sum(
    math.comb(num_right, votes) * _credit_against(rivals, num_silent, votes, k - votes)
    for votes in range(1, min(k, num_right) + 1)
  )
  return float(credit / math.comb(len(answers), k))


def _class_sizes(answers: Sequence[str], equal: Callable[[str, str], bool]) -> list[int]:
  """Returns how many answers each class of equal ones has, a class known by its first member."""
  classes: list[list[str]] = []
  for answer in answers:
    for members in classes:
      if equal(answer, members[0]):
        members.append(answer)
        break
    else:
      classes.append([answer])
  return [len(members) for members in classes]


def _credit_against(rivals: Sequence[int], num_silent: int, votes: int, rest: int) -> Fraction:
  """Returns the credit of `votes` right votes, summed over all ways to draw the `rest` samples.

  `ways[ties][drawn]` counts the ways to draw from the rival classes seen so far, none of which has
  more than `votes` and `ties` of which have as many.
  """
  ways = {(0, 0): 1}
  for size in rivals:
    extended: dict[tuple[int, int], int] = {}
    for (ties, drawn), count in ways.items():
      for more in range(min(votes, size, rest - drawn) + 1):
        state = (ties + (more == votes), drawn + more)
        extended[state] = extended.get(state, 0) + count * math.comb(size, more)
    ways = extended
  return sum(
    (
      Fraction(count * math.comb(num_silent, rest - drawn), ties + 1)
      for (ties, drawn), count in ways.items()
    ),
    Fraction(0),
  )


def interval(score_P: ArrayLike) -> tuple[float, float]:
  """Returns the 95% confidence interval of a mean over problems whose scores are from 0 to 1.

  The problem is the unit: samples of one problem are not independent, so the spread between
  problems alone tells how sure the mean is (arXiv:2411.00640). To the problems seen the interval
  adds z^2/2 solved and z^2/2 unsolved ones; for scores of 0 and 1 that is the interval of Agresti
  and Coull (The American Statistician 52, 1998, p. 119), here for any scores between. So it does
  not shrink to nothing where every problem seen was solved. It always holds the mean, and covers
  where mean and standard error alone fail: if one problem in 200 is never solved and the others
  always, those cover in 14% of the samples of 30 problems.

  Args:
    score_P: one score for each problem: its pass@1, pass@k or cons@k.

  Returns:
    Lower and upper end.

  Raises:
    ValueError: if there is no problem, or a score is not from 0 to 1.
  """
  score_P = np.asarray(score_P, np.float64)
  if score_P.ndim != 1 or not score_P.size:
    raise ValueError(f'scores have shape {score_P.shape}; give one score for each problem')
  if not np.all((score_P >= 0) & (score_P <= 1)):
    raise ValueError(
      f'scores reach from {score_P.min()} to {score_P.max()}; they must be in [0, 1]'
    )
  z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
  num_problems = score_P.size + z**2
  mean = (score_P.sum() + z**2 / 2) / num_problems
  squares = np.sum((score_P - mean) ** 2) + z**2 / 2 * (mean**2 + (1 - mean) ** 2)
  half_width = z * math.sqrt(squares) / num_problems
  return max(0.0, float(mean - half_width)), min(1.0, float(mean + half_width))
