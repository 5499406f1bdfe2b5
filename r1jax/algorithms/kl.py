"""Estimators of KL(policy || reference) from samples of the policy.

Elementwise in log-probabilities (http://joschu.net/blog/kl-approx.html), in nats. The expectation
of an estimator's gradient is not the gradient of the divergence; each says what it is.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from r1jax.algorithms import ratios

Estimator = Callable[[jax.Array, jax.Array], jax.Array]


def k1(logp: jax.Array, ref_logp: jax.Array) -> jax.Array:
  """Returns logp - ref_logp: unbiased, but of high variance and often negative.

  As a loss it does nothing: on policy the expectation of its gradient is 0.
  """
  return logp - ref_logp


def k2(logp: jax.Array, ref_logp: jax.Array) -> jax.Array:
  """Returns (logp - ref_logp)^2 / 2: biased, of low variance, at least 0.

  On policy the expectation of its gradient is that of KL(policy || reference).
  """
  return 0.5 * jnp.square(logp - ref_logp)


def k3(logp: jax.Array, ref_logp: jax.Array) -> jax.Array:
  """Returns r - log(r) - 1 with r = ref / policy: unbiased, of low variance, at least 0.

  The estimator of GRPO (arXiv:2402.03300 eq. 4) and R1 (arXiv:2501.12948 eq. 2). On policy the
  expectation of its gradient is that of KL(reference || policy). Beyond r = e^20 the exponential
  is continued by its tangent (`ratios.from_log`).
  """
  log_r = ref_logp - logp
  return ratios.from_log(log_r) - log_r - 1.0


def per_output(estimator: Estimator) -> Estimator:
  """Returns `estimator` applied to whole outputs, repeated at each of their tokens.

  R1's divergence as printed (arXiv:2501.12948 eq. 2, https://arxiv.org/abs/2501.12948), where
  probabilities are those of outputs; belongs with `ratios.sequence`. Estimates from (logp_PGT,
  ref_logp_PGT), which must be equal at tokens that do not count; `grpo.loss` sees to that.

  Args:
    estimator: `k1`, `k2` or `k3`; a function of the difference of its arguments.
  """

  def estimate(logp_PGT: jax.Array, ref_logp_PGT: jax.Array) -> jax.Array:
    total_PG1 = jnp.sum(logp_PGT - ref_logp_PGT, axis=-1, keepdims=True)
    return jnp.broadcast_to(estimator(total_PG1, jnp.zeros_like(total_PG1)), logp_PGT.shape)

  return estimate
