"""R1-Zero on the built-in world: three seeds, three controls, and the base model's pass@64.

  python experiments/r1_zero/run.py --workdir=runs/r1_zero
  python experiments/r1_zero/plot.py --workdir=runs/r1_zero

Each run is `configs/zero.py` with the changes that `RUNS` names; finished ones are not run again.
Results go to `results.jsonl` beside this file, a line a run.
"""

import datetime
import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import jax
from absl import app, flags, logging
from ml_collections import ConfigDict

from r1jax import build, runner
from r1jax.decoding import Sampler
from r1jax.evaluation.answering import Answering
from r1jax.evaluation.benchmark import Benchmark
from r1jax.tasks.world import World, reading
from r1jax.text.templates import r1_zero
from r1jax.training.allocator import keep_pages

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
_WORKDIR = flags.DEFINE_string('workdir', 'runs/r1_zero', 'Folder of the runs.')
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


def zero_config(seed: int, weights: dict[str, float]) -> ConfigDict:
  """Returns command 1's config with another seed and reward."""
  spec = importlib.util.spec_from_file_location('zero', ROOT / 'configs' / 'zero.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  config = module.get_config()
  config.seed = seed
  config.rl.reward = ConfigDict(weights)
  return config


def base_at_64(workdir: Path) -> dict[str, Any]:
  """Returns the evaluation of the base model with 64 samples of each test problem."""
  config = zero_config(0, FULL)
  policy = build.plan(config).policy()
  answering = Answering(
    policy.model,
    policy.tokenizer,
    r1_zero,
    prefill='',
    group_size=64,
    max_prompt_tokens=config.rl.task.max_prompt_tokens,
    max_completion_tokens=config.rl.sampling.max_completion_tokens,
    sampler=Sampler(),
    segment_tokens=config.rl.sampling.segment_tokens,
  )
  world = World('test')
  problems = [world[i] for i in range(config.rl.evaluation.test_problems)]
  benchmark = Benchmark('test', problems, answering, 4, build.JUDGES, 0, reading)
  return benchmark(policy.params, step=0)


def record(name: str, found: dict[str, Any]) -> None:
  """Adds a result with its date, device and commit; a name's earlier one is replaced."""
  path = HERE / 'results.jsonl'
  rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
  commit = subprocess.run(
    ['git', 'rev-parse', '--short', 'HEAD'], cwd=ROOT, capture_output=True, text=True
  ).stdout.strip()
  row = {
    'name': name,
    'date': datetime.date.today().isoformat(),
    'device': jax.devices()[0].device_kind,
    'commit': commit,
    **found,
  }
  rows = [old for old in rows if old['name'] != name] + [row]
  path.write_text(''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows))


def main(argv: list[str]) -> None:
  """Runs what is asked for."""
  del argv
  logging.set_verbosity(logging.WARNING)
  keep_pages()
  jax.config.update('jax_compilation_cache_dir', str(Path.home() / '.cache' / 'r1jax'))
  workdir = Path(_WORKDIR.value)
  for name in _ONLY.value or ['base_at_64', *RUNS]:
    if name == 'base_at_64':
      record(name, {'base': base_at_64(workdir)})
    else:
      record(name, runner.run(zero_config(*RUNS[name]), workdir / name))


if __name__ == '__main__':
  app.run(main)
