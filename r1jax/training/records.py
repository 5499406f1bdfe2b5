"""Files that survive a kill, a full disk, and numbers that JSON cannot say.

A record is one JSON object on a line of its own. A line is whole when it ends in a newline: what a
kill tore off has none, so readers leave it out and the next run cuts it off.
"""

import contextlib
import errno
import io
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def read_object(path: str | Path, remedy: str, *, needs: str | None = None) -> dict[str, Any]:
  """Returns the JSON object that a file holds.

  Args:
    path: the file.
    remedy: what to do if it is damaged; the error's last words.
    needs: a field without which it is damaged.

  Raises:
    ValueError: it holds anything else.
  """
  try:
    found = json.loads(Path(path).read_text())
  except ValueError as error:
    raise ValueError(f'{path} is damaged ({error}); {remedy}') from error
  if not isinstance(found, dict):
    raise ValueError(f'{path} is damaged (it holds no JSON object); {remedy}')
  if needs is not None and needs not in found:
    raise ValueError(f'{path} is damaged (it has no {needs!r}); {remedy}')
  return found


class StepLog:
  """An append-only file of records in the order of their field `step`.

  Every line is on the disk when `append` returns, or the file is as it was before. Opening the file
  cuts the records past the restored step, which the resumed run is about to write again.

  Args:
    path: the file; it and its folder are made if absent.
    restored_step: the last step that the restored parameters have taken; -1 for a fresh run, of
      which not even what was measured before its first step is kept.
  """

  def __init__(self, path: str | Path, *, restored_step: int):
    self.path = Path(path)
    self.last_step = restored_step
    self.path.parent.mkdir(parents=True, exist_ok=True)
    # Unbuffered: a buffer would hold back what a kill then takes, or write half a line.
    self._file = io.FileIO(self.path, 'a')
    self._file.truncate(_end_of_step(self.path, restored_step))

  def append(self, record: Mapping[str, Any]) -> None:
    """Writes one record; its step may not be smaller than the last one's.

    Raises:
      ValueError: the step goes back, or a value is not one that a record can hold.
      OSError: the disk is full; earlier records are untouched.
    """
    step = record['step']
    if step < self.last_step:
      raise ValueError(
        f'{self.path} is at step {self.last_step}; step {step} comes too late for it'
      )
    with full_disk_explained(self.path):
      self._write_whole(encode(record))
    self.last_step = step

  def close(self) -> None:
    """Closes the file."""
    self._file.close()

  def _write_whole(self, line: bytes) -> None:
    before = os.fstat(self._file.fileno()).st_size
    try:
      rest = line
      while rest:  # a nearly full disk takes a part and says so only at the next write
        rest = rest[self._file.write(rest) :]
      os.fsync(self._file.fileno())
    except OSError:
      self._file.truncate(before)
      raise


def read(path: str | Path) -> list[dict[str, Any]]:
  """Returns the records of a file of JSON lines, without a torn last one.

  Raises:
    ValueError: a line that is not the last is no JSON object; the file and the line are named.
  """
  return [record for record, _ in _records(Path(path))]


def encode(record: Mapping[str, Any]) -> bytes:
  """Returns a record as one line of JSON.

  JSON has no NaN and no infinity: such a number becomes null, and the field `non_finite` lists the
  keys where that happened (`a/b` for b inside a). Numbers of NumPy and JAX without axes count as
  numbers.
  """
  non_finite: list[str] = []
  plain = _plain(record, '', non_finite)
  if non_finite:
    plain['non_finite'] = non_finite
  # A lone surrogate has no UTF-8; written as a backslash escape it is the JSON escape for itself.
  text = json.dumps(plain, ensure_ascii=False, allow_nan=False)
  return text.encode('utf-8', 'backslashreplace') + b'\n'


def replace_file(path: str | Path, content: bytes) -> None:
  """Writes a whole file, so that a reader finds the old content or the new, never a part."""
  path = Path(path)
  path.parent.mkdir(parents=True, exist_ok=True)
  partial = path.with_name(f'.{path.name}.partial')
  try:
    with full_disk_explained(path):
      with open(partial, 'wb') as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
      os.replace(partial, path)
  finally:
    partial.unlink(missing_ok=True)


@contextlib.contextmanager
def full_disk_explained(path: Path) -> Iterator[None]:
  """Turns the error of a full disk into one that says what is safe and what to do."""
  try:
    yield
  except Exception as error:
    number = _full_disk(error)
    if number is None:
      raise
    raise OSError(
      number,
      'the disk is full (or a quota is reached), and nothing written before is lost. Free some '
      'space and run the same command again: it goes on from the last checkpoint',
      str(path),
    ) from error


def _full_disk(error: Exception) -> int | None:
  """Returns the number of the error of a full disk; libraries of other languages only quote it."""
  full = (errno.ENOSPC, errno.EDQUOT)
  if isinstance(error, OSError):
    return error.errno if error.errno in full else None
  return next((number for number in full if os.strerror(number) in str(error)), None)


def _end_of_step(path: Path, step: int) -> int:
  """Returns the byte where the whole records up to a step end."""
  kept_end = 0
  for number, (record, end) in enumerate(_records(path), start=1):
    if 'step' not in record:
      raise ValueError(f'{path}, line {number}: no field "step" in {record}')
    if record['step'] > step:
      break
    kept_end = end
  return kept_end


def _records(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
  """Yields each whole record and the byte where its line ends."""
  end = 0
  *lines, _torn = path.read_bytes().split(b'\n')
  for number, line in enumerate(lines, start=1):
    end += len(line) + 1
    yield _decode(line, path, number), end


def _decode(line: bytes, path: Path, number: int) -> dict[str, Any]:
  try:
    record = json.loads(line)
  except ValueError as error:
    raise ValueError(f'{path}, line {number}: not JSON ({error}): {line[:80]!r}') from error
  if not isinstance(record, dict):
    raise ValueError(f'{path}, line {number}: not a JSON object: {line[:80]!r}')
  return record


def _plain(value: Any, key: str, non_finite: list[str]) -> Any:
  """Returns a value as JSON can say it, and notes the keys of numbers that it cannot."""
  if getattr(value, 'shape', None) == ():
    value = value.item()
  if isinstance(value, float) and not math.isfinite(value):
    non_finite.append(key)
    return None
  if value is None or isinstance(value, str | bool | int | float):
    return value
  inside = f'{key}/' if key else ''
  if isinstance(value, Mapping):
    return {str(k): _plain(v, f'{inside}{k}', non_finite) for k, v in value.items()}
  if isinstance(value, list | tuple):
    return [_plain(v, f'{inside}{i}', non_finite) for i, v in enumerate(value)]
  raise TypeError(
    f'the record field "{key}" is a {type(value).__name__} of shape '
    f'{getattr(value, "shape", "unknown")}; a record holds numbers, texts, lists and mappings: '
    'reduce an array first, e.g. by its mean'
  )
