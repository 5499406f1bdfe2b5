"""Runs a config's stages in order: artifacts in, artifacts out.

A stage that is done is skipped and its model loaded; one that was interrupted goes on from its last
checkpoint. A run of one stage lives in the workdir itself, stages of a longer one in folders of
their own, numbered in order.
"""

import contextlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

import jax
import ml_collections

import r1jax
from r1jax import build
from r1jax.evaluation import plots, report
from r1jax.stages.policy import Policy
from r1jax.training import records
from r1jax.training.interrupt import Stopped, StopRequest
from r1jax.training.progress import print_outcome

LIBRARIES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'grain', 'numpy')


def run(config: ml_collections.ConfigDict, workdir: str | Path) -> dict[str, Any]:
  """Runs the config in a folder, from where an earlier call with the same config stopped.

  Args:
    config: as the files in `configs/` make it.
    workdir: folder of the run.

  Returns:
    The summary of the last stage.

  Raises:
    ValueError: the config is wrong, or the folder was written by another one.
    Stopped: a stop was asked for, and the checkpoint is written.
  """
  workdir = Path(workdir)
  plan = build.plan(config)
  _claim(workdir, config)
  policy, summary = None, {}
  if plan.policy is not None:
    policy = plan.policy()
  scope = jax.set_mesh(plan.mesh) if plan.mesh is not None else contextlib.nullcontext()
  with StopRequest() as stop, scope:
    for number, (name, make) in enumerate(plan.stages):
      folder = workdir if len(plan.stages) == 1 else workdir / f'{number + 1}_{name}'
      policy, summary = _stage(name, make, policy, folder, stop)
  return summary


def _stage(name: str, make, policy: Policy | None, folder: Path, stop: StopRequest):
  """Runs a stage, or loads what it left behind; returns its policy and summary."""
  done, model = folder / 'summary.json', folder / 'model'
  if done.exists():
    print(f'{name} is done: {folder}')
    return Policy.load(model), json.loads(done.read_text())
  try:
    policy, summary = make(policy)(policy, folder, stop)
  except Stopped:
    print(f'Stopped and saved in {folder}. The same command goes on from there.')
    raise
  policy.save(model)
  figures = plots.save_all(folder)
  # Last, and whole or absent: a summary says that the stage is done.
  records.replace_file(done, json.dumps(summary, indent=1).encode())
  page = report.write(folder, title=name)
  paths = {'report': page, 'plots': folder / 'plots', 'model': model}
  if 'base' in summary and figures:
    print_outcome(summary, paths)
  return policy, summary


def _claim(workdir: Path, config: ml_collections.ConfigDict) -> None:
  """Writes `config.json`, or compares it with the one that is there."""
  path = workdir / 'config.json'
  resolved = json.loads(json.dumps(config.to_dict()))
  if path.exists():
    written = json.loads(path.read_text())['config']
    if differing := _differences(written, resolved):
      raise ValueError(
        f'{workdir} was written by another config; choose another --workdir, or remove it. '
        f'Differing fields: {"; ".join(differing)}'
      )
    return
  content = {'config': resolved, 'versions': versions()}
  records.replace_file(path, json.dumps(content, indent=1).encode())


def _differences(old: Any, new: Any, path: str = 'config') -> list[str]:
  if isinstance(old, dict) and isinstance(new, dict):
    return [
      line
      for name in sorted(old.keys() | new.keys())
      for line in _differences(old.get(name), new.get(name), f'{path}.{name}')
    ]
  return [] if old == new else [f'{path}: {old!r} there, {new!r} now']


def versions() -> dict[str, str]:
  """Returns what bits depend on: code, libraries, machine, flags."""
  found = {library: importlib.metadata.version(library) for library in LIBRARIES}
  return found | {
    'r1jax': r1jax.__version__,
    'python': platform.python_version(),
    'device': jax.devices()[0].device_kind,
    'num_devices': str(jax.device_count()),
    'cpu_threads': str(os.cpu_count()),
    'XLA_FLAGS': os.environ.get('XLA_FLAGS', ''),
  }
