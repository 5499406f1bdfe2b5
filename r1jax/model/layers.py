"""Parts without a story of their own: normalisation, linear maps, the gated feed-forward."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from r1jax.model.config import ModelConfig
from r1jax.sharding import splits_tokens


class RMSNorm(nn.Module):
  """Root mean square normalisation in float32 (arXiv:1910.07467)."""

  epsilon: float

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Normalises the last axis of `x` and scales it; keeps shape and dtype."""
    scale = self.param('scale', nn.initializers.ones, (x.shape[-1],))
    wide = x.astype(jnp.float32)
    variance = jnp.mean(wide * wide, axis=-1, keepdims=True)
    return (wide * jax.lax.rsqrt(variance + self.epsilon) * scale).astype(x.dtype)


def weight(module: nn.Module, config: ModelConfig, name: str, *shape: int) -> jax.Array:
  """Declares a float32 parameter of `module` and returns it in the dtype of computation."""
  array = module.param(name, nn.initializers.normal(config.init_std), shape)
  return array.astype(config.dtype)


def linear(x: jax.Array, matrix: jax.Array, *, num_inputs: int = 1, dtype=None) -> jax.Array:
  """Multiplies the last axes of `x` with the first ones of `matrix`.

  All other axes of `x` are one while it does: for the gradient of the matrix XLA transposes `x`,
  and with three axes of tokens its code for the CPU takes several times as long.

  Args:
    x: `[..., *inputs]`.
    matrix: `[*inputs, *outputs]`.
    num_inputs: number of axes summed over.
    dtype: of the result, and of the sums; by default that of `x`.

  Returns:
    `[..., *outputs]`.
  """
  tokens, inputs = x.shape[: x.ndim - num_inputs], matrix.shape[:num_inputs]
  outputs = matrix.shape[num_inputs:]
  if splits_tokens():  # Tokens split over devices must keep their axis.
    return jnp.tensordot(x, matrix, num_inputs, preferred_element_type=dtype)
  flat = x.reshape(-1, math.prod(inputs))
  product = jnp.matmul(flat, matrix.reshape(flat.shape[-1], -1), preferred_element_type=dtype)
  return product.reshape(*tokens, *outputs)


class SwiGLU(nn.Module):
  """Gated feed-forward `(silu(x gate) * (x up)) down` (arXiv:2002.05202)."""

  config: ModelConfig
  width: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps `[..., D]` to `[..., D]`."""
    dim = x.shape[-1]
    gate_DF = weight(self, self.config, 'gate', dim, self.width)
    up_DF = weight(self, self.config, 'up', dim, self.width)
    down_FD = weight(self, self.config, 'down', self.width, dim)
    return linear(nn.silu(linear(x, gate_DF)) * linear(x, up_DF), down_FD)
