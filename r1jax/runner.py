"""Runs a config's stages in order: artifacts in, artifacts out.

A stage that is done is skipped and its model loaded; one that was interrupted goes on from its last
checkpoint. A run of one stage lives in the workdir itself, stages of a longer one in folders of
their own, numbered in order.
"""

import contextlib
import functools
import importlib.metadata
import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import jax
import ml_collections

import r1jax
from r1jax import build, hosts, sharding
from r1jax.evaluation import plots, report
from r1jax.rewards.combine import TermError
from r1jax.stages.policy import Policy
from r1jax.training import records
from r1jax.training.clock import Clock
from r1jax.training.interrupt import Stopped, StopRequest
from r1jax.training.lock import exclusive
from r1jax.training.progress import print_outcome

LIBRARIES = (
  'jax',
  'jaxlib',
  'flax',
  'optax',
  'orbax-checkpoint',
  'grain',
  'numpy',
  'sentencepiece',
  'tokenizers',
)


def run(config: ml_collections.ConfigDict, workdir: str | Path) -> dict[str, Any]:
  """Runs the config in a folder, from where an earlier call with the same config stopped.

  Args:
    config: as the files in `configs/` make it.
    workdir: folder of the run.

  Returns:
    The summary of the last stage.

  Raises:
    ValueError: the config is wrong, the folder was written by another one, or another process is
      at work in it.
    Stopped: a stop was asked for, and the checkpoint is written.
  """
  workdir = Path(workdir)
  plan = build.plan(config)
  hosts.check_same('the config', _resolved(config))
  hosts.check_same('the code', {name: versions()[name] for name in (*LIBRARIES, 'r1jax', 'commit')})
  hosts.first(lambda: _refuse_another(workdir, config))
  if plan.mesh is not None:
    sharding.acquaint(plan.mesh)
  load_policy, summary, claimed = plan.policy, {}, False
  scope = jax.set_mesh(plan.mesh) if plan.mesh is not None else contextlib.nullcontext()
  with StopRequest() as stop, scope, contextlib.ExitStack() as held:
    for number, (name, make) in enumerate(plan.stages):
      folder = workdir if len(plan.stages) == 1 else workdir / f'{number + 1}_{name}'
      done = folder / 'summary.json'
      if not hosts.first(done.exists):
        policy = load_policy() if load_policy else None
        stage = make(policy)
        # What is wrong with config, data or model has shown by now: a folder is not claimed for it.
        if not claimed:
          hosts.first(functools.partial(_claim, workdir, config, held))
          hosts.check_shared(workdir)
          claimed = True
        _train(name, stage, policy, folder, stop, plan.export_dtype)
        del policy, stage  # Or what was adapted would be there beside the next stage's model.
      else:
        _say(f'{name} is done: {folder}')
      title = plan.name if len(plan.stages) == 1 else f'{plan.name}: {name}'
      summary = hosts.first(functools.partial(_finish, folder, title))
      # Through the disk, so that a run that goes on here later goes on from the same.
      load_policy = functools.partial(plan.load, folder / 'model')
  return summary


def _train(
  name: str,
  stage,
  policy: Policy | None,
  folder: Path,
  stop: StopRequest,
  export_dtype: str,
) -> None:
  """Runs a stage and writes down what it leaves behind, its summary at the end."""
  clock = Clock(folder)
  try:
    policy, summary = stage(policy, folder, clock, stop)
  except Stopped:
    clock.tick()
    _say(f'Stopped and saved in {folder}. The same command goes on from there.')
    raise
  except TermError as error:
    path = folder / 'reward_error.json'
    records.replace_file(path, json.dumps(error.to_dict(), indent=1).encode())
    error.add_note(f'The answer that caused it is saved, whole, in {path}')
    raise
  with records.full_disk_explained(folder / 'model'):
    policy.save(folder / 'model', dtype=export_dtype)
  summary |= {'seconds': clock.tick(), 'peak_bytes': clock.peak_bytes}
  content = json.dumps(summary, indent=1).encode()
  # Whole or absent: a summary says that the stage is done.
  hosts.first(lambda: records.replace_file(folder / 'summary.json', content))


