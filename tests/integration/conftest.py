import contextlib
import io
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import miniature

from r1jax import runner
from r1jax.evaluation import plots


@pytest.fixture(autouse=True)
def first_figure_alone(monkeypatch):
  """Of a run in this process: all its figures take as long as the rest; `finished` has them."""
  figures = plots.figures
  monkeypatch.setattr(plots, 'figures', lambda *args: dict([*figures(*args).items()][:1]))


@pytest.fixture(scope='session')
def finished(tiny_base, tmp_path_factory):
  """Returns the folder of a run that nothing interrupted; beside it, what it printed."""
  workdir = tmp_path_factory.mktemp('finished') / 'run'
  with contextlib.redirect_stdout(io.StringIO()) as printed:
    runner.run(miniature.reinforcement(tiny_base), workdir)
  workdir.with_name('printed.txt').write_text(printed.getvalue())
  return workdir


@pytest.fixture
def shown(finished):
  """Returns what that run printed."""
  return finished.with_name('printed.txt').read_text()


@pytest.fixture
def config(tiny_base):
  return miniature.reinforcement(tiny_base)


@pytest.fixture
def workdir(tmp_path):
  """Returns a folder that must not be claimed by a config that is wrong."""
  folder = tmp_path / 'run'
  yield folder
  if folder.exists():
    assert (folder / 'metrics.jsonl').exists(), 'a run that did not begin has left a folder'


@pytest.fixture(scope='session')
def data():
  folder = pathlib.Path(__file__).parents[3] / 'shared' / 'data'
  if not folder.is_dir():
    pytest.skip(f'the real problem sets are not at {folder}')
  return folder
