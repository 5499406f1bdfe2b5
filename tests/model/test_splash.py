"""The TPU's kernel, interpreted on the CPU, is the plain attention."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.model import attention, joined, remat, splash
from r1jax.model.spans import Seen, Span

P, G, S, T = 2, 2, 40, 150
RNG = np.random.default_rng(0)


def normal(*shape):
  return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def prefix(num_heads, key_width, value_width, length=(S, 0)):
  key, value = normal(P, S, num_heads, key_width), normal(P, S, num_heads, value_width)
  return Span(key, value, Seen(jnp.array(length)))


def own(num_heads, key_width, value_width):
  key, value = normal(P, G, T, num_heads, key_width), normal(P, G, T, num_heads, value_width)
  return Span(key, value, Seen(causal=True))


@pytest.mark.parametrize(
  ('num_heads', 'widths'), [(2, (1, 16, 16)), (2, (2, 24, 16))], ids=['grouped', 'latent']
)
def test_the_kernel_is_the_plain_attention(monkeypatch, num_heads, widths):
  """In values and gradients: an empty prompt, tiles that are not full, keys wider than values."""
  monkeypatch.setattr(splash, 'BLOCK', 128)
  spans = [prefix(*widths), own(*widths)]
  inputs = normal(P, G, T, num_heads, widths[1]), [(span.key, span.value) for span in spans]
  weight = normal(P, G, T, num_heads, widths[2])

  def with_gradients(attend, **options):
    def loss(inputs):
      query, arrays = inputs
      which = [Span(*pair, span.seen) for pair, span in zip(arrays, spans)]
      out = attend(query, which, **options)
      return jnp.sum(out * weight), out

    return jax.jit(jax.grad(loss, has_aux=True))(inputs)

  expected, found = with_gradients(attention.plain), with_gradients(splash.attend, interpret=True)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=5e-5), found, expected)


def test_the_kernel_takes_tokens_without_a_prefix(monkeypatch):
  monkeypatch.setattr(splash, 'BLOCK', 128)
  query, spans = normal(P, G, T, 2, 16), [own(2, 16, 16)]
  found = splash.attend(query, spans, interpret=True)
  np.testing.assert_allclose(found, attention.plain(query, spans), atol=5e-5)


def test_it_is_taken_on_tpus_for_what_it_can_do(monkeypatch):
  """Long prompts and answers; not a suffix that is being decoded, nor what is short."""
  taken = []
  monkeypatch.setattr(attention, 'platform', lambda: 'tpu')
  monkeypatch.setattr(splash, 'attend', lambda *_: taken.append('kernel'))
  monkeypatch.setattr(attention.blockwise, 'attend', lambda *_: taken.append('blocks'))
  monkeypatch.setattr(attention, 'PLAIN_SCORES', T * (T + S) - 1)
  query = normal(P, G, T, 2, 16)
  suffix = own(2, 16, 16)._replace(seen=Seen(jnp.array(3)))
  attention.attend(query, [prefix(2, 16, 16), own(2, 16, 16)], scale=1.0)
  attention.attend(query, [suffix, own(2, 16, 16)], scale=1.0)
  assert taken == ['kernel', 'blocks']
  attention.attend(query, [own(2, 16, 16)], scale=1.0)
  monkeypatch.setattr(attention, 'platform', lambda: 'cpu')
  attention.attend(query, [prefix(2, 16, 16), own(2, 16, 16)], scale=1.0)
  assert taken == ['kernel', 'blocks', 'blocks']


def test_one_shared_prefix_and_own_tokens_are_joined_and_nothing_else():
  ours, shared = own(2, 16, 16), prefix(2, 16, 16)
  assert joined.takes([shared, ours]) and joined.takes([ours])
  assert not joined.takes([shared, shared, ours])
  assert not joined.takes([shared, ours._replace(seen=Seen(jnp.array(3)))])


@pytest.mark.parametrize('widths', [(64, 64), (128, 128), (192, 128)])
def test_widths_of_published_models_lower_for_tpus(widths):
  """Forward, and the gradient: two kernels."""
  arrays = [
    jax.ShapeDtypeStruct((1, 1, 1024, 2, width), jnp.bfloat16) for width in (widths[0], *widths)
  ]

  def loss(query, key, value):
    out = splash.attend(query, [Span(key, value, Seen(causal=True))])
    return jnp.sum(out.astype(jnp.float32))

  program = jax.jit(jax.grad(loss, argnums=(0, 1, 2))).trace(*arrays)
  assert program.lower(lowering_platforms=('tpu',)).as_text().count('tpu_custom_call') == 2


def test_what_remat_keeps_of_the_kernel_is_not_computed_again(monkeypatch):
  """Gradients are those of full remat, with the loop of one kernel less."""
  monkeypatch.setattr(splash, 'BLOCK', 128)
  query, key = normal(1, 1, 130, 1, 8), normal(1, 1, 130, 1, 8)

  def gradient_of(policy):
    def loss(query):
      attend = functools.partial(splash.attend, interpret=True)
      kept = jax.checkpoint(attend, policy=remat.POLICIES[policy])
      return jnp.sum(jnp.sin(kept(query, [Span(key, key, Seen(causal=True))])))

    program = jax.jit(jax.grad(loss)).lower(query).compile()
    return program(query), program.as_text().count(' while(')

  expected, loops = gradient_of('full')
  found, fewer = gradient_of('attention')
  assert fewer < loops
  np.testing.assert_allclose(found, expected, atol=1e-5)
