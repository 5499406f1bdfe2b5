"""Runs the tests that are marked `eight_devices` where the CPU is eight devices."""

import os
import subprocess
import sys

import meshes
import pytest


@pytest.mark.parametrize(
  'file', [file.relative_to(meshes.TESTS).as_posix() for file in meshes.FILES]
)
def test_on_eight_devices(file):
  """All those of a file pass, and none is skipped."""
  devices = f'--xla_force_host_platform_device_count={meshes.NUM_DEVICES}'
  run = subprocess.run(
    [sys.executable, '-m', 'pytest', '-n0', '-p', 'no:cacheprovider', '-m', 'eight_devices', file],
    env=os.environ | {'XLA_FLAGS': f'{os.environ["XLA_FLAGS"]} {devices}', 'JAX_PLATFORMS': 'cpu'},
    cwd=meshes.TESTS,
    capture_output=True,
    text=True,
  )
  assert run.returncode == 0, run.stdout + run.stderr
  assert 'skipped' not in run.stdout.splitlines()[-1], run.stdout
