r"""When an answer equals the gold answer, but is not in the form that the question asks for.

"Write $\frac{1}{8}$ as a power of 2" has the gold answer $2^{-3}$, and 0.125 is as large. What a
question asks for is told by its words; the gold answer shows what it looks like.
"""

import functools
import math
import re

from r1jax.rewards import equivalence, workers
from r1jax.rewards.mathematics import kinds, notation, structures, symbolic

# Words that ask for a form of equations, powers, sums, roots, numbers, and fractions.
_OF_EQUATION = re.compile(
  r'(?:slope|intercept|vertex|standard|point|general)[- ]?\w* ?form|y *= *[am](?:x|\()'
  r'|solve .{1,40} for|in terms of|(?:in|of) the form|gcd|as \$?[Aa]x|标准方程|一般式|斜截式'
  r'|用.{1,12}表示',
  re.IGNORECASE,
)
_OF_POWER = re.compile(
  'power of|powers of|exponential form|index form|exponents?|(?:in|of) the form|幂|指数',
  re.IGNORECASE,
)
_OF_SUM = re.compile(
  r'expand|multiply out|distribut|like terms|(?:in|of|as) (?:the|a) (?:form|polynomial)'
  r'|rectangular form|展开|合并同类项',
  re.IGNORECASE,
)
_OF_ROOT = re.compile(
  r'simplif|simplest|radical form|rationali[sz]|lowest terms|最简|化简', re.IGNORECASE
)
_OF_NUMBER = re.compile(
  r'(?:as|to|into) an? (?:[a-z]+ ){0,3}(?:fraction|decimal|percent(?:age)?|mixed number)\b'
  r'|(?:decimal|fraction) form|mixed number|scientific notation|improper fraction'
  r'|what per ?cent|as common fractions|nearest (?:tenth|hundredth|thousandth|ten[- ]thousandth)'
  r'|decimal places?|digits? after the decimal|significant'
  r'|科学记数法|带分数|假分数|小数表示|百分之几',
  re.IGNORECASE,
)
_OF_FRACTION = re.compile(
  'simpl|lowest terms|reduc|common fraction|irreducible|relatively prime|最简|既约|化简|约分',
  re.IGNORECASE,
)
_OF_ORDER = re.compile(
  r'(?:decreasing|descending|increasing|ascending) (?:degrees?|powers?|order of (?:degree|power))'
  r'|[降升]幂|alphabetic(?:al)? order',
  re.IGNORECASE,
)
_TERM = re.compile(r'[-+]?[^-+]+')
# How a number is written, the first that is found.
_WRITTEN = {
  'scientific': re.compile(r'(?:\\times|\\cdot|\*) ?10 ?(?:\^|\*\*)|[0-9][eE][-+]?[0-9]'),
  'in words': re.compile('hundred|thousand|[mb]illion|trillion|[百千万亿]'),
  'mixed': re.compile(r'[0-9] *\\frac|[0-9] +[0-9]+ ?/'),
  'fraction': re.compile(r'\\frac|[0-9] ?/ ?[0-9]'),
  'decimal': re.compile(r'\.[0-9]'),
}
_FRACTION = re.compile(
  r'\\frac\{ ?-?([0-9]{1,18}) ?\}\{ ?-?([0-9]{1,18}) ?\}|([0-9]{1,18}) ?/ ?([0-9]{1,18})'
)
_MANTISSA = re.compile('[0-9.]+')


def is_asked(answer: str, gold: str, question: str) -> bool:
  """Returns whether an answer, equal to the gold answer, is in the form that the question asks for.

  An equation is not, if the question says another form or holds an equation that is as good; a
  power, if it is not the gold's; a sum, if numbers are still to be multiplied with sums of it; a
  root, if more could be taken out of it than of the gold's; a number, if it is written as another
  kind of number than the gold; a fraction, if it could be reduced;
  terms or letters, if they stand in another order than asked for.

  Args:
    answer: as extracted.
    gold: the right answer.
    question: that was asked.
  """
  if equivalence.bare(answer) == equivalence.bare(gold):
    return True
  try:
    return not any(
      is_other(answer, gold, question)
      for is_other in (
        _is_other_number,
        _is_other_fraction,
        _is_other_equation,
        _is_other_power,
        _is_other_sum,
        _is_other_root,
        _is_other_order,
      )
    )
  except workers.WorkerError as fault:
    workers.record(fault)
    return False


def _is_other_number(answer: str, gold: str, question: str) -> bool:
  answer, gold = equivalence.bare(answer), equivalence.bare(gold)
  found, right = equivalence.number(answer), equivalence.number(gold)
  if not _OF_NUMBER.search(question):
    return False
  if found is None or right is None:
    return bool(_kinds(answer) - _kinds(gold))  # Of several numbers.
  if '%' in (found.unit, right.unit):
    return found.value != right.value
  kind = _kind(gold)
  if kind != _kind(answer):
    return True
  return kind == 'scientific' and _mantissa(answer) != _mantissa(gold)


