"""Spans of keys and values that queries attend to, and which of their keys are seen.

Letters: d key width, e value width, U tokens of an owned span.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Seen(NamedTuple):
  """Which keys of a span the queries see: as numbers, so that no mask of all pairs need exist.

  Attributes:
    length: keys before it are seen, `[P]` or one number; None for all.
    causal: True if the keys are those of the queries' own tokens: query t sees keys 0 to t.
  """

  length: jax.Array | None = None
  causal: bool = False

  def mask(self, query_T: jax.Array, key_S: jax.Array) -> jax.Array:
    """Returns True where query number `query_T` sees key number `key_S`.

    Args:
      query_T: numbers of queries, of any shape `[..., T]`.
      key_S: numbers of keys.

    Returns:
      `[P or 1, ..., T or 1, S]`.
    """
    seen = jnp.ones((1,) * (query_T.ndim + 1) + key_S.shape, bool)
    if self.length is not None:
      length = jnp.reshape(self.length, (-1, *(1,) * (seen.ndim - 1)))
      seen &= key_S < length
    if self.causal:
      seen &= key_S <= query_T[..., None]
    return seen


class Span(NamedTuple):
  """Keys and values that queries may see.

  Attributes:
    key: `[P, S, K, d]` if shared by the group, `[P, G, U, K, d]` if owned by each sample.
    value: the same with width e.
    seen: which of the keys are seen.
  """

  key: jax.Array
  value: jax.Array
  seen: Seen

  @property
  def shared(self) -> bool:
    """True if all samples of a prompt share the span."""
    return self.key.ndim == 4

  @property
  def size(self) -> int:
    """Number of its keys, seen or not."""
    return self.key.shape[-3]
