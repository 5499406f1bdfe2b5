"""Stopping on request: SIGTERM and Ctrl-C end a run at the next safe point, not in a write."""

import signal
from types import FrameType, TracebackType


class Stopped(Exception):  # noqa: N818 - it is a request, not an error
  """A stop was asked for and everything worth keeping is saved."""


class StopRequest:
  """Listens for SIGTERM and SIGINT while it is entered; a second one kills as usual."""

  def __init__(self) -> None:
    self.requested = False
    self._before: dict[int, object] = {}

  def __enter__(self) -> 'StopRequest':
    for number in (signal.SIGTERM, signal.SIGINT):
      try:
        self._before[number] = signal.signal(number, self._listen)
      except ValueError:  # Only the main thread may listen; a run elsewhere is stopped by others.
        break
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    for number, handler in self._before.items():
      signal.signal(number, handler)  # type: ignore[arg-type]

  def check(self) -> None:
    """Raises `Stopped` if a stop was asked for; to be called where nothing would be lost."""
    if self.requested:
      raise Stopped

  def _listen(self, number: int, frame: FrameType | None) -> None:
    self.requested = True
    signal.signal(number, self._before[number])  # type: ignore[arg-type]
