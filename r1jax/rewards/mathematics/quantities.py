r"""Numbers as people write them, with their units: `1,234.50`, `2 1/2`, `1.5\times10^{3}`, `33%`.

A quantity is an exact rational number and a unit, be it of measurement or, as `sheep`, what is
counted. Nothing is rounded and nothing is computed: what has to be worked out, such as `1/2+1/3`,
is no number, so that a question cannot be its own answer.
All texts are as `notation.normalise` writes them.
"""

import dataclasses
import re
from fractions import Fraction

from r1jax.rewards.mathematics import notation
from r1jax.text import tags

# Digits that a number may have, written out; of more, equality takes long to tell.
MAX_DIGITS = 1000
# Characters of a unit, and its words.
MAX_UNIT, MAX_UNIT_WORDS = 48, 3

# Before a number, the longer ones first; or after it.
_CURRENCIES = {r'US\$': '$', 'US$': '$', r'\$': '$', '$': '$'}
_CURRENCIES |= {sign: sign for sign in '€£¥₹'}
# One unit, however it is spelled; a plural's s is taken off before.
_SPELLINGS = {
  '$': ('dollar', 'usd', '美元', '美金'),
  '€': ('euro', 'eur', '欧元'),
  '¥': ('yuan', 'rmb', 'cny', '元', '块', '块钱', '人民币'),
  '£': ('pound sterling', 'gbp', '英镑'),
  '₹': ('rupee', 'rs', 'inr'),
  '¢': ('cent', '美分'),
  '%': ('percent', 'per cent'),
  '°': (r'^{\circ}', r'\circ', 'degree', 'deg', '度'),
  'rad': ('radian', '弧度'),
  'mm': ('millimeter', 'millimetre', '毫米'),
  'cm': ('centimeter', 'centimetre', '厘米'),
  'dm': ('decimeter', 'decimetre', '分米'),
  'm': ('meter', 'metre', '米'),
  'km': ('kilometer', 'kilometre', '千米', '公里'),
  'in': ('inch', 'inche'),
  'ft': ('foot', 'feet'),
  'yd': ('yard',),
  'mi': ('mile',),
  'mi/h': ('mph',),
  'g': ('gram', 'gm', '克'),
  'kg': ('kilogram', '千克', '公斤'),
  'lb': ('pound', 'lbs'),
  'oz': ('ounce',),
  't': ('ton', 'tonne', '吨'),
  'l': ('liter', 'litre', '升'),
  'ml': ('milliliter', 'millilitre', '毫升'),
  's': ('second', 'sec', 'secs', '秒', '秒钟'),
  'min': ('minute', 'mins', '分', '分钟'),
  'h': ('hour', 'hr', 'hrs', '小时', '时'),
  'day': ('天', '日'),
  'week': ('周', '星期'),
  'month': ('月', '个月'),
  'year': ('yr', 'yrs', '年'),
  'person': ('people', '人'),
  'unit': (),
}
_UNITS = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}
_UNITS |= {unit: unit for unit in _SPELLINGS}
# Words that make another answer of a number: `5 or 6`, `more than 5`, `5 is wrong`, `5 halves`.
_NO_UNITS = frozenset(
  re.findall(
    r'\S+',
    """
    a about above all almost am an and any approximately are around at be below billion but by
    correct cos cosh cubed double doubled dozen eighth eleventh else exp factorial false fewer
    fifth for fourth from gcd greater half halve hundred hundredth if in incorrect into is it
    lcm least less lim max maybe million min minus mod most negative ninth no none nor not
    off on or out over pi plus pm possibly recurring repeating root seventh sin sinh
    sixth smaller some sqrt squared tan tanh tenth than the then there third thousand thousandth
    to trillion triple true twelfth twentieth twice under up was were wrong yes
    """,
  )
)
# The same in Chinese: a word that has one of these characters.
_NO_CHINESE_UNITS = frozenset('或和与以上下左右不非否错误对多几半点又乘除加减方折成')
# `1.5 million`, `3 万元`; not the 千 of 千米.
_MULTIPLES = {'hundred': 100, 'thousand': 10**3, 'million': 10**6, 'billion': 10**9}
_MULTIPLES |= {'trillion': 10**12, '百': 100, '千': 10**3, '万': 10**4, '百万': 10**6, '亿': 10**8}
_LONGER_FIRST = '|'.join(sorted(_MULTIPLES, key=len, reverse=True))
_MULTIPLE = re.compile(rf' ?(?:\\text\{{ ?)?({_LONGER_FIRST})(?![a-z百千万亿])(?: ?\}})?')
_ORDINAL = re.compile(r'([0-9]{1,9})(?:\^\{)?(?:\\text\{)?(st|nd|rd|th)\}?\}?')
_SMALL = re.findall(
  r'\S+',
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen '
  'sixteen seventeen eighteen nineteen',
)
_TENS = re.findall(r'\S+', 'zero ten twenty thirty forty fifty sixty seventy eighty ninety')
# `two hundred and twenty-five`.
_IN_WORDS = re.compile(
  rf'(?:({"|".join(_SMALL[1:10])}) hundred(?: and)?(?: (?=.)|$))?'
  rf'(?:({"|".join(_TENS[2:])})(?:[- ]({"|".join(_SMALL[1:10])}))?|({"|".join(_SMALL[::-1])}))?'
)
# Money in Chinese: `12元5角`.
_YUAN = re.compile('([0-9]{1,9})(?:元|块)([0-9])角?(?:([0-9])分)?')
# Letters that are lengths, masses and times after a space: `5 m`.
_LETTERS = frozenset('mghs')

