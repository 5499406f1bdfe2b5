import itertools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.decoding import live
from r1jax.decoding.sampling import address
from r1jax.model.cache import Prefix, Suffix


@pytest.mark.parametrize(
  ('number', 'largest', 'expected'),
  [(8, 8, 8), (5, 8, 8), (4, 8, 4), (1, 8, 1), (3, 5, 3), (2, 5, 2), (0, 8, 1)],
)
def test_buckets_are_halves_rounded_up(number, largest, expected):
  assert live._bucket(number, largest) == expected


def test_compaction_by_hand():
  live_PG = np.array([[0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
  index_P, index_PG, new_PG = live.compaction(live_PG, (1, 1))
  np.testing.assert_array_equal(index_P, [0, 2])
  np.testing.assert_array_equal(index_PG, [[1, 3], [0, 1]])
  np.testing.assert_array_equal(new_PG, [[True, True], [True, False]])
  index_P, index_PG, new_PG = live.compaction(live_PG, (4, 2))
  np.testing.assert_array_equal(index_P, [0, 1, 2, 3])  # On four devices, one each.
  np.testing.assert_array_equal(index_PG, [[1, 3], [0, 2], [0, 2], [0, 2]])
  np.testing.assert_array_equal(new_PG, [[True, True], [False, False], [True, False], [False] * 2])
  of_two, index_PG, new_PG = live.compaction(live_PG, (1, 4))
  np.testing.assert_array_equal(of_two, [0, 2])
  np.testing.assert_array_equal(index_PG, [[0, 1, 2, 3]] * 2)
  np.testing.assert_array_equal(new_PG, live_PG[[0, 2]])
  live_PG[1] = True
  assert live.compaction(live_PG, (1, 1)) is None


def test_compaction_leaves_prompts_on_their_devices():
  """Rows 0-1, 2-3, 4-5 and 6-7: the device with most alive decides for all."""
  live_P1 = np.isin(np.arange(8), [1, 2, 3, 4])[:, None]
  assert live.compaction(live_P1, (4, 1)) is None
  live_P1[3] = False
  index_P, _, new_P1 = live.compaction(live_P1, (4, 1))
  np.testing.assert_array_equal(index_P, [1, 2, 4, 6])
  np.testing.assert_array_equal(new_P1[:, 0], [True, True, True, False])


@pytest.mark.parametrize('parts', [(1, 1), (2, 1), (2, 2)])
def test_a_smaller_batch_has_what_is_chosen(parts):
  """Every array of it, picked by hand; parts change what is chosen alone."""
  rng = np.random.default_rng(0)
  suffix, prefix = rng.integers(9, size=(2, 4, 4, 3, 5)), rng.integers(9, size=(2, 4, 6, 5))
  token_PG, length_P = rng.integers(9, size=(4, 4)), np.arange(4)
  batch = live.Batch(
    Prefix({'dense_layers': {'latent': jnp.asarray(prefix)}}, jnp.asarray(length_P)),
    Suffix(({'dense_layers': {'latent': jnp.asarray(suffix)}},), jnp.asarray(3)),
    jnp.asarray(token_PG),
    address(jax.random.key(0), jnp.arange(4)[:, None], jnp.arange(4)),
    jnp.zeros((4, 4), bool),
  )
  live_PG = np.zeros((4, 4), bool)
  live_PG[[1, 3], [2, 1]] = True
  index_P, index_PG, new_PG = live.compaction(live_PG, parts)
  assert index_PG.shape == (parts[0] * (1 if parts[0] > 1 else 2), parts[1])
  key_PG = batch.key_PG
  found = live.take(batch, index_P, index_PG, new_PG, parts=parts)
  rows = index_P[:, None]
  np.testing.assert_array_equal(found.prefix.cache['dense_layers']['latent'], prefix[:, index_P])
  np.testing.assert_array_equal(found.prefix.length_P, length_P[index_P])
  (block,) = found.suffix.blocks
  np.testing.assert_array_equal(block['dense_layers']['latent'], suffix[:, rows, index_PG])
  np.testing.assert_array_equal(found.token_PG, token_PG[rows, index_PG])
  assert (found.key_PG == key_PG[rows, index_PG]).all()
  np.testing.assert_array_equal(found.done_PG, ~live_PG[rows, index_PG])
  assert found.suffix.length == 3
  assert jax.tree.leaves(batch.suffix.blocks)[0].is_deleted()  # It makes room.


def test_room_grows_by_segments_and_then_by_a_quarter():
  """By a copy while both take no more than the whole, and then block by block."""
  found = live.rooms(8, 200)
  sizes = [8, 16, 24, 32, 40, 56, 72, 96, 120, 152, 192, 200]
  assert [sum(room) for room in found] == sizes
  assert found[6:] == [(72,), (96,), (96, 24), (96, 24, 32), (96, 24, 32, 40), (96, 24, 32, 40, 8)]
  assert live.rooms(8, 5) == [(5,)]


@hypothesis.given(st.integers(1, 600), st.integers(1, 40_000))
def test_room_is_never_more_than_the_longest_answer_needs(segment_tokens, max_tokens):
  found = live.rooms(segment_tokens, max_tokens)
  assert sum(found[-1]) == max_tokens and max(len(room) for room in found) <= 5
  for before, after in itertools.pairwise(found):
    kept = len(after) > len(before) and after[:-1] == before
    assert kept or (len(after) == len(before) == 1 and sum(before + after) <= max_tokens)
