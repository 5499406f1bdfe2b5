"""The command as users start it: it needs no network, and its programs are optimised."""

import os
import subprocess
import sys

import miniature
import pytest

from r1jax.training import records

CONNECT = "import socket; socket.create_connection(('127.0.0.1', 9))"


def test_a_run_reaches_no_network_and_has_the_same_numbers_when_optimised(
  finished, tiny_base, tmp_path
):
  run = subprocess.run(
    [sys.executable, '-c', CONNECT],
    env=os.environ | miniature.ENVIRONMENT,
    capture_output=True,
    text=True,
  )
  assert 'a run of the product tried to connect' in run.stderr, 'the guard does not work'
  config = miniature.reinforcement(tiny_base, steps=1)
  file, workdir = miniature.config_file(tmp_path / 'mini.py', config), tmp_path / 'run'
  process = miniature.start(file, workdir, XLA_FLAGS='')  # Without those of tests/conftest.py.
  _, err = process.communicate()
  assert process.returncode == 0, err
  (found,), (expected, *_) = (records.read(p / 'metrics.jsonl') for p in (workdir, finished))
  assert found['mismatch'] < 1e-4, 'what was sampled is what is scored'
  for name in ('reward', 'accuracy', 'format', 'length', 'entropy', 'loss', 'gradient_norm'):
    assert found[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-5), name
