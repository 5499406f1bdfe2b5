"""Puts a pre-trained base model in its place in the package, with the record of how it was made.

  python -m r1jax.main --config=configs/base.py --workdir=runs/base
  python experiments/base_model/ship.py --workdir=runs/base --commit=COMMIT

The record holds command, commit, seconds, losses, and pass@1 with and without the cue as the run
measured them, before weights were rounded for export; and how well the model that ships knows the
single steps of the world. A run of another config than `configs/base.py` is refused.
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

from r1jax.stages.policy import Policy
from r1jax.tasks.world import skeletons
from r1jax.training import records

ROOT = Path(__file__).parents[2]
LIMIT_BYTES = 10_000_000
JUDGES = ('lenient', 'strict')
_WORKDIR = flags.DEFINE_string('workdir', 'runs/base', 'Folder of the pre-training.')
_COMMIT = flags.DEFINE_string('commit', None, 'Commit that the run was made at.', required=True)
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


def check_config(made: dict) -> None:
  """Raises ValueError unless a run's config is `configs/base.py`, which the record names."""
  spec = importlib.util.spec_from_file_location('base', ROOT / 'configs' / 'base.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  if made != json.loads(json.dumps(module.get_config().to_dict())):
    raise ValueError('the run was made with another config than configs/base.py is now')


def record(workdir: Path, policy: Policy) -> dict:
  """Returns how the model was made and what it can do."""
  made = json.loads((workdir / 'config.json').read_text())
  check_config(made['config'])
  summary = json.loads((workdir / 'summary.json').read_text())
  metrics = records.read(workdir / 'metrics.jsonl')[-50:]
  return {
    'command': 'python -m r1jax.main --config=configs/base.py --workdir=runs/base',
    'commit': _COMMIT.value,
    'date': datetime.date.today().isoformat(),
    'versions': made['versions'],
    'seconds': summary['seconds'],
    'updates': made['config']['pretrain']['steps'],
    'tokens': summary['tokens'],
    'parameters': policy.num_parameters,
    'loss': {name: float(np.mean([m[name] for m in metrics])) for name in ('nll', 'mtp_nll')},
    'single_steps': facts(policy),
    'pass_at_1': {
      split: {judge: summary[split]['trained'][judge]['pass_at_1'] for judge in JUDGES}
      for split in ('cued', 'plain')
    },
  }


def main(argv: list[str]) -> None:
  """Copies the model and writes the record."""
  del argv
  workdir, target = Path(_WORKDIR.value), Path(_TARGET.value)
  found = record(workdir, Policy.load(workdir / 'model'))
  shutil.rmtree(target, ignore_errors=True)
  shutil.copytree(workdir / 'model', target)
  (target / 'record.json').write_text(json.dumps(found, indent=1) + '\n')
  size = sum(file.stat().st_size for file in target.iterdir())
  if size > LIMIT_BYTES:
    raise ValueError(f'{target} has {size:,} bytes, more than {LIMIT_BYTES:,}')
  print(json.dumps(found, indent=1))
  print(f'{size:,} bytes in {target}')


if __name__ == '__main__':
  app.run(main)
