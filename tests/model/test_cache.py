"""A group's suffixes on a shared prefix are the plain sequences they stand for.

Three prompts of 4, 1 and 0 prefix tokens, two samples each, four suffix tokens.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import VOCABULARY, Subject, sees, subject

from r1jax.model.cache import Prefix, append, as_prefix, empty_block, empty_suffix, grow

LENGTH_P = np.array([4, 1, 0])
P, G, S, T = 3, 2, 5, 4
RNG = np.random.default_rng(3)
PREFIX_PS = RNG.integers(0, VOCABULARY, (P, S))
SUFFIX_PGT = RNG.integers(0, VOCABULARY, (P, G, T))


def naive_rows():
  """`P * G` plain sequences, padded on the right, and where each suffix stands in its row."""
  rows, places = RNG.integers(0, VOCABULARY, (P * G, S + T)), np.zeros((P, G, T), int)
  for p, g in np.ndindex(P, G):
    row = np.concatenate([PREFIX_PS[p, : LENGTH_P[p]], SUFFIX_PGT[p, g]])
    rows[p * G + g, : len(row)] = row
    places[p, g] = LENGTH_P[p] + np.arange(T)
  return rows, places


ROWS_BL, PLACES_PGT = naive_rows()


def of_suffix(row_values):
  """Picks the suffixes' values `[P, G, T, ...]` out of `[P * G, L, ...]`."""
  rows = np.arange(P * G).reshape(P, G, 1)
  return row_values[rows, PLACES_PGT]


def group_pass(encode, params, prefix_PS=PREFIX_PS, suffix_PGT=SUFFIX_PGT, **kwargs):
  """Encodes prompts once and their groups' suffixes in one pass."""
  cache = encode(params, prefix_PS[:, None]).cache
  return encode(params, suffix_PGT, prefix=as_prefix(cache, LENGTH_P), **kwargs)


@functools.cache
def naive(name):
  """What plain sequences give, as NumPy arrays."""
  model = subject(name)
  return jax.tree.map(np.asarray, model.encode(model.params, ROWS_BL[:, None]))


@functools.cache
def prefix_and_room(name, *room):
  """The prompts' prefix, and a suffix without tokens."""
  model = subject(name)
  prefix = as_prefix(model.encode(model.params, PREFIX_PS[:, None]).cache, LENGTH_P)
  one = jax.eval_shape(model.plain('encode'), model.params, SUFFIX_PGT[:, :, :1], prefix=prefix)
  return prefix, empty_suffix(one.cache, *room)


@pytest.mark.parametrize(
  ('name', 'absorbed'),
  [('gqa', False), ('v3', False), ('v3', True), ('v2', False), ('v2', True)],
)
def test_prefix_and_suffix_are_the_full_pass(name, absorbed):
  """In outputs, and in the experts chosen; latent attention in both forms."""
  model = subject(name)
  out = group_pass(model.encode, model.params, absorbed=absorbed)
  np.testing.assert_allclose(
    out.hidden_PGTD, of_suffix(naive(name).hidden_PGTD[:, 0]), atol=2e-5, rtol=1e-5
  )
  if out.routing is not None:
    for found, rows in zip(out.routing.chosen_PGTQ, naive(name).routing.chosen_PGTQ):
      np.testing.assert_array_equal(found, of_suffix(rows[:, 0]))


@pytest.mark.parametrize(
  ('name', 'absorbed'), [('gqa', False), ('v3', False), ('v3', True), ('v2', True)]
)
def test_decoding_token_by_token_is_the_full_pass(name, absorbed):
  model, hidden = subject(name), []
  prefix, suffix = prefix_and_room(name, T)
  for t in range(T):
    out = model.encode(
      model.params, SUFFIX_PGT[:, :, t : t + 1], prefix=prefix, suffix=suffix, absorbed=absorbed
    )
    suffix = append(suffix, out.cache)
    hidden.append(out.hidden_PGTD)
  np.testing.assert_allclose(
    np.concatenate(hidden, axis=2), of_suffix(naive(name).hidden_PGTD[:, 0]), atol=2e-5, rtol=1e-5
  )


