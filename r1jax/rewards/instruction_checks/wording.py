"""Words as a reader sees them, and what is in doubt about them.

A word is a run of letters, digits and the marks on them; an underscore is none, so that `_word_`
in Markdown is the word.
"""

import math
import re
import unicodedata

from r1jax.text import tags

_WORD = re.compile(r'[^\W_]+')
# Han and kana, and the other scripts that write words without spaces between them.
_HAN = '\u3005\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff'
_THAI = '\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff'
_UNSPACED = re.compile(f'[{_HAN}{_THAI}]')
_CHARACTER_OR_RUN = re.compile(
  rf'[{_HAN}]|(?P<unspaced>(?:(?![\W_])[{_THAI}])+)|[^\W_{_HAN}{_THAI}]+'
)
# Letters, without the marks on them, of a long word in these other scripts.
_LONG_WORD = 5
_LATIN = re.compile('[0-9A-Za-z\u00aa\u00ba\u00c0-\u024f\u1e00-\u1eff]')
# Not the letters for clicks, which look like bars.
_LATIN_RUN = re.compile('[0-9A-Za-z\u00c0-\u01bf\u01c4-\u02af\u1e00-\u1eff]+')
# Letters to Unicode that look like apostrophes, accents and dots.
_MODIFIER = re.compile(r'(?<=[^\W_])[\u02b0-\u02ff](?=[^\W_])')
# Joiners, and marks that only change the form of a letter, are parts of words in the scripts of the
# Near East, India and Mongolia; elsewhere they part words.
_JOINERS = '\u180b-\u180f\u200c\u200d\u034f\ufe00-\ufe0f\U000e0100-\U000e01ef'
_JOINED = '\u0590-\u18af\ua800-\uabff\ufb1d-\ufdff\ufe70-\ufefc\U00010a00-\U00011fff'
_STRAY_JOINERS = re.compile(f'(?<![{_JOINED}{_JOINERS}])[{_JOINERS}]++')
_JOINER = re.compile(f'[{_JOINERS}]')
_STRAIGHT = str.maketrans('‘’‛ʼ＇“”‟＂', "'" * 5 + '"' * 4)


def bare(text: str) -> str:
  """Returns a text without what cannot be seen, and without the marks on its letters.

  Marks go because `re` takes them for no part of a word, which cuts words of Hindi or Thai;
  invisible characters because they cut words, or make some, that nobody sees. Letters drawn as
  nothing become spaces.
  """
  if text.isascii():
    return text
  changes = {}
  for character in set(text):
    category = unicodedata.category(character)
    if category[0] == 'M' or category == 'Cf':
      changes[ord(character)] = ''
    elif category[0] == 'L' and not tags.is_visible(character):
      changes[ord(character)] = ' '
  return text.translate(changes) if changes else text


def says_something(text: str) -> bool:
  """Returns whether a text has a letter or a digit that can be seen."""
  return _WORD.search(bare(text)) is not None


def words(text: str) -> list[str]:
  """Returns the words of a text; `don't` and `re-do` are two each, as for the paper's checks."""
  return _WORD.findall(bare(text))


def count_most(text: str) -> int:
  """Returns the number of words of a text if all that is in doubt counts.

  Each Chinese or Japanese character is a word, and so are every five letters of Thai, Lao, Burmese
  and Khmer. What cannot be seen parts words, as do letters that look like punctuation, and those of
  another script between Latin ones: `one\u2060two`, `oneˑtwo`, `oneㆍtwo`.
  """
  if not text.isascii():
    text = _MODIFIER.sub(' ', _STRAY_JOINERS.sub(' ', text))
    parts = [each for each in set(text) if unicodedata.category(each) == 'Cf']
    text = bare(text.translate({ord(each): ' ' for each in parts if not _JOINER.match(each)}))
  return sum(map(_count_in_run, _CHARACTER_OR_RUN.finditer(text)))


def straighten(text: str) -> str:
  """Returns a text with straight apostrophes and quotation marks for curly ones."""
  return text.translate(_STRAIGHT)


def count_word(text: str, word: str) -> int:
  """Returns how often a text has a word as written, in either case, with any apostrophe.

  Args:
    text: any text.
    word: one word or several, between which any white space may stand; it does not count within a
      longer word, such as `war` in `warm`.
  """
  text, parts = straighten(text).lower(), straighten(word).lower().split()
  return sum(
    not continues(parts[0][0], text[found.start() - 1 : found.start()])
    and not continues(parts[-1][-1], text[found.end() : found.end() + 1])
    for found in re.finditer(r'\s++'.join(map(re.escape, parts)), text)
  )


def count_letter(text: str, letter: str) -> int:
  """Returns how often a text has a letter, or any one character, in either case."""
  return text.lower().count(letter.lower())


def continues(edge: str, beside: str) -> bool:
  """Returns whether the character beside a word's edge makes the word longer.

  Scripts change within a run of letters, as where a Korean particle follows an English word: there
  the word ends.
  """
  if not beside or not edge.isalnum() or _UNSPACED.match(edge):
    return False
  if unicodedata.category(beside)[0] == 'M':
    return True
  return _LATIN.match(beside) is not None if edge.isascii() else beside.isalnum()


def _count_in_run(run: re.Match[str]) -> int:
  """Returns the number of words that a run of letters without space may be read as."""
  if run['unspaced']:
    return math.ceil(len(run['unspaced']) / _LONG_WORD)
  return max(1, len(_LATIN_RUN.findall(run.group())))
