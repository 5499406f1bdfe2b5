from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1jax.rewards.mathematics import ranges, structures
from r1jax.rewards.mathematics.kinds import Bracketed, Collection

ENDS = st.integers(-3, 3)
CONDITIONS = st.one_of(
  st.tuples(st.sampled_from(['x < {}', r'x \le {}', 'x > {}', r'x \ge {}', r'x \ne {}']), ENDS).map(
    lambda drawn: drawn[0].format(drawn[1])
  ),
  st.tuples(ENDS, st.sampled_from(['<', r'\le']), ENDS).map(
    lambda drawn: rf'{drawn[0]} {drawn[1]} x < {drawn[2]}'
  ),
)
# Whole numbers and halves between and beyond all ends.
PLACES = [Fraction(half, 2) for half in range(-9, 10)]
_TOLD = {'<': '<', r'\le': '<=', '>': '>', r'\ge': '>=', r'\ne': '!='}


def holds(condition, x):
  """Whether a condition holds, by Python's own comparison."""
  for sign, python in _TOLD.items():
    condition = condition.replace(f' {sign} ', f' {python} ')
  return eval(condition, {'x': x})


def contains(allowed, x):
  """Whether an interval or union has a place within."""
  if allowed is None:
    return False
  if isinstance(allowed, Collection):
    return any(contains(part, x) for part in allowed.items)
  assert isinstance(allowed, Bracketed)
  low, high = allowed.items
  above = ranges._is_infinite(low) or low.value < x or (allowed.open == '[' and low.value == x)
  below = ranges._is_infinite(high) or x < high.value or (allowed.close == ']' and high.value == x)
  return above and below


@given(st.lists(CONDITIONS, min_size=1, max_size=4))
def test_in_common_has_what_all_conditions_allow(conditions):
  allowed = ranges.in_common(map(structures.read, conditions))
  for x in PLACES:
    assert contains(allowed, x) == all(holds(condition, x) for condition in conditions)


@pytest.mark.parametrize(
  'conditions',
  [
    ('x > 1', 'y < 2'),  # On two names.
    ('(1,2)', '(1,3)'),  # Points.
    ('x > 1', '5'),
    ('x > a', 'x < 2'),  # Nobody knows how large a is.
    ('x > 2', 'x < 1'),  # Nothing.
  ],
)
def test_nothing_is_said_of_what_is_not_known(conditions):
  assert ranges.in_common(map(structures.read, conditions)) is None
