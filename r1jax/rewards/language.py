"""Language consistency reward: does the chain of thought keep to the language of the question?

The share of words of the target language among all words of the chain of thought
(arXiv:2501.12948, section 2.3.2, https://arxiv.org/abs/2501.12948; as reward of DeepSeek-R1 in
Nature 645, 633, Methods). What counts as a word says `prose.words`: formulas, code, numbers and
names of variables are none, as long as they are few (`prose.names`), so that no sentence passes in
their guise. A chain of thought without words is worth 0, because it keeps to no
language, and a policy must not earn by emptying its reasoning.

Whose a word is `prose.languages` says: its script, or a detector, phrase by phrase and in doubt for
the target, so that names and technical terms are not punished. A single word is always in doubt.

Two rules close what the plain share leaves open. A row of five words of the target language counts
once, so filler that is said again earns nothing. And words that the question itself takes from
another language, such as a name, are nobody's.

It reads the chain of thought alone, as the paper does; it does not see whether words make sense
where they stand, nor what is encoded (base64, character codes, words cut to three letters). A
language in foreign letters, such as pinyin, is taken for whatever it looks like most.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

from r1jax import structs
from r1jax.rewards.prose import languages, words
from r1jax.text import tags

# Words in a row that, once said, do not count again.
_SAID = 5


class Count(NamedTuple):
  """Words of a text.

  Attributes:
    own: of the language asked for, those of a phrase that was said before left out.
    foreign: of any other, and of none.
  """

  own: int
  foreign: int

  @property
  def share(self) -> float:
    """The share of own words, from 0 to 1; 0 without words."""
    return self.own / (self.own + self.foreign) if self.own else 0.0


def reward(problem: structs.Problem, response: str) -> float:
  """Returns the share of words of the target language in the chain of thought, from 0 to 1.

  The target is the language that the problem's metadata name (`lang` or `language`); without it
  that of the question, and of a question without words that of most of the chain of thought.

  Args:
    problem: of which question and metadata are read.
    response: all that the assistant said, with what the prompt's template began for it.

  Raises:
    ValueError: the metadata name a language that is not known; see `check_problem`.
  """
  named = _named_language(problem)
  asked, foreign = _read_question(problem.question, named)
  sentences = words.split(tags.reasoning(response))
  target = named or asked or languages.main_language(sentences)
  return count(sentences, target, nobodys=foreign).share if target else 0.0


def check_problem(problem: structs.Problem) -> None:
  """Raises ValueError if the problem's metadata name a language that is not known.

  The error says what was found and what is allowed; the caller, who knows it, adds the row.
  """
  _named_language(problem)


def count(
  sentences: Sequence[Sequence[words.Word]], language: str, *, nobodys: frozenset[str] = frozenset()
) -> Count:
  """Returns how many words are of a language, and how many are not.

  Args:
    sentences: as `words.split` returns them.
    language: ISO 639-1 code, one of languages.LANGUAGES.
    nobodys: words, in small letters, that do not count where they are foreign.
  """
  own: list[str] = []
  foreign = 0
  for word, is_own in languages.judge(sentences, language):
    if is_own:
      own.append(word.text)
    else:
      foreign += word.text.lower() not in nobodys
  return Count(_count_once(own), foreign)


def _named_language(problem: structs.Problem) -> str | None:
  """Returns the language that the metadata name, without its region or script."""
  for key in ('lang', 'language'):
    found = problem.metadata.get(key)
    if found is not None:
      code = found.replace('_', '-').partition('-')[0].lower() if isinstance(found, str) else None
      if code not in languages.LANGUAGES:
        known = ' '.join(sorted(languages.LANGUAGES))
        raise ValueError(
          f'metadata[{key!r}] of problem {problem.id!r} is {found!r}; it must be the ISO 639-1 '
          f'code of a natural language, such as "en" or "zh-CN", one of: {known}. Without this '
          'field the language is that of the question'
        )
      return code
  return None


@functools.lru_cache(maxsize=1 << 13)
def _read_question(question: str, named: str | None) -> tuple[str | None, frozenset[str]]:
  """Returns the language of a question, and the words that it takes from others.

  There are none if the question itself is not in the language that the chain of thought should be.
  """
  text = words.read(question)
  main = languages.main_language(text.sentences)
  if main is None or named not in (None, main):
    return main, frozenset()
  judged = languages.judge(text.sentences, main)
  return main, text.names.union(word.text.lower() for word, is_own in judged if not is_own)


def _count_once(said: Sequence[str]) -> int:
  """Returns the number of words that belong to a row of words not said before."""
  if len(said) <= _SAID:
    return len(said)
  seen: set[tuple[str, ...]] = set()
  num_words = end = 0  # The end of the last row that is new.
  for start, row in enumerate(zip(*(said[shift:] for shift in range(_SAID)))):
    if row not in seen:
      seen.add(row)
      num_words += start + _SAID - max(start, end)
      end = start + _SAID
  return num_words
