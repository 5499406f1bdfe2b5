"""Samples groups of completions: the prompt is encoded once, each sample grows its own suffix.

Decoding runs in segments. Within one, a jitted loop draws a token at a time for all samples and
ends early when all are done. Between segments the host looks at who is still alive: where that
halves the batch or more, live samples move forward, the group shrinks to the largest number alive
and prompts with none alive leave. Then the suffix gets room for the next segment. So finished
answers stop costing, and every shape is one of few. Memory never holds more of a suffix than one of
full length takes (`rooms`), but for a block of it at the moment in which a batch shrinks.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.sharding import Mesh

from r1jax import sharding
from r1jax.decoding.prefill import encode_prompts, last_prompt_token
from r1jax.decoding.sampling import Sampler, address, draw, uniform
from r1jax.model.cache import Cache, Prefix, Suffix, append, empty_block, empty_suffix, grow
from r1jax.model.transformer import Transformer, call
from r1jax.sharding import constrain, constrain_cache, over_cache
from r1jax.structs import Experts, Prompts, Rollouts


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


@struct.dataclass
class Drawn:
  """Tokens of one segment; what was not drawn is 0.

  Letters: U tokens of the segment.
  """

  token_PGU: jax.Array
  logp_PGU: jax.Array
  margin_PGU: jax.Array
  valid_PGU: jax.Array
  experts_NPGUQ: jax.Array | None


def generate(
  model: Transformer,
  params: Any,
  prompts: Prompts,
  *,
  group_size: int,
  max_tokens: int,
  sampler: Sampler,
  stop_tokens: tuple[int, ...],
  key: jax.Array,
  segment_tokens: int = 32,
  prompt_chunk_tokens: int | None = None,
  mesh: Mesh | None = None,
) -> Rollouts:
  """Samples `group_size` completions of each prompt.

  The random number of a sample at a position depends on `key`, the prompt's address, the number of
  the sample and the position alone: not on the batch, the devices or who has finished.

  Args:
    model: whose `config` is that of `params`.
    params: tree of parameters.
    prompts: questions as tokens.
    group_size: samples of each prompt.
    max_tokens: a completion is truncated at this many tokens.
    sampler: how tokens are chosen.
    stop_tokens: tokens that end a completion, of which they are the last.
    key: root of the random numbers, one for each step and attempt.
    segment_tokens: tokens between two looks at who is alive.
    prompt_chunk_tokens: tokens of each prompt that are read at one time; None for all.
    mesh: devices over which the prompts are split, or None for one. Their number stays a multiple
      of the parts, and of several processes each keeps its own prompts.

  Returns:
    `Rollouts` as host arrays; of several processes, of the prompts of this one.

  Raises:
    ValueError: if the prompts cannot be split over the mesh, or a size is below 1.
  """
  sizes = {'group_size': group_size, 'max_tokens': max_tokens, 'segment_tokens': segment_tokens}
  if prompt_chunk_tokens is not None:
    sizes['prompt_chunk_tokens'] = prompt_chunk_tokens
  for name, size in sizes.items():
    if size < 1:
      raise ValueError(f'{name} is {size}; it must be at least 1')
  divided = sharding.division(mesh)
  num_prompts = prompts.tokens_PS.shape[0]
  if num_prompts % divided.num_parts:
    raise ValueError(
      f'{num_prompts} prompts cannot be split over {divided.num_parts} devices (mesh axes data, '
      f'fsdp and expert): make the prompts a multiple of it or change the mesh'
    )
  in_turn = rooms(segment_tokens, max_tokens)
  batch, prefix_experts = start(
    model,
    params,
    prompts,
    key,
    group_size=group_size,
    room=in_turn[0],
    prompt_chunk_tokens=prompt_chunk_tokens,
  )
  own = divided.rows(num_prompts)
  out = _Record.empty(len(own), group_size, max_tokens)
  # Where the samples being decoded come from: of all prompts, and the samples of each.
  row_P, column_PG = np.arange(num_prompts), np.tile(np.arange(group_size), (num_prompts, 1))
  first = 0
  for room in in_turn:
    batch = dataclasses.replace(batch, suffix=_with_room(batch.suffix, room))
    batch, drawn = segment(
      model, params, batch, sampler=sampler, stop_tokens=stop_tokens, tokens=sum(room) - first
    )
    done_PG = sharding.whole(batch.done_PG, mesh)
    here = divided.rows(len(row_P))
    out.write(_fetched(drawn, mesh), np.searchsorted(own, row_P[here]), column_PG[here], first)
    first = sum(room)
    if first == max_tokens or done_PG.all():
      break
    # A group that a mesh could not split may have become one that it does.
    parts = (divided.num_parts, sharding.sample_parts(done_PG.shape[1]))
    plan = compaction(~done_PG, parts)
    if plan is not None:
      index_P, index_PG, live_PG = plan
      batch = take(batch, index_P, index_PG, live_PG, parts=parts)
      row_P = row_P[index_P]
      column_PG = np.take_along_axis(column_PG[index_P], index_PG, axis=1)
  if out.experts is not None:
    prefix_experts = sharding.fetch(prefix_experts, mesh, axis=1)
  return out.rollouts(sharding.fetch(prompts, mesh), prefix_experts, stop_tokens)


def _fetched(drawn: Drawn, mesh: Mesh | None) -> Drawn:
  """Returns what was drawn for the prompts of this process, on the host."""
  experts = sharding.fetch(drawn.experts_NPGUQ, mesh, axis=1)
  others = sharding.fetch(dataclasses.replace(drawn, experts_NPGUQ=None), mesh)
  return dataclasses.replace(others, experts_NPGUQ=experts)


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


def _with_room(suffix: Suffix, room: tuple[int, ...]) -> Suffix:
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


@functools.partial(jax.jit, static_argnames=('model', 'group_size', 'room', 'prompt_chunk_tokens'))
def start(
  model,
  params,
  prompts: Prompts,
  key,
  *,
  group_size: int,
  room: tuple[int, ...],
  prompt_chunk_tokens: int | None = None,
) -> tuple[Batch, jax.Array | None]:
  """Encodes the prompts; returns the batch before the first token, and the prompts' experts.

  Args:
    model: whose `config` is that of `params`.
    params: tree of parameters.
    prompts: questions as tokens.
    key: root of the random numbers.
    group_size: samples of each prompt.
    room: tokens of each block of the suffix.
    prompt_chunk_tokens: as in `generate`.
  """
  prefix, routing = encode_prompts(model, params, prompts, chunk_tokens=prompt_chunk_tokens)
  shape = (prompts.tokens_PS.shape[0], group_size)
  token_PG = jnp.broadcast_to(last_prompt_token(prompts)[:, None], shape)
  entries = jax.eval_shape(lambda p: call(model, p, 'encode', token_PG[..., None]).cache, params)
  batch = Batch(
    prefix,
    empty_suffix(entries, *room),
    token_PG,
    address(key, prompts.address_P[:, None], jnp.arange(group_size)),
    jnp.zeros(shape, bool),
  )
  experts = None if routing is None else routing.chosen_PGTQ[:, :, 0].astype(jnp.int16)
  return laid_out(batch), experts


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


@functools.partial(
  jax.jit,
  static_argnames=('model', 'sampler', 'stop_tokens', 'tokens'),
  donate_argnames=('batch',),
)
def segment(
  model, params, batch: Batch, *, sampler, stop_tokens, tokens: int
) -> tuple[Batch, Drawn]:
  """Draws up to `tokens` tokens of every sample, fewer if all are done; `batch` is used up."""
  drawn = _nothing_drawn(model, batch.token_PG.shape, tokens)

  def go_on(carry):
    batch, _, step = carry
    return (step < tokens) & ~jnp.all(batch.done_PG)

  def step_once(carry):
    batch, drawn, step = carry
    batch, new = _step(model, params, batch, sampler, stop_tokens)
    write = functools.partial(jax.lax.dynamic_update_index_in_dim, index=step)
    drawn = Drawn(
      write(drawn.token_PGU, new.token_PGU, axis=2),
      write(drawn.logp_PGU, new.logp_PGU, axis=2),
      write(drawn.margin_PGU, new.margin_PGU, axis=2),
      write(drawn.valid_PGU, new.valid_PGU, axis=2),
      None
      if drawn.experts_NPGUQ is None
      else write(drawn.experts_NPGUQ, new.experts_NPGUQ, axis=3),
    )
    return batch, drawn, step + 1

  batch, drawn, _ = jax.lax.while_loop(go_on, step_once, (batch, drawn, 0))
  return batch, drawn


def _nothing_drawn(model, shape, tokens: int) -> Drawn:
  moe, num_layers, experts = model.config.moe, model.config.stacks.get('expert_layers'), None
  if moe is not None and num_layers is not None:
    experts = jnp.zeros((num_layers, *shape, tokens, moe.top_k), jnp.int16)
  number = jnp.zeros((*shape, tokens), jnp.float32)
  return Drawn(number.astype(jnp.int32), number, number, jnp.zeros((*shape, tokens), bool), experts)


def _step(model, params, batch: Batch, sampler, stop_tokens) -> tuple[Batch, Drawn]:
  """Reads each sample's last token and draws its next; done samples draw 0."""
  out = call(
    model,
    params,
    'encode',
    batch.token_PG[..., None],
    prefix=batch.prefix,
    suffix=batch.suffix,
    absorbed=True,
  )
  logits_PGV = call(model, params, 'unembed', out.hidden_PGTD[:, :, 0])
  number_PG = uniform(batch.key_PG, batch.suffix.length)
  # Prompt by prompt: prompts and samples that a mesh splits make no rows that it could split.
  choice = jax.vmap(functools.partial(draw, sampler=sampler))(logits_PGV, number_PG)
  live_PG = ~batch.done_PG
  token_PG, logp_PG, margin_PG = (jnp.where(live_PG, value, 0) for value in choice)
  stopped_PG = jnp.isin(token_PG, jnp.array(stop_tokens, jnp.int32))
  experts = None
  if out.routing is not None:
    experts = out.routing.chosen_PGTQ[:, :, :, 0].astype(jnp.int16)
  drawn = Drawn(token_PG, logp_PG, margin_PG, live_PG, experts)
  batch = Batch(
    batch.prefix,
    append(batch.suffix, out.cache),
    token_PG,
    batch.key_PG,
    batch.done_PG | stopped_PG,
  )
  return batch, drawn


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


