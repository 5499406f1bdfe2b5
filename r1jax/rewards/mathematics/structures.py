r"""What kind of thing an answer is: number, words, tuple, interval, set, matrix, relation.

  '(3, \\frac{1}{2})'  is  Bracketed('(', (Quantity(3), Quantity(1/2)), ')')
  'x < 3'              is  Interval of x from -\infty to 3, open

Brackets, separators and signs of relation decide; what is within is not worked out. All texts are
as `notation.normalise` writes them, and take linear time up to the bounds below.
"""

import dataclasses
import itertools
import re

from r1jax.rewards.mathematics import notation, quantities, ranges
from r1jax.rewards.mathematics.kinds import (
  Blanks,
  Bracketed,
  Collection,
  Formula,
  Matrix,
  Relation,
  Structure,
  Words,
)

# Structures nest this deep at most, and have this many items; others are compared as text alone.
MAX_DEPTH, MAX_ITEMS = 6, 40
# Signs of plus or minus that are read as all their values.
MAX_SIGNS = 3
# Characters of an answer that is read for structure.
MAX_LENGTH = 2000


_TOKEN = re.compile(r'\\[A-Za-z]+(?![A-Za-z])|\\.|[^\\]', re.DOTALL)
_OPENING = {'(': '(', '[': '[', r'\{': r'\{', r'\langle': '<', '{': '{', r'\begin': 'begin'}
_CLOSING = {')': ')', ']': ']', r'\}': r'\}', r'\rangle': '>', '}': '}', r'\end': 'begin'}
# These close nothing but their own kind; of the others an interval may mix two.
_STRICT = {'{': '}', 'begin': 'begin', r'\{': r'\}', '<': '>'}
_AND = re.compile(
  r',? *(?:\\text\{ *(?:,? *(and)|,? *or|(和|且)|或) *\}'
  r'|(?<![A-Za-z\\])(?:(and)|or)(?![A-Za-z])|或|(和|且)) *'
)
_SIGNS = {
  '=': '=', '<': '<', r'\lt': '<', '>': '>', r'\gt': '>', r'\le': r'\le', r'\ge': r'\ge',
  r'\ne': r'\ne', r'\in': r'\in',
}  # fmt: skip
_TURNED = {'>': '<', r'\ge': r'\le'}
_NAME = re.compile(
  r"(?:[A-Za-z](?![A-Za-z])|\\(?:alpha|beta|gamma|delta|theta|lambda|mu|rho|sigma|tau|phi|varphi|psi|omega))(?:_\{\w+\})?'*"
)
# What an inequality may bound: a name, or a function of one.
_VARIABLE = re.compile(rf'{_NAME.pattern}(?:\([a-z]\))?')
_ARGUMENTS = r"\((?:[A-Za-z]|[0-9]{1,6})'?(?: ?[,|] ?(?:[A-Za-z]|[0-9]{1,6})'?){0,3}\)"
# What a value is given to: `x`, `f(x)`, `f^{-1}(x)`, `AB`, `\angle ABC`, `|CD|`, `P(A|B)`,
# `\text{area}`.
_LABEL = re.compile(
  rf"(?:{_NAME.pattern}|(?-i:(?!NOT?\b)[A-Z]{{1,3}}))(?:_\{{\w+\}}|'|{_ARGUMENTS})*"
  r'|\|(?-i:[A-Z]{1,2} ?[A-Z]?)\|'
  rf'|{_NAME.pattern}\^\{{-1\}}(?:{_ARGUMENTS})?'
  rf'|\( ?[a-z] ?\\circ ?[a-z] ?\)(?:{_ARGUMENTS})?'
  r'|(?-i:P) ?\([^()=]{1,40}\)|(?-i:[SV])_\{[^{}=]{1,40}\}'
  r'|\\(?:angle|triangle|overline|vec|widehat|overrightarrow) ?\{?(?-i:[A-Z]{1,3})\}?'
  r'|\\(?:sin|cos|tan|cot) ?(?:\\angle ?)?(?-i:[A-Z]{1,3})'
  rf'|\( ?{_NAME.pattern}(?: ?, ?{_NAME.pattern}){{1,3}} ?\)'
  r'|(?:\\text\{ *)?(?:the )?(?:answer|area|perimeter|volume|length|width|height|radius|slope|sum'
  r'|product|total|probability|distance|speed|time|cost|price|number|mean|average|median|range)'
  r'(?: *\})?'
  r'|面积|周长|体积|答案|概率|总数',
  re.IGNORECASE,
)
_BUILDER = re.compile(rf'{_NAME.pattern}(?: *\\in *\\mathbb\{{R\}})? *[|:] *(.+)')
_CONDITION = re.compile(r'[<>=]|\\(?:le|ge|ne|in|lt|gt)(?![A-Za-z])')
_REALS = re.compile(
  r'(?:all real numbers|全体实数|\\mathbb\{R\}|R(?= *\\(?:setminus|backslash)))'
  r'(?: *(?:\\setminus|\\backslash|\\) *(\\\{.+\\\})'
  r'|,? *(?:except|besides|other than)(?: for)? +(?:x *= *)?(.+))?'
)
# A set of numbers that is no interval.
_NUMBERS = re.compile(r'\\mathbb\{[NZQC]\}')
# A point with its name, as `A(1, 2)`.
_POINT = re.compile(r'(?!P)[A-Z] ?(\(.+\))')
_COMMA_AMONG = re.compile(r'\([^()]*,[^()]*\)')
_NO = re.compile('[Nn][Oo]|[A-Z][a-z]')
# An item's thousands, before a name or root.
_THOUSANDS_OF = re.compile(r'(?<![0-9.,])([1-9][0-9]{0,2}(?:,[0-9]{3})+)(?=[A-Za-z\\])')
_MATRIX = re.compile(
  r'(?P<times>.*?)\\begin\{(?P<kind>[pb]?matrix|array)\}(?:\{[lcr| ]+\})?(?P<rows>.*)'
  r'\\end\{(?P=kind)\}(?P<transposed> *\^\{(?:T|\\top|\\mathsf\{T\})\})?'
)
# Between a number and a matrix.
_TIMES = re.compile(r' *(?:\\cdot|\\times|\*)$')
_CASES = re.compile(r'\\begin\{cases\}(.*)\\end\{cases\}')
# Times of day, and ratios.
_CLOCK = re.compile(r'[0-9]{1,4}(?:(?: ?: ?[0-9]{1,4})+(?: *[apAP]\.?[mM]\.?)?| *[apAP]\.?[mM]\.?)')
_RATIO = re.compile(r'^([0-9]{1,9}) to ([0-9]{1,9})$')
# In another base; its value would be that of the question.
_NUMERAL = re.compile(
  r'\(?(-? ?[0-9][0-9A-Fa-f]*(?:\.[0-9A-Fa-f]+)?)\)?_\{(?:\\text\{)? *([0-9]+|[a-z]+) *\}?\}'
)
_UNIT = re.compile(r'(?: +[A-Za-z]{2,20}+| *\\text\{[^{}]*\})(?:\^\{[23]\})?$')
# `4:30pm`, `9:00 a.m.`; `June 20th`; `a circle`.
_HOUR = re.compile(r'([0-9]{1,2})(:[0-9]{2})? ?([apAP])\.?[mM]\.?(?![A-Za-z])')
_ORDINAL_DAY = re.compile(r'(?<=[a-z] )([0-9]{1,2})(?:st|nd|rd|th)(?![a-z])')
_ARTICLE = re.compile('^(?:an?|the) (?=[a-z]{3})')
# Of an abbreviation, as in `p.m.`; not that of 1.5.
_DOT = re.compile(r'(?<![0-9])\.|\.(?![0-9])')
_WORD = re.compile(r'[A-Za-z]{3}|[^\W\d_a-zA-Z]')
# Three letters that may be names of numbers or points.
_THREE = re.compile(r'(?!(?i:yes|odd))(?:[a-z]{3}|[A-Z]{3})(?:-.*)?')
# Separators of thousands in an item of a list.
_THOUSANDS = re.compile(r'(?:(?<=[=$])|(?<=[=$] ))[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9,])')
_NOT_WORDS = re.compile(r'[\\^_=+*/<>{}()\[\]|]')


