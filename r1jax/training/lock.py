"""One process in a folder at a time: two that write the same records would spoil both."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
  import fcntl
except ImportError:  # Where there is no flock, nothing is held.
  fcntl = None  # type: ignore[assignment]

_FILE = '.lock'


@contextlib.contextmanager
def exclusive(folder: str | Path) -> Iterator[None]:
  """Holds a folder, made where missing, for this process until the end of the block.

  The system gives it back when the process ends, however it ends.

  Raises:
    ValueError: another process holds it.
  """
  path = Path(folder) / _FILE
  path.parent.mkdir(parents=True, exist_ok=True)
  file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
  try:
    if fcntl is not None:
      _take(file, folder)
    yield
  finally:
    os.close(file)


def _take(file: int, folder: str | Path) -> None:
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError as error:
    raise ValueError(
      f'another process is at work in {folder}; wait until it ends, or choose another --workdir'
    ) from error
