"""Rows for the GPU's kernel give the plain attention, by the same function's plain implementation.

The kernel itself runs only where there is a GPU.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.model import attention, cudnn
from r1jax.model.spans import Seen, Span

P, G, S, T = 3, 2, 24, 40
RNG = np.random.default_rng(0)
HAS_GPU = jax.default_backend() == 'gpu'


def normal(*shape, dtype=jnp.float32):
  return jnp.asarray(RNG.normal(size=shape), dtype)


def drawn(num_heads, num_kv_heads, key_width, value_width, dtype=jnp.float32):
  """Queries, and spans of prompts that are empty, half as long as allowed, and as long."""
  query = normal(P, G, T, num_heads, key_width, dtype=dtype) * key_width**-0.5
  widths = key_width, value_width
  prefix = [normal(P, S, num_kv_heads, width, dtype=dtype) for width in widths]
  own = [normal(P, G, T, num_kv_heads, width, dtype=dtype) for width in widths]
  lengths = Seen(jnp.array([0, S // 2, S]))
  return query, [Span(*prefix, lengths), Span(*own, Seen(causal=True))]


def with_gradients(attend, query, spans):
  weight = jnp.cos(jnp.arange(query.size // query.shape[-1] * spans[0].value.shape[-1]))

  def loss(query, arrays):
    out = attend(query, [Span(*pair, span.seen) for pair, span in zip(arrays, spans)])
    return jnp.sum(out.ravel() * weight), out

  arrays = [(span.key, span.value) for span in spans]
  return jax.jit(jax.grad(loss, (0, 1), has_aux=True))(query, arrays)


def in_rows(query, spans):
  return cudnn.attend(query, spans, implementation='xla')


@pytest.mark.parametrize(
  'shape', [(4, 2, 16, 16), (2, 2, 24, 16)], ids=['grouped', 'keys wider than values']
)
def test_rows_give_the_plain_attention(shape):
  query, spans = drawn(*shape)
  expected, found = (with_gradients(f, query, spans) for f in (attention.plain, in_rows))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), found, expected)


def test_rows_without_a_prefix_are_the_tokens():
  query, (_, own) = drawn(2, 1, 16, 16)
  found = in_rows(query, [own])
  np.testing.assert_allclose(found, attention.plain(query, [own]), atol=1e-5)


def test_what_stands_behind_a_short_prompt_is_not_seen():
  query, (prefix, own) = drawn(2, 1, 16, 16)
  seen = jnp.arange(S)[:, None, None] < prefix.seen.length[:, None, None, None]
  key, value = (jnp.where(seen, array, 9.0) for array in (prefix.key, prefix.value))
  changed = Span(key, value, prefix.seen)
  np.testing.assert_array_equal(in_rows(query, [changed, own]), in_rows(query, [prefix, own]))


def test_it_is_taken_on_gpus_for_what_it_can_do(monkeypatch):
  taken = []
  monkeypatch.setattr(attention, 'PLAIN_SCORES', T * T - 1)
  monkeypatch.setattr(attention, 'platform', lambda: 'gpu')
  monkeypatch.setattr(attention.cudnn, 'attend', lambda *_: taken.append('kernel'))
  monkeypatch.setattr(attention.blockwise, 'attend', lambda *_: taken.append('blocks'))
  monkeypatch.setattr(
    jax, 'local_devices', lambda: [type('Gpu', (), {'compute_capability': '8.0'})]
  )

  def which(width, dtype, platform='gpu'):
    monkeypatch.setattr(attention, 'platform', lambda: platform)
    query, spans = drawn(1, 1, width, width, dtype)
    attention.attend(query, spans, scale=1.0)
    return taken.pop()

  assert which(16, jnp.bfloat16) == 'kernel'
  assert which(16, jnp.bfloat16, 'cpu') == 'blocks'
  assert which(16, jnp.float32) == 'blocks'
  assert which(12, jnp.bfloat16) == 'blocks'
  assert which(192, jnp.bfloat16) == 'blocks'
  hopper = type('Gpu', (), {'compute_capability': '9.0'})
  monkeypatch.setattr(jax, 'local_devices', lambda: [hopper])
  assert which(192, jnp.bfloat16) == 'kernel'


@pytest.mark.skipif(not HAS_GPU, reason='cuDNN runs on GPUs alone')
@pytest.mark.parametrize('shape', [(4, 2, 64, 64), (2, 2, 192, 128)])
def test_the_kernel_is_the_plain_attention(shape):
  query, spans = drawn(*shape, dtype=jnp.bfloat16)
  if not cudnn.takes(query):
    pytest.skip(f'this GPU has no kernel for keys of {shape[2]} numbers')
  expected, found = (with_gradients(f, query, spans) for f in (attention.plain, cudnn.attend))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=0.1, rtol=0.05), found, expected)
