"""From logits to a token: one uniform number and the inverse of the distribution.

Letters: N draws, R rows by C columns into which the vocabulary is folded (R * C >= V).
"""

import dataclasses
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp


@dataclasses.dataclass(frozen=True)
class Sampler:
  """How a token is chosen.

  Attributes:
    temperature: divides the logits; 0 takes the most likely token.
    top_k: keep this many of the most likely tokens (and ties), or None for all.
    top_p: keep the smallest set of most likely tokens with at least this mass (and ties); 1 keeps
      all.
  """

  temperature: float = 1.0
  top_k: int | None = None
  top_p: float = 1.0

  def __post_init__(self):
    if not 0 <= self.temperature < math.inf:
      raise ValueError(f'temperature is {self.temperature}, allowed is 0 or more, and finite')
    if self.top_k is not None and self.top_k < 1:
      raise ValueError(f'top_k is {self.top_k}, allowed is 1 or more, or None for all tokens')
    if not 0 < self.top_p <= 1:
      raise ValueError(f'top_p is {self.top_p}, allowed is above 0 and up to 1')


class Draw(NamedTuple):
  """What was drawn.

  Attributes:
    token_N: token ids.
    logp_N: their log-probability under the temperature-scaled distribution before any cut (at
      temperature 0, under the distribution at temperature 1).
    margin_N: how far the uniform number was from drawing another token; at temperature 0, how far
      the largest probability is above the next.
  """

  token_N: jax.Array
  logp_N: jax.Array
  margin_N: jax.Array


def address(key: jax.Array, *numbers: jax.Array) -> jax.Array:
  """Returns the keys at an address: `key` folded with each number; numbers broadcast together."""
  shape = jnp.broadcast_shapes(*(number.shape for number in numbers))
  keys = jnp.broadcast_to(key, shape)
  fold = jnp.vectorize(jax.random.fold_in)
  for number in numbers:
    keys = fold(keys, number)
  return keys


def uniform(key_N: jax.Array, position: jax.Array) -> jax.Array:
  """Returns one number in [0, 1) for each key at a position, a function of these two alone."""

  def one(key: jax.Array) -> jax.Array:
    return jax.random.uniform(jax.random.fold_in(key, position))

  return jnp.vectorize(one)(key_N)


def log_probabilities(logits_NV: jax.Array, temperature: float) -> jax.Array:
  """Returns float32 log-probabilities at a temperature (0 counts as 1)."""
  return jax.nn.log_softmax(logits_NV.astype(jnp.float32) / (temperature or 1.0), axis=-1)


def draw(logits_NV: jax.Array, uniform_N: jax.Array, sampler: Sampler) -> Draw:
  """Draws a token of each row by inverting its cumulative distribution at `uniform_N`."""
  logp_NV = log_probabilities(logits_NV, sampler.temperature)
  if sampler.temperature == 0:
    best_N2, token_N2 = jax.lax.top_k(logp_NV, 2)
    gap_N = jnp.exp(best_N2[:, 0]) - jnp.exp(best_N2[:, 1])
    return Draw(token_N2[:, 0], best_N2[:, 0], gap_N)
  token_N, margin_N = invert(jnp.exp(cut(logp_NV, sampler)), uniform_N)
  return Draw(token_N, jnp.take_along_axis(logp_NV, token_N[:, None], axis=-1)[:, 0], margin_N)


def cut(logp_NV: jax.Array, sampler: Sampler) -> jax.Array:
  """Sets tokens outside top-k, then outside top-p of what is left, to -inf."""
  if sampler.top_k is not None and sampler.top_k < logp_NV.shape[-1]:
    kth_N1 = jax.lax.top_k(logp_NV, sampler.top_k)[0][:, -1:]
    logp_NV = jnp.where(logp_NV >= kth_N1, logp_NV, -jnp.inf)
  if sampler.top_p < 1:
    sorted_NV = -jnp.sort(-logp_NV, axis=-1)
    mass_NV = jax.nn.softmax(sorted_NV, axis=-1)
    above_NV = jnp.cumsum(mass_NV, axis=-1) - mass_NV
    last_N1 = jnp.min(
      jnp.where(above_NV < sampler.top_p, sorted_NV, jnp.inf), axis=-1, keepdims=True
    )
    logp_NV = jnp.where(logp_NV >= last_N1, logp_NV, -jnp.inf)
  return logp_NV


def invert(mass_NV: jax.Array, uniform_N: jax.Array) -> tuple[jax.Array, jax.Array]:
  """Returns the token in whose share of the total mass the uniform number falls, and its margin.

  Sums over rows find the row, a running sum within it the token: the vocabulary is read once. A
  token without mass is never drawn. The margin is 1 where only one token has any.
  """
  N, V = mass_NV.shape
  C = math.ceil(math.sqrt(V))
  R = math.ceil(V / C)
  mass_NRC = jnp.pad(mass_NV, ((0, 0), (0, R * C - V))).reshape(N, R, C)
  mass_NR = jnp.sum(mass_NRC, axis=-1)
  upto_NR = jnp.cumsum(mass_NR, axis=-1)
  total_N1 = upto_NR[:, -1:]
  target_N1 = uniform_N[:, None] * total_N1
  row_N1 = _place(mass_NR, upto_NR, target_N1)
  before_N1 = jnp.where(row_N1 > 0, jnp.take_along_axis(upto_NR, row_N1 - 1, axis=-1), 0.0)
  mass_NC = jnp.take_along_axis(mass_NRC, row_N1[..., None], axis=1)[:, 0]
  column_N1 = _place(mass_NC, before_N1 + jnp.cumsum(mass_NC, axis=-1), target_N1)
  below_N1 = before_N1 + _sum_where(mass_NC, jnp.arange(C) < column_N1)
  above_N1 = _sum_where(mass_NC, jnp.arange(C) > column_N1)
  above_N1 += _sum_where(mass_NR, jnp.arange(R) > row_N1)
  # The ends of the distribution are no boundaries: beyond them there is no other token.
  lower_N1 = jnp.where(below_N1 > 0, target_N1 - below_N1, total_N1)
  upper_N1 = jnp.where(above_N1 > 0, total_N1 - above_N1 - target_N1, total_N1)
  margin_N1 = jnp.maximum(jnp.minimum(lower_N1, upper_N1), 0.0) / total_N1
  token_N1 = jnp.minimum(row_N1 * C + column_N1, V - 1)  # In range even if logits are NaN.
  return token_N1[:, 0], margin_N1[:, 0]


def _place(mass_NX: jax.Array, upto_NX: jax.Array, target_N1: jax.Array) -> jax.Array:
  """Returns the first place with mass whose running sum exceeds the target.

  Running sums are rounded, and need not even rise: if none exceeds it, the last place with mass.
  """
  full_NX = mass_NX > 0
  found_NX = full_NX & (upto_NX > target_N1)
  last_N1 = mass_NX.shape[-1] - 1 - jnp.argmax(full_NX[:, ::-1], axis=-1, keepdims=True)
  first_N1 = jnp.argmax(found_NX, axis=-1, keepdims=True)
  return jnp.where(jnp.any(found_NX, axis=-1, keepdims=True), first_N1, last_N1)


def _sum_where(mass_NX: jax.Array, mask_NX: jax.Array) -> jax.Array:
  return jnp.sum(jnp.where(mask_NX, mass_NX, 0.0), axis=-1, keepdims=True)
