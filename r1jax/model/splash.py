"""Attention of long sequences by splash attention on TPUs, behind `attention.attend`.

Letters: J query heads of a key-value head, d key width, e value width.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.experimental.pallas.ops.tpu import splash_attention

from r1jax.model import joined
from r1jax.model.spans import Span

# Queries and keys of a tile; the kernel takes multiples of 128 alone.
BLOCK = 512


def attend(query_PGTHd: jax.Array, spans: Sequence[Span], *, interpret: bool = False) -> jax.Array:
  """Returns attention of scaled queries, `[P, G, T, H, e]`.

  Args:
    query_PGTHd: scaled queries.
    spans: that can be `joined`.
    interpret: run it as plain JAX, where there is no TPU.
  """
  return joined.attend(functools.partial(_attend, interpret=interpret), query_PGTHd, spans)


def _attend(query_PGTKJd, key_PGTKd, value_PGTKe, length_P=None, *prefix, interpret: bool):
  """Returns attention on one device, `[P, G, T, K, J, e]`; `prefix` are keys and values."""
  P, G, T, K, J, _ = query_PGTKJd.shape
  block_queries = min(BLOCK, -(-T // 128) * 128)
  query = _padded(jnp.einsum('PGTKJd->PGKJTd', query_PGTKJd), block_queries)
  query = query.reshape(P, G, K * J, -1, query.shape[-1])
  keys, values = (_padded(jnp.moveaxis(array, 2, 3), BLOCK) for array in (key_PGTKd, value_PGTKe))
  num_before, segments = 0, None
  if length_P is not None:
    before = [_padded(jnp.moveaxis(array, 1, 2), BLOCK)[:, None] for array in prefix]
    num_before = before[0].shape[-2]
    keys, values = (
      jnp.concatenate([jnp.broadcast_to(a, (P, G, *a.shape[2:])), own], axis=-2)
      for a, own in zip(before, (keys, values), strict=True)
    )
    place = jnp.arange(keys.shape[-2])
    seen = (place < length_P[:, None]) | (place >= num_before)
    segments = splash_attention.SegmentIds(
      jnp.ones((P, query.shape[-2]), jnp.int32), seen.astype(jnp.int32)
    )
  mask = splash_attention.CausalMask((query.shape[-2], keys.shape[-2]), offset=num_before)
  kernel = splash_attention.make_splash_mha_single_device(
    splash_attention.MultiHeadMask([mask] * (K * J)),
    block_sizes=_block_sizes(block_queries),
    interpret=interpret,
  )
  of_group = jax.vmap(kernel, in_axes=(0, 0, 0, None))
  out = jax.vmap(of_group)(query, keys, values, segments)
  return jnp.einsum('PGKJTe->PGTKJe', out.reshape(P, G, K, J, *out.shape[3:])[..., :T, :])


def _padded(array: jax.Array, multiple: int) -> jax.Array:
  """Returns the array with zeros behind its tokens, the last axis but one."""
  padding = [(0, 0)] * array.ndim
  padding[-2] = (0, -array.shape[-2] % multiple)
  return jnp.pad(array, padding)


def _block_sizes(queries: int) -> splash_attention.BlockSizes:
  return splash_attention.BlockSizes(
    block_q=queries,
    block_kv=BLOCK,
    block_q_dkv=queries,
    block_kv_dkv=BLOCK,
    block_q_dq=queries,
    block_kv_dq=BLOCK,
  )
