"""Mixture of experts (DeepSeekMoE, arXiv:2401.06066; DeepSeek-V3, arXiv:2412.19437 sec. 2.1.2).

How tokens get to their experts is told in `dispatch`, what these compute in `experts`.

Letters: Q experts chosen by a token.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from r1jax.model.config import ModelConfig, MoE
from r1jax.model.dispatch import to_experts
from r1jax.model.experts import dense
from r1jax.model.layers import SwiGLU, linear, weight


@struct.dataclass
class Routing:
  """What the router did with the tokens of one layer.

  Attributes:
    chosen_PGTQ: experts of each token, best first.
    load_PGE: number of each sequence's unmasked tokens that chose an expert.
    affinity_PGE: sum of their scores, each token's scores normalised to sum 1.
    flips_PG: under replay, how many of the unmasked tokens' choices the router would have made
      otherwise; 0 without replay.
  """

  chosen_PGTQ: jax.Array
  load_PGE: jax.Array
  affinity_PGE: jax.Array
  flips_PG: jax.Array


class MixtureOfExperts(nn.Module):
  """Shared experts plus the chosen routed ones."""

  config: ModelConfig
  moe: MoE

  @nn.compact
  def __call__(self, x_PGTD, *, mask_PGT, chosen_PGTQ=None):
    """Maps each token through its experts.

    Args:
      x_PGTD: inputs.
      mask_PGT: True where a token counts in the loads; masked tokens are computed all the same.
      chosen_PGTQ: experts to use instead of choosing (replay); weights are always recomputed.

    Returns:
      Outputs `[P, G, T, D]` and the `Routing`.
    """
    config, moe = self.config, self.moe
    score_PGTE = self._scores(x_PGTD)
    if moe.selection_bias:
      bias_E = self.param('selection_bias', nn.initializers.zeros, (moe.num_experts,))
    else:
      bias_E = jnp.zeros(moe.num_experts)
    preferred_PGTQ = choose(jax.lax.stop_gradient(score_PGTE + bias_E), moe)
    if chosen_PGTQ is None:
      chosen_PGTQ = preferred_PGTQ
    weight_PGTQ = jnp.take_along_axis(score_PGTE, chosen_PGTQ, axis=-1)
    if moe.normalise:
      weight_PGTQ /= jnp.sum(weight_PGTQ, axis=-1, keepdims=True) + 1e-20
    weight_PGTQ *= moe.scaling
    out_PGTD = self._experts(x_PGTD, chosen_PGTQ, weight_PGTQ)
    if moe.num_shared:
      out_PGTD += SwiGLU(config, moe.num_shared * moe.width, name='shared')(x_PGTD)
    return out_PGTD, _routing(score_PGTE, preferred_PGTQ, chosen_PGTQ, mask_PGT)

  def _scores(self, x_PGTD):
    """Returns the affinity of tokens to experts, in float32."""
    moe = self.moe
    init = nn.initializers.normal(self.config.init_std)
    router_DE = self.param('router', init, (x_PGTD.shape[-1], moe.num_experts))
    logits_PGTE = linear(
      x_PGTD.astype(jnp.float32),
      router_DE,
      axes=('embed', None),
      precision=jax.lax.Precision.HIGHEST,
    )
    return nn.sigmoid(logits_PGTE) if moe.scores == 'sigmoid' else nn.softmax(logits_PGTE)

  def _experts(self, x_PGTD, chosen_PGTQ, weight_PGTQ):
    """Returns the weighted sum of the chosen experts' outputs."""
    config, moe, dim = self.config, self.moe, x_PGTD.shape[-1]
    experts = (
      weight(self, config, 'gate', moe.num_experts, dim, moe.width),
      weight(self, config, 'up', moe.num_experts, dim, moe.width),
      weight(self, config, 'down', moe.num_experts, moe.width, dim),
    )
    weight_PGTQ = weight_PGTQ.astype(x_PGTD.dtype)
    if moe.dispatch == 'grouped':
      return to_experts(x_PGTD, chosen_PGTQ, weight_PGTQ, experts)
    x_ND = x_PGTD.reshape(-1, dim)
    chosen_NQ, weight_NQ = (a.reshape(-1, moe.top_k) for a in (chosen_PGTQ, weight_PGTQ))
    return dense(x_ND, chosen_NQ, weight_NQ, experts).reshape(x_PGTD.shape)


def choose(biased_PGTE: jax.Array, moe: MoE) -> jax.Array:
  """Returns the `top_k` experts of each token by biased score, within its best groups.

  DeepSeek-V3 sec. 2.1.2 and 2.1.2 "node-limited routing": experts form groups, a group is scored
  by the sum of its best `group_score_size`, and only experts of the best groups may be chosen.
  """
  if moe.num_groups > 1:
    grouped_scores = biased_PGTE.reshape(*biased_PGTE.shape[:-1], moe.num_groups, -1)
    best, _ = jax.lax.top_k(grouped_scores, moe.group_score_size)
    _, kept = jax.lax.top_k(jnp.sum(best, axis=-1), moe.num_groups_kept)
    allowed = jnp.any(jax.nn.one_hot(kept, moe.num_groups, dtype=bool), axis=-2)
    grouped_scores = jnp.where(allowed[..., None], grouped_scores, -jnp.inf)
    biased_PGTE = grouped_scores.reshape(biased_PGTE.shape)
  return jax.lax.top_k(biased_PGTE, moe.top_k)[1]


def _routing(score_PGTE, preferred_PGTQ, chosen_PGTQ, mask_PGT) -> Routing:
  num_experts = score_PGTE.shape[-1]
  counted = mask_PGT[..., None].astype(jnp.float32)
  chosen_PGTE = jnp.sum(jax.nn.one_hot(chosen_PGTQ, num_experts), axis=-2)
  preferred_PGTE = jnp.sum(jax.nn.one_hot(preferred_PGTQ, num_experts), axis=-2)
  share_PGTE = score_PGTE / jnp.sum(score_PGTE, axis=-1, keepdims=True)
  return Routing(
    chosen_PGTQ,
    jax.lax.stop_gradient(jnp.sum(chosen_PGTE * counted, axis=2)),
    jnp.sum(share_PGTE * counted, axis=2),
    jnp.sum(jnp.maximum(preferred_PGTE - chosen_PGTE, 0) * counted, axis=(2, 3)),
  )