_FRACTION = re.compile(
  rf'\\frac\{{\s*([-+]?)\s*({tags.INTEGER})\s*\}}\{{\s*([-+]?)\s*({tags.INTEGER})\s*\}}(?![0-9])'
)
_SLASHED = re.compile(rf'()({tags.INTEGER}) ?/ ?()({tags.INTEGER})(?![0-9.])')
_WHOLE = re.compile(rf'({tags.INTEGER})(?![0-9.])( ?)')
_DECIMAL = re.compile(rf'({tags.INTEGER}(?:\.[0-9]++)?+|\.[0-9]++)(?![0-9])')
_EXPONENT = re.compile(
  r'[eE]([-+]?[0-9]{1,4})(?![0-9])'
  r'| ?(?:\\times|\\cdot|\*|x) ?10(?:\^|\*\*) ?'
  r'(?:\{ ?([-+]?[0-9]{1,4}) ?\}|([-+]?[0-9]{1,4}))(?![0-9])'
)
_RECURRING = re.compile(r'([0-9]{1,20})\.([0-9]{0,20})\\(?:overline|bar|dot)\{([0-9]{1,20})\}')
_FIGURES = re.compile(r'[0-9]++(?:\.[0-9]*+)?|\.[0-9]++')
_PERCENT = re.compile(r' ?(?:%|per ?cent)')
# Characters of a number in a longer text.
_WINDOW = 64
# As in `12 (apples)`.
_IN_BRACKETS = re.compile(r' ?(?:\\text\{ ?)?\(([^()]*)\)(?: ?\})?')
_IN_DEGREES = re.compile(r'^\(([^()]*)\) ?(\^\{ ?\\circ ?\}|°)$')
_POWER = re.compile(r'\^\{([23])\}$')
# As in `miles per hour`, `hours a week`, `千米每小时`.
_PER = re.compile('(?:^| )(?:per|an?) |每')
_CHINESE = re.compile('[一-鿿]{1,4}')


@dataclasses.dataclass(frozen=True)
class Quantity:
  """A number with its unit.

  Attributes:
    value: exact; of `33%` it is 33.
    unit: in one spelling, such as 'cm^2' for square centimetres; None if there is none.
    is_undone: whether it is written as a division that comes out even, as `72/8`.
  """

  value: Fraction
  unit: str | None = None
  is_undone: bool = False


def equal(answer: Quantity, gold: Quantity) -> bool:
  """Returns whether two quantities are the same number in the same unit.

  A unit of the gold answer is taken for granted in the answer; so is a unit of measurement that
  only the answer names, but no other word: `5 m` is 5, and `5 wrong` is not. For a gold percentage
  both the number of per cent and the share will do. Where only the answer is one, a gold number up
  to 1 is taken for a share: `50%` is 0.5, and `500%` is not 5, but `5%` is. A division that comes
  out even is no number where the gold answer is one.
  """
  if not fits(answer.unit, gold.unit) or answer.is_undone > gold.is_undone:
    return False
  if answer.unit == '%' and gold.unit is None and abs(gold.value) <= 1:
    return answer.value == 100 * gold.value
  is_share = gold.unit == '%' and answer.unit is None and gold.value == 100 * answer.value
  return is_share or answer.value == gold.value


