"""A whole run in two processes of four devices: the numbers of one process, also after a kill."""

import dataclasses
import os
import re
import signal
import socket

import jax
import miniature
import numpy as np
import pytest
from safetensors.numpy import load_file

from r1jax import runner
from r1jax.stages.policy import Policy
from r1jax.training import records

STEPS = 3
# Collectives wait while another process compiles.
XLA_FLAGS = (
  f'{os.environ["XLA_FLAGS"]} '
  '--xla_cpu_collective_call_warn_stuck_timeout_seconds=300 '
  '--xla_cpu_collective_call_terminate_timeout_seconds=600 '
  '--xla_cpu_collective_timeout_seconds=600'
)


def devices(count):
  return {'XLA_FLAGS': f'--xla_force_host_platform_device_count={count} {XLA_FLAGS}'}


@pytest.fixture(scope='module')
def base(tiny_base, tmp_path_factory):
  """Returns the folder of one layer of experts, whose answers end now and then."""
  tiny = Policy.load(tiny_base)
  config = dataclasses.replace(tiny.model.config, num_layers=1, num_dense_layers=0, num_mtp=0)
  model = type(tiny.model)(config)
  shapes = jax.eval_shape(model.init, jax.random.key(0), np.zeros((1, 8), int))['params']
  normal = np.random.default_rng(0).normal
  params = jax.tree.map(lambda s: normal(0, 0.1, s.shape).astype(np.float32), shapes)
  params['head'][:, tiny.tokenizer.stop_ids[0]] *= 60
  folder = tmp_path_factory.mktemp('base') / 'model'
  Policy(model, params, tiny.tokenizer).save(folder)
  return folder


def config(base, **mesh):
  found = miniature.reinforcement(
    base,
    steps=STEPS,
    sampling={'max_completion_tokens': 8, 'segment_tokens': 4},
    # So large an epsilon makes of Adam a descent, which does not blow up what rounding leaves.
    optimizer={'peak': 1.0, 'epsilon': 1.0},
    settings={
      'prompts_per_step': 16,
      'num_minibatches': 2,
      'num_microbatches': 1,
      'max_resamples': 1,
    },
    cadence={'checkpoint_every': 1, 'evaluate_every': 0, 'completions_every': 1},
    evaluation={'validation_problems': 5, 'test_problems': 0},
    replace_reference_every=0,
  )
  found.mesh.update({'data': -1} | mesh)
  return found


def start(file, workdir):
  """Starts two processes of four devices each."""
  with socket.socket() as found:
    found.bind(('localhost', 0))
    address = f'localhost:{found.getsockname()[1]}'
  flags = (f'--coordinator={address}', '--num_processes=2')
  return [
    miniature.start(file, workdir, *flags, f'--process_id={number}', **devices(4))
    for number in range(2)
  ]


def finish(processes):
  """Waits for the end of processes; returns what the first one printed."""
  ends = [process.communicate() for process in processes]
  for process, (_, err) in zip(processes, ends):
    assert process.returncode == 0, err
  return ends[0][0]


@pytest.fixture(scope='module')
def file(base, tmp_path_factory):
  return miniature.config_file(tmp_path_factory.mktemp('config') / 'mini.py', config(base, fsdp=2))


@pytest.fixture(scope='module')
def whole(file, tmp_path_factory):
  """Returns the folder of a run of two processes that nothing interrupted."""
  workdir = tmp_path_factory.mktemp('whole')
  finish(start(file, workdir))
  return workdir


def plain(path):
  """Returns the records of a file without what takes time."""
  return [
    {key: value for key, value in row.items() if 'seconds' not in key and 'per_' not in key}
    for row in records.read(path)
  ]


def test_two_processes_have_the_numbers_of_one(base, file, whole, tmp_path):
  """As many devices in one process, and one device: to what rounding leaves."""
  alone, eight = tmp_path / 'alone', tmp_path / 'eight'
  runner.run(config(base), alone)
  finish([miniature.start(file, eight, **devices(8))])
  rows = plain(alone / 'metrics.jsonl')
  assert sum(row['replaced_groups'] for row in rows) > 0, 'no group has come from elsewhere'
  assert any(row['truncated_fraction'] < 1 for row in rows), 'no answer has ended'
  begun = Policy.load(base).params
  expected = Policy.load(alone / 'model').params
  moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), begun, expected)
  assert max(jax.tree.leaves(moved)) > 1e-3
  for workdir in (whole, eight):
    for row, other in zip(plain(workdir / 'metrics.jsonl'), rows, strict=True):
      assert row.pop('mismatch') < 1e-4
      assert row == pytest.approx({k: v for k, v in other.items() if k in row}, rel=1e-3, abs=1e-5)
    assert plain(workdir / 'evaluations.jsonl') == plain(alone / 'evaluations.jsonl')
    for path in (alone / 'completions').iterdir():
      same = workdir / 'completions' / path.name
      texts, others = ([row['completion'] for row in records.read(p)] for p in (same, path))
      assert texts == others
    params = Policy.load(workdir / 'model').params
    for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(expected), strict=True):
      np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
  assert (whole / 'report.html').exists()


def test_a_kill_of_both_changes_nothing(file, whole, tmp_path):
  """Bit for bit."""
  processes = start(file, tmp_path)
  for line in processes[0].stdout:
    if re.match(rf'step 2/{STEPS} ', line):
      break
  for process in processes:
    os.kill(process.pid, signal.SIGKILL)
  for process in processes:
    process.communicate()
  saved = [path.name for path in (tmp_path / 'checkpoints').iterdir() if path.name.isdigit()]
  assert saved and not (tmp_path / 'summary.json').exists()
  said = finish(start(file, tmp_path))
  assert f'Going on from the checkpoint of step {max(saved)}.' in said
  for name in ('metrics.jsonl', 'evaluations.jsonl'):
    assert plain(tmp_path / name) == plain(whole / name)
  for path in (whole / 'completions').iterdir():
    assert (tmp_path / 'completions' / path.name).read_bytes() == path.read_bytes()
  found, expected = (load_file(f / 'model' / 'model.safetensors') for f in (tmp_path, whole))
  for name, tensor in expected.items():
    np.testing.assert_array_equal(found[name].view(np.uint8), tensor.view(np.uint8), err_msg=name)
