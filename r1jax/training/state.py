"""What training changes from step to step."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct


@struct.dataclass
class TrainState:
  """Parameters and what the optimiser remembers.

  Attributes:
    updates: number of updates taken or skipped.
    params: tree of float32 parameters, the experts' selection biases among them.
    optimizer: the optimiser's state.
    skipped: updates skipped in a row because the loss or gradient was not finite.
  """

  updates: jax.Array
  params: Any
  optimizer: optax.OptState
  skipped: jax.Array


def create(params: Any, optimizer: optax.GradientTransformation) -> TrainState:
  """Returns the state before the first update."""
  return TrainState(
    jnp.zeros((), jnp.int32), params, optimizer.init(params), jnp.zeros((), jnp.int32)
  )
