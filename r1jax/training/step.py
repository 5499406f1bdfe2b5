"""One update of the parameters: gradients of parts, optimiser, expert balance.

Letters: N expert layers.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct

from r1jax import sharding
from r1jax.algorithms import balance, measures
from r1jax.training.optimizer import global_norm
from r1jax.training.state import TrainState


@struct.dataclass
class Report:
  """What a loss says beside its value.

  Attributes:
    measures: metrics that parts of a batch add up right.
    load: tokens that chose each expert, `[N, E]` or `[E]`, by the path of the parameters of the
      layers above their `moe`, with '/' between names.
  """

  measures: Mapping[str, measures.Measure]
  load: Mapping[str, jax.Array]


Loss = Callable[[Any, Any], tuple[jax.Array, Report]]


class Step:
  """The jitted update of one loss and optimiser.

  A batch may come in parts whose shapes differ, such as short and long answers: gradients are
  summed, so weights in the loss must be normalised over the whole batch.

  Attributes:
    gradient: of parameters and a part: loss, report and gradient.
    add: sums two of these, of which the first is used up.
    update: of a state, which is used up, and their sum: the new state and metrics.
    whole: all of it for a batch of one part; of a state, which is used up, and the part.

  Args:
    loss: of parameters and a part of the batch.
    optimizer: as `r1jax.training.optimizer.adamw`.
    bias_speed: of the balance rule for the experts' selection bias; 0 leaves it.
  """

  def __init__(self, loss: Loss, optimizer: optax.GradientTransformation, *, bias_speed: float):
    take = functools.partial(update, optimizer=optimizer, bias_speed=bias_speed)
    self.gradient = jax.jit(functools.partial(gradient, loss))
    self.add = jax.jit(add, donate_argnums=0)
    self.update = jax.jit(take, donate_argnums=0)
    self.whole = jax.jit(
      lambda state, part: take(state, gradient(loss, state.params, part)), donate_argnums=0
    )

  def __call__(
    self, state: TrainState, parts: Iterable[Any]
  ) -> tuple[TrainState, dict[str, measures.Measure]]:
    """Takes one update on the parts of a batch.

    Args:
      state: is used up.
      parts: asked for one after the other, and let go when used: if they are placed as they are
        asked for, the devices hold the one in use and the next.

    Returns:
      The new state and metrics, among them `loss`, `gradient_norm` and `skipped`: 1 if loss or
      gradient was not finite, so that parameters and moments stayed as they were. They are
      measures, so that those of several updates can be joined.
    """
    rest = iter(parts)
    part, following = next(rest), next(rest, None)
    if following is None:
      return self.whole(state, part)
    total = self.gradient(state.params, part)
    while following is not None:
      part = following
      total = self.add(total, self.gradient(state.params, part))
      following = next(rest, None)
    del part
    return self.update(state, total)


def gradient(loss: Loss, params: Any, part: Any) -> tuple[jax.Array, Report, Any]:
  """Returns loss, report and gradient of a part of a batch."""
  (value, report), tree = jax.value_and_grad(loss, has_aux=True)(params, part)
  return value, report, sharding.constrain_parameters(tree)


def add(total: tuple[jax.Array, Report, Any], part: tuple[jax.Array, Report, Any]):
  """Returns the sum of two results of `gradient`."""
  value, tree = jax.tree.map(jnp.add, (total[0], total[2]), (part[0], part[2]))
  joined = measures.join([total[1].measures, part[1].measures])
  load = jax.tree.map(jnp.add, total[1].load, part[1].load)
  return value, Report(joined, load), tree


def update(
  state: TrainState,
  result: tuple[jax.Array, Report, Any],
  *,
  optimizer: optax.GradientTransformation,
  bias_speed: float,
) -> tuple[TrainState, dict[str, measures.Measure]]:
  """Applies the gradient and the balance rule, unless the loss or the gradient is not finite."""
  value, report, tree = result
  norm = global_norm(tree)
  finite = jnp.isfinite(value) & jnp.isfinite(norm)
  updates, optimizer_state = optimizer.update(tree, state.optimizer, state.params)
  params = optax.apply_updates(state.params, updates)
  if bias_speed:
    params = balanced(params, report.load, speed=bias_speed)

  def keep(new, old):
    return jax.tree.map(lambda n, o: jnp.where(finite, n, o), new, old)

  state = TrainState(
    state.updates + 1,
    keep(params, state.params),
    keep(optimizer_state, state.optimizer),
    jnp.where(finite, 0, state.skipped + 1),
  )
  metrics = dict(report.measures) | {
    'loss': measures.number(value),
    'gradient_norm': measures.number(norm),
    'skipped': measures.Total(1 - finite.astype(jnp.int32)),
  }
  for name, load in report.load.items():
    violation = balance.load_violation(load.reshape(-1, load.shape[-1]))
    metrics[f'load_violation/{name}'] = measures.number(jnp.mean(violation))
  return state, metrics


def balanced(params: Any, load: Mapping[str, jax.Array], *, speed: float) -> Any:
  """Returns parameters whose selection biases have moved by the balance rule.

  Args:
    params: tree of parameters.
    load: as in `Report`.
    speed: size of the change.
  """
  for path, load_NE in load.items():
    params = _moved(params, (*path.split('/'), 'moe', 'selection_bias'), load_NE, speed)
  return params


def _moved(tree: Any, path: tuple[str, ...], load: jax.Array, speed: float) -> Any:
  name, *rest = path
  if not rest and name not in tree:
    return tree  # A model whose experts are chosen without a bias.
  if rest:
    return {**tree, name: _moved(tree[name], tuple(rest), load, speed)}
  bias_NE = tree[name].reshape(-1, load.shape[-1])
  new_NE = balance.update_bias(bias_NE, load.reshape(bias_NE.shape), speed=speed)
  return {**tree, name: new_NE.reshape(tree[name].shape)}
