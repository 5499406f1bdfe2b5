"""One process in a folder at a time: two that write the same records would spoil both."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

try:
  import fcntl
except ImportError:  # Where there is no flock, nothing is held.
  fcntl = None  # type: ignore[assignment]

_FILE = '.lock'
# What a file system says that cannot lock; then, too, nothing is held.
_CANNOT = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)


@contextlib.contextmanager
def exclusive(folder: str | Path) -> Iterator[None]:
  """Holds a folder, made where missing, for this process until the end of the block.

  The system gives it back when the process ends, however it ends.

  Raises:
    ValueError: another process holds it.
  """
  path = Path(folder) / _FILE
  path.parent.mkdir(parents=True, exist_ok=True)
  if fcntl is None:
    yield
    return
  file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
  try:
    if not _taken(file, path):
      raise ValueError(
        f'another process is at work in {folder}; wait until it ends, or choose another --workdir'
      )
    try:
      yield
    finally:
      path.unlink(missing_ok=True)
  finally:
    os.close(file)


def _taken(file: int, path: Path) -> bool:
  """Takes the lock; returns False if another has it, or had it and has just removed its file."""
  try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return os.fstat(file).st_ino == path.stat().st_ino
  except (BlockingIOError, FileNotFoundError):
    return False
  except OSError as error:
    if error.errno in _CANNOT:
      return True
    raise
