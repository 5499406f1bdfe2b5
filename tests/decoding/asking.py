"""Prompts for the models of `families.py`, and how their answers are sampled and compared."""

import functools

import jax
import numpy as np
from families import VOCABULARY, subject

from r1jax.decoding import Sampler, generate
from r1jax.model import Transformer
from r1jax.structs import Prompts

STOP = (4, 5, 11)  # About one token in six of 19 ends an answer; 0, drawn after the end, does not.
NEAR = 1e-4  # Margin below which rounding may decide a draw.
MAX_TOKENS = 10


def prompts_of(length_P, *, columns=None, seed=0):
  """Random prompts of these lengths; tokens at and after them are random too."""
  rng = np.random.default_rng(seed)
  columns = max(length_P) if columns is None else columns
  tokens_PS = rng.integers(VOCABULARY, size=(len(length_P), columns)).astype(np.int32)
  return Prompts(tokens_PS, np.array(length_P, np.int32), np.arange(len(length_P), dtype=np.int32))


PROMPTS = prompts_of([5, 1, 3, 4])


def rows_of(prompts, rows):
  return jax.tree.map(lambda array: array[np.array(rows)], prompts)


@functools.cache
def model_of(name):
  return Transformer(subject(name).config)


def ask(name, prompts=PROMPTS, *, params=None, **options):
  settings = {
    'group_size': 4,
    'max_tokens': MAX_TOKENS,
    'sampler': Sampler(),
    'stop_tokens': STOP,
    'key': jax.random.key(1),
    'segment_tokens': MAX_TOKENS,
    **options,
  }
  params = subject(name).params if params is None else params
  return generate(model_of(name), params, prompts, **settings)


@functools.cache
def answers(name):
  """Answers of one segment, which no compaction has touched."""
  return ask(name)


def count_near_ties(found, expected):
  """Asserts that tokens agree up to an answer's first near tie; returns how many answers had one.

  Of an answer without one, tokens, log-probabilities, length and its end agree.
  """
  near = 0
  for index in np.ndindex(expected.length_PG.shape):
    length = int(expected.length_PG[index])
    ties = np.flatnonzero(expected.margin_PGT[index][:length] < NEAR)
    if len(ties):
      near += 1
      first = ties[0]
      np.testing.assert_array_equal(
        found.tokens_PGT[index][:first], expected.tokens_PGT[index][:first]
      )
      continue
    assert found.length_PG[index] == length
    assert found.stopped_PG[index] == expected.stopped_PG[index]
    np.testing.assert_array_equal(found.tokens_PGT[index], expected.tokens_PGT[index])
    for name in ('logp_PGT', 'margin_PGT'):
      np.testing.assert_allclose(
        getattr(found, name)[index], getattr(expected, name)[index], atol=1e-5, err_msg=name
      )
  return near


def assert_same_answers(found, expected):
  """Nearly no answer has a near tie, so that equality is not vacuous."""
  assert count_near_ties(found, expected) <= expected.length_PG.size // 8
