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

# The letter of a choice before what it says.
_CHOSEN = re.compile(
  r'[\s$*]*+(?:\\(?:text|mathrm|mathbf|textbf|textrm|textup)\{)?[\s*]*+'
  r'(?:\(([A-H])\)|([A-H])[.):：])(?=\}?(?:[\s$\\*]|\Z))'
)

# What a question counts or measures, as in `how many square feet`, `in minutes?`.
_MEASURED = re.compile(
  r'(?:how (?:many|much)|number of) (?!in\b)((?:[a-z]+ ){0,3}[a-z]+)'
  r'|\bin ((?:[a-z]+ ){0,3}[a-z]+)(?=[?.,]|\Z)|(degree|radian) measure'
  r'|[多几]少?(?!时间)个?([一-鿿]{1,8})',
  re.IGNORECASE,
)
# What a question counts, up to the words that say of what or when.
_COUNT_ASKED = re.compile(
  r'(?:how many|number of) ((?!(?:did|does|do|are|is|was|were|will|can|would|has|have|had)\b)'
  r"[a-z'’-]+(?: (?!(?:did|does|do|are|is|was|were|will|can|could|would|should|must|has|have|had|in"
  r"|on|at|for|to|than|if|when|that|who|which|there|they|he|she|it|left|remain)\b)[a-z'’-]+){0,5})",
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
# A name alone, or of a function.
_SINGLE_NAME = re.compile(r'(?<![A-Za-z\\{])(?:[A-Za-z]\([a-z]\)|[A-Za-z](?![A-Za-z(]))')
_NO_RANGE_ASKED = re.compile('midpoint|coordinates|interval notation|坐标|区间表示', re.IGNORECASE)
# Units of what is counted, whatever that is.
_OF_ANYTHING = ('person', 'unit', '%')
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


def chosen(answer: str, question: str) -> str | None:
  """Returns the C of `(C) Parabola`, '' if that is no option of the question.

  None if an answer does not begin with a letter so.
  """
  found = _CHOSEN.match(answer)
  if not found:
    return None
  letter = found[1] or found[2]
  option = _text(answer[found.end() :])
  if not option:
    return letter
  labels = re.finditer(rf'\({letter}\)|(?<![A-Za-z0-9]){letter}[.):：]', question)
  said = (_text(question[label.end() :]) for label in labels)
  is_option = any(re.match(rf'{re.escape(option)}(?!\w)', text) for text in said)
  return letter if is_option else ''


# Between words and formulas.
_SPACE = re.compile(r'\$|~|\\(?=\s)')


def _text(text: str) -> str:
  """Returns letters, digits and signs of a text alone, words apart."""
  bare = notation.TEXT.sub(r'\1', _SPACE.sub(' ', text)).strip('{}*').rstrip('.')
  return notation.squeeze(' '.join(bare.split()).strip('}* '))


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


def is_offered(answer: str, question: str) -> bool:
  """Returns whether a question has an answer in quotes, as one that may be entered."""
  return re.search(rf'["“]{re.escape(answer)}[,.]?["”]', question) is not None


def without_labels(answer: Structure, question: str) -> str | None:
  """Returns 5, 7 for `a_1 = 5, a_2 = 7` if the question asks for these; None if not for all."""
  items = answer.items if isinstance(answer, Collection | Blanks) else ()
  sides = [item.sides for item in items if isinstance(item, Relation) and item.signs == ('=',)]
  is_asked = all(asks_for(question, formula) for formula, _ in sides)
  return ', '.join(value for _, value in sides) if len(sides) == len(items) and is_asked else None


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
  """Returns whether an answer is an inequality, and the question asks for a point or interval."""
  parts = answer.items if isinstance(answer, Collection) else (answer,)
  is_range = any(isinstance(part, Bracketed) and part.name is not None for part in parts)
  return is_range and _NO_RANGE_ASKED.search(question) is not None


def is_of_another_name(answer: Structure, question: str) -> bool:
  """Returns whether an answer is given to a name of the question that is not what it asks for."""
  if not isinstance(answer, Relation) or answer.signs != ('=',):
    return False
  label = answer.sides[0]
  names = {name for name in _names_of(question) if structures.is_label(name)}
  wanted = {name for name in names if asks_for(question, name)}
  return bool(wanted) and notation.squeeze(label) in {*map(notation.squeeze, names - wanted)}


def _names_of(question: str) -> set[str]:
  """Returns the formulas of a question, the sides of its relations and the names in them."""
  formulas = [notation.normalise(text) for text in notation.formulas(question)]
  sides = {side.strip() for text in formulas for side in re.split('[=<>,]', text)}
  return sides | {name for text in formulas for name in _SINGLE_NAME.findall(text)}


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
      if not quantities.is_measure(unit) or (unit == '%' and _PERCENT.search(question)):
        return False
      asked = set(map(_above, _units_asked(question)))
      is_count = any(not _measures(words) for words in _COUNT_ASKED.findall(question))
      return _above(unit) not in asked if asked else is_count and unit not in _OF_ANYTHING
  return False


def _measures(words: str) -> bool:
  """Returns whether one of some words is a unit of measurement."""
  return any(
    (unit := quantities.read_unit(f' {word}')) and quantities.is_measure(unit)
    for word in words.split()
  )


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


def settle(answer: Structure, gold: Structure, question: str) -> Structure:
  """Returns an answer whose numbers have no unit that the question makes needless or another.

  What the question counts is dropped, as the apples of `5 apples`, unless the gold answer names it.
  Where that is no percentage, per cent are dropped if the question asks for them, and are a share,
  up to 1, if it does not speak of them at all.

  Args:
    answer: of which numbers, and those of lists and tuples, are looked at.
    gold: the right answer.
    question: that was asked.
  """
  is_percentage = isinstance(gold, quantities.Quantity | Formula) and gold.unit == '%'
  match answer:
    case quantities.Quantity(value, '%') if not is_percentage:
      if _PERCENT_ASKED.search(question):
        return dataclasses.replace(answer, unit=None)
      is_share = not _PERCENT.search(question) and abs(value) <= 100
      return (
        dataclasses.replace(answer, value=value / Fraction(100), unit=None) if is_share else answer
      )
    case quantities.Quantity(_, str(unit)) | Formula(_, str(unit)):
      is_named = isinstance(gold, quantities.Quantity | Formula) and gold.unit is not None
      is_counted = not quantities.is_measure(unit) and not is_named and _counts(question, unit)
      return dataclasses.replace(answer, unit=None) if is_counted else answer
    case Bracketed(items=items) | Collection(items=items) | Blanks(items=items):
      golds = gold.items if isinstance(gold, Bracketed | Collection | Blanks) else (gold,)
      settled = tuple(settle(item, golds[0], question) for item in items)
      return dataclasses.replace(answer, items=settled)
  return answer


def _counts(question: str, unit: str) -> bool:
  """Returns whether a question counts what a unit says, or uses its words if it names no noun."""
  phrases = _COUNT_ASKED.findall(question)
  return any(_names(phrase, unit) for phrase in phrases) if phrases else _names(question, unit)


def _names(question: str, unit: str) -> bool:
  """Returns whether a question uses all words of a unit, be it in the plural."""
  stems = {_stem(word) for word in _WORD.findall(question.lower())}
  words = [word for word in _WORD.findall(unit) if word != 'of']
  return all(_stem(word) in stems or quantities.is_measure(word) for word in words)


def _stem(word: str) -> str:
  """Returns what a word and its plural share, as of boxes and candies."""
  return word.rstrip('s').removesuffix('e').rstrip('s').rstrip('iy') or word
