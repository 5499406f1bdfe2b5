"""Letters in one form, and the script of each."""

import functools
import re
import unicodedata

from r1jax.text import tags

# Scripts with capitals. Their letters look alike (`a` in Latin and Cyrillic), so within one word
# they are one run: a word that mixes them must not fall apart into pieces that seem honest.
ALPHABETS = frozenset(
  ('LATIN', 'GREEK', 'CYRILLIC', 'ARMENIAN', 'GEORGIAN', 'CHEROKEE', 'COPTIC', 'LISU', 'GLAGOLITIC')
)
_LINE_BREAKS = '\n\r\x0b\x0c\x85\u2028\u2029'
# Letters that one character may stand for; some hold a sentence, which would make texts grow.
_LONGEST_LIGATURE = 5
# Signs that are letters: 🅰, 🇦, ⒜. Raised letters in a row that are no exponent.
_SIGN = re.compile('.* (LATIN SMALL|LATIN CAPITAL|SYMBOL) LETTER ([A-Z])')
_SPELLED = 3
# First words of character names whose script goes by another name.
_SCRIPTS = {'CJK': 'HAN', 'IDEOGRAPHIC': 'HAN', 'HIRAGANA': 'KANA', 'KATAKANA': 'KANA'}
_SCRIPTS |= {'KATAKANA-HIRAGANA': 'KANA', 'HENTAIGANA': 'KANA'}
_RAISED = ('<super>', '<sub>')
_BRAILLE = 'BRAILLE'
# Marks that take the script of the letter they stand on.
_INHERITED = ('COMBINING', 'VARIATION', 'MONGOLIAN FREE')


def fold(text: str) -> str:
  """Returns a text with its letters in one form, and without what cannot be seen.

  Full-width, styled, circled, boxed and joined letters become plain ones. So do raised and lowered
  ones, save up to two behind another sign: exponents and indices become spaces. What is not seen
  (zero width, control, half a surrogate pair, unassigned) is dropped, so that it parts no word.
  Letters of other scripts that look alike stay what they are. Line breaks become line feeds, and
  other blanks spaces.
  """
  folded = text.replace('\r\n', '\n').translate(_FOLDED)
  return folded if folded.isascii() else _raised().sub(_lower, folded)


def script(character: str) -> str:
  """Returns the script of a letter, such as 'LATIN'; 'NUMBER' for a digit or `_`; '' for a mark.

  Chinese characters are 'HAN', Japanese syllables 'KANA'. A mark that belongs to one script, such
  as a vowel of Devanagari, has that script.
  """
  return _SCRIPT_OF[character]


class _Folding(dict[int, str]):
  """What each character becomes; worked out when it is first met."""

  def __missing__(self, code: int) -> str:
    self[code] = folded = _fold(chr(code))
    return folded


class _Scripts(dict[str, str]):
  """The script of each character; worked out when it is first met."""

  def __missing__(self, character: str) -> str:
    self[character] = found = _find_script(character)
    return found


_FOLDED, _SCRIPT_OF = _Folding(), _Scripts()


def _fold(character: str) -> str:
  if character in _LINE_BREAKS:
    return '\n'
  if character.isspace():
    return ' '
  if not tags.is_visible(character) and not _is_mark(character):
    return ''
  if unicodedata.decomposition(character).startswith(_RAISED):
    return character if _is_raised(character) else ' '
  sign = _SIGN.fullmatch(unicodedata.name(character, ''))
  if sign and unicodedata.category(character) == 'So':
    return sign[2].lower() if 'SMALL' in sign[1] else sign[2]
  plain = unicodedata.normalize('NFKC', character)
  has_letters = any(part.isalpha() or _is_mark(part) for part in plain)
  return plain if has_letters and len(plain) <= _LONGEST_LIGATURE else character


def _is_raised(character: str) -> bool:
  """Returns whether a character is a raised or lowered letter."""
  plain = unicodedata.normalize('NFKC', character)
  decomposition = unicodedata.decomposition(character)
  return decomposition.startswith(_RAISED) and len(plain) == 1 and plain.isalpha()


@functools.cache
def _raised() -> re.Pattern[str]:
  """Returns the pattern of raised and lowered letters in a row."""
  found = ''.join(filter(_is_raised, map(chr, range(0x80, 0x1F000))))
  return re.compile(f'[{found}]++')


def _lower(raised: re.Match[str]) -> str:
  run = raised.group()
  before = raised.string[max(raised.start() - 1, 0) : raised.start()]
  is_exponent = len(run) < _SPELLED and before.strip()
  return ' ' * len(run) if is_exponent else unicodedata.normalize('NFKC', run)


def _find_script(character: str) -> str:
  name = unicodedata.name(character, '')
  first = name.partition(' ')[0]
  if _is_mark(character) and name.startswith(_INHERITED):
    return ''
  is_letter = character.isalpha() or _is_mark(character) or first == _BRAILLE
  if first not in _SCRIPTS and not is_letter:
    return 'NUMBER'
  return _SCRIPTS.get(first, first)


def _is_mark(character: str) -> bool:
  return unicodedata.category(character)[0] == 'M'
