r"""HumanEval: complete a Python function (Chen et al. 2021, https://arxiv.org/abs/2107.03374).

  {"task_id": "HumanEval/53", "prompt": "def add(x: int, y: int):\n    \"\"\"Add two numbers x and y
   ...\"\"\"\n", "entry_point": "add", "canonical_solution": "    return x + y\n", "test": "...
   def check(candidate):\n    assert candidate(0, 1) == 1\n ..."}

Gold, as `rewards.execution.suites` reads it: the statements of `check`, of which each that asserts
something is a test. The prompt is part of the set-up, since tests use functions that it defines;
what it imports, a program may count on. Left out are asserts that no program can fail: `assert
True`, and those of HumanEval/33 that compare the function with itself.
"""

import ast
import json
import os

from r1jax import structs
from r1jax.tasks import jsonl

_QUESTION = """Complete this Python function.
Answer with the whole program in one fenced code block.

```python
{}
```"""


def load(
  path: str | os.PathLike[str], *, check_problem: jsonl.Check | None = None
) -> tuple[structs.Problem, ...]:
  """Reads HumanEval; arguments and errors as in `jsonl.load`."""
  return jsonl.load(
    path,
    question=lambda row: _QUESTION.format(jsonl.field(row, 'prompt').strip('\n')),
    gold=gold,
    id='task_id',
    name='humaneval',
    check_problem=check_problem,
  )


def gold(row: jsonl.Row) -> str:
  """Returns the tests of a row as JSON text."""
  prompt, test, name = (jsonl.field(row, key) for key in ('prompt', 'test', 'entry_point'))
  try:
    code, tests = ast.parse(prompt), ast.parse(test)
  except SyntaxError as error:
    raise ValueError(f'prompt and test must be Python: {error}') from error
  check = next(
    (node for node in tests.body if isinstance(node, ast.FunctionDef) and node.name == 'check'),
    None,
  )
  if check is None or len(check.args.args) != 1:
    raise ValueError("field 'test' must define check(candidate)")
  tests.body.remove(check)
  imports = [node for node in code.body if isinstance(node, ast.Import | ast.ImportFrom)]
  return json.dumps(
    {
      'kind': 'asserts',
      'names': {check.args.args[0].arg: name},
      'preamble': '\n'.join(map(ast.unparse, imports)),
      'setup': f'{prompt}\n{ast.unparse(tests)}',
      'tests': [ast.unparse(node) for node in check.body if not _cannot_fail(node, name)],
    }
  )


def _cannot_fail(statement: ast.stmt, name: str) -> bool:
  """Returns whether a statement asserts what holds for any function of that name."""
  if not isinstance(statement, ast.Assert):
    return False
  names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
  return isinstance(statement.test, ast.Constant) or name in names
