import jax
import jax.numpy as jnp
import numpy as np

from r1jax.algorithms import measures


def measure(value, mask):
  return {
    'mean': measures.Mean.over(value, mask),
    'maximum': measures.Maximum.over(value, mask),
  }


def test_by_hand():
  value, mask = jnp.array([-1.0, -4.0, 5.0]), jnp.array([1, 1, 0])
  results = measures.results(measure(value, mask))
  np.testing.assert_allclose([results['mean'], results['maximum']], [-2.5, -1.0])


def test_microbatches_of_unequal_size_add_up():
  # Means of the parts are -1 and -6: their mean would be -3.5. One part has no token.
  value = jnp.array([[-1.0, 7.0], [-4.0, -8.0], [7.0, 7.0]])
  mask = jnp.array([[1, 0], [1, 1], [0, 0]])
  _, stacked = jax.lax.scan(lambda _, part: (None, measure(*part)), None, (value, mask))
  results = measures.results(measures.reduce(stacked))
  np.testing.assert_allclose(results['mean'], -13 / 3, rtol=1e-6)
  np.testing.assert_allclose(results['maximum'], -1.0)


def test_nothing_selected_gives_zero():
  results = measures.results(measure(jnp.array([jnp.nan, 3.0]), jnp.zeros(2)))
  np.testing.assert_array_equal([results['mean'], results['maximum']], [0.0, 0.0])
