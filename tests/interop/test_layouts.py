"""Parts of tensors hold the parts of our arrays that they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1jax.interop import layouts

CASES = {
  'matrix': (layouts.LINEAR, [(6, 4)]),
  'to heads': (layouts.LINEAR, [(6, 4, 3)]),
  'keys and values': (layouts.LINEAR, [(6, 4, 3), (6, 4, 2)]),
  'two matrices': (layouts.LINEAR, [(6, 4), (6, 3)]),
  'from heads': (layouts.FROM_HEADS, [(4, 3, 6)]),
  'bias of heads': (layouts.VECTOR, [(4, 3)]),
  'embedding': (layouts.SAME, [(5, 4)]),
}
# Axes that a mesh splits: the width of the model, heads, the vocabulary.
SPLIT = {
  'matrix': (0, 1),
  'to heads': (0, 1),
  'keys and values': (0, 1),
  'two matrices': (0,),
  'from heads': (0, 2),
  'bias of heads': (0,),
  'embedding': (0, 1),
}


def ranges(shape):
  """Draws a range along each axis."""
  ends = [st.lists(st.integers(0, size), min_size=2, max_size=2, unique=True) for size in shape]
  return st.tuples(*ends).map(lambda found: [(min(pair), max(pair)) for pair in found])


def cut(array, starts, shape):
  return array[tuple(slice(at, at + size) for at, size in zip(starts, shape))]


@pytest.mark.parametrize('case', CASES)
@given(st.data())
def test_a_window_holds_what_it_says(case, data):
  layout, shapes = CASES[case]
  whole = [np.random.default_rng(0).standard_normal(shape) for shape in shapes]
  held = data.draw(ranges(shapes[0]))
  window = layout.window(shapes, held)
  part = layout.to_theirs(*whole)[tuple(slice(*each) for each in window.theirs)]
  found = layout.to_ours(part, window.shapes)
  for array, own, shape in zip(whole, found, window.shapes, strict=True):
    np.testing.assert_array_equal(own, cut(array, window.starts, shape))
  for (start, stop), at, size in zip(held, window.starts, window.shapes[0]):
    assert at <= start and stop <= at + size


@pytest.mark.parametrize('case, axis', [(case, axis) for case in SPLIT for axis in SPLIT[case]])
def test_a_window_holds_no_more_than_its_share(case, axis):
  layout, shapes = CASES[case]
  held = [(0, size) for size in shapes[0]]
  held[axis] = (shapes[0][axis] // 2, shapes[0][axis])
  window = layout.window(shapes, held)
  numbers = math.prod(stop - start for start, stop in window.theirs)
  share = 1 - (shapes[0][axis] // 2) / shapes[0][axis]
  assert numbers == share * sum(math.prod(shape) for shape in shapes)
