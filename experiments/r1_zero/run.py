"""R1-Zero on the built-in world: three seeds, three controls, and the base model's pass@64.

  python experiments/r1_zero/run.py --workdir=runs/r1_zero_claim
  python experiments/r1_zero/plot.py --workdir=runs/r1_zero_claim

Each run is `configs/zero.py` with the changes that `RUNS` names, in a process of its own; one that
was stopped goes on, and a finished one is not run again. Results go to `results.jsonl` beside this
file, a line a run.
"""

import datetime
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jax
from absl import app, flags, logging
from ml_collections import ConfigDict

from r1jax import build, runner
from r1jax.training import records
from r1jax.training.allocator import keep_pages

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS = HERE / 'results.jsonl'
_WORKDIR = flags.DEFINE_string('workdir', 'runs/r1_zero_claim', 'Folder of the runs.')
_ONLY = flags.DEFINE_list('only', None, 'Names of the runs; all by default.')

# Name -> seed and reward weights; a term of weight 0 is recorded all the same.
FULL = {'accuracy': 1.0, 'format': 1.0}
RUNS: dict[str, tuple[int, dict[str, float]]] = {
  'seed0': (0, FULL),
  'seed1': (1, FULL),
  'seed2': (2, FULL),
  'random_reward': (0, {'random': 1.0, 'accuracy': 0.0, 'format': 0.0}),
  'format_only': (0, {'format': 1.0, 'accuracy': 0.0}),
  'accuracy_only': (0, {'accuracy': 1.0, 'format': 0.0}),
}
BASE = 'base_at_64'


def zero_config(seed: int, weights: dict[str, float]) -> ConfigDict:
  """Returns command 1's config with another seed and reward."""
  spec = importlib.util.spec_from_file_location('zero', ROOT / 'configs' / 'zero.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  config = module.get_config()
  config.seed = seed
  config.rl.reward = ConfigDict(weights)
  return config


def base_at_64(workdir: Path) -> None:
  """Writes a summary with the base model's evaluation, 64 samples of each test problem."""
  config = zero_config(*RUNS['seed0'])
  config.rl.sampling.group_size = 64
  plan = build.plan(config)
  policy = plan.policy()
  ((_, make),) = plan.stages
  (test,) = (b for b in make(policy).benchmarks if b.split == 'test')
  workdir.mkdir(parents=True, exist_ok=True)
  made = {'config': config.to_dict(), 'versions': runner.versions()}
  (workdir / 'config.json').write_text(json.dumps(made))
  found = test(policy.params, step=0)
  records.replace_file(workdir / 'summary.json', records.encode({'base': found}))


def record(name: str, workdir: Path) -> None:
  """Adds a result with its date, device and commit; a name's earlier one is replaced."""
  rows = records.read(RESULTS) if RESULTS.exists() else []
  versions = json.loads((workdir / 'config.json').read_text())['versions']
  summary = workdir / 'summary.json'
  row = {
    'name': name,
    'date': datetime.date.fromtimestamp(summary.stat().st_mtime).isoformat(),
    **{key: versions[key] for key in ('device', 'cpu_threads', 'commit', 'jax')},
    **json.loads(summary.read_text()),
  }
  rows = [old for old in rows if old['name'] != name] + [row]
  records.replace_file(RESULTS, b''.join(map(records.encode, rows)))


def run(name: str, workdir: Path) -> None:
  """Makes one run, unless it is finished, and records it.

  Raises:
    ValueError: the code is in no commit, so nobody could make the run again.
  """
  commit = runner.versions()['commit']
  if not commit or commit.endswith('-dirty'):
    raise ValueError(f'the package is at commit {commit!r}; what it makes would be no result')
  if name != BASE:
    runner.run(zero_config(*RUNS[name]), workdir)
  elif not (workdir / 'summary.json').exists():
    base_at_64(workdir)
  record(name, workdir)


def main(argv: list[str]) -> None:
  """Makes the runs that are asked for; several in turn, each in a process of its own."""
  names = _ONLY.value or [BASE, *RUNS]
  if unknown := set(names) - {BASE, *RUNS}:
    raise app.UsageError(f'unknown runs: {", ".join(unknown)}; there are {BASE}, {", ".join(RUNS)}')
  if len(names) > 1:
    for name in names:
      command = [sys.executable, argv[0], f'--workdir={_WORKDIR.value}', f'--only={name}']
      subprocess.run(command, check=True)
    return
  logging.set_verbosity(logging.WARNING)
  keep_pages()
  jax.config.update('jax_compilation_cache_dir', str(Path.home() / '.cache' / 'r1jax'))
  run(names[0], Path(_WORKDIR.value) / names[0])


if __name__ == '__main__':
  app.run(main)
