import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.algorithms import kl


def test_by_hand():
  # The policy gives 1/2, the reference 1/4: r = 1/2, log r = -log 2.
  logp, ref_logp = jnp.log(jnp.array([0.5])), jnp.log(jnp.array([0.25]))
  np.testing.assert_allclose(kl.k1(logp, ref_logp), [np.log(2)], rtol=1e-6)
  np.testing.assert_allclose(kl.k2(logp, ref_logp), [np.log(2) ** 2 / 2], rtol=1e-6)
  np.testing.assert_allclose(kl.k3(logp, ref_logp), [0.5 + np.log(2) - 1], rtol=1e-5)


POLICY = np.array([0.2, 0.5, 0.3])
REFERENCE = np.array([0.6, 0.3, 0.1])
DIVERGENCE = float(np.sum(POLICY * np.log(POLICY / REFERENCE)))


@pytest.mark.parametrize('estimator', [kl.k1, kl.k3])
def test_unbiased(estimator):
  estimate = estimator(jnp.log(POLICY), jnp.log(REFERENCE))
  np.testing.assert_allclose(np.sum(POLICY * estimate), DIVERGENCE, rtol=1e-5)


def expected_gradient(estimator):
  """The expectation over samples of an estimator's gradient with respect to the logits."""

  def expectation(logits):
    estimate = estimator(jax.nn.log_softmax(logits), jnp.log(REFERENCE))
    return jnp.sum(jnp.asarray(POLICY) * estimate)

  return jax.grad(expectation)(jnp.log(POLICY))


def divergence_gradient(forward):
  def divergence(logits):
    logp, ref_logp = jax.nn.log_softmax(logits), jnp.log(REFERENCE)
    return (
      jnp.sum(jnp.exp(ref_logp) * -logp) if forward else jnp.sum(jnp.exp(logp) * (logp - ref_logp))
    )

  return jax.grad(divergence)(jnp.log(POLICY))


@pytest.mark.parametrize(
  ('estimator', 'expected'),
  [
    (kl.k1, np.zeros(3)),
    (kl.k2, divergence_gradient(forward=False)),
    (kl.k3, divergence_gradient(forward=True)),
  ],
)
def test_gradients_are_what_the_docstrings_say(estimator, expected):
  np.testing.assert_allclose(expected_gradient(estimator), expected, atol=1e-6)


def test_k3_stays_finite_and_non_negative_far_away():
  logp = jnp.array([-1e4, -200.0, -30.0, 0.0, 0.0])
  ref_logp = jnp.array([0.0, 0.0, 0.0, -200.0, -1e4])
  value, slope = jax.vmap(jax.value_and_grad(kl.k3))(logp, ref_logp)
  assert np.all(np.isfinite(value)) and np.all(np.isfinite(slope)) and np.all(value >= 0)
  # Raising a probability that is far too low still lowers the divergence.
  assert np.all(slope[:3] < -1e8)


def test_per_output_estimates_from_the_sums():
  logp_PGT = jnp.log(jnp.array([[[0.5, 0.5], [0.5, 1.0]]]))
  ref_logp_PGT = jnp.log(jnp.array([[[0.25, 0.5], [0.5, 1.0]]]))
  # Whole outputs: 1/4 against 1/8, so r = 1/2; and 1/2 against 1/2.
  expected = 0.5 + np.log(2) - 1
  actual = kl.per_output(kl.k3)(logp_PGT, ref_logp_PGT)
  np.testing.assert_allclose(actual, [[[expected, expected], [0.0, 0.0]]], atol=1e-6)
