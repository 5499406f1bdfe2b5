"""Several processes as one run: how they meet, what each has of a batch, and how they agree.

The same program runs in every process, on one mesh of all their devices. What lies on devices is
divided by `r1jax.sharding`. Of what lies on hosts, each process has the prompts of its own devices,
and small things, such as rewards and the decision to stop, are agreed on here. Files are written by
the first process alone. In a run of one process everything here is trivial.
"""

import dataclasses
import pickle
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

T = TypeVar('T')

AUTO = 'auto'
# Of what is agreed on, so many bytes travel at once, with their number in front.
_FIRST_BYTES = 1024
_HEAD = 8
# So long does a process that ends early wait for the others, which then end too.
_SHUTDOWN_SECONDS = 30
# So long may it take until a process sees what another has written.
_SHARED_SECONDS = 60


class OtherProcessError(RuntimeError):
  """Another process has failed, and so this one cannot go on."""


def connect(coordinator: str | None, num_processes: int | None, process_id: int | None) -> None:
  """Joins the processes of a run; to be called before anything touches a device.

  Args:
    coordinator: address and port of the first process, as 'host:port'; 'auto' where JAX can find
      out by itself (Slurm, Open MPI, TPU VMs, GKE); None for a run of one process.
    num_processes: how many there are.
    process_id: which this is, from 0.

  Raises:
    ValueError: the arguments do not fit each other.
    ConnectionError: the processes did not find each other.
  """
  given = {'--num_processes': num_processes, '--process_id': process_id}
  told = ', '.join(f'{name}={value}' for name, value in given.items() if value is not None)
  if coordinator is None:
    if told:
      raise ValueError(f'{told} is given without --coordinator=HOST:PORT of the first process')
    return
  if coordinator == AUTO:
    if told:
      raise ValueError(f'--coordinator=auto finds out by itself; leave out {told}')
    _initialize()
    return
  host, _, port = coordinator.rpartition(':')
  if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
    raise ValueError(f"--coordinator is {coordinator!r}; it must be HOST:PORT, or 'auto'")
  if num_processes is None or process_id is None:
    missing = ' and '.join(name for name, value in given.items() if value is None)
    raise ValueError(f'--coordinator={coordinator} needs {missing} too')
  if num_processes < 1:
    raise ValueError(f'--num_processes is {num_processes}; it must be at least 1')
  if not 0 <= process_id < num_processes:
    raise ValueError(
      f'--process_id is {process_id}; with --num_processes={num_processes} it must be from 0 to '
      f'{num_processes - 1}, another in each process'
    )
  _initialize(coordinator, num_processes, process_id)


