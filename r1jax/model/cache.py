"""What tokens have already been read: prefixes, suffixes, and what a layer sees of them.

The entries of a layer are a dict of arrays. Owned by samples they are `[P, G, T, ...]`, shared by a
group `[P, S, ...]`. A cache holds them for all layers: stack name -> name -> array with a leading
axis N over the stack's layers, so that layers are scanned over it.

Letters: N layers of a stack, U tokens that a block of a suffix has room for.
"""

from collections.abc import Sequence
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

  They lie in blocks, one behind the other, so that there can be more room without a copy of what is
  there.

  Attributes:
    blocks: entries `[N, P, G, U, ...]` of every stack; room for U tokens, in all but the last used.
    length: number of tokens present, the same for all samples.
  """

  blocks: tuple[Cache, ...]
  length: jax.Array

  @property
  def room(self) -> tuple[int, ...]:
    """Tokens that each block has room for."""
    return tuple(jax.tree.leaves(block)[0].shape[3] for block in self.blocks)


@struct.dataclass
class Sight:
  """What the tokens of one pass see in one layer: prefix, suffix so far, themselves.

  Attributes:
    prefix: the layer's shared entries `[P, S, ...]`, or None.
    prefix_length_P: their lengths.
    suffix: the layer's owned entries `[P, G, U, ...]` of each block, or None.
    suffix_length: how many tokens are present in all of them.
  """

  prefix: Entries | None
  prefix_length_P: jax.Array | None
  suffix: Sequence[Entries] | None
  suffix_length: jax.Array | None

  def spans(self, own: Entries) -> list[tuple[Entries, Seen]]:
    """Returns entries of each span and which are seen; `own` are those of the tokens themselves."""
    spans = []
    if self.prefix is not None:
      spans.append((self.prefix, Seen(self.prefix_length_P)))
    if self.suffix is not None:
      length = self.suffix_length
      for entries in self.suffix:
        spans.append((entries, Seen(length)))
        length = length - jax.tree.leaves(entries)[0].shape[2]
    return [*spans, (own, Seen(causal=True))]


def as_prefix(cache: Cache, length_P: jax.Array) -> Prefix:
  """Makes a prefix of the entries `[N, P, 1, S, ...]` of an encoding pass with groups of one."""
  return Prefix(jax.tree.map(lambda array: array[:, :, 0], cache), length_P)


def empty_suffix(entries: Cache, *room: int) -> Suffix:
  """Returns a suffix without tokens.

  Args:
    entries: `[N, P, G, 1, ...]`, of which shapes and dtypes are taken.
    *room: tokens of each block.
  """
  return Suffix(tuple(empty_block(entries, size) for size in room), jnp.zeros((), jnp.int32))


def empty_block(entries: Cache, size: int) -> Cache:
  """Returns room for so many tokens like those of `entries`, `[N, P, G, U, ...]`."""

  def room(array: Any) -> jax.Array:
    return jnp.zeros((*array.shape[:3], size, *array.shape[4:]), array.dtype)

  return jax.tree.map(room, entries)


def append(suffix: Suffix, entries: Cache) -> Suffix:
  """Writes the entries `[N, P, G, 1, ...]` of one token behind those present, in the last block."""
  *full, last = suffix.blocks
  place = suffix.length - sum(suffix.room[:-1])

  def write(room: jax.Array, new: jax.Array) -> jax.Array:
    return jax.lax.dynamic_update_slice_in_dim(room, new, place, axis=3)

  return Suffix((*full, jax.tree.map(write, last, entries)), suffix.length + 1)


def grow(block: Cache, size: int) -> Cache:
  """Returns a copy of a block with room for `size` tokens, at least as many as it has now."""

  def widen(array: jax.Array) -> jax.Array:
    padding = [(0, 0)] * array.ndim
    padding[3] = (0, size - array.shape[3])
    return jnp.pad(array, padding)

  return jax.tree.map(widen, block)
