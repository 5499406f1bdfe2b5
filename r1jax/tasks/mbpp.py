r"""MBPP: short Python functions (Austin et al. 2021, https://arxiv.org/abs/2108.07732).

  {"task_id": 14, "text": "Write a python function to find the volume of a triangular prism.",
   "code": "def find_Volume(l,b,h) :\r\n    return ((l * b * h) / 2)", "test_setup_code": "",
   "test_list": ["assert find_Volume(10,8,6) == 240", "assert find_Volume(3,2,2) == 6", ...],
   "challenge_test_list": []}

Gold, as `rewards.execution.suites` reads it: each entry of `test_list` is a test; the names that
tests take from the program are those that the reference solution in `code` defines, and what it
imports they may use too.

Rows 367 and 927 are wrong upstream: their set-up makes objects of a class that only the reference
solution defines, so it fails where it runs before the solution, as is usual. Here the question
names the class, and set-up code may use what the program defines.
"""

import ast
import json
import os
import warnings
from collections.abc import Iterable

from r1jax import structs
from r1jax.tasks import jsonl

_QUESTION = """{text}

Answer with the whole Python program in one fenced code block.
It must define {names}, such that for example

```python
{example}
```"""


def load(
  path: str | os.PathLike[str],
  *,
  num_shown: int = 1,
  check_problem: jsonl.Check | None = None,
) -> tuple[structs.Problem, ...]:
  """Reads one split of MBPP.

  Args:
    path: as in `jsonl.load`.
    num_shown: tests that the question shows, at least 1: without one nobody knows what to define.
    check_problem: as in `jsonl.load`.

  Raises:
    ValueError: as in `jsonl.load`.
  """
  # Paper: all 3 tests are shown; here: 1, because a program that knows them all need not compute.
  if num_shown < 1:
    raise ValueError(f'{num_shown} tests would be shown; a question needs at least 1')

  def question(row: jsonl.Row) -> str:
    return _QUESTION.format(
      text=jsonl.field(row, 'text').strip(),
      names=' and '.join(f'`{name}`' for name in _names(row)),
      example='\n'.join([*_setup(row), *_tests(row)[:num_shown]]),
    )

  return jsonl.load(
    path,
    question=question,
    gold=gold,
    id=lambda row: f'mbpp/{row["task_id"]}' if 'task_id' in row else None,
    name='mbpp',
    check_problem=check_problem,
  )


def gold(row: jsonl.Row) -> str:
  """Returns the tests of a row as JSON text."""
  used = _used([*_setup(row), *_tests(row)])
  imports = [
    ast.unparse(node)
    for node in _parsed(jsonl.field(row, 'code')).body
    if isinstance(node, ast.Import | ast.ImportFrom) and used & _imported(node)
  ]
  return json.dumps(
    {
      'kind': 'asserts',
      'names': {name: name for name in _names(row)},
      'setup': '\n'.join([*imports, *_setup(row)]),
      'tests': _tests(row),
    }
  )


def _names(row: jsonl.Row) -> list[str]:
  """Returns the names that tests use and the reference solution defines."""
  defined = {
    node.name
    for node in _parsed(jsonl.field(row, 'code')).body
    if isinstance(node, ast.FunctionDef | ast.ClassDef)
  }
  names = sorted(defined & _used([*_setup(row), *_tests(row)]))
  if not names:
    raise ValueError(f'the tests use nothing of what the code defines: {sorted(defined)}')
  return names


def _setup(row: jsonl.Row) -> list[str]:
  return row.get('test_setup_code', '').splitlines()


def _tests(row: jsonl.Row) -> list[str]:
  tests = row.get('test_list')
  if not isinstance(tests, list) or not tests or not all(isinstance(t, str) for t in tests):
    raise ValueError("field 'test_list' must be a list of Python statements, at least one")
  return [test.strip() for test in tests]


def _used(statements: Iterable[str]) -> set[str]:
  tree = _parsed('\n'.join(statements))
  return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _imported(node: ast.Import | ast.ImportFrom) -> set[str]:
  return {(alias.asname or alias.name).partition('.')[0] for alias in node.names}


def _parsed(code: str) -> ast.Module:
  try:
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')  # Of the solutions' odd escapes, nobody here can do a thing.
      return ast.parse(code)
  except SyntaxError as error:
    raise ValueError(f'code and tests must be Python: {error}') from error
