import os
import pathlib
import sys

import pytest

os.environ.setdefault('HF_HUB_OFFLINE', '1')  # Read when transformers is imported.
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import interop_models


@pytest.fixture(scope='session')
def exchanged(tmp_path_factory):
  """Returns a function from a name to its exchanged model, made once."""
  made = {}

  def of(name):
    if name not in made:
      made[name] = interop_models.exchange(name, tmp_path_factory.mktemp(name) / 'model')
    return made[name]

  return of