def with_block(suffix):
  return dataclasses.replace(suffix, blocks=(*suffix.blocks, empty_block(suffix.blocks[-1], 2)))


def grown(suffix):
  return dataclasses.replace(suffix, blocks=(grow(suffix.blocks[0], 3),))


@pytest.mark.parametrize('widen', [grown, with_block])
@pytest.mark.parametrize('name', ['gqa', 'v3'])
def test_a_suffix_with_more_room_goes_on_and_takes_several_tokens_at_once(name, widen):
  """Two tokens fill it; when it has room again, one more is read, and then a last one."""
  model = subject(name)
  expected = of_suffix(naive(name).hidden_PGTD[:, 0])
  prefix, suffix = prefix_and_room(name, 2)
  encode = functools.partial(model.encode, model.params, prefix=prefix, absorbed=True)
  for t in range(3):
    if t == 2:
      suffix = widen(suffix)
      out = encode(SUFFIX_PGT[:, :, 2:], suffix=suffix)
      np.testing.assert_allclose(out.hidden_PGTD, expected[:, :, 2:], atol=2e-5, rtol=1e-5)
    out = encode(SUFFIX_PGT[:, :, t : t + 1], suffix=suffix)
    suffix = append(suffix, out.cache)
  out = encode(SUFFIX_PGT[:, :, 3:], suffix=suffix)
  np.testing.assert_allclose(out.hidden_PGTD, expected[:, :, 3:], atol=2e-5, rtol=1e-5)


def test_padding_of_prompts_changes_nothing(model):
  """Other tokens at and after a prompt's length."""
  expected = group_pass(model.encode, model.params).hidden_PGTD
  other_PS = np.where(np.arange(S) < LENGTH_P[:, None], PREFIX_PS, (PREFIX_PS + 1) % VOCABULARY)
  found = group_pass(model.encode, model.params, prefix_PS=other_PS).hidden_PGTD
  np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize('name', ['gqa', 'v3'])
def test_room_of_a_suffix_changes_nothing(name):
  """Rubbish where no token has been written yet."""
  model = subject(name)
  prefix, clean = prefix_and_room(name, T, 1)
  littered = dataclasses.replace(clean, blocks=jax.tree.map(lambda a: a + 1e3, clean.blocks))
  first, second = (
    model.encode(model.params, SUFFIX_PGT[:, :, :1], prefix=prefix, suffix=suffix).hidden_PGTD
    for suffix in (clean, littered)
  )
  np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize('name', ['gqa', 'v3'])
def test_samples_of_a_group_are_separate(name):
  """A sample alone on the prefix gives what it gives in its group."""
  model = subject(name)
  together = group_pass(model.encode, model.params).hidden_PGTD
  for g in range(G):
    alone = group_pass(model.encode, model.params, suffix_PGT=SUFFIX_PGT[:, g : g + 1]).hidden_PGTD
    np.testing.assert_allclose(alone[:, 0], together[:, g], atol=1e-5)


@pytest.mark.parametrize('name', ['gqa', 'v2'])
def test_what_a_group_sees(name):
  """A sample's token sees the real prefix and its own past: not padding, future or siblings."""
  model = subject(name)
  tokens = np.random.default_rng(4).permutation(VOCABULARY)[:10]
  prefix_1S, suffix_1GT = tokens[None, :4], tokens[4:].reshape(1, 2, 3)

  def run(params):
    encode = model.plain('encode')
    prefix = as_prefix(encode(params, prefix_1S[:, None]).cache, jnp.array([2]))
    return encode(params, suffix_1GT, prefix=prefix).hidden_PGTD[0]

  expected = np.zeros((2, 3, 10), bool)
  expected[:, :, :2] = True
  for g in range(2):
    expected[g, :, 4 + 3 * g : 7 + 3 * g] = np.tri(3)
  response = sees(model, run, tokens)
  np.testing.assert_array_equal(response > 1e-6, expected)
  np.testing.assert_array_equal(response[~expected], 0)


