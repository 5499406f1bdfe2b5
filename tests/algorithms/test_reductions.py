import functools

import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.algorithms import reductions

ALL = {
  'sample_mean': reductions.sample_mean,
  'token_mean': reductions.token_mean,
  'constant_length': functools.partial(reductions.constant_length, length=4),
}
# Outputs of one and of three tokens, and one that was dropped.
MASK_PGT = jnp.array([[[1, 0, 0], [1, 1, 1], [0, 0, 0]]])


@pytest.mark.parametrize(
  ('name', 'short', 'long'),
  [('sample_mean', 1 / 2, 1 / 6), ('token_mean', 1 / 4, 1 / 4), ('constant_length', 1 / 8, 1 / 8)],
)
@pytest.mark.parametrize('dtype', [bool, jnp.int32, jnp.float32])
def test_by_hand(name, short, long, dtype):
  weight_PGT = ALL[name](MASK_PGT.astype(dtype))
  np.testing.assert_allclose(weight_PGT, [[[short, 0, 0], [long, long, long], [0, 0, 0]]])
  assert weight_PGT.dtype == jnp.float32


@pytest.mark.parametrize('name', ALL)
def test_dropped_outputs_enter_no_denominator(name):
  np.testing.assert_allclose(ALL[name](MASK_PGT)[:, :2], ALL[name](MASK_PGT[:, :2]))


@pytest.mark.parametrize('name', ALL)
def test_padding_enters_no_denominator(name):
  padded_PGT = jnp.pad(MASK_PGT, ((0, 1), (0, 1), (0, 2)))
  np.testing.assert_allclose(ALL[name](padded_PGT)[:1, :3, :3], ALL[name](MASK_PGT))


@pytest.mark.parametrize('name', ALL)
def test_nothing_left_gives_zeros(name):
  np.testing.assert_array_equal(ALL[name](jnp.zeros((1, 2, 3))), np.zeros((1, 2, 3)))


@pytest.mark.parametrize('name', ALL)
def test_leading_axes_are_all_outputs(name):
  np.testing.assert_allclose(ALL[name](MASK_PGT)[0], ALL[name](MASK_PGT[0]))


def test_a_constant_length_below_one_is_an_error():
  with pytest.raises(ValueError, match='at least 1, found 0'):
    reductions.constant_length(MASK_PGT, length=0)
