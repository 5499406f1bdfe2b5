"""Tests that need several devices, in an interpreter to which the CPU is eight."""

import os
import pathlib
import subprocess
import sys

import jax
import pytest

NUM_DEVICES = 8


def run_tests(file: str, expected: int):
  """Runs the tests of a file that have 'mesh' in their names; so many must pass."""
  if jax.device_count() == NUM_DEVICES:
    pytest.skip('this interpreter has 8 devices: the tests themselves run here')
  environment = os.environ | {
    'XLA_FLAGS': f'{os.environ["XLA_FLAGS"]} --xla_force_host_platform_device_count={NUM_DEVICES}',
    'JAX_PLATFORMS': 'cpu',
  }
  run = subprocess.run(
    [sys.executable, '-m', 'pytest', '-n0', '-p', 'no:cacheprovider', '-k', 'mesh', file],
    env=environment,
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
  )
  assert run.returncode == 0, run.stdout + run.stderr
  assert f'{expected} passed' in run.stdout, run.stdout


def need():
  """Skips a test where there are none."""
  if jax.device_count() != NUM_DEVICES:
    pytest.skip('needs 8 devices: test_on_eight_devices runs it in an interpreter that has them')