def fits(answer: str | None, gold: str | None) -> bool:
  """Returns whether the unit of an answer will do for that of the gold answer."""
  if answer is None or answer == gold:
    return True
  return gold is None and is_measure(answer)


def is_measure(unit: str) -> bool:
  """Returns whether a unit is one of measurement or currency, and no other word."""
  return all(not part or part.partition('^')[0] in _SPELLINGS for part in unit.split('/'))


def read(text: str) -> Quantity | None:
  """Returns the quantity that a whole text is, or None if it is anything else."""
  if len(text) > MAX_DIGITS + MAX_UNIT:
    return None
  if (named := _in_words(text.lower())) is not None:
    return Quantity(Fraction(named))
  if money := _YUAN.fullmatch(text):
    return Quantity(Fraction(f'{money[1]}.{money[2]}{money[3] or 0}'), '¥')
  if (ordinal := _ORDINAL.fullmatch(text)) and _ends(int(ordinal[1])) == ordinal[2]:
    return Quantity(Fraction(int(ordinal[1])))
  text = _IN_DEGREES.sub(r'\1\2', text)
  sign, text = _sign(text)
  currency, text = _currency(text)
  if currency and not sign:
    sign, text = _sign(text)
  is_undone = _comes_out_even(text)
  value, text = _number(text)
  if value is None:
    return None
  unit = read_unit(text)
  if unit is None and (multiple := _MULTIPLE.match(text)):
    value, unit = value * _MULTIPLES[multiple[1]], read_unit(text[multiple.end() :])
  if currency and unit is not None:
    unit = currency if unit in ('', currency) else currency + unit if unit[0] == '/' else None
  if unit is None:
    return None
  return Quantity(-value if sign == '-' else value, unit or None, is_undone)


def find(text: str) -> list[tuple[str, Quantity]]:
  """Returns the numbers in a text with what they are written as; per cent as unit, and no other."""
  found = []
  for match in (*tags.NUMBER.finditer(text), *_RECURRING.finditer(text)):
    sign, window = _sign(text[match.start() : match.start() + _WINDOW])
    value, rest = _number(window)
    if value is None:
      continue
    if multiple := _MULTIPLE.match(rest):
      value, rest = value * _MULTIPLES[multiple[1]], rest[multiple.end() :]
    unit = '%' if _PERCENT.match(rest) else None
    written = sign + window[: len(window) - len(rest)]
    found.append((written, Quantity(-value if sign == '-' else value, unit)))
  return found


def figures(text: str) -> list[str]:
  """Returns the numbers in a text as they are written, without zeros that change nothing."""
  found = _FIGURES.findall(_bare(text))
  return [
    (figure.rstrip('0').rstrip('.') if '.' in figure else figure).lstrip('0') or '0'
    for figure in found
  ]


def _in_words(text: str) -> int | None:
  """Returns the number below a thousand that English words name."""
  if not text or not (found := _IN_WORDS.fullmatch(text)):
    return None
  hundreds, tens, ones, small = found.groups('zero')
  return (
    100 * _SMALL.index(hundreds) + 10 * _TENS.index(tens) + sum(map(_SMALL.index, (ones, small)))
  )


def _comes_out_even(text: str) -> bool:
  """Returns whether a text begins with a division that leaves nothing, but by 1."""
  found = _FRACTION.match(text) or _SLASHED.match(text)
  denominator = abs(int(_bare(found[4]))) if found else 1
  return denominator > 1 and found is not None and int(_bare(found[2])) % denominator == 0


def _ends(number: int) -> str:
  """Returns the ending of an ordinal number, as the th of 11th."""
  is_teen = number // 10 % 10 == 1
  return 'th' if is_teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')


def _sign(text: str) -> tuple[str, str]:
  return (text[0], text[1:].lstrip()) if text[:1] in ('-', '+') else ('', text)


def _currency(text: str) -> tuple[str | None, str]:
  for spelling, unit in _CURRENCIES.items():
    if text.startswith(spelling):
      return unit, text[len(spelling) :].lstrip()
  return None, text


