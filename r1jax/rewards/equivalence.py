r"""When an answer equals the gold answer: as text, or as exact rational number.

A false acceptance teaches a policy to cheat, so in doubt two answers differ: percent signs, units,
currency, mixed numbers and expressions are never read as numbers, and texts are equal to the
letter. Numbers are compared by exact arithmetic, never as floats: 1/3 is not 0.3333333333333333.
"""

import functools
import re
from fractions import Fraction

from r1jax.text import tags

# A number longer than this is compared as text, so that equality is quickly told.
MAX_NUMBER_LENGTH = 400
# Layers such as `$\text{5}$.` around an answer; more of them are no answer but an attack.
MAX_WRAPPERS = 8
_HYPHENS = str.maketrans(dict.fromkeys(tags.MINUS, '-'))
_WRAPPERS = re.compile(
  r'\$\$([^$]+)\$\$'
  r'|\$([^$]+)\$'
  r'|\\\(((?:(?!\\[()]).)+)\\\)'
  r'|\\\[((?:(?!\\[\[\]]).)+)\\\]'
  r'|\\(?:text|textbf|mathrm|mathbf|mbox)\{([^{}]+)\}'
  r'|(.*[^.。])[.。]',
  re.DOTALL,
)


def math_equal(answer: str, gold: str) -> bool:
  r"""Returns whether the answer is the gold answer, exactly or as rational number.

  Around either, space, LaTeX's wrappers (`$...$`, `\(...\)`, `\[...\]`, `\text{...}`) and one full
  stop do not count. Numbers are integers, decimals, `a/b` and `\frac{a}{b}` of integers, with a
  sign or without, thousands separated in strict groups of three or not at all. All else must be
  the same text, case included, save that `\%` is `%`. An empty answer equals nothing, not even an
  empty gold answer.

  Args:
    answer: what was answered, without tags or box.
    gold: the right answer.
  """
  value = _meaning(answer)
  return value is not None and value == _meaning(gold)


def _meaning(text: str) -> Fraction | str | None:
  """Returns the number that a text is, or else the text, trimmed; None if nothing is left."""
  return _read_again(text) if len(text) <= MAX_NUMBER_LENGTH else _read(text)


def _read(text: str) -> Fraction | str | None:
  trimmed = _trim(text)
  value = _exact_value(trimmed)
  if value is None:
    return trimmed if tags.is_visible(trimmed.strip('.。')) else None
  return value


# Votes compare every answer of a group with others; long texts are not worth the memory.
_read_again = functools.lru_cache(maxsize=4096)(_read)


def is_number(text: str) -> bool:
  """Returns whether a text is read as a number."""
  return isinstance(_meaning(text), Fraction)


def _trim(text: str) -> str:
  """Returns the text without what may stand around an answer, runs of space made one."""
  text = ' '.join(text.translate(_HYPHENS).split()).replace('\\%', '%')
  for _ in range(MAX_WRAPPERS):
    wrapped = _WRAPPERS.fullmatch(text)
    if not wrapped:
      break
    text = wrapped[wrapped.lastindex or 0].strip()
  return text


def _exact_value(text: str) -> Fraction | None:
  """Returns the number that a trimmed text is, or None if it is none."""
  if len(text) > MAX_NUMBER_LENGTH:
    return None
  number = tags.NUMBER.fullmatch(text)
  if not number:
    return None
  sign, *fraction, decimal = (tags.SEPARATOR.sub('', part or '') for part in number.groups())
  if decimal:
    return Fraction(sign + decimal)
  numerator, denominator = (int(part) for part in fraction if part)
  if not denominator:
    return None
  return Fraction(int(sign + '1') * numerator, denominator)
