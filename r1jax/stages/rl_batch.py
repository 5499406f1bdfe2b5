"""A rollout as the loss takes it, and its parts: minibatches of prompts, microbatches by length."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.sharding import Mesh

from r1jax import hosts, sharding
from r1jax.hosts import ALONE, Division
from r1jax.structs import Array, Experts, Prompts


@struct.dataclass
class Batch:
  """Groups of judged answers, as the loss takes them; every leaf has P in front but `experts`.

  Attributes:
    prompts: what was asked.
    tokens_PGT: answers.
    length_PG: their lengths.
    old_logp_PGT: log-probabilities under the policy that sampled them.
    ref_logp_PGT: the same under the reference, or None if there is none.
    advantage_PG: of each answer within its group.
    mask_PGT: 1 where a token takes part in the loss.
    weight_PGT: weight of each token in the loss, normalised over the minibatch.
    experts: chosen while sampling, or None.
  """

  prompts: Prompts
  tokens_PGT: Array
  length_PG: Array
  old_logp_PGT: Array
  ref_logp_PGT: Array | None
  advantage_PG: Array
  mask_PGT: Array
  weight_PGT: Array
  experts: Experts | None


def minibatches(num_prompts: int, count: int, seed: Sequence[int]) -> list[np.ndarray]:
  """Returns the numbers of the prompts of each minibatch, at random, each prompt in one of them.

  A minibatch has one of the first `count` prompts, one of the second, and so on: as random as any
  split, since prompts come in random order, and equally much of every process has its place in it.

  Args:
    num_prompts: P.
    count: of minibatches; it divides P.
    seed: other numbers, another split.
  """
  draw = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
  order = draw.permuted(np.arange(num_prompts).reshape(-1, count), axis=1)
  return list(order.T)


def parts_by_length(
  length_PG: np.ndarray, count: int, limit: int, division: Division = ALONE
) -> list[tuple[np.ndarray, int]]:
  """Sorts prompts by their longest answer into equal parts; returns rows and width of each.

  Args:
    length_PG: of the answers, in all processes.
    count: number of parts; it divides P.
    limit: the longest an answer can be.
    division: which process has what. Each sorts its own prompts, and the width is the largest.

  Returns:
    Of each part the rows of this process, counted among its own, and the width.
  """
  longest_P = np.asarray(length_PG).max(axis=1)
  widths, own = np.zeros(count, int), np.zeros((count, 0), int)
  for block, numbers in enumerate(division.by_block(len(longest_P))):
    rows = np.argsort(longest_P[numbers], kind='stable').reshape(count, -1)
    widths = np.maximum(widths, longest_P[numbers][rows].max(axis=1))
    if block == division.block:
      own = np.sort(rows, axis=1)
  return [(rows, padded_width(int(longest), limit)) for rows, longest in zip(own, widths)]


def over_prompts(change: Callable[..., Any], tree: Any, *others: Any) -> Any:
  """Returns the tree with every array changed, whatever the number of its axis of prompts.

  Args:
    change: of the number of that axis and the arrays at one place in all trees.
    tree: e.g. a `Batch` or `Rollouts`; in chosen experts the layers come before the prompts.
    *others: trees like it.
  """

  def one(path, *arrays):
    names = {getattr(key, 'name', None) for key in path}
    return change(1 if 'experts' in names else 0, *arrays)

  return jax.tree.map_with_path(one, tree, *others)


def take(tree: Any, rows: np.ndarray) -> Any:
  """Returns the batch of some prompts."""
  return over_prompts(lambda axis, array: np.take(np.asarray(array), rows, axis=axis), tree)


def put(tree: Any, others: Any, rows: np.ndarray) -> Any:
  """Returns the tree with some of its prompts as in another tree."""

  def one(axis: int, array: Any, other: Any) -> np.ndarray:
    merged = np.array(array)
    place: Any = (*(slice(None),) * axis, rows)
    merged[place] = np.asarray(other)[place]
    return merged

  return over_prompts(one, tree, others)


def moved(tree: Any, order: np.ndarray, mesh: Mesh | None) -> Any:
  """Returns host arrays in another order of prompts, which may come from other processes.

  Args:
    tree: of the prompts of this process.
    order: for each prompt of all processes, the number of the one that takes its place.
    mesh: devices.
  """
  if hosts.is_alone():
    return take(tree, order)

  def one(axis: int, array: Any) -> Any:
    taken = _taken(sharding.place(array, mesh, axis=axis), order, axis=axis)
    return sharding.fetch(taken, mesh, axis=axis)

  return over_prompts(one, tree)


_taken = jax.jit(jnp.take, static_argnames='axis')


def padded_width(longest: int, limit: int) -> int:
  """Returns the smallest of the limit, its half and its quarter that holds the longest answer."""
  fitting = [-(-limit // part) for part in (4, 2, 1) if -(-limit // part) >= longest]
  return fitting[0]


def narrowed(batch: Batch, width: int) -> Batch:
  """Returns the batch with room for `width` completion tokens."""
  per_token = ('tokens_PGT', 'old_logp_PGT', 'ref_logp_PGT', 'mask_PGT', 'weight_PGT')
  cut: dict[str, Any] = {
    name: None if getattr(batch, name) is None else getattr(batch, name)[..., :width]
    for name in per_token
  }
  experts = batch.experts
  if experts is not None:
    experts = Experts(experts.prefix_NPSQ, experts.suffix_NPGTQ[:, :, :, :width])
  return dataclasses.replace(batch, **cut, experts=experts)


def placed(batch: Batch, mesh: Mesh | None) -> Batch:
  """Returns the batch on the device, or split along its prompts over the mesh."""
  return over_prompts(lambda axis, array: sharding.place(array, mesh, axis=axis), batch)
