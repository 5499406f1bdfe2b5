"""The wall-clock time of a run, over all its starts."""

import json
import time
from pathlib import Path

from r1jax.training import records


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
