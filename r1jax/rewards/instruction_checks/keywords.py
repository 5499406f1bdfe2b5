"""Words and letters that must occur, so often, or not at all."""

from collections.abc import Sequence

from r1jax.rewards.instruction_checks import disguises, relations, wording

# Paper: required words count within longer ones too (`war` in `forward`), forbidden ones do not;
# here: neither does, because a word that is not there cannot have been used.


def existence(text: str, *, keywords: Sequence[str]) -> bool:
  """Returns whether every keyword occurs as a word."""
  return all(wording.count_word(text, keyword) for keyword in keywords)


def frequency(text: str, *, keyword: str, relation: str, frequency: int) -> bool:
  """Returns whether a keyword occurs as a word as often as asked."""
  return relations.holds(
    relation,
    frequency,
    fewest=wording.count_word(text, keyword),
    most=disguises.count_word(text, keyword),
  )


def forbidden_words(text: str, *, forbidden_words: Sequence[str]) -> bool:
  """Returns whether none of the words occurs, in disguise neither.

  Paper: `rоck` with a Cyrillic letter, `r\u200bock`, `r**o**ck` and `_rock_` pass; here: they do
  not, because a reader sees the word.
  """
  return not any(disguises.count_word(text, word) for word in forbidden_words)


def letter_frequency(text: str, *, letter: str, let_relation: str, let_frequency: int) -> bool:
  """Returns whether a letter, or another character, occurs as often as asked, in either case."""
  return relations.holds(
    let_relation,
    let_frequency,
    fewest=wording.count_letter(text, letter),
    most=disguises.count_letter(text, letter),
  )
