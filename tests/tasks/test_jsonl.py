import json

import pytest

from r1jax.structs import Problem
from r1jax.tasks import jsonl

GOOD = '{"question": "1+1?", "answer": "2"}'


def write(folder, *lines, name='set.jsonl'):
  path = folder / name
  path.write_bytes(b''.join(line.encode('utf-8', 'surrogatepass') + b'\n' for line in lines))
  return path


def load(path, **options):
  return jsonl.load(path, **{'question': 'question', 'gold': 'answer', 'name': 'sums', **options})


def error(*args, **options):
  with pytest.raises(ValueError) as caught:
    load(*args, **options)
  return str(caught.value)


def test_a_row_becomes_a_problem_and_its_other_fields_metadata(tmp_path):
  path = write(tmp_path, '{"key": "a", "question": "1+1?", "answer": "2", "level": [1]}')
  assert load(path, id='key') == (
    Problem(id='a', question='1+1?', gold='2', metadata={'level': [1]}),
  )


def test_rows_without_id_are_named_by_set_split_and_line(tmp_path):
  path = write(tmp_path, GOOD, '', GOOD, name='train.jsonl')
  assert [problem.id for problem in load(path)] == ['sums/train:1', 'sums/train:3']


def test_functions_make_question_gold_and_id_and_leave_the_fields_in_metadata(tmp_path):
  path = write(tmp_path, '{"a": "1", "b": "2"}', '{"a": "3", "b": "4", "n": "four"}')
  problems = load(
    path,
    question=lambda row: f'{row["a"]}+{row["a"]}?',
    gold=lambda row: row['b'],
    id=lambda row: row.get('n'),
  )
  assert [(p.id, p.question, p.gold) for p in problems] == [
    ('sums/set:1', '1+1?', '2'),
    ('four', '3+3?', '4'),
  ]
  assert problems[0].metadata == {'a': '1', 'b': '2'}


def test_only_a_line_feed_ends_a_row_and_a_byte_order_mark_is_no_text(tmp_path):
  # Editors and str.splitlines break at U+2028 and U+0085 too; both are plain characters in JSON.
  row = json.dumps({'question': 'a\u2028b\u0085c', 'answer': '2'}, ensure_ascii=False)
  path = write(tmp_path, '\ufeff' + row, GOOD)
  assert [problem.question for problem in load(path)] == ['a\u2028b\u0085c', '1+1?']


@pytest.mark.parametrize(
  ('line', 'fragments'),
  [
    ('{"question": "1+1?", "answer":', ['malformed JSON', 'column 31', 'one object on one line']),
    ('["1+1?", "2"]', ['must be a JSON object', 'found ["1+1?", "2"]']),
    ('{"answer": "2"}', ["question: no field 'question'", "the row has: 'answer'"]),
    ('{}', ['the row has: no fields']),
    ('{"question": "  ", "answer": "2"}', ["question: field 'question' is empty", 'delete']),
    ('{"question": "1+1?", "answer": ""}', ["gold: field 'answer' is empty"]),
    ('{"question": "1+1?", "answer": 2}', ["field 'answer' must be a string, found 2", 'quotes']),
    ('{"question": null, "answer": "2"}', ["field 'question' must be a string, found null"]),
    ('{"question": "\\ud800", "answer": "2"}', ['half a surrogate pair at character 0']),
  ],
)
def test_a_bad_row_is_named_with_file_line_and_remedy(tmp_path, line, fragments):
  path = write(tmp_path, GOOD, line)
  message = error(path)
  assert message.startswith(f'{path}:2: ')
  for fragment in fragments:
    assert fragment in message


def test_text_that_is_not_utf8_is_named(tmp_path):
  path = tmp_path / 'latin.jsonl'
  path.write_bytes(GOOD.encode() + b'\n' + '{"question": "é", "answer": "2"}'.encode('latin-1'))
  assert f'{path}:2: not UTF-8' in error(path)


def test_a_repeated_id_names_both_lines(tmp_path):
  rows = [json.dumps({'id': id, 'question': 'q', 'answer': '2'}) for id in 'aba']
  path = write(tmp_path, *rows)
  assert f"{path}:3: id 'a' is that of line 1 too" in error(path, id='id')


def test_an_id_of_another_type_is_named(tmp_path):
  path = write(tmp_path, '{"id": 7, "question": "q", "answer": "2"}')
  assert f"{path}:1: id: field 'id' must be a string, found 7" in error(path, id='id')


def test_a_problem_that_the_reward_rejects_is_named(tmp_path):
  def check(problem):
    if not problem.gold.isdigit():
      raise ValueError(f'{problem.gold!r} is no number')

  path = write(tmp_path, GOOD, '{"question": "who?", "answer": "me"}')
  assert error(path, check_problem=check) == f"{path}:2: 'me' is no number"


def test_a_problem_is_checked_with_all_its_metadata(tmp_path):
  seen = []
  path = write(tmp_path, '{"question": "1+1?", "answer": "2", "level": 3}')
  load(path, metadata=lambda row: {'twice': 2 * row['level']}, check_problem=seen.append)
  assert seen == [Problem('sums/set:1', '1+1?', '2', {'level': 3, 'twice': 6})]


def test_of_a_row_of_another_set_the_question_is_missed_and_not_its_id(tmp_path):
  path = write(tmp_path, '{"id": 601, "text": "1+1?"}')
  assert f"{path}:1: question: no field 'question'; the row has: 'id', 'text'" in error(
    path, id='id'
  )


def test_all_bad_rows_are_counted_and_the_first_five_shown(tmp_path):
  path = write(tmp_path, GOOD, *['{}'] * 7)
  lines = error(path).splitlines()
  assert lines[0] == '7 of 8 rows cannot be used:'
  assert [line.split(': ')[0] for line in lines[1:6]] == [f'{path}:{n}' for n in range(2, 7)]
  assert lines[6] == '... and 2 more' and len(lines) == 7


def test_a_missing_file_a_folder_and_an_empty_file_are_errors(tmp_path):
  assert f'{tmp_path / "none.jsonl"}: no such file' in error(tmp_path / 'none.jsonl')
  assert f'{tmp_path}: a folder; it should be a file' in error(tmp_path)
  assert 'the file is empty; it needs one JSON object a line' in error(write(tmp_path, '', ' '))


def test_a_bug_in_a_reader_is_not_taken_for_bad_data(tmp_path):
  with pytest.raises(KeyError):
    load(write(tmp_path, GOOD), gold=lambda row: row['reply'])
