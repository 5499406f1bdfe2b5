"""Fixtures of the package's tests: the three families of `families.py`."""

import pytest
from families import subject


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
