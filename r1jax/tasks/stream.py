"""The input stream: endless, shuffled anew each epoch, and addressed by the number of the draw.

Draw n depends on the source, the seed and n alone. So the number of draws made so far is all that
a run must keep to go on where it stopped, a batch is the same whoever asks for it, and process p
of several reads its share of a batch by number: `batch(first + p * share, share)`.
"""

import dataclasses
from typing import Generic, Protocol, TypeVar

import grain

T = TypeVar('T')
T_co = TypeVar('T_co', covariant=True)

# Grain permutes 32-bit numbers.
_MAX_SIZE = 2**32


class Source(Protocol[T_co]):
  """Random access: item i is the same at every call. A task is a `Source[structs.Problem]`."""

  def __len__(self) -> int: ...

  def __getitem__(self, index: int, /) -> T_co: ...


@dataclasses.dataclass(frozen=True)
class Stream(Generic[T]):
  """Items by number.

  Attributes:
    draws: endless grain dataset, whose item n is draw n.
  """

  draws: grain.MapDataset

  def batch(self, first: int, count: int) -> list[T]:
    """Returns `count` draws, the first of them number `first` (from 0)."""
    assert first >= 0 and count > 0, f'no such draws: {count} from number {first} on'
    return [self.draws[number] for number in range(first, first + count)]


def shuffled(source: Source[T], *, seed: int) -> Stream[T]:
  """Returns a stream of which every epoch has each item once, in an order of its own.

  Args:
    source: what to draw from.
    seed: at least 0; another seed, other orders.

  Raises:
    ValueError: the source is empty or too large to shuffle, or the seed is negative.
  """
  if not 0 < len(source) <= _MAX_SIZE:
    raise ValueError(f'a source of {len(source)} items; a stream needs 1 to {_MAX_SIZE} items')
  if seed < 0:
    raise ValueError(f'the seed of the input stream is {seed}; it must be at least 0')
  return Stream(grain.MapDataset.source(source).seed(seed).shuffle().repeat())
