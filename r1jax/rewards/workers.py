"""Work that may hang, die or eat memory, in processes that can be killed.

A worker is a fresh interpreter that runs one file (never a fork: a process with JAX's threads must
not fork, and the file must not import JAX). Requests and replies are one line of JSON each. A reply
that is late, a worker that dies, or one that outgrows its memory is a `WorkerError` with its
reason; the worker is killed, and the next request gets a new one. So no request can delay another
by more than the deadline, whatever it holds.

Threads may share a pool: each call takes a worker of its own, and waits for one if all are taken.
"""

import atexit
import contextlib
import contextvars
import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# A worker that starts may take this long to import what it needs, in seconds.
START_SECONDS = 120.0
# What is read from a worker at a time, and the longest reply, in bytes.
_CHUNK, _LONGEST_REPLY = 1 << 16, 1 << 24


class WorkerError(Exception):
  """A request that got no reply.

  Attributes:
    reason: 'timeout', 'memory', 'died', or 'failed' where a library that the worker uses raised.
  """

  def __init__(self, reason: str, detail: str):
    super().__init__(f'{reason}: {detail}')
    self.reason, self.detail = reason, detail

  def again(self) -> 'WorkerError':
    """Returns a fault like this one, without the traceback of where it was first raised."""
    return WorkerError(self.reason, self.detail)


_RECORDS: contextvars.ContextVar[list[WorkerError] | None] = contextvars.ContextVar(
  'faults', default=None
)


@contextlib.contextmanager
def recorded() -> Iterator[list[WorkerError]]:
  """Yields the list of the faults that are recorded within, in this thread."""
  faults: list[WorkerError] = []
  token = _RECORDS.set(faults)
  try:
    yield faults
  finally:
    _RECORDS.reset(token)


def record(fault: WorkerError) -> None:
  """Notes a fault that became a value, for whoever asked with `recorded`."""
  faults = _RECORDS.get()
  if faults is not None:
    faults.append(fault)


def usable_cpus() -> int:
  """Returns the number of CPUs that this process may use."""
  return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


class Pool:
  """Workers that run one file; started when they are needed, stopped by `close` or at exit."""

  def __init__(
    self,
    file: Path,
    *,
    num_workers: int | None = None,
    deadline: float = 5.0,
    memory_bytes: int = 2 << 30,
  ):
    """Makes a pool.

    Args:
      file: Python file, called with deadline and memory. It writes a line when it is ready, then a
        reply to every request: `{"result": ...}`, `{"memory": text}` if that gave out, or a
        traceback: `{"failed": ...}` of a library, `{"bug": ...}` of the file itself.
      num_workers: processes; None for one a CPU that this process may use.
      deadline: seconds that a reply may take.
      memory_bytes: of address space that a worker may have.

    Raises:
      ValueError: a number without sense.
    """
    if num_workers is None:
      num_workers = usable_cpus()
    if num_workers < 1 or deadline <= 0 or memory_bytes < 1 << 26:
      raise ValueError(
        f'num_workers is {num_workers}, deadline {deadline} s, memory_bytes {memory_bytes}; they '
        'must be at least 1, above 0, and at least 64 MiB'
      )
    self._file, self._deadline, self._memory_bytes = file, deadline, memory_bytes
    self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
    for _ in range(num_workers):
      self._idle.put(None)  # A worker yet to be started.
    self._lock, self._all = threading.Lock(), set[_Worker]()
    atexit.register(self.close)

  def __call__(self, request: Any, *, seconds: float | None = None) -> Any:
    """Returns the worker's reply to a request, both anything that JSON can say.

    Args:
      request: what the file knows.
      seconds: that the reply may take, if less than the deadline.

    Raises:
      WorkerError: there is no reply.
      RuntimeError: the worker's own code failed, or it cannot be started; its traceback is told.
    """
    seconds = self._deadline if seconds is None else min(seconds, self._deadline)
    if seconds <= 0:
      raise WorkerError('timeout', 'no time was left to ask')
    with self._worker() as worker:
      return worker.ask(request, time.monotonic() + seconds)

  @contextlib.contextmanager
  def _worker(self) -> Iterator['_Worker']:
    """Yields a worker of this caller's own."""
    worker = self._idle.get()
    try:
      if worker is None or not worker.alive:
        worker = _Worker(self._file, self._deadline, self._memory_bytes)
        with self._lock:
          self._all.add(worker)
        worker.wait_until_ready(time.monotonic() + START_SECONDS)
      yield worker
    except BaseException as error:
      # Even of an interrupt: its reply would be taken for that to the next request.
      is_well = isinstance(error, WorkerError) and worker is not None and worker.alive
      if worker is not None and not is_well:
        worker.kill()
        with self._lock:
          self._all.discard(worker)
        worker = None
      raise
    finally:
      self._idle.put(worker)

  def close(self) -> None:
    """Kills all workers; the pool may still be used, and starts new ones."""
    with self._lock:
      workers, self._all = self._all, set()
    for worker in workers:
      worker.kill()


