"""AdamW as DeepSeek-V3 uses it (arXiv:2412.19437 sec. 4.2), and Muon for a quick base model.

The experts' selection biases are no optimiser's: the balance rule alone moves them.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import optax
from optax.contrib import MuonDimensionNumbers
from optax.contrib import muon as optax_muon

Schedule = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class AdamW:
  """Settings of the optimiser.

  Attributes:
    b1: decay of the first moment.
    b2: decay of the second moment.
    epsilon: added to the root of the second moment.
    weight_decay: of matrices; norms' scales and biases are not decayed.
    max_norm: the gradient's global norm is clipped to this.
  """

  b1: float = 0.9
  b2: float = 0.95
  epsilon: float = 1e-8
  weight_decay: float = 0.1
  max_norm: float = 1.0

  def __post_init__(self):
    _check(self, decays=('b1', 'b2'), positive=('epsilon', 'max_norm'))


@dataclasses.dataclass(frozen=True)
class Muon:
  """Settings of Muon, as scaled by Moonlight (arXiv:2502.16982 eq. 4).

  Attributes:
    momentum: decay of the momentum that is orthogonalised.
    b1: decay of Adam's first moment, for what is no matrix of a layer.
    b2: decay of Adam's second moment.
    epsilon: added to the root of Adam's second moment.
    weight_decay: of the matrices of layers.
    rms: root mean square of an update at learning rate 1, which is about AdamW's.
    max_norm: the gradient's global norm is clipped to this.
  """

  momentum: float = 0.95
  b1: float = 0.9
  b2: float = 0.95
  epsilon: float = 1e-8
  weight_decay: float = 0.1
  rms: float = 0.2
  max_norm: float = 1.0

  def __post_init__(self):
    _check(self, decays=('momentum', 'b1', 'b2'), positive=('epsilon', 'rms', 'max_norm'))


def _check(settings: Any, *, decays: Sequence[str], positive: Sequence[str]) -> None:
  for name in decays:
    if not 0 <= getattr(settings, name) < 1:
      raise ValueError(f'{name} is {getattr(settings, name)}; it must be at least 0 and below 1')
  for name in positive:
    if not getattr(settings, name) > 0:
      raise ValueError(f'{name} is {getattr(settings, name)}; it must be above 0')
  if not settings.weight_decay >= 0:
    raise ValueError(f'weight_decay is {settings.weight_decay}; it must be at least 0')


# The matrices of layers: name of the parameter -> its axes (in, out), counted from the end. Axes
# in neither number matrices: layers, experts, and the heads of what projects to them.
MATRICES = {
  **dict.fromkeys(('query', 'key', 'value', 'query_up', 'key_up', 'value_up'), ((-3,), (-1,))),
  'out': ((-3, -2), (-1,)),
  **dict.fromkeys(('gate', 'up', 'down', 'query_down', 'kv_down', 'projection'), ((-2,), (-1,))),
}


def is_selection_bias(path: tuple[Any, ...]) -> bool:
  """Returns True for the experts' selection bias, which only the balance rule moves."""
  return path[-1].key == 'selection_bias'


def trained(params: Any, frozen: str | None = None) -> Any:
  """Returns a tree that is True where the optimiser moves a parameter.

  Args:
    params: tree of parameters.
    frozen: name of a part, such as 'mtp', that it leaves as it is; or None.
  """

  def moves(path, leaf):
    del leaf
    return path[0].key != frozen and not is_selection_bias(path)

  return jax.tree.map_with_path(moves, params)


def _decayed(params: Any) -> Any:
  def decays(path, _):
    name = path[-1].key
    return not (name == 'scale' or name.endswith('bias'))

  return jax.tree.map_with_path(decays, params)


def adamw(
  settings: AdamW, schedule: Schedule, *, frozen: str | None = None
) -> optax.GradientTransformation:
  """Returns AdamW with clipping by global norm; selection biases have no part in either.

  Args:
    settings: constants.
    schedule: learning rate of an update, counted from 0.
    frozen: as in `trained`.
  """
  inner = optax.chain(
    optax.clip_by_global_norm(settings.max_norm),
    optax.scale_by_adam(settings.b1, settings.b2, settings.epsilon),
    optax.add_decayed_weights(settings.weight_decay, mask=_decayed),
    optax.scale_by_learning_rate(schedule),
  )
  return _partition(inner, frozen)


def muon(
  settings: Muon, schedule: Schedule, *, frozen: str | None = None
) -> optax.GradientTransformation:
  """Returns Muon for the `MATRICES`, Adam without decay for the rest, both with Nesterov momentum.

  Selection biases have no part in either.

  Args:
    settings: constants.
    schedule: learning rate of an update, counted from 0, of both.
    frozen: as in `trained`.
  """
  inner = optax.chain(
    optax.clip_by_global_norm(settings.max_norm),
    optax_muon(
      schedule,
      beta=settings.momentum,
      weight_decay=settings.weight_decay,
      adam_b1=settings.b1,
      adam_b2=settings.b2,
      eps=settings.epsilon,
      consistent_rms=settings.rms,
      muon_weight_dimension_numbers=_matrices,
    ),
  )
  return _partition(inner, frozen)


def _partition(inner: optax.GradientTransformation, frozen: str | None):
  labels = functools.partial(trained, frozen=frozen)
  return optax.partition({True: inner, False: optax.set_to_zero()}, labels)


def _matrices(params: Any) -> Any:
  def dimensions(path, leaf):
    axes = MATRICES.get(path[-1].key)
    return None if axes is None else MuonDimensionNumbers(*axes)

  return jax.tree.map_with_path(dimensions, params)


def global_norm(gradient: Any) -> jax.Array:
  """Returns the norm of the gradient, selection biases apart."""
  kept = jax.tree.map(lambda g, keep: g if keep else None, gradient, trained(gradient))
  return optax.tree.norm(kept)


def warmup_constant(*, peak: float, warmup: int) -> Schedule:
  """Returns a schedule that rises linearly over `warmup` updates and then stays at `peak`."""
  return optax.join_schedules(
    [optax.linear_schedule(peak / max(warmup, 1), peak, warmup), optax.constant_schedule(peak)],
    [warmup],
  )


def warmup_cosine(*, peak: float, warmup: int, total: int, final: float) -> Schedule:
  """Returns a schedule that rises over `warmup` updates and falls to `final` at `total`.

  Raises:
    ValueError: the rise takes all updates, or the learning rate would not fall.
  """
  if warmup >= total:
    raise ValueError(f'warmup is {warmup}; it must be less than the {total} updates of the stage')
  if not 0 <= final <= peak:
    raise ValueError(f'final is {final}; it must be between 0 and peak, which is {peak}')
  return optax.warmup_cosine_decay_schedule(peak / max(warmup, 1), peak, warmup, total, final)
