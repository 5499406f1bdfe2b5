"""Reads a config as a whole: its devices, its stages in order, and what the first starts from."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections
from jax.sharding import Mesh

from r1jax import interop
from r1jax.build import pretraining, reinforcement
from r1jax.interop.folder import CONFIG
from r1jax.model import ModelConfig
from r1jax.section import Section
from r1jax.sharding import MeshShape, make_mesh
from r1jax.stages.policy import Policy

STAGES: dict[str, Callable] = {'rl': reinforcement.stage, 'pretrain': pretraining.stage}
PARAM_DTYPES = {name: name for name in ('float32', 'bfloat16')}
EXPORT_DTYPES = {name: name for name in interop.EXPORT_DTYPES}
# Between the seeds of the stages of a run; large, so that seeds of other runs are not met.
SEED_STRIDE = 1_000_003
LARGEST_SEED = 2**31 - 1
# Where the models that ship in the package lie.
_ASSETS = Path(__file__).parents[1] / 'assets'


@dataclasses.dataclass(frozen=True)
class Plan:
  """What a config asks for.

  Attributes:
    name: of the run.
    mesh: devices, or None for one.
    policy: loads what the first stage starts from; None if that stage starts from nothing.
    load: loads what a stage has left behind for the next one.
    export_dtype: of the weights in the models that stages leave behind.
    stages: name and maker of each stage, in order; a maker takes the policy that it will train.
  """

  name: str
  mesh: Mesh | None
  policy: Callable[[], Policy] | None
  load: Callable[[Path], Policy]
  export_dtype: str
  stages: Sequence[tuple[str, Callable[[Policy | None], Any]]]


def plan(config: ml_collections.ConfigDict) -> Plan:
  """Reads the config and returns what to do.

  Raises:
    ValueError: names the field that is missing, wrong or without effect.
  """
  fields = Section(config)
  mesh = _mesh(fields)
  makers: list[tuple[str, Callable]] = []
  for name, section in _stages(fields):
    # A seed for each stage, so that later ones do not draw what earlier ones drew.
    seed = fields.take('seed', int, least=0, most=LARGEST_SEED) + SEED_STRIDE * len(makers)
    makers.append((name, section.choose('kind', STAGES)(section, seed, mesh)))
  kinds = [section.take('kind', str) for _, section in _stages(fields)]
  if 'pretrain' in kinds[1:]:
    raise fields.error("stages: one of kind 'pretrain' starts from nothing, so it comes first")
  policy, load = None, functools.partial(Policy.load, mesh=mesh)
  if set(kinds) != {'pretrain'}:
    load = functools.partial(load, **_changes(fields))
  export_dtype = fields.choose('export_dtype', EXPORT_DTYPES)
  if kinds[0] == 'pretrain':
    _check_export(makers[0][1](None).config, export_dtype)
  else:
    policy = functools.partial(_initial_policy, load, export_dtype, fields.take('init_from', str))
  result = Plan(fields.take('name', str), mesh, policy, load, export_dtype, makers)
  if unread := fields.unread():
    raise ValueError(f'these config fields have no effect, remove them: {", ".join(unread)}')
  return result


@dataclasses.dataclass(frozen=True)
class Outline:
  """What of a config decides which programs are compiled, without its data and weights.

  Attributes:
    name: of the run.
    mesh: devices.
    init_from: folder of the model.
    changes: fields of `ModelConfig` that are no property of the weights.
    param_dtype: of the parameters.
    learners: maker of the step of each stage of RL, as of `reinforcement.learner`, by its name.
  """

  name: str
  mesh: Mesh
  init_from: str
  changes: Mapping[str, Any]
  param_dtype: str
  learners: Mapping[str, Callable]


def outline(config: ml_collections.ConfigDict, devices: list[Any] | None = None) -> Outline:
  """Reads what of a config decides which programs are compiled.

  Args:
    config: as the files in `configs/` make it.
    devices: that it is to run on; all there are by default.

  Raises:
    ValueError: as in `plan`; or there is no stage of RL.
  """
  fields = Section(config)
  mesh = make_mesh(fields.mesh.make(MeshShape), devices)
  learners = {
    name: reinforcement.learner(section, 0, None if mesh.size == 1 else mesh)
    for name, section in _stages(fields)
    if section.choose('kind', STAGES) is reinforcement.stage
  }
  if not learners:
    raise fields.error("stages: none is of kind 'rl'")
  changes = _changes(fields)
  param_dtype = changes.pop('param_dtype')
  init_from = fields.take('init_from', str)
  return Outline(fields.take('name', str), mesh, init_from, changes, param_dtype, learners)


def _changes(fields: Section) -> dict[str, str]:
  """Returns how a model is computed and stored, as `Policy.load` takes it."""
  kinds = (('dtype', str), ('remat', str), ('unroll', int))
  changes = {name: fields.model.take(name, kind) for name, kind in kinds}
  return changes | {'param_dtype': fields.model.choose('param_dtype', PARAM_DTYPES)}


def _stages(fields: Section) -> list[tuple[str, Section]]:
  names = fields.take('stages', tuple[str, ...])
  if not names or len(set(names)) < len(names):
    raise fields.error(f"stages is {names!r}; it names sections, each once, in order, as ('rl',)")
  try:
    return [(name, getattr(fields, name)) for name in names]
  except ValueError as error:
    raise fields.error(f'stages is {names!r}: {error}') from error


def _mesh(fields: Section) -> Mesh | None:
  shape = fields.mesh.make(MeshShape)
  mesh = make_mesh(shape)
  return None if mesh.size == 1 else mesh


def folder_of(init_from: str) -> Path:
  """Returns the folder of a model; 'assets:NAME' is one that ships in the package."""
  if init_from.startswith('assets:'):
    return _ASSETS / init_from.removeprefix('assets:')
  return Path(init_from)


def _check_export(model: ModelConfig, dtype: str) -> None:
  """Raises ValueError if a model cannot be exported so: now, and not when it is to be saved."""
  try:
    interop.check_exportable(model, dtype)
  except ValueError as error:
    raise ValueError(f'config.export_dtype is {dtype!r}: {error}') from error


def _initial_policy(load: Callable[[Path], Policy], export_dtype: str, init_from: str) -> Policy:
  """Loads the base, of which the folder is first asked whether it can be exported."""
  folder = folder_of(init_from)
  try:
    _check_export(interop.load_config(folder), export_dtype)
    return load(folder)
  except (OSError, ValueError) as error:
    hint = '' if folder.exists() else '; it must be a folder that has the model on this machine'
    if (folder / 'model' / CONFIG).is_file():  # As the folder of a run has it.
      hint = f'; there is a model in {folder / "model"}'
    raise ValueError(f'config.init_from is {init_from!r}: {error}{hint}') from error
