"""What a run takes: its wall-clock time over all its starts, and memory."""

import json
import re
import sys
import time
from pathlib import Path

from r1jax.training import records

try:
  import resource
except ImportError:  # Windows has none.
  resource = None  # type: ignore[assignment]


class Clock:
  """Counts the seconds that a run takes; kept on the disk, so that a kill loses a step's at most.

  What a killed run has to do again counts again: it was waited for twice.

  Args:
    workdir: folder of the run; `clock.json` in it holds the seconds of earlier starts.
  """

  def __init__(self, workdir: str | Path):
    self._path = Path(workdir) / 'clock.json'
    exists = self._path.exists()
    self._before = json.loads(self._path.read_text())['seconds'] if exists else 0.0
    self._start = time.monotonic()

  def tick(self) -> float:
    """Returns the seconds so far, and writes them down."""
    seconds = self._before + time.monotonic() - self._start
    records.replace_file(self._path, json.dumps({'seconds': seconds}).encode())
    return seconds


def peak_bytes() -> int | None:
  """Returns the largest memory of the host that this process has held; None if that is unknown."""
  status = Path('/proc/self/status')
  if status.exists():  # Linux; what getrusage says there holds for the parent process too.
    most = re.search(r'VmHWM:\s*(\d+) kB', status.read_text())
    return 1024 * int(most[1]) if most else None
  if resource is None:
    return None
  found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  return found if sys.platform == 'darwin' else 1024 * found
