import collections
import json

import pytest

from r1jax.tasks import ifeval


def write(folder, **row):
  path = folder / 'test.jsonl'
  path.write_text(json.dumps(row) + '\n')
  return path


def test_a_row(tmp_path):
  ids = ['punctuation:no_comma', 'length_constraints:number_words']
  kwargs = [{}, {'relation': 'at least', 'num_words': 300, 'num_bullets': None}]
  path = write(
    tmp_path, key=1000, prompt='Write 300+ words.', instruction_id_list=ids, kwargs=kwargs
  )
  (problem,) = ifeval.load(path)
  assert (problem.id, problem.question) == ('ifeval-1000', 'Write 300+ words.')
  assert json.loads(problem.gold) == {
    'instructions': [
      {'id': 'punctuation:no_comma'},
      {'id': 'length_constraints:number_words', 'relation': 'at least', 'num_words': 300},
    ]
  }
  assert problem.metadata['instruction_id_list'] == ids


def test_a_row_without_key_is_named_by_its_line(tmp_path):
  path = write(tmp_path, prompt='p', instruction_id_list=['punctuation:no_comma'], kwargs=[{}])
  (problem,) = ifeval.load(path)
  assert problem.id == 'ifeval/test:1'


@pytest.mark.parametrize(
  ('row', 'fault'),
  [
    ({'kwargs': [{}]}, "field 'instruction_id_list' is missing; it must be a list of strings"),
    ({'instruction_id_list': ['a']}, "field 'kwargs' is missing; it must be a list of objects"),
    (
      {'instruction_id_list': 'a', 'kwargs': [{}]},
      "'instruction_id_list' is 'a'; it must be a list",
    ),
    ({'instruction_id_list': [1], 'kwargs': [{}]}, r"'instruction_id_list' is \[1\]; it must be"),
    ({'instruction_id_list': ['a'], 'kwargs': [None]}, r"'kwargs' is \[None\]; it must be"),
    ({'instruction_id_list': ['a', 'b'], 'kwargs': [{}]}, '2 instruction ids with 1 kwargs; give'),
    ({'instruction_id_list': [], 'kwargs': []}, '0 instruction ids with 0 kwargs; .* at least one'),
  ],
)
def test_a_row_without_instructions_is_an_error(tmp_path, row, fault):
  with pytest.raises(ValueError, match=rf'test\.jsonl:1: gold: .*{fault}'):
    ifeval.load(write(tmp_path, key=1, prompt='p', **row))


def test_a_gold_that_the_reward_cannot_read_names_its_row(tmp_path):
  def check(problem):
    raise ValueError(f'cannot read {problem.gold}')

  path = write(tmp_path, key=1, prompt='p', instruction_id_list=['a:b'], kwargs=[{}])
  with pytest.raises(ValueError, match=r'test\.jsonl:1: cannot read .*a:b'):
    ifeval.load(path, check_problem=check)


def test_the_real_set(data):
  problems = ifeval.load(data / 'ifeval' / 'test.jsonl')
  assert len(problems) == 541
  given = [each for problem in problems for each in json.loads(problem.gold)['instructions']]
  count = collections.Counter(each['id'] for each in given)
  # As the paper's set has them: 834 instructions of 25 kinds, commas the most frequent.
  assert (len(given), len(count), count.most_common(1)) == (834, 25, [('punctuation:no_comma', 66)])
  assert not any(value is None for each in given for value in each.values())
