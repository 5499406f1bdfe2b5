import jax
import jax.numpy as jnp
import numpy as np
import slow_model

from r1jax.model.layers import RMSNorm, SwiGLU


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
