"""Rotary position embedding, with the context extensions of YaRN and Llama 3.

Letters: R the rotated width.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from r1jax.model.config import Llama3Scaling, Rope, Yarn


def frequencies(rope: Rope, dim: int) -> np.ndarray:
  """Returns the `dim / 2` angular frequencies, in radians a token (float64)."""
  inverse = rope.theta ** (-np.arange(0, dim, 2) / dim)
  if isinstance(rope.scaling, Yarn):
    return _yarn(inverse, rope.theta, rope.scaling, dim)
  if isinstance(rope.scaling, Llama3Scaling):
    return _llama3(inverse, rope.scaling)
  return inverse


def _yarn(inverse: np.ndarray, theta: float, yarn: Yarn, dim: int) -> np.ndarray:
  """Blends kept and divided frequencies by a ramp over dimensions (arXiv:2309.00071 eq. 23)."""

  def dimension(rotations: float) -> float:
    turns = yarn.original_positions / (rotations * 2 * math.pi)
    return dim * math.log(turns) / (2 * math.log(theta))

  low = max(math.floor(dimension(yarn.beta_fast)), 0)
  high = min(math.ceil(dimension(yarn.beta_slow)), dim - 1)
  # Where the ends swap (few original positions), published code divides by what is below 0.
  ramp = np.clip((np.arange(dim // 2) - low) / (high - low or 1e-3), 0, 1)
  return inverse / yarn.factor * ramp + inverse * (1 - ramp)


def _llama3(inverse: np.ndarray, scaling: Llama3Scaling) -> np.ndarray:
  """Divides long wavelengths by the factor, keeps short ones, blends between."""
  rotations = scaling.original_positions * inverse / (2 * math.pi)
  low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
  keep = np.clip((rotations - low) / (high - low), 0, 1)
  return inverse * keep + inverse / scaling.factor * (1 - keep)


def mscale(factor: float, weight: float) -> float:
  """Returns YaRN's attention temperature `0.1 * weight * ln(factor) + 1` (1 for no extension)."""
  return 0.1 * weight * math.log(factor) + 1 if factor > 1 else 1.0


def amplitude(rope: Rope) -> float:
  """Returns the factor on the rotated vectors."""
  if not isinstance(rope.scaling, Yarn):
    return 1.0
  yarn = rope.scaling
  if yarn.attention_factor is not None:
    return yarn.attention_factor
  return mscale(yarn.factor, yarn.mscale) / mscale(yarn.factor, yarn.mscale_all_dim)


def softmax_scale(rope: Rope, dim: int) -> float:
  """Returns the factor on attention scores of vectors of width `dim`."""
  scale = dim**-0.5
  if isinstance(rope.scaling, Yarn):
    scale *= mscale(rope.scaling.factor, rope.scaling.mscale_all_dim) ** 2
  return scale


def angles(rope: Rope, dim: int, position_PT: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Returns cosine and sine, each float32 `[P, 1, T, 1, R/2]`, ready for `rotate`."""
  angle = position_PT[:, None, :, None, None] * jnp.asarray(frequencies(rope, dim), jnp.float32)
  return amplitude(rope) * jnp.cos(angle), amplitude(rope) * jnp.sin(angle)


def rotate(x_PGTHR: jax.Array, cos_sin: tuple[jax.Array, jax.Array], *, interleaved: bool):
  """Rotates each pair of the last axis by its angle; computed in float32."""
  cos, sin = cos_sin
  x = x_PGTHR.astype(jnp.float32)
  if interleaved:
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    a, b = pairs[..., 0], pairs[..., 1]
    rotated = jnp.stack([a * cos - b * sin, b * cos + a * sin], axis=-1).reshape(x.shape)
  else:
    a, b = jnp.split(x, 2, axis=-1)
    rotated = jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)
  return rotated.astype(x_PGTHR.dtype)
