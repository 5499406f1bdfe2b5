"""Attention of a group: samples of a prompt share its prefix and own their suffix.

A token sees *spans* of keys and values. A span is shared by the group (the prompt's prefix) or
owned by each sample (its suffix). Sampling, scoring and training differ only in the spans they pass
to `attend`.

Letters: d key width, e value width, J query heads of a key-value head (H = K * J).
"""

import functools
import operator

import flax.linen as nn
import jax
import jax.numpy as jnp

from r1jax.model import blockwise, cudnn, joined, splash
from r1jax.model import rope as rope_lib
from r1jax.model.config import GQA, ModelConfig
from r1jax.model.layers import RMSNorm, project
from r1jax.model.spans import Span
from r1jax.sharding import platform, token_parts

# Products of query and key numbers beyond which scores are made in blocks: at 1,024 x 1,024 the
# scores of one head of one sample take 4 MiB.
PLAIN_SCORES = 2**20


def attend(query_PGTHd: jax.Array, spans: list[Span], *, scale: float) -> jax.Array:
  """Returns softmax attention over the union of the spans, `[P, G, T, H, e]`.

  Softmax and its sums run in float32 over all spans together, and the result is rounded once;
  products take the dtype of the query and the values. A query must be allowed at least one key.
  Scores of more than `PLAIN_SCORES` pairs are made in blocks, and again in the backward pass; on
  TPUs and GPUs by their kernels, unless tokens are split over a mesh.
  """
  query_PGTHd = query_PGTHd * scale
  if not is_long(query_PGTHd.shape[2], sum(span.size for span in spans)):
    return plain(query_PGTHd, spans)
  if token_parts(query_PGTHd.shape[1]) == 1 and joined.takes(spans):
    if platform() == 'tpu':
      return splash.attend(query_PGTHd, spans)
    if platform() == 'gpu' and cudnn.takes(query_PGTHd):
      return cudnn.attend(query_PGTHd, spans)
  return blockwise.attend(query_PGTHd, spans)


def is_long(num_queries: int, num_keys: int) -> bool:
  """Returns whether scores of so many pairs are made in blocks."""
  return num_queries * num_keys > PLAIN_SCORES


def plain(query_PGTHd: jax.Array, spans: list[Span]) -> jax.Array:
  """Returns attention of scaled queries, with the scores of all pairs in memory."""
  P, G, T, H, d = query_PGTHd.shape
  K = spans[0].key.shape[-2]
  # In this order of axes no product has to transpose scores, which are by far the largest array.
  query_PKGJTd = jnp.einsum('PGTKJd->PKGJTd', query_PGTHd.reshape(P, G, T, K, -1, d))
  scores = [_scores(query_PKGJTd, span) for span in spans]
  top = functools.reduce(jnp.maximum, [jnp.max(s, axis=-1, keepdims=True) for s in scores])
  exps = [jnp.exp(s - jax.lax.stop_gradient(top)) for s in scores]
  total = functools.reduce(operator.add, [jnp.sum(e, axis=-1, keepdims=True) for e in exps])
  mixed = functools.reduce(operator.add, [_mix(e, span) for e, span in zip(exps, spans)])
  out_PKGJTe = (mixed / total).astype(query_PGTHd.dtype)
  return jnp.einsum('PKGJTe->PGTKJe', out_PKGJTe).reshape(P, G, T, H, -1)


def _scores(query_PKGJTd: jax.Array, span: Span) -> jax.Array:
  """Returns masked scores in float32, `[P, K, G, J, T, S]`."""
  keys = 'PSKd' if span.shared else 'PGSKd'
  scores = jnp.einsum(
    f'PKGJTd,{keys}->PKGJTS', query_PKGJTd, span.key, preferred_element_type=jnp.float32
  )
  mask_PTS = span.seen.mask(jnp.arange(scores.shape[-2]), jnp.arange(span.size))
  return jnp.where(mask_PTS[:, None, None, None], scores, -jnp.inf)


def _mix(weight_PKGJTS: jax.Array, span: Span) -> jax.Array:
  """Returns the values' sum by weight in float32, `[P, K, G, J, T, e]`."""
  values = 'PSKe' if span.shared else 'PGSKe'
  return jnp.einsum(
    f'PKGJTS,{values}->PKGJTe',
    weight_PKGJTS.astype(span.value.dtype),
    span.value,
    preferred_element_type=jnp.float32,
  )


class GroupedQueryAttention(nn.Module):
  """Grouped-query attention (arXiv:2305.13245), with optional biases and q/k norms.

  What it caches of a token: its rotated key and its value, each `[..., K, d]`.
  """

  config: ModelConfig
  shape: GQA

  @nn.compact
  def __call__(self, x_PGTD, *, cos_sin, sight):
    """Attends from each token of `x_PGTD` to what `sight` shows.

    Args:
      x_PGTD: inputs.
      cos_sin: rotary angles of their positions.
      sight: `r1jax.model.cache.Sight` of this layer.

    Returns:
      Outputs `[P, G, T, D]` and the cache entries of these tokens.
    """
    config, shape = self.config, self.shape
    d = shape.head_dim
    query = project(self, config, 'query', x_PGTD, shape.num_heads, d)
    key = project(self, config, 'key', x_PGTD, shape.num_kv_heads, d)
    value = project(self, config, 'value', x_PGTD, shape.num_kv_heads, d)
    if shape.qkv_bias:
      query += self._bias('query_bias', shape.num_heads, d)
      key += self._bias('key_bias', shape.num_kv_heads, d)
      value += self._bias('value_bias', shape.num_kv_heads, d)
    if shape.qk_norm:
      query = RMSNorm(config.norm_epsilon, name='query_norm')(query)
      key = RMSNorm(config.norm_epsilon, name='key_norm')(key)
    query = rope_lib.rotate(query, cos_sin, interleaved=config.rope.interleaved)
    key = rope_lib.rotate(key, cos_sin, interleaved=config.rope.interleaved)
    entries = {'key': key, 'value': value}
    spans = [Span(e['key'], e['value'], seen) for e, seen in sight.spans(entries)]
    mixed = attend(query, spans, scale=rope_lib.softmax_scale(config.rope, d))
    return project(self, config, 'out', mixed, x_PGTD.shape[-1], num_inputs=2), entries

  def _bias(self, name: str, *shape: int) -> jax.Array:
    return self.param(name, nn.initializers.zeros, shape).astype(self.config.dtype)
