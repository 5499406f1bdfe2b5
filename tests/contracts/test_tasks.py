"""What every task must be: a random-access source of answerable problems, splits kept apart."""

import pathlib

import pytest

from r1jax.rewards import accuracy
from r1jax.structs import Problem
from r1jax.tasks import gsm8k, math, tfds
from r1jax.tasks.world.problems import World

DATA = pathlib.Path(__file__).parents[3] / 'shared' / 'data'


def check_gold(problem):
  accuracy.check_gold(problem.gold)


def world(split, folder):
  return World(split=split, size=200)


def real(reader, name):
  def load(split, folder):
    path = DATA / name / f'{split}.jsonl'
    if not path.is_file():
      pytest.skip(f'the real problem set is not at {path}')
    return reader.load(path, check_problem=check_gold)

  return load


def prepared(split, folder):
  tfds.prepare({name: world(name, folder) for name in ('train', 'test')}, folder, 'world')
  return tfds.load(folder, 'world', split, check_problem=check_gold)


TASKS = {
  'world': (world, ('train', 'validation', 'test')),
  'gsm8k': (real(gsm8k, 'gsm8k'), ('train', 'test')),
  'math': (real(math, 'math'), ('train', 'test')),
  'prepared': (prepared, ('train', 'test')),
}


def problems_of(task):
  return [task[index] for index in range(len(task))]


@pytest.fixture(scope='module', params=TASKS)
def splits(request, tmp_path_factory):
  """Every split of a task, loaded twice."""
  load, names = TASKS[request.param]
  folder = tmp_path_factory.mktemp(request.param)
  return {name: (load(name, folder), load(name, folder)) for name in names}


def test_problems_have_id_question_and_gold_and_ids_are_unique(splits):
  for task, _ in splits.values():
    problems = problems_of(task)
    assert problems and all(isinstance(problem, Problem) for problem in problems)
    texts = [text for p in problems for text in (p.id, p.question, p.gold)]
    assert all(isinstance(text, str) and text.strip() for text in texts)
    assert len({problem.id for problem in problems}) == len(problems)


def test_a_problem_is_the_same_at_every_call_and_in_any_order(splits):
  for task, again in splits.values():
    forwards = problems_of(task)
    backwards = [again[index] for index in reversed(range(len(again)))]
    assert forwards == backwards[::-1]


def test_an_index_beyond_the_end_is_an_index_error(splits):
  for task, _ in splits.values():
    with pytest.raises(IndexError):
      task[len(task)]


def test_gold_answers_are_accepted_score_1_and_score_0_once_corrupted(splits):
  response = '<think>So it is.</think><answer>{}</answer>'
  for task, _ in splits.values():
    for problem in problems_of(task):
      accuracy.check_gold(problem.gold)
      assert accuracy.reward(problem, response.replace('{}', problem.gold)) == 1, problem
      assert accuracy.reward(problem, response.replace('{}', problem.gold + '1')) == 0, problem


def test_splits_share_no_question(splits):
  questions = [{p.question for p in problems_of(task)} for task, _ in splits.values()]
  assert sum(map(len, questions)) == len(set().union(*questions))
