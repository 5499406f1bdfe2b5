"""Sentences, and the words in them with their scripts.

Words are what parts of speech can be: no number, no unit behind a number, no single letter of an
alphabet, and none of the names that mathematics and programs give things: `x_1`, `snake_case`,
`camelCase`, `ABC`, `H2O`, `sin`. Names are few, so that no sentence can be written as some: see
`names`. What is spelled or numbered in a row is no name. A few foreign names and terms may stand in
a sentence of a script without capitals; they count as names too.
"""

import functools
import itertools
import re
import string
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple

from r1jax.rewards.prose import blocks, letters, names

# No word: mixed alphabets, more marks than letters, or without an end; and a word of a name.
NO_SCRIPT = ''
_NAME = 'NAME'


class Word(NamedTuple):
  """A word.

  Attributes:
    text: as written, its letters folded.
    script: as `letters.script` names it, or NO_SCRIPT for what no language has as a word.
  """

  text: str
  script: str


# Letters (with their marks) of a longest word, and of a piece of what is longer; in scripts without
# spaces, where a run is a clause, letters of a word on average.
_LONGEST, _PIECE = 40, 5
_ALPHABET = 'ALPHABET'
_UNSPACED = {'KANA': 3, 'THAI': 4, 'LAO': 4, 'KHMER': 4, 'MYANMAR': 4}
# Characters that are segmented at a time.
_SEGMENTED = 1000
# Parts of a longest name (`num_of_items_left`), and letters stuck to a number that are no word.
_NAME_PARTS, _STUCK = 4, 3
# Single letters in a row that spell something.
_SPELLED = 12

# Words in a row that are a name or a term in a sentence of another script, and their share of it.
_TERM_WORDS, _TERMS_SHARE = 3, 3 / 8

# Characters that end a sentence.
_ENDS = '.!?。！？…;；।؟۔።\n'


class Text(NamedTuple):
  """What a text is made of.

  Attributes:
    sentences: the words of its prose, sentence by sentence; those without words are left out. The
      last holds what there is of names beyond a few: see `names`.
    names: the long words of its names, and the terms of other scripts, in small letters.
  """

  sentences: list[list[Word]]
  names: frozenset[str]


def split(text: str) -> list[list[Word]]:
  """Returns the sentences of a text, as `read` does."""
  return read(text).sentences


def read(text: str) -> Text:
  """Returns what a text is made of."""
  prose = blocks.remove(letters.fold(text))
  found = prose.names
  terms: list[str] = []
  sentences: list[list[Word]] = []
  for sentence in _find_sentences(prose.text, found):
    kept, dropped = _drop_terms(sentence)
    sentences.append(kept)
    for word in dropped:
      (found if word[0].isupper() else terms).append(word.lower())
  surplus = names.find_surplus(found, terms, num_words=sum(map(len, sentences)))
  sentences.append([Word(name, _find_script(name)) for name in surplus])
  return Text([sentence for sentence in sentences if sentence], frozenset([*found, *terms]))


def _find_sentences(prose: str, found: list[str]) -> Iterator[list[Word]]:
  """Yields the words of each sentence, and adds the long words of names to those found."""
  words: list[Word] = []
  row: list[str] = []  # The words of the names that stand in a row.
  for token in _token().findall(prose):
    if token in _ENDS:
      yield words
      words = []
    elif token[0] not in string.digits:
      for word in _read_row(token) if ' ' in token else _read(token):
        if word.script == _NAME:
          row.append(word.text)
        else:
          words += [*_read_names(row, found), word]
          row = []
  yield words + _read_names(row, found)


def _read_names(row: list[str], found: list[str]) -> list[Word]:
  """Returns the words of a row of names if they are too many for names; else adds the long ones."""
  if names.are_language(row):
    return [Word(part, _find_script(part)) for part in row]
  found += names.long_ones(row)
  return []


@functools.cache
def _token() -> re.Pattern[str]:
  r"""Returns the pattern of what a text is made of; `\w` has no marks, so they are listed."""
  codes = (*range(0x300, 0x1F000), *range(0xE0100, 0xE01F0))
  marks = ''.join(chr(code) for code in codes if unicodedata.category(chr(code))[0] == 'M')
  # A number goes with its unit, or with the letters stuck to it: `5 km/h`, `2xy`, `3rd`.
  unit = rf' {{0,2}}(?:{names.UNITS})(?:/[A-Za-z]{{1,4}})?|[A-Za-z]{{1,{_STUCK}}}'
  # What is looked at behind a token comes after its first character, so that most are passed fast.
  return re.compile(
    rf'[0-9](?<!\w[0-9])[0-9]*+(?:[.,][0-9]++)*+(?:(?:{unit})(?![A-Za-z0-9_]))?'
    # What in a row is no name: `IN CAPITAL LETTERS`, `words1 with2 numbers3`, `s p e l l e d`.
    # The row ends before a word that is none of it, or it would be tried again at each word.
    r'|[A-Z](?<!\w[A-Z])[A-Z]*+(?: [A-Z]++(?!\w)){2,}+'
    r'|[A-Za-z](?<!\w[A-Za-z])[A-Za-z]++[0-9]++(?: [A-Za-z]{2,}+[0-9]++(?!\w)){2,}+'
    rf'|[A-Za-z](?<!\w[A-Za-z])(?: {{1,3}}[A-Za-z](?!\w)){{{_SPELLED - 1},}}+'
    r"|[A-Za-z_]\w*+(?![^\x00-\x7f]|['’])"  # Most words; the next is slower.
    rf"|(?![\x00-@\[-^`{{-\x7f])[\w\u2801-\u28ff{marks}]++(?:['’][^\W\d_]++)*+"
    rf'|[.!?](?![0-9])|(?![.!?])[{_ENDS}]'
  )


