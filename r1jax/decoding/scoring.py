"""Log-probabilities of given completions: one pass over the suffix of every sample."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from flax import struct

from r1jax.decoding.prefill import encode_prompts, last_prompt_token, padded
from r1jax.decoding.sampling import log_probabilities
from r1jax.model.moe import Routing
from r1jax.model.transformer import Transformer, call
from r1jax.sharding import constrain, sample_parts, token_parts
from r1jax.structs import Experts, Prompts


@struct.dataclass
class Scores:
  """What scoring says of completions.

  Attributes:
    logp_PGT: log-probability of each token at the temperature; 0 at and after the length.
    entropy_PGT: entropy in nats of the temperature-scaled distribution, before top-k or top-p cut
      it, without gradient.
    hidden_PGTD: final hidden state from which each token is predicted.
    prefix_routing: how prompt tokens were routed (groups of one), or None without experts.
    suffix_routing: how the suffixes' input tokens were routed, or None.
  """

  logp_PGT: jax.Array
  entropy_PGT: jax.Array
  hidden_PGTD: jax.Array
  prefix_routing: Routing | None
  suffix_routing: Routing | None


def length_mask(length: jax.Array, size: int) -> jax.Array:
  """Returns True before each length along a new last axis of `size`."""
  return jnp.arange(size) < length[..., None]


def score(
  model: Transformer,
  params,
  prompts: Prompts,
  tokens_PGT: jax.Array,
  length_PG: jax.Array,
  *,
  temperature: float,
  experts: Experts | None = None,
  chunk_tokens: int | None = None,
) -> Scores:
  """Scores completions; differentiable in `params`, through the suffix and the shared prefix.

  Args:
    model: whose `config` is that of `params`.
    params: tree of parameters.
    prompts: what was asked.
    tokens_PGT: completions.
    length_PG: their lengths; content at or after them has no effect.
    temperature: the distribution's; 0 counts as 1.
    experts: choices to replay, or None to let the router choose.
    chunk_tokens: completion tokens, of all answers together, whose logits exist at one time, in
      float32; None for all.

  Returns:
    `Scores`.

  Raises:
    ValueError: if `chunk_tokens` is below 1.
  """
  if chunk_tokens is not None and chunk_tokens < 1:
    raise ValueError(f'chunk_tokens is {chunk_tokens}; it must be at least 1, or None')
  prefix, prefix_routing = encode_prompts(model, params, prompts, experts)
  P, G, T = tokens_PGT.shape
  # A mesh splits tokens that divide alone, and would else read all of them on every device.
  size = T + -T % token_parts(G)
  tokens_PGT = padded(tokens_PGT, 2, size)
  first_PG1 = jnp.broadcast_to(last_prompt_token(prompts)[:, None, None], (P, G, 1))
  mask_PGT = length_mask(length_PG, size)
  chosen = None
  if experts is not None:
    chosen = padded(experts.suffix_NPGTQ.astype(jnp.int32), 3, size)
  out = call(
    model,
    params,
    'encode',
    jnp.concatenate([first_PG1, tokens_PGT[:, :, :-1]], axis=-1),
    prefix=prefix,
    chosen_NPGTQ=chosen,
    mask_PGT=mask_PGT,
  )
  unembed = functools.partial(call, model, params, 'unembed')
  logp_PGT, entropy_PGT = token_logp(
    unembed, out.hidden_PGTD, tokens_PGT, temperature=temperature, chunk_tokens=chunk_tokens
  )
  routing = out.routing
  if routing is not None:
    routing = dataclasses.replace(routing, chosen_PGTQ=routing.chosen_PGTQ[:, :, :, :T])
  return Scores(
    jnp.where(mask_PGT, logp_PGT, 0.0)[..., :T],
    jnp.where(mask_PGT, entropy_PGT, 0.0)[..., :T],
    out.hidden_PGTD[:, :, :T],
    prefix_routing,
    routing,
  )


def token_logp(unembed, hidden_PGTD, target_PGT, *, temperature: float, chunk_tokens: int | None):
  """Returns log-probability of targets and entropy, `[P, G, T]` each.

  With `chunk_tokens`, that many tokens of the whole batch are taken at a time, but one of each
  prompt at least, and their logits are made again in the backward pass, so that `[P, G, T, V]`
  never exists.
  """

  def one_chunk(chunk):
    hidden, target = chunk
    logp_V = log_probabilities(unembed(hidden), temperature)
    frozen_V = jax.lax.stop_gradient(logp_V)
    entropy = -jnp.sum(jnp.exp(frozen_V) * frozen_V, axis=-1)
    return jnp.take_along_axis(logp_V, target[..., None], axis=-1)[..., 0], entropy

  P, G, T = target_PGT.shape
  if chunk_tokens is None or chunk_tokens >= P * G * T:
    return one_chunk((hidden_PGTD, target_PGT))
  # A chunk has a share of every prompt and of every part of the samples or tokens, since these are
  # what a mesh splits: so each device has its share of every chunk.
  A, B = sample_parts(G), token_parts(G) if T % token_parts(G) == 0 else 1
  C = A * B
  size = max(chunk_tokens // (P * C), 1)
  padding = -(G * T // C) % size

  def split(array):
    """Moves chunks to the front, `[chunks, P, C, size, ...]`."""
    rest = array.shape[3:]
    array = jnp.moveaxis(array.reshape(P, A, G // A, B, T // B, *rest), 3, 2)
    array = array.reshape(P, C, -1, *rest)
    array = jnp.pad(array, [(0, padding) if axis == 2 else (0, 0) for axis in range(array.ndim)])
    array = jnp.moveaxis(array.reshape(P, C, -1, size, *rest), 2, 0)
    return constrain(array, None, 'prompts', 'tokens', *(None,) * (array.ndim - 3))

  parts = jax.lax.map(jax.checkpoint(one_chunk), (split(hidden_PGTD), split(target_PGT)))

  def join(array):
    array = jnp.moveaxis(array, 0, 2).reshape(P, C, -1)[:, :, : G * T // C]
    return jnp.moveaxis(array.reshape(P, A, B, G // A, T // B), 2, 3).reshape(P, G, T)

  return jax.tree.map(join, parts)
