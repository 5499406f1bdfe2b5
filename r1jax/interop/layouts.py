"""How numbers are laid out on either side: in the tensors of a folder, and in our arrays.

Hugging Face stores weights of linear maps as torch does, `[out, in]`; ours are `[in, out]` and keep
heads apart from their width.
"""

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np

Shape = tuple[int, ...]
Ranges = list[tuple[int, int]]  # First and one past the last, along each axis.


@dataclasses.dataclass(frozen=True)
class Window:
  """A part of a tensor, and which parts of our arrays it holds.

  Attributes:
    theirs: its ranges along the axes of the tensor.
    starts: where the parts begin along the axes of our arrays.
    shapes: of the parts.
  """

  theirs: Ranges
  starts: list[int]
  shapes: list[Shape]


@dataclasses.dataclass(frozen=True)
class Layout:
  """What one tensor holds of our arrays; the first two functions are inverses.

  Attributes:
    to_theirs: makes the tensor of a folder from our arrays.
    to_ours: makes our arrays, of the given shapes, from the tensor; also parts of them from a
      window.
    window: returns, for the shapes of our arrays and ranges along their axes, the least part of the
      tensor without gaps along its axes that holds them. Of several arrays the last axis is whole.
  """

  to_theirs: Callable[..., np.ndarray]
  to_ours: Callable[[np.ndarray, list[Shape]], list[np.ndarray]]
  window: Callable[[list[Shape], Ranges], Window]


def _linear(num_inputs: int) -> Layout:
  """Lays out linear maps of the same inputs, side by side in their last axis.

  Theirs is `[out, in]`; of each of ours the first `num_inputs` axes are inputs.
  """

  def to_theirs(*arrays: np.ndarray) -> np.ndarray:
    joined = np.concatenate(arrays, axis=-1) if len(arrays) > 1 else arrays[0]
    return joined.reshape(math.prod(joined.shape[:num_inputs]), -1).T

  def to_ours(tensor: np.ndarray, shapes: list[Shape]) -> list[np.ndarray]:
    joined = tensor.T.reshape(*shapes[0][:-1], -1)
    ends = list(itertools.accumulate(shape[-1] for shape in shapes))
    return np.split(joined, ends[:-1], axis=-1)

  def window(shapes: list[Shape], held: Ranges) -> Window:
    joined = (*shapes[0][:-1], sum(shape[-1] for shape in shapes))
    if len(shapes) > 1:
      held = [*held[:-1], (0, joined[-1])]
    columns, inputs = _joined(joined[:num_inputs], held[:num_inputs])
    rows, outputs = _joined(joined[num_inputs:], held[num_inputs:])
    starts, sizes = _extent(inputs + outputs)
    lasts = [shape[-1] for shape in shapes] if len(shapes) > 1 else [sizes[-1]]
    return Window([rows, columns], starts, [(*sizes[:-1], last) for last in lasts])

  return Layout(to_theirs, to_ours, window)


def _joined(sizes: Shape, held: Ranges) -> tuple[tuple[int, int], Ranges]:
  """Returns the range of axes that are one on the other side, and theirs: all but one are whole."""
  (start, stop), rest = held[0], sizes[1:]
  step = math.prod(rest)
  return (start * step, stop * step), [(start, stop), *((0, size) for size in rest)]


def _extent(ranges: Ranges) -> tuple[list[int], Shape]:
  return [start for start, _ in ranges], tuple(stop - start for start, stop in ranges)


def _window_of_vector(shapes: list[Shape], held: Ranges) -> Window:
  theirs, ours = _joined(shapes[0], held)
  starts, sizes = _extent(ours)
  return Window([theirs], starts, [sizes])


def _window_of_same(_: list[Shape], held: Ranges) -> Window:
  starts, sizes = _extent(held)
  return Window(held, starts, [sizes])


LINEAR = _linear(1)
FROM_HEADS = _linear(2)
VECTOR = Layout(
  lambda array: array.reshape(-1),
  lambda tensor, shapes: [tensor.reshape(shapes[0])],
  _window_of_vector,
)
SAME = Layout(lambda array: array, lambda tensor, _: [tensor], _window_of_same)