def _drop_terms(words: list[Word]) -> tuple[list[Word], list[str]]:
  """Parts a sentence from the names and terms that a script without capitals takes from one with.

  They are up to three words in a row (`Alice有3个苹果`, `用 hash map 存储`), and few, or it is no
  such sentence.
  """
  rows = [
    (is_cased, list(row))
    for is_cased, row in itertools.groupby(words, lambda word: word.script in letters.ALPHABETS)
  ]
  terms = [row for is_cased, row in rows if is_cased and len(row) <= _TERM_WORDS]
  if len(rows) < 2 or sum(map(len, terms)) > _TERMS_SHARE * len(words):
    return words, []
  kept = [row for is_cased, row in rows if not is_cased or len(row) > _TERM_WORDS]
  return [*itertools.chain(*kept)], [word.text for word in itertools.chain(*terms)]


def _read(token: str) -> tuple[Word, ...]:
  """Returns the words of a run of letters, digits and marks."""
  if token.isascii():
    return _read_short(token) if len(token) <= _LONGEST else _read_long(token)
  words: list[Word] = []
  for script, run in _split_scripts(token):
    if script == _ALPHABET:
      words += _read_alphabetic(run)
    elif script == 'HAN':
      words += [Word(word, script) for word in _segment(run)]
    elif script in _UNSPACED:
      words += [Word(piece, script) for piece in _cut(run, _UNSPACED[script])]
    elif script != 'NUMBER':
      words += _read_long(run) if len(run) > _LONGEST else (Word(run, script),)
  return tuple(words)


def _split_scripts(token: str) -> list[tuple[str, str]]:
  """Returns the runs of a token with their scripts, all alphabets being one; marks go along."""
  starts, scripts = [0], ['']
  for place, character in enumerate(token):
    script = letters.script(character)
    if script in letters.ALPHABETS or character.isascii() or character == '’':
      script = _ALPHABET
    if script != scripts[-1] and script:
      starts.append(place)
      scripts.append(script)
  ends = [*starts[1:], len(token)]
  return [(script, token[start:end]) for script, start, end in zip(scripts, starts, ends) if script]


@functools.cache
def _segmenter() -> Any:
  """Returns rjieba's segmenter (jieba itself is unmaintained and has no wheel), loaded once."""
  import rjieba  # Loads its dictionary as it is imported.

  return rjieba.Jieba()  # One's own: words that others add to the shared one do not matter.


def _segment(run: str) -> list[str]:
  """Returns the words of a run of Chinese characters."""
  return [word for piece in _cut(run, _SEGMENTED) for word in _segmenter().cut(piece)]


def _cut(run: str, size: int) -> list[str]:
  return [run[start : start + size] for start in range(0, len(run), size)]


def _read_alphabetic(token: str) -> tuple[Word, ...]:
  """Returns the words of a run of alphabets, digits, underscores and apostrophes."""
  return _read_short(token) if len(token) <= _LONGEST else _read_long(token)


def _read_long(token: str) -> tuple[Word, ...]:
  words: list[Word] = []
  for part in re.split('[0-9_]+', token):
    if len(part) <= _LONGEST:
      words += _read_short(part)
    else:
      words += [Word(piece, NO_SCRIPT) for piece in _cut(part, _PIECE)]
  return tuple(words)


def _read_row(row: str) -> list[Word]:
  """Returns the words of what would be names if they did not stand in a row."""
  parts = re.sub('[0-9]+', '', row.lower()).split()
  if len(parts) >= _SPELLED and all(len(part) == 1 for part in parts):
    return [Word(piece, NO_SCRIPT) for piece in _cut(''.join(parts), _PIECE)]
  return [word for part in parts for word in _read_alphabetic(part)]


@functools.lru_cache(maxsize=1 << 16)
def _read_short(token: str) -> tuple[Word, ...]:
  """Returns the words of what `_read_alphabetic` reads, if it is short; those of a name as such."""
  parts = re.split('[0-9_]+', token.strip('_'))
  if len(parts) == 1 and not names.is_name(parts[0]):
    return (Word(parts[0], _find_script(parts[0])),)
  parts = [part for part in parts if part]
  is_number = token[:1].isdigit() and len(parts) == 1  # `5apples`, but not `3rd`
  if len(parts) <= _NAME_PARTS and not (is_number and len(parts[0]) > _STUCK):
    return tuple(Word(part, _NAME) for part in names.parts(token))
  return tuple(word for part in parts for word in _read_short(part))


def _find_script(word: str) -> str:
  """Returns the script of all letters of a word, or NO_SCRIPT if it is disfigured."""
  scripts = [letters.script(character) for character in word if character not in "'’"]
  marks = scripts.count('')
  found = set(scripts) - {''}
  return found.pop() if len(found) == 1 and 2 * marks <= len(scripts) else NO_SCRIPT
