"""Several sources as one input stream, each with its share of the draws."""

from collections.abc import Mapping
from typing import TypeVar

import grain
import numpy as np

from r1jax.tasks import stream

T = TypeVar('T')


def mix(
  sources: Mapping[str, stream.Source[T]], weights: Mapping[str, float], *, seed: int
) -> stream.Stream[T]:
  """Returns a stream that interleaves the sources evenly, in proportion to their weights.

  Every source is shuffled and repeated for itself: a small one comes round more often, and of
  each all items are drawn once before any is drawn again. Which source serves a draw is fixed by
  the weights, so any stretch of the stream, such as a batch, has nearly the exact proportions.

  Args:
    sources: what to draw from, by name.
    weights: share of the draws of each source, positive, of any sum. Grain rounds them to about
      1% of the smallest.
    seed: at least 0; another seed, other orders within each source.

  Raises:
    ValueError: names without weight or weights without source, a weight that is not positive, or
      a source that cannot be shuffled.
  """
  if sources.keys() != weights.keys():
    raise ValueError(
      f'a mixture of {sorted(sources)} has weights for {sorted(weights)}; '
      'give each source one weight and leave out what is not mixed'
    )
  for name, weight in weights.items():
    if not 0 < weight < float('inf'):
      raise ValueError(f'the weight of {name!r} is {weight}; it must be positive, or leave it out')
  # Sorted, so that the order of a config's fields has no effect.
  names = sorted(sources)
  # Seeds of their own, lest sources of one size all run through the same order.
  seeds = np.random.SeedSequence(seed).generate_state(len(names))
  streams = [stream.shuffled(sources[name], seed=int(s)) for name, s in zip(names, seeds)]
  draws = grain.MapDataset.mix([s.draws for s in streams], [weights[name] for name in names])
  return stream.Stream(draws)
