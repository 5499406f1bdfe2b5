"""Products of few tokens with matrices that stay where they are: it is the tokens that move.

The model's width in matrices is split over devices (mesh axes `fsdp` and `context`). For many
tokens a matrix is gathered; in decoding a device has a token or a few, and many times their bytes
would come to it. So there each device multiplies the tokens of all with its part of the matrix: the
weight-stationary layout of arXiv:2211.05102, sec. 3.2.

Letters: N tokens of a device, D a width that is split.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, PartitionSpec

from r1jax import sharding

# Tokens move if a matrix is so many times as wide as they would be many.
WIDTH_PER_TOKEN = 2
Axes = Sequence[str | None]
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

  def share(self, x: jax.Array) -> jax.Array:
    """Returns the device's part of the width, for the tokens of all; of `[N, ..., D]`."""
    last = x.ndim - 1
    for axes in self.axes:
      if self.of_tokens.issuperset(axes):
        x = jax.lax.all_to_all(x, axes, last, 0, tiled=True)
      else:
        size = x.shape[-1] // jax.lax.axis_size(axes)
        x = jax.lax.dynamic_slice_in_dim(x, jax.lax.axis_index(axes) * size, size, axis=last)
    return x

  def unshare(self, x: jax.Array) -> jax.Array:
    """Returns the device's tokens in their whole width; undoes `share`."""
    last = x.ndim - 1
    for axes in reversed(self.axes):
      if self.of_tokens.issuperset(axes):
        x = jax.lax.all_to_all(x, axes, 0, last, tiled=True)
      else:
        x = jax.lax.all_gather(x, axes, axis=last, tiled=True)
    return x

  def gather(self, x: jax.Array) -> jax.Array:
    """Returns the tokens of all, `[N, ...]`, in the order of `share`."""
    for axes in self.axes:
      if self.of_tokens.issuperset(axes):
        x = jax.lax.all_gather(x, axes, tiled=True)
    return x

  def scatter(self, part: jax.Array) -> jax.Array:
    """Returns the device's tokens, `[N, ...]`, summed over the parts that all devices have."""
    for axes in reversed(self.axes):
      if self.of_tokens.issuperset(axes):
        part = jax.lax.psum_scatter(part, axes, tiled=True)
      else:
        part = jax.lax.psum(part, axes)
    return part


def product(
  multiply: Callable[[jax.Array, jax.Array], jax.Array],
  x: jax.Array,
  matrix: jax.Array,
  *,
  axes: Axes,
  of_x: Axes,
  of_y: Axes,
  sums_width: bool,
  dtype: jax.typing.DTypeLike,
) -> jax.Array | None:
  """Multiplies few tokens with a matrix that stays where it is.

  Args:
    multiply: of tokens `[N, *of_x]` and the matrix, or of their parts of the width, the product
      `[N, *of_y]` in float32.
    x: tokens, `[P, G, T, *of_x]` or `[P, G, *of_x]`.
    matrix: one of its dimensions is split as the model's width is.
    axes: logical axes of the matrix.
    of_x: logical axes of `x` behind the tokens, None for the width, which is the last if any is.
    of_y: those of the product, likewise.
    sums_width: whether the width is what the product sums over, or what it yields.
    dtype: of the result.

  Returns:
    The product `[..., *of_y]`; None if the matrix had better come to the tokens, or is whole.
  """
  mesh = jax.sharding.get_abstract_mesh()
  wide = next((i for i, axis in enumerate(axes) if axis in _WIDTHS), None)
  if mesh.empty or mesh.size == 1 or wide is None:
    return None
  sizes = x.shape[: x.ndim - len(of_x)]
  tokens = sharding.fitting(sizes, ('prompts', 'samples', 'tokens')[: len(sizes)], mesh.shape)
  of_matrix = sharding.fitting(matrix.shape, axes, mesh.shape)
  of_tokens = sharding.names_of(tokens, mesh)
  split = Split.of(sharding.names_of([of_matrix[wide]], mesh), of_tokens)
  own = math.prod(sizes) // sharding.num_parts(mesh, of_tokens)
  if not split.is_for(mesh, tokens=own, width=matrix.shape[wide]):
    return None
  entries = {axis: entry for axis, entry in zip(axes, of_matrix) if axis is not None} | {None: None}
  # What else the product sums over may be split too, as heads.
  summed = sharding.names_of([entries[axis] for axis in of_x if axis not in of_y], mesh)

  def on_device(x: jax.Array, matrix: jax.Array) -> jax.Array:
    own, x = x.shape[: len(sizes)], x.reshape(-1, *x.shape[len(sizes) :])
    if sums_width:
      y = split.scatter(multiply(split.share(x), matrix)).astype(dtype)
    else:
      part = multiply(split.gather(x), matrix)
      y = split.unshare((jax.lax.psum(part, summed) if summed else part).astype(dtype))
    return y.reshape(*own, *y.shape[1:])

  given, yields = (PartitionSpec(*tokens, *(entries[axis] for axis in of)) for of in (of_x, of_y))
  # Gathered arrays would count as different on each device.
  return jax.shard_map(on_device, in_specs=(given, of_matrix), out_specs=yields, check_vma=False)(
    x, matrix
  )


def linear(
  x: jax.Array,
  matrix: jax.Array,
  axes: Axes,
  num_inputs: int,
  dtype: jax.typing.DTypeLike,
  precision: jax.lax.PrecisionLike = None,
) -> jax.Array | None:
  """Returns `layers.linear` of few tokens, None if the matrix had better come to them."""
  others = tuple(None if axis in _WIDTHS else axis for axis in axes)
  return product(
    functools.partial(
      jnp.tensordot, axes=num_inputs, precision=precision, preferred_element_type=jnp.float32
    ),
    *(x, matrix),
    axes=axes,
    of_x=others[:num_inputs],
    of_y=others[num_inputs:],
    sums_width=not set(axes[:num_inputs]).isdisjoint(_WIDTHS),
    dtype=dtype,
  )