@dataclasses.dataclass
class _Record:
  """The completions so far, at full size, on the host."""

  tokens: np.ndarray
  logp: np.ndarray
  margin: np.ndarray
  length: np.ndarray
  experts: np.ndarray | None = None

  @classmethod
  def empty(cls, num_prompts: int, group_size: int, max_tokens: int) -> '_Record':
    shape = (num_prompts, group_size, max_tokens)
    return cls(
      np.zeros(shape, np.int32),
      np.zeros(shape, np.float32),
      np.zeros(shape, np.float32),
      np.zeros(shape[:2], np.int32),
    )

  def write(self, drawn: Drawn, row_P, column_PG, first: int) -> None:
    """Puts a segment's tokens where they belong; padding samples leave no trace."""
    p, g = np.nonzero(drawn.valid_PGU.any(axis=-1))
    place = (row_P[p], column_PG[p, g], slice(first, first + drawn.token_PGU.shape[-1]))
    self.tokens[place] = drawn.token_PGU[p, g]
    self.logp[place] = drawn.logp_PGU[p, g]
    self.margin[place] = drawn.margin_PGU[p, g]
    self.length[place[:2]] += drawn.valid_PGU[p, g].sum(axis=-1)
    if drawn.experts_NPGUQ is not None:
      if self.experts is None:
        num_layers, top_k = drawn.experts_NPGUQ.shape[0], drawn.experts_NPGUQ.shape[-1]
        self.experts = np.zeros((num_layers, *self.tokens.shape, top_k), np.int16)
      self.experts[:, *place] = drawn.experts_NPGUQ[:, p, g]

  def rollouts(self, prompts: Prompts, prefix_experts, stop_tokens) -> Rollouts:
    last = np.take_along_axis(self.tokens, np.maximum(self.length - 1, 0)[..., None], axis=-1)
    experts = None
    if self.experts is not None:
      experts = Experts(np.asarray(prefix_experts), self.experts)
    return Rollouts(
      prompts=prompts,
      tokens_PGT=self.tokens,
      length_PG=self.length,
      logp_PGT=self.logp,
      margin_PGT=self.margin,
      stopped_PG=np.isin(last[..., 0], stop_tokens),
      experts=experts,
    )
