import os

import pytest

os.environ.setdefault('HF_HUB_OFFLINE', '1')

models = pytest.importorskip('models', reason='needs torch and transformers: .[test]')


@pytest.fixture(scope='session')
def exchanged(tmp_path_factory):
  """Returns a function from a name to its exchanged model, made once."""
  made = {}

  def of(name):
    if name not in made:
      made[name] = models.exchange(name, tmp_path_factory.mktemp(name) / 'model')
    return made[name]

  return of
