r"""Contest problems: programs that read their input and write their output.

  {"id": "codejam/2021/qualification_round/reversort", "title": "Reversort", "statement": "...Time
   limit: 10 seconds.\n\nMemory limit: 1 GB. ...", "tests": [{"input": "3\n4\n4 2 1 3\n...",
   "output": "Case #1: 6\n...", "kind": "sample"}, {"input": "...", "output": "...",
   "kind": "secret"}]}

Such as Code Jam and Kick Start (https://github.com/google/coding-competitions-archive), Codeforces
and LiveCodeBench. Gold, as `rewards.execution.suites` reads it: the tests, but for those of kind
"sample", which stand in the statement: a program could print their answers without any work. Limits
are the largest that the statement names.
"""

import json
import os
import re
from collections.abc import Sequence

from r1jax import structs
from r1jax.tasks import jsonl

_LANGUAGES = {'python': 'Python', 'cpp': 'C++'}
_QUESTION = """{statement}

Write a {languages} program that reads the standard input and writes the standard output.
Answer with the whole program in one fenced code block."""
_SECONDS = re.compile(r'Time limit: ([0-9]{1,4}) seconds?')
_GIGABYTES = re.compile(r'Memory limit: ([0-9]{1,2}) ?GB')


def load(
  path: str | os.PathLike[str],
  *,
  languages: Sequence[str] = ('python',),
  check_problem: jsonl.Check | None = None,
) -> tuple[structs.Problem, ...]:
  """Reads one split of a set of contest problems.

  Args:
    path: as in `jsonl.load`.
    languages: that a program may be written in: 'python', 'cpp'.
    check_problem: as in `jsonl.load`.

  Raises:
    ValueError: as in `jsonl.load`, or a language is unknown.
  """
  if not languages or set(languages) - _LANGUAGES.keys():
    raise ValueError(f'languages are {list(languages)}; they may be {list(_LANGUAGES)}')
  names = ' or '.join(_LANGUAGES[language] for language in languages)
  return jsonl.load(
    path,
    question=lambda row: _QUESTION.format(
      statement=jsonl.field(row, 'statement').strip(), languages=names
    ),
    gold=lambda row: gold(row, languages),
    id=lambda row: row.get('id'),
    name='contest',
    check_problem=check_problem,
  )


def gold(row: jsonl.Row, languages: Sequence[str]) -> str:
  """Returns the tests of a row as JSON text."""
  tests = row.get('tests')
  if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
    raise ValueError("field 'tests' must be a list of objects with 'input' and 'output'")
  secret = [
    {key: test.get(key) for key in ('input', 'output')}
    for test in tests
    if test.get('kind') != 'sample'
  ]
  if not secret:
    raise ValueError('no test but those of the statement, whose answers everyone knows')
  limits = {}
  statement = jsonl.field(row, 'statement')
  if seconds := _SECONDS.findall(statement):
    limits['cpu_seconds'] = max(map(int, seconds))
  if gigabytes := _GIGABYTES.findall(statement):
    limits['memory_mib'] = 1024 * max(map(int, gigabytes))
  return json.dumps({'kind': 'stdin', 'languages': list(languages), 'tests': secret, **limits})
