"""Real problems through the front door: the same command, another set."""

import miniature

from r1jax import runner
from r1jax.tasks import gsm8k
from r1jax.training import metrics, records


def test_gsm8k_is_asked_as_the_readme_says(data, tmp_path):
  """The real files, R1-Zero's template and limits, the base that ships; two tiny steps."""
  config = miniature.load_config('zero', 'gsm8k')
  paths = {f'{split}_path': str(data / 'gsm8k' / f'{split}.jsonl') for split in ('train', 'test')}
  changes = {
    'steps': 2,
    'task': paths,
    'sampling': {'group_size': 2, 'max_completion_tokens': 16, 'segment_tokens': 16},
    'settings': {'prompts_per_step': 2, 'num_microbatches': 1},
    'evaluation': {'validation_problems': 2, 'test_problems': 2},
  }
  summary = runner.run(miniature.changed(config, {'rl': changes}), tmp_path)
  assert summary['steps'] == 2 and summary['trained']['num_problems'] == 2


def test_gsm8k_takes_the_place_of_the_world(data, tiny_base, tmp_path):
  train, test = data / 'gsm8k' / 'train.jsonl', data / 'gsm8k' / 'test.jsonl'
  config = miniature.load_config('zero', 'gsm8k')
  config.init_from = str(tiny_base)
  changes = {
    'steps': 2,
    'task': {
      'train_path': str(train),
      'test_path': str(test),
      'template': 'question_answer',
      'max_prompt_tokens': 800,
    },
    'sampling': {'group_size': 2, 'max_completion_tokens': 16, 'segment_tokens': 16},
    'algorithm': {'kl_weight': 0.0},
    'settings': {'prompts_per_step': 2, 'num_microbatches': 1},
    'evaluation': {'validation_problems': 3, 'test_problems': 2},
    'cadence': {'completions_every': 1},
  }
  summary = runner.run(miniature.changed(config, {'rl': changes}), tmp_path)
  assert summary['steps'] == 2
  assert summary['trained']['num_problems'] == 2 and summary['trained']['num_samples'] == 2
  assert [row['step'] for row in records.read(tmp_path / 'metrics.jsonl')] == [1, 2]
  splits = [row['split'] for row in records.read(tmp_path / 'evaluations.jsonl')]
  assert splits == ['test', 'validation'] * 2
  problems = {problem.id: problem for problem in gsm8k.load(train)}
  rows = [row for path in metrics.completion_files(tmp_path).values() for row in records.read(path)]
  assert len({row['id'] for row in rows}) == 4, 'every step asks new questions'
  for row in rows:
    asked = problems[row['id']]
    assert (row['question'], row['gold']) == (asked.question, asked.gold)