def _initialize(
  coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
  # Signals are the run's own affair (`training.interrupt`), and what it agrees on.
  jax.config.update('jax_enable_preemption_service', False)
  jax.config.update('jax_cpu_collectives_implementation', 'gloo')
  try:
    jax.distributed.initialize(
      coordinator, num_processes, process_id, shutdown_timeout_seconds=_SHUTDOWN_SECONDS
    )
  except (ValueError, RuntimeError) as error:
    if coordinator is None:
      raise ConnectionError(
        f'--coordinator=auto found no Slurm, Open MPI, TPU or GKE environment ({error}); give '
        '--coordinator=HOST:PORT, --num_processes and --process_id'
      ) from error
    raise ConnectionError(
      f'process {process_id} of {num_processes} did not meet the others at {coordinator} '
      f'({error}); see that all were started, and that this address can be reached from all'
    ) from error


def is_first() -> bool:
  """Returns whether this is the process that writes files and talks to the terminal."""
  return jax.process_index() == 0


def is_alone() -> bool:
  """Returns whether there is one process."""
  return jax.process_count() == 1


def gather(value: T) -> list[T]:
  """Returns the values of all processes, in their order; every process has to call it.

  Args:
    value: anything that can be pickled, and is small beside a model.
  """
  if is_alone():
    return [value]
  content = pickle.dumps(value)
  head = len(content).to_bytes(_HEAD, 'little') + content
  found = _exchange(head[:_FIRST_BYTES], _FIRST_BYTES)
  sizes = [_HEAD + int.from_bytes(row[:_HEAD], 'little') for row in found]
  if max(sizes) > _FIRST_BYTES:
    # In powers of two, so that few shapes are compiled for.
    found = _exchange(head, 1 << (max(sizes) - 1).bit_length())
  return [pickle.loads(row[_HEAD:size]) for row, size in zip(found, sizes)]


def _exchange(content: bytes, size: int) -> list[bytes]:
  row = np.zeros(size, np.uint8)
  row[: len(content)] = np.frombuffer(content, np.uint8)
  return [row.tobytes() for row in multihost_utils.process_allgather(row)]


def everyone(work: Callable[[], T]) -> list[T]:
  """Does something in every process and returns what came of it in each.

  Args:
    work: talks to no other process.

  Raises:
    Exception: what `work` raised here, or else `OtherProcessError` if it raised elsewhere.
  """
  return _together(work, range(jax.process_count()))


def first(work: Callable[[], T]) -> T:
  """Does something in the first process alone, and returns what came of it in all.

  Args:
    work: talks to no other process.

  Raises:
    Exception: what `work` raised; where it did not run, `OtherProcessError`.
  """
  return _together(work, [0])[0]


def _together(work: Callable[[], T], where: Sequence[int]) -> list[T]:
  if is_alone():
    return [work()]
  value, error = None, None
  if jax.process_index() in where:
    try:
      value = work()
    except Exception as fault:  # The others would wait for ever.
      error = fault
  found = gather((value, None if error is None else f'{type(error).__name__}: {error}'))
  if error is not None:
    raise error
  _raise_first([fault for _, fault in found])
  return [value for value, _ in found]  # type: ignore[misc]


def _raise_first(faults: Sequence[str | None]) -> None:
  for process, fault in enumerate(faults):
    if fault is not None:
      raise OtherProcessError(f'process {process} failed: {fault}')


def check_same(what: str, value: Any) -> None:
  """Raises ValueError in all processes unless all have the same value."""
  found = gather(value)
  for process, other in enumerate(found):
    told = [
      f'{path + ": " if path else ""}{one!r} in process 0, {another!r} in process {process}'
      for path, one, another in differences(found[0], other)
    ]
    if told:
      raise ValueError(
        f'{what} differs between processes: {"; ".join(told)}; start all from the same'
      )


def differences(one: Any, other: Any, path: str = '') -> Iterator[tuple[str, Any, Any]]:
  """Yields what differs between two values: its path within nested dicts, and both."""
  if isinstance(one, dict) and isinstance(other, dict):
    for name in sorted(one.keys() | other.keys()):
      below = f'{path}.{name}' if path else name
      yield from differences(one.get(name), other.get(name), below)
  elif one != other:
    yield path, one, other


def check_shared(folder: Path) -> None:
  """Raises ValueError in all processes unless a folder that is there is one and the same in all.

  What one process writes may take a while to show in another (NFS): so it is waited for.
  """
  if is_alone():
    return
  sign = folder / first(lambda: f'.seen_by_all-{uuid.uuid4().hex}')
  first(sign.touch)

  def look() -> bool:
    end = time.monotonic() + _SHARED_SECONDS
    while not (seen := sign.exists()) and time.monotonic() < end:
      time.sleep(0.1)
    return seen

  seen = everyone(look)
  first(sign.unlink)
  if not all(seen):
    processes = [str(process) for process, found in enumerate(seen) if not found]
    raise ValueError(
      f'{folder} is not the same folder in process {", ".join(processes)} as in process 0: what '
      f'was written in it did not show there within {_SHARED_SECONDS} s. Choose a folder on a file '
      'system that all hosts mount'
    )


@dataclasses.dataclass(frozen=True)
class Division:
  """Which prompts of a batch lie in which process.

  Attributes:
    num_parts: equal parts into which the devices split the prompts.
    blocks: the parts that a process has; several may have the same, where they share the work on
      the same prompts. No two blocks overlap, and all are of one size.
    block: that of this process, by number.
    sharing: of the processes with this block, the number of this one, and how many there are.
  """

  num_parts: int = 1
  blocks: tuple[tuple[int, ...], ...] = ((0,),)
  block: int = 0
  sharing: tuple[int, int] = (0, 1)

  def rows(self, count: int, block: int | None = None) -> np.ndarray:
    """Returns which of `count` prompts a block has, in order; by default that of this process."""
    size = count // self.num_parts
    parts = self.blocks[self.block if block is None else block]
    return np.concatenate([np.arange(part * size, (part + 1) * size) for part in parts])

  def by_block(self, count: int) -> list[np.ndarray]:
    """Returns which of `count` prompts each block has."""
    return [self.rows(count, block) for block in range(len(self.blocks))]

  def read(self, count: int) -> np.ndarray:
    """Returns which of this process's prompts, of `count` in all, it reads, decodes and rewards."""
    number, of = self.sharing
    return np.arange(number, len(self.rows(count)), of)


ALONE = Division()


def divided(parts_by_process: Sequence[set[int]], process: int) -> Division:
  """Returns how prompts are divided.

  Args:
    parts_by_process: what the devices of each process hold, numbers from 0 on.
    process: the one that asks.

  Raises:
    ValueError: processes hold some of each other's parts and not all, or not equally many.
  """
  held = [tuple(sorted(parts)) for parts in parts_by_process]
  blocks = tuple(sorted(set(held)))
  every = [part for block in blocks for part in block]
  if len(every) > len(set(every)) or len({len(block) for block in blocks}) > 1:
    raise ValueError(
      f'config.mesh splits prompts into {len(set(every))} parts, of which processes hold {held}; '
      'each must hold as many, and none of those of another or all: change config.mesh so that the '
      'devices of a process fill whole rows of it'
    )
  fellows = [number for number, parts in enumerate(held) if parts == held[process]]
  return Division(
    len(every), blocks, blocks.index(held[process]), (fellows.index(process), len(fellows))
  )
