"""Puts a pre-trained base model in its place in the package, with the record of how it was made.

  python -m r1jax.main --config=configs/base.py --workdir=runs/base
  python experiments/base_model/ship.py --workdir=runs/base

The record holds command, commit, seconds and losses of the run; and of the model that ships, whose
weights are rounded to bfloat16, how well it knows the single steps of the world, and its pass@1
with and without the cue. A run of another config than `configs/base.py` is refused, and one of
files that no commit has; and a model without a base model's character.
"""

import datetime
import importlib.util
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from ml_collections import ConfigDict

from r1jax import build
from r1jax.stages.policy import Policy
from r1jax.tasks.world import skeletons
from r1jax.training import records
from r1jax.training.allocator import keep_pages

ROOT = Path(__file__).parents[2]
LIMIT_BYTES = 10_000_000
# What makes a base model of it: the skill is there, the habit is not. Least and most.
CHARACTER = {
  'single steps': (0.99, 1.0),
  'cued pass@1': (0.85, 1.0),
  'plain pass@1': (0.1, 0.2),
}
JUDGES = ('lenient', 'strict')
_WORKDIR = flags.DEFINE_string('workdir', 'runs/base', 'Folder of the pre-training.')
_TARGET = flags.DEFINE_string('target', str(ROOT / 'r1jax/assets/base'), 'Where it is put.')


def facts(policy: Policy) -> dict[str, float]:
  """Returns how the results of all single steps are predicted, each behind three random others.

  Returns:
    `most_likely`: share of steps whose right result is the most likely token; `probability`: mean
    probability of the right result.
  """
  rng = np.random.default_rng(0)
  steps = [str(step) for step in skeletons.facts()]
  rows = [policy.tokenizer.encode(', '.join([*rng.choice(steps, 3), step])) for step in steps]
  last_N = np.array([len(row) - 1 for row in rows])
  tokens_NL = np.zeros((len(rows), last_N.max() + 1), np.int32)
  for tokens_L, row in zip(tokens_NL, rows):
    tokens_L[: len(row)] = row

  @jax.jit
  def predict(params, tokens_NL):
    return jax.nn.softmax(policy.model.apply({'params': params}, tokens_NL).logits_BLV)

  hits, probabilities = [], []
  for rows_n in np.array_split(np.arange(len(rows)), len(rows) // 256):
    chance_NLV = predict(policy.params, jnp.asarray(tokens_NL[rows_n]))
    chance_NV = np.asarray(chance_NLV)[np.arange(len(rows_n)), last_N[rows_n] - 1]
    right_N = tokens_NL[rows_n, last_N[rows_n]]
    hits.append(chance_NV.argmax(-1) == right_N)
    probabilities.append(chance_NV[np.arange(len(rows_n)), right_N])
  return {
    'most_likely': float(np.concatenate(hits).mean()),
    'probability': float(np.concatenate(probabilities).mean()),
  }


def base_config(made: dict) -> ConfigDict:
  """Returns `configs/base.py`, which the record names; raises ValueError unless a run was of it."""
  spec = importlib.util.spec_from_file_location('base', ROOT / 'configs' / 'base.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  config = module.get_config()
  if made['config'] != json.loads(json.dumps(config.to_dict())):
    raise ValueError('the run was made with another config than configs/base.py is now')
  commit = made['versions']['commit']
  if not commit or commit.endswith('-dirty'):
    raise ValueError(f'the run was made at commit {commit!r}; nobody could make it again')
  return config


def pass_at_1(config: ConfigDict, policy: Policy) -> dict:
  """Returns pass@1 on the problems of the pre-training's own evaluation, by split and judge."""
  ((_, make),) = build.plan(config).stages
  found = {probe.split: probe(policy.params, step=0) for probe in make(None).probes(policy)}
  return {
    split: {judge: record[judge]['pass_at_1'] for judge in JUDGES}
    for split, record in found.items()
  }


def record(workdir: Path) -> dict:
  """Returns how the model was made and what it can do."""
  made = json.loads((workdir / 'config.json').read_text())
  config = base_config(made)
  policy = Policy.load(workdir / 'model')
  summary = json.loads((workdir / 'summary.json').read_text())
  metrics = records.read(workdir / 'metrics.jsonl')[-50:]
  return {
    'command': 'python -m r1jax.main --config=configs/base.py --workdir=runs/base',
    'date': datetime.date.fromtimestamp((workdir / 'summary.json').stat().st_mtime).isoformat(),
    'versions': made['versions'],
    'seconds': summary['seconds'],
    'updates': config.pretrain.steps,
    'tokens': summary['tokens'],
    'parameters': policy.num_parameters,
    'loss': {name: float(np.mean([m[name] for m in metrics])) for name in ('nll', 'mtp_nll')},
    'single_steps': facts(policy),
    'pass_at_1': pass_at_1(config, policy),
  }


def check(found: dict) -> None:
  """Raises ValueError unless the model has the skill and not the habit."""
  measured = {
    'single steps': found['single_steps']['most_likely'],
    'cued pass@1': found['pass_at_1']['cued']['lenient']['mean'],
    'plain pass@1': found['pass_at_1']['plain']['lenient']['mean'],
  }
  for name, (least, most) in CHARACTER.items():
    if not least <= measured[name] <= most:
      raise ValueError(f'{name} is {measured[name]:.3f}; it must be from {least} to {most}')


def main(argv: list[str]) -> None:
  """Copies the model and writes the record."""
  del argv
  workdir, target = Path(_WORKDIR.value), Path(_TARGET.value)
  keep_pages()
  found = record(workdir)
  print(json.dumps(found, indent=1))
  check(found)
  size = sum(file.stat().st_size for file in (workdir / 'model').iterdir())
  if size > LIMIT_BYTES:
    raise ValueError(f'the model has {size:,} bytes, more than {LIMIT_BYTES:,}')
  shutil.rmtree(target, ignore_errors=True)
  shutil.copytree(workdir / 'model', target)
  (target / 'record.json').write_text(json.dumps(found, indent=1) + '\n')
  print(f'{size:,} bytes in {target}')


if __name__ == '__main__':
  app.run(main)
