"""Parts without a story of their own: normalisation, linear maps, the gated feed-forward."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from r1jax.model.config import ModelConfig


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
    return (nn.silu(x @ gate_DF) * (x @ up_DF)) @ down_FD
