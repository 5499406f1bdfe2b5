"""Problems that cannot be used are an error that names file, row and remedy; nothing is cut.

Through `runner.run`, as a user meets it.
"""

import dataclasses
import json
import re

import miniature
import pytest
from miniature import fails
from ml_collections import ConfigDict

from r1jax import build, runner
from r1jax.tasks import stream
from r1jax.tasks.world import World


@pytest.fixture
def problems(tiny_base, tmp_path):
  """Returns a function from lines to a config whose training problems they are."""

  def of(*lines, test=('{"question": "6*7=?", "answer": "42"}',)):
    config = miniature.load_config('zero', 'jsonl')
    config.init_from = str(tiny_base)
    changes = dict(miniature.REINFORCEMENT)
    changes['task'] = {'template': 'question_answer', 'max_prompt_tokens': 64}
    changes['evaluation'] = {'validation_problems': 1, 'test_problems': 1}
    miniature.changed(config.rl, changes)
    for name, rows in (('train', lines), ('test', test)):
      (tmp_path / f'{name}.jsonl').write_text(''.join(f'{row}\n' for row in rows))
      config.rl.task[f'{name}_path'] = str(tmp_path / f'{name}.jsonl')
    return config

  return of


GOOD = '{"question": "1+1=?", "answer": "2"}'


@pytest.mark.parametrize(
  ('row', 'texts'),
  [
    ('{"question": "1+1=?", "answer"', ['train.jsonl:2: malformed JSON', 'one object on one line']),
    ('{"question": "1+1=?"}', ["train.jsonl:2: gold: no field 'answer'", "'question'"]),
    ('{"answer": "2"}', ["train.jsonl:2: question: no field 'question'", "'answer'"]),
    ('{"question": " ", "answer": "2"}', ['train.jsonl:2: question', 'is empty']),
    ('{"question": "1+1=?", "answer": 2}', ['train.jsonl:2: gold', 'must be a string, found 2']),
    (
      '{"question": "1+1=?", "answer": "<answer>2</answer>"}',
      ["train.jsonl:2: the gold answer is '<answer>2</answer>'", 'without tags'],
    ),
    (
      '{"question": "?", "answer": "\\\\frac{1}{2"}',
      ['train.jsonl:2: the gold', 'balanced braces'],
    ),
    ('["1+1=?", "2"]', ['train.jsonl:2: a row must be a JSON object']),
  ],
)
def test_a_row_that_cannot_be_used_is_named(problems, workdir, row, texts):
  with fails(*texts):
    runner.run(problems(GOOD, row), workdir)


def test_held_out_rows_are_checked_as_well(problems, workdir):
  with fails("test.jsonl:1: gold: no field 'answer'"):
    runner.run(problems(GOOD, test=['{"question": "1+1=?"}']), workdir)


def test_what_is_held_out_must_not_be_trained_on(problems, workdir):
  other = '{"question": "2+2=?", "answer": "4"}'
  with fails('config.rl.task: 1 training problems are in the test set too', "'1+1=?'"):
    runner.run(problems(other, GOOD, test=[GOOD]), workdir)
  with fails('config.rl.evaluation.validation_problems is 1; it must be less than 1'):
    runner.run(problems(GOOD), workdir)


def test_data_that_are_missing_or_empty_are_named(problems, workdir, tmp_path):
  with fails('train.jsonl: the file is empty; it needs one JSON object a line'):
    runner.run(problems(), workdir)
  config = problems(GOOD)
  config.rl.task.test_path = str(tmp_path / 'nowhere.jsonl')
  with fails('nowhere.jsonl: no such file'):
    runner.run(config, workdir)
  config.rl.task.test_path = ''
  with fails('config.rl.task.test_path is empty; say where the problems are', 'train_path again'):
    runner.run(config, workdir)


# --- What the terms of a reward, and evaluations, cannot judge ---

FREE = [
  json.dumps({'question': f'Which? {n}', 'answer': a}) for n, a in enumerate(('C++', 'a & b'))
]


def rewarded(config, **weights):
  config.rl.reward = ConfigDict(weights)
  return config


def test_what_a_term_of_the_reward_cannot_judge_is_named(problems, workdir):
  row = '{"question": "1+1=?", "answer": "2", "language": "english"}'
  config = rewarded(problems(GOOD, row), accuracy=1.0, language=0.0)
  with fails("train.jsonl:2: for the reward term 'language': metadata['language']", "'english'"):
    runner.run(config, workdir)
  config = rewarded(problems(GOOD, '{"question": "1?", "answer": "..."}'), exact_match=1.0)
  with fails('train.jsonl:2: the gold answer is'):
    runner.run(config, workdir)
  config = rewarded(problems(GOOD), accuracy=1.0, programs_all=1.0)
  with fails("train.jsonl:1: for the reward term 'programs_all': ", 'JSON'):
    runner.run(config, workdir)