def read(text: str, *, depth: int = 0) -> Structure:
  """Returns what kind of thing a normalised answer is.

  Args:
    text: the whole answer, or an item of it.
    depth: of the item within structures.
  """
  text = _THOUSANDS_OF.sub(lambda number: number[0].replace(',', ''), notation.trim(text))
  if (quantity := quantities.read(text)) is not None:
    return quantity
  if len(text) > MAX_LENGTH or depth > MAX_DEPTH or (outline := _outline(text)) is None:
    return Formula(text)
  readers = (_cases, _blanks, _list, _either_sign, _union, _relation, _reals, _bracketed, _matrix)
  for reader in readers:
    if (structure := reader(text, outline, depth)) is not None:
      return structure
  return _words(text) or _formula(text)


@dataclasses.dataclass(frozen=True)
class _Place:
  """A token outside all brackets."""

  token: str
  start: int
  end: int


def _outline(text: str) -> list[_Place] | None:
  """Returns the tokens outside all brackets, and those of this level; None if unbalanced."""
  places, opened = [], list[str]()
  for match in _TOKEN.finditer(text):
    token = match.group()
    if token in _CLOSING and not (opened and _closes(opened.pop(), _CLOSING[token])):
      return None
    if not opened:
      places.append(_Place(token, match.start(), match.end()))
    if token in _OPENING:
      opened.append(_OPENING[token])
  return None if opened else places


