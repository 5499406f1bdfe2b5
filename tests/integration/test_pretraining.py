"""Pre-training in miniature from end to end, and killed on its way."""

import json

import jax
import miniature
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from r1jax import runner
from r1jax.stages.policy import Policy
from r1jax.training import records
from r1jax.training.metrics import MetricsLog

STEPS = miniature.PRETRAINING['steps']


class Killed(BaseException):
  """Ends a run as a kill does."""


@pytest.fixture(scope='module')
def pretrained(tmp_path_factory):
  """Returns the folder of a pre-training, and what it printed."""
  workdir = tmp_path_factory.mktemp('pretrained')
  runner.run(miniature.pretraining(), workdir)
  return workdir


def timeless(path):
  rows = records.read(path)
  return [{k: v for k, v in row.items() if 'second' not in k} for row in rows]


def test_what_it_leaves_behind(pretrained):
  rows = records.read(pretrained / 'metrics.jsonl')
  assert [row['step'] for row in rows] == list(range(1, STEPS + 1))
  for row in rows:
    assert row.keys() >= {'nll', 'mtp_nll', 'loss', 'gradient_norm', 'tokens', 'seconds/update'}
    assert row['tokens'] == 4 * 64
  # It begins at about ln 1024 = 6.93 and learns.
  assert rows[0]['nll'] == pytest.approx(6.93, abs=0.05) and rows[-1]['nll'] < rows[0]['nll']
  summary = json.loads((pretrained / 'summary.json').read_text())
  assert 'base' not in summary, 'what has not been measured before training has no base'
  assert (
    summary['plain']['trained']['num_problems'] == summary['cued']['trained']['num_samples'] == 2
  )
  assert summary['tokens'] == STEPS * 4 * 64 and summary['seconds'] > 0
  assert (pretrained / 'report.html').exists() and list((pretrained / 'plots').glob('*.png'))
  policy = Policy.load(pretrained / 'model')
  assert policy.model.config.num_mtp == 1 and policy.tokenizer.vocab_size == 1024


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_the_model_is_exported_in_the_dtype_asked_for(pretrained, tmp_path, dtype):
  folder = pretrained
  if dtype != 'float32':
    folder, config = tmp_path, miniature.pretraining()
    config.export_dtype = dtype
    runner.run(config, folder)
  stored = load_file(folder / 'model' / 'model.safetensors')
  assert {a.dtype.name for name, a in stored.items() if 'correction_bias' not in name} == {dtype}


def test_the_model_is_exported_in_8_bits(pretrained, tmp_path):
  config = miniature.pretraining()
  config.export_dtype = 'float8_e4m3fn'
  runner.run(config, tmp_path)
  with safe_open(tmp_path / 'model' / 'model.safetensors', framework='numpy') as stored:
    name = 'model.layers.0.self_attn.o_proj.weight'
    assert stored.get_slice(name).get_dtype() == 'F8_E4M3'
  exact, found = (Policy.load(folder / 'model').params for folder in (pretrained, tmp_path))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2**-4, atol=1e-3), found, exact)


def test_killed_and_resumed_equals_uninterrupted(pretrained, tmp_path, monkeypatch, capsys):
  write = MetricsLog.write

  def killing(self, step, numbers):
    write(self, step, numbers)
    if step == 3:
      raise Killed

  with monkeypatch.context() as patch, pytest.raises(Killed):
    patch.setattr(MetricsLog, 'write', killing)
    runner.run(miniature.pretraining(), tmp_path)
  runner.run(miniature.pretraining(), tmp_path)
  out = capsys.readouterr().out
  assert 'Going on from the checkpoint of step 2.' in out
  for name in ('metrics.jsonl', 'evaluations.jsonl'):
    assert timeless(tmp_path / name) == timeless(pretrained / name)
  found, expected = (
    load_file(folder / 'model' / 'model.safetensors') for folder in (tmp_path, pretrained)
  )
  assert found.keys() == expected.keys()
  assert all((found[name] == tensor).all() for name, tensor in expected.items())
  # What is shown is of pre-training.
  lines = [line for line in out.splitlines() if line.startswith(f'step {STEPS}/{STEPS}')]
  assert '  nll ' in lines[0] and '  mtp ' in lines[0] and '  tokens/s ' in lines[0]
  assert 'reward' not in lines[0] and 'Why the loss sits near 0' not in out


def test_probes_that_cannot_be_asked_are_named_before_the_first_step(tmp_path):
  # A tokenizer of few documents cuts the prompts into too many tokens.
  config = miniature.pretraining()
  config.pretrain.vocabulary_documents = 3
  with pytest.raises(ValueError, match=r"longer than the limit of 256 tokens: 'world/test/0/"):
    runner.run(config, tmp_path)
  assert not (tmp_path / 'metrics.jsonl').exists()
