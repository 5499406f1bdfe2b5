"""What a run takes over all its starts: wall-clock time, and memory of the host."""

import json
import re
import sys
import time
from pathlib import Path

from r1jax import hosts
from r1jax.training import records

try:
  import resource
except ImportError:  # Windows has none.
  resource = None  # type: ignore[assignment]


class Clock:
  """Counts what a run takes; kept on the disk, so that a kill loses a step's at most.

  What a killed run has to do again counts again: it was waited for twice.

  Args:
    workdir: folder of the run; `clock.json` in it holds what earlier starts have taken.

  Attributes:
    peak_bytes: the largest memory of the host in any start, when last asked; None if unknown. Of
      several processes, that of the first.
  """

  def __init__(self, workdir: str | Path):
    self._path = Path(workdir) / 'clock.json'
    before = {}
    if self._path.exists():
      before = records.read_object(self._path, 'remove it, and the time counts from 0')
    self._before = before.get('seconds', 0.0)
    self.peak_bytes: int | None = before.get('peak_bytes')
    self._start = time.monotonic()

  def tick(self) -> float:
    """Returns the seconds so far, and writes them down."""
    seconds = self._before + time.monotonic() - self._start
    self.peak_bytes = max(self.peak_bytes or 0, peak_bytes() or 0) or None
    taken = {'seconds': seconds, 'peak_bytes': self.peak_bytes}
    if hosts.is_first():
      records.replace_file(self._path, json.dumps(taken).encode())
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
