"""What a question says about the form of its answer: what is counted, per cent, what is asked for.

Questions are texts as they were asked; answers are structures of normalised texts.
"""

import dataclasses
import re
from fractions import Fraction

from r1jax.rewards.mathematics import notation, quantities, structures
from r1jax.rewards.mathematics.kinds import (
  Blanks,
  Bracketed,
  Collection,
  Formula,
  Relation,
  Structure,
  Words,
)

_WORD = re.compile('[a-z]+|[一-鿿]')
# Before a formula whose value is asked for.
_ASKED = re.compile(
  r'(?:find|compute|evaluate|determine|calculate|what is|value of|求)[^.$]{0,40}\$?\s*$',
  re.IGNORECASE,
)
_PERCENT = re.compile('%|per ?cent|百分|折', re.IGNORECASE)
_PERCENT_ASKED = re.compile(
  'what per ?cent|how many per ?cent|percentage|百分之几|百分比', re.IGNORECASE
)


# What a question counts or measures, as in `how many square feet`, `in minutes?`.
_MEASURED = re.compile(
  r'how (?:many|much) (?!in\b)((?:[a-z]+ ){0,3}[a-z]+)|\bin ((?:[a-z]+ ){0,3}[a-z]+)(?=[?.,])'
  r'|[多几]少?(?!时间)个?([一-鿿]{1,8})',
  re.IGNORECASE,
)
# The same in Chinese, written behind a number.
_COUNTED = re.compile('(?:多少|几)个?([一-鿿]{1,8})')
_BEHIND_NUMBER = re.compile(r'([0-9])(?:\\text\{)? ?([一-鿿]+)\}?$')
_MULTIPLE = re.compile(r'([0-9]) ?(dozen|hundred|thousand|million|billion)s?(?![a-z])')
# A point, or what else is written as a tuple; and one with names.
_POINT_ASKED = re.compile(
  r'point|coordinates|ordered|pair|triple|tuple|vert(?:ex|ices)|cent(?:er|re)|vector|intersect'
  r'|system|solve|\([a-z] ?,|坐标|点|方程组|解',
  re.IGNORECASE,
)
_NAMED_TUPLE = re.compile(r'\(([a-zA-Z](?: ?, ?[a-zA-Z])+)\)')
_AXES = ('x', 'y', 'z')
# What is left to be filled in, behind what is asked for.
_BLANK = re.compile(r'\$? ?(?:=|等于|的?值?为|是)? ?\$? ?(?:\\?_|（ *）|\( *\)|\?|？|多少)')
_MORE = re.compile('(?:more|fewer|less|total|whole|additional|full) ', re.IGNORECASE)
_ORDERED = re.compile(
  r'\b(?:ascending|descending|increasing|decreasing|numerical|alphabetical|chronological) order'
  r'|in order (?:from|of)\b|\bfrom (?:the )?(?:least|small|low|short|young|large|great|high|big'
  r'|old|long|tall|light|heav|slow|fast|new|cheap)\w* to\b'
  r'|从[小大低高短长少多轻重慢快][^。]{0,6}到|按[^。]{0,12}(?:顺序|排列)',
  re.IGNORECASE,
)


def asks_for(question: str, formula: str) -> bool:
  """Returns whether a question asks for the value of a formula, as for `m+n`."""
  asked, formula = (notation.squeeze(notation.normalise(text)) for text in (question, formula))
  places = re.finditer(rf'(?<![A-Za-z0-9]){re.escape(formula)}(?![A-Za-z0-9^_])', asked)
  has_name = re.search('[A-Za-z]', formula) is not None
  return has_name and any(
    _ASKED.search(asked, 0, place.start()) or _BLANK.match(asked, place.end()) for place in places
  )


def without_counted(answer: str, question: str) -> str:
  """Returns a number without what the question counts, as `48` of `48万元` and of `48 million`."""
  found = _BEHIND_NUMBER.search(answer)
  if found is not None and any(
    counted[1].startswith(found[2]) for counted in _COUNTED.finditer(question)
  ):
    return answer[: found.end(1)]
  multiple = _MULTIPLE.search(answer)
  if multiple and re.search(rf'how many {multiple[2]}', question, re.IGNORECASE):
    return answer[: multiple.end(1)] + answer[multiple.end() :]
  return answer


