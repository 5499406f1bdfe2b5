import time

import pytest

from r1jax.structs import Problem
from r1jax.tasks.world import reading

# 37+8*2-5: 45, 90, 85.
METADATA = {
  'depth': 3,
  'start': 37,
  'steps': [['+', 8], ['*', 2], ['-', 5]],
  'values': [45, 90, 85],
}
PROBLEM = Problem('p', 'Work from left to right: 37+8*2-5=?', '85', METADATA)


@pytest.mark.parametrize(
  ('work', 'right'),
  [
    ('37+8=45, 45*2=90, 90-5=85. ', True),
    ('先算37+8=45。再算45*2=90。', True),
    ('37 + 8 = 45, 45 * 2 = 90.', True),
    ('37+8*2=90. ', True),
    ('45*2=90. ', True),
    ('37+8=45, 90-5=85.', True),
    ('37+8*2-5=85', True),
    ('37+8=46. ', False),
    ('37+8=45, 45*3=135.', False),
    ('37+8=45, 45-5=40.', False),
    ('37+8=45, 46*2=92.', False),
    ('8*2=16.', False),
    ('90-5=85, 85+1=86', False),
    ('90', None),
    ('', None),
  ],
)
def test_right_so_far(work, right):
  assert reading.right_so_far(PROBLEM, work) is right


@pytest.mark.parametrize(
  ('response', 'style'),
  [
    ('85', 'blurt'),
    ('It is = 85.', 'blurt'),
    ('37+8=45, 45*2=90, 90-5=85. <answer>85</answer>', 'careful'),
    ('37 + 8 = 45, 45 * 2 = 90, 90 - 5 = 85', 'careful'),
    ('37+8=1, 1*2=1, 1-5=1', 'careful'),
    ('37+8=45, 45*2=90', 'careless'),
    ('37+8*2=90, 90-5=85, 85=85', 'careless'),
    ('37+8=45, 45*2-5=85, 1+1=2', 'careless'),
  ],
)
def test_style(response, style):
  assert reading.style(PROBLEM, response) == style


@pytest.mark.parametrize('unit', ['1', '1+', '1+1', '1+1=', ' 1 +', '9999+9999=9999'])
def test_hostile_text_takes_linear_time_and_raises_nothing(unit):
  text = '37+8=' + unit * (300_000 // len(unit))
  start = time.process_time()
  reading.style(PROBLEM, text)
  reading.right_so_far(PROBLEM, text)
  assert time.process_time() - start < 5
