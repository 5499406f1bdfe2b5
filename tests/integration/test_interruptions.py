"""A run that is killed, stopped or damaged ends in the numbers of one that was not."""

import os
import random
import re
import shutil
import signal
import time

import miniature
import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from r1jax import runner
from r1jax.interop import saving
from r1jax.stages.policy import Policy
from r1jax.training import checkpoint, records
from r1jax.training.interrupt import Stopped
from r1jax.training.metrics import MetricsLog

STEPS = miniature.STEPS


class Killed(BaseException):
  """Ends a run as a kill does."""


def assert_same_end(workdir, finished):
  """Asserts that two runs have every step once, and equal numbers, bit for bit."""
  found, expected = (records.read(folder / 'metrics.jsonl') for folder in (workdir, finished))
  assert [row['step'] for row in found] == list(range(1, STEPS + 1))
  assert [timeless(row) for row in found] == [timeless(row) for row in expected]
  found, expected = (records.read(folder / 'evaluations.jsonl') for folder in (workdir, finished))
  assert [timeless(row) for row in found] == [timeless(row) for row in expected]
  for path in (finished / 'completions').iterdir():
    assert (workdir / 'completions' / path.name).read_bytes() == path.read_bytes()
  found, expected = (
    load_file(folder / 'model' / 'model.safetensors') for folder in (workdir, finished)
  )
  assert found.keys() == expected.keys()
  for name, tensor in expected.items():
    np.testing.assert_array_equal(found[name].view(np.uint8), tensor.view(np.uint8), err_msg=name)


def timeless(row):
  return {key: value for key, value in row.items() if 'seconds' not in key and 'per_' not in key}


def wait_for_step(process, number):
  """Returns what a process has said up to the step, or the one it goes on with after it."""
  said = ''
  for line in process.stdout:
    said += line
    step = re.match(rf'step (\d+)/{STEPS} ', line)
    if step and int(step[1]) >= number:
      return said
  pytest.fail(f'it ended before step {number}: {said}\n{process.stderr.read()}')


def test_kill_9_and_sigterm_at_random_moments_change_nothing(finished, tiny_base, tmp_path):
  config, workdir = miniature.reinforcement(tiny_base), tmp_path / 'run'
  file = miniature.config_file(tmp_path / 'mini.py', config)
  for step in (1, 3, 5):
    process = miniature.start(file, workdir)
    wait_for_step(process, step)
    time.sleep(random.uniform(0, 0.3))  # Two steps at most: there are more to come.
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
  # A random moment may lie before the first checkpoint: then the run begins anew.
  saved = any(path.name.isdigit() for path in (workdir / 'checkpoints').iterdir())
  process = miniature.start(file, workdir)
  said = wait_for_step(process, 7)
  start = time.monotonic()
  process.terminate()
  out, err = process.communicate()
  assert time.monotonic() - start < 20
  assert process.returncode == 128 + signal.SIGTERM
  assert f'Stopped and saved in {workdir}. The same command goes on from there.' in out
  assert ('Going on from the checkpoint of step' in said) == saved
  assert err == '', 'nothing but the run itself is heard of'
  runner.run(config, workdir)
  assert_same_end(workdir, finished)


def stop_at(monkeypatch, step, do):
  """Lets a run do something once a step is recorded."""
  write = MetricsLog.write

  def stopping(self, number, numbers):
    write(self, number, numbers)
    if number == step:
      do()

  monkeypatch.setattr(MetricsLog, 'write', stopping)


def test_a_stop_saves_where_no_checkpoint_was_due(
  finished, tiny_base, tmp_path, monkeypatch, capsys
):
  config = miniature.reinforcement(tiny_base)
  with monkeypatch.context() as patch, pytest.raises(Stopped):
    stop_at(patch, 5, lambda: signal.raise_signal(signal.SIGTERM))
    runner.run(config, tmp_path)
  assert f'Stopped and saved in {tmp_path}' in capsys.readouterr().out
  assert sorted(path.name for path in (tmp_path / 'checkpoints').iterdir()) == ['4', '5']
  assert not (tmp_path / 'summary.json').exists()
  runner.run(config, tmp_path)
  assert 'Going on from the checkpoint of step 5.' in capsys.readouterr().out
  assert_same_end(tmp_path, finished)


@pytest.fixture
def killed_late(tiny_base, tmp_path, monkeypatch):
  """Returns a folder whose run was killed after its last checkpoint, before its end."""
  save = Policy.save

  def save_and_die(self, *args, **kwargs):
    save(self, *args, **kwargs)
    raise Killed

  with monkeypatch.context() as patch, pytest.raises(Killed):
    patch.setattr(Policy, 'save', save_and_die)
    runner.run(miniature.reinforcement(tiny_base), tmp_path)
  assert not (tmp_path / 'summary.json').exists()
  return tmp_path


def kill(*args, **kwargs):
  raise Killed


def test_a_run_with_all_its_steps_is_finished(killed_late, finished, tiny_base):
  steps = (killed_late / 'metrics.jsonl').read_bytes()
  runner.run(miniature.reinforcement(tiny_base), killed_late)
  assert (killed_late / 'metrics.jsonl').read_bytes() == steps
  assert (killed_late / 'report.html').exists()
  assert_same_end(killed_late, finished)