def _closes(opening: str, closing: str) -> bool:
  strict = _STRICT.get(opening)
  return closing == strict if strict else closing in (')', ']')


def _split(text: str, outline: list[_Place], separators: tuple[str, ...]) -> list[str]:
  """Returns the parts of a text between separators outside all brackets."""
  cuts = [place for place in outline if place.token in separators]
  starts = [0, *(cut.end for cut in cuts)]
  stops = [*(cut.start for cut in cuts), len(text)]
  return [text[start:stop].strip() for start, stop in zip(starts, stops)]


def _items(parts: list[str], depth: int) -> tuple[Structure, ...] | None:
  """Returns what the parts are, or None if one is empty or they are too many."""
  if len(parts) > MAX_ITEMS or not all(parts):
    return None
  return tuple(read(part, depth=depth + 1) for part in parts)


def _values(parts: list[str], depth: int) -> tuple[Structure, ...] | None:
  r"""Returns the same for members of a set, of which `1 \pm 2` is two."""
  items = _items(parts, depth)
  if items is None:
    return None
  values = list[Structure]()
  for part, item in zip(parts, items):
    is_two = r'\pm' in part or r'\mp' in part
    values += item.items if is_two and isinstance(item, Collection) else [item]
  return tuple(values)


def _blanks(text: str, outline: list[_Place], depth: int) -> Structure | None:
  parts = _split(text, outline, (';',))
  items = _items(parts, depth) if len(parts) > 1 else None
  return Blanks(items) if items else None


def _list(text: str, outline: list[_Place], depth: int) -> Structure | None:
  conjunctions = [match.lastindex is not None for match in _AND.finditer(text)]
  plain = _THOUSANDS.sub(lambda number: number[0].replace(',', ''), _AND.sub(',', text))
  if plain != text:
    joined = _outline(plain)
    if joined is None:
      return None
    text, outline = plain, joined
  parts = _split(text, outline, (',',))
  items = _values(parts, depth) if len(parts) > 1 else None
  if items and (without := _all_but_these(parts, depth)) is not None:
    return without
  is_either = bool(conjunctions) and not any(conjunctions)
  is_both = any(conjunctions) or (not is_either and r'\ne' in text)
  if items and is_both and (common := ranges.in_common(items)) is not None:
    return common
  if items and all(
    ranges.is_region(item) or (is_either and ranges.is_range(item)) for item in items
  ):
    # `x < 1 or x > 2`; but `x > 1 and x < 2` is what both allow, and so is `x > 1, y < 2`.
    names = {item.name for item in items if isinstance(item, Bracketed)} - {None}
    both = len(names) > 1 or (names and any(conjunctions))
    return Collection('both' if both else 'union', items)
  return Collection('set', items) if items else None


