"""How a response behaves: whether it checks itself, and what the check changes.

Counting words of reflection follows the paper's study of how they grow in training
(arXiv:2501.12948, figure 3 and its "aha moment"); it measures, and never rewards.
"""

import dataclasses
import re
from collections.abc import Sequence

from r1jax.rewards import equivalence
from r1jax.text import tags

# Words of doubt or verification. Boundaries are those of English letters, so that a word is found
# between Chinese characters too. `wait` counts with a capital or where it opens a clause ("no,
# wait"), not as a verb ("they wait"); 等等 likewise, since after a character or an enumeration
# comma it means "etc.". Runs of space are bounded, so that the search takes linear time.
_CHECK = re.compile(
  r'(?<![A-Za-z])(?:re-?|double-|cross-)?check(?:s|ed|ing)?(?!-?[A-Za-z])'
  r'|(?<![A-Za-z])verif(?:y|ies|ied|ying|ication)(?![A-Za-z])'
  r'|(?<![A-Za-z])(?-i:Wait|WAIT)(?!-?[A-Za-z])'
  r'|(?:^|[.,:;!?>…—\n。，：；！？])[ \t]{0,2}(?:(?:but|oh|no|so|hmm) )?wait(?!-?[A-Za-z])'
  r'|(?<![一-鿿、])等等'
  r'|检查|验算|验证|核对|等一下',
  re.IGNORECASE,
)


def checks_itself(text: str) -> bool:
  """Returns whether the text has a word of doubt or verification, in English or Chinese."""
  return _CHECK.search(text) is not None


def work_before_check(text: str) -> str | None:
  """Returns what stands before the first word of doubt or verification; None without one."""
  check = _CHECK.search(text)
  return text[: check.start()] if check else None


def answer_before_check(text: str) -> str | None:
  """Returns the last number before the first word of doubt or verification.

  None if the text has no such word, or no number before it.
  """
  work = work_before_check(text)
  return None if work is None else tags.last_number(work)


@dataclasses.dataclass(frozen=True)
class CheckOutcomes:
  """What became of the answers that were checked, as numbers of responses.

  Attributes:
    num_texts: all responses.
    num_checking: those that check themselves; the next four are fewer by those that have no number
      before their first check.
    wrong_to_right: wrong before the first check, right in the end.
    right_to_wrong: right before it, wrong in the end.
    stayed_right: right before it and in the end.
    stayed_wrong: wrong before it and in the end.
  """

  num_texts: int
  num_checking: int
  wrong_to_right: int
  right_to_wrong: int
  stayed_right: int
  stayed_wrong: int


def check_outcomes(texts: Sequence[str], golds: Sequence[str]) -> CheckOutcomes:
  """Counts how checks change answers: the last number before the first check against the last one.

  A number before the check may be a step's result rather than an answer, and then counts as wrong:
  where responses check their steps as they go, read `wrong_to_right` as an upper bound.

  Args:
    texts: responses.
    golds: the right answer to each; a number.

  Raises:
    ValueError: if there are not as many gold answers as texts.
  """
  if len(texts) != len(golds):
    raise ValueError(f'{len(texts)} texts with {len(golds)} gold answers; give each text its own')
  outcomes = [_outcome(text, gold) for text, gold in zip(texts, golds)]
  return CheckOutcomes(
    num_texts=len(texts),
    num_checking=sum(checks_itself(text) for text in texts),
    wrong_to_right=outcomes.count((False, True)),
    right_to_wrong=outcomes.count((True, False)),
    stayed_right=outcomes.count((True, True)),
    stayed_wrong=outcomes.count((False, False)),
  )


def _outcome(text: str, gold: str) -> tuple[bool, bool] | None:
  """Returns whether the answer is right before the first check and in the end."""
  before = answer_before_check(text)
  if before is None:
    return None
  last = tags.last_number(text) or ''
  return equivalence.math_equal(before, gold), equivalence.math_equal(last, gold)
