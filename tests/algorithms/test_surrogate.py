import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.algorithms import surrogate

# A row: ratio, advantage, objective, slope in the log ratio, clipped; low 0.2, high 0.4.
CLIPPED = [
  (1.0, 2.0, 2.0, 2.0, False),
  (1.3, 2.0, 2.6, 2.6, False),
  (1.5, 2.0, 2.8, 0.0, True),
  (0.5, 2.0, 1.0, 1.0, False),
  (1.5, -2.0, -3.0, -3.0, False),
  (0.9, -2.0, -1.8, -1.8, False),
  (0.5, -2.0, -1.6, 0.0, True),
  (1.5, 0.0, 0.0, 0.0, False),
]


@pytest.mark.parametrize(('ratio', 'advantage', 'objective', 'slope', 'is_clipped'), CLIPPED)
def test_clipped_by_hand(ratio, advantage, objective, slope, is_clipped):
  def surrogate_of(log_ratio):
    return surrogate.clipped(log_ratio, jnp.float32(advantage), low=0.2, high=0.4)

  (value, clipped), gradient = jax.value_and_grad(surrogate_of, has_aux=True)(jnp.log(ratio))
  np.testing.assert_allclose([value, gradient], [objective, slope], rtol=1e-5)
  assert bool(clipped) == is_clipped


@pytest.mark.parametrize('function', [surrogate.clipped, surrogate.cispo])
def test_no_lower_bound_from_one_on(function):
  # R1's epsilon of 10 (arXiv:2501.12948): the bounds are -9 and 11.
  log_ratio = jnp.log(jnp.array([1e-6, 0.5, 10.9]))
  for advantage in (-1.0, 1.0):
    _, is_clipped = function(log_ratio, jnp.float32(advantage), low=10.0, high=10.0)
    assert not np.any(is_clipped)
  _, is_clipped = function(jnp.log(11.1), jnp.float32(1.0), low=10.0, high=10.0)
  assert is_clipped


# A row: ratio, its clipped weight; low 0.2, high 0.4.
@pytest.mark.parametrize(('ratio', 'weight'), [(1.0, 1.0), (1.3, 1.3), (1.5, 1.4), (0.5, 0.8)])
@pytest.mark.parametrize('advantage', [2.0, -2.0, 0.0])
def test_cispo_by_hand(ratio, weight, advantage):
  def surrogate_of(log_ratio):
    return surrogate.cispo(log_ratio, jnp.float32(advantage), low=0.2, high=0.4)

  (value, clipped), gradient = jax.value_and_grad(surrogate_of, has_aux=True)(jnp.log(ratio))
  # The clip bounds the slope and never stops it.
  np.testing.assert_allclose(gradient, weight * advantage, rtol=1e-5)
  np.testing.assert_allclose(value, weight * advantage * np.log(ratio), rtol=1e-5, atol=1e-7)
  assert bool(clipped) == (ratio != weight)


@pytest.mark.parametrize('function', [surrogate.clipped, surrogate.cispo])
@pytest.mark.parametrize(('low', 'high'), [(-0.2, 0.2), (0.2, -0.2)])
def test_negative_distances_are_an_error(function, low, high):
  with pytest.raises(ValueError, match=rf'at least 0 each; found low={low}, high={high}'):
    function(jnp.zeros(1), jnp.ones(1), low=low, high=high)
