"""Surrogate objectives: what the probability ratio does to the advantage.

A surrogate maps (log_ratio, advantage), which broadcast against each other, to (objective,
is_clipped): what is to be maximised, and where a bound took effect. `low` and `high` are bound by
`functools.partial`.
"""

import jax
import jax.numpy as jnp

from r1jax.algorithms import ratios


def clipped(
  log_ratio: jax.Array, advantage: jax.Array, *, low: float, high: float
) -> tuple[jax.Array, jax.Array]:
  """Returns PPO's clipped objective, and where the clip stops the gradient.

  min(r A, clip(r, 1 - low, 1 + high) A): PPO (arXiv:1707.06347 eq. 7) and GRPO
  (arXiv:2402.03300 eq. 3) with low = high; apart in DAPO (arXiv:2503.14476 eq. 8,
  https://arxiv.org/abs/2503.14476).

  Args:
    log_ratio: log of the probability ratio, in nats.
    advantage: advantage of what the ratio is of.
    low: distance of the lower bound from 1, at least 0. From 1 on there is no lower bound, since
      ratios are positive.
    high: distance of the upper bound from 1, at least 0; may exceed 1 (R1 uses 10).

  Returns:
    The objective, and a boolean array: true where it is the bound that counts.

  Raises:
    ValueError: if `low` or `high` is negative.
  """
  ratio = ratios.from_log(log_ratio)
  free, bounded = ratio * advantage, _clip(ratio, low, high) * advantage
  return jnp.minimum(free, bounded), bounded < free


def cispo(
  log_ratio: jax.Array, advantage: jax.Array, *, low: float, high: float
) -> tuple[jax.Array, jax.Array]:
  """Returns REINFORCE's objective under a clipped importance weight, and where that is clipped.

  CISPO (MiniMax-M1, arXiv:2506.13585 eq. 4-5, https://arxiv.org/abs/2506.13585):
  sg(clip(r, 1 - low, 1 + high)) A log pi, so the clip bounds every token's weight and silences
  none. The paper reduces with `reductions.token_mean`, has no KL term, and leaves the lower
  bound open (low >= 1).

  Args:
    log_ratio: log of the probability ratio, in nats.
    advantage: advantage of what the ratio is of.
    low: distance of the weight's lower bound from 1, at least 0; from 1 on there is none.
    high: distance of the weight's upper bound from 1, at least 0.

  Returns:
    The objective, and a boolean array: true where the weight is a bound.

  Raises:
    ValueError: if `low` or `high` is negative.
  """
  ratio = jax.lax.stop_gradient(ratios.from_log(log_ratio))
  bounded = _clip(ratio, low, high)
  # Paper: log pi; here: log (pi / pi_old), because the gradient is the same and every level of
  # ratio fits.
  objective = bounded * advantage * log_ratio
  return objective, jnp.broadcast_to(bounded != ratio, objective.shape)


def _clip(ratio: jax.Array, low: float, high: float) -> jax.Array:
  if low < 0 or high < 0:
    raise ValueError(
      f'The clip range is given as distances from 1, at least 0 each; found low={low}, high={high}.'
    )
  return jnp.clip(ratio, 1.0 - low, 1.0 + high)