def _number(text: str) -> tuple[Fraction | None, str]:
  """Returns the number without sign that a text begins with, and what follows it."""
  if (found := _fraction(text)) is not None:
    return found
  if integer := _WHOLE.match(text):
    # `2 1/2` and `2\frac{1}{2}`; digits right after digits were one number.
    rest = text[integer.end() :]
    part, after = _fraction(rest) or (None, rest)
    if part is not None and (integer[2] or rest.startswith('\\')) and 0 <= part < 1:
      return int(_bare(integer[1])) + part, after
  if recurring := _RECURRING.match(text):
    whole, fixed, period = recurring.groups()
    shift, cycle = 10 ** len(fixed), 10 ** len(period) - 1
    value = int(whole + fixed) + Fraction(int(period), cycle)
    return value / shift, text[recurring.end() :]
  decimal = _DECIMAL.match(text)
  if not decimal:
    return None, text
  value, rest = Fraction(_bare(decimal[1])), text[decimal.end() :]
  if exponent := _EXPONENT.match(rest):
    power = int(next(group for group in exponent.groups() if group))
    return value * Fraction(10) ** power, rest[exponent.end() :]
  return value, rest


def _fraction(text: str) -> tuple[Fraction, str] | None:
  found = _FRACTION.match(text) or _SLASHED.match(text)
  if not found:
    return None
  numerator, denominator = (int(found[i] + _bare(found[i + 1])) for i in (1, 3))
  return (Fraction(numerator, denominator), text[found.end() :]) if denominator else None


def _bare(number: str) -> str:
  return tags.SEPARATOR.sub('', number)


def read_unit(text: str) -> str | None:
  """Returns the unit that follows a number, '' if nothing does; None if it is something else."""
  if not text.strip():
    return ''
  if len(text) > MAX_UNIT:
    return None
  if bracketed := _IN_BRACKETS.fullmatch(text):
    text = f' {bracketed[1]}'
  marked = notation.TEXT.search(text) is not None
  apart = marked or text.startswith(' ')
  text = ' '.join(notation.TEXT.sub(r' \1 ', text).split()).replace(' ^', '^').rstrip('.')
  if (known := _UNITS.get(text)) and not (len(text) == 1 and text.isalpha() and text.isascii()):
    return known
  numerator, per, denominator = _PER.sub('/', text.lower()).partition('/')
  # In `km/h` the h is no variable, nor is any letter in ` m/s`.
  marked = marked or (bool(per) and (len(numerator) > 1 or apart))
  measure = '' if per and not numerator else _measure(numerator, marked, apart)
  if not per or measure is None:
    return measure
  below = _measure(denominator, marked, apart)
  return None if below is None else f'{measure}/{below}'


def _measure(text: str, marked: bool, apart: bool) -> str | None:
  r"""Returns a unit of one kind, such as square feet or sheep, in one spelling.

  Args:
    text: lower-case words.
    marked: whether `\text` says that these are words.
    apart: whether a space stands before them.
  """
  words, power = text.split(), ''
  if words and words[0] in ('square', 'sq', 'sq.', 'cubic', '平方', '立方'):
    power = '^3' if words[0] in ('cubic', '立方') else '^2'
    words = words[1:]
  elif words and words[0].startswith(('平方', '立方')):
    power, words[0] = '^3' if words[0][0] == '立' else '^2', words[0][2:]
  if words and (raised := _POWER.search(words[-1])):
    power, words[-1] = '^' + raised[1], words[-1][: raised.start()]
  # As in `scoops of ice cream`.
  most = MAX_UNIT_WORDS + 2 * ('of' in words[1:-1])
  if not 1 <= len(words) <= most or words[0] == 'of' or words[-1] == 'of':
    return None
  if not all(word == 'of' or _is_unit(word, marked, apart, bool(power)) for word in words):
    return None
  return (
    ' '.join(_UNITS.get(word) or _UNITS.get(singular(word)) or singular(word) for word in words)
    + power
  )


def _is_unit(word: str, marked: bool, apart: bool, is_raised: bool) -> bool:
  """Returns whether a word can be a unit, or what is counted; `in^2` are square inches."""
  if not is_raised and (word in _NO_UNITS or singular(word) in _NO_UNITS):
    return False
  if not word.isascii():
    is_noun = bool(_CHINESE.fullmatch(word)) and not _NO_CHINESE_UNITS & set(word)
    return word in _UNITS or (is_noun and word[0] not in '十百千万亿')
  if len(word) == 1:
    # A letter that stands bare is a variable: `5m` is no length, `5 m` and `5\text{ m}` are.
    return (marked and word in _UNITS) or (apart and word in _LETTERS)
  if word in _UNITS or singular(word) in _UNITS:
    return True
  return re.sub("[-'’]", '', word).isalpha() and apart and (marked or len(word) > 2)


def singular(word: str) -> str:
  """Returns a word without the s of its plural."""
  return word[:-1] if len(word) > 3 and word.endswith('s') and not word.endswith('ss') else word
