import pathlib
import sys

import jax
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import miniature

from r1jax import runner


@pytest.fixture(scope='session', autouse=True)
def compiled_once(tmp_path_factory):
  """Keeps compiled programs: every run makes its own functions, of the same programs."""
  folder = str(tmp_path_factory.mktemp('cache'))
  settings = {
    'JAX_COMPILATION_CACHE_DIR': folder,
    'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
    'JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES': '-1',
  }
  with pytest.MonkeyPatch.context() as patch:
    for name, value in settings.items():
      patch.setenv(name, value)  # For the processes that tests start.
    jax.config.update('jax_compilation_cache_dir', folder)
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
    jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)
    yield
    jax.config.update('jax_compilation_cache_dir', None)


@pytest.fixture(scope='session')
def pretrained(tmp_path_factory):
  """Returns the folder of a base model's pre-training, in miniature."""
  workdir = tmp_path_factory.mktemp('base') / 'run'
  runner.run(miniature.pretraining(), workdir)
  return workdir


@pytest.fixture(scope='session')
def base(pretrained):
  """Returns the folder of a base model."""
  return pretrained / 'model'


@pytest.fixture(scope='session')
def finished(base, tmp_path_factory):
  """Returns the folder of a run that nothing interrupted."""
  workdir = tmp_path_factory.mktemp('finished') / 'run'
  runner.run(miniature.reinforcement(base), workdir)
  return workdir
