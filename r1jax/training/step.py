"""One update of the parameters: gradient over microbatches, optimiser, expert balance.

Letters: N expert layers.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import jax
import jax.numpy as jnp
import optax
from flax import struct

from r1jax.algorithms import balance, measures
from r1jax.training.optimizer import global_norm
from r1jax.training.state import TrainState


class Splits(Protocol):
  """A batch that can be taken in parts."""

  def microbatches(self, count: int) -> 'Splits':
    """Returns the batch with a new leading axis of `count` parts on every leaf."""
    ...


BatchT = TypeVar('BatchT', bound=Splits)


@struct.dataclass
class Report:
  """What a loss says beside its value.

  Attributes:
    measures: metrics that microbatches add up right.
    load: tokens that chose each expert: path of the parameters of the expert layers -> `[.., E]`.
  """

  measures: Mapping[str, measures.Measure]
  load: Mapping[str, jax.Array]


Loss = Callable[[Any, Any], tuple[jax.Array, Report]]


def train_step(
  state: TrainState,
  batch: Splits,
  *,
  loss: Loss,
  optimizer: optax.GradientTransformation,
  num_microbatches: int,
  bias_speed: float,
) -> tuple[TrainState, dict[str, jax.Array]]:
  """Takes one update; if loss or gradient is not finite, skips it and counts.

  Args:
    state: before the update.
    batch: its weights are already normalised over the whole batch, so microbatches add up.
    loss: of parameters and (micro)batch.
    optimizer: as `r1jax.training.optimizer.adamw`.
    num_microbatches: parts whose gradients are summed one after the other, to save memory.
    bias_speed: of the balance rule for the experts' selection bias; 0 leaves it.

  Returns:
    The new state and metrics, among them `loss`, `gradient_norm` and `skipped`.
  """
  value, report, gradient = accumulate(loss, state.params, batch, num_microbatches)
  norm = global_norm(gradient)
  finite = jnp.isfinite(value) & jnp.isfinite(norm)
  updates, optimizer_state = optimizer.update(gradient, state.optimizer, state.params)
  params = optax.apply_updates(state.params, updates)
  params = balanced(params, report.load, speed=bias_speed)

  def keep(new, old):
    return jax.tree.map(lambda n, o: jnp.where(finite, n, o), new, old)

  state = TrainState(
    state.updates + 1,
    keep(params, state.params),
    keep(optimizer_state, state.optimizer),
    jnp.where(finite, 0, state.skipped + 1),
  )
  metrics = measures.results(report.measures)
  metrics |= {'loss': value, 'gradient_norm': norm, 'skipped': 1 - finite.astype(jnp.int32)}
  for name, load in report.load.items():
    violation = balance.load_violation(load.reshape(-1, load.shape[-1]))
    metrics[f'load_violation/{name}'] = jnp.mean(violation)
  return state, metrics


def accumulate(loss: Loss, params: Any, batch: Splits, count: int):
  """Returns loss, report and gradient of a batch, taken in `count` parts."""
  gradient_of = jax.value_and_grad(loss, has_aux=True)
  if count == 1:
    (value, report), gradient = gradient_of(params, batch)
    return value, report, gradient

  def one(total, microbatch):
    (value, report), gradient = gradient_of(params, microbatch)
    return jax.tree.map(jnp.add, total, (value, gradient)), report

  zero = (jnp.zeros(()), jax.tree.map(jnp.zeros_like, params))
  (value, gradient), reports = jax.lax.scan(one, zero, batch.microbatches(count))
  load = jax.tree.map(lambda part: jnp.sum(part, axis=0), reports.load)
  return value, Report(measures.reduce(reports.measures), load), gradient


def balanced(params: Any, load: Mapping[str, jax.Array], *, speed: float) -> Any:
  """Returns parameters whose selection biases have moved by the balance rule.

  Args:
    params: tree of parameters; a path in `load` names the layer above its `moe`.
    load: tokens that chose each expert, `[N, E]` or `[E]`, by path with '/' between names.
    speed: size of the change.
  """
  for path, load_NE in load.items():
    params = _moved(params, (*path.split('/'), 'moe', 'selection_bias'), load_NE, speed)
  return params


def _moved(tree: Any, path: tuple[str, ...], load: jax.Array, speed: float) -> Any:
  name, *rest = path
  if rest:
    return tree if name not in tree else {**tree, name: _moved(tree[name], tuple(rest), load, speed)}
  if name not in tree:
    return tree  # A model whose experts are chosen without a bias.
  bias_NE = tree[name].reshape(-1, load.shape[-1])
  new_NE = balance.update_bias(bias_NE, load.reshape(bias_NE.shape), speed=speed)
  return {**tree, name: new_NE.reshape(tree[name].shape)}
