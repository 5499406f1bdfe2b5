"""Prompts read in chunks are the prompts read at once."""

import functools

import jax
import numpy as np
import pytest
from asking import answers, ask, assert_same_answers, model_of, prompts_of
from families import subject

from r1jax.decoding.prefill import encode_prompts
from r1jax.structs import Experts

LENGTH_P = [10, 1, 4, 7]
PROMPTS = prompts_of(LENGTH_P)


@functools.cache
def encoder(name, chunk_tokens):
  run = functools.partial(encode_prompts, model_of(name), chunk_tokens=chunk_tokens)
  return jax.jit(run)


def encoded(name, experts=None, *, chunk_tokens=None):
  return encoder(name, chunk_tokens)(subject(name).params, PROMPTS, experts)


@pytest.mark.parametrize('name', ['gqa', 'v3'])
def test_chunks_of_a_prompt_are_the_prompt(name):
  """Nine tokens in chunks of 4, the last of one: entries of real tokens, experts and loads."""
  (expected, routing), (found, joined) = encoded(name), encoded(name, chunk_tokens=4)
  np.testing.assert_array_equal(found.length_P, expected.length_P)
  real_PS = np.arange(9) < expected.length_P[:, None]
  for (path, one), other in zip(
    jax.tree.leaves_with_path(expected.cache), jax.tree.leaves(found.cache), strict=True
  ):
    assert other.shape == one.shape
    message = jax.tree_util.keystr(path)
    np.testing.assert_allclose(other[:, real_PS], one[:, real_PS], atol=5e-6, err_msg=message)
  if name == 'v3':
    assert joined.chosen_PGTQ.shape == routing.chosen_PGTQ.shape
    np.testing.assert_array_equal(
      joined.chosen_PGTQ[:, :, 0][:, real_PS], routing.chosen_PGTQ[:, :, 0][:, real_PS]
    )
    np.testing.assert_array_equal(joined.load_PGE, routing.load_PGE)
    np.testing.assert_allclose(joined.affinity_PGE, routing.affinity_PGE, atol=2e-6)


@pytest.mark.parametrize('chunk', [None, 4])
def test_loads_are_of_the_tokens_of_the_prefix_alone(chunk):
  """All of a prompt but its last token, which is read with its answers."""
  _, routing = encoded('v3', chunk_tokens=chunk)
  expected_P = 3 * (np.array(LENGTH_P) - 1)  # Each goes to three experts.
  for load_PE in routing.load_PGE[:, :, 0]:
    np.testing.assert_array_equal(load_PE.sum(axis=-1), expected_P)


def test_chunks_replay_the_experts_of_their_own_tokens():
  """Any choices: as many of them are others than the router's."""
  chosen_NPSQ = np.random.default_rng(0).integers(8, size=(2, 4, 9, 3)).astype(np.int16)
  experts = Experts(chosen_NPSQ, None)
  _, expected = encoded('v3', experts)
  _, found = encoded('v3', experts, chunk_tokens=4)
  np.testing.assert_array_equal(found.flips_PG, expected.flips_PG)
  assert len(np.unique(expected.flips_PG)) > 2


def test_answers_to_prompts_in_chunks_are_the_same():
  assert_same_answers(ask('v3', prompt_chunk_tokens=2), answers('v3'))


def test_activations_are_those_of_a_chunk():
  """Of 1,024 tokens in chunks of 64: a sixteenth, and the entries of all."""
  model, params = model_of('gqa'), subject('gqa').params
  prompts = jax.eval_shape(lambda: prompts_of([1025] * 4))

  def temporaries(chunk_tokens):
    run = jax.jit(lambda p, q: encode_prompts(model, p, q, chunk_tokens=chunk_tokens)[0])
    return run.lower(params, prompts).compile().memory_analysis().temp_size_in_bytes

  assert temporaries(64) < temporaries(None) / 8
