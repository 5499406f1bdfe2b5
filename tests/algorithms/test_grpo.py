import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import r1jax.algorithms
from r1jax.algorithms import advantages, grpo, kl, measures, ratios, reductions, surrogate

CLIPPED = functools.partial(surrogate.clipped, low=0.2, high=0.3)
VARIANT = {'ratio': ratios.token, 'surrogate': CLIPPED, 'kl': kl.k3, 'kl_weight': 0.1}
# One prompt, two samples of 2 and 1 tokens; log-probabilities chosen for round ratios.
MASK_PGT = jnp.array([[[1, 1], [1, 0]]])
OLD_LOGP_PGT = jnp.log(jnp.array([[[0.5, 0.4], [0.2, 1.0]]]))
LOGP_PGT = jnp.log(jnp.array([[[0.5, 0.8], [0.1, 1.0]]]))
REF_LOGP_PGT = jnp.log(jnp.array([[[0.5, 0.4], [0.2, 1.0]]]))
ADVANTAGE_PG = jnp.array([[1.0, -1.0]])


def loss_of(logp_PGT=LOGP_PGT, ref_logp_PGT=REF_LOGP_PGT, reduction=reductions.sample_mean, **kw):
  variant = {**VARIANT, **kw}
  arrays = (logp_PGT, OLD_LOGP_PGT, ref_logp_PGT, ADVANTAGE_PG, MASK_PGT)
  return grpo.loss(*arrays, weight_PGT=reduction(MASK_PGT), **variant)


def test_deepseekmath_equation_3_by_hand():
  # Ratios 1, 2 and 1/2. Clipped: 1, 1.3 (A = 1) and -0.8 (A = -1).
  # r = ref / policy: 1, 1/2 and 2; k3: 0, log 2 - 1/2 and 1 - log 2.
  k3 = [0.0, np.log(2) - 0.5, 1 - np.log(2)]
  first = (1.0 - 0.1 * k3[0] + 1.3 - 0.1 * k3[1]) / 2
  second = -0.8 - 0.1 * k3[2]
  loss, metrics = loss_of()
  np.testing.assert_allclose(loss, -(first + second) / 2, rtol=1e-5)
  results = measures.results(metrics)
  np.testing.assert_allclose(results['clip_fraction'], 2 / 3, rtol=1e-6)
  np.testing.assert_allclose(results['ratio_max'], 2.0, rtol=1e-6)
  np.testing.assert_allclose(results['kl'], np.mean(k3), rtol=1e-5)


def test_r1_equation_1_as_printed():
  # Whole outputs: ratios 2 and 1/2, so 1.3 and -0.8; r 1/2 and 2.
  k3 = [np.log(2) - 0.5, 1 - np.log(2)]
  expected = -((1.3 - 0.1 * k3[0]) + (-0.8 - 0.1 * k3[1])) / 2
  loss, _ = loss_of(ratio=ratios.sequence, kl=kl.per_output(kl.k3))
  np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_r1_equation_1_gradient_by_hand():
  # Every token of an output carries the derivative of the output's ratio: r A, unclipped.
  wide = functools.partial(surrogate.clipped, low=10.0, high=10.0)
  gradient = jax.grad(
    lambda logp: loss_of(logp, ratio=ratios.sequence, surrogate=wide, kl_weight=0.0)[0]
  )
  np.testing.assert_allclose(gradient(LOGP_PGT), [[[-1.0, -1.0], [0.25, 0.0]]], rtol=1e-5)


def test_gspo_equation_5_by_hand():
  # Ratios per token: sqrt(2) and 1/2, so 1.3 and -0.8; no divergence.
  loss, metrics = loss_of(ratio=ratios.normalised_sequence, ref_logp_PGT=None, kl_weight=0.0)
  np.testing.assert_allclose(loss, -(1.3 - 0.8) / 2, rtol=1e-5)
  np.testing.assert_allclose(measures.results(metrics)['ratio_max'], 2**0.5, rtol=1e-6)


def test_dapo_equation_8_by_hand():
  loss, _ = loss_of(reduction=reductions.token_mean, ref_logp_PGT=None, kl_weight=0.0)
  np.testing.assert_allclose(loss, -(1.0 + 1.3 - 0.8) / 3, rtol=1e-5)


def test_loss_is_near_zero_on_policy_while_its_gradient_is_not():
  rng = np.random.default_rng(0)
  logp_PGT = jnp.asarray(-rng.exponential(size=(3, 4, 5)), jnp.float32)
  mask_PGT = jnp.arange(5) < rng.integers(1, 6, size=(3, 4, 1))
  advantage_PG = advantages.group_normalised(
    rng.integers(0, 2, size=(3, 4)) + rng.normal(size=(3, 4)), epsilon=1e-6
  )

  def loss(logp_PGT):
    return grpo.loss(
      logp_PGT,
      jax.lax.stop_gradient(logp_PGT),
      jax.lax.stop_gradient(logp_PGT),
      advantage_PG,
      mask_PGT,
      weight_PGT=reductions.sample_mean(mask_PGT),
      **VARIANT,
    )[0]

  value, gradient = jax.value_and_grad(loss)(logp_PGT)
  np.testing.assert_allclose(value, 0.0, atol=1e-6)
  assert np.linalg.norm(gradient) > 0.1


def test_loss_is_float32_for_bfloat16_log_probabilities():
  loss, _ = loss_of(LOGP_PGT.astype(jnp.bfloat16), REF_LOGP_PGT.astype(jnp.bfloat16))
  assert loss.dtype == jnp.float32


def test_without_reference_the_metric_is_left_out():
  _, metrics = loss_of(ref_logp_PGT=None, kl_weight=0.0)
  assert set(metrics) == {'clip_fraction', 'ratio_max'}


def test_reference_is_measured_even_if_it_costs_nothing():
  _, metrics = loss_of(kl_weight=0.0, kl=kl.k1)
  expected = measures.results(loss_of()[1])['kl']
  np.testing.assert_array_equal(measures.results(metrics)['kl'], expected)


def test_a_penalty_without_reference_is_an_error():
  with pytest.raises(ValueError, match=r'kl_weight is 0.1, but there is no reference'):
    loss_of(ref_logp_PGT=None)


def test_a_negative_penalty_is_an_error():
  with pytest.raises(ValueError, match=r'kl_weight is -0.1'):
    loss_of(kl_weight=-0.1)


def test_importable_from_the_package():
  assert r1jax.algorithms.grpo.loss is grpo.loss
