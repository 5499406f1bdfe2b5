"""Advantages of a group's samples: how much better each is than its siblings."""

import chex
import jax
import jax.numpy as jnp

from r1jax.structs import Array


def group_normalised(reward_PG: jax.Array, *, epsilon: float) -> jax.Array:
  """Returns advantage_PG, the rewards standardised within each group.

  GRPO (arXiv:2402.03300 sec. 4.1.2; arXiv:2501.12948 eq. 3, https://arxiv.org/abs/2501.12948):
  (r - mean(r)) / std(r). The papers do not say which std; here it is the population's (divided by
  G, not by G - 1). Rewards (1, 0, 0, 0) become (1.732, -0.577, -0.577, -0.577).

  Args:
    reward_PG: rewards of each prompt's group.
    epsilon: added to the std, at least 0. With 0, rewards that differ by rounding alone are
      blown up to advantages of size 1.

  Returns:
    advantage_PG in float32; exactly 0 in a group whose rewards are all equal.

  Raises:
    ValueError: if a group has fewer than two samples.
  """
  centred_PG = mean_only(reward_PG)
  std_P1 = jnp.sqrt(jnp.mean(jnp.square(centred_PG), axis=1, keepdims=True))
  return jnp.where(std_P1 > 0, centred_PG / jnp.where(std_P1 > 0, std_P1 + epsilon, 1.0), 0.0)


def mean_only(reward_PG: jax.Array) -> jax.Array:
  """Returns advantage_PG, each reward minus its group's mean.

  Dr. GRPO (arXiv:2503.20783 sec. 3.2, https://arxiv.org/abs/2503.20783): without the division by
  the std, which overweights questions that are nearly always or nearly never solved.

  Args:
    reward_PG: rewards of each prompt's group.

  Returns:
    advantage_PG in float32; exactly 0 in a group whose rewards are all equal.

  Raises:
    ValueError: if a group has fewer than two samples.
  """
  chex.assert_rank(reward_PG, 2)
  if reward_PG.shape[1] < 2:
    raise ValueError(
      f'A group of {reward_PG.shape[1]} has nothing to compare a sample with: its advantage would '
      'always be 0. Sample at least 2 completions a prompt.'
    )
  reward_PG = jnp.asarray(reward_PG, jnp.float32)
  centred_PG = reward_PG - jnp.mean(reward_PG, axis=1, keepdims=True)
  # The mean of equal rewards can be off by a rounding error, which the std would blow up.
  return jnp.where(varies(reward_PG)[:, None], centred_PG, 0.0)


def leave_one_out(reward_PG: jax.Array) -> jax.Array:
  """Returns advantage_PG, each reward minus the mean of the other samples' rewards.

  RLOO (arXiv:2402.14740, the leave-one-out estimator, https://arxiv.org/abs/2402.14740). It is
  `mean_only` times G / (G - 1), which makes the baseline independent of the sample.

  Args:
    reward_PG: rewards of each prompt's group.

  Returns:
    advantage_PG in float32; exactly 0 in a group whose rewards are all equal.

  Raises:
    ValueError: if a group has fewer than two samples.
  """
  centred_PG = mean_only(reward_PG)
  num_samples = reward_PG.shape[1]
  return centred_PG * (num_samples / (num_samples - 1))


def varies(reward_PG: Array) -> Array:
  """Returns which groups, `[P]`, have rewards that differ; the others teach nothing."""
  chex.assert_rank(reward_PG, 2)
  return reward_PG.max(axis=1) > reward_PG.min(axis=1)
