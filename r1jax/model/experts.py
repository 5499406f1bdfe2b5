"""What experts compute of the tokens that chose them: densely, as ragged products, or in blocks.

Letters: N tokens, Q experts chosen by a token, M rows, which are choices in order of their expert;
X blocks of rows, as many as any choice of experts can need; Y rows of a block.

Choices are numbered token by token, and a row that holds none has their number N * Q. `experts` are
the matrices `gate [E, D, F]`, `up [E, D, F]` and `down [E, F, D]`. Where a device has a part of D,
in tokens and matrices, `whole` makes products of what it has of them; the result is of that part.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax.experimental.pallas.ops.tpu.megablox import gmm

Matrices = tuple[jax.Array, jax.Array, jax.Array]
Whole = Callable[[jax.Array], jax.Array]

# Least and greatest number of rows of one product of the grouped dispatch in blocks.
BLOCK_ROWS = (64, 256)
# Numbers of rows by which a TPU's kernel goes through few of them, and many.
TILE_ROWS = (128, 512)
# Greatest width of a tile of a TPU's kernel: its sums have to lie in fast memory.
TILE_WIDTH = 1024


def as_it_is(product):
  """Returns a product of all of D."""
  return product


@struct.dataclass
class Rows:
  """Choices in order of their expert; rows behind the last one hold none.

  Attributes:
    choice_M: number of each row's choice.
    size_E: rows of each expert.
  """

  choice_M: jax.Array
  size_E: jax.Array


def dense(x_ND, chosen_NQ, weight_NQ, experts: Matrices, whole: Whole = as_it_is):
  """Computes all experts for all tokens, as three large products; unchosen ones weigh 0."""
  gate_EDF, up_EDF, down_EFD = experts
  chosen_NQE = jax.nn.one_hot(chosen_NQ, gate_EDF.shape[0], dtype=x_ND.dtype)
  weight_NE = jnp.einsum('NQE,NQ->NE', chosen_NQE, weight_NQ)
  gate_NEF = whole(jnp.einsum('ND,EDF->NEF', x_ND, gate_EDF))
  up_NEF = whole(jnp.einsum('ND,EDF->NEF', x_ND, up_EDF))
  return jnp.einsum('NEF,EFD->ND', nn.silu(gate_NEF) * up_NEF * weight_NE[..., None], down_EFD)


def grouped(x_ND, chosen_NQ, weight_NQ, experts: Matrices):
  """Computes only chosen experts: choices are sorted by expert, and none is dropped.

  Work grows with choices. So few tokens that blocks would hold more rows than all experts together,
  as in decoding, are computed densely.
  """
  num_experts = experts[0].shape[0]
  if is_dense(x_ND.shape[0], chosen_NQ.size, num_experts):
    return dense(x_ND, chosen_NQ, weight_NQ, experts)
  return weighted_sum(x_ND, weight_NQ, experts, sort(chosen_NQ, num_experts))


def is_dense(num_tokens: int, num_rows: int, num_experts: int) -> bool:
  """Returns True if all experts for all tokens are no more work than so many rows in blocks."""
  rows = _num_blocks(num_rows, num_experts) * block_rows(num_rows, num_experts)
  return rows >= num_tokens * num_experts


def sort(chosen_NQ, num_experts: int) -> Rows:
  """Returns choices in order of their expert; those of none of them are left out."""
  chosen_M = chosen_NQ.reshape(-1)
  known_M = (chosen_M >= 0) & (chosen_M < num_experts)
  chosen_M = jnp.where(known_M, chosen_M, num_experts)
  size_E = jnp.bincount(chosen_M, length=num_experts)
  choice_M = jnp.argsort(chosen_M)
  present_M = jnp.arange(choice_M.size) < jnp.sum(size_E)
  return Rows(jnp.where(present_M, choice_M, choice_M.size), size_E)


def weighted_sum(x_ND, weight_NQ, experts: Matrices, rows: Rows, whole: Whole = as_it_is):
  """Returns the sum of each token's chosen experts, `[N, D]`.

  TPUs run it as ragged products; other platforms, where XLA expands these to all experts, in
  blocks.
  """
  return jax.lax.platform_dependent(
    *(x_ND, weight_NQ, experts, rows),
    tpu=functools.partial(ragged, whole=whole),
    default=functools.partial(in_blocks, whole=whole),
  )


def ragged(x_ND, weight_NQ, experts: Matrices, rows: Rows, whole: Whole = as_it_is):
  """The weighted sum through ragged products."""
  gate_EDF, up_EDF, down_EFD = experts
  choice_M = _filled_up(rows.choice_M, weight_NQ.size)
  token_M = choice_M // weight_NQ.shape[-1]
  x_MD = _take(x_ND, token_M)
  gate_MF = whole(product(x_MD, gate_EDF, rows.size_E))
  up_MF = whole(product(x_MD, up_EDF, rows.size_E))
  weight_M = _take(weight_NQ.reshape(-1), choice_M)
  hidden_MF = nn.silu(gate_MF) * up_MF * weight_M[:, None]
  # Rows that hold no choice may have any number in them: they are none of the sum's.
  return jnp.zeros_like(x_ND).at[token_M].add(product(hidden_MF, down_EFD, rows.size_E))


def in_blocks(x_ND, weight_NQ, experts: Matrices, rows: Rows, whole: Whole = as_it_is):
  """The weighted sum as batched products over blocks of rows; each expert's rows are padded."""
  gate_EDF, up_EDF, down_EFD = experts
  num_experts, num_rows = gate_EDF.shape[0], rows.choice_M.size
  size_E, rows_Y = rows.size_E, jnp.arange(block_rows(num_rows, num_experts))
  blocks_E = -(-size_E // rows_Y.size)
  first_block_E = jnp.cumsum(blocks_E) - blocks_E
  first_row_E = jnp.cumsum(size_E) - size_E
  block_X = jnp.arange(_num_blocks(num_rows, num_experts))
  expert_X = jnp.searchsorted(jnp.cumsum(blocks_E), block_X, side='right')
  expert_X = jnp.minimum(expert_X, num_experts - 1)
  within_XY = (block_X - first_block_E[expert_X])[:, None] * rows_Y.size + rows_Y
  real_XY = within_XY < size_E[expert_X][:, None]
  row_XY = jnp.where(real_XY, first_row_E[expert_X][:, None] + within_XY, num_rows)
  choice_XY = rows.choice_M.at[row_XY].get(mode='fill', fill_value=weight_NQ.size)
  token_XY = choice_XY // weight_NQ.shape[-1]
  weight_XY = _take(weight_NQ.reshape(-1), choice_XY)
  x_XYD = _take(x_ND, token_XY)
  gate_XYF = whole(block_product(x_XYD, gate_EDF, expert_X))
  up_XYF = whole(block_product(x_XYD, up_EDF, expert_X))
  hidden_XYF = nn.silu(gate_XYF) * up_XYF * weight_XY[..., None]
  y_XYD = block_product(hidden_XYF, down_EFD, expert_X)
  return jnp.zeros_like(x_ND).at[token_XY].add(y_XYD)


def block_rows(num_rows: int, num_experts: int) -> int:
  """Returns the rows of a block: large blocks waste padding, small ones copies of the experts.

  About a quarter of an expert's even share of the rows, as a power of two within `BLOCK_ROWS`.
  """
  quarter = max(num_rows // (4 * num_experts), 1)
  least, greatest = BLOCK_ROWS
  return min(max(1 << quarter.bit_length() - 1, least), greatest)


def _num_blocks(num_rows: int, num_experts: int) -> int:
  """Returns how many blocks any choice of experts can need."""
  most_used, rows = min(num_experts, num_rows), block_rows(num_rows, num_experts)
  return (num_rows + most_used * (rows - 1)) // rows


def _take(array, index):
  """Returns entries of the first axis; 0 where there are none."""
  return array.at[index].get(mode='fill', fill_value=0)


def _filled_up(choice_M, num_choices: int):
  """Returns rows up to a whole number of tiles."""
  missing = -choice_M.size % _tile_rows(choice_M.size)
  return jnp.pad(choice_M, (0, missing), constant_values=num_choices)


def _tile_rows(num_rows: int) -> int:
  few, many = TILE_ROWS
  return few if num_rows < 16 * many else many


@jax.custom_vjp
def block_product(x_XYK, matrix_EKN, expert_X):
  """Multiplies blocks of rows with a copy of the matrix of their expert each, `[X, Y, N]`.

  The copies, which may take several times the memory of all experts, are made again for the
  derivative and not kept until then.
  """
  return jnp.einsum('XYK,XKN->XYN', x_XYK, matrix_EKN[expert_X])


def _block_product_forward(x_XYK, matrix_EKN, expert_X):
  return block_product(x_XYK, matrix_EKN, expert_X), (x_XYK, matrix_EKN, expert_X)


def _block_product_backward(saved, dy_XYN):
  x_XYK, matrix_EKN, expert_X = saved
  dx_XYK = jnp.einsum('XYN,XKN->XYK', dy_XYN, matrix_EKN[expert_X])
  dmatrix_XKN = jnp.einsum('XYK,XYN->XKN', x_XYK, dy_XYN)
  return dx_XYK, jnp.zeros_like(matrix_EKN).at[expert_X].add(dmatrix_XKN), None


block_product.defvjp(_block_product_forward, _block_product_backward)


@jax.custom_vjp
def product(x_MK, matrix_EKN, size_E):
  """Multiplies rows with the matrix of their expert, `[M, N]`; rows of none may be anything.

  XLA's derivative of `jax.lax.ragged_dot` by the matrices would multiply every row for every
  expert; this one costs as much as the product.

  Args:
    x_MK: rows in order of their expert, in whole tiles.
    matrix_EKN: of the experts.
    size_E: rows of each expert.
  """
  return jax.lax.ragged_dot(x_MK, matrix_EKN, size_E)


def _product_forward(x_MK, matrix_EKN, size_E):
  return product(x_MK, matrix_EKN, size_E), (x_MK, matrix_EKN, size_E)


def _product_backward(saved, dy_MN):
  x_MK, matrix_EKN, size_E = saved
  dx_MK = jax.lax.ragged_dot(dy_MN, jnp.swapaxes(matrix_EKN, 1, 2), size_E)
  dmatrix_EKN = jax.lax.platform_dependent(
    x_MK, matrix_EKN, size_E, dy_MN, tpu=_by_matrices_on_tpu, default=_by_matrices
  )
  return dx_MK, dmatrix_EKN, None


product.defvjp(_product_forward, _product_backward)


def _by_matrices(x_MK, matrix_EKN, size_E, dy_MN):
  """Returns each expert's sum of outer products of its rows, `[E, K, N]`."""
  _, pull = jax.vjp(lambda matrix: jax.lax.ragged_dot(x_MK, matrix, size_E), matrix_EKN)
  return pull(dy_MN)[0]


def _by_matrices_on_tpu(x_MK, matrix_EKN, size_E, dy_MN, *, interpret=False):
  """Like `_by_matrices`, in a kernel that goes through the rows of each expert alone."""

  def kernel(matrix):
    return gmm(
      x_MK, matrix, size_E.astype(jnp.int32), x_MK.dtype, _tiling, None, None, False, interpret
    )

  return jax.vjp(kernel, matrix_EKN)[1](dy_MN)[0]


def _tiling(num_rows: int, *widths: int) -> tuple[int, int, int]:
  """Returns the tiles of a kernel: of the rows, and of the widths those that pad least."""

  def tile(width: int) -> int:
    if width <= TILE_WIDTH:
      return width
    # The largest one of those that pad least, but none so narrow that it is slow.
    sizes = range(TILE_WIDTH, TILE_WIDTH // 4, -128)
    return min(sizes, key=lambda size: (-width % size, -size))

  return _tile_rows(num_rows), tile(widths[0]), tile(widths[1])
