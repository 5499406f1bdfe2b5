import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.algorithms import measures, reductions, sft

LOGP_BL = jnp.log(jnp.array([[0.5, 0.25, 0.1], [0.125, 0.1, 0.1]]))
MASK_BL = jnp.array([[1, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize(
  ('reduction', 'bits'),
  # Bits of the tokens: 1, 2 and 3; the mean of all, and the mean of 1.5 and 3.
  [(reductions.token_mean, 2.0), (reductions.sample_mean, 2.25)],
)
def test_by_hand(reduction, bits):
  loss, metrics = sft.loss(LOGP_BL, MASK_BL, reduction(MASK_BL))
  np.testing.assert_allclose(loss, bits * np.log(2), rtol=1e-6)
  # The metric is the mean over tokens, whatever the loss.
  np.testing.assert_allclose(measures.results(metrics)['nll'], 2.0 * np.log(2), rtol=1e-6)


def test_gradient_is_the_weight():
  weight_BL = reductions.sample_mean(MASK_BL)
  gradient, _ = jax.grad(sft.loss, has_aux=True)(LOGP_BL, MASK_BL, weight_BL)
  np.testing.assert_allclose(gradient, -weight_BL)


@pytest.mark.parametrize('reduction', [reductions.token_mean, reductions.sample_mean])
def test_microbatches_add_up(reduction):
  weight_BL = reduction(MASK_BL)
  whole, metrics = sft.loss(LOGP_BL, MASK_BL, weight_BL)
  parts = [sft.loss(LOGP_BL[b : b + 1], MASK_BL[b : b + 1], weight_BL[b : b + 1]) for b in (0, 1)]
  np.testing.assert_allclose(sum(loss for loss, _ in parts), whole, rtol=1e-6)
  stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[part for _, part in parts])
  together = measures.results(measures.reduce(stacked))
  np.testing.assert_allclose(together['nll'], measures.results(metrics)['nll'], rtol=1e-6)


@pytest.mark.parametrize('filling', [1e30, -jnp.inf, jnp.nan])
def test_masked_targets_have_no_effect(filling):
  weight_BL = reductions.token_mean(MASK_BL)
  value_and_grad = jax.value_and_grad(sft.loss, has_aux=True)
  expected = value_and_grad(LOGP_BL, MASK_BL, weight_BL)
  actual = value_and_grad(jnp.where(MASK_BL, LOGP_BL, filling), MASK_BL, weight_BL)
  jax.tree.map(np.testing.assert_array_equal, actual, expected)


def test_fully_masked_is_zero():
  mask_BL = jnp.zeros_like(MASK_BL)
  loss, metrics = sft.loss(LOGP_BL, mask_BL, reductions.token_mean(mask_BL))
  assert loss == 0 and measures.results(metrics)['nll'] == 0
