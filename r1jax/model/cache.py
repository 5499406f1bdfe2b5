"""What tokens have already been read: prefixes, suffixes, and what a layer sees of them.

The entries of a layer are a dict of arrays. Owned by samples they are `[P, G, T, ...]`, shared by a
group `[P, S, ...]`. A cache holds them for all layers: stack name -> name -> array with a leading
axis N over the stack's layers, so that layers are scanned over it.

Letters: N layers of a stack, U capacity of a suffix in tokens.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from r1jax.model.spans import Seen

Entries = dict[str, jax.Array]
Cache = dict[str, Entries]


@struct.dataclass
class Prefix:
  """Prompts, all but their last token, encoded once for their groups.

  Attributes:
    cache: entries `[N, P, S, ...]` of every stack.
    length_P: number of real tokens; content at or after it is never seen.
  """

  cache: Cache
  length_P: jax.Array


@struct.dataclass
class Suffix:
  """The tokens that each sample has read since its prefix, while decoding.

  Attributes:
    cache: entries `[N, P, G, U, ...]` of every stack; room for U tokens.
    length: number of tokens present, the same for all samples.
  """

  cache: Cache
  length: jax.Array


@struct.dataclass
class Sight:
  """What the tokens of one pass see in one layer: prefix, suffix so far, themselves.

  Attributes:
    prefix: the layer's shared entries `[P, S, ...]`, or None.
    prefix_length_P: their lengths.
    suffix: the layer's owned entries `[P, G, U, ...]`, or None.
    suffix_length: how many of the U are present.
  """

  prefix: Entries | None
  prefix_length_P: jax.Array | None
  suffix: Entries | None
  suffix_length: jax.Array | None

  def spans(self, own: Entries) -> list[tuple[Entries, Seen]]:
    """Returns entries of each span and which are seen; `own` are those of the tokens themselves."""
    spans = []
    if self.prefix is not None:
      spans.append((self.prefix, Seen(self.prefix_length_P)))
    if self.suffix is not None:
      spans.append((self.suffix, Seen(self.suffix_length)))
    return [*spans, (own, Seen(causal=True))]


def as_prefix(cache: Cache, length_P: jax.Array) -> Prefix:
  """Makes a prefix of the entries `[N, P, 1, S, ...]` of an encoding pass with groups of one."""
  return Prefix(jax.tree.map(lambda array: array[:, :, 0], cache), length_P)


def empty_suffix(entries: Cache, capacity: int) -> Suffix:
  """Returns a suffix without tokens; `entries` `[N, P, G, 1, ...]` give shapes and dtypes."""

  def room(array: Any) -> jax.Array:
    return jnp.zeros((*array.shape[:3], capacity, *array.shape[4:]), array.dtype)

  return Suffix(jax.tree.map(room, entries), jnp.zeros((), jnp.int32))


def append(suffix: Suffix, entries: Cache) -> Suffix:
  """Writes the entries `[N, P, G, 1, ...]` of one token behind those present."""

  def write(room: jax.Array, new: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_slice_in_dim(room, new, suffix.length, axis=3)

  return Suffix(jax.tree.map(write, suffix.cache, entries), suffix.length + 1)


def grow(suffix: Suffix, capacity: int) -> Suffix:
  """Returns the suffix with room for `capacity` tokens, at least as many as it has now."""

  def widen(array: jax.Array) -> jax.Array:
    padding = [(0, 0)] * array.ndim
    padding[3] = (0, capacity - array.shape[3])
    return jnp.pad(array, padding)

  return Suffix(jax.tree.map(widen, suffix.cache), suffix.length)
