import jax
import jax.numpy as jnp
import numpy as np
import pytest
import slow_model

from r1jax.model.layers import RMSNorm, SwiGLU, linear


def test_rms_norm_by_hand():
  # Mean square of (3, 4, 0, 0) is 25/4: with epsilon 11/4 the divisor is 3.
  params = {'params': {'scale': jnp.array([1.0, 2.0, 1.0, 1.0])}}
  out = RMSNorm(epsilon=2.75).apply(params, jnp.array([[3.0, 4.0, 0.0, 0.0]]))
  np.testing.assert_allclose(out, [[1.0, 8 / 3, 0.0, 0.0]], rtol=1e-6)


def test_rms_norm_rounds_once():
  """In bfloat16 only the result is rounded; with rounded steps a third of it would differ."""
  x = jnp.asarray(np.random.default_rng(0).normal(size=1000), jnp.bfloat16)
  out = RMSNorm(epsilon=0.0).apply({'params': {'scale': jnp.ones(1000)}}, x)
  assert out.dtype == jnp.bfloat16
  exact = slow_model.rms_norm(np.asarray(x, np.float64), 1.0, 0.0)
  assert np.mean(np.asarray(out) != np.asarray(jnp.asarray(exact, jnp.bfloat16))) < 0.01


def test_rms_norm_starts_as_identity_in_scale():
  params = RMSNorm(epsilon=1e-6).init(jax.random.key(0), jnp.ones(5))
  np.testing.assert_array_equal(params['params']['scale'], np.ones(5))


def test_swiglu(gqa):
  x_BD = np.random.default_rng(0).normal(size=(3, gqa.config.model_dim))
  params = jax.tree.map(lambda leaf: leaf[1], gqa.params['dense_layers']['mlp'])
  out = SwiGLU(gqa.config, gqa.config.mlp_dim).apply({'params': params}, jnp.asarray(x_BD))
  expected = [slow_model.swiglu(x, slow_model.as_float64(params)) for x in x_BD]
  np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
  ('letters', 'num_inputs'), [('PGTD,DF->PGTF', 1), ('PSD,DHd->PSHd', 1), ('PGTHd,HdD->PGTD', 2)]
)
def test_linear_is_a_sum_over_the_inputs(letters, num_inputs):
  sizes = dict(zip('PGTSDFHd', (2, 3, 5, 4, 6, 7, 2, 3)))
  inputs, _ = letters.split('->')
  x, matrix = (
    np.random.default_rng(0).normal(size=[sizes[axis] for axis in term]).astype(np.float32)
    for term in inputs.split(',')
  )
  found = linear(x, matrix, num_inputs=num_inputs)
  np.testing.assert_allclose(found, np.einsum(letters, x, matrix), rtol=1e-5, atol=1e-5)


def test_linear_can_return_a_wider_result():
  """1 + 2^-8 is no bfloat16: products of bfloat16 are summed in float32, and may stay so."""
  x, matrix = jnp.ones((1, 2), jnp.bfloat16), jnp.array([[1.0], [2**-8]], jnp.bfloat16)
  assert linear(x, matrix).dtype == jnp.bfloat16
  assert linear(x, matrix, dtype=jnp.float32) == 1 + 2**-8


def test_the_gradient_of_linear_transposes_flat_tokens():
  """With axes of tokens apart, XLA's transposition for the CPU takes several times as long."""
  x, matrix = jnp.ones((2, 3, 5, 4)), jnp.ones((4, 6))
  program = jax.jit(jax.grad(lambda m: jnp.sum(linear(x, m) ** 2))).lower(matrix).as_text()
  products = [line for line in program.splitlines() if 'dot_general' in line]
  assert len(products) == 2 and all('tensor<30x' in line for line in products)
