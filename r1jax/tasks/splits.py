"""What is trained on and what is held out: parts of a set that share no row."""

import dataclasses
import operator
from collections.abc import Sequence

from r1jax.structs import Problem
from r1jax.tasks.stream import Source

# Characters of a question that an error's message shows.
_SHOWN = 80


@dataclasses.dataclass(frozen=True)
class Part:
  """Some problems of a source, as a source.

  Attributes:
    source: the whole.
    places: of the part's problems in it.
  """

  source: Source[Problem]
  places: Sequence[int]

  def __len__(self) -> int:
    return len(self.places)

  def __getitem__(self, index: int) -> Problem:
    number = operator.index(index)
    if not 0 <= number < len(self.places):
      raise IndexError(f'problem {number} of a part of {len(self.places)}')
    return self.source[self.places[number]]


def hold_out(source: Source[Problem], count: int) -> tuple[Part, Part]:
  """Returns the rest of a source, and `count` problems of it, evenly spread.

  A question that is held out is not in the rest, however often it stands in the source.

  Raises:
    ValueError: nothing would be left.
  """
  size = len(source)
  if not 0 <= count < size:
    raise ValueError(f'{count} of {size} training problems cannot be held out for validation')
  held = [i * size // count for i in range(count)]
  asked = {_words(source[i]) for i in held}
  rest = [i for i in range(size) if _words(source[i]) not in asked] if held else list(range(size))
  if not rest:
    raise ValueError(f'all {size} training problems ask one of the {count} questions held out')
  return Part(source, rest), Part(source, held)


def _words(problem: Problem) -> tuple[str, ...]:
  return tuple(problem.question.split())


def check_disjoint(train: Source[Problem], test: Source[Problem]) -> None:
  """Raises ValueError if a question is in both, word for word."""
  asked = {_words(test[i]): test[i].id for i in range(len(test))}
  shared = [train[i] for i in range(len(train)) if _words(train[i]) in asked]
  if shared:
    first = shared[0]
    raise ValueError(
      f'{len(shared)} training problems are in the test set too, such as {first.id!r} (there '
      f'{asked[_words(first)]!r}): {first.question[:_SHOWN]!r}; take them out of one of the two'
    )
