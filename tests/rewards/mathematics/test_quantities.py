from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1jax.rewards.mathematics import notation, quantities
from r1jax.rewards.mathematics.quantities import Quantity

BIG = '123456789012345678901234567890'


def read(text):
  return quantities.read(notation.normalise(text))


@pytest.mark.parametrize(
  ('text', 'value', 'unit'),
  [
    ('72', 72, None),
    ('-72', -72, None),
    ('+72', 72, None),
    ('- 5', -5, None),
    ('072', 72, None),
    ('72.50', Fraction(145, 2), None),
    ('.5', Fraction(1, 2), None),
    (BIG, int(BIG), None),
    ('1,234', 1234, None),
    ('1,234,567.80', Fraction(6172839, 5), None),
    ('1{,}234', 1234, None),
    (r'32,\!348', 32348, None),
    (r'10\,000', 10000, None),
    ('1/2', Fraction(1, 2), None),
    ('-1 / 2', Fraction(-1, 2), None),
    ('1,000/3', Fraction(1000, 3), None),
    (r'\frac{-1}{2}', Fraction(-1, 2), None),
    (r'-\frac{-1}{2}', Fraction(1, 2), None),
    (r'\tfrac{-1}{-2}', Fraction(1, 2), None),
    ('2 1/2', Fraction(5, 2), None),
    ('-2 1/2', Fraction(-5, 2), None),
    (r'1\frac{9}{10}', Fraction(19, 10), None),
    (r'8\frac47', Fraction(60, 7), None),
    ('2½', Fraction(5, 2), None),
    ('21/2', Fraction(21, 2), None),
    ('1.5e3', 1500, None),
    ('1.5E-3', Fraction(3, 2000), None),
    (r'1.5\times10^3', 1500, None),
    (r'1.5 \times 10^{-3}', Fraction(3, 2000), None),
    ('3×10⁸', 300_000_000, None),
    (r'0.\overline{3}', Fraction(1, 3), None),
    (r'1.2\overline{27}', Fraction(27, 22), None),
    ('33%', 33, '%'),
    (r'33\%', 33, '%'),
    ('50 per cent', 50, '%'),
    (r'106^\circ', 106, '°'),
    ('106 degrees', 106, '°'),
    (r'\$32', 32, '$'),
    (r'-\$0.50', Fraction(-1, 2), '$'),
    ('$-5', -5, '$'),
    ('$5 dollars', 5, '$'),
    ('5 dollars', 5, '$'),
    ('€5', 5, '€'),
    ('5 €', 5, '€'),
    ('18元', 18, '¥'),
    ('45个', 45, '个'),
    ('5平方米', 5, 'm^2'),
    ('5千克', 5, 'kg'),
    (r'85\text{ feet}', 85, 'ft'),
    (r'5\text{ m}', 5, 'm'),
    ('5 cm', 5, 'cm'),
    ('5 cm²', 5, 'cm^2'),
    (r'144 \mbox{ m}^3', 144, 'm^3'),
    (r'135\text{ square feet}', 135, 'ft^2'),
    (r'100\text{ square' + '\nunits}', 100, 'unit^2'),
    ('60 miles per hour', 60, 'mi/h'),
    ('5 km/h', 5, 'km/h'),
    ('5 m', 5, 'm'),
    ('5 m/s', 5, 'm/s'),
    ('5 mph', 5, 'mi/h'),
    ('$5 per hour', 5, '$/h'),
    ('5 million', 5_000_000, None),
    (r'\$1.5 million', 1_500_000, '$'),
    ('5万', 50_000, None),
    ('5千元', 5_000, '¥'),
    ('5千米', 5, 'km'),
    ('5^{th}', 5, None),
    ('22nd', 22, None),
    ('twelve', 12, None),
    ('5 apples', 5, 'apple'),
    (r'10\;\text{edges}', 10, 'edge'),
  ],
)
def test_reads(text, value, unit):
  assert read(text) == Quantity(Fraction(value), unit)


@pytest.mark.parametrize(
  'text',
  [
    '', 'x', '--5', '5x', '5m', '5 t', '2k', r'2\pi', '7 2', '1,23', '1,2345', '1234,567', '0,123',
    '1.234.567', '72..', '1/0', r'\frac{0}{0}', r'\frac123', '1/2/2', '1.5/3', '1/-2', '1/2+1/3',
    '2+3', '2**3', '10^{100}', '5!', '5^{2}', '12:00', '5 or 6', '5 is wrong', '5 incorrect',
    '5错', '5的平方', '5 halves', '5 million wrong',
    '5/6 of', '5 3/2', '5 sinh', '5%%', '$5 cents', '5 cm cm cm cm', '٣', '1_000', '0x10', 'inf',
    'nan', '1e99999', r'9\text{ a.m.}', '8_9', '1 234', '0.333...', '9' * 2000,
  ],
)  # fmt: skip
def test_reads_nothing_else(text):
  assert read(text) is None


@pytest.mark.parametrize(
  ('answer', 'gold', 'is_equal'),
  [
    ('5', '5', True),
    ('5 cm', '5', True),
    ('5', '5 cm', True),
    ('5 cm', '5 centimeters', True),
    ('5 cm', r'5\text{ m}', False),
    ('5 cm', '5 cm^2', False),
    ('500 cents', '5 dollars', False),
    ('5 apples', '5', False),
    ('5 apples', '5 apples', True),
    ('5', '5 apples', True),
    ('5 sour', '5', False),
    ('5梨', '5', False),
    ('72/8', '9', False),
    ('-72/8', '-9', False),
    (r'\frac{72}{8}\text{ cm}', '9', False),
    ('9/1', '9', True),
    ('2/4', '1/2', True),
    ('33%', '33', True),
    ('33%', '33/100', True),
    ('100%', '1', True),
    ('0%', '0', True),
    ('0.5%', '0.5', False),
    ('500%', '5', False),
    ('0.33', '33%', True),
    ('33', '33/100', False),
    ('3300%', '33%', False),
    ('0.333', '1/3', False),
  ],
)
def test_units(answer, gold, is_equal):
  assert quantities.equal(read(answer), read(gold)) is is_equal


def test_all_spellings_of_a_unit_are_one():
  for unit, spellings in quantities._SPELLINGS.items():
    for spelling in (unit, *spellings):
      form = r'\text{{ {}}}' if spelling.isascii() and spelling.isalpha() else ' {}'
      assert read(f'3{form.format(spelling)}') == Quantity(Fraction(3), unit), spelling


@given(st.fractions(), st.sampled_from(['', ' cm', '%', r'\text{ apples}']))
def test_every_fraction_is_read_exactly(value, unit):
  assert read(f'{value.numerator}/{value.denominator}{unit}').value == value
  assert read(rf'\frac{{{value.numerator}}}{{{value.denominator}}}{unit}').value == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=0))
def test_every_decimal_is_read_exactly(value):
  assert read(f'{value:,f}') == read(f'{value:f}') == Quantity(Fraction(value))
