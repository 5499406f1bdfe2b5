import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.model import experts as own
from r1jax.model.experts import (
  BLOCK_ROWS,
  block_rows,
  dense,
  grouped,
  in_blocks,
  product,
  ragged,
  sort,
)


def one_by_one(x_ND, chosen_NQ, weight_NQ, experts):
  """The oracle: each choice multiplies with its own copy of its expert; none with 0."""
  here_NQ = (chosen_NQ >= 0) & (chosen_NQ < NUM_EXPERTS)
  weight_NQ = jnp.where(here_NQ, weight_NQ, 0)
  gate, up, down = (matrices[jnp.where(here_NQ, chosen_NQ, 0)] for matrices in experts)
  hidden = jax.nn.silu(jnp.einsum('ND,NQDF->NQF', x_ND, gate))
  hidden *= jnp.einsum('ND,NQDF->NQF', x_ND, up)
  return jnp.einsum('NQF,NQFD,NQ->ND', hidden, down, weight_NQ)


NUM_EXPERTS, TOP_K = 5, 2
B = BLOCK_ROWS[0]


def choices(case):
  """Chosen experts `[N, Q]`; of 3 blocks of tokens and some, or of one token."""
  N = 3 * B + 2
  rng = np.random.default_rng(0)
  if case == 'random':
    return np.array([rng.permutation(NUM_EXPERTS)[:TOP_K] for _ in range(N)])
  if case == 'two experts idle':
    return np.array([rng.permutation([0, 2, 3])[:TOP_K] for _ in range(N)])
  if case == 'all to one':  # The same expert twice: no router does it, and yet nothing is dropped.
    return np.full((N, TOP_K), 3)
  if case == 'one row in each last block':  # As many blocks as any choice can need.
    sizes = [B + 1, B + 1, B + 1, B + 1, 2 * B]
    return np.repeat(np.arange(NUM_EXPERTS), sizes).reshape(N, TOP_K)
  if case == 'blocks of many rows':
    assert block_rows(5200, NUM_EXPERTS) > B
    return rng.permuted(np.arange(2600 * NUM_EXPERTS).reshape(2600, -1) % 5, axis=1)[:, :TOP_K]
  if case == 'half are elsewhere':  # Experts of other devices have numbers beyond one's own.
    return np.array([rng.permutation(np.arange(-3, NUM_EXPERTS + 2))[:TOP_K] for _ in range(N)])
  if case == 'one token':
    return np.array([[4, 1]])
  raise ValueError(case)


def sorted_first(weighted_sum):
  """The way of `grouped`, without its choice of a way."""

  def run(x_ND, chosen_NQ, weight_NQ, experts):
    return weighted_sum(x_ND, weight_NQ, experts, sort(chosen_NQ, experts[0].shape[0]))

  return run


WAYS = {
  'dense': dense,
  'ragged': sorted_first(ragged),
  'in blocks': sorted_first(in_blocks),
  'grouped': grouped,
}


@functools.cache
def value_and_gradients(way):
  def loss(x_ND, weight_NQ, experts, chosen_NQ):
    out = way(x_ND, chosen_NQ, weight_NQ, experts)
    return jnp.sum(out * jnp.cos(jnp.arange(out.size)).reshape(out.shape)), out

  gradient = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
  return jax.jit(gradient)


@pytest.mark.parametrize('name', WAYS)
@pytest.mark.parametrize(
  'case',
  [
    'random',
    'two experts idle',
    'all to one',
    'one row in each last block',
    'blocks of many rows',
    'half are elsewhere',
    'one token',
  ],
)
def test_all_ways_agree_in_values_and_gradients(name, case):
  chosen_NQ = jnp.asarray(choices(case))
  rng = np.random.default_rng(1)
  N, D, F, E = len(chosen_NQ), 4, 6, NUM_EXPERTS
  x_ND, weight_NQ, *experts = (
    jnp.asarray(rng.normal(size=shape), jnp.float32)
    for shape in ((N, D), (N, TOP_K), (E, D, F), (E, D, F), (E, F, D))
  )
  arguments = (x_ND, weight_NQ, tuple(experts), chosen_NQ)
  found, expected = (value_and_gradients(f)(*arguments) for f in (WAYS[name], one_by_one))
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-5 * np.abs(b).max())


@pytest.mark.parametrize(
  ('num_choices', 'num_experts', 'rows'),
  [(1, 5, 64), (8192, 64, 64), (8192, 8, 256), (4096, 8, 128), (10**6, 8, 256)],
)
def test_a_block_is_about_a_quarter_of_an_even_share(num_choices, num_experts, rows):
  assert block_rows(num_choices, num_experts) == rows


WIDE = 32


