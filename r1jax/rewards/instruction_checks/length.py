"""How many words, sentences and paragraphs a response has."""

import re

from r1jax.rewards.instruction_checks import relations, sentences, wording

# Three asterisks between white space; as part of `***strong emphasis***` they divide nothing.
_DIVIDER = re.compile(r'(?<!\S)\*{3}(?!\S)')
_BLANK_LINES = re.compile(r'\n(?:[^\S\n]*+\n)++')
# Words up to which a block without a full stop is a heading, a greeting or a short item.
_FRAGMENT = 8


def number_words(text: str, *, relation: str, num_words: int) -> bool:
  """Returns whether the number of words keeps to its bound.

  Paper: a Chinese sentence is one word, as is `oneˑtwo`, and an underscore is one; here: an upper
  bound counts all that may be a word, and an underscore is none, because `_ _ _` has no words.
  """
  fewest, most = len(wording.words(text)), wording.count_most(text)
  return relations.holds(relation, num_words, fewest=fewest, most=most)


def number_sentences(text: str, *, relation: str, num_sentences: int) -> bool:
  """Returns whether the number of sentences keeps to its bound.

  Paper: a trained model ends sentences at punctuation alone, and what is left over is one; here:
  only what a full stop or its like ends reaches a lower bound, and under an upper bound a paragraph
  or item of a list that ends without one counts if it has more than 8 words, because otherwise a
  page without full stops is one sentence. So does what may end in a label: `plan B. Go.`
  """
  fewest = doubtful = 0
  for block in sentences.split_blocks(text):
    ended, may_end, rest = sentences.count_ended(block)
    fewest += ended
    doubtful += may_end + (wording.count_most(rest) > _FRAGMENT)
  return relations.holds(relation, num_sentences, fewest=fewest, most=fewest + doubtful)


def number_paragraphs(text: str, *, num_paragraphs: int) -> bool:
  """Returns whether dividers `***` part a response into that many paragraphs, none of them empty.

  A divider before the first or after the last is allowed.
  """
  paragraphs = _DIVIDER.split(text)
  if not paragraphs[0].strip():
    paragraphs = paragraphs[1:]
  if paragraphs and not paragraphs[-1].strip():
    paragraphs = paragraphs[:-1]
  return len(paragraphs) == num_paragraphs and all(map(wording.says_something, paragraphs))


def nth_paragraph_first_word(
  text: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str
) -> bool:
  """Returns whether blank lines part that many paragraphs, and the nth begins with the word.

  Marks before the word, such as quotes or those of emphasis, do not count; case does not matter.
  Paper: a paragraph may be a mere `---`, and after extra blank lines another one is the nth; here:
  every paragraph has to say something, and the nth is the nth of those counted.
  """
  paragraphs = [part for part in _BLANK_LINES.split(text) if part.strip()]
  if len(paragraphs) != num_paragraphs or not all(map(wording.says_something, paragraphs)):
    return False
  opening = wording.words(paragraphs[nth_paragraph - 1])[0]
  return opening.lower() == wording.bare(first_word).lower()