@pytest.mark.parametrize('name', ['gqa', 'v2'])
def test_gradients_reach_the_prompt_and_equal_those_of_copies(name):
  """Of every parameter, through prefix and suffix, as `P * G` plain sequences give them."""
  model = subject(name)
  encode = model.plain('encode')

  def of_group(params):
    return jnp.sum(jnp.sin(group_pass(encode, params).hidden_PGTD))

  def of_copies(params):
    return jnp.sum(jnp.sin(of_suffix(encode(params, ROWS_BL[:, None]).hidden_PGTD[:, 0])))

  found, expected = (jax.jit(jax.grad(loss))(model.params) for loss in (of_group, of_copies))
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5 * max(1, np.abs(b).max()))
  only_in_prefix = np.setdiff1d(PREFIX_PS[0, :4], SUFFIX_PGT)
  assert only_in_prefix.size
  assert np.abs(found['embedding'][only_in_prefix]).max() > 1e-3


def test_prefix_is_as_small_as_its_prompt():
  """No axis of the group in it: memory of a prompt does not grow with its samples."""
  v3 = subject('v3')
  cache = jax.eval_shape(v3.plain('encode'), v3.params, PREFIX_PS[:, None]).cache
  prefix = jax.eval_shape(lambda c: as_prefix(c, LENGTH_P), cache)
  assert isinstance(prefix, Prefix)
  assert prefix.cache['dense_layers']['latent'].shape == (1, P, S, 8)
  assert prefix.cache['expert_layers']['rope_key'].shape == (2, P, S, 6)


def test_prefix_work_does_not_grow_with_the_group():
  """A second sample of one token costs a fraction of a prompt of 64."""
  gqa = subject('gqa')

  def operations(num_samples):
    suffix = jax.ShapeDtypeStruct((1, num_samples, 1), jnp.int32)
    prompt = jax.ShapeDtypeStruct((1, 1, 64), jnp.int32)

    def run(params, prompt, suffix):
      encode = gqa.plain('encode')
      prefix = as_prefix(encode(params, prompt).cache, jnp.array([64]))
      return encode(params, suffix, prefix=prefix).hidden_PGTD

    # Layers are scanned, and `cost_analysis` counts a scan's body once: the same in both.
    lowered = jax.jit(run).lower(gqa.params, prompt, suffix)
    return lowered.compile().cost_analysis()['flops']

  one, two = operations(1), operations(2)
  assert 0 < two - one < 0.1 * one


def test_append_writes_behind_what_is_there():
  entries = {'stack': {'key': jnp.ones((1, 1, 2, 1, 3))}}

  def found(suffix):
    return [block['stack']['key'][0, 0, 1, :, 0].tolist() for block in suffix.blocks]

  suffix = append(append(empty_suffix(entries, 3), entries), jax.tree.map(lambda a: 2 * a, entries))
  assert found(suffix) == [[1, 2, 0]] and suffix.length == 2 and suffix.room == (3,)
  assert grow(suffix.blocks[0], 5)['stack']['key'][0, 0, 1, :, 0].tolist() == [1, 2, 0, 0, 0]
  suffix = with_block(append(suffix, entries))
  assert found(append(suffix, entries)) == [[1, 2, 1], [1, 0]] and suffix.room == (3, 2)


def test_bfloat16_cache_stays_bfloat16():
  model = Subject.of(dataclasses.replace(subject('v3').config, dtype='bfloat16'))
  out = jax.eval_shape(model.plain('encode'), model.params, SUFFIX_PGT[:, :, :1])
  suffix = jax.eval_shape(lambda c: append(empty_suffix(c, 4), c), out.cache)
  assert {leaf.dtype for leaf in jax.tree.leaves(suffix.blocks)} == {jnp.dtype('bfloat16')}
