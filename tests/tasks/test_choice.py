import json

import pytest

from r1jax.tasks import choice

ROW = {'id': 'q-1', 'problem': 'Which is red?', 'options': ['sky', 'blood', 'sea'], 'answer': 'B'}


def load(folder, *rows, **arguments):
  path = folder / 'test.jsonl'
  path.write_text(''.join(json.dumps(row) + '\n' for row in rows))
  return choice.load(path, **arguments)


def test_a_row_with_a_list_of_options(tmp_path):
  (problem,) = load(tmp_path, {**ROW, 'topic': 'colours'})
  assert (problem.id, problem.gold) == ('q-1', 'B')
  assert problem.question == 'Which is red?\nA. sky\nB. blood\nC. sea'
  assert problem.metadata['options'] == {'A': 'sky', 'B': 'blood', 'C': 'sea'}
  assert problem.metadata['topic'] == 'colours'


def test_a_row_with_options_by_letter_and_several_right(tmp_path):
  options = {'A': 'sky', 'B': 'blood', 'D': 'rose '}
  (problem,) = load(tmp_path, {'problem': 'Red?\n', 'options': options, 'answer': 'D, B'})
  assert (problem.id, problem.gold) == ('choice/test:1', 'BD')
  assert problem.question == 'Red?\nA. sky\nB. blood\nD. rose '.rstrip()
  assert problem.metadata['options'] == options


@pytest.mark.parametrize('answer', ['B D', 'BD', 'D、B', 'B,D', ' D B '])
def test_spellings_of_several_letters(tmp_path, answer):
  (problem,) = load(tmp_path, {**ROW, 'options': ['w', 'x', 'y', 'z'], 'answer': answer})
  assert problem.gold == 'BD'


@pytest.mark.parametrize(
  ('changed', 'fault'),
  [
    ({'answer': 'D'}, "'D'; it must be the letter of an option.* the options are A, B, C"),
    ({'answer': 'b'}, "'b'; it must be the letter"),
    ({'answer': 'BB'}, "'BB'; .* each once"),
    ({'answer': ' '}, "field 'answer' is empty"),
    ({'answer': 'blood'}, 'must be the letter'),
    ({'options': ['sky']}, 'list of 2 to 26 texts'),
    ({'options': ['x'] * 27}, 'list of 2 to 26 texts'),
    ({'options': ['sky', ' ']}, 'none of them blank'),
    ({'options': ['sky', 5]}, 'none of them blank'),
    ({'options': {'a': 'sky', 'b': 'blood'}}, r'from letters \(A to Z\) to texts'),
    ({'options': 'sky'}, "found 'sky'"),
    ({'problem': ''}, "field 'problem' is empty"),
  ],
)
def test_rows_that_cannot_be_used_are_errors_that_name_line_and_field(tmp_path, changed, fault):
  with pytest.raises(ValueError, match=rf'test\.jsonl:2: .*{fault}'):
    load(tmp_path, ROW, {**ROW, 'id': 'q-2', **changed})


@pytest.mark.parametrize('field', ['problem', 'options', 'answer'])
def test_missing_fields_are_errors(tmp_path, field):
  with pytest.raises(ValueError, match=field):
    load(tmp_path, {key: value for key, value in ROW.items() if key != field})


def test_problems_are_checked_as_they_will_be_judged(tmp_path):
  def refuse(problem):
    raise ValueError(f'no {problem.gold} of {sorted(problem.metadata["options"])}')

  with pytest.raises(ValueError, match=r"test.jsonl:1: no B of \['A', 'B', 'C'\]"):
    load(tmp_path, ROW, check_problem=refuse)


MMLU = {
  'question': 'Which is red?',
  'subject': 'colours',
  'choices': ['sky', 'blood', 'sea'],
  'answer': 2,
}


def test_a_row_as_mmlu_has_it_on_hugging_face(tmp_path):
  (problem,) = load(tmp_path, MMLU)
  assert (problem.id, problem.gold) == ('choice/test:1', 'C')
  assert problem.question == 'Which is red?\nA. sky\nB. blood\nC. sea'
  assert problem.metadata['options'] == {'A': 'sky', 'B': 'blood', 'C': 'sea'}
  assert problem.metadata['subject'] == 'colours'


@pytest.mark.parametrize(
  ('row', 'fault'),
  [
    (MMLU | {'answer': 3}, "'answer' is 3; a number is the place .* from 0 to 2"),
    (MMLU | {'answer': -1}, 'from 0 to 2'),
    (MMLU | {'answer': True}, r'"options": .*"answer": "B"\} or .*"choices": .*"answer": 1\}'),
    (ROW | {'answer': 1}, r'"options": .*"answer": "B"\} or .*"choices": .*"answer": 1\}'),
    ({'question': '?', 'answer': 1}, r"fields 'question', 'answer'; .*\} or \{"),
    ({'question': '?', 'options': ['a', 'b'], 'answer': 'A'}, r'"problem": .* or .*"question": '),
    (MMLU | {'choices': ['sky']}, "field 'choices' must be a list of 2 to 26 texts"),
  ],
)
def test_a_row_of_neither_form_is_shown_both(tmp_path, row, fault):
  with pytest.raises(ValueError, match=rf'test\.jsonl:1: .*{fault}'):
    load(tmp_path, row)


@pytest.mark.parametrize(('name', 'size'), [('gaokao_qa', 351), ('mmlu_stem', 500)])
def test_the_real_sets(data, name, size):
  problems = choice.load(data / name / 'test.jsonl')
  assert len(problems) == len({problem.id for problem in problems}) == size
  for problem in problems:
    lines = problem.question.splitlines()
    options = problem.metadata['options']
    assert list(options) == ['A', 'B', 'C', 'D']
    assert set(problem.gold) <= options.keys()
    assert all(f'{letter}. {text.strip()}' in problem.question for letter, text in options.items())
    assert len(lines) >= 5
  several = [problem.gold for problem in problems if len(problem.gold) > 1]
  # Seven of the Gaokao's questions have more than one right option, two written with spaces.
  expected = ['AC', 'ABD', 'ACD', 'AD', 'BCD', 'CD', 'AC']
  assert sorted(several) == (sorted(expected) if name == 'gaokao_qa' else [])
