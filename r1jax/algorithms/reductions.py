"""How much each token weighs in a loss: the loss is the sum of value * weight.

A reduction maps the mask of the whole batch to weights. Microbatches take their slice of those
weights and add up, so splitting a batch cannot change its loss or gradient. What the mask leaves
out (padding, outputs dropped from the loss) weighs 0 and enters no denominator; if nothing is
left, all weights are 0.

The last axis of a mask is tokens, the others are outputs: mask_PGT in RL, mask_BL in supervised
training. The example throughout: two outputs, of one and of three tokens.
"""

import jax
import jax.numpy as jnp


def sample_mean(mask_PGT: jax.Array) -> jax.Array:
  """Returns weights of the mean over each output's tokens, then over outputs.

  GRPO (arXiv:2402.03300 eq. 3, https://arxiv.org/abs/2402.03300). The example: 1/2 for the token
  of the short output, 1/6 for each of the long one.

  Args:
    mask_PGT: 1 where a token counts, over the whole batch.

  Returns:
    weight_PGT in float32, summing to 1.
  """
  length_PG1 = jnp.count_nonzero(mask_PGT, axis=-1, keepdims=True)
  return _weights(mask_PGT, length_PG1 * _num_outputs(mask_PGT))


def token_mean(mask_PGT: jax.Array) -> jax.Array:
  """Returns weights of the mean over all tokens.

  DAPO (arXiv:2503.14476 eq. 8, https://arxiv.org/abs/2503.14476), so that long outputs count for
  more. The example: 1/4 for every token.

  Args:
    mask_PGT: 1 where a token counts, over the whole batch.

  Returns:
    weight_PGT in float32, summing to 1.
  """
  # Paper: over the tokens of a group, then over groups; here: over those of the batch, because
  # that alone treats every token alike.
  return _weights(mask_PGT, jnp.count_nonzero(mask_PGT))


def constant_length(mask_PGT: jax.Array, *, length: int) -> jax.Array:
  """Returns weights of each output's sum divided by a constant, then the mean over outputs.

  Dr. GRPO (arXiv:2503.20783 sec. 3.2, https://arxiv.org/abs/2503.20783): unlike the mean over an
  output's own tokens, it does not favour long wrong outputs over short wrong ones. The example
  with length 4: 1/8 for every token.

  Args:
    mask_PGT: 1 where a token counts, over the whole batch.
    length: the constant, at least 1; usually the limit of completion tokens.

  Returns:
    weight_PGT in float32, summing to the mean length over the constant.

  Raises:
    ValueError: if `length` is below 1.
  """
  if length < 1:
    raise ValueError(
      f'The constant length divides the loss and must be at least 1, found {length}; the limit of '
      'completion tokens is the usual choice.'
    )
  return _weights(mask_PGT, length * _num_outputs(mask_PGT))


def _num_outputs(mask_PGT: jax.Array) -> jax.Array:
  """Returns the number of outputs with a token that counts."""
  return jnp.count_nonzero(jnp.any(mask_PGT != 0, axis=-1)).astype(jnp.float32)


def _weights(mask_PGT: jax.Array, denominator: jax.Array) -> jax.Array:
  weight = 1.0 / jnp.maximum(denominator, 1).astype(jnp.float32)
  return jnp.where(mask_PGT, weight, 0.0)
