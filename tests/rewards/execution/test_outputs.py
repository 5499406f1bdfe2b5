import pytest

from r1jax.rewards.execution import outputs

EXPECTED = b'Case #1: 6\nCase #2: 1 2\n'


@pytest.mark.parametrize(
  'found',
  [
    EXPECTED,
    b'Case #1: 6\nCase #2: 1 2',
    b'Case #1: 6  \nCase #2: 1 2\t\n\n \n',
    b'Case #1: 6\r\nCase #2: 1 2\r\n',
  ],
)
def test_space_at_the_ends_of_lines_and_blank_lines_at_the_end_do_not_count(found):
  assert outputs.same_lines(found, EXPECTED)
  assert outputs.same_lines(EXPECTED, found)


WRONG = [
  b'',
  b'Case #1: 6\n',
  b'Case #1: 6\nCase #2: 1',
  b'Case #1: 6\nCase #2: 1 2\nCase #3: 0\n',
  b'Case #1: 6\nCase #2: 1 2 3\n',
  b'Case #2: 1 2\nCase #1: 6\n',
  b'case #1: 6\ncase #2: 1 2\n',
  b'Case #1: 6\nCase #2: 12\n',
  b'\0Case #1: 6\nCase #2: 1 2\n',
  b'Case #1: 6\nCase #2: 1 2\n\0',
  'Case #1: 6\nCase #2: 1 ２\n'.encode(),
  'Case #1: 6\nCase #2: 1 2\u00a0\n'.encode(),
]


@pytest.mark.parametrize('found', WRONG)
def test_nothing_may_be_missing_changed_or_added(found):
  assert not outputs.same_lines(found, EXPECTED)
  assert not outputs.same_lines(EXPECTED, found)
  assert not outputs.same_tokens(found, EXPECTED)
  assert not outputs.same_tokens(found, EXPECTED, 1e-6)


@pytest.mark.parametrize(
  'found',
  [b' Case #1: 6\nCase #2: 1 2\n', b'Case #1: 6\n\nCase #2: 1 2\n', b'Case #1: 6\nCase #2: 1  2\n'],
)
def test_other_space_counts_between_lines_but_not_between_tokens(found):
  assert not outputs.same_lines(found, EXPECTED)
  assert outputs.same_tokens(found, EXPECTED)


@pytest.mark.parametrize(
  ('found', 'expected', 'same'),
  [
    (b'0.333333', b'0.3333333333', True),
    (b'0.33333', b'0.3333333333', False),
    (b'1000000.5', b'1000000', True),
    (b'1000002', b'1000000', False),
    # An integer is the nearest one.
    (b'1000000000', b'1000000007', False),
    (b'1000000000.0', b'1000000007', False),
    (b'1e9', b'1000000007', False),
    (b'1000000006.9', b'1000000007', True),
    (b'1000000006.4', b'1000000007', False),
    (b'1000000000', b'1000000007.0', True),
    (b'1000000000000000006', b'1000000000000000007', False),
    (b'1e18', b'1000000000000000007', False),
    (b'1000000000000000007.000', b'1000000000000000007', True),
    (b'7.01', b'7', False),
    (b'+007', b'7', True),
    (b'1e3', b'1000.0', True),
    (b'-0.0', b'0', True),
    (b'+.5', b'0.5', True),
    (b'7', b'7', True),
    (b'8', b'7', False),
    (b'x', b'x', True),
    (b'x', b'y', False),
    (b'x', b'7', False),
    (b'nan', b'7', False),
    (b'nan', b'1e308', False),
    (b'inf', b'1e308', False),
    (b'1e999', b'1e308', False),
    (b'7', b'nan', False),
    (b'1_0', b'10', False),
    ('٧'.encode(), b'7', False),
    (b'0x7', b'7', False),
    (b'7' * 500, b'7', False),
    (b'7' * 500, b'7' * 500, True),
  ],
)
def test_numbers_within_the_tolerance(found, expected, same):
  assert outputs.same_tokens(found, expected, 1e-6) == same
  assert outputs.same_tokens(found, expected) == (found == expected)
