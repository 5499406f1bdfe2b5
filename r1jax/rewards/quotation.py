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
_FORMULA = re.compile(
  r'\$([^$]+)\$|\\\(((?:(?!\\[()]).)+)\\\)|\\\[((?:(?!\\[\[\]]).)+)\\\]', re.DOTALL
)
_SIDE = re.compile(r'=|,|\\(?:le|ge|ne|lt|gt)(?![A-Za-z])|<|>')
_FIGURES = re.compile('[0-9.]+')
_INTEGER = re.compile('-?[0-9]+')
_LOWEST_TERMS = re.compile(
  'simpl|lowest terms|reduce|common fraction|irreducible|relatively prime|最简|既约|化简|约分',
  re.IGNORECASE,
)


def is_quoted(answer: str, gold: str, question: str) -> bool:
  """Returns whether an answer, equal to the gold answer, leaves undone what the question asks.

  It does if a formula of it stands in the question, and is not the gold answer's but for spelling
  and order; if the question has roots, and those of the answer could be made as simple as the gold
  answer's; if it is a number that the question writes in other figures than the gold answer, and
  itself does so; or if it is a fraction that could be reduced, of two numbers of the question or
  where that asks for lowest terms.

  Args:
    answer: as extracted.
    gold: the right answer.
    question: that was asked.
  """
  if equivalence.bare(answer) == equivalence.bare(gold):
    return False
  question = notation.normalise(question)
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
  number, figures = equivalence.number(gold), _figures(gold)
  if number is None or _figures(answer) == figures:
    return False
  if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(tags.SEPARATOR.sub('', answer)):
    return False
  found = quantities.find(question)
  if any(_is_same(each, number) and _figures(text) != figures for text, each in found):
    return True
  # Not reduced, as 24/36.
  values = {str(each.value) for _, each in found}
  is_fraction = number.value.denominator > 1 and len(figures) == 2 == len(_figures(answer))
  return is_fraction and (
    _LOWEST_TERMS.search(question) is not None or values.issuperset(_figures(answer))
  )


def _is_same(number: quantities.Quantity, gold: quantities.Quantity) -> bool:
  return quantities.equal(number, gold) or quantities.equal(gold, number)


def _figures(text: str) -> list[str]:
  return _FIGURES.findall(tags.SEPARATOR.sub('', text))


def _is_quoted_formula(formula: str, golds: list[str], question: str) -> bool:
  if any(symbolic.same_form(answer=formula, gold=gold) for gold in golds):
    return False
  text = notation.squeeze(formula).strip('()[] ')
  stands = rf'(?<![0-9.]){re.escape(text)}(?!\.?[0-9])'
  if len(text) >= _SHORTEST_QUOTE and (
    re.search(stands, notation.squeeze(question))
    or any(symbolic.same_form(answer=formula, gold=other) for other in _formulas(question))
  ):
    return True
  if r'\sqrt' not in question or not golds:
    return False
  return all(symbolic.has_simpler_roots(answer=formula, gold=gold) for gold in golds)


@functools.lru_cache(maxsize=256)
def _formulas(question: str) -> list[str]:
  """Returns the formulas of a question, and the sides of its relations."""
  found = dict[str, None]()
  for match in _FORMULA.finditer(question):
    for side in _SIDE.split(match[match.lastindex or 0]):
      if _SHORTEST_QUOTE <= len(side.strip()) <= _LONGEST_FORMULA:
        found[side.strip().rstrip('.')] = None
  return list(found)[:_MOST_FORMULAS]