@pytest.mark.parametrize('term', ['accuracy', 'strict', 'lenient', 'format'])
def test_evaluations_must_be_able_to_judge_what_the_reward_does_not_look_at(
  problems, workdir, term
):
  with fails('train.jsonl:2: the gold', 'To compare answers as text', 'exact_match, if with wei'):
    runner.run(rewarded(problems(GOOD, FREE[0]), **{term: 1.0}), workdir)


def stage_of(config):
  """Returns the stage as it is before its first step."""
  plan = build.plan(config)
  ((_, make),) = plan.stages
  return make(plan.policy())


@pytest.mark.parametrize(
  ('kind', 'weights', 'rows'),
  [
    ('text', {'exact_match': 1.0}, FREE),
    ('text', {'random': 1.0, 'exact_match': 0.0}, FREE),
    ('math', {'exact_match': 1.0, 'accuracy': 0.0}, ['{"question": "2+2=?", "answer": "4"}']),
    ('math', {'random': 1.0}, ['{"question": "2+2=?", "answer": "4"}']),
  ],
)
def test_answers_are_compared_as_text_in_evaluations_if_the_reward_does(
  problems, kind, weights, rows
):
  stage = stage_of(rewarded(problems(GOOD, *rows), **weights))
  judges = build.KINDS[kind].judges_of(stage.learning.answering.template(''))
  assert all(benchmark.judges == judges for benchmark in stage.benchmarks)


# --- One file, and sets of different names ---

ROWS = [f'{{"question": "{n}+1=?", "answer": "{n + 1}"}}' for n in range(10)]


def asked(config, split):
  """Returns the questions of a split, and those for training."""
  stage = stage_of(config)
  train = {problem.question for problem in stage.learning.problems.batch(0, 50)}
  (found,) = (b.problems for b in stage.benchmarks if b.split == split)
  return {problem.question for problem in found}, train


def test_of_one_file_the_problems_for_the_test_are_held_out(problems, workdir):
  config = problems(*ROWS)
  config.rl.task.test_path = config.rl.task.train_path
  config.rl.evaluation.test_problems = 4
  test, train = asked(config, 'test')
  validation, _ = asked(config, 'validation')
  assert (len(test), len(validation), len(train)) == (4, 1, 5)
  assert len(test | validation | train) == 10
  config.rl.evaluation.test_problems = 10
  with fails('config.rl.evaluation.test_problems is 10; it must be less than 10'):
    build.plan(config)
  config.rl.evaluation.test_problems = 0
  assert [b.split for b in stage_of(config).benchmarks] == ['validation']


def test_a_set_may_be_tested_on_another(problems, tmp_path):
  config = problems(*ROWS, test=['{"question": "Six times seven?", "answer": "so\\n#### 42"}'])
  config.rl.task.test_name = 'gsm8k'
  assert asked(config, 'test')[0] == {'Six times seven?'}
  config.rl.task.test_name = 'humaneval'
  with fails("config.rl.task.test_name is 'humaneval'", "'jsonl'", 'one of gsm8k, math, jsonl'):
    build.plan(config)
  config.rl.task.test_name = 'gsm'
  with fails("config.rl.task.test_name is 'gsm', allowed are 'gsm8k'"):
    build.plan(config)


def test_a_prepared_set_that_is_missing_is_named(tiny_base, workdir, tmp_path):
  config = miniature.load_config('zero', 'tfds')
  config.init_from = str(tiny_base)
  with fails('config.rl.task.data_dir is empty'):
    runner.run(config, workdir)
  config.rl.task.data_dir, config.rl.task.dataset = str(tmp_path), 'mine'
  with pytest.raises((ValueError, OSError), match=re.escape(str(tmp_path / 'mine'))):
    runner.run(config, workdir)


def test_a_prompt_that_is_too_long_is_named_and_not_cut(problems, workdir):
  long = json.dumps({'id': 'wordy', 'question': 'why? ' * 100, 'answer': '2'})
  with fails('1 of 2 prompts are longer than the limit of 64 tokens', "'wordy' (", 'raise '):
    runner.run(problems(GOOD, long), workdir)
  with fails("'wordy'"):
    runner.run(problems(GOOD, GOOD.replace('1+1', '2+0'), test=[long]), workdir)


def test_a_prompt_of_the_last_step_is_checked_before_the_first(config, workdir, monkeypatch):
  world = World('train', seed=config.seed)
  last = miniature.STEPS * config.rl.settings.prompts_per_step - 1
  (late,) = stream.shuffled(range(len(world)), seed=config.seed).batch(last, 1)
  plain = World.__getitem__

  def wordy(self, index):
    problem = plain(self, index)
    if self.split != 'train' or index != late:
      return problem
    return dataclasses.replace(problem, question='why? ' * 100)

  monkeypatch.setattr(World, '__getitem__', wordy)
  with fails('1 of 32 prompts are longer than the limit of 64 tokens', 'world/train/'):
    runner.run(config, workdir)


def test_prompts_of_the_world_are_checked_before_the_first_step(config, workdir):
  config.rl.task.max_prompt_tokens = 5
  with fails('longer than the limit of 5 tokens', 'world/', 'max_prompt_tokens'):
    runner.run(config, workdir)