class _Worker:
  """One process: asked, answered, or killed."""

  def __init__(self, file: Path, deadline: float, memory_bytes: int):
    # Isolated: neither this package's folder nor the user's variables reach the worker's imports.
    line = [sys.executable, '-I', str(file), str(deadline), str(memory_bytes)]
    self._process = subprocess.Popen(
      line,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,  # Until it is ready; then it lets go of it.
      start_new_session=True,  # Ctrl-C is for the run, which then closes the pool.
    )
    stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
    assert stdin and stdout and stderr
    self._stdin, self._stdout, self._stderr = stdin, stdout, stderr
    self._unread = bytearray()
    self.alive = True

  def wait_until_ready(self, deadline: float) -> None:
    """Returns when the worker has imported what it needs, and says so."""
    try:
      self._read_line(deadline)
    except WorkerError as fault:
      said = self._stderr.read(_CHUNK).decode('utf-8', 'replace')
      raise RuntimeError(f'{self._process.args!r} did not start ({fault}):\n{said}') from fault
    finally:
      self._stderr.close()

  def ask(self, request: Any, deadline: float) -> Any:
    """Returns the reply; after a WorkerError the worker is dead."""
    try:
      self._stdin.write(json.dumps(request).encode() + b'\n')
      self._stdin.flush()
    except OSError as error:
      raise self._fault('died', 'it took no request') from error
    reply = json.loads(self._read_line(deadline))
    if 'memory' in reply:
      raise self._fault('memory', reply['memory'])
    if 'failed' in reply:
      raise WorkerError('failed', reply['failed'])
    if 'bug' in reply:
      raise RuntimeError(f'the worker failed on request {request!r}:\n{reply["bug"]}')
    return reply['result']

  def _read_line(self, deadline: float) -> bytes:
    """Returns the next line of the worker's output."""
    with selectors.DefaultSelector() as selector:
      selector.register(self._stdout, selectors.EVENT_READ)
      read = bytes(self._unread)
      while b'\n' not in read:
        left = deadline - time.monotonic()
        if left <= 0 or not selector.select(left):
          raise self._fault('timeout', 'no reply at the deadline')
        read = os.read(self._stdout.fileno(), _CHUNK)
        if not read:
          raise self._fault('died', f'exit status {self._process.wait()}')
        self._unread += read
        if len(self._unread) > _LONGEST_REPLY:
          raise self._fault('died', 'its reply has no end')
    line, _, self._unread = self._unread.partition(b'\n')
    return bytes(line)

  def _fault(self, reason: str, detail: str) -> WorkerError:
    self.kill()
    return WorkerError(reason, detail)

  def kill(self) -> None:
    """Ends the process and all that it started."""
    self.alive = False
    if self._process.poll() is None:  # Else its number may be another's by now.
      with contextlib.suppress(ProcessLookupError):
        os.killpg(self._process.pid, signal.SIGKILL)
      self._process.wait()
    for stream in (self._stdin, self._stdout):
      with contextlib.suppress(OSError):
        stream.close()