def test_a_damaged_checkpoint_is_named_and_the_one_before_used(
  killed_late, finished, tiny_base, capsys
):
  newest = killed_late / 'checkpoints' / str(STEPS)
  file = max((path for path in newest.rglob('*') if path.is_file()), key=os.path.getsize)
  file.write_bytes(file.read_bytes()[:100])
  runner.run(miniature.reinforcement(tiny_base), killed_late)
  out = ''.join(capsys.readouterr().out.split())  # as wide as the terminal is
  assert f'Thischeckpointcouldnotbereadandissetaside:{newest}:' in out
  assert f'Goingonfromthecheckpointofstep{STEPS - 2}.' in out
  assert_same_end(killed_late, finished)


def test_a_disk_that_is_full_at_the_export_loses_nothing(
  killed_late, finished, tiny_base, monkeypatch
):
  def save_file(*args, **kwargs):
    raise SafetensorError('Error while serializing: I/O error: No space left on device')

  config = miniature.reinforcement(tiny_base)
  shutil.rmtree(killed_late / 'model')
  with monkeypatch.context() as patch:
    patch.setattr(saving, 'save_file', save_file)
    with pytest.raises(OSError, match=r'the disk is full .* run the same command again') as error:
      runner.run(config, killed_late)
  assert error.value.filename == str(killed_late / 'model')
  runner.run(config, killed_late)
  assert_same_end(killed_late, finished)


def test_the_reference_is_in_the_checkpoint(finished, tiny_base, tmp_path, monkeypatch):
  # Replaced at steps 3 and 6 by the policy of the step: a run that goes on from step 4 or 5 with
  # the base as its reference, or with the policy of step 4, has another KL and other parameters.
  rows = records.read(finished / 'metrics.jsonl')
  assert rows[2]['kl'] > 0 and rows[3]['kl'] < 1e-6 < rows[4]['kl']
  with monkeypatch.context() as patch, pytest.raises(Killed):
    stop_at(patch, 5, kill)
    runner.run(miniature.reinforcement(tiny_base), tmp_path)
  runner.run(miniature.reinforcement(tiny_base), tmp_path)
  assert_same_end(tmp_path, finished)


def test_a_figure_that_cannot_be_drawn_costs_no_training(killed_late, tiny_base, monkeypatch):
  config = miniature.reinforcement(tiny_base)
  with monkeypatch.context() as patch, pytest.raises(Killed):
    patch.setattr(runner.plots, 'save_all', kill)
    runner.run(config, killed_late)
  assert (killed_late / 'summary.json').exists() and not (killed_late / 'report.html').exists()
  runner.run(config, killed_late)
  assert (killed_late / 'report.html').exists() and any((killed_late / 'plots').iterdir())


def test_prompts_drawn_anew_and_several_updates_a_step_are_resumed(
  tiny_base, tmp_path, monkeypatch
):
  settings = {'num_minibatches': 2, 'num_microbatches': 1, 'num_inner_epochs': 2}
  config = miniature.reinforcement(tiny_base, settings=settings | {'max_resamples': 2})
  runner.run(config, tmp_path / 'whole')
  rows = records.read(tmp_path / 'whole' / 'metrics.jsonl')
  before = sum(row['replaced_groups'] for row in rows[:4])
  assert before > 0, 'no prompt was drawn anew before the checkpoint that is gone on from'
  with monkeypatch.context() as patch, pytest.raises(Killed):
    stop_at(patch, 5, kill)
    runner.run(config, tmp_path / 'killed')
  runner.run(config, tmp_path / 'killed')
  assert_same_end(tmp_path / 'killed', tmp_path / 'whole')


def test_a_run_that_began_from_another_model_is_not_gone_on_with(tiny_base, tmp_path, monkeypatch):
  base = shutil.copytree(tiny_base, tmp_path / 'base')
  with monkeypatch.context() as patch, pytest.raises(Killed):
    stop_at(patch, 5, kill)
    runner.run(miniature.reinforcement(base), tmp_path / 'run')
  weights = load_file(base / 'model.safetensors')
  weights['model.norm.weight'][0] += 0.5
  save_file(weights, base / 'model.safetensors', metadata={'format': 'pt'})
  with pytest.raises(ValueError, match='began from another model, tokenizer or problems'):
    runner.run(miniature.reinforcement(base), tmp_path / 'run')


def test_a_full_disk_loses_nothing(finished, tiny_base, tmp_path, monkeypatch):
  def save(self, step, **kwargs):
    if step == 4:
      raise ValueError("RESOURCE_EXHAUSTED: No space left on device [os_error_code='28']")
    return original(self, step, **kwargs)

  config, manager = miniature.reinforcement(tiny_base), checkpoint.ocp.CheckpointManager
  original = manager.save
  with monkeypatch.context() as patch:
    patch.setattr(manager, 'save', save)
    with pytest.raises(OSError, match=r'the disk is full .* run the same command again'):
      runner.run(config, tmp_path)
  shutil.copytree(tmp_path / 'checkpoints', tmp_path / 'seen')
  assert [path.name for path in (tmp_path / 'seen').iterdir()] == ['2']
  runner.run(config, tmp_path)
  assert_same_end(tmp_path, finished)
