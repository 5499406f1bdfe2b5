"""Fixtures of the package's tests: the three families of `families.py`."""

import jax.numpy as jnp
import numpy as np
import pytest
from families import VOCABULARY, subject


@pytest.fixture(params=['gqa', 'v3', 'v2'])
def model(request):
  """Each family in turn."""
  return subject(request.param)


@pytest.fixture
def gqa():
  return subject('gqa')


@pytest.fixture
def v3():
  return subject('v3')


@pytest.fixture
def tokens_BL():
  return jnp.asarray(np.random.default_rng(1).integers(0, VOCABULARY, (2, 9)))