def _kind(number: str) -> str:
  text = notation.normalise(number)
  return next((kind for kind, sign in _WRITTEN.items() if sign.search(text)), 'integer')


def _kinds(text: str) -> set[str]:
  """Returns how numbers of a text are written that are not written as whole ones."""
  text = notation.normalise(text)
  return {kind for kind, sign in _WRITTEN.items() if sign.search(text)}


def _mantissa(number: str) -> float:
  found = _MANTISSA.search(notation.normalise(number))
  return float(found[0]) if found and found[0].count('.') < 2 and found[0] != '.' else math.nan


def _is_other_fraction(answer: str, gold: str, question: str) -> bool:
  return _OF_FRACTION.search(question) is not None and _reducible(answer) > _reducible(gold)


def _reducible(text: str) -> int:
  """Returns how many fractions of whole numbers in a text are not in lowest terms."""
  pairs = [
    [int(number) for number in match.groups() if number]
    for match in _FRACTION.finditer(notation.normalise(text))
  ]
  return sum(math.gcd(*pair) > 1 for pair in pairs)


def _is_other_equation(answer: str, gold: str, question: str) -> bool:
  found, right = equivalence.relation(answer), equivalence.relation(gold)
  if right is None or len(right.sides) != 2:
    return False
  says_form = _OF_EQUATION.search(question) is not None
  is_equation = right.signs == ('=',)
  is_named = is_equation and structures.is_label(right.sides[0])
  if found is None:
    return is_named and says_form and _has_more_to_multiply(answer, right.sides[1])
  for sides in (found.sides, found.sides[::-1]) if is_equation else (found.sides,):
    if is_named and notation.squeeze(sides[0]) == notation.squeeze(right.sides[0]):
      return says_form and _has_more_to_multiply(sides[-1], right.sides[1])
    if all(symbolic.same_form(answer=a, gold=g) for a, g in zip(sides, right.sides)):
      return False
  return says_form or any(
    other.signs == right.signs
    and symbolic.same_relation(answer=other.sides, gold=right.sides, is_ordered=not is_equation)
    for other in _relations(notation.normalise(question))
  )


# Equations of a question that are compared with the answer, and characters that they may have.
_MOST_RELATIONS, _LONGEST_RELATION = 12, 200


@functools.lru_cache(maxsize=256)
def _relations(question: str) -> list[kinds.Relation]:
  """Returns the equations and inequalities of two sides in a question."""
  short = [text for text in notation.formulas(question) if len(text) <= _LONGEST_RELATION]
  relations = map(equivalence.relation, short[:_MOST_RELATIONS])
  return [each for each in relations if each is not None and len(each.sides) == 2]


def _has_more_to_multiply(answer: str, gold: str) -> bool:
  return equivalence.number(answer) is None and symbolic.has_sums_to_multiply(
    answer=equivalence.bare(answer), gold=equivalence.bare(gold)
  )


def _is_other_power(answer: str, gold: str, question: str) -> bool:
  golds = equivalence.formulas(gold)
  if len(golds) != 1 or '^' not in golds[0] or structures.has_names(golds[0]):
    return False
  if not _OF_POWER.search(question):
    return False
  return not symbolic.same_form(answer=equivalence.bare(answer), gold=golds[0])


def _is_other_sum(answer: str, gold: str, question: str) -> bool:
  if not _OF_SUM.search(question):
    return False
  answers, golds = equivalence.formulas(answer), equivalence.formulas(gold)
  return bool(golds) and any(
    all(symbolic.has_sums_to_multiply(answer=formula, gold=right) for right in golds)
    for formula in answers
  )


def _is_other_root(answer: str, gold: str, question: str) -> bool:
  if r'\sqrt' not in question and not _OF_ROOT.search(question):
    return False
  answers, golds = equivalence.formulas(answer), equivalence.formulas(gold)
  return bool(golds) and any(
    not any(symbolic.same_form(answer=formula, gold=right) for right in golds)
    and all(symbolic.has_simpler_roots(answer=formula, gold=right) for right in golds)
    for formula in answers
  )


def _is_other_order(answer: str, gold: str, question: str) -> bool:
  """Returns whether letters or terms are those of the gold answer in another order."""
  if not _OF_ORDER.search(question):
    return False
  orders = [_TERM.findall(equivalence.bare(text)) for text in (answer, gold)]
  if all(text.isalpha() for order in orders for text in order):
    orders = [list(''.join(order)) for order in orders]
  found, right = ([term.lstrip('+') for term in order] for order in orders)
  return found != right and sorted(found) == sorted(right)
