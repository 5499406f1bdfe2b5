"""Low-rank adaptation: a frozen base and a small trained change (LoRA, arXiv:2106.09685).

A weight W is left as it is, and what it computes is changed by `scale * A B`, with A of `rank`
columns, B of as many rows, and `scale = alpha / rank`. The modules of this package apply the change
where they find one (`layers.project`, `layers.weight`); so a base and its `Adapters` take the place
of parameters wherever `transformer.call` is given them, and the base alone is the reference.

Letters: r rank.
"""

import dataclasses
import math
import re
import zlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct, traverse_util

from r1jax.model.config import ModelConfig

# Weights that can be adapted: name -> number of axes that it sums over, and that it yields. What
# is in front of them (layers, experts) numbers weights.
AXES: Mapping[str, tuple[int, int]] = {
  **dict.fromkeys(('query', 'key', 'value', 'query_up', 'key_up', 'value_up'), (1, 2)),
  'out': (2, 1),
  **dict.fromkeys(('gate', 'up', 'down', 'query_down', 'kv_down', 'projection'), (1, 1)),
}
# All weights of layers but the routed experts', to each of which the change has to be added whole.
TARGETS = r'layers/(attention|mlp|moe/shared)/'


@dataclasses.dataclass(frozen=True)
class LoRA:
  """What is adapted, and how.

  Attributes:
    rank: of the change of a weight.
    alpha: the change is multiplied by `alpha / rank`.
    targets: pattern that is found in the paths of the weights, such as 'attention/(query|value)$'.
  """

  rank: int
  alpha: float
  targets: str = TARGETS

  def __post_init__(self):
    if self.rank < 1:
      raise ValueError(f'rank is {self.rank}; it must be at least 1')
    if not self.alpha > 0:
      raise ValueError(f'alpha is {self.alpha}; it must be above 0')
    try:
      re.compile(self.targets)
    except re.error as error:
      raise ValueError(f'targets is {self.targets!r}, no regular expression: {error}') from error

  @property
  def scale(self) -> float:
    """By which the product of both factors is multiplied."""
    return self.alpha / self.rank


@struct.dataclass
class Adapted:
  """Parameters with a change; takes their place wherever a model is called.

  Attributes:
    base: tree of parameters.
    adapters: tree of `{'a', 'b'}` at the paths of the adapted weights: `[..., *inputs, r]` and
      `[..., r, *outputs]`.
    scale: of the change.
  """

  base: Any
  adapters: Any
  scale: float = struct.field(pytree_node=False)

  def variables(self) -> dict[str, Any]:
    """Returns the collections that modules look into."""

    def scaled(path, array):
      return array * self.scale if path[-1].key == 'b' else array

    return {'params': self.base, 'lora': jax.tree.map_with_path(scaled, self.adapters)}


def create(key: jax.Array, params: Any, lora: LoRA) -> Any:
  """Returns adapters that change nothing yet: A is random, B is zero (section 4.1).

  The MTP module, which no answer and no loss of answers comes from, has none.

  Args:
    key: of the random numbers.
    params: tree of parameters (arrays or shapes).
    lora: what is adapted.

  Raises:
    ValueError: the targets fit no weight; lists those that there are.
  """
  found: dict[str, Any] = {}
  candidates = []
  for path, array in traverse_util.flatten_dict(params, sep='/').items():
    name = path.rsplit('/', 1)[-1]
    if name not in AXES or path.startswith('mtp/'):
      continue
    candidates.append(path)
    if re.search(lora.targets, path):
      num_inputs, num_outputs = AXES[name]
      split = len(array.shape) - num_outputs
      one = jax.random.fold_in(key, zlib.crc32(path.encode()))
      a_shape = (*array.shape[:split], lora.rank)
      fan_in = math.prod(array.shape[split - num_inputs : split])
      found[f'{path}/a'] = jax.random.normal(one, a_shape) / math.sqrt(fan_in)
      batch = array.shape[: split - num_inputs]
      found[f'{path}/b'] = jnp.zeros((*batch, lora.rank, *array.shape[split:]))
  if not found:
    raise ValueError(
      f'targets is {lora.targets!r}, which fits no weight; there are {", ".join(candidates)}'
    )
  return traverse_util.unflatten_dict(found, sep='/')


def count_active(adapters: Any, config: ModelConfig) -> int:
  """Returns how many weights of adapters a token meets: of experts the chosen ones'."""
  count = 0
  for path, array in traverse_util.flatten_dict(adapters, sep='/').items():
    size = math.prod(array.shape)
    if config.moe is not None and re.search(r'moe/(gate|up|down)/', path):
      size = size * config.moe.top_k // config.moe.num_experts
    count += size
  return count


def merged(adapted: Adapted) -> Any:
  """Returns parameters that compute the same without a change.

  Those that are changed become float32: in bfloat16 a small change would be rounded away.
  """
  flat = traverse_util.flatten_dict(adapted.base, sep='/')
  changes = traverse_util.flatten_dict(adapted.variables()['lora'], sep='/')
  for path in {name.rsplit('/', 1)[0] for name in changes}:
    low = {factor: changes[f'{path}/{factor}'] for factor in 'ab'}
    flat[path] = _add(flat[path], low, AXES[path.rsplit('/', 1)[-1]][1])
  return traverse_util.unflatten_dict(flat, sep='/')


@jax.jit(static_argnames='num_outputs')
def _add(array: jax.Array, low: Mapping[str, jax.Array], num_outputs: int) -> jax.Array:
  return array.astype(jnp.float32) + product(low, num_outputs)


def product(low: Mapping[str, jax.Array], num_outputs: int) -> jax.Array:
  """Returns the change of a weight (of each, if there are several), in float32.

  Args:
    low: its factors.
    num_outputs: axes that the weight yields.
  """
  a, b = low['a'], low['b']
  outputs = b.shape[b.ndim - num_outputs :]
  batch = b.shape[: b.ndim - num_outputs - 1]
  inputs = a.shape[len(batch) : -1]
  a, b = a.reshape(*batch, -1, a.shape[-1]), b.reshape(*batch, b.shape[len(batch)], -1)
  return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST).reshape(*batch, *inputs, *outputs)
