"""Products of few tokens with matrices that stay where they are: it is the tokens that move.

The model's width in matrices is split over devices (mesh axes `fsdp` and `context`). For many
tokens a matrix is gathered; in decoding a device has a token or a few, and many times their bytes
would come to it. So there each device multiplies the tokens of all with its part of the matrix: the
weight-stationary layout of arXiv:2211.05102, sec. 3.2.

Letters: N tokens of a device, D a width that is split.
"""

import dataclasses
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, PartitionSpec

from r1jax import sharding

# Tokens move if a matrix is so many times as wide as they would be many.
WIDTH_PER_TOKEN = 2
# Logical axes of a matrix that are split as the model's width is.
_WIDTHS = ('embed', 'rank')


@dataclasses.dataclass(frozen=True)
class Split:
  """How devices split a width, and which of them have tokens of their own.

  Its methods run within `shard_map`, on the arrays of a device.

  Attributes:
    axes: of the mesh, from that which cuts the largest parts; in one group where all split tokens.
    of_tokens: those that split tokens.
  """

  axes: tuple[tuple[str, ...], ...]
  of_tokens: frozenset[str]

  @classmethod
  def of(cls, names: Sequence[str], of_tokens: Sequence[str]) -> 'Split':
    """Returns how axes split a width, with those that split tokens."""
    together = bool(names) and set(names) <= set(of_tokens)
    axes = (tuple(names),) if together else tuple((name,) for name in names)
    return cls(axes, frozenset(names) & frozenset(of_tokens))

  @property
  def names(self) -> tuple[str, ...]:
    """The axes one by one."""
    return tuple(name for group in self.axes for name in group)

  def is_for(self, mesh: AbstractMesh, *, tokens: int, width: int) -> bool:
    """Returns whether tokens are to move, `tokens` of each device, and not a matrix."""
    tokens *= sharding.num_parts(mesh, tuple(self.of_tokens))
    return bool(self.axes) and WIDTH_PER_TOKEN * tokens <= width

  def share(self, x_ND: jax.Array) -> jax.Array:
    """Returns the device's part of the width, for the tokens of all."""
    for axes in self.axes:
      if self.of_tokens.issuperset(axes):
        x_ND = jax.lax.all_to_all(x_ND, axes, 1, 0, tiled=True)
      else:
        size = x_ND.shape[1] // jax.lax.axis_size(axes)
        first = jax.lax.axis_index(axes) * size
        x_ND = jax.lax.dynamic_slice_in_dim(x_ND, first, size, axis=1)
    return x_ND

  def unshare(self, x_ND: jax.Array) -> jax.Array:
    """Returns the device's tokens in their whole width; undoes `share`."""
    for axes in reversed(self.axes):
      if self.of_tokens.issuperset(axes):
        x_ND = jax.lax.all_to_all(x_ND, axes, 0, 1, tiled=True)
      else:
        x_ND = jax.lax.all_gather(x_ND, axes, axis=1, tiled=True)
    return x_ND

  def gather(self, x_ND: jax.Array) -> jax.Array:
    """Returns the tokens of all in their whole width, in the order of `share`."""
    for axes in self.axes:
      if self.of_tokens.issuperset(axes):
        x_ND = jax.lax.all_gather(x_ND, axes, tiled=True)
    return x_ND

  def scatter(self, part_ND: jax.Array) -> jax.Array:
    """Returns the device's tokens, summed over the parts that all devices have of their sums."""
    for axes in reversed(self.axes):
      if self.of_tokens.issuperset(axes):
        part_ND = jax.lax.psum_scatter(part_ND, axes, tiled=True)
      else:
        part_ND = jax.lax.psum(part_ND, axes)
    return part_ND


@dataclasses.dataclass(frozen=True)
class Plan:
  """How a matrix and few tokens are multiplied; `plan` makes one.

  Attributes:
    split: of the matrix's width.
    is_input: whether that is what the product sums over, or what it yields.
    summed: axes of the mesh that split what else it sums over, as heads.
    tokens: where tokens are split.
    matrix: where the matrix is.
  """

  split: Split
  is_input: bool
  summed: tuple[str, ...]
  tokens: PartitionSpec
  matrix: PartitionSpec

  def multiply(self, x: jax.Array, matrix: jax.Array, dtype: jax.typing.DTypeLike) -> jax.Array:
    """Returns the product, `[..., *outputs]`; sums are of float32.

    Args:
      x: `[..., *inputs]`, as the plan was made for.
      matrix: `[*inputs, *outputs]`.
      dtype: of the result.
    """
    num_inputs = x.ndim - len(self.tokens)
    inputs, outputs = self.matrix[:num_inputs], self.matrix[num_inputs:]

    def on_device(x: jax.Array, matrix: jax.Array) -> jax.Array:
      shapes = x.shape[: len(self.tokens)], matrix.shape[:num_inputs], matrix.shape[num_inputs:]
      tokens, summed, given = shapes
      x_ND, matrix_DF = x.reshape(math.prod(tokens), -1), matrix.reshape(math.prod(summed), -1)
      if self.is_input:
        part_NF = jnp.matmul(self.split.share(x_ND), matrix_DF, preferred_element_type=jnp.float32)
        return self.split.scatter(part_NF).astype(dtype).reshape(*tokens, *given)
      part_NF = jnp.matmul(self.split.gather(x_ND), matrix_DF, preferred_element_type=jnp.float32)
      sum_NF = jax.lax.psum(part_NF, self.summed) if self.summed else part_NF
      return self.split.unshare(sum_NF.astype(dtype)).reshape(*tokens, -1)

    # The width is whole in what is given and what comes back.
    return jax.shard_map(
      on_device,
      in_specs=(PartitionSpec(*self.tokens, *((None,) if self.is_input else inputs)), self.matrix),
      out_specs=PartitionSpec(*self.tokens, *(outputs if self.is_input else (None,))),
      check_vma=False,  # Gathered arrays would count as different on each device.
    )(x, matrix)


def plan(
  x: jax.Array, matrix: jax.Array, axes: Sequence[str | None], num_inputs: int
) -> Plan | None:
  """Returns how to multiply if tokens are to move, else None.

  Args:
    x: `[P, G, T, *inputs]`, or `[P, G, *inputs]`.
    matrix: `[*inputs, *outputs]`.
    axes: logical axes of the matrix.
    num_inputs: number of axes summed over.
  """
  mesh = jax.sharding.get_abstract_mesh()
  wide = next((i for i, axis in enumerate(axes) if axis in _WIDTHS), None)
  if mesh.empty or mesh.size == 1 or wide is None:
    return None
  sizes = x.shape[: x.ndim - num_inputs]
  tokens = sharding.fitting(sizes, ('prompts', 'samples', 'tokens')[: len(sizes)], mesh.shape)
  of_matrix = sharding.fitting(matrix.shape, axes, mesh.shape)
  of_tokens = sharding.names_of(tokens, mesh)
  split = Split.of(sharding.names_of([of_matrix[wide]], mesh), of_tokens)
  own = math.prod(sizes) // sharding.num_parts(mesh, of_tokens)
  if not split.is_for(mesh, tokens=own, width=matrix.shape[wide]):
    return None
  is_input = wide < num_inputs
  summed = () if is_input else sharding.names_of(of_matrix[:num_inputs], mesh)
  return Plan(split, is_input, summed, tokens, of_matrix)