@functools.cache
def operations(way, *, tokens, backward):
  """Operations of the optimised program at 64 experts, 2 choices a token, all widths 32."""

  def loss(x_ND, weight_NQ, experts, chosen_NQ):
    return jnp.sum(way(x_ND, chosen_NQ, weight_NQ, experts) ** 2)

  matrices = jax.ShapeDtypeStruct((64, WIDE, WIDE), jnp.float32)
  arguments = (
    jax.ShapeDtypeStruct((tokens, WIDE), jnp.float32),
    jax.ShapeDtypeStruct((tokens, TOP_K), jnp.float32),
    (matrices, matrices, matrices),
    jax.ShapeDtypeStruct((tokens, TOP_K), jnp.int32),
  )
  program = jax.grad(loss, argnums=(0, 1, 2)) if backward else loss
  lowered = jax.jit(program).lower(*arguments)
  return lowered.compile().cost_analysis()['flops']


def operations_of_a_token(way, *, backward):
  """What a token costs more, beyond what any number of tokens costs."""
  few, many = (operations(way, tokens=tokens, backward=backward) for tokens in (2048, 4096))
  return (many - few) / 2048


@pytest.mark.parametrize('backward', [False, True])
def test_work_of_the_chosen_grows_with_choices_and_not_with_experts(backward):
  """A choice is 3 products of 2 * 32 * 32 operations, three times that with the gradient."""
  products = TOP_K * 3 * 2 * WIDE * WIDE * (3 if backward else 1)
  found = operations_of_a_token(grouped, backward=backward)
  assert products <= found < 1.15 * products
  # And all there is: blocks filled in part cost at most the rows of one an expert.
  total = operations(grouped, tokens=4096, backward=backward)
  assert total < 1.15 * products * (4096 + 64 * block_rows(4096 * TOP_K, 64) / TOP_K)


@pytest.mark.parametrize('name', ['dense', 'ragged'])
def test_other_ways_pay_for_every_expert_on_the_cpu(name):
  """Why blocks exist: if XLA learns to run a ragged product on the CPU, they may go."""
  found = operations_of_a_token(WAYS[name], backward=False)
  assert found > 30 * operations_of_a_token(grouped, backward=False)


def test_what_blocks_keep_for_the_gradient_is_no_copy_of_an_expert():
  tokens, wide, E, F = 512, 32, NUM_EXPERTS, 24
  shapes = [(tokens, wide), (tokens, TOP_K), (E, wide, F), (E, wide, F), (E, F, wide)]
  x_ND, weight_NQ, *matrices = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)
  rows = sort(jnp.asarray(np.arange(tokens * TOP_K).reshape(tokens, TOP_K) % E), E)

  def derivative(*primals):
    return jax.vjp(lambda *primals: in_blocks(*primals, rows), *primals)[1]

  pull = jax.eval_shape(derivative, x_ND, weight_NQ, tuple(matrices))
  kept = [leaf.shape for leaf in jax.tree.leaves(pull)]
  num_blocks = own._num_blocks(tokens * TOP_K, E)
  assert (num_blocks, block_rows(tokens * TOP_K, E), F) in kept
  assert not any(shape[0] == num_blocks and wide in shape[1:] and F in shape[1:] for shape in kept)


ROWS, SIZES = 256, np.array([100, 0, 37, 70, 1], np.int32)  # The last 48 rows are nobody's.


def test_gradient_by_the_matrices_on_a_tpu():
  """Its kernel, interpreted; rows of nobody need not even be numbers."""
  rng = np.random.default_rng(0)
  x_MK, dy_MN = (rng.normal(size=(ROWS, width)).astype(np.float32) for width in (16, 24))
  expected = np.stack(
    [
      x_MK[last - size : last].T @ dy_MN[last - size : last]
      for size, last in zip(SIZES, np.cumsum(SIZES), strict=True)
    ]
  )
  x_MK[SIZES.sum() :] = np.nan
  kernel = jax.jit(functools.partial(own._by_matrices_on_tpu, interpret=True))
  found = kernel(x_MK, np.zeros(expected.shape, np.float32), SIZES, dy_MN)
  np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_on_a_tpu_all_products_of_the_gradient_go_through_rows_once():
  """XLA's kernel multiplies rows with matrices; of one that contracts rows it has none."""

  def gradients(x_MK, matrix_EKN, size_E, dy_MN):
    return jax.vjp(lambda *primals: product(*primals, size_E), x_MK, matrix_EKN)[1](dy_MN)

  shapes = [(ROWS, 16), (NUM_EXPERTS, 16, 24), (NUM_EXPERTS,), (ROWS, 24)]
  dtypes = [jnp.bfloat16, jnp.bfloat16, jnp.int32, jnp.bfloat16]
  traced = jax.jit(gradients).trace(*map(jax.ShapeDtypeStruct, shapes, dtypes))
  text = traced.lower(lowering_platforms=('tpu',)).as_text()
  results = re.findall(r'"chlo.ragged_dot".*-> tensor<([^>]*)>', text)
  assert results == ['256x16xbf16']
  assert text.count('tpu_custom_call') == 1


@pytest.mark.parametrize(
  ('width', 'tile'), [(24, 24), (1024, 1024), (1408, 768), (2048, 1024), (7168, 1024)]
)
def test_tiles_of_a_wide_matrix_pad_little(width, tile):
  assert own._tiling(256, width, 8) == (128, tile, 8)
  assert own._tiling(2**15, 8, width) == (512, 8, tile)
