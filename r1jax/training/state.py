"""What training changes from step to step."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jax.sharding import NamedSharding, PartitionSpec


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
  """Returns the state before the first update.

  Moments are split as the parameters are; counts are on every device of the parameters' mesh.
  """
  state = TrainState(
    jnp.zeros((), jnp.int32), params, optimizer.init(params), jnp.zeros((), jnp.int32)
  )
  placed = jax.tree.leaves(params)[0].sharding
  if not isinstance(placed, NamedSharding):
    return state
  everywhere = NamedSharding(placed.mesh, PartitionSpec())
  return jax.tree.map(lambda a: a if a.ndim else jax.device_put(a, everywhere), state)


def fingerprint(tree: Any) -> int:
  """Returns a number of 32 bits that a flipped bit anywhere in a tree of arrays changes."""
  return int(_sum_of_bits(tree))


@jax.jit
def _sum_of_bits(tree: Any) -> jax.Array:
  """Returns the sum of all arrays' bits as numbers, modulo 2^32: the same in any order."""
  kinds = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}
  sums = [
    jnp.sum(jax.lax.bitcast_convert_type(leaf, kinds[leaf.dtype.itemsize]), dtype=jnp.uint32)
    for leaf in jax.tree.leaves(tree)
  ]
  return jnp.sum(jnp.stack(sums), dtype=jnp.uint32)