def _either_sign(text: str, outline: list[_Place], depth: int) -> Structure | None:
  r"""Reads `1 \pm 2` as two values, `\pm 1 \pm 2` as four, and `\pm 1 \mp 2` as two."""
  if (r'\pm' not in text and r'\mp' not in text) or text.startswith(r'\{'):
    return None
  if r'\mp' in text:
    signs = (('+', '-'), ('-', '+'))
    parts = [text.replace(r'\pm', upper).replace(r'\mp', lower) for upper, lower in signs]
  else:
    first, *others = text.split(r'\pm')
    if len(others) > MAX_SIGNS:
      return None
    parts = [
      first + ''.join(map(''.join, zip(chosen, others)))
      for chosen in itertools.product('+-', repeat=len(others))
    ]
  items = _items([part.removeprefix('+').strip() for part in parts], depth)
  return Collection('set', items) if items else None


def _union(text: str, outline: list[_Place], depth: int) -> Structure | None:
  parts = _split(text, outline, (r'\cup', '∪'))
  items = _items(parts, depth) if len(parts) > 1 else None
  return Collection('union', items) if items else None


def _relation(text: str, outline: list[_Place], depth: int) -> Structure | None:
  signs = [_SIGNS[place.token] for place in outline if place.token in _SIGNS]
  if not signs:
    return None
  sides = _split(text, outline, tuple(_SIGNS))
  if not all(sides):
    return None
  if signs == [r'\in'] and _NAME.fullmatch(sides[0]):
    members = read(sides[1], depth=depth + 1)
    is_set = not isinstance(members, quantities.Quantity | Words)
    return members if is_set else Relation((r'\in',), tuple(sides))
  if any(sign in _TURNED for sign in signs):
    signs, sides = [_TURNED.get(sign, sign + '?') for sign in reversed(signs)], sides[::-1]
  if set(signs) <= {'<', r'\le'}:
    return _interval(signs, sides, depth) or Relation(tuple(signs), tuple(sides))
  if signs == [r'\ne']:
    return _all_but(sides, depth) or Relation((r'\ne',), tuple(sides))
  return Relation(tuple(signs), tuple(sides)) if set(signs) == {'='} else None


def _interval(signs: list[str], sides: list[str], depth: int) -> Structure | None:
  r"""Reads `1 < x \le 2` and `x < 3` as the interval of x; None if it says something else."""
  if len(signs) == 1:
    if _VARIABLE.fullmatch(sides[0]):
      signs, sides = ['<', *signs], [r'-\infty', *sides]
    else:
      signs, sides = [*signs, '<'], [*sides, r'\infty']
  if len(sides) != 3:
    return None
  low, name, high = sides
  if not _VARIABLE.fullmatch(name) or mentions(low + ' ' + high, name):
    return None
  items = (read(low, depth=depth + 1), read(high, depth=depth + 1))
  return Bracketed('(' if signs[0] == '<' else '[', items, ')' if signs[1] == '<' else ']', name)


def _all_but(sides: list[str], depth: int) -> Structure | None:
  r"""Reads `x \ne 3` as two intervals."""
  name, value = sides
  if not _NAME.fullmatch(name) or mentions(value, name):
    return None
  return ranges.between((read(value, depth=depth + 1),), name)


def _all_but_these(parts: list[str], depth: int) -> Structure | None:
  r"""Reads `x \ne 3, x \ne 5` as three intervals."""
  sides = [part.split(r'\ne') for part in parts]
  if not all(len(pair) == 2 for pair in sides):
    return None
  name = sides[0][0].strip()
  values = tuple(read(value.strip(), depth=depth + 1) for _, value in sides)
  is_one_name = _NAME.fullmatch(name) and all(first.strip() == name for first, _ in sides)
  return ranges.between(values, name) if is_one_name and len(values) > 1 else None


