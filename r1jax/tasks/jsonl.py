r"""Problems from a file of one JSON object a line; every row is validated when the file is read.

  {"id": "7", "question": "What is 6 * 7?", "answer": "42", "level": 1}

read with question='question', gold='answer', id='id' becomes
Problem(id='7', question='What is 6 * 7?', gold='42', metadata={'level': 1}).
"""

import json
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from r1jax import structs

Row = Mapping[str, Any]
# Raises ValueError for a problem that cannot be judged.
Check = Callable[[structs.Problem], object]

_MAX_FAULTS_SHOWN = 5


def load(
  path: str | os.PathLike[str],
  *,
  question: str | Callable[[Row], str],
  gold: str | Callable[[Row], str],
  id: str | Callable[[Row], str | None] | None = None,
  name: str,
  metadata: Callable[[Row], Mapping[str, Any]] | None = None,
  check_problem: Check | None = None,
) -> tuple[structs.Problem, ...]:
  """Reads a task from a JSONL file.

  Args:
    path: UTF-8 file with one JSON object a line; blank lines are passed over.
    question: field of the question, or a function of the row that returns it. Functions report a
      row they cannot use by a ValueError.
    gold: field of the gold answer, or a function of the row that returns it.
    id: field of the row's unique id, or a function of the row that returns it or None; without
      one the id is '<name>/<file stem>:<line>'.
    name: name of the task, for such ids.
    metadata: what to add to that of the row.
    check_problem: raises ValueError for a problem that the reward cannot judge.

  Returns:
    The problems in the order of their lines. Metadata holds, as they are, the fields of the row
    that are not the question, gold or id themselves, and what `metadata` made of the row.

  Raises:
    ValueError: the file is missing or empty, or has rows that cannot be used; names file, lines
      (from 1) and remedies, for all such rows at once (the first few in full).
  """
  path = pathlib.Path(path)
  problems: list[structs.Problem] = []
  faults: list[str] = []
  line_of_id: dict[str, int] = {}
  for line, text in _lines(path):
    try:
      row = _row(text)
      # The question first: where it is missing, the file is one of another set.
      problem = structs.Problem(
        question=_get(row, question, 'question'),
        gold=_get(row, gold, 'gold'),
        id=_id(row, id, default=f'{name}/{path.stem}:{line}'),
        metadata={key: row[key] for key in row if key not in (question, gold, id)}
        | dict(metadata(row) if metadata else {}),
      )
      first_line = line_of_id.setdefault(problem.id, line)
      if first_line != line:
        raise ValueError(f'id {problem.id!r} is that of line {first_line} too; make ids unique')
      if check_problem is not None:
        check_problem(problem)
    except ValueError as error:
      faults.append(f'{path}:{line}: {error}')
    else:
      problems.append(problem)
  if faults:
    raise ValueError(_report(faults, num_rows=len(problems) + len(faults)))
  if not problems:
    raise ValueError(f'{path}: the file is empty; it needs one JSON object a line')
  return tuple(problems)


def field(row: Row, key: str) -> str:
  """Returns the text in a field of a row.

  Raises:
    ValueError: the field is missing, not a string, blank, or not Unicode text.
  """
  if key not in row:
    raise ValueError(f'no field {key!r}; the row has: {", ".join(map(repr, row)) or "no fields"}')
  return _text(row[key], f'field {key!r}')


def _lines(path: pathlib.Path) -> Iterator[tuple[int, bytes]]:
  """Yields numbered lines (from 1) that are not blank; only a line feed ends a line."""
  if not path.is_file():
    found = 'a folder' if path.is_dir() else 'no such file'
    raise ValueError(f'{path}: {found}; it should be a file of one JSON object a line')
  with path.open('rb') as file:
    yield from ((n, line.rstrip()) for n, line in enumerate(file, start=1) if line.strip())


def _row(text: bytes) -> Row:
  try:
    row = json.loads(text)
  except json.JSONDecodeError as error:
    raise ValueError(
      f'malformed JSON ({error.msg} at column {error.colno}); a row is one object on one line'
    ) from error
  except RecursionError as error:
    raise ValueError('too deeply nested; a row is one object with plain fields') from error
  except UnicodeDecodeError as error:
    raise ValueError(f'not UTF-8 ({error.reason}, byte {error.start}); re-encode it') from error
  if not isinstance(row, dict):
    raise ValueError(f'a row must be a JSON object {{...}}, found {_shown(row)}')
  return row


def _get(row: Row, source: str | Callable[[Row], Any], role: str) -> str:
  """Returns the text that a row has in a role, such as that of the question."""
  try:
    if isinstance(source, str):
      return field(row, source)
    return _text(source(row), f'the {role} made of the row')
  except ValueError as error:
    raise ValueError(f'{role}: {error}') from error


def _id(row: Row, source: str | Callable[[Row], str | None] | None, *, default: str) -> str:
  if source is None or (callable(source) and source(row) is None):
    return default
  return _get(row, source, 'id')


def _text(value: object, what: str) -> str:
  if not isinstance(value, str):
    raise ValueError(f'{what} must be a string, found {_shown(value)}; put it in quotes')
  if not value.strip():
    raise ValueError(f'{what} is empty; fill it in or delete the row')
  try:
    value.encode()
  except UnicodeEncodeError as error:
    raise ValueError(
      f'{what} has half a surrogate pair at character {error.start}; write the whole pair'
    ) from error
  return value


def _shown(value: object) -> str:
  text = json.dumps(value, ensure_ascii=False, default=repr)
  return text if len(text) <= 40 else text[:37] + '...'


def _report(faults: list[str], *, num_rows: int) -> str:
  shown = faults[:_MAX_FAULTS_SHOWN]
  if len(faults) > len(shown):
    shown.append(f'... and {len(faults) - len(shown)} more')
  if len(faults) > 1:
    shown.insert(0, f'{len(faults)} of {num_rows} rows cannot be used:')
  return '\n'.join(shown)
