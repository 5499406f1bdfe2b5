"""Keeping the load of experts even (DeepSeek-V3, arXiv:2412.19437 sec. 2.1.2).

One more letter: N counts the layers that have experts.
"""

import chex
import jax
import jax.numpy as jnp


def update_bias(bias_NE: jax.Array, load_NE: jax.Array, *, speed: float) -> jax.Array:
  """Returns the selection biases after a step: up for idle experts, down for busy ones.

  Auxiliary-loss-free balancing (arXiv:2412.19437 sec. 2.1.2; arXiv:2408.15664 algorithm 1,
  https://arxiv.org/abs/2408.15664): bias + speed * sign(mean load - load).

  Args:
    bias_NE: what is added to each expert's score when experts are chosen.
    load_NE: number of tokens that chose each expert during the step, over the whole batch.
    speed: size of the change, at least 0 (V3: 0.001, and 0 at the end of pre-training).

  Returns:
    The new bias_NE.
  """
  chex.assert_rank(load_NE, 2)
  chex.assert_equal_shape([bias_NE, load_NE])
  # Loads are whole numbers: comparing load * E with the sum is exact where a mean would round.
  load_NE = load_NE.astype(jnp.float32)
  excess_NE = load_NE * load_NE.shape[1] - jnp.sum(load_NE, axis=1, keepdims=True)
  return bias_NE - speed * jnp.sign(excess_NE).astype(bias_NE.dtype)


def load_violation(load_NE: jax.Array) -> jax.Array:
  """Returns each layer's MaxVio: by which share the busiest expert exceeds the mean load.

  MaxVio (arXiv:2408.15664, https://arxiv.org/abs/2408.15664): max(load) / mean(load) - 1.

  Args:
    load_NE: number of tokens that chose each expert.

  Returns:
    violation_N, at least 0; 0 when even, E / top_k - 1 when the same top_k take all tokens, and 0
    for a layer that saw no token.
  """
  chex.assert_rank(load_NE, 2)
  excess_N = jnp.max(_shares(load_NE), axis=1) * load_NE.shape[1] - 1.0
  return jnp.maximum(excess_N, 0.0)  # Below 0 only where nothing was chosen.


def sequence_balance_loss(
  load_NBE: jax.Array, affinity_NBE: jax.Array, *, weight: float
) -> jax.Array:
  """Returns the balance loss of each sequence in each layer.

  DeepSeek-V3's complementary loss (arXiv:2412.19437 eq. 17-20,
  https://arxiv.org/abs/2412.19437): weight * sum over experts of f P. f is the expert's share of
  the choices times E, and P the mean over tokens of its score, normalised over experts. It comes
  to `weight` when both are even, and to E / top_k times that when the same top_k experts take all
  choices and all of the score.

  Args:
    load_NBE: number of a sequence's tokens that chose an expert.
    affinity_NBE: sum over those tokens of the expert's score, each token's scores normalised to
      sum 1. Gradients flow through it only.
    weight: alpha (V3: 1e-4).

  Returns:
    loss_NB, 0 for a sequence without tokens. To be summed over layers and averaged over the
    sequences of the whole batch, also when that is split into microbatches.
  """
  chex.assert_rank(load_NBE, 3)
  chex.assert_equal_shape([load_NBE, affinity_NBE])
  # Paper: f counts the best by score; here: what was chosen, with the bias, as the load counts it.
  # A sequence's scores sum to its tokens, and its choices to top_k times that.
  frequency_NBE = _shares(jax.lax.stop_gradient(load_NBE)) * load_NBE.shape[-1]
  return weight * jnp.sum(frequency_NBE * _shares(affinity_NBE), axis=-1)


def _shares(amount: jax.Array) -> jax.Array:
  """Returns each expert's share of the sum over experts; 0 where that is 0."""
  total = jnp.sum(amount, axis=-1, keepdims=True, dtype=jnp.float32)
  return jnp.where(total > 0, amount / jnp.where(total > 0, total, 1.0), 0.0)