def _reals(text: str, outline: list[_Place], depth: int) -> Structure | None:
  r"""Reads `\mathbb{R}`, and `\mathbb{R} \setminus \{1, 2\}`, as intervals."""
  found = _REALS.fullmatch(' '.join(notation.TEXT.sub(r' \1 ', text).split()))
  if found and (found[1] or found[2]):
    without = read(found[1] or found[2], depth=depth + 1)
    if isinstance(without, quantities.Quantity):
      without = Collection('set', (without,))
    return ranges.between(without.items) if isinstance(without, Collection) else None
  parts = _split(text, outline, (r'\setminus', r'\backslash'))
  if not found and len(parts) == 2:
    return _range_without(*(read(part, depth=depth + 1) for part in parts))
  return ranges.between(()) if found else None


def _range_without(whole: Structure, points: Structure) -> Structure | None:
  r"""Returns `(0, 2] \setminus \{1\}` as a union of intervals; None for what is no interval."""
  if not isinstance(whole, Bracketed) or not isinstance(points, Collection):
    return None
  name = 'x'
  others = ranges.between(points.items, name) if points.kind == 'set' else None
  common = others and ranges.in_common([dataclasses.replace(whole, name=name), others])
  if not isinstance(common, Collection):
    return None
  return Collection(
    'union',
    tuple(
      dataclasses.replace(part, name=None) for part in common.items if isinstance(part, Bracketed)
    ),
  )


def mentions(text: str, name: str) -> bool:
  """Returns whether a name stands in a text."""
  return re.search(rf'(?<![A-Za-z\\]){re.escape(name)}(?![A-Za-z])', text) is not None


def has_names(text: str) -> bool:
  """Returns whether a formula has names, of variables or functions, but for e and i."""
  return re.search(r'(?<![A-Za-z\\])(?![ei](?![A-Za-z]))[A-Za-z]', text) is not None


def is_label(text: str) -> bool:
  """Returns whether a text is what a value is given to, as the `f(x)` in `f(x) = 3`."""
  return _LABEL.fullmatch(text) is not None


def _bracketed(text: str, outline: list[_Place], depth: int) -> Structure | None:
  point = _POINT.fullmatch(text)
  if point and _COMMA_AMONG.search(point[1]):
    return read(point[1], depth=depth + 1)
  if len(outline) != 2 or outline[0].token not in _OPENING or outline[0].start:
    return None
  opening, closing = _OPENING[outline[0].token], _CLOSING.get(outline[1].token)
  if opening == 'begin' or closing is None or outline[1].end != len(text):
    return None
  inner = text[outline[0].end : outline[1].start].strip()
  if not inner:
    return None
  within = _outline(inner)
  parts = [] if within is None else _split(inner, within, (',', ';'))
  if opening == '{' or ((opening, closing) == ('(', ')') and len(parts) == 1):
    return read(inner, depth=depth + 1)
  if opening == r'\{':
    return _set(inner, parts, depth)
  if (opening, closing) == ('[', ']') and inner.startswith(r'\begin'):
    return read(inner, depth=depth + 1)  # A matrix has its brackets outside.
  items = _items(parts, depth) if len(parts) > 1 else None
  return Bracketed(opening, items, closing) if items else None


def _set(inner: str, parts: list[str], depth: int) -> Structure | None:
  if built := _BUILDER.fullmatch(inner):
    if not _CONDITION.search(built[1]):
      return None
    condition = read(built[1], depth=depth + 1)
    if isinstance(condition, Collection) and len(parts) > 1:
      return ranges.in_common(condition.items) or Collection('both', condition.items)
    return condition
  items = _values(parts, depth)
  return Collection('set', items) if items else None


def _matrix(text: str, outline: list[_Place], depth: int) -> Structure | None:
  found = _MATRIX.fullmatch(text)
  within = _outline(found['rows']) if found else None
  if found is None or within is None:
    return None
  rows = []
  for row in _split(found['rows'], within, ('\\\\',)):
    if row and (places := _outline(row)) is not None:
      entries = _items(_split(row, places, ('&',)), depth)
      if entries is None:
        return None
      rows.append(entries)
  if not rows:
    return None
  is_even = len(set(map(len, rows))) == 1
  if found['transposed'] and not is_even:
    return None
  matrix = Matrix(tuple(zip(*rows)) if found['transposed'] else tuple(rows))
  return _multiple(found['times'].strip(), matrix) if found['times'] else matrix


