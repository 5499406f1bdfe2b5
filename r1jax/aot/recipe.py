"""From a config to the programs of its steps."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
from jax.sharding import Mesh, SingleDeviceSharding

from r1jax import build, interop, sharding
from r1jax.aot import programs
from r1jax.model import ModelConfig, Transformer
from r1jax.model.sizes import SIZES
from r1jax.stages.rl_step import Reinforcement


@dataclasses.dataclass(frozen=True)
class Stage:
  """A stage of a recipe.

  Attributes:
    name: of the run and the stage.
    config: of the model.
    mesh: devices.
    learning: its step, without problems and rewards.
    params: shapes of the parameters that it begins with, and where they lie.
  """

  name: str
  config: ModelConfig
  mesh: Mesh
  learning: Reinforcement
  params: Any

  @property
  def programs(self) -> list[programs.Program]:
    """The programs of a step."""
    platform = self.mesh.devices.flat[0].platform
    with jax.set_mesh(self.mesh):  # As in a run: shapes depend on it.
      return list(programs.of_step(self.learning, self.params, platform=platform))


def read(config: ml_collections.ConfigDict, devices: list[Any]) -> Iterator[Stage]:
  """Yields the stages of a recipe on some devices.

  Raises:
    ValueError: the config is wrong, or does not say which model it is for.
  """
  outline = build.outline(config, devices)
  architecture = dataclasses.replace(architecture_of(outline.init_from), **outline.changes)
  model = Transformer(architecture)
  tokens_BL = jax.ShapeDtypeStruct((1, 2), jnp.int32)
  shapes = jax.eval_shape(model.init, jax.eval_shape(lambda: jax.random.key(0)), tokens_BL)
  params = _placed(shapes['params'], outline.mesh, jnp.dtype(outline.param_dtype))
  for name, make in outline.learners.items():
    learning = make(model, None, param_dtype=outline.param_dtype, problems=None, reward=None)
    yield Stage(f'{outline.name}: {name}', architecture, outline.mesh, learning, params)


# What the names of models that are shaped as a published size may end with.
_SHAPED_ALIKE = ('-base', '-instruct')


def architecture_of(init_from: str) -> ModelConfig:
  """Returns the shape of the model that a recipe starts from.

  Raises:
    ValueError: there is no such folder, and no published model of that name.
  """
  folder = build.folder_of(init_from)
  if (folder / 'config.json').is_file():
    return interop.load_config(folder)
  size = Path(init_from).name.lower()
  for ending in _SHAPED_ALIKE:
    size = size.removesuffix(ending)
  if size not in SIZES:
    raise ValueError(
      f'config.init_from is {init_from!r}: there is no config.json in it, and the name is none of '
      f'{", ".join(SIZES)}'
    )
  return SIZES[size]


def _placed(shapes: Any, mesh: Mesh, dtype: Any) -> Any:
  """Returns the shapes of parameters with their dtype and where they lie."""

  def one(path: Any, array: Any, placed: Any) -> jax.ShapeDtypeStruct:
    kind = jnp.float32 if path[-1].key == 'selection_bias' else dtype
    return jax.ShapeDtypeStruct(array.shape, kind, sharding=placed)

  if mesh.size > 1:
    return jax.tree.map_with_path(one, shapes, sharding.parameter_shardings(shapes, mesh))
  single = SingleDeviceSharding(mesh.devices.flat[0])
  return jax.tree.map_with_path(lambda path, array: one(path, array, single), shapes)
