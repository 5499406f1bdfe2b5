"""Supervised next-token training (arXiv:2402.03300 appendix A.1.1): fine-tuning, pre-training."""

import chex
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from r1jax.algorithms.measures import Mean, Measure


def loss(
  logp_BL: jax.Array, mask_BL: jax.Array, weight_BL: jax.Array
) -> tuple[jax.Array, dict[str, Measure]]:
  """Returns the cross-entropy of the target tokens, in nats, and its metrics.

  A batch may be split along B: with `weight_BL` from the mask of the whole batch, losses and
  gradients of the parts add up to those of the whole.

  Args:
    logp_BL: log-probability of each target token given those before it.
    mask_BL: 1 where a target counts; 0 at padding and at prompts. What `logp_BL` holds there has
      no effect.
    weight_BL: weight of each token, from a function of `reductions` and the mask of the whole
      batch: `token_mean`, or `sample_mean` for the objective as the paper prints it.

  Returns:
    The loss, and as a measure over tokens `nll`, the negative log-likelihood in nats.
  """
  chex.assert_rank(logp_BL, 2)
  chex.assert_equal_shape([logp_BL, mask_BL, weight_BL])
  mask_BL = mask_BL != 0
  nll_BL = -jnp.where(mask_BL, logp_BL.astype(jnp.float32), 0.0)
  return jnp.sum(stop_gradient(weight_BL) * nll_BL), {'nll': Mean.over(nll_BL, mask_BL)}
