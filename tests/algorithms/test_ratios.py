import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.algorithms import ratios

LOG_RATIO_PGT = jnp.array([[[0.1, 0.2, 0.6], [0.5, 9.0, 9.0], [9.0, 9.0, 9.0]]])
MASK_PGT = jnp.array([[[1, 1, 1], [1, 0, 0], [0, 0, 0]]])


@pytest.mark.parametrize(
  ('level', 'expected'),
  [
    (ratios.token, [[0.1, 0.2, 0.6], [0.5, 0, 0], [0, 0, 0]]),
    (ratios.sequence, [[0.9, 0.9, 0.9], [0.5, 0, 0], [0, 0, 0]]),
    (ratios.normalised_sequence, [[0.3, 0.3, 0.3], [0.5, 0, 0], [0, 0, 0]]),
  ],
)
def test_by_hand(level, expected):
  np.testing.assert_allclose(level(LOG_RATIO_PGT, MASK_PGT), [expected], rtol=1e-6)


def test_gspo_gradient_by_hand():
  # arXiv:2507.18071 eq. 10: s_i A_i times the mean of the tokens' gradients.
  def objective(log_ratio_PGT):
    level_PGT = ratios.normalised_sequence(log_ratio_PGT, MASK_PGT)
    return jnp.exp(level_PGT[0, 0, 0]) * 2.0

  expected = np.exp(0.3) * 2.0 / 3
  gradient = jax.grad(objective)(LOG_RATIO_PGT)
  np.testing.assert_allclose(gradient[0], [[expected] * 3, [0] * 3, [0] * 3], rtol=1e-6)


def test_from_log_is_exp_below_the_bound():
  log_ratio = jnp.array([-200.0, -1.0, 0.0, 1.0, 19.9])
  np.testing.assert_allclose(ratios.from_log(log_ratio), np.exp(log_ratio), rtol=1e-6)
  slope = jax.vmap(jax.grad(ratios.from_log))(log_ratio)
  np.testing.assert_allclose(slope, np.exp(log_ratio), rtol=1e-6)


def test_from_log_goes_on_as_a_straight_line():
  log_ratio = jnp.array([20.0, 21.0, 1e5])
  value, slope = jax.vmap(jax.value_and_grad(ratios.from_log))(log_ratio)
  np.testing.assert_allclose(value, np.exp(20.0) * np.array([1.0, 2.0, 99981.0]), rtol=1e-5)
  np.testing.assert_allclose(slope, np.full(3, np.exp(20.0)), rtol=1e-5)
