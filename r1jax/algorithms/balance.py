"""Keeping the load of experts even (DeepSeek-V3, arXiv:2412.19437 sec. 2.1.2).

One more letter: N counts the layers that have experts.
"""

import chex
import jax
import jax.numpy as jnp

from r1jax.algorithms.measures import Mean


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


def sequence_balance(
  load_NPGE: jax.Array, affinity_NPGE: jax.Array, share_PG: jax.Array
) -> tuple[Mean, jax.Array]:
  """Returns the balance loss of a batch of sequences, summed over layers, before it is weighted.

  The paper averages over the sequences of a batch; here each has a share of its own, so that the
  losses of microbatches add up.

  Args:
    load_NPGE: as in `sequence_balance_loss`.
    affinity_NPGE: as in `sequence_balance_loss`.
    share_PG: of each sequence in the whole batch; they sum to about 1.

  Returns:
    A metric, the plain mean over sequences, and the sum by shares, through which gradients flow.
  """
  loss_PG = jnp.sum(sequence_balance_loss(load_NPGE, affinity_NPGE), axis=0)
  metric = Mean(jnp.sum(jax.lax.stop_gradient(loss_PG)), jnp.int32(loss_PG.size))
  return metric, jnp.sum(loss_PG * jax.lax.stop_gradient(share_PG))


def sequence_balance_loss(load_NPGE: jax.Array, affinity_NPGE: jax.Array) -> jax.Array:
  """Returns the balance loss of each sequence in each layer.

  DeepSeek-V3's complementary loss (arXiv:2412.19437 eq. 17-20,
  https://arxiv.org/abs/2412.19437) without its weight alpha: the sum over experts of f P. f is the
  expert's share of the choices times E, and P the mean over tokens of its score, normalised over
  experts. It comes to 1 when both are even, and to E / top_k when the same top_k experts take all
  choices and all of the score.

  Args:
    load_NPGE: number of a sequence's tokens that chose an expert; any axes before E will do.
    affinity_NPGE: sum over those tokens of the expert's score, each token's scores normalised to
      sum 1. Gradients flow through it only.

  Returns:
    loss_NPG, 0 for a sequence without tokens.
  """
  chex.assert_equal_shape([load_NPGE, affinity_NPGE])
  # Paper: f counts the best by score; here: what was chosen, with the bias, as the load counts it.
  # A sequence's scores sum to its tokens, and its choices to top_k times that.
  frequency_NPGE = _shares(jax.lax.stop_gradient(load_NPGE)) * load_NPGE.shape[-1]
  return jnp.sum(frequency_NPGE * _shares(affinity_NPGE), axis=-1)


def _shares(amount: jax.Array) -> jax.Array:
  """Returns each expert's share of the sum over experts; 0 where that is 0."""
  total = jnp.sum(amount, axis=-1, keepdims=True, dtype=jnp.float32)
  return jnp.where(total > 0, amount / jnp.where(total > 0, total, 1.0), 0.0)
