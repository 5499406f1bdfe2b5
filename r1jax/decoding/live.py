"""The samples being decoded: split over the mesh, with room that grows, and fewer as they end.

Between two segments of decoding, where that halves the batch or more, live samples move forward,
the group shrinks to the largest number alive and prompts with none alive leave (`compaction` plans
it, `take` does it). Then the suffix gets room for the next segment. So finished answers stop
costing, and every shape is one of few. Memory never holds more of a suffix than one of full length
takes (`rooms`), but for a block of it at the moment in which a batch shrinks.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from r1jax.model.cache import Cache, Prefix, Suffix, empty_block, grow
from r1jax.sharding import constrain, constrain_cache, over_cache


@struct.dataclass
class Batch:
  """The samples still being decoded, at the size of the moment.

  Attributes:
    prefix: their prompts.
    suffix: what they have read.
    token_PG: the last token of each, not yet read.
    key_PG: the address of each sample's random numbers.
    done_PG: True if the sample has ended, or is padding.
  """

  prefix: Prefix
  suffix: Suffix
  token_PG: jax.Array
  key_PG: jax.Array
  done_PG: jax.Array


# Logical axes of a suffix from behind the layers up to its tokens.
_SUFFIX = ('prompts', 'samples', None)


def laid_out(batch: Batch, lay: Callable[..., Any] = constrain) -> Batch:
  """Returns a batch that is split over the mesh; without, new suffixes would be on all devices.

  Args:
    batch: arrays or shapes.
    lay: of an array and the logical axes of its first dimensions, the array where it is to lie.
  """
  prefix, suffix = batch.prefix, batch.suffix
  each = {name: getattr(batch, name) for name in ('token_PG', 'key_PG', 'done_PG')}
  return Batch(
    Prefix(over_cache(lay, prefix.cache, 'prompts', None), lay(prefix.length_P, 'prompts')),
    Suffix(tuple(over_cache(lay, block, *_SUFFIX) for block in suffix.blocks), lay(suffix.length)),
    **{name: lay(array, 'prompts', 'samples') for name, array in each.items()},
  )


def rooms(segment_tokens: int, max_tokens: int) -> list[tuple[int, ...]]:
  """Returns the tokens that each block of the suffix has room for, segment by segment.

  Every segment adds its tokens, but at least a quarter of those there are: long answers so see a
  number of shapes that grows with the logarithm of their length. A suffix of one block, which is
  read fastest, is copied to a larger one as long as both together take no more than one of full
  length; then blocks are added, of which there so are five at most.
  """
  found: list[tuple[int, ...]] = [(min(segment_tokens, max_tokens),)]
  while (size := sum(found[-1])) < max_tokens:
    quarter = -(-size // (4 * segment_tokens)) * segment_tokens
    larger = min(size + max(segment_tokens, quarter), max_tokens)
    copied = size + larger <= max_tokens
    found.append((larger,) if copied else (*found[-1], larger - size))
  return found


def with_room(suffix: Suffix, room: tuple[int, ...]) -> Suffix:
  """Returns a suffix with the next of `rooms`, or as it is if it has that."""
  blocks = suffix.blocks
  if len(room) > len(blocks):
    blocks = (*blocks, _empty_block(blocks[-1], size=room[-1]))
  elif room != suffix.room:
    blocks = (_grow(blocks[0], size=room[0]),)
  return dataclasses.replace(suffix, blocks=blocks)


_grow = jax.jit(grow, static_argnames='size')


@functools.partial(jax.jit, static_argnames='size')
def _empty_block(like, *, size: int):
  return constrain_cache(empty_block(like, size), *_SUFFIX)


def _bucket(number: int, largest: int) -> int:
  """Returns the smallest of `largest`, its half, quarter, ... (rounded up) that holds `number`."""
  size = largest
  while (half := -(-size // 2)) >= number and half < size:
    size = half
  return size


def compaction(live_PG: np.ndarray, parts: tuple[int, int]):
  """Plans a smaller batch: which prompts, which samples of each, which of those are alive.

  Prompts and samples stay on their devices, so that the one with most alive decides: what moved
  would bring the caches of all devices to each.

  Args:
    live_PG: True where a sample is alive.
    parts: into which a mesh splits prompts and samples.

  Returns:
    Indices `[P']`, `[P', G']` and the mask `[P', G']`; or None if it would not halve the batch.
  """
  P, G = live_PG.shape
  index_P = _kept(live_PG.max(axis=1)[None], parts[0])[0]
  index_PG = _kept(live_PG[index_P], parts[1])
  if index_PG.size * 2 > P * G:
    return None
  return index_P, index_PG, np.take_along_axis(live_PG[index_P], index_PG, axis=1)


def _kept(live_BX: np.ndarray, num_parts: int) -> np.ndarray:
  """Returns indices of a smaller X that has all that live; each of its equal parts keeps as many.

  Letters: A parts.
  """
  live_BAX = live_BX.reshape(len(live_BX), num_parts, -1)
  size = live_BAX.shape[-1]
  count = _bucket(int(live_BAX.sum(axis=-1).max()), size)
  index_BAX = np.broadcast_to(np.arange(size), live_BAX.shape)
  if count < size:
    index_BAX = np.argsort(~live_BAX, axis=-1, kind='stable')[:, :, :count]
  return (index_BAX + size * np.arange(num_parts)[:, None]).reshape(len(live_BX), -1)


def take(batch: Batch, index_P, index_PG, live_PG, *, parts: tuple[int, int]) -> Batch:
  """Returns the batch that `compaction` plans; samples that are not alive are padding.

  `batch` is used up, its suffix block by block: no more than one block is there twice.
  """
  plan = {'index_P': index_P, 'index_PG': index_PG, 'parts': parts}
  blocks = []
  for block in batch.suffix.blocks:
    blocks.append(jax.block_until_ready(take_block(block, **plan)))
    for array in jax.tree.leaves(block):
      array.delete()
  others = dataclasses.replace(batch, suffix=Suffix((), batch.suffix.length))
  smaller = _take_others(others, live_PG, **plan)
  return dataclasses.replace(smaller, suffix=Suffix(tuple(blocks), smaller.suffix.length))


@functools.partial(jax.jit, static_argnames='parts')
def take_block(block: Cache, index_P, index_PG, *, parts: tuple[int, int]) -> Cache:
  """Returns what a smaller batch has of a block of the suffix; as `take`."""

  def pick(array: jax.Array) -> jax.Array:
    return _samples(array, 1, index_P, index_PG, parts)

  return constrain_cache(jax.tree.map(pick, block), *_SUFFIX)


@functools.partial(jax.jit, static_argnames='parts')
def _take_others(batch: Batch, live_PG, *, index_P, index_PG, parts: tuple[int, int]) -> Batch:
  """Returns the smaller batch but for the blocks of its suffix."""
  prefix = Prefix(
    jax.tree.map(lambda array: _prompts(array, 1, index_P, parts), batch.prefix.cache),
    _prompts(batch.prefix.length_P, 0, index_P, parts),
  )
  token_PG, key_PG = (
    _samples(array, 0, index_P, index_PG, parts) for array in (batch.token_PG, batch.key_PG)
  )
  return laid_out(Batch(prefix, batch.suffix, token_PG, key_PG, ~live_PG))


def _prompts(array: jax.Array, axis: int, index_P, parts: tuple[int, int]) -> jax.Array:
  """Picks prompts at an axis."""
  return _taken(array, index_P[(None,) * axis], axis, parts[0])


def _samples(array: jax.Array, axis: int, index_P, index_PG, parts: tuple[int, int]) -> jax.Array:
  """Picks prompts at an axis, and samples of each at the next."""
  array = _prompts(array, axis, index_P, parts)
  return _taken(array, index_PG[(None,) * axis], axis + 1, parts[1])


def _taken(array: jax.Array, index: jax.Array, axis: int, num_parts: int) -> jax.Array:
  """Returns what is at an index along an axis, whose equal parts each keep what is their own.

  Args:
    array: `[.., X, ...]`.
    index: `[.., X']`, of which axes in front may be 1; in order of the parts.
    axis: number of the axis X.
    num_parts: that the axis has.
  """
  if index.shape[axis] == array.shape[axis]:
    return array  # All of it, in its place.
  front, rest = array.shape[:axis], array.shape[axis + 1 :]
  split = array.reshape(*front, num_parts, -1, *rest)
  within = (index % split.shape[axis + 1]).reshape(*index.shape[:axis], num_parts, -1)
  found = jnp.take_along_axis(
    split, within.reshape(*within.shape, *(1,) * len(rest)), axis=axis + 1
  )
  return found.reshape(*front, -1, *rest)
