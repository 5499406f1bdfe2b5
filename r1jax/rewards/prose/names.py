"""Names: what mathematics and programs call things, which are no words as long as they are few.

A formula, a piece of code, an address and an identifier (`x_1`, `snake_case`, `camelCase`, `ABC`,
`H2O`) are no language, but any sentence can be written as one. One principle keeps it from passing
as none: names are few, and sentences have many words. So of the words that names are made of

  * six different long ones in a row, whatever marks stand between, are language where they stand;
  * of the other long ones a text has as many as suit its length, and the rest are words.

A long word has four letters or more: variables and labels (`AB`, `xyz`, `idx`) are free. Of 42,800
formulas in the solutions of MATH five have six long words in a row, all of them drawings, and of
664 programs of HumanEval and MBPP two, one of which prints a sentence.
"""

import functools
import re
from collections.abc import Iterable, Sequence

from r1jax.rewards.prose import letters

UNITS = (
  'km|cm|mm|nm|kg|mg|ml|mL|dl|min|hr|hrs|sec|ms|ft|yd|mi|lb|lbs|oz|mph|kph|rpm|Hz|kHz|MHz|GHz|kW|kWh'
  '|kJ|eV|Pa|kPa|mol|deg|rad|dB|KB|MB|GB|TB|am|pm|AM|PM|USD|RMB|CNY|EUR|sq|cc|cl'
)
# Functions, and numbers in Roman numerals.
_FUNCTION_NAMES = """
  sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp lim max min mod gcd lcm
  sqrt det dim ker deg arg sup inf abs lhs rhs ii iii iv vi vii viii ix xi xii
"""
_NOT_WORDS = frozenset(_FUNCTION_NAMES.split()) | frozenset(UNITS.split('|')) - {'am', 'AM'}
_CAMEL = re.compile(r'[A-Z]?[a-z]++(?:[A-Z][a-z]*+){1,3}+')
_HUMP = re.compile('(?<=[a-z])(?=[A-Z])')
# Letters of a longest label, and of a product of variables with Greek ones.
_LABEL_LETTERS, _PRODUCT_LETTERS = 5, 3
# Letters of a word that tells a sentence; different ones that make a row a sentence.
_LONG, _ROW = 4, 6
# Different long words in the names of a text: so many, and one more for so many words. What is
# beyond counts twice, because half of the words of a sentence are long.
_FEW, _WORDS_PER_NAME, _WEIGHT = 8, 8, 2
# Letters of a longest part, and of the pieces of what is longer.
_LONGEST, _PIECE = 20, 5


def is_name(word: str) -> bool:
  """Returns whether a run of letters and apostrophes is a name by its form."""
  if all(len(part) <= 1 for part in re.split("['’]", word)):
    return True
  is_label = len(word) <= _LABEL_LETTERS and word.isascii() and word.isupper()
  return (
    is_label or word in _NOT_WORDS or _CAMEL.fullmatch(word) is not None or _is_greek_name(word)
  )


def _is_greek_name(word: str) -> bool:
  """Returns whether a word is a product of variables or a function of one: `2πr`, `Δx`, `sinθ`."""
  greek = sum(letters.script(character) == 'GREEK' for character in word)
  if not greek:
    return False
  return len(word) <= _PRODUCT_LETTERS or (greek == 1 and word[:-1] in _NOT_WORDS)


@functools.lru_cache(maxsize=1 << 16)
def parts(name: str) -> tuple[str, ...]:
  """Returns the words that a name is made of, in small letters; single letters are none.

  Digits part no word: `lan3guage` is one.
  """
  found: list[str] = []
  for part in re.sub('[0-9]+', '', name).split('_'):
    for word in _HUMP.sub(' ', part).lower().split():
      if len(word) > _LONGEST:
        found += [word[start : start + _PIECE] for start in range(0, len(word), _PIECE)]
      elif len(word) > 1 and word not in _NOT_WORDS:
        found.append(word)
  return tuple(found)


def are_language(words: Iterable[str]) -> bool:
  """Returns whether the words of names that stand in a row are too many for names."""
  return len(set(long_ones(words))) >= _ROW


def long_ones(words: Iterable[str]) -> list[str]:
  """Returns the words that tell a sentence from names."""
  return [word for word in words if len(word) >= _LONG]


def find_surplus(found: Sequence[str], terms: Sequence[str], *, num_words: int) -> list[str]:
  """Returns the names that a text has beyond what suits its length, in order, for words to count.

  Args:
    found: long words of names; one that is said again is the same name.
    terms: words in a sentence of another script, of which each time counts.
    num_words: words of the text besides these.
  """
  allowed = _FEW + num_words // _WORDS_PER_NAME
  different = list(dict.fromkeys(found))
  surplus = [name for name in different[allowed:] for _ in range(_WEIGHT)]
  return surplus + [*terms][max(0, allowed - len(different)) :]
