import json

import pytest

from r1jax.tasks import generic, math
from r1jax.text import tags


def write(folder, **row):
  path = folder / 'train.jsonl'
  path.write_text(json.dumps(row) + '\n')
  return path


def test_a_row_with_answer(tmp_path):
  path = write(tmp_path, id='m-1', problem='$1+1$?', answer='2', subject='Algebra', level=1)
  (problem,) = math.load(path)
  assert (problem.id, problem.question, problem.gold) == ('m-1', '$1+1$?', '2')
  assert problem.metadata['subject'] == 'Algebra' and problem.metadata['level'] == 1


def test_a_row_as_first_published_has_its_answer_in_the_last_box(tmp_path):
  solution = r'Not $\boxed{1}$ but $\boxed{\frac{1}{2}}$.'
  (problem,) = math.load(write(tmp_path, problem='$1/2$?', solution=solution))
  assert (problem.id, problem.gold) == ('math/train:1', r'\frac{1}{2}')


@pytest.mark.parametrize(
  ('row', 'fault'),
  [
    ({'problem': 'p', 'solution': 'It is 2.'}, r"no field 'answer', and .* no complete \\boxed"),
    ({'problem': 'p'}, "no field 'answer'; the row has: 'problem'"),
    ({'problem': 'p', 'answer': '', 'solution': r'\boxed{2}'}, "field 'answer' is empty"),
  ],
)
def test_a_row_without_answer_is_an_error(tmp_path, row, fault):
  with pytest.raises(ValueError, match=rf'train\.jsonl:1: gold: .*{fault}'):
    math.load(write(tmp_path, **row))


@pytest.mark.parametrize('reader', [math, generic])
@pytest.mark.parametrize('name', ['options', 'choices'])
@pytest.mark.parametrize('options', [['sky', 'blood'], {'A': 'sky', 'B': 'blood'}])
def test_multiple_choice_whose_options_are_not_shown_is_an_error(tmp_path, reader, name, options):
  asked = 'problem' if reader is math else 'question'
  path = write(tmp_path, **{asked: 'Which is red: A. sky ?', 'answer': 'B', name: options})
  with pytest.raises(ValueError, match=rf'jsonl:1: field {name!r} .*config=configs/zero.py:choice'):
    reader.load(path)
  path = write(tmp_path, **{asked: 'Which is red: A. sky B. blood?', 'answer': 'B', name: options})
  assert reader.load(path)[0].gold == 'B'


@pytest.mark.parametrize('options', [None, 5, [], {'timeout': 5}, 'blood'])
def test_other_fields_of_that_name_are_metadata(tmp_path, options):
  (problem,) = math.load(write(tmp_path, problem='p', answer='2', options=options))
  assert problem.metadata['options'] == options


def test_the_real_set(data):
  train, test = (math.load(data / 'math' / f'{split}.jsonl') for split in ('train', 'test'))
  assert (len(train), len(test)) == (4500, 500)
  # The set's own answers are an independent reading of the solutions' boxes.
  assert all(tags.last_boxed(problem.metadata['solution']) == problem.gold for problem in train)
  assert {problem.metadata['level'] for problem in test} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
  ('name', 'size'), [('aime24', 30), ('aime25', 30), ('amc23', 40), ('svamp', 1000)]
)
def test_sets_of_the_same_form(data, name, size):
  assert len(math.load(data / name / 'test.jsonl')) == size
