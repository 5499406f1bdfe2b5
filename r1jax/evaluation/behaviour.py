"""How a response behaves: whether it checks itself, and what the check changes.

Counting words of reflection follows the paper's study of how they grow in training
(arXiv:2501.12948, figure 3 and its "aha moment"); it measures, and never rewards.
"""

import re

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
