"""Stopping on request: SIGTERM and Ctrl-C end a run at the next safe point, not in a write."""

import signal
from types import FrameType, TracebackType

from r1jax import hosts


class Stopped(Exception):  # noqa: N818 - it is a request, not an error
  """A stop was asked for and everything worth keeping is saved.

  Attributes:
    number: of the signal that asked for it.
  """

  def __init__(self, number: int):
    super().__init__(f'stopped by {signal.Signals(number).name}')
    self.number = number


class StopRequest:
  """Listens for SIGTERM and SIGINT while it is entered; a second one kills as usual.

  A signal that reaches one process of several stops all of them, at the same `check`.
  """

  def __init__(self) -> None:
    self._number: int | None = None
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

  @property
  def requested(self) -> bool:
    """Whether a stop was asked for."""
    return self._number is not None

  def check(self) -> None:
    """Raises `Stopped` if a stop was asked for; to be called where nothing would be lost.

    Every process has to call it.
    """
    for number in hosts.gather(self._number):
      if number is not None:
        raise Stopped(number)

  def _listen(self, number: int, frame: FrameType | None) -> None:
    self._number = number
    signal.signal(number, self._before[number])  # type: ignore[arg-type]
