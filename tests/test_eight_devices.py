"""Runs the tests that are marked `eight_devices` where the CPU is eight devices."""

import os
import pathlib
import subprocess
import sys

import meshes
import pytest

TESTS = pathlib.Path(__file__).parent
MARKS = ('pytest.mark.eight_devices', 'meshes.on(')
FILES = [
  file.relative_to(TESTS).as_posix()
  for file in sorted(TESTS.rglob('test_*.py'))
  if any(f'@{mark}' in file.read_text() for mark in MARKS)
]


@pytest.mark.parametrize('file', FILES)
def test_on_eight_devices(file):
  """All those of a file pass, and none is skipped."""
  devices = f'--xla_force_host_platform_device_count={meshes.NUM_DEVICES}'
  run = subprocess.run(
    [sys.executable, '-m', 'pytest', '-n0', '-p', 'no:cacheprovider', '-m', 'eight_devices', file],
    env=os.environ | {'XLA_FLAGS': f'{os.environ["XLA_FLAGS"]} {devices}', 'JAX_PLATFORMS': 'cpu'},
    cwd=TESTS,
    capture_output=True,
    text=True,
  )
  assert run.returncode == 0, run.stdout + run.stderr
  assert 'skipped' not in run.stdout.splitlines()[-1], run.stdout
