"""A set of your own, in its plainest form.

  {"id": "7", "question": "What is 6 * 7?", "answer": "42", "level": 1}

The id may be left out; further fields become metadata, and results are told by `level`, `subject`,
`family` and `depth` where problems have them. For other field names call `jsonl.load`.
"""

import os

from r1jax import structs
from r1jax.tasks import choice, jsonl


def load(
  path: str | os.PathLike[str], *, check_problem: jsonl.Check | None = None
) -> tuple[structs.Problem, ...]:
  """Reads one split of the set; arguments and errors as in `jsonl.load`."""
  return jsonl.load(
    path,
    question='question',
    gold='answer',
    id=lambda row: row.get('id'),
    name='generic',
    check_problem=choice.shown_too(check_problem),
  )
