"""R1-Zero in miniature from end to end: what a run leaves behind is there, readable and right."""

import json
import os
import re
import subprocess

import jax
import miniature
import numpy as np
import pytest
import torch
import transformers

from r1jax import interop, runner
from r1jax.stages.policy import Policy
from r1jax.training import metrics, records

STEPS = miniature.STEPS
KEYS = {
  'step',
  'reward',
  'accuracy',
  'format',
  'length',
  'kl',
  'entropy',
  'clip_fraction',
  'mismatch',
  'zero_variance_fraction',
  'truncated_fraction',
  'tokens',
  'tokens_per_second',
  'seconds/sample',
  'seconds/reward',
  'seconds/score',
  'seconds/update',
}


@pytest.fixture
def first_figure_alone():
  """Puts all figures in the place of the first: a report that is written again has them all."""


def test_the_resolved_config_and_versions_are_there(finished, tiny_base):
  content = json.loads((finished / 'config.json').read_text())
  assert content['config']['rl']['steps'] == STEPS
  assert content['config']['init_from'] == str(tiny_base)
  assert content['config'] == json.loads(json.dumps(miniature.reinforcement(tiny_base).to_dict()))
  versions = content['versions']
  assert versions.keys() >= {'r1jax', 'python', 'jax', 'jaxlib', 'device', 'XLA_FLAGS'}
  assert versions['device'].startswith('cpu') and versions['num_devices'] == '1'
  assert 1 <= int(versions['cpu_threads']) <= os.cpu_count()
  assert content['versions']['jax'] == jax.__version__
  head = subprocess.run(
    ['git', 'rev-parse', 'HEAD'], cwd=miniature.ROOT, capture_output=True, text=True
  ).stdout.strip()
  assert content['versions']['commit'].removesuffix('-dirty') == head[:12]


def test_metrics_have_every_step_once_with_every_number(finished):
  rows = records.read(finished / 'metrics.jsonl')
  assert [row['step'] for row in rows] == list(range(1, STEPS + 1))
  for row in rows:
    assert row.keys() >= KEYS
    assert all(np.isfinite(row[key]) for key in KEYS)
    assert 0 <= row['mismatch'] <= 1e-4, 'what was sampled is what is scored'
    assert row['skipped'] == 0
    assert row['tokens'] == pytest.approx(16 * row['length'])
  assert any(row['kl'] > 0 for row in rows), 'the model does not move'


def test_completions_of_some_steps_are_there(finished):
  files = metrics.completion_files(finished)
  assert list(files) == [3, 6, 8]  # every third, and the last
  for step, path in files.items():
    rows = records.read(path)
    assert len(rows) == 5 and {row['step'] for row in rows} == {step}
    for row in rows:
      assert row['terms'].keys() == miniature.REWARD.keys()
      assert row['reward'] == pytest.approx(sum(row['terms'].values()))
      assert row['question'] and row['gold'] and row['id'].startswith('world/train/')
      assert 0 < row['length'] <= 16


def test_evaluations_are_of_held_out_problems_at_their_steps(finished):
  rows = records.read(finished / 'evaluations.jsonl')
  found = [(row['step'], row['split'], row['num_problems'], row['num_samples']) for row in rows]
  assert found == [
    (0, 'test', 6, 4),
    (0, 'validation', 4, 4),
    (4, 'validation', 4, 4),
    (8, 'test', 6, 4),
    (8, 'validation', 4, 4),
  ]


def test_the_summary_joins_both_ends(finished):
  summary = json.loads((finished / 'summary.json').read_text())
  rows = records.read(finished / 'evaluations.jsonl')
  assert summary['base'] == summary['test']['base'] == rows[0]
  assert summary['trained'] == summary['test']['trained'] == rows[3]
  assert summary['validation'] == {'base': rows[1], 'trained': rows[4]}
  estimate = summary['trained']['lenient']['pass_at_1']
  assert 0 <= estimate['low'] <= estimate['mean'] <= estimate['high'] <= 1
  steps = records.read(finished / 'metrics.jsonl')
  assert summary['steps'] == STEPS and summary['tokens'] == sum(row['tokens'] for row in steps)
  # And not `seconds/reward/accuracy`, which is a part of `seconds/reward`, of several threads.
  named = [key for key in steps[0] if key.startswith('seconds/') and key.count('/') == 1]
  phases = sum(row[key] for row in steps for key in named)
  measured = phases + sum(row['seconds'] for row in rows)
  assert measured < summary['seconds'] < measured + 60


