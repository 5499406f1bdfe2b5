"""Attention in blocks is the plain one, in values and gradients."""

import dataclasses
import functools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import VOCABULARY, subject
from hypothesis import given
from hypothesis import strategies as st

from r1jax.model import attention, blockwise, call, mla
from r1jax.model.cache import Sight, as_prefix
from r1jax.model.spans import Seen, Span
from r1jax.model.transformer import Transformer

P, G, T, S, U = 2, 3, 20, 13, 9
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
  """Of 8 tokens: rows of 7 queries, blocks of 7 and 5 keys, the last of each not full."""
  monkeypatch.setattr(blockwise, 'BLOCK', 8)


OWN_BLOCKS = blockwise.Blocks(jnp.zeros((8, 1, 1, 8, 1, 1)), jnp.zeros((8, 1, 1, 8, 1, 1)), None)


def compiled(function):
  return jax.jit(function)


def normal(*shape):
  return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def arrays(num_heads, num_kv_heads, key_width, value_width):
  """Queries, and keys and values of a prefix, a suffix so far, and the tokens themselves."""
  spans = [
    (normal(*tokens, num_kv_heads, key_width), normal(*tokens, num_kv_heads, value_width))
    for tokens in ((P, S), (P, G, U), (P, G, T))
  ]
  return normal(P, G, T, num_heads, key_width), spans


def attended(attend, query, spans):
  """One prompt is empty, and of the room of the suffix four tokens are taken."""
  seen = [Seen(jnp.array([S, 0])), Seen(jnp.array(4)), Seen(causal=True)]
  return attend(query, [Span(*span, which) for span, which in zip(spans, seen, strict=True)])


def with_gradients(attend, inputs, weight):
  def loss(inputs):
    out = attended(attend, *inputs)
    return jnp.sum(out * weight), out

  gradient, out = compiled(jax.grad(loss, has_aux=True))(inputs)
  return out, gradient


@pytest.mark.parametrize(
  'widths', [(4, 2, 6, 5), (2, 2, 3, 2), (4, 1, 6, 5)], ids=['grouped', 'expanded', 'absorbed']
)
def test_blocks_are_the_plain_attention(widths):
  inputs, weight = arrays(*widths), normal(P, G, T, widths[0], widths[3])
  expected, found = (
    with_gradients(attend, inputs, weight) for attend in (attention.plain, blockwise.attend)
  )
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), found, expected)
  query, ((key, _), *_) = expected[1]
  assert np.abs(query).max() > 0.1 and np.abs(key[0]).max() > 0.1
  assert not np.any(key[1]), 'an empty prompt has no gradient'


def test_sums_are_in_float32():
  """bfloat16 is no further from the truth in blocks than at once."""
  query, spans = arrays(4, 2, 6, 5)
  exact = attended(attention.plain, query, spans)
  narrow = jax.tree.map(lambda a: a.astype('bfloat16'), (query, spans))
  plain, blocks = (
    compiled(functools.partial(attended, f))(*narrow) for f in (attention.plain, blockwise.attend)
  )
  assert blocks.dtype == jnp.bfloat16
  error, allowed = (jnp.sqrt(jnp.mean((found - exact) ** 2)) for found in (blocks, plain))
  assert error < 1.1 * allowed


def test_what_is_not_seen_may_be_anything():
  """In values and in the gradients of all else, bit for bit, also of a first block unseen."""
  inputs, weight = arrays(2, 2, 3, 2), normal(P, G, T, 2, 2)
  query, (prefix, suffix, own) = inputs
  wild = (
    tuple(array.at[1].set(1e30) for array in prefix),
    tuple(array.at[:, :, 4:].set(-1e30) for array in suffix),
    own,
  )
  expected = with_gradients(blockwise.attend, inputs, weight)
  found = with_gradients(blockwise.attend, (query, list(wild)), weight)
  jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.mark.parametrize('middle', [500.0, -500.0])
def test_scores_beyond_the_range_of_exp(middle):
  """The best key is in the last block of one span; that of the other scores 10 less."""
  key = jnp.full((1, 20, 1, 1), middle - 10).at[0, 19].set(middle + 10)
  one = jnp.ones((1, 1, 1, 1, 1))
  spans = [Span(key, key, Seen()), Span(middle * one, 3 * one, Seen())]
  weight = math.exp(-10)
  expected = (middle + 10 + 3 * weight) / (1 + weight)
  np.testing.assert_allclose(blockwise.attend(one, spans), expected, rtol=1e-6)


@given(st.integers(1, 200))
def test_blocks_are_few_and_no_larger_than_allowed(size):
  count, each = blockwise._split(size)
  assert (count - 1) * blockwise.BLOCK < size <= count * each and each <= blockwise.BLOCK


def test_pairs_that_are_hidden_are_not_in_the_loop():
  """Of 4 rows and 4 blocks of as many tokens a causal span has 1 + 2 + 3 + 4 pairs."""
  query = jnp.zeros((4, P, 1, G, 1, 2, 3, 5))
  span = blockwise.Blocks(jnp.zeros((4, P, G, 6, 1, 5)), jnp.zeros((4, P, G, 6, 1, 5)), 24)
  rows, blocks = blockwise._pairs(query, span, True)
  assert sorted(zip(rows, blocks)) == [(row, block) for row in range(4) for block in range(row + 1)]
  assert len(blockwise._pairs(query, span, False)[0]) == 16


