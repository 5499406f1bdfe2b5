"""Encoding of prompts, once for the groups of their answers, at once or in chunks of tokens."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from r1jax.model.cache import Cache, Prefix, as_prefix
from r1jax.model.moe import Routing
from r1jax.model.transformer import Transformer, call
from r1jax.sharding import constrain_cache, token_parts
from r1jax.structs import Experts, Prompts


def encode_prompts(
  model: Transformer,
  params: Any,
  prompts: Prompts,
  experts: Experts | None = None,
  *,
  chunk_tokens: int | None = None,
) -> tuple[Prefix, Routing | None]:
  """Encodes all but the last token of each prompt, once for its whole group.

  Args:
    model: whose `config` is that of `params`.
    params: tree of parameters.
    prompts: questions as tokens.
    experts: choices to replay, or None to let the router choose.
    chunk_tokens: tokens of each prompt that are read at one time, so that activations are those of
      no more; each chunk sees those before it. None for all.

  Returns:
    The prefix, with room for some more tokens where a mesh splits them, and how tokens were routed
    (groups of one), or None without experts.
  """
  length_P = prompts.length_P - 1
  # Prompts of one token have a prefix of one token too, which nothing sees.
  tokens_P1S = prompts.tokens_PS[:, None, : max(prompts.tokens_PS.shape[1] - 1, 1)]
  num_tokens = tokens_P1S.shape[-1]
  # A mesh splits tokens that divide alone, and would else read all of them on every device.
  size = num_tokens + -num_tokens % token_parts(1)
  mask_P1S = jnp.arange(size) < length_P[:, None, None]
  tokens_P1S = padded(tokens_P1S, 2, size)
  chosen = None
  if experts is not None:
    chosen = padded(experts.prefix_NPSQ[:, :, None].astype(jnp.int32), 3, size)
  encode = functools.partial(call, model, params, 'encode')
  if chunk_tokens is None or chunk_tokens >= size:
    out = encode(tokens_P1S, mask_PGT=mask_P1S, chosen_NPGTQ=chosen)
    prefix, routing = as_prefix(out.cache, length_P), out.routing
  else:
    whole = size + -size % chunk_tokens

    def split(array: jax.Array, axis: int) -> jax.Array:
      """Returns the array in chunks of tokens, which become its first axis."""
      shape = (*array.shape[:axis], -1, chunk_tokens, *array.shape[axis + 1 :])
      return jnp.moveaxis(padded(array, axis, whole).reshape(shape), axis, 0)

    chunks: dict[str, Any] = {'tokens_PGT': split(tokens_P1S, 2), 'mask_PGT': split(mask_P1S, 2)}
    chunks['chosen_NPGTQ'] = None if chosen is None else split(chosen, 3)
    cache, routing = _chunk_by_chunk(encode, chunks)
    prefix = Prefix(jax.tree.map(lambda array: array[:, :, :size], cache), length_P)
  if routing is not None:
    routing = dataclasses.replace(routing, chosen_PGTQ=routing.chosen_PGTQ[:, :, :, :num_tokens])
  return prefix, routing


def padded(array: jax.Array, axis: int, size: int) -> jax.Array:
  """Returns the array with so many entries along an axis, zeros behind those that it has."""
  padding = [(0, 0)] * array.ndim
  padding[axis] = (0, size - array.shape[axis])
  return jnp.pad(array, padding)


def _chunk_by_chunk(encode: Callable, chunks: Any) -> tuple[Cache, Routing | None]:
  """Encodes chunks of tokens in turn; returns their entries `[N, P, S, ...]` and their routing.

  Args:
    encode: pass of the model, called with a prefix.
    chunks: its other arguments, with a first axis over chunks.
  """
  count, P, _, size = chunks['tokens_PGT'].shape

  def make_room(array: jax.ShapeDtypeStruct) -> jax.Array:
    return jnp.zeros((*array.shape[:2], count * size, *array.shape[4:]), array.dtype)

  first = jax.tree.map(lambda array: array[0], chunks)
  entries = jax.eval_shape(lambda: encode(**first).cache)
  # What is written at an offset stays whole along its tokens.
  room = constrain_cache(jax.tree.map(make_room, entries), 'prompts', None)

  def read(state, chunk):
    room, length = state
    out = encode(**chunk, prefix=Prefix(room, jnp.full(P, length)))

    def write(room, new):
      return jax.lax.dynamic_update_slice_in_dim(room, new[:, :, 0], length, axis=2)

    return (jax.tree.map(write, room, out.cache), length + size), out.routing

  (room, _), routing = jax.lax.scan(read, (room, 0), chunks)
  return room, None if routing is None else _joined(routing)


def _joined(routing: Routing) -> Routing:
  """Returns the routing of all tokens from that of chunks, which are the first axis."""
  chosen = jnp.moveaxis(routing.chosen_PGTQ, 0, 3)  # [N, P, 1, chunks, tokens, Q]
  return Routing(
    chosen.reshape(*chosen.shape[:3], -1, chosen.shape[-1]),
    jnp.sum(routing.load_PGE, axis=0),
    jnp.sum(routing.affinity_PGE, axis=0),
    jnp.sum(routing.flips_PG, axis=0),
  )


def last_prompt_token(prompts: Prompts) -> jax.Array:
  """Returns the token that starts every suffix, `[P]`."""
  return jnp.take_along_axis(prompts.tokens_PS, prompts.length_P[:, None] - 1, axis=1)[:, 0]
