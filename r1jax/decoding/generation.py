"""Samples groups of completions: the prompt is encoded once, each sample grows its own suffix.

Decoding runs in segments. Within one, a jitted loop draws a token at a time for all samples and
ends early when all are done. Between segments the host looks at who is still alive: where that
halves the batch or more, live samples move forward, the group shrinks to the largest number alive
and prompts with none alive leave. Then the suffix gets room for the next segment. So finished
answers stop costing, and every shape is one of few.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.sharding import Mesh

from r1jax import sharding
from r1jax.decoding.prefill import encode_prompts, last_prompt_token
from r1jax.decoding.sampling import Sampler, address, draw, uniform
from r1jax.hosts import Division
from r1jax.model.cache import Prefix, Suffix, append, empty_suffix, grow
from r1jax.model.transformer import Transformer, call
from r1jax.sharding import constrain, constrain_cache
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
  capacity = min(segment_tokens, max_tokens)
  batch, prefix_experts = _start(
    model,
    params,
    prompts,
    key,
    group_size=group_size,
    capacity=capacity,
    prompt_chunk_tokens=prompt_chunk_tokens,
  )
  own = divided.rows(num_prompts)
  out = _Record.empty(len(own), group_size, max_tokens)
  # Where the samples being decoded come from: of all prompts, and the samples of each.
  row_P, column_PG = np.arange(num_prompts), np.tile(np.arange(group_size), (num_prompts, 1))
  first = 0
  while True:
    batch, drawn = _segment(
      model, params, batch, sampler=sampler, stop_tokens=stop_tokens, tokens=capacity - first
    )
    done_PG = sharding.whole(batch.done_PG, mesh)
    here = divided.rows(len(row_P))
    out.write(_fetched(drawn, mesh), np.searchsorted(own, row_P[here]), column_PG[here], first)
    first = capacity
    if first == max_tokens or done_PG.all():
      break
    plan = _compaction(~done_PG, divided, sharding.sample_parts(group_size))
    if plan is not None:
      index_P, index_PG, live_PG = plan
      batch = _take(batch, index_P, index_PG, live_PG)
      row_P = row_P[index_P]
      column_PG = np.take_along_axis(column_PG[index_P], index_PG, axis=1)
    capacity = min(_next_capacity(capacity, segment_tokens), max_tokens)
    batch = dataclasses.replace(batch, suffix=_grow(batch.suffix, capacity=capacity))
  if out.experts is not None:
    prefix_experts = sharding.fetch(prefix_experts, mesh, axis=1)
  return out.rollouts(sharding.fetch(prompts, mesh), prefix_experts, stop_tokens)


def _fetched(drawn: Drawn, mesh: Mesh | None) -> Drawn:
  """Returns what was drawn for the prompts of this process, on the host."""
  experts = sharding.fetch(drawn.experts_NPGUQ, mesh, axis=1)
  others = sharding.fetch(dataclasses.replace(drawn, experts_NPGUQ=None), mesh)
  return dataclasses.replace(others, experts_NPGUQ=experts)


def _next_capacity(capacity: int, segment_tokens: int) -> int:
  """Returns the room of the next segment: one segment more, but at least a quarter more.

  Long answers so see a number of shapes that grows with the logarithm of their length.
  """
  quarter = -(-capacity // (4 * segment_tokens)) * segment_tokens
  return capacity + max(segment_tokens, quarter)


@functools.partial(
  jax.jit, static_argnames=('model', 'group_size', 'capacity', 'prompt_chunk_tokens')
)
def _start(
  model,
  params,
  prompts: Prompts,
  key,
  *,
  group_size: int,
  capacity: int,
  prompt_chunk_tokens: int | None = None,
):
  """Encodes the prompts and returns the first batch and the prompts' experts."""
  prefix, routing = encode_prompts(model, params, prompts, chunk_tokens=prompt_chunk_tokens)
  shape = (prompts.tokens_PS.shape[0], group_size)
  token_PG = jnp.broadcast_to(last_prompt_token(prompts)[:, None], shape)
  entries = jax.eval_shape(lambda p: call(model, p, 'encode', token_PG[..., None]).cache, params)
  batch = Batch(
    prefix,
    empty_suffix(entries, capacity),
    token_PG,
    address(key, prompts.address_P[:, None], jnp.arange(group_size)),
    jnp.zeros(shape, bool),
  )
  experts = None if routing is None else routing.chosen_PGTQ[:, :, 0].astype(jnp.int16)
  return _split(batch), experts


