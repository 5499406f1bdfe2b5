"""Random choices that are the same on all platforms: each takes one `random()`."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar('T')


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
  """Picks one of the options uniformly."""
  return options[int(rng.random() * len(options))]


def weighted(rng: np.random.Generator, options: Sequence[tuple[T, float]]) -> T:
  """Picks one of the (option, weight) pairs in proportion to its weight."""
  remaining = rng.random() * sum(weight for _, weight in options)
  for option, weight in options:
    remaining -= weight
    if remaining < 0:
      return option
  return options[-1][0]
