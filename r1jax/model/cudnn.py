"""Attention of long sequences by cuDNN's kernel on GPUs, behind `attention.attend`.

It takes rows of tokens, each with its length, of which every token sees those before it. So an
answer stands right behind its prompt in a row of S + T tokens, whatever the prompt's length, and
the prompt's places ask with queries of zeros whose results are not read: S of S + T queries, little
where answers are long. Values narrower than keys, as of latent attention, are padded with zeros,
since `jax.nn.dot_product_attention` wants one width.

Letters: R = S + T tokens of a row, J query heads of a key-value head, d key width, e value width.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from r1jax.model import joined
from r1jax.model.spans import Span

# Widest keys that the kernel takes (FlashAttention-2, arXiv:2307.08691), and on Hopper and later.
_WIDEST, _WIDEST_OF_HOPPER = 128, 256


def takes(query_PGTHd: jax.Array) -> bool:
  """Returns whether the kernel takes queries of this dtype and width on the GPU that there is."""
  width, dtype = query_PGTHd.shape[-1], query_PGTHd.dtype
  capability = float(getattr(jax.local_devices()[0], 'compute_capability', 0))
  widest = _WIDEST_OF_HOPPER if capability >= 9 else _WIDEST
  return dtype in (jnp.bfloat16, jnp.float16) and width % 8 == 0 and width <= widest


def attend(
  query_PGTHd: jax.Array, spans: Sequence[Span], *, implementation: str = 'cudnn'
) -> jax.Array:
  """Returns attention of scaled queries, `[P, G, T, H, e]`.

  Args:
    query_PGTHd: scaled queries.
    spans: that can be `joined`.
    implementation: of `jax.nn.dot_product_attention`; 'xla' where there is no GPU.
  """
  kernel = functools.partial(_attend, implementation=implementation)
  return joined.attend(kernel, query_PGTHd, spans)


def _attend(query_PGTKJd, key_PGTKd, value_PGTKe, length_P=None, *prefix, implementation):
  """Returns attention on one device, `[P, G, T, K, J, e]`; `prefix` are keys and values."""
  P, G, T, K, J, d = query_PGTKJd.shape
  e = value_PGTKe.shape[-1]
  query, key, value = query_PGTKJd.reshape(P, G, T, K * J, d), key_PGTKd, value_PGTKe
  if length_P is None:
    length_P = jnp.zeros(P, jnp.int32)
  else:
    nothing = jnp.zeros((P, prefix[0].shape[1], K * J, d), query.dtype)
    query = _behind(nothing, query, length_P)
    key, value = (_behind(a, own, length_P) for a, own in zip(prefix, (key, value), strict=True))
  value = jnp.pad(value, [(0, 0)] * 4 + [(0, d - e)])
  lengths = jnp.repeat(length_P.astype(jnp.int32) + T, G)
  out = jax.nn.dot_product_attention(
    *(array.reshape(P * G, *array.shape[2:]) for array in (query, key, value)),
    scale=1.0,
    is_causal=True,
    query_seq_lengths=lengths,
    key_value_seq_lengths=lengths,
    implementation=implementation,
  )
  starts = jnp.repeat(length_P, G)
  own = jax.vmap(lambda row, start: jax.lax.dynamic_slice_in_dim(row, start, T))(out, starts)
  return own[..., :e].reshape(P, G, T, K, J, e)


def _behind(prefix_PS: jax.Array, own_PGT: jax.Array, length_P: jax.Array) -> jax.Array:
  """Returns rows of a prompt's tokens up to its length, then a sample's, then what is not read."""
  rest = [(0, 0)] * prefix_PS.ndim
  rest[1] = (0, own_PGT.shape[2])
  row_PR = jnp.pad(prefix_PS, rest)
  write = functools.partial(jax.lax.dynamic_update_slice_in_dim, axis=0)
  of_samples = jax.vmap(write, in_axes=(None, 0, None))
  return jax.vmap(of_samples)(row_PR, own_PGT, length_P)
