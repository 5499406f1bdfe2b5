"""Metrics that microbatches add up right.

A loss returns measures, not numbers: a mean keeps its sum and its count, a maximum its peak.
`join` makes one of those of microbatches, or of the updates of a rollout; `results` makes numbers
of them at the end. Means weigh every token of the batch alike, however it was split.
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from flax import struct


@struct.dataclass
class Mean:
  """A mean over what a mask selects.

  Attributes:
    total: sum of the selected values.
    count: number of selected values.
  """

  total: jax.Array
  count: jax.Array

  @classmethod
  def over(cls, value: jax.Array, mask: jax.Array) -> 'Mean':
    """Returns the mean of `value` where `mask` is not 0."""
    return cls(total=jnp.sum(jnp.where(mask, value, 0.0)), count=jnp.count_nonzero(mask))

  def reduce(self) -> 'Mean':
    """Returns the measure of all microbatches, stacked along the first axis."""
    return Mean(total=jnp.sum(self.total, axis=0), count=jnp.sum(self.count, axis=0))

  def result(self) -> jax.Array:
    """Returns the mean; 0 if nothing was selected."""
    return self.total / jnp.maximum(self.count, 1)


@struct.dataclass
class Maximum:
  """The largest of what a mask selects.

  Attributes:
    peak: the largest selected value; -inf if nothing was selected.
  """

  peak: jax.Array

  @classmethod
  def over(cls, value: jax.Array, mask: jax.Array) -> 'Maximum':
    """Returns the largest `value` where `mask` is not 0."""
    return cls(peak=jnp.max(jnp.where(mask, value, -jnp.inf)))

  def reduce(self) -> 'Maximum':
    """Returns the measure of all microbatches, stacked along the first axis."""
    return Maximum(peak=jnp.max(self.peak, axis=0))

  def result(self) -> jax.Array:
    """Returns the largest value; 0 if nothing was selected."""
    return jnp.where(self.peak == -jnp.inf, 0.0, self.peak)


@struct.dataclass
class Total:
  """A sum, such as a count of events.

  Attributes:
    amount: the sum.
  """

  amount: jax.Array

  def reduce(self) -> 'Total':
    """Returns the measure of all parts, stacked along the first axis."""
    return Total(amount=jnp.sum(self.amount, axis=0))

  def result(self) -> jax.Array:
    """Returns the sum."""
    return self.amount


Measure = Mean | Maximum | Total


def number(value: jax.Array) -> Mean:
  """Returns a number as a measure; joined with others it is their plain mean."""
  return Mean(total=value, count=jnp.ones((), jnp.int32))


def join(parts: Sequence[Mapping[str, Measure]]) -> dict[str, Measure]:
  """Returns the measures of a whole from those of its parts, which all have the same names."""
  return reduce(jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts))


def reduce(measures: Mapping[str, Measure]) -> dict[str, Measure]:
  """Returns the measures of a batch from those of its microbatches, stacked on the first axis."""
  return {name: measure.reduce() for name, measure in measures.items()}


def results(measures: Mapping[str, Measure]) -> dict[str, jax.Array]:
  """Returns the number that each measure comes to."""
  return {name: measure.result() for name, measure in measures.items()}
