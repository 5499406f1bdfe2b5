import math
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import r1jax.rewards
from r1jax.rewards import equivalence
from r1jax.rewards.equivalence import math_equal

BIG = '123456789012345678901234567890'

EQUAL = [
  ('72', '72'),
  ('72.', '72'),
  ('72。', '72'),
  (' 72\n', '72'),
  ('+72', '72'),
  ('072', '72'),
  ('72.00', '72'),
  ('72.50.', '72.5'),
  ('.5', '0.5'),
  ('-0', '0'),
  ('−5', '-5'),
  ('–5', '-5'),
  ('－5', '-5'),
  ('﹣5', '-5'),
  ('1,234', '1234'),
  ('1,234,567.80', '1234567.8'),
  ('1{,}234', '1234'),
  (r'10\,000', '10000'),
  ('1/2', '0.5'),
  ('2/4', '1/2'),
  ('1 / 2', '1/2'),
  ('-1/2', '-.5'),
  ('12/4', '3'),
  (r'\frac{1}{2}', '1/2'),
  (r'\frac12', '1/2'),
  (r'\frac 59', '5/9'),
  (r'\dfrac1{2}', '0.5'),
  (r'\cfrac{1}2', '0.5'),
  (r'14,\!400', '14400'),
  (r'44\%', '44%'),
  (r'-\dfrac{ 1 }{ 2 }', '-0.5'),
  (r'\tfrac{-1}{-2}', '0.5'),
  (r'\frac{-1}{2}', r'-\frac{1}{2}'),
  (r'-\frac{-1}{2}', '0.5'),
  ('1,000/3', '1000/3'),
  ('$72$', '72'),
  ('$$72$$', '72'),
  (r'\(72\)', '72'),
  (r'\[ 72 \]', '72'),
  (r'\text{72}', '72'),
  (r'$\frac{1}{2}$.', '.5'),
  (r'$\mathrm{72.}$', '72'),
  (BIG + '1', BIG + '1.0'),
  (f'{BIG}/{BIG}', '1'),
  ('Paris', ' Paris. '),
  (r'\text{Paris}', 'Paris'),
  ('x  +  1', 'x + 1'),
  ('50%', '50%'),
]

DIFFERENT = [
  ('72', '73'),
  ('72', '-72'),
  ('7 2', '72'),
  ('72 73', '72'),
  ('72 or 73', '72'),
  ('72,73', '72'),
  (BIG + '1', BIG + '2'),  # equal as floats
  ('0.1000000000000000000001', '0.1'),
  ('0.3333333333333333', '1/3'),
  ('1,23', '123'),
  ('1,2345', '12345'),
  ('1234,567', '1234567'),
  ('0,123', '123'),
  ('1.234.567', '1234567'),
  ('72..', '72'),
  ('0.333...', '0.333'),
  ('50%', '50'),
  ('50%', '0.5'),
  (r'50\%', '50'),
  ('$50', '50'),
  ('50 dollars', '50'),
  ('5cm', '5'),
  ('1 1/2', '11/2'),
  ('1 1/2', '1/2'),
  (r'1\frac{1}{2}', '11/2'),
  (r'\frac123', '1/23'),
  (r'\frac123', '12/3'),
  ('72。。', '72'),
  ('44%', '44'),
  (r'1\frac{1}{2}', '1/2'),
  ('--5', '5'),
  ('- 5', '5'),
  ('- 5', '-5'),
  ('1/-2', '-1/2'),
  ('1/0', '2/0'),
  ('0/0', '0'),
  (r'\frac{0}{0}', '0'),
  ('1/2/2', '1/4'),
  ('1.5/3', '0.5'),
  ('2+2', '4'),
  ('2**3', '8'),
  ('9//2', '4'),
  ('9**9**9**9', '1'),
  ('5²', '52'),
  ('٥', '5'),
  ('５', '5'),
  ('1_000', '1000'),
  ('0x10', '16'),
  ('1e3', '10003'),
  ('inf', 'Infinity'),
  ('nan', '0'),
  ('paris', 'Paris'),
  ('Par', 'Paris'),
  ('', '72'),
  ('$5$ and $6$', '5$ and $6'),
  (r'\text{5} + \text{6}', r'5} + \text{6'),
  (r'\{5\}', '5'),
  ('(1,2)', '12'),
  # Accepted by published checkers.
  ('1/2004!', '1/2006!'),
  ('12:00', '1:00'),
]


@pytest.mark.parametrize(('answer', 'gold'), EQUAL)
def test_equal(answer, gold):
  assert math_equal(answer, gold)
  assert math_equal(gold, answer)


@pytest.mark.parametrize(('answer', 'gold'), DIFFERENT)
def test_different(answer, gold):
  assert not math_equal(answer, gold)
  assert not math_equal(gold, answer)


@pytest.mark.parametrize('empty', ['', ' ', '\n\t', '$ $', r'\text{ }', '\u3000'])
def test_empty_answer_equals_nothing(empty):
  for gold in ('72', 'Paris', '', ' ', empty):
    assert not math_equal(empty, gold)
    assert not math_equal(gold, empty)


def test_public_name():
  assert r1jax.rewards.math_equal is math_equal


rationals = st.fractions(max_denominator=10**6)


def write(value: Fraction, form: str) -> str:
  if form == 'slash':
    return f'{value.numerator}/{value.denominator}'
  if form == 'tex':
    return rf'$\frac{{{value.numerator}}}{{{value.denominator}}}$'
  return f'{value.numerator:,}' + ('.0' if value.denominator == 1 else f'/{value.denominator}')


forms = st.sampled_from(['slash', 'tex', 'thousands'])


@given(rationals, rationals, forms, forms)
def test_agrees_with_rational_numbers(left, right, left_form, right_form):
  assert math_equal(write(left, left_form), write(left, right_form))
  assert math_equal(write(left, left_form), write(right, right_form)) == (left == right)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_agrees_with_decimals(value):
  assert math_equal(f'{value:,f}', f'{value:f}0')
  assert not math_equal(f'{value:f}', f'{value:f}1')


@given(st.text(max_size=20), st.text(max_size=20))
def test_is_symmetric_and_reflexive(left, right):
  assert math_equal(left, right) == math_equal(right, left)
  # Nothing but emptiness keeps a text from being equal to itself.
  assert math_equal('x' + left, 'x' + left)


def test_numbers_beyond_the_limit_are_compared_as_text():
  longest = '7' * equivalence.MAX_NUMBER_LENGTH
  assert math_equal(longest, '0' + longest[:-1] + '7') is False
  assert math_equal(longest, '+' + longest) is False
  assert math_equal(longest, longest)
  assert math_equal(longest[1:], '+' + longest[1:])


@pytest.mark.parametrize(
  'answer',
  [
    '1e999999999',
    '1e-999999999',
    '9' * 300_000,
    '0.' + '9' * 300_000,
    '1/' * 150_000,
    '$' * 300_000,
    '($' * 150_000,
    r'\(' * 150_000,
    r'\text{' * 50_000,
    '{' * 300_000,
    '.' * 300_000,
    '. ' * 150_000,
    '9**' * 100_000,
    '\ud800' * 1000,
  ],
  ids=lambda answer: answer[:6].encode('ascii', 'replace').decode(),
)
def test_cost_is_bounded(answer):
  start = time.process_time()
  assert not math_equal(answer, '1')
  assert not math_equal('1', answer)
  assert math_equal('x' + answer, 'x' + answer)
  assert time.process_time() - start < 5


def test_factorials_are_not_evaluated():
  assert not math_equal('2004!', str(math.factorial(20)))
