"""Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434 sec. 2.1; DeepSeek-V3 sec. 2.1.1).

Two forms of the same function:
  expanded: latents are expanded to keys and values of every head. Fewest operations where many
    queries share keys: training and scoring.
  absorbed: the expansion moves to the query and to the output, and all heads attend to the latents
    themselves, as if to one key-value head of width C + R whose value is its first C numbers.
    Fewest bytes where a token attends alone: decoding.

Letters: Q query rank, N key width without position, R key width with position, O value width, A
parts into which a mesh splits samples.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from r1jax.model import rope as rope_lib
from r1jax.model import stationary
from r1jax.model.attention import attend, is_long
from r1jax.model.config import MLA, ModelConfig
from r1jax.model.layers import RMSNorm, linear, project, weight
from r1jax.model.remat import KEEP_ATTENDED
from r1jax.model.spans import Span
from r1jax.sharding import constrain, sample_parts


class LatentAttention(nn.Module):
  """Latent attention; caches of a token its normalised latent `[C]` and rotated key `[R]`."""

  config: ModelConfig
  shape: MLA

  @nn.compact
  def __call__(self, x_PGTD, *, cos_sin, sight, absorbed: bool):
    """Attends from each token of `x_PGTD` to what `sight` shows.

    Args:
      x_PGTD: inputs.
      cos_sin: rotary angles of their positions.
      sight: `r1jax.model.cache.Sight` of this layer.
      absorbed: which form computes it.

    Returns:
      Outputs `[P, G, T, D]` and the cache entries of these tokens.
    """
    config, shape = self.config, self.shape
    C, H = shape.kv_rank, shape.num_heads
    query_PGTHN, query_PGTHR = self._query(x_PGTD, cos_sin)
    entries = self._entries(x_PGTD, cos_sin)
    key_up_CHN = weight(self, config, 'key_up', C, H, shape.nope_dim)
    value_up_CHO = weight(self, config, 'value_up', C, H, shape.value_dim)
    scale = rope_lib.softmax_scale(config.rope, shape.nope_dim + shape.rope_dim)
    if absorbed:
      query_PGTHC = _by_head('...HN,CHN->...HC', query_PGTHN, key_up_CHN, sums_rank=False)
      query = jnp.concatenate([query_PGTHC, query_PGTHR], axis=-1)
      spans = [_latent_span(e, seen) for e, seen in sight.spans(entries)]
      mixed_PGTHC = attend(query, spans, scale=scale)
      mixed_PGTHO = _by_head('...HC,CHO->...HO', mixed_PGTHC, value_up_CHO, sums_rank=True)
    else:
      query = jnp.concatenate([query_PGTHN, query_PGTHR], axis=-1)
      expand = functools.partial(_expanded_span, key_up_CHN=key_up_CHN, value_up_CHO=value_up_CHO)
      mixed_PGTHO = _attend_expanded(query, sight.spans(entries), expand, scale)
    return project(self, config, 'out', mixed_PGTHO, x_PGTD.shape[-1], num_inputs=2), entries

  def _query(self, x_PGTD, cos_sin):
    """Returns the queries' parts without and with position."""
    config, shape = self.config, self.shape
    H, width = shape.num_heads, shape.nope_dim + shape.rope_dim
    if shape.query_rank is None:
      query = project(self, config, 'query', x_PGTD, H, width)
    else:
      down_PGTQ = project(self, config, 'query_down', x_PGTD, shape.query_rank)
      latent_PGTQ = RMSNorm(shape.norm_epsilon, name='query_norm')(down_PGTQ)
      query = project(self, config, 'query_up', latent_PGTQ, H, width)
    query_PGTHN, query_PGTHR = jnp.split(query, [shape.nope_dim], axis=-1)
    return query_PGTHN, rope_lib.rotate(query_PGTHR, cos_sin, interleaved=config.rope.interleaved)

  def _entries(self, x_PGTD, cos_sin):
    """Returns what is cached of each token."""
    config, shape = self.config, self.shape
    down = project(self, config, 'kv_down', x_PGTD, shape.kv_rank + shape.rope_dim)
    latent_PGTC, key_PGTR = jnp.split(down, [shape.kv_rank], axis=-1)
    latent_PGTC = RMSNorm(shape.norm_epsilon, name='kv_norm')(latent_PGTC)
    key_PGT1R = rope_lib.rotate(
      key_PGTR[..., None, :], cos_sin, interleaved=config.rope.interleaved
    )
    return {'latent': latent_PGTC, 'rope_key': key_PGT1R[..., 0, :]}


