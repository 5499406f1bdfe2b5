r"""GSM8K: grade-school word problems (Cobbe et al. 2021, https://arxiv.org/abs/2110.14168).

  {"question": "Natalia sold clips to 48 of her friends in April, and then she sold half as many
   clips in May. How many clips did Natalia sell altogether in April and May?",
   "answer": "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nNatalia sold 48+24 =
   <<48+24=72>>72 clips altogether in April and May.\n#### 72"}

Gold is what follows '#### ', thousands separators removed; the whole answer, worked solution and
calculator annotations included, stays in metadata['answer'].
"""

import os

from r1jax import structs
from r1jax.tasks import jsonl

_MARK = '#### '


def load(
  path: str | os.PathLike[str], *, check_problem: jsonl.Check | None = None
) -> tuple[structs.Problem, ...]:
  """Reads one split of GSM8K; arguments and errors as in `jsonl.load`."""
  return jsonl.load(
    path, question='question', gold=final_answer, name='gsm8k', check_problem=check_problem
  )


def final_answer(row: jsonl.Row) -> str:
  """Returns the number after '#### ', without thousands separators."""
  _, mark, final = jsonl.field(row, 'answer').rpartition(_MARK)
  if not mark:
    raise ValueError(f"field 'answer' has no {_MARK!r} before its final answer")
  return final.strip().replace(',', '')
