"""Heads that turn hidden states into one number: values for PPO, rewards for preferences."""

import flax.linen as nn
import jax
import jax.numpy as jnp


class ScalarHead(nn.Module):
  """A linear map of hidden states to one float32 number.

  As a value head it is read at every token (PPO, arXiv:1707.06347); as a reward head at a
  response's last token (arXiv:2203.02155). Starts at zero, so that first values are 0.
  """

  @nn.compact
  def __call__(self, hidden_PGTD: jax.Array) -> jax.Array:
    """Returns `[P, G, T]`."""
    kernel_D = self.param('kernel', nn.initializers.zeros, (hidden_PGTD.shape[-1],))
    bias = self.param('bias', nn.initializers.zeros, ())
    return hidden_PGTD.astype(jnp.float32) @ kernel_D + bias


def at_last_token(score_PGT: jax.Array, length_PG: jax.Array) -> jax.Array:
  """Returns the score of each sequence's last token, `[P, G]`; lengths are at least 1."""
  return jnp.take_along_axis(score_PGT, length_PG[..., None] - 1, axis=-1)[..., 0]
