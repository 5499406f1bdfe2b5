r"""When an answer equals the gold answer only because the question does.

"Simplify $\sqrt{52}$" has the gold answer $2\sqrt{13}$, and to algebra the question is as good.
"""

import functools
import re

from r1jax.rewards import equivalence, workers
from r1jax.rewards.mathematics import notation, quantities, structures, symbolic
from r1jax.text import tags

# A formula as short as a name may be both in the question and the answer.
_SHORTEST_QUOTE = 3
# Formulas of a question that are compared with the answer, and characters that they may have.
_MOST_FORMULAS, _LONGEST_FORMULA = 12, 200
_SIDE = re.compile(r'=|,|\\(?:le|ge|ne|lt|gt)(?![A-Za-z])|<|>')
_FIGURES = re.compile('[0-9.]+')
_INTEGER = re.compile('-?[0-9]+')
_LOWEST_TERMS = re.compile(
  'simpl|lowest terms|reduce|common fraction|irreducible|relatively prime|最简|既约|化简|约分',
  re.IGNORECASE,
)


# A question about the form of an equation, or for a power.
_FORM_ASKED = re.compile(
  r'(?:slope|intercept|vertex|standard|point)[- ]\w* ?form|y *= *[ma](?:x|\()|solve .{1,40} for'
  r'|in terms of|用.{1,12}表示',
  re.IGNORECASE,
)
_POWER_ASKED = re.compile(
  'power of|powers of|exponential form|index form|exponents?|in the form|幂|指数', re.IGNORECASE
)


def is_quoted(answer: str, gold: str, question: str) -> bool:
  """Returns whether an answer, equal to the gold answer, leaves undone what the question asks.

  It does if a formula of it stands in the question, and is not the gold answer's but for spelling
  and order; if the question has roots, and those of the answer could be made as simple as the gold
  answer's; if it is a number that the question writes in other figures than the gold answer, and
  itself does so; if it is a fraction that could be reduced, of two numbers of the question or
  where that asks for lowest terms; if it is an equation in another form than the gold answer's, and
  the question asks for a form or says as much in an equation of its own; or if it is another power
  than asked for.

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
    if _is_another_form(answer, gold, question) or _is_another_power(answer, golds, question):
      return True
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


def _is_another_form(answer: str, gold: str, question: str) -> bool:
  """Returns whether an equation, equal to the gold's, is not in the form that is asked for."""
  found, right = equivalence.relation(answer), equivalence.relation(gold)
  if found is None or right is None or len(right.sides) != 2:
    return False
  is_equation = right.signs == ('=',)
  orders = (found.sides, found.sides[::-1]) if is_equation else (found.sides,)
  for sides in orders:
    is_label = is_equation and structures.is_label(right.sides[0])
    if all(
      symbolic.same_form(answer=side, gold=gold_side) for side, gold_side in zip(sides, right.sides)
    ) or (is_label and sides[0] == right.sides[0]):
      return False
  return _FORM_ASKED.search(question) is not None or any(
    other.signs == right.signs
    and symbolic.same_relation(answer=other.sides, gold=right.sides, is_ordered=not is_equation)
    for other in _relations(question)
  )


def _is_another_power(answer: str, golds: list[str], question: str) -> bool:
  """Returns whether a power of numbers is asked for, and this is none or one of another form."""
  if len(golds) != 1 or '^' not in golds[0] or structures.has_names(golds[0]):
    return False
  if not _POWER_ASKED.search(question):
    return False
  return not symbolic.same_form(answer=equivalence.bare(answer), gold=golds[0])


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
def _relations(question: str) -> list[structures.Relation]:
  """Returns the equations and inequalities of two sides in a question."""
  short = [text for text in _written(question) if len(text) <= _LONGEST_FORMULA]
  relations = map(equivalence.relation, short[:_MOST_FORMULAS])
  return [each for each in relations if each is not None and len(each.sides) == 2]


@functools.lru_cache(maxsize=256)
def _formulas(question: str) -> list[str]:
  """Returns the formulas of a question, and the sides of its relations."""
  sides = [side.strip().rstrip('.') for text in _written(question) for side in _SIDE.split(text)]
  short = [side for side in sides if _SHORTEST_QUOTE <= len(side) <= _LONGEST_FORMULA]
  return list(dict.fromkeys(short))[:_MOST_FORMULAS]


def _written(question: str) -> list[str]:
  """Returns what stands as a formula in a question."""
  return [match[match.lastindex or 0] for match in notation.FORMULA.finditer(question)]
