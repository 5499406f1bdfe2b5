"""Exact attention in blocks, so that scores of all pairs of tokens never exist.

A loop goes over pairs of a row of queries and a block of keys, in all spans, with the running
maximum and sum of each query's softmax (Milakov and Gimelshein, arXiv:1805.02867; FlashAttention,
arXiv:2205.14135). What it keeps for the backward pass is the result and the log of the sums, from
which a second loop makes the scores of a pair again (FlashAttention-2, arXiv:2307.08691). Pairs
that a causal span hides wholly are not in the loops.

On a mesh that splits tokens, a row is made of as many parts as there are devices along `context`,
one for each, and keys are gathered. So all devices have the same work, causal or not.

Letters: N rows of queries, C parts of a row, X queries of a part, Y keys of a block; d key width,
e value width, J query heads of a key-value head.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name

from r1jax.model.remat import ATTENDED
from r1jax.model.spans import Seen, Span
from r1jax.sharding import constrain, token_parts

# Most queries of a part and keys of a block: their scores take 1 MiB a head and sample.
BLOCK = 512


class Blocks(NamedTuple):
  """A span in M blocks; see `Span`.

  Attributes:
    key: `[M, P, Y, K, d]` if shared by the group, `[M, P, G, Y, K, d]` if owned by each sample.
    value: the same with width e.
    length: keys before it are seen, `[P]` or one number; None in a gradient.
  """

  key: jax.Array
  value: jax.Array
  length: jax.Array | None

  @property
  def axes(self) -> str:
    """The axes of a block but the last."""
    return 'PYK' if self.key.ndim == 5 else 'PGYK'


def attend(query_PGTHd: jax.Array, spans: Sequence[Span]) -> jax.Array:
  """Returns softmax attention of scaled queries over the union of spans, `[P, G, T, H, e]`."""
  P, G, T, H, d = query_PGTHd.shape
  C, K = token_parts(G), spans[0].key.shape[-2]
  N, X = _split(-(-T // C))
  query = _padded(query_PGTHd, N * C * X).reshape(P, G, N, C, X, K, H // K, d)
  query = _constrain_rows(jnp.einsum('PGNCXKJd->NPKGJCXd', query))
  causal = tuple(span.seen.causal for span in spans)
  out = _attend(causal, query, tuple(_in_blocks(span) for span in spans))
  out = jnp.einsum('NPKGJCXe->PGNCXKJe', _constrain_rows(out))
  return out.reshape(P, G, N * C * X, H, -1)[:, :, :T]


def _split(size: int) -> tuple[int, int]:
  """Returns into how many blocks tokens are split, and of how many tokens each."""
  count = -(-size // BLOCK)
  return count, -(-size // count)


def _padded(array: jax.Array, size: int) -> jax.Array:
  """Returns the array with zeros behind its tokens, which are the third axis from the end."""
  padding = [(0, 0)] * array.ndim
  padding[-3] = (0, size - array.shape[-3])
  return jnp.pad(array, padding)


def _in_blocks(span: Span) -> Blocks:
  """Returns the span in blocks, padded, and on a mesh whole along its tokens."""
  M, Y = _split(span.size)
  length = jnp.minimum(span.size if span.seen.length is None else span.seen.length, span.size)
  axes = (None, 'prompts', *(() if span.shared else ('samples',)), None, 'kv_heads', None)

  def split(array):
    array = _padded(array, M * Y)
    array = array.reshape(*array.shape[:-3], M, Y, *array.shape[-2:])
    return constrain(jnp.moveaxis(array, -4, 0), *axes)

  return Blocks(split(span.key), split(span.value), length)


def _constrain_rows(array: jax.Array) -> jax.Array:
  """Asks the compiler to split what there is of each query, `[N, P, K, G, J, C, X, width]`."""
  return constrain(array, None, 'prompts', 'kv_heads', 'samples', None, 'tokens', None, None)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _attend(causal: tuple[bool, ...], query: jax.Array, spans: tuple[Blocks, ...]) -> jax.Array:
  """Returns attention of rows of queries, `[N, P, K, G, J, C, X, e]`.

  Args:
    causal: of each span, whether its keys are those of the queries' tokens.
    query: scaled, `[N, P, K, G, J, C, X, d]`.
    spans: in blocks.
  """
  return _forward(causal, query, spans)[0]


def _forward(causal, query, spans):
  """Returns attention, and what the backward pass needs."""
  *rows, _ = query.shape
  lowest = jnp.finfo(jnp.float32).min  # And not -inf, which less itself is no number.
  top, total = jnp.full((*rows, 1), lowest), jnp.zeros((*rows, 1))
  state = top, total, jnp.zeros((*rows, spans[0].value.shape[-1]))
  state = jax.tree.map(_constrain_rows, state)
  for own, span in zip(causal, spans, strict=True):

    def add(state, pair, own=own, span=span):
      row, block = pair
      top, total, mixed = (_at(array, row) for array in state)
      scores = _scores(query, span, own, row, block)
      higher = jnp.maximum(top, jnp.max(scores, axis=-1, keepdims=True))
      exps, shrink = jnp.exp(scores - higher), jnp.exp(top - higher)
      more = _product(
        f'PKGJCXY,{span.axes}e->PKGJCXe', exps.astype(query.dtype), _at(span.value, block)
      )
      total = total * shrink + jnp.sum(exps, axis=-1, keepdims=True)
      new = higher, total, mixed * shrink + more
      return jax.tree.map(lambda array, part: _put(array, row, part), state, new), None

    state, _ = jax.lax.scan(add, state, _pairs(query, span, own))
  top, total, mixed = state
  out = (mixed / total).astype(query.dtype)
  out, log_total = (checkpoint_name(array, ATTENDED) for array in (out, top + jnp.log(total)))
  return out, (query, spans, out, log_total)


def _backward(causal, saved, d_out):
  """Returns the gradients of queries and spans."""
  query, spans, out, log_total = saved
  dtype = query.dtype
  # The weights' gradients but for their sum by weight, which is the same for all keys of a query.
  common = jnp.sum(d_out.astype(jnp.float32) * out.astype(jnp.float32), axis=-1, keepdims=True)
  d_query, d_spans = _constrain_rows(jnp.zeros(query.shape)), []
  for own, span in zip(causal, spans, strict=True):

    def add(state, pair, own=own, span=span):
      row, block = pair
      d_query, d_key, d_value = state
      query_row, d_row = _at(query, row), _at(d_out, row)
      weight = jnp.exp(_scores(query, span, own, row, block) - _at(log_total, row))
      d_weight = _product(f'PKGJCXe,{span.axes}e->PKGJCXY', d_row, _at(span.value, block))
      d_scores = (weight * (d_weight - _at(common, row))).astype(dtype)
      more_query = _product(f'PKGJCXY,{span.axes}d->PKGJCXd', d_scores, _at(span.key, block))
      more_key = _product(f'PKGJCXY,PKGJCXd->C{span.axes}d', d_scores, query_row)
      more_value = _product(f'PKGJCXY,PKGJCXe->C{span.axes}e', weight.astype(dtype), d_row)
      return (
        _put(d_query, row, _at(d_query, row) + more_query),
        _put(d_key, block, _at(d_key, block) + more_key),
        _put(d_value, block, _at(d_value, block) + more_value),
      ), None

    state = d_query, _sums_of_parts(query, span.key), _sums_of_parts(query, span.value)
    (d_query, d_key, d_value), _ = jax.lax.scan(add, state, _pairs(query, span, own))
    d_spans.append(
      Blocks(
        jnp.sum(d_key, axis=1).astype(span.key.dtype),
        jnp.sum(d_value, axis=1).astype(span.value.dtype),
        None,
      )
    )
  return d_query.astype(dtype), tuple(d_spans)


_attend.defvjp(_forward, _backward)


def _pairs(query: jax.Array, span: Blocks, own: bool) -> tuple[jax.Array, jax.Array]:
  """Returns the numbers of rows and blocks of all pairs of which something may be seen."""
  num_rows, num_blocks = query.shape[0], span.key.shape[0]
  row_queries, block_keys = query.shape[5] * query.shape[6], span.key.shape[-3]
  row, block = np.indices((num_rows, num_blocks), np.int32).reshape(2, -1)
  keep = block * block_keys < (row + 1) * row_queries if own else slice(None)
  # As constants they would be known before the layers are, and with them the masks of all pairs,
  # which JAX would then make ahead of the loop over layers and keep: T * S numbers after all.
  row, block, _ = jax.lax.optimization_barrier((row[keep], block[keep], query))
  return row, block


def _scores(query: jax.Array, span: Blocks, own: bool, row, block) -> jax.Array:
  """Returns masked scores of a pair in float32, `[P, K, G, J, C, X, Y]`."""
  C, X, Y = *query.shape[5:7], span.key.shape[-3]
  scores = _product(f'PKGJCXd,{span.axes}d->PKGJCXY', _at(query, row), _at(span.key, block))
  query_CX = row * C * X + jnp.arange(C * X).reshape(C, X)
  mask_PCXY = Seen(span.length, own).mask(query_CX, block * Y + jnp.arange(Y))
  return jnp.where(mask_PCXY[:, None, None, None], scores, -jnp.inf)


def _sums_of_parts(query: jax.Array, array: jax.Array) -> jax.Array:
  """Returns zeros for the gradient of blocks, with a second axis C.

  With one sum for all parts, devices that split tokens would have to add theirs up at every pair.
  """
  M, *block = array.shape
  samples = ('samples',) if array.ndim == 6 else ()
  zeros = jnp.zeros((M, query.shape[5], *block))
  return constrain(zeros, None, 'tokens', 'prompts', *samples, None, 'kv_heads', None)


def _product(axes: str, a: jax.Array, b: jax.Array) -> jax.Array:
  return jnp.einsum(axes, a, b, preferred_element_type=jnp.float32)


def _at(array: jax.Array, index) -> jax.Array:
  return jax.lax.dynamic_index_in_dim(array, index, keepdims=False)


def _put(array: jax.Array, index, part: jax.Array) -> jax.Array:
  return jax.lax.dynamic_update_index_in_dim(array, part, index, axis=0)
