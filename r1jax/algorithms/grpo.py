"""Group relative policy optimisation (arXiv:2402.03300 eq. 3; arXiv:2501.12948 eq. 1).

The variants in common use are choices of its functions:

  name           advantages        ratio                surrogate   KL             weights
  GRPO           group_normalised  token                clipped     k3             sample_mean
  R1 as printed  group_normalised  sequence             clipped     k3_per_output  sample_mean
  DAPO           group_normalised  token                clipped *   none           token_mean
  Dr. GRPO       mean_only         token                clipped     none           constant_length
  GSPO           group_normalised  normalised_sequence  clipped     left out       sample_mean
  CISPO          group_normalised  token                cispo       none           token_mean

  * with a higher bound above than below. No KL is a `kl_weight` of 0.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp
from jax.lax import stop_gradient

from r1jax.algorithms.kl import Estimator, k3
from r1jax.algorithms.measures import Maximum, Mean, Measure
from r1jax.algorithms.ratios import from_log

Ratio = Callable[[jax.Array, jax.Array], jax.Array]
Surrogate = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


def loss(
  logp_PGT: jax.Array,
  old_logp_PGT: jax.Array,
  ref_logp_PGT: jax.Array | None,
  advantage_PG: jax.Array,
  mask_PGT: jax.Array,
  *,
  weight_PGT: jax.Array,
  ratio: Ratio,
  surrogate: Surrogate,
  kl: Estimator,
  kl_weight: float,
) -> tuple[jax.Array, dict[str, Measure]]:
  """Returns the GRPO loss and its metrics; gradients flow through `logp_PGT` only.

  Its value says little: where the policy is the one that sampled, every ratio is 1 and the
  advantages of a group cancel, so that with weights of `sample_mean` it sits near 0 while its
  gradient does not; with others it is what lengths and advantages have to do with each other.
  Learning shows in the reward.

  A batch may be split along P: with `weight_PGT` from the mask of the whole batch, losses and
  gradients of the parts add up to those of the whole.

  Args:
    logp_PGT: log-probabilities of the sampled tokens under the policy.
    old_logp_PGT: the same under the policy that sampled them.
    ref_logp_PGT: the same under the reference; None if there is none, then `kl_weight` must be 0.
    advantage_PG: advantage of each completion, e.g. from `advantages.group_normalised`.
    mask_PGT: 1 where a token was sampled and counts; 0 after the end and in completions dropped
      from the loss. What the other arrays hold there has no effect.
    weight_PGT: weight of each token, from a function of `reductions` and the mask of the whole
      batch; 0 outside the mask.
    ratio: whose probability ratio, e.g. `ratios.token`.
    surrogate: what is maximised given log ratio and advantage, e.g. `surrogate.clipped` with its
      bounds.
    kl: estimator of the divergence from the reference, e.g. `kl.k3`.
    kl_weight: beta, at least 0.

  Returns:
    The loss, and as measures over tokens: `clip_fraction`, `ratio_max` and, if there is a
    reference, `kl` (by k3, in nats, whatever estimator the loss uses).

  Raises:
    ValueError: if `kl_weight` is negative, or positive without a reference.
  """
  _check_kl_weight(kl_weight, ref_logp_PGT)
  chex.assert_rank(logp_PGT, 3)
  chex.assert_equal_shape([logp_PGT, old_logp_PGT, mask_PGT, weight_PGT])
  chex.assert_shape(advantage_PG, logp_PGT.shape[:2])
  mask_PGT = mask_PGT != 0
  logp_PGT = _inside(mask_PGT, logp_PGT)
  old_logp_PGT = stop_gradient(_inside(mask_PGT, old_logp_PGT))
  log_ratio_PGT = ratio(logp_PGT - old_logp_PGT, mask_PGT)
  advantage_PG1 = stop_gradient(advantage_PG)[..., None]
  objective_PGT, is_clipped_PGT = surrogate(log_ratio_PGT, advantage_PG1)
  metrics: dict[str, Measure] = {
    'clip_fraction': Mean.over(is_clipped_PGT, mask_PGT),
    'ratio_max': Maximum.over(from_log(log_ratio_PGT), mask_PGT),
  }
  if ref_logp_PGT is not None:
    chex.assert_equal_shape([logp_PGT, ref_logp_PGT])
    ref_logp_PGT = stop_gradient(_inside(mask_PGT, ref_logp_PGT))
    objective_PGT -= kl_weight * kl(logp_PGT, ref_logp_PGT)
    metrics['kl'] = Mean.over(k3(logp_PGT, ref_logp_PGT), mask_PGT)
  return -jnp.sum(stop_gradient(weight_PGT) * objective_PGT), metrics


def _check_kl_weight(kl_weight: float, ref_logp_PGT: jax.Array | None) -> None:
  if kl_weight < 0:
    raise ValueError(
      f'kl_weight is {kl_weight}, which would drive the policy away from its reference; it must '
      'be at least 0.'
    )
  if kl_weight > 0 and ref_logp_PGT is None:
    raise ValueError(
      f'kl_weight is {kl_weight}, but there is no reference: score the completions under one and '
      'pass ref_logp_PGT, or set kl_weight to 0.'
    )


def _inside(mask_PGT: jax.Array, logp_PGT: jax.Array) -> jax.Array:
  """Returns float32 log-probabilities with 0 outside the mask, so nothing there can spread."""
  return jnp.where(mask_PGT, logp_PGT.astype(jnp.float32), 0.0)