def as_tuple(answer: Structure, gold: Structure, question: str) -> Structure:
  """Returns `y = 3, x = 2` as a tuple, in the order of its names, where the gold answer is one.

  The order is that of the question, as of `(a, b)`; of x, y and z it is known.
  """
  is_tuple = isinstance(gold, Bracketed) and (gold.open, gold.close, gold.name) == ('(', ')', None)
  if not isinstance(answer, Collection | Blanks) or not is_tuple:
    return answer
  if question and not _POINT_ASKED.search(question):
    return answer
  values = {
    item.sides[0]: structures.read(item.sides[1])
    for item in answer.items
    if isinstance(item, Relation) and item.signs == ('=',)
  }
  if len(values) < len(answer.items) or len(values) < 2:
    return answer
  written = (names[1] for names in _NAMED_TUPLE.finditer(question))
  orders = [tuple(re.findall('[a-zA-Z]', names)) for names in written] + [_AXES[: len(values)]]
  order = next((order for order in orders if set(order) == set(values)), None)
  return answer if order is None else Bracketed('(', tuple(values[name] for name in order), ')')


def is_another_kind(answer: Structure, question: str) -> bool:
  """Returns whether an answer is an inequality, and the question asks for a point."""
  is_range = isinstance(answer, Bracketed) and answer.name is not None
  return is_range and re.search('midpoint|coordinates|坐标', question, re.IGNORECASE) is not None


def in_order(gold: Structure, question: str) -> Structure:
  """Returns a list of values as one whose order counts, if the question asks for an order."""
  if not isinstance(gold, Collection) or gold.kind != 'set' or len(gold.items) < 2:
    return gold
  if not _ORDERED.search(question):
    return gold
  has_values = all(isinstance(item, quantities.Quantity | Formula | Words) for item in gold.items)
  return Blanks(gold.items) if has_values else gold


def is_in_another_unit(answer: Structure, gold: Structure, question: str) -> bool:
  """Returns whether an answer is measured in a unit, and the question asks for other ones."""
  match answer, gold:
    case (
      (quantities.Quantity(_, str(unit)) | Formula(_, str(unit))),
      (quantities.Quantity(_, None) | Formula(_, None)),
    ):
      asked = _units_asked(question)
      is_measured = (
        quantities.is_measure(unit) and bool(asked) and _above(unit) not in set(map(_above, asked))
      )
      return is_measured and not (unit == '%' and _PERCENT.search(question))
  return False


def _above(unit: str) -> str:
  """Returns a unit without what it is per: `35 hours` answer how many hours a week."""
  return unit.partition('/')[0]


def _units_asked(question: str) -> set[str]:
  """Returns the units of measurement that a question asks for."""
  units = set()
  for match in _MEASURED.finditer(question):
    words = _MORE.sub('', match[match.lastindex or 0])
    ends = [place.start() for place in re.finditer(r'(?<=\w)(?= |$)', words)]
    if not words.isascii():
      ends = list(range(1, len(words) + 1))
    # The longest that is a unit, as in `miles per hour does`.
    for end in reversed(ends):
      unit = quantities.read_unit(' ' + words[:end])
      if unit and quantities.is_measure(unit):
        units.add(unit)
        break
  return units


def settle(answer: Structure, question: str, *, is_percentage: bool) -> Structure:
  """Returns an answer whose numbers have no unit that the question makes needless or another.

  What the question counts is dropped, as the apples of `5 apples`. Per cent are dropped where the
  question asks for them, and are a share, up to 1, where it does not speak of them at all.

  Args:
    answer: of which numbers, and those of lists and tuples, are looked at.
    question: that was asked.
    is_percentage: whether the gold answer is one, so that per cent are to be compared.
  """
  match answer:
    case quantities.Quantity(value, '%') if not is_percentage:
      if _PERCENT_ASKED.search(question):
        return quantities.Quantity(value)
      is_share = not _PERCENT.search(question) and abs(value) <= 100
      return quantities.Quantity(value / Fraction(100)) if is_share else answer
    case quantities.Quantity(_, str(unit)) | Formula(_, str(unit)):
      is_counted = not quantities.is_measure(unit) and _names(question, unit)
      return dataclasses.replace(answer, unit=None) if is_counted else answer
    case Bracketed(items=items) | Collection(items=items) | Blanks(items=items):
      settled = tuple(settle(item, question, is_percentage=is_percentage) for item in items)
      return dataclasses.replace(answer, items=settled)
  return answer


def _names(question: str, unit: str) -> bool:
  """Returns whether a question uses all words of a unit, be it in the plural."""
  stems = {_stem(word) for word in _WORD.findall(question.lower())}
  words = [word for word in _WORD.findall(unit) if word != 'of']
  return all(_stem(word) in stems or quantities.is_measure(word) for word in words)


def _stem(word: str) -> str:
  """Returns what a word and its plural share, as of boxes and candies."""
  return word.rstrip('s').removesuffix('e').rstrip('s').rstrip('iy') or word
