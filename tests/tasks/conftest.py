import pathlib

import pytest


@pytest.fixture(scope='session')
def data():
  folder = pathlib.Path(__file__).parents[3] / 'shared' / 'data'
  if not folder.is_dir():
    pytest.skip(f'the real problem sets are not at {folder}')
  return folder