def test_plots_and_report_are_there(finished):
  plots = {path.name: path.read_bytes() for path in (finished / 'plots').glob('*.png')}
  assert plots.keys() >= {'accuracy.png', 'response_length.png', 'rewards.png', 'seconds.png'}
  assert all(content.startswith(b'\x89PNG') for content in plots.values())
  page = (finished / 'report.html').read_text('utf-8')
  assert 'Base against trained' in page and '<svg' in page
  assert not re.search(r'(src|href)="https?://', page), 'the page needs the network'


def test_what_is_shown_on_the_way_and_at_the_end(shown, finished):
  assert all(f'step {step}/{STEPS}' in shown for step in range(1, STEPS + 1))
  assert 'a completion at step 3' in shown and 'a completion at step 8' in shown
  assert 'step 4: validation (4 problems x 4)' in shown
  table = shown[shown.index('pass@1, strict') :]
  for row in ('pass@1, lenient', 'cons@4, strict', 'response length', 'answers that check'):
    assert row in table
  for path in (finished / 'report.html', finished / 'plots', finished / 'model'):
    assert str(path) in table.replace('\n', ''), 'lines may be broken anywhere'


def test_the_newest_two_checkpoints_are_there_and_nothing_else(finished):
  assert sorted(path.name for path in (finished / 'checkpoints').iterdir()) == ['6', '8']


def test_tensorboard_has_events(finished):
  (file,) = (finished / 'tensorboard').iterdir()
  content = file.read_bytes()
  assert b'reward' in content and b'seconds/sample' in content


def test_the_model_is_the_trained_one_and_loads(finished, tiny_base):
  names = {path.name for path in (finished / 'model').iterdir()}
  assert names >= {'config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer.model'}
  config, params = interop.load_pretrained(finished / 'model')
  base_config, base = interop.load_pretrained(tiny_base)
  assert config == base_config
  moved = jax.tree.map(lambda new, old: float(np.abs(new - old).max()), params, base)
  assert moved['embedding'] > 1e-3
  policy = Policy.load(finished / 'model')
  text = 'Calculate: 3+4=?'
  assert policy.tokenizer.decode(policy.tokenizer.encode(text)) == text


def test_transformers_loads_the_model_too(finished):
  theirs = transformers.AutoModelForCausalLM.from_pretrained(finished / 'model').eval()
  tokenizer = transformers.AutoTokenizer.from_pretrained(finished / 'model')
  policy = Policy.load(finished / 'model')
  tokens_BL = np.array([policy.tokenizer.encode('Calculate: 3+4=?')])
  assert tokenizer.encode('Calculate: 3+4=?', add_special_tokens=False) == tokens_BL[0].tolist()
  ours = policy.model.apply({'params': policy.params}, tokens_BL).logits_BLV
  with torch.no_grad():
    np.testing.assert_allclose(theirs(torch.tensor(tokens_BL)).logits, ours, atol=1e-4)


def test_a_finished_run_is_left_as_it_is(finished, tiny_base, capsys):
  def state():
    files = [path for path in finished.rglob('*') if path.is_file()]
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files}

  before = state()
  summary = runner.run(miniature.reinforcement(tiny_base), finished)
  assert capsys.readouterr().out == f'rl is done: {finished}\n'
  assert state() == before
  assert summary == json.loads((finished / 'summary.json').read_text())


def test_a_report_that_a_kill_prevented_is_written_later(finished, tiny_base, capsys):
  page = (finished / 'report.html').read_text()
  (finished / 'report.html').unlink()
  runner.run(miniature.reinforcement(tiny_base), finished)
  assert (finished / 'report.html').read_text() == page
