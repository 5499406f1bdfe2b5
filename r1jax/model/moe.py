"""Mixture of experts (DeepSeekMoE, arXiv:2401.06066; DeepSeek-V3, arXiv:2412.19437 sec. 2.1.2).

Letters: N tokens (all axes but the last flattened), Q experts chosen by a token, M = N * Q choices.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct

from r1jax.model.config import ModelConfig, MoE
from r1jax.model.layers import SwiGLU, weight

# Least and greatest number of rows of one product of the grouped dispatch in blocks.
BLOCK_ROWS = (64, 256)


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
    logits_PGTE = jnp.matmul(
      x_PGTD.astype(jnp.float32), router_DE, precision=jax.lax.Precision.HIGHEST
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
    x_ND = x_PGTD.reshape(-1, dim)
    chosen_NQ = chosen_PGTQ.reshape(-1, moe.top_k)
    weight_NQ = weight_PGTQ.reshape(-1, moe.top_k).astype(x_ND.dtype)
    dispatch = {'dense': dense, 'grouped': grouped}[moe.dispatch]
    return dispatch(x_ND, chosen_NQ, weight_NQ, experts).reshape(x_PGTD.shape)


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


def dense(x_ND, chosen_NQ, weight_NQ, experts):
  """Computes all experts for all tokens, as three large products; unchosen ones weigh 0."""
  gate_EDF, up_EDF, down_EFD = experts
  chosen_NQE = jax.nn.one_hot(chosen_NQ, gate_EDF.shape[0], dtype=x_ND.dtype)
  weight_NE = jnp.einsum('NQE,NQ->NE', chosen_NQE, weight_NQ)
  gate_NEF = jnp.einsum('ND,EDF->NEF', x_ND, gate_EDF)
  up_NEF = jnp.einsum('ND,EDF->NEF', x_ND, up_EDF)
  return jnp.einsum('NEF,EFD->ND', nn.silu(gate_NEF) * up_NEF * weight_NE[..., None], down_EFD)


def grouped(x_ND, chosen_NQ, weight_NQ, experts):
  """Computes only chosen experts: choices are sorted by expert, and none is dropped.

  Work grows with M choices. TPUs run it as a ragged product; other platforms, where XLA expands
  that to all experts, as products of blocks of `block_rows`, each with one expert. So few
  tokens that blocks would hold more rows than all experts together, as in decoding, are computed
  densely.
  """
  num_experts = experts[0].shape[0]
  rows = _num_blocks(chosen_NQ.size, num_experts) * block_rows(chosen_NQ.size, num_experts)
  if rows >= x_ND.shape[0] * num_experts:
    return dense(x_ND, chosen_NQ, weight_NQ, experts)
  return jax.lax.platform_dependent(
    x_ND, chosen_NQ, weight_NQ, experts, tpu=ragged, default=in_blocks
  )


def ragged(x_ND, chosen_NQ, weight_NQ, experts):
  """Grouped dispatch through `jax.lax.ragged_dot`."""
  gate_EDF, up_EDF, down_EFD = experts
  order_M, token_M, size_E = _sort(chosen_NQ, gate_EDF.shape[0])
  x_MD = x_ND[token_M]
  gate_MF = jax.lax.ragged_dot(x_MD, gate_EDF, size_E)
  up_MF = jax.lax.ragged_dot(x_MD, up_EDF, size_E)
  y_MD = jax.lax.ragged_dot(nn.silu(gate_MF) * up_MF, down_EFD, size_E)
  return jnp.zeros_like(x_ND).at[token_M].add(y_MD * weight_NQ.reshape(-1)[order_M, None])


def in_blocks(x_ND, chosen_NQ, weight_NQ, experts):
  """Grouped dispatch as one batched product over blocks of rows; each expert's rows are padded.

  Letters: X blocks, as many as any choice of experts can need; Y rows of a block.
  """
  gate_EDF, up_EDF, down_EFD = experts
  num_experts, num_choices = gate_EDF.shape[0], chosen_NQ.size
  order_M, token_M, size_E = _sort(chosen_NQ, num_experts)
  num_rows = block_rows(num_choices, num_experts)
  blocks_E = -(-size_E // num_rows)
  num_blocks = _num_blocks(num_choices, num_experts)
  first_block_E = jnp.cumsum(blocks_E) - blocks_E
  first_row_E = jnp.cumsum(size_E) - size_E
  expert_X = jnp.searchsorted(jnp.cumsum(blocks_E), jnp.arange(num_blocks), side='right')
  expert_X = jnp.minimum(expert_X, num_experts - 1)
  place_X = jnp.arange(num_blocks) - first_block_E[expert_X]
  within_XY = place_X[:, None] * num_rows + jnp.arange(num_rows)
  real_XY = within_XY < size_E[expert_X][:, None]
  choice_XY = jnp.where(real_XY, first_row_E[expert_X][:, None] + within_XY, 0)
  token_XY = token_M[choice_XY]
  weight_XY = jnp.where(real_XY, weight_NQ.reshape(-1)[order_M][choice_XY], 0)
  x_XYD = x_ND[token_XY]
  gate_XYF = jnp.einsum('XYD,XDF->XYF', x_XYD, gate_EDF[expert_X])
  up_XYF = jnp.einsum('XYD,XDF->XYF', x_XYD, up_EDF[expert_X])
  y_XYD = jnp.einsum('XYF,XFD->XYD', nn.silu(gate_XYF) * up_XYF, down_EFD[expert_X])
  return jnp.zeros_like(x_ND).at[token_XY].add(y_XYD * weight_XY[..., None])


def block_rows(num_choices: int, num_experts: int) -> int:
  """Returns the rows of a block: large blocks waste padding, small ones copies of the experts.

  About a quarter of an expert's even share of the choices, as a power of two within `BLOCK_ROWS`.
  """
  quarter = max(num_choices // (4 * num_experts), 1)
  least, greatest = BLOCK_ROWS
  return min(max(1 << quarter.bit_length() - 1, least), greatest)


def _num_blocks(num_choices: int, num_experts: int) -> int:
  """Returns how many blocks any choice of experts can need."""
  most_used, rows = min(num_experts, num_choices), block_rows(num_choices, num_experts)
  return (num_choices + most_used * (rows - 1)) // rows


def _sort(chosen_NQ, num_experts: int):
  """Returns choices in order of their expert, the token of each, and choices per expert."""
  choice_M = chosen_NQ.reshape(-1)
  order_M = jnp.argsort(choice_M)
  size_E = jnp.bincount(choice_M, length=num_experts)
  return order_M, order_M // chosen_NQ.shape[-1], size_E
