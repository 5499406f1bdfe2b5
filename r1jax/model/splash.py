"""Attention of long sequences by splash attention on TPUs, behind `attention.attend`.

Its derivative is one kernel, which makes the scores once and not once for the queries and once for
the keys.

Letters: J query heads of a key-value head, d key width, e value width.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.experimental.pallas.ops.tpu import splash_attention

from r1jax.model import joined
from r1jax.model.remat import ATTENDED
from r1jax.model.spans import Span

# Queries and keys of a tile; the kernel takes multiples of 128 alone.
BLOCK = 512
# The derivative's kernel yields the queries' gradient in parts, one of each tile of keys, which are
# then added up. So many bytes of them exist at a time.
PARTS_BYTES = 2**29


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
  keys, values = (_padded(jnp.moveaxis(array, 2, 3), BLOCK) for array in (key_PGTKd, value_PGTKe))
  num_before, arrays = 0, [query, keys, values]
  if length_P is not None:
    before = [_padded(jnp.moveaxis(array, 1, 2), BLOCK)[:, None] for array in prefix]
    num_before = before[0].shape[-2]
    rows = [
      jnp.concatenate([jnp.broadcast_to(a, (P, G, *a.shape[2:])), own], axis=-2)
      for a, own in zip(before, (keys, values), strict=True)
    ]
    place = jnp.arange(rows[0].shape[-2])
    seen = (place < length_P[:, None]) | (place >= num_before)
    arrays = [query, *rows, jnp.broadcast_to(seen[:, None, None], (P, G, K, place.size))]
  num_queries, num_keys = query.shape[-2], arrays[1].shape[-2]
  mask = splash_attention.CausalMask((num_queries, num_keys), offset=num_before)
  kernel = splash_attention.make_splash_mqa_single_device(
    splash_attention.MultiHeadMask([mask] * J),
    block_sizes=_block_sizes(block_queries),
    residual_checkpoint_name=ATTENDED,
    interpret=interpret,
  )

  def attend_heads(of_heads):
    """Returns attention of the queries of one key-value head of one sample."""
    query_JTd, key_Sd, value_Se, *seen = of_heads
    segments = None
    if seen:
      ones = jnp.ones(num_queries, jnp.int32)
      segments = splash_attention.SegmentIds(ones, seen[0].astype(jnp.int32))
    return kernel(query_JTd, key_Sd, value_Se, segments)

  heads = [array.reshape(P * G * K, *array.shape[3:]) for array in arrays]
  parts = query[0, 0, 0].size * query.dtype.itemsize * (num_keys // BLOCK)
  at_once = max(size for size in _divisors(P * G * K) if size == 1 or size * parts <= PARTS_BYTES)
  out = jax.lax.map(attend_heads, heads, batch_size=at_once if at_once > 1 else None)
  return jnp.einsum('PGKJTe->PGTKJe', out.reshape(P, G, K, *out.shape[1:])[..., :T, :])


def _divisors(number: int) -> list[int]:
  return [size for size in range(1, number + 1) if number % size == 0]


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
    use_fused_bwd_kernel=True,
  )