def _split(batch: Batch) -> Batch:
  """Asks for a batch that is split over the mesh; without, new suffixes would be on all devices."""
  prefix = constrain_cache(batch.prefix.cache, 'prompts', None)  # All samples see all of it.
  suffix = constrain_cache(batch.suffix.cache, 'prompts', 'samples', None)
  return dataclasses.replace(
    batch,
    prefix=dataclasses.replace(batch.prefix, cache=prefix),
    suffix=dataclasses.replace(batch.suffix, cache=suffix),
    token_PG=constrain(batch.token_PG, 'prompts', 'samples'),
    done_PG=constrain(batch.done_PG, 'prompts', 'samples'),
  )


@functools.partial(
  jax.jit,
  static_argnames=('model', 'sampler', 'stop_tokens', 'tokens'),
  donate_argnames=('batch',),
)
def _segment(model, params, batch: Batch, *, sampler, stop_tokens, tokens: int):
  """Draws up to `tokens` tokens of every sample; fewer if all are done."""
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


def _bucket(number: int, largest: int, multiple: int = 1) -> int:
  """Returns the smallest of `largest`, its half, quarter, ... that holds `number`.

  Halves are rounded up to a multiple of `multiple`.
  """
  size = largest
  while (half := -(-size // (2 * multiple)) * multiple) >= number and half < size:
    size = half
  return size


def _compaction(live_PG: np.ndarray, divided: Division, sample_parts: int):
  """Plans a smaller batch: which prompts, which samples of each, which of those are alive.

  Prompts stay in the block of their process, so that the one with most alive decides. The number of
  samples stays a multiple of the parts into which a mesh splits them: with fewer all would lie on
  all of its devices.

  Returns:
    Indices `[P']`, `[P', G']` and the mask `[P', G']`; or None if it would not halve the batch.
  """
  P, G = live_PG.shape
  alive_P = live_PG.sum(axis=1)
  blocks = divided.by_block(P)
  most = max(int((alive_P[rows] > 0).sum()) for rows in blocks)
  kept = _bucket(most, P // len(blocks), divided.num_parts // len(blocks))
  num_prompts = kept * len(blocks)
  num_samples = _bucket(int(alive_P.max()), G, sample_parts)
  if num_prompts * num_samples * 2 > P * G:
    return None
  index_P = np.zeros(num_prompts, int)
  for old, new in zip(blocks, divided.by_block(num_prompts)):
    index_P[new] = old[np.argsort(alive_P[old] == 0, kind='stable')[:kept]]
  index_PG = np.tile(np.arange(G), (num_prompts, 1))
  if num_samples < G:
    index_PG = np.argsort(~live_PG[index_P], axis=1, kind='stable')[:, :num_samples]
  return index_P, index_PG, np.take_along_axis(live_PG[index_P], index_PG, axis=1)


@jax.jit
def _take(batch: Batch, index_P, index_PG, live_PG) -> Batch:
  """Returns the batch of the chosen prompts and samples; those not alive are padding."""

  def samples(array, axis):
    """Picks prompts at `axis` and each prompt's samples at `axis + 1`."""
    array = jnp.take(array, index_P, axis=axis)
    if index_PG.shape[1] == array.shape[axis + 1]:
      return array  # All of them, in their place.
    shape = [1] * array.ndim
    shape[axis : axis + 2] = index_PG.shape
    return jnp.take_along_axis(array, index_PG.reshape(shape), axis=axis + 1)

  prefix = Prefix(
    jax.tree.map(lambda array: jnp.take(array, index_P, axis=1), batch.prefix.cache),
    batch.prefix.length_P[index_P],
  )
  suffix = Suffix(
    jax.tree.map(lambda array: samples(array, 1), batch.suffix.cache), batch.suffix.length
  )
  token_PG, key_PG = samples(batch.token_PG, 0), samples(batch.key_PG, 0)
  return _split(Batch(prefix, suffix, token_PG, key_PG, ~live_PG))


_grow = jax.jit(grow, static_argnames='capacity')


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
