r"""IFEval: prompts with instructions that a program can verify (Zhou et al. 2023).

  {"key": 1001, "prompt": "I am planning a trip to Japan, ... You are not allowed to use any commas
   in your response.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}

https://arxiv.org/abs/2311.07911. Gold is JSON, one object an instruction, with what it says; a
value of null says nothing:

  {"instructions": [{"id": "punctuation:no_comma"}]}
"""

import json
import os

from r1jax import structs
from r1jax.tasks import jsonl


def load(
  path: str | os.PathLike[str], *, check_problem: jsonl.Check | None = None
) -> tuple[structs.Problem, ...]:
  """Reads the set; arguments and errors as in `jsonl.load`."""
  return jsonl.load(
    path,
    question='prompt',
    gold=instructions,
    id=lambda row: f'ifeval-{row["key"]}' if 'key' in row else None,
    name='ifeval',
    check_problem=check_problem,
  )


def instructions(row: jsonl.Row) -> str:
  """Returns the instructions of a row as JSON."""
  ids, kwargs = _list(row, 'instruction_id_list', str), _list(row, 'kwargs', dict)
  if not ids or len(ids) != len(kwargs):
    raise ValueError(
      f'{len(ids)} instruction ids with {len(kwargs)} kwargs; give each instruction one object of '
      'kwargs, {} if it needs none, and at least one instruction'
    )
  said = [
    {'id': id, **{name: value for name, value in one.items() if value is not None}}
    for id, one in zip(ids, kwargs)
  ]
  return json.dumps({'instructions': said}, ensure_ascii=False)


def _list(row: jsonl.Row, key: str, kind: type) -> list:
  values = row.get(key)
  if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
    found = repr(values) if key in row else 'missing'
    expected = 'strings' if kind is str else 'objects'
    raise ValueError(f'field {key!r} is {found}; it must be a list of {expected}')
  return values
