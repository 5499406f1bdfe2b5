"""Kernels that attend to one row of keys: a shared prefix and own tokens, joined.

A fused kernel is one softmax over one row of keys, and has no gradient for the sums that a merge of
spans would need. So prefix and own tokens are joined, and the prefix is copied for every sample of
a group, which costs S / (S + T) of the keys' memory, little where answers are long.

Letters: J query heads of a key-value head, d key width, e value width.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from r1jax import sharding
from r1jax.model.spans import Span


def takes(spans: Sequence[Span]) -> bool:
  """Returns whether spans can be joined to a row: own tokens, and a shared prefix or none."""
  *before, own = spans
  return own.seen.causal and len(before) < 2 and all(span.shared for span in before)


def attend(kernel: Callable, query_PGTHd: jax.Array, spans: Sequence[Span]) -> jax.Array:
  """Returns what a kernel makes of queries and joined spans, `[P, G, T, H, e]`.

  On a mesh each device takes its prompts, samples and heads.

  Args:
    kernel: of queries `[P, G, T, K, J, d]`, own keys `[P, G, T, K, d]` and values; and, if there is
      a prefix, its length `[P]`, keys `[P, S, K, d]` and values. Returns `[P, G, T, K, J, e]`.
    query_PGTHd: scaled queries.
    spans: that can be joined.
  """
  P, G, T, H, d = query_PGTHd.shape
  *prefix, own = spans
  K = own.key.shape[-2]
  inputs = [
    (
      query_PGTHd.reshape(P, G, T, K, H // K, d),
      ('prompts', 'samples', None, 'kv_heads', None, None),
    ),
    *((array, ('prompts', 'samples', None, 'kv_heads', None)) for array in (own.key, own.value)),
  ]
  for span in prefix:
    length_P = jnp.broadcast_to(span.size if span.seen.length is None else span.seen.length, P)
    inputs.append((length_P, ('prompts',)))
    inputs += [(array, ('prompts', None, 'kv_heads', None)) for array in (span.key, span.value)]
  return sharding.on_each_device(kernel, inputs).reshape(P, G, T, H, -1)
