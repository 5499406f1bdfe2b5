"""Samples groups of completions: the prompt is encoded once, each sample grows its own suffix.

Decoding runs in segments. Within one, a jitted loop draws a token at a time for all samples and
ends early when all are done. Between segments the host looks at who is still alive: finished
samples leave, and the suffix gets room for the next segment (`live`).
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
from r1jax.decoding.live import Batch, compaction, laid_out, rooms, take, with_room
from r1jax.decoding.prefill import encode_prompts, last_prompt_token
from r1jax.decoding.sampling import Sampler, address, draw, uniform
from r1jax.model.cache import append, empty_suffix
from r1jax.model.transformer import Transformer, call
from r1jax.structs import Experts, Prompts, Rollouts


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
    batch = dataclasses.replace(batch, suffix=with_room(batch.suffix, room))
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
