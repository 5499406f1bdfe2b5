"""Importance ratios of the policy to the policy that sampled: of a token, or of an output.

A level maps the tokens' log ratios to those of what is compared, repeated at each of its tokens,
so that one surrogate and one reduction serve all levels. Log ratios are in nats.
"""

import jax
import jax.numpy as jnp

# Ratios are exponentials up to e^20 (4.9e8) and straight lines from there on; see `from_log`.
MAX_LOG_RATIO = 20.0


def token(log_ratio_PGT: jax.Array, mask_PGT: jax.Array) -> jax.Array:
  """Returns the log ratio of each token (GRPO, arXiv:2402.03300 eq. 3).

  Args:
    log_ratio_PGT: log-probability of each token minus the one it was sampled with.
    mask_PGT: 1 where a token counts.

  Returns:
    log_ratio_PGT, 0 outside the mask.
  """
  return jnp.where(mask_PGT, log_ratio_PGT, 0.0)


def sequence(log_ratio_PGT: jax.Array, mask_PGT: jax.Array) -> jax.Array:
  """Returns the log ratio of each whole output, the sum over its tokens.

  R1's objective as printed (arXiv:2501.12948 eq. 1, https://arxiv.org/abs/2501.12948): the ratio
  pi(o|q) / pi_old(o|q). With `reductions.sample_mean` each output then counts once, as printed;
  with `kl.per_output(kl.k3)` the divergence is the printed one too (eq. 2).

  Args:
    log_ratio_PGT: log-probability of each token minus the one it was sampled with.
    mask_PGT: 1 where a token counts.

  Returns:
    log_ratio_PGT, the same at all tokens of an output, 0 outside the mask.
  """
  total_PG1 = jnp.sum(token(log_ratio_PGT, mask_PGT), axis=-1, keepdims=True)
  return token(total_PG1, mask_PGT)


def normalised_sequence(log_ratio_PGT: jax.Array, mask_PGT: jax.Array) -> jax.Array:
  """Returns the log ratio of each output per token, the mean over its tokens.

  GSPO (arXiv:2507.18071 eq. 7, https://arxiv.org/abs/2507.18071): the geometric mean of the
  tokens' ratios. Its gradient flows through all tokens, each with 1 / length, as in the paper.

  Args:
    log_ratio_PGT: log-probability of each token minus the one it was sampled with.
    mask_PGT: 1 where a token counts.

  Returns:
    log_ratio_PGT, the same at all tokens of an output, 0 outside the mask.
  """
  length_PG1 = jnp.count_nonzero(mask_PGT, axis=-1, keepdims=True)
  return sequence(log_ratio_PGT, mask_PGT) / jnp.maximum(length_PG1, 1)


def from_log(log_ratio: jax.Array) -> jax.Array:
  """Returns exp(log_ratio), continued along its tangent beyond `MAX_LOG_RATIO`.

  The ratio of a whole output is a product over thousands of tokens and leaves float32 at e^88.7.
  Cutting it off would also cut off its gradient, just where a bad output has become far too
  likely; the tangent is finite and still points back. It keeps the exponential convex, so
  `kl.k3` stays at least 0.
  """
  bounded = jnp.minimum(log_ratio, MAX_LOG_RATIO)
  return jnp.exp(bounded) * (1.0 + (log_ratio - bounded))