def _multiple(number: str, matrix: Matrix) -> Matrix | None:
  """Returns a number times a matrix of numbers, as it is written for brevity."""
  number, rows = _TIMES.sub('', number), []
  times = quantities.read(f'{number}1' if number in ('', '+', '-') else number)
  if times is None and (not _is_factor(number) or _CONDITION.search(number)):
    return None
  if times is not None and times.unit is not None:
    return None
  for row in matrix.rows:
    products = [_product(times or number, entry) for entry in row]
    entries = tuple(product for product in products if product is not None)
    if len(entries) < len(row):
      return None
    rows.append(entries)
  return Matrix(tuple(rows))


def _is_factor(text: str) -> bool:
  """Returns whether a formula can stand before a matrix: it is no sum, but may have a sign."""
  return not any(place.token in '+-*/,;&' and place.start for place in _outline(text) or ())


def _product(times: quantities.Quantity | str, entry: Structure) -> Structure | None:
  r"""Returns a number times another, or a formula times 1, 0 or -1; None for other products.

  What is left to be multiplied, such as `3 \cdot \frac{\sqrt{2}}{2}`, is no entry of an answer.
  """
  if not isinstance(entry, quantities.Quantity):
    return None
  if isinstance(times, quantities.Quantity):
    return quantities.Quantity(times.value * entry.value)
  if entry.value == 0:
    return quantities.Quantity(entry.value)
  return Formula(times if entry.value == 1 else f'-({times})') if abs(entry.value) == 1 else None


def _cases(text: str, outline: list[_Place], depth: int) -> Structure | None:
  """Reads the lines of a system that is solved, `x = 3` and `y = 2`."""
  del outline
  found = _CASES.fullmatch(text)
  within = _outline(found[1]) if found else None
  if found is None or within is None:
    return None
  lines = [line.rstrip(',') for line in _split(found[1], within, ('\\\\',)) if line]
  items = _items(lines, depth) if len(lines) > 1 else None
  is_solved = items is not None and all(
    isinstance(item, Relation) and item.signs == ('=',) and is_label(item.sides[0])
    for item in items
  )
  return Collection('set', items) if items and is_solved else None


def _words(text: str) -> Words | None:
  if _NUMBERS.fullmatch(text):
    return Words(text)
  if numeral := _NUMERAL.fullmatch(text):
    named = quantities.read(numeral[2])
    base = numeral[2] if named is None else named.value
    return Words(f'{numeral[1]} in base {base}'.casefold())
  plain = ' '.join(notation.TEXT.sub(r' \1 ', text).split())
  plain = _RATIO.sub(r'\1:\2', plain)
  if _NO.fullmatch(plain):
    return Words(plain.casefold())
  if _NOT_WORDS.search(plain) or not (_WORD.search(plain) or _CLOCK.fullmatch(plain)):
    return None
  plain = plain.replace(' :', ':').replace(': ', ':')
  plain = _ORDINAL_DAY.sub(r'\1', _HOUR.sub(_hour, plain))
  if _THREE.fullmatch(plain):
    return Words(plain) if plain.isalpha() else None
  plain = _ARTICLE.sub('', plain.casefold())
  plain = re.sub('^(no .*[a-z]{3})s$', r'\1', plain)  # No solutions, as no solution.
  return Words(_DOT.sub('', plain).replace('’', "'").strip(' \'"“”,!！:'))


def _formula(text: str) -> Formula:
  """Takes off a unit at the end, and a plus sign at the beginning."""
  text = text.removeprefix('+').lstrip()
  if (found := _UNIT.search(text)) and found.start():
    unit = quantities.read_unit(found.group())
    if unit:
      return Formula(text[: found.start()], unit)
  return Formula(text)


def _hour(time: re.Match[str]) -> str:
  """Returns a time of day in one spelling; whole hours without minutes."""
  minutes = '' if time[2] in (None, ':00') else time[2]
  return f'{time[1].lstrip("0")}{minutes} {time[3].lower()}m'