def test_long_sequences_are_taken_in_blocks(monkeypatch):
  """From a number of pairs on; and then no array has the size of all scores, nor a twentieth."""
  monkeypatch.setattr(blockwise, 'BLOCK', 128)
  length = 1025
  array = jax.ShapeDtypeStruct((1, 1, length, 1, 8), jnp.float32)

  def temporaries(limit):
    monkeypatch.setattr(attention, 'PLAIN_SCORES', limit)

    def loss(query, key, value):
      spans = [Span(key, value, Seen(causal=True))]
      return jnp.sum(attention.attend(query, spans, scale=1.0) ** 2)

    program = jax.jit(jax.grad(loss, argnums=(0, 1, 2))).lower(array, array, array).compile()
    return program.memory_analysis().temp_size_in_bytes

  assert temporaries(length**2 - 1) < 4 * length**2 / 4 < 4 * length**2 < temporaries(length**2)


def test_no_mask_of_all_pairs_is_kept_for_the_layers(monkeypatch):
  """Masks know nothing of the layer, so JAX would make them once, if nothing tied them to it."""
  monkeypatch.setattr(attention, 'PLAIN_SCORES', 0)
  config = dataclasses.replace(subject('gqa').config, remat='full')
  tokens = jnp.zeros((1, 1, 64), jnp.int32)

  def loss(params):
    return jnp.sum(call(Transformer(config), params, 'encode', tokens).hidden_PGTD)

  program = compiled(jax.grad(loss)).lower(subject('gqa').params).compile().as_text()
  pairs = len(blockwise._pairs(jnp.zeros((8, 1, 1, 1, 1, 1, 8, 1)), OWN_BLOCKS, True)[0])
  assert pairs == 36 and '[36]' in program, 'the loop over pairs'
  assert not re.search(r'\[36,[\d,]*8,8\]', program)


@pytest.mark.parametrize('name', ['gqa', 'v3'])
def test_a_model_in_blocks_is_the_plain_one(monkeypatch, name):
  """One layer under remat, prompts and their groups' answers: hidden states and gradients."""
  config = dataclasses.replace(
    subject(name).config, num_layers=1, moe=None, num_dense_layers=0, num_mtp=0, remat='full'
  )
  params, model = dict(subject(name).params), Transformer(config)
  params['dense_layers'] = jax.tree.map(lambda leaf: leaf[:1], params['dense_layers'])
  prompt_PS = RNG.integers(0, VOCABULARY, (P, S))
  answer_PGT = RNG.integers(0, VOCABULARY, (P, G, T))
  weight = normal(P, G, T, config.model_dim)

  def loss(params):
    prefix = as_prefix(call(model, params, 'encode', prompt_PS[:, None]).cache, jnp.array([S, 4]))
    out = call(model, params, 'encode', answer_PGT, prefix=prefix)
    return jnp.sum(out.hidden_PGTD * weight), out.hidden_PGTD

  results = []
  for limit in (attention.PLAIN_SCORES, 0):
    monkeypatch.setattr(attention, 'PLAIN_SCORES', limit)
    results.append(compiled(jax.grad(lambda p: loss(p), has_aux=True))(params))
  (gradient, expected), (other, found) = results
  np.testing.assert_allclose(found, expected, atol=1e-4)
  for a, b in zip(jax.tree.leaves(other), jax.tree.leaves(gradient), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-4 * max(1, np.abs(b).max()))


def test_latents_of_long_answers_are_expanded_one_answer_at_a_time(monkeypatch):
  """So that keys and values of every head, and their gradients, are those of one answer."""
  monkeypatch.setattr(attention, 'PLAIN_SCORES', 0)
  wide = dataclasses.replace(subject('v3').config.attention, nope_dim=64, value_dim=64)
  latent = mla.LatentAttention(subject('v3').config, wide)
  sight = Sight(None, None, None, None)

  def temporaries(num_samples):
    x_PGTD = jnp.zeros((1, num_samples, 64, subject('v3').config.model_dim))
    angles = jnp.zeros((1, num_samples, 64, 1, wide.rope_dim // 2))
    apply = functools.partial(
      latent.apply, cos_sin=(angles, angles), sight=sight, absorbed=False, mutable=False
    )
    params = latent.init(
      jax.random.key(0), x_PGTD, cos_sin=(angles, angles), sight=sight, absorbed=False
    )
    gradient = jax.grad(lambda params: jnp.sum(apply(params, x_PGTD)[0] ** 2))
    return compiled(gradient).lower(params).compile().memory_analysis().temp_size_in_bytes

  by_one = temporaries(33) - temporaries(17)
  monkeypatch.setattr(mla, 'is_long', lambda *_: False)
  assert by_one < 0.7 * (temporaries(33) - temporaries(17))


@pytest.mark.parametrize('name', ['gqa', 'v3'])
def test_what_remat_keeps_of_attention_is_not_computed_again(monkeypatch, name):
  """Gradients are those of full remat, with one loop of products less a span and layer."""
  monkeypatch.setattr(attention, 'PLAIN_SCORES', 0)
  config = dataclasses.replace(
    subject(name).config, num_layers=1, moe=None, num_dense_layers=0, num_mtp=0
  )
  params = dict(subject(name).params)
  params['dense_layers'] = jax.tree.map(lambda leaf: leaf[:1], params['dense_layers'])
  tokens_PGT = RNG.integers(0, VOCABULARY, (P, 1, T))

  def gradient_of(remat):
    model = Transformer(dataclasses.replace(config, remat=remat))

    def loss(params):
      return jnp.sum(jnp.sin(call(model, params, 'encode', tokens_PGT).hidden_PGTD))

    program = compiled(jax.grad(loss)).lower(params).compile()
    return program(params), program.as_text().count(' while(')

  expected, loops = gradient_of('full')
  found, fewer = gradient_of('attention')
  assert fewer == loops - 1
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5 * max(1, np.abs(b).max()))
