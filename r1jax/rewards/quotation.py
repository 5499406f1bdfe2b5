r"""When an answer equals the gold answer only because the question does.

"Simplify $\sqrt{52}$" has the gold answer $2\sqrt{13}$, and to algebra the question is as good.
"""

import functools
import re

from r1jax.rewards import equivalence, workers
from r1jax.rewards.mathematics import notation, quantities, symbolic
from r1jax.text import tags

# A formula as short as a name may be both in the question and the answer.
_SHORTEST_QUOTE = 3
# Formulas of a question that are compared with the answer, and characters that they may have.
_MOST_FORMULAS, _LONGEST_FORMULA = 12, 200
_SIDE = re.compile(r'=|,|\\(?:le|ge|ne|lt|gt)(?![A-Za-z])|<|>')
_INTEGER = re.compile('-?[0-9]+')
# A drawing, in which numbers are places.
_DRAWING = re.compile(r'\[asy\].*?(?:\[/asy\]|$)', re.DOTALL)


def is_quoted(answer: str, gold: str, question: str) -> bool:
  """Returns whether an answer, equal to the gold answer, is but a part of the question.

  It is if a formula of it stands in the question, and is not the gold answer's but for spelling and
  order; if it is a number that the question writes in other figures than the gold answer, and
  itself does so; or if it is a fraction of two numbers of the question that could be reduced.

  Args:
    answer: as extracted.
    gold: the right answer.
    question: that was asked.
  """
  if equivalence.bare(answer) == equivalence.bare(gold):
    return False
  question = notation.normalise(_DRAWING.sub('', question))
  answers, golds = equivalence.formulas(answer), equivalence.formulas(gold)
  try:
    if not answers:
      return _is_same_number(equivalence.bare(answer), equivalence.bare(gold), question)
    return any(_is_quoted_formula(formula, golds, question) for formula in answers)
  except workers.WorkerError as fault:
    workers.record(fault)
    return True


def _is_same_number(answer: str, gold: str, question: str) -> bool:
  """Returns whether a number of the question is the gold answer, in figures still to be changed."""
  number, figures = equivalence.number(gold), quantities.figures(gold)
  if number is None or quantities.figures(answer) == figures:
    return False
  if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(tags.SEPARATOR.sub('', answer)):
    return False
  found = quantities.find(question)
  if any(_is_same(each, number) and quantities.figures(text) != figures for text, each in found):
    return True
  # Not reduced, as 24/36.
  values = {str(each.value) for _, each in found}
  is_fraction = number.value.denominator > 1 and len(figures) == 2
  numbers = quantities.figures(answer)
  return is_fraction and len(numbers) == 2 and values.issuperset(numbers)


def _is_same(number: quantities.Quantity, gold: quantities.Quantity) -> bool:
  return quantities.equal(number, gold) or quantities.equal(gold, number)


def _is_quoted_formula(formula: str, golds: list[str], question: str) -> bool:
  if any(symbolic.same_form(answer=formula, gold=gold) for gold in golds):
    return False
  text = notation.squeeze(formula).strip('()[] ')
  stands = rf'(?<![0-9.]){re.escape(text)}(?!\.?[0-9])'
  return len(text) >= _SHORTEST_QUOTE and (
    re.search(stands, notation.squeeze(question)) is not None
    or any(symbolic.same_form(answer=formula, gold=other) for other in _formulas(question))
  )


@functools.lru_cache(maxsize=256)
def _formulas(question: str) -> list[str]:
  """Returns the formulas of a question, and the sides of its relations."""
  sides = [
    side.strip().rstrip('.') for text in notation.formulas(question) for side in _SIDE.split(text)
  ]
  short = [side for side in sides if _SHORTEST_QUOTE <= len(side) <= _LONGEST_FORMULA]
  return list(dict.fromkeys(short))[:_MOST_FORMULAS]
