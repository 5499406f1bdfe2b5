import subprocess
import sys

import pytest

from r1jax.training import clock


@pytest.fixture
def now(monkeypatch):
  time = [1000.0]
  monkeypatch.setattr(clock.time, 'monotonic', lambda: time[0])
  return time


def test_seconds_of_all_starts_add_up(tmp_path, now):
  first = clock.Clock(tmp_path)
  now[0] += 5
  assert first.tick() == 5
  now[0] += 2
  assert first.tick() == 7
  now[0] += 100  # killed here, and started again later on another machine
  now[0] = 3.0
  second = clock.Clock(tmp_path)
  now[0] += 4
  assert second.tick() == 11
  assert clock.Clock(tmp_path).tick() == 11


def test_a_damaged_clock_is_named(tmp_path):
  (tmp_path / 'clock.json').write_text('{')
  with pytest.raises(ValueError, match=r'clock.json is damaged .*remove it, and the time counts'):
    clock.Clock(tmp_path)


def test_the_peak_is_that_of_the_hungriest_start(tmp_path, monkeypatch):
  held = iter([5, 9, 7, None])
  monkeypatch.setattr(clock, 'peak_bytes', lambda: next(held))
  first = clock.Clock(tmp_path)
  first.tick()
  first.tick()
  second = clock.Clock(tmp_path)
  assert second.peak_bytes == 9
  second.tick()
  assert second.peak_bytes == 9
  unknown = clock.Clock(tmp_path / 'elsewhere')
  unknown.tick()
  assert unknown.peak_bytes is None


def test_a_folder_of_its_own_has_a_clock_of_its_own(tmp_path, now):
  one, other = clock.Clock(tmp_path / 'one'), clock.Clock(tmp_path / 'other')
  now[0] += 3
  assert one.tick() == 3
  now[0] += 3
  assert other.tick() == 6


HOLD = """
import numpy as np
from r1jax.training.clock import peak_bytes

before = peak_bytes()
np.ones(40_000_000)
print(peak_bytes() - before)
"""


def test_memory_that_was_held_counts():
  run = subprocess.run([sys.executable, '-c', HOLD], capture_output=True, text=True, check=True)
  assert 0.9 < int(run.stdout) / (8 * 40_000_000) < 1.1
