"""Measures a model on a fixed set of problems."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from r1jax import hosts
from r1jax.evaluation.answering import Answering
from r1jax.evaluation.judging import Reader, Seen, Term, Vote, seen, summary
from r1jax.structs import Problem


@dataclasses.dataclass(frozen=True)
class Benchmark:
  """Problems, how they are asked, and who judges the answers.

  Attributes:
    split: names the problems in records.
    problems: what is asked.
    answering: how; its group size is the number of samples.
    batch_size: problems decoded at a time; the last batch is filled up with other problems.
    judges: as in `judging.judge`.
    seed: of the samples.
    reader: as in `judging.judge`.
  """

  split: str
  problems: Sequence[Problem]
  answering: Answering
  batch_size: int
  judges: Mapping[str, tuple[Term, Vote | None]]
  seed: int
  reader: Reader | None = None

  def __call__(
    self, params: Any, *, step: int, check: Callable[[], None] = lambda: None
  ) -> dict[str, Any]:
    """Returns the evaluation of `params`; the same parameters always get the same one.

    Args:
      params: tree of parameters.
      step: recorded with it.
      check: called between batches; it may raise to stop.
    """
    start = time.perf_counter()
    key = jax.random.key(self.seed)
    problems: list[Problem] = []
    texts: list[list[str]] = []
    numbers, lengths, truncated = [], [], []
    for first in range(0, len(self.problems), self.batch_size):
      check()
      batch = list(self.problems[first : first + self.batch_size])
      filling = itertools.islice(itertools.cycle(self.problems), self.batch_size - len(batch))
      answers = self.answering(params, [*batch, *filling], key, first_address=first)
      count = int((answers.number_P < len(batch)).sum())
      problems += answers.problems[:count]
      texts += answers.texts[:count]
      numbers.append(first + answers.number_P[:count])
      lengths.append(answers.length_PG[:count])
      truncated.append(answers.truncated_PG[:count])

    def look() -> tuple[list[int], list[Seen], np.ndarray]:
      found = seen(problems, texts, np.concatenate(lengths), judges=self.judges, reader=self.reader)
      return np.concatenate(numbers).tolist(), found, np.concatenate(truncated)

    parts = hosts.everyone(look)
    by_number = dict(pair for part in parts for pair in zip(*part[:2], strict=True))
    record = {'step': step, 'split': self.split}
    record |= summary([by_number[number] for number in range(len(self.problems))])
    record['truncated_fraction'] = float(np.concatenate([part[2] for part in parts]).mean())
    return record | {'seconds': time.perf_counter() - start}
