r"""MATH and sets of its form: competition problems with LaTeX answers.

  {"id": "math-test-1", "problem": "What is the positive difference between $120\\%$ of 30 and
   $130\\%$ of 20?", "answer": "10", "solution": "... The difference between the two is
   $36 - 26 = \\boxed{10}$.", "subject": "Algebra", "level": 1}

MATH: Hendrycks et al. 2021, https://arxiv.org/abs/2103.03874. Rows without an answer, as first
published, have it in the last \boxed{} of their solution. AIME, AMC, SVAMP and CMATH rows with
`problem` and `answer` are read alike.
"""

import os

from r1jax import structs
from r1jax.tasks import choice, jsonl
from r1jax.text import tags


def load(
  path: str | os.PathLike[str], *, check_problem: jsonl.Check | None = None
) -> tuple[structs.Problem, ...]:
  """Reads one split of MATH; arguments and errors as in `jsonl.load`."""
  return jsonl.load(
    path,
    question='problem',
    gold=final_answer,
    id=lambda row: row.get('id'),
    name='math',
    check_problem=choice.shown_too(check_problem),
  )


def final_answer(row: jsonl.Row) -> str:
  r"""Returns the answer of a row, or what the last \boxed{} of its solution holds."""
  if 'answer' in row or 'solution' not in row:
    return jsonl.field(row, 'answer')
  boxed = tags.last_boxed(jsonl.field(row, 'solution'))
  if boxed is None:
    raise ValueError(r"no field 'answer', and field 'solution' has no complete \boxed{...}")
  return boxed