def _by_head(subscripts: str, x_PGTHd, matrix, *, sums_rank: bool):
  """Multiplies what each head has with its matrix, by which latents are expanded."""
  few = stationary.product(
    functools.partial(jnp.einsum, subscripts, preferred_element_type=jnp.float32),
    *(x_PGTHd, matrix),
    axes=('rank', 'heads', None),
    of_x=('heads', None),
    of_y=('heads', None),
    sums_width=sums_rank,
    dtype=x_PGTHd.dtype,
  )
  return jnp.einsum(subscripts, x_PGTHd, matrix) if few is None else few


def _attend_expanded(query_PGTHd, latents, expand, scale):
  """Attends to latents that are expanded to every head.

  Long answers are taken one after the other, and expanded again in the backward pass: keys and
  values of every head are much larger than latents, and those of one answer are enough at a time.
  On a mesh that splits the samples of a group, one of each device.

  Args:
    query_PGTHd: queries.
    latents: entries of each span and which are seen.
    expand: of entries and which are seen, the span.
    scale: of the scores.
  """
  num_keys = sum(entries['latent'].shape[-2] for entries, _ in latents)
  num_samples, num_queries = query_PGTHd.shape[1:3]
  A = sample_parts(num_samples)
  if num_samples == A or not is_long(num_queries, num_keys):
    return attend(query_PGTHd, [expand(e, seen) for e, seen in latents], scale=scale)
  # Shared by the group, `[P, S, C]`, or a sample's own, `[P, G, U, C]`.
  shared = [expand(e, seen) for e, seen in latents if e['latent'].ndim == 3]
  own = [(e, seen) for e, seen in latents if e['latent'].ndim == 4]

  @functools.partial(jax.checkpoint, policy=KEEP_ATTENDED)
  def attend_one(of_sample):
    query_PATHd, entries = of_sample
    one = [expand(e, seen) for e, (_, seen) in zip(entries, own, strict=True)]
    return attend(query_PATHd, shared + one, scale=scale)

  def split(array):
    """Moves the samples of a device to the front, `[G / A, P, A, ...]`."""
    array = array.reshape(array.shape[0], A, num_samples // A, *array.shape[2:])
    array = jnp.moveaxis(array, 2, 0)
    return constrain(array, None, 'prompts', 'samples', 'tokens', *(None,) * (array.ndim - 4))

  by_sample = jax.tree.map(split, (query_PGTHd, [entries for entries, _ in own]))
  mixed = jnp.moveaxis(jax.lax.map(attend_one, by_sample), 0, 2)
  return mixed.reshape(*query_PGTHd.shape[:-1], mixed.shape[-1])


def _latent_span(entries, seen) -> Span:
  """One key-value head: keys are latent and rotated key side by side, values the latent."""
  key = jnp.concatenate([entries['latent'], entries['rope_key']], axis=-1)
  return Span(key[..., None, :], entries['latent'][..., None, :], seen)


def _expanded_span(entries, seen, *, key_up_CHN, value_up_CHO) -> Span:
  """Keys and values of every head; the rotated key is the same for all heads."""
  key_N = linear(entries['latent'], key_up_CHN)
  value = linear(entries['latent'], value_up_CHO)
  key_R = jnp.broadcast_to(
    entries['rope_key'][..., None, :], (*key_N.shape[:-1], entries['rope_key'].shape[-1])
  )
  return Span(jnp.concatenate([key_N, key_R], axis=-1), value, seen)
