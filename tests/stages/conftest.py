"""Fixtures of the package's tests: the models of `tests/model/families.py`, compiled quickly."""

import pathlib
import sys

import jax
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'model'))
sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture(autouse=True)
def quick_compilation():
  """Most of the time of these tests is compilation: the compiler is told not to optimise."""
  before = jax.config.read('jax_disable_most_optimizations')
  jax.config.update('jax_disable_most_optimizations', True)
  yield
  jax.config.update('jax_disable_most_optimizations', before)
