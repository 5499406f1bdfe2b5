"""Parts without a story of their own: normalisation, linear maps, the gated feed-forward."""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from r1jax.model import lora, stationary
from r1jax.model.config import ModelConfig
from r1jax.sharding import context_parts, logical_axes


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
  """Declares a parameter of `module` and returns it in the dtype of computation.

  Its low-rank change, if there is one (`model.lora`), is added.
  """
  array = module.param(name, nn.initializers.normal(config.init_std), shape)
  if module.has_variable('lora', name):
    array += lora.product(module.get_variable('lora', name), lora.AXES[name][1])
  return array.astype(config.dtype)


def project(
  module: nn.Module,
  config: ModelConfig,
  name: str,
  x: jax.Array,
  *outputs: int,
  num_inputs: int = 1,
) -> jax.Array:
  """Declares a parameter of `module` and multiplies the last axes of `x` with it.

  Its low-rank change, if there is one (`model.lora`), is multiplied with `x` by itself, so that no
  matrix of the parameter's size is made for it, nor for its gradient.

  Args:
    module: that has the parameter.
    config: of the model.
    name: of the parameter, `[*inputs, *outputs]`.
    x: `[..., *inputs]`.
    *outputs: sizes of what it yields.
    num_inputs: number of axes summed over.

  Returns:
    `[..., *outputs]`.
  """
  shape = (*x.shape[x.ndim - num_inputs :], *outputs)
  matrix = module.param(name, nn.initializers.normal(config.init_std), shape)
  # A part of a model by itself has no place in the table.
  axes = logical_axes('/'.join((*module.path, name)), matrix.ndim) if module.path else ()
  y = linear(x, matrix.astype(config.dtype), num_inputs=num_inputs, axes=axes)
  if module.has_variable('lora', name):
    low: dict[str, jax.Array] = module.get_variable('lora', name)
    inner = linear(x, low['a'].astype(config.dtype), num_inputs=num_inputs)
    y += linear(inner, low['b'].astype(config.dtype))
  return y


def linear(
  x: jax.Array,
  matrix: jax.Array,
  *,
  num_inputs: int = 1,
  dtype: jax.typing.DTypeLike | None = None,
  axes: Sequence[str | None] = (),
  precision: jax.lax.PrecisionLike = None,
) -> jax.Array:
  """Multiplies the last axes of `x` with the first ones of `matrix`.

  All other axes of `x` are one while it does: for the gradient of the matrix XLA transposes `x`,
  and with three axes of tokens its code for the CPU takes several times as long.

  Args:
    x: `[..., *inputs]`.
    matrix: `[*inputs, *outputs]`.
    num_inputs: number of axes summed over.
    dtype: of the result, and of the sums; by default that of `x`.
    axes: logical axes of the matrix, if it is to stay where it is for few tokens (`stationary`).
    precision: of the product.

  Returns:
    `[..., *outputs]`.
  """
  few = stationary.linear(x, matrix, axes, num_inputs, dtype or x.dtype, precision)
  if few is not None:
    return few
  tokens, inputs = x.shape[: x.ndim - num_inputs], matrix.shape[:num_inputs]
  outputs = matrix.shape[num_inputs:]
  if context_parts() > 1:  # What is split over devices must keep its axis.
    return jnp.tensordot(x, matrix, num_inputs, precision=precision, preferred_element_type=dtype)
  flat, matrix = x.reshape(-1, math.prod(inputs)), matrix.reshape(math.prod(inputs), -1)
  product = jnp.matmul(flat, matrix, precision=precision, preferred_element_type=dtype)
  return product.reshape(*tokens, *outputs)


class SwiGLU(nn.Module):
  """Gated feed-forward `(silu(x gate) * (x up)) down` (arXiv:2002.05202)."""

  config: ModelConfig
  width: int

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    """Maps `[..., D]` to `[..., D]`."""
    dim = x.shape[-1]
    gate = project(self, self.config, 'gate', x, self.width)
    up = project(self, self.config, 'up', x, self.width)
    return project(self, self.config, 'down', nn.silu(gate) * up, dim)
