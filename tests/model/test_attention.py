import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import slow_model

from r1jax.model import attention, cudnn, rope, splash
from r1jax.model.attention import GroupedQueryAttention, attend
from r1jax.model.cache import Sight
from r1jax.model.config import GQA
from r1jax.model.spans import Seen, Span

ALONE = Sight(prefix=None, prefix_length_P=None, suffix=None, suffix_length=None)


def test_attend_to_shared_and_owned_spans_against_loops():
  """Two prompts of 3 and 0 prefix tokens, three samples, two query heads to a key-value head."""
  P, G, T, H, K, S = 2, 3, 4, 4, 2, 5
  rng = np.random.default_rng(0)
  query = rng.normal(size=(P, G, T, H, 6))
  shared_key, shared_value = rng.normal(size=(P, S, K, 6)), rng.normal(size=(P, S, K, 3))
  own_key, own_value = rng.normal(size=(P, G, T, K, 6)), rng.normal(size=(P, G, T, K, 3))
  length_P = np.array([3, 0])
  spans = [
    Span(jnp.asarray(shared_key), jnp.asarray(shared_value), Seen(jnp.asarray(length_P))),
    Span(jnp.asarray(own_key), jnp.asarray(own_value), Seen(causal=True)),
  ]
  found = np.asarray(attend(jnp.asarray(query), spans, scale=0.7))
  for p, g, t, h in np.ndindex(P, G, T, H):
    k = h // (H // K)
    keys = [*shared_key[p, : length_P[p], k], *own_key[p, g, : t + 1, k]]
    values = [*shared_value[p, : length_P[p], k], *own_value[p, g, : t + 1, k]]
    expected = slow_model.attend(query[p, g, t, h], keys, values, 0.7)
    np.testing.assert_allclose(found[p, g, t, h], expected, atol=2e-6)


def test_attend_sums_in_float32():
  """In bfloat16 weights and the result are rounded, once each; sums and the division are not."""
  rng = np.random.default_rng(1)
  query, key, value = (
    jnp.asarray(rng.normal(size=(1, 1, 200, 4, 32)), jnp.bfloat16) for _ in range(3)
  )
  spans = [Span(key, value, Seen(causal=True))]
  found = attend(query, spans, scale=0.2)
  assert found.dtype == jnp.bfloat16
  wide = [Span(key.astype('float32'), value.astype('float32'), Seen(causal=True))]
  exact = attend(query.astype('float32'), wide, scale=0.2)
  error = np.sqrt(np.mean((np.asarray(found, np.float32) - exact) ** 2))
  rounding = np.sqrt(np.mean((np.asarray(exact.astype('bfloat16'), np.float32) - exact) ** 2))
  assert rounding < error < 2 * rounding
  ones = [Span(key, jnp.ones_like(value), Seen(causal=True))]
  np.testing.assert_allclose(attend(query, ones, scale=0.2).astype('float32'), 1.0, atol=2**-8)


def test_attend_survives_scores_beyond_the_range_of_exp():
  """Keys score 500 and 510 in one span, 500 in another: these weigh exp(-10), and mean 2."""
  one = jnp.ones((1, 1, 1, 1, 1))
  shared = Span(jnp.array([[[[500.0]], [[510.0]]]]), jnp.array([[[[1.0]], [[2.0]]]]), Seen())
  owned = Span(500 * one, 3 * one, Seen())
  np.testing.assert_allclose(attend(one, [shared, owned], scale=1.0), 2.0, atol=2e-6)


def test_unseen_keys_get_no_gradient_and_make_no_nan():
  key = jnp.full((1, 4, 1, 2), 3.0)
  seen = Seen(jnp.array([0]))

  def loss(key, value):
    own = Span(jnp.ones((1, 1, 1, 1, 2)), jnp.ones((1, 1, 1, 1, 2)), Seen(causal=True))
    return attend(jnp.ones((1, 1, 1, 1, 2)), [Span(key, value, seen), own], scale=1.0).sum()

  for gradient in jax.jit(jax.grad(loss, argnums=(0, 1)))(key, key):
    np.testing.assert_array_equal(gradient, np.zeros_like(gradient))


@pytest.mark.parametrize(('bias', 'norm'), [(True, False), (False, True)])
def test_grouped_query_attention_against_loops(gqa, bias, norm):
  config = dataclasses.replace(
    gqa.config,
    attention=dataclasses.replace(gqa.config.attention, qkv_bias=bias, qk_norm=norm),
  )
  params = jax.tree.map(lambda leaf: leaf[0], gqa.params['dense_layers']['attention'])
  drop = {'query_norm', 'key_norm'} if bias else {'query_bias', 'key_bias', 'value_bias'}
  params = {name: leaf for name, leaf in params.items() if name not in drop}
  x_LD = np.random.default_rng(0).normal(size=(6, config.model_dim))
  cos_sin = rope.angles(config.rope, config.attention.head_dim, jnp.arange(6)[None])
  attention = functools.partial(GroupedQueryAttention(config, config.attention).apply, sight=ALONE)
  found, _ = jax.jit(attention)({'params': params}, x_LD[None, None], cos_sin=cos_sin)
  expected = slow_model.gqa(x_LD, slow_model.as_float64(params), config)
  np.testing.assert_allclose(found[0, 0], expected, atol=2e-5)


def test_heads_that_do_not_divide_are_refused():
  with pytest.raises(ValueError, match=r'num_heads 6 must be a multiple of num_kv_heads 4.*model'):
    GQA(num_heads=6, num_kv_heads=4, head_dim=8)


@pytest.mark.parametrize(('name', 'module'), [('tpu', splash), ('gpu', cudnn)])
def test_kernels_are_given_scaled_queries(monkeypatch, name, module):
  query = jnp.ones((1, 1, 8, 1, 16), jnp.bfloat16)
  given = []
  monkeypatch.setattr(attention, 'PLAIN_SCORES', 0)
  monkeypatch.setattr(attention, 'platform', lambda: name)
  monkeypatch.setattr(cudnn, 'takes', lambda query: True)
  monkeypatch.setattr(module, 'attend', lambda query, spans: given.append(query))
  attend(query, [Span(query, query, Seen(causal=True))], scale=0.5)
  (found,) = given
  assert (found == 0.5).all()