def _say(text: str) -> None:
  if hosts.is_first():
    print(text)


def _finish(folder: Path, title: str) -> dict[str, Any]:
  """Returns the summary of a stage that is done, and tells of it unless that was done before."""
  summary = records.read_object(folder / 'summary.json', 'remove it, and the stage ends anew')
  if not (folder / 'report.html').exists():
    _tell(folder, summary, title)
  return summary


def _tell(folder: Path, summary: dict[str, Any], title: str) -> None:
  """Draws the plots, writes the report and prints the outcome."""
  plots.save_all(folder)
  page = report.write(folder, title=title)
  print_outcome(summary, {'report': page, 'plots': folder / 'plots', 'model': folder / 'model'})


def _refuse_another(workdir: Path, config: ml_collections.ConfigDict) -> None:
  """Raises an error if `config.json` is there and another config's."""
  path = workdir / 'config.json'
  if not path.exists():
    return
  written = records.read_object(path, 'choose another --workdir', needs='config')['config']
  if differing := _differences(written, _resolved(config), 'config'):
    raise ValueError(
      f'{workdir} was written by another config; choose another --workdir, or remove it. '
      f'Differing fields: {"; ".join(differing)}'
    )


def _claim(workdir: Path, config: ml_collections.ConfigDict, held: contextlib.ExitStack) -> None:
  """Takes the folder for this run, until `held` is closed.

  Writes `config.json`; if it is there, says what is no longer as it was when it was written.
  """
  held.enter_context(exclusive(workdir))
  _refuse_another(workdir, config)  # That was at work here while the model was loading.
  path, now = workdir / 'config.json', versions()
  if not path.exists():
    content = {'config': _resolved(config), 'versions': now}
    records.replace_file(path, json.dumps(content, indent=1).encode())
    return
  begun = records.read_object(path, 'choose another --workdir').get('versions', {})
  if changed := _differences(begun, now, 'versions'):
    print(f'The run began with others, so that its last bits may differ: {"; ".join(changed)}.')


def _resolved(config: ml_collections.ConfigDict) -> dict[str, Any]:
  """Returns the config as JSON gives it back."""
  return json.loads(json.dumps(config.to_dict()))


def _differences(old: Any, new: Any, path: str) -> list[str]:
  found = hosts.differences(old, new, path)
  return [f'{path}: {one!r} there, {another!r} now' for path, one, another in found]


def versions() -> dict[str, str]:
  """Returns what bits depend on: code, libraries, machine, flags."""
  found = {library: importlib.metadata.version(library) for library in LIBRARIES}
  return found | {
    'r1jax': r1jax.__version__,
    'commit': _commit(),
    'python': platform.python_version(),
    'device': _device(),
    'num_devices': str(jax.device_count()),
    'num_processes': str(jax.process_count()),
    'cpu_threads': str(_cpu_threads()),
    'XLA_FLAGS': os.environ.get('XLA_FLAGS', ''),
  }


def _device() -> str:
  """Returns the kind of the devices; of CPUs the model too, where Linux names it."""
  kind, processors = jax.devices()[0].device_kind, Path('/proc/cpuinfo')
  if kind != 'cpu' or not processors.exists():
    return kind
  model = re.search(r'^model name\s*: (.+)$', processors.read_text(), re.MULTILINE)
  return f'cpu: {model[1]}' if model else kind


def _cpu_threads() -> int | None:
  """Returns how many threads this process may run at a time."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count()


def _commit() -> str:
  """Returns the commit of the package, with '-dirty' if its files differ; '' if unknown."""
  folder = Path(r1jax.__file__).parent

  def git(*arguments: str) -> str:
    command = ['git', '-C', str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

  try:
    # A package that is merely installed within somebody's checkout is not of its commits.
    git('ls-files', '--error-unmatch', '__init__.py')
    changed = git('status', '--porcelain', '--', '.')
    return git('rev-parse', '--short=12', 'HEAD') + ('-dirty' if changed else '')
  except (OSError, subprocess.CalledProcessError):
    return ''
