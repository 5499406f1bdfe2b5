import dataclasses

import jax
import numpy as np
import pytest

from r1jax.stages import rl_batch
from r1jax.stages.rl_batch import Batch
from r1jax.structs import Experts, Prompts

P, G, T, S, N, Q = 4, 2, 8, 3, 2, 2


def make_batch(experts=True, reference=True):
  """Every array tells prompt, sample and token by its numbers."""
  number_PGT = np.arange(P * G * T).reshape(P, G, T)
  prefix = np.arange(N * P * S * Q).reshape(N, P, S, Q)
  suffix = np.arange(N * P * G * T * Q).reshape(N, P, G, T, Q)
  return Batch(
    prompts=Prompts(np.arange(P * S).reshape(P, S), np.arange(1, P + 1), np.arange(P)),
    tokens_PGT=number_PGT,
    length_PG=np.array([[8, 1], [2, 2], [1, 4], [3, 1]]),
    old_logp_PGT=number_PGT + 0.25,
    ref_logp_PGT=number_PGT + 0.5 if reference else None,
    advantage_PG=number_PGT[..., 0] + 0.75,
    mask_PGT=number_PGT > 3,
    weight_PGT=number_PGT * 0.5,
    experts=Experts(prefix, suffix) if experts else None,
  )


def test_parts_are_sorted_by_the_longest_answer():
  # Longest answers 8, 2, 4, 3: prompts 1 and 3 go first, in 4 of 8 columns.
  parts = rl_batch.parts_by_length(make_batch().length_PG, 2, T)
  np.testing.assert_array_equal([rows for rows, _ in parts], [[1, 3], [0, 2]])
  assert [width for _, width in parts] == [4, 8]
  parts = rl_batch.parts_by_length(make_batch().length_PG, 4, T)
  assert [(rows.tolist(), width) for rows, width in parts] == [
    ([1], 2),
    ([3], 4),
    ([2], 4),
    ([0], 8),
  ]
  ((rows, width),) = rl_batch.parts_by_length(make_batch().length_PG, 1, T)
  assert (rows.tolist(), width) == ([0, 1, 2, 3], 8)


@pytest.mark.parametrize(
  ('longest', 'limit', 'expected'),
  [(1, 8, 2), (2, 8, 2), (3, 8, 4), (4, 8, 4), (5, 8, 8), (8, 8, 8), (3, 10, 3), (4, 10, 5)],
)
def test_widths_are_the_limit_its_half_and_its_quarter(longest, limit, expected):
  assert rl_batch.padded_width(longest, limit) == expected


@pytest.mark.parametrize('options', [{}, {'experts': False, 'reference': False}])
def test_prompts_are_taken_with_all_that_is_theirs(options):
  batch, rows = make_batch(**options), np.array([2, 0])
  taken = rl_batch.take(batch, rows)
  if batch.experts is not None:
    np.testing.assert_array_equal(taken.experts.prefix_NPSQ, batch.experts.prefix_NPSQ[:, [2, 0]])
    np.testing.assert_array_equal(taken.experts.suffix_NPGTQ, batch.experts.suffix_NPGTQ[:, [2, 0]])
  found, expected = (
    jax.tree_util.tree_leaves_with_path(dataclasses.replace(b, experts=None))
    for b in (taken, batch)
  )
  assert len(found) == (10 if options == {} else 9)
  for (path, array), (_, whole) in zip(found, expected, strict=True):
    np.testing.assert_array_equal(array, whole[[2, 0]], jax.tree_util.keystr(path))


@pytest.mark.parametrize('options', [{}, {'experts': False, 'reference': False}])
def test_narrowing_cuts_tokens_and_nothing_else(options):
  batch = make_batch(**options)
  cut = rl_batch.narrowed(batch, 3)
  for field in dataclasses.fields(Batch):
    whole, found = getattr(batch, field.name), getattr(cut, field.name)
    if whole is None:
      assert found is None
    elif field.name.endswith('_PGT'):
      np.testing.assert_array_equal(found, whole[:, :, :3], field.name)
    elif field.name != 'experts':
      jax.tree.map(np.testing.assert_array_equal, found, whole)
  if batch.experts is not None:
    np.testing.assert_array_equal(cut.experts.suffix_NPGTQ, batch.experts.suffix_NPGTQ[:, :, :, :3])
    np.testing.assert_array_equal(cut.experts.prefix_NPSQ, batch.experts.prefix_NPSQ)


def test_without_a_mesh_a_batch_goes_to_the_device():
  placed = rl_batch.placed(make_batch(), None)
  assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(placed))
  np.testing.assert_array_equal(placed.tokens_PGT, make_batch().tokens_PGT)
