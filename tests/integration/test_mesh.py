"""A whole run on eight devices: sampled, judged, trained, saved, killed, resumed and exported."""

import json
import os
import signal

import miniature
import numpy as np
import pytest

from r1jax import runner
from r1jax.stages.policy import Policy
from r1jax.training import records

DEVICES = {'XLA_FLAGS': f'{os.environ["XLA_FLAGS"]} --xla_force_host_platform_device_count=8'}
STEPS = 4


def config(base, **mesh):
  found = miniature.reinforcement(
    base,
    steps=STEPS,
    settings={'prompts_per_step': 8, 'num_microbatches': 2},
    evaluation={'validation_problems': 4, 'test_problems': 6},
  )
  found.mesh.update({'data': -1} | mesh)
  return found


def test_eight_devices_run_as_one_does(tiny_base, tmp_path):
  alone, split = tmp_path / 'alone', tmp_path / 'split'
  runner.run(config(tiny_base), alone)
  file = miniature.config_file(tmp_path / 'mesh.py', config(tiny_base, fsdp=2, tensor=2, expert=2))
  process = miniature.start(file, split, **DEVICES)
  for line in process.stdout:
    if line.startswith(f'step 3/{STEPS} '):
      break
  os.kill(process.pid, signal.SIGKILL)
  process.communicate()
  process = miniature.start(file, split, **DEVICES)
  out, err = process.communicate()
  assert process.returncode == 0, err
  assert 'Going on from the checkpoint of step 2.' in out

  versions = json.loads((split / 'config.json').read_text())['versions']
  assert versions['num_devices'] == '8'
  found, expected = (records.read(folder / 'metrics.jsonl') for folder in (split, alone))
  assert [row['step'] for row in found] == list(range(1, STEPS + 1))
  assert all(row['mismatch'] < 1e-4 for row in found), 'what was sampled is what is scored'
  # Later steps may differ where a draw was near a tie.
  for name in ('reward', 'accuracy', 'format', 'length', 'entropy', 'loss', 'gradient_norm'):
    assert found[0][name] == pytest.approx(expected[0][name], rel=1e-4, abs=1e-5), name
  rows, others = (records.read(folder / 'evaluations.jsonl') for folder in (split, alone))
  assert [(row['step'], row['split'], row['num_problems']) for row in rows] == [
    (row['step'], row['split'], row['num_problems']) for row in others
  ]
  assert rows[0]['lenient'] == others[0]['lenient'] and rows[0]['length'] == others[0]['length']
  assert (split / 'report.html').exists()
  models = [Policy.load(folder / 'model').params for folder in (split, alone)]
  moved = Policy.load(tiny_base).params['embedding'] - models[1]['embedding']
  assert np.abs(models[0]['embedding'] - models[1]['embedding']).max() < np.abs(moved).max()
