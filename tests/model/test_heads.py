import jax
import jax.numpy as jnp
import numpy as np

from r1jax.model.heads import ScalarHead, at_last_token


def test_first_values_are_zero():
  hidden = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4, 5)))
  value, params = ScalarHead().init_with_output(jax.random.key(0), hidden)
  np.testing.assert_array_equal(value, np.zeros((2, 3, 4)))
  gradient = jax.grad(lambda p: ScalarHead().apply(p, hidden).sum())(params)['params']
  np.testing.assert_allclose(gradient['kernel'], hidden.sum((0, 1, 2)), rtol=1e-5)
  assert gradient['bias'] == 24  # Zero is no trap: it can learn at once.


def test_value_is_linear_in_float32():
  params = {'params': {'kernel': jnp.array([1.0, -2.0]), 'bias': jnp.array(0.5)}}
  value = ScalarHead().apply(params, jnp.array([[[[257.0, 128.0]]]], jnp.bfloat16))
  assert value.dtype == jnp.float32
  np.testing.assert_array_equal(value, [[[256 - 256 + 0.5]]])  # 257 rounds to 256 in bfloat16.


def test_at_last_token():
  score_PGT = jnp.arange(12.0).reshape(2, 2, 3)
  found = at_last_token(score_PGT, jnp.array([[1, 2], [3, 1]]))
  np.testing.assert_array_equal(found, [[0, 4], [8, 9]])
