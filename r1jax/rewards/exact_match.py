"""Exact match: is the final answer, as text, the gold answer?

For questions whose answers are names, words or phrases, as in SQuAD (arXiv:1606.05250 section 6.1,
https://arxiv.org/abs/1606.05250). As there, case, punctuation, articles and runs of space do not
count; and Unicode's compatible characters are one (NFKC), so `Ａ` is `A`.

SQuAD takes off all punctuation and every article, by which -5 is 5, 1.5 is 15, [0, 1) is (0, 1],
C++ is C, hepatitis A is hepatitis, and `the` is the empty answer. Here

  - signs, points, commas, colons and brackets count where they touch a digit (not `5.` at an end),
    symbols and %, #, &, @, *, /, the backslash and the underscore everywhere;
  - a hyphen counts where a word begins or ends with it: `O-`, `Cl-`, `NO3-` and `-x` are not O, Cl,
    NO3 and x, whereas `well-known` is `wellknown`;
  - an article counts if no word follows it, and `A` everywhere but at the start;
  - superscripts, subscripts and fractions stay what they are, where NFKC would make 102 of 10²;
  - what is left empty equals nothing.

The final answer is what `accuracy` extracts. Numbers are texts here: 1,000 is not 1000, and 0.5 is
not 1/2; for values use `accuracy`, for letters of options `choice`.
"""

import re
import unicodedata

from r1jax import structs
from r1jax.rewards import accuracy
from r1jax.rewards.mathematics import notation
from r1jax.text import tags

_QUOTES = frozenset('"\'`´“”„‟‘’‚‛«»‹›「」『』〝〞')
_MEANING = frozenset('%‰#&@*/\\_§')
_CLOSING = frozenset(')]}!')
# A sign apart from what it belongs to: `- 5`, `O -`.
_DASH_APART = re.compile(r'(?<!\S)-\s+(?=[0-9])')
_DASH_AT_END = re.compile(r'(?<=\S) -$')
# An answer has at most so many characters for each of the gold answer's, and so many more: marks
# that Unicode writes apart, LaTeX, space. What is longer is no answer, and is not read, because to
# normalise a long run of marks takes quadratic time.
_MOST_SPELLED, _EXTRA = 4, 1000
_ARTICLE = re.compile(r'(?:\b(?:[Tt]he|THE|[Aa]n|AN|a)|^A)\s+')


def reward(problem: structs.Problem, response: str) -> float:
  """Returns 1 if the response's final answer is the gold answer as normalised text, else 0.

  Args:
    problem: with a gold answer that `check_gold` accepts.
    response: all that the assistant said, with what the prompt's template began for it.
  """
  answer = accuracy.extract_answer(response)
  if answer is None or len(answer) > _MOST_SPELLED * len(problem.gold) + _EXTRA:
    return 0.0
  text = normalise(answer)
  return float(tags.is_visible(text) and text == normalise(problem.gold))


def check_gold(gold: str) -> None:
  """Raises ValueError if no response could be rewarded for this gold answer."""
  if not isinstance(gold, str) or not tags.is_visible(normalise(gold)):
    raise ValueError(
      f'the gold answer is {gold!r}; it must be text with a letter, digit or symbol in it, since '
      'punctuation does not count'
    )
  answer = accuracy.extract_answer(f'<answer>{gold}</answer>')
  if answer is None or normalise(answer) != normalise(gold):
    raise ValueError(
      f'the gold answer is {gold!r}, but a response that repeats it is read as answering '
      rf'{answer!r}; give the bare text of the answer, without tags or \boxed{{}}'
    )


def normalise(text: str) -> str:
  """Returns a text without what does not count: case, most punctuation, articles, space."""
  text = _DASH_APART.sub('-', notation.trim(_compatible(text)))
  text = _DASH_AT_END.sub('-', text)
  text = ' '.join(_without_punctuation(text).split())
  return ' '.join(_ARTICLE.sub('', text).casefold().split())


def _compatible(text: str) -> str:
  """Returns the text in NFKC, but for characters that are raised, lowered or a fraction."""
  if text.isascii():
    return text
  text = unicodedata.normalize('NFC', text)
  text = ''.join(_compatible_character(character) for character in text)
  return unicodedata.normalize('NFC', text)


def _compatible_character(character: str) -> str:
  if unicodedata.decomposition(character).startswith(('<super>', '<sub>', '<fraction>')):
    return character
  is_dash = character in tags.MINUS or unicodedata.category(character) == 'Pd'
  return '-' if is_dash else unicodedata.normalize('NFKC', character)


def _without_punctuation(text: str) -> str:
  around = zip(text, ' ' + text[:-1], text[1:] + ' ')
  return ''.join(
    character for character, before, after in around if _counts(character, before, after)
  )


def _counts(character: str, before: str, after: str) -> bool:
  """Returns whether a character counts between its neighbours."""
  if character in _QUOTES:
    return False
  if unicodedata.category(character)[0] != 'P' or character in _MEANING or after.isdecimal():
    return True
  if character == '-':
    return _is_at_edge(before, after)
  return before.isdecimal() and character in _CLOSING


def _is_at_edge(before: str, after: str) -> bool:
  """Returns whether a hyphen between two characters is the first or the last of a word."""
  ends_a_word = before.isalnum() or before in _CLOSING
  return '-' not in (before, after) and ends_a_word != after.isalnum()
