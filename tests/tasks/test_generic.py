from r1jax.structs import Problem
from r1jax.tasks import generic


def test_rows_with_and_without_id(tmp_path):
  path = tmp_path / 'mine.jsonl'
  path.write_text(
    '{"question": "6*7?", "answer": "42", "level": 1}\n'
    '{"id": "x", "question": "6*8?", "answer": "48"}\n'
  )
  first, second = generic.load(path)
  assert first == Problem('generic/mine:1', '6*7?', '42', {'level': 1})
  assert (second.id, second.gold) == ('x', '48')
