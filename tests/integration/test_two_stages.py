"""A run of two stages: each leaves what a run leaves, and the second starts from the first."""

import json
import shutil

import miniature
import pytest

from r1jax import runner
from r1jax.stages.policy import Policy
from r1jax.training import records
from r1jax.training.metrics import MetricsLog


class Killed(BaseException):
  """Ends a run as a kill does."""


def both():
  """Returns a config that pre-trains a base model and makes R1-Zero of it."""
  config, zero = miniature.pretraining(), miniature.reinforcement('nowhere')
  with config.unlocked():
    config.model, config.rl = zero.model, zero.rl
  config.stages = ('pretrain', 'rl')
  return config


def files(folder):
  found = [path for path in folder.rglob('*') if path.is_file()]
  return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in found}


@pytest.fixture(scope='module')
def killed(tmp_path_factory):
  """Returns the folder of a run that is killed in the midst of its second stage."""
  workdir, write = tmp_path_factory.mktemp('both'), MetricsLog.write

  def killing(self, step, numbers):
    if 'reward' in numbers and step == 5:
      raise Killed
    write(self, step, numbers)

  with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
    patch.setattr(MetricsLog, 'write', killing)
    runner.run(both(), workdir)
  return workdir


def test_the_second_stage_goes_on_from_the_model_of_the_first(killed, tmp_path, capsys):
  workdir = shutil.copytree(killed, tmp_path / 'run')
  first, second = workdir / '1_pretrain', workdir / '2_rl'
  left = files(first)
  assert {'summary.json', 'report.html', 'metrics.jsonl'} < {path.name for path in left}

  summary = runner.run(both(), workdir)
  said = capsys.readouterr().out
  assert f'pretrain is done: {first}' in said and 'Going on from the checkpoint of step 4.' in said
  assert files(first) == left, 'a stage that is done is left as it is'
  assert summary == json.loads((second / 'summary.json').read_text())
  rows = records.read(second / 'metrics.jsonl')
  assert [row['step'] for row in rows] == list(range(1, miniature.STEPS + 1))
  assert str(second / 'report.html') in said.replace('\n', '')

  before, after = (Policy.load(folder / 'model') for folder in (first, second))
  assert before.tokenizer.model == after.tokenizer.model
  assert before.model.config == after.model.config
  for folder in (first, second):
    assert not (folder / 'config.json').exists(), 'the run has one config'
    assert 'checkpoint_every' in (folder / 'report.html').read_text(), 'the page shows it'


def test_the_second_stage_refuses_another_model_in_its_midst(killed, tmp_path):
  """As when the first stage was made again, from another seed, beneath a checkpoint."""
  workdir = shutil.copytree(killed, tmp_path / 'run')
  model = Policy.load(workdir / '1_pretrain' / 'model')
  model.params['embedding'] = model.params['embedding'] * 1.5
  model.save(workdir / '1_pretrain' / 'model')
  with pytest.raises(ValueError, match='began from another model, tokenizer or problems'):
    runner.run(both(), workdir)
