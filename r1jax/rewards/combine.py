"""One reward out of several named terms, each kept for the record.

Terms are evaluated in parallel, by threads: those that take long wait for worker processes. Their
values come back in order, and what a term raises first in that order is what is raised.
"""

import concurrent.futures
import dataclasses
import functools
import math
import numbers
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from r1jax import structs
from r1jax.rewards import workers

Term = Callable[[structs.Problem, str], float]
# Of what counts of all terms, `[P, G]`, and the lengths in tokens, what is added to the reward.
Shape = Callable[[Mapping[str, np.ndarray], np.ndarray], np.ndarray]
# Is told how many answers are done, and of how many.
Show = Callable[[int, int], None]
Scorer = Callable[..., 'Scores']
# Characters of a response that an error's message shows.
_SHOWN = 2000


@dataclasses.dataclass(frozen=True)
class Scores:
  """What G responses to each of P problems are worth.

  Attributes:
    reward_PG: float32; weighted sum of what counts, and what shaping adds.
    terms: the value of each term by name, float32 `[P, G]` from 0 to 1, as the term returned it.
    counted: the same after gates: what the reward is made of.
    shaping: what each shaping added, `[P, G]` by name.
    seconds: spent in each term, over all threads.
    faults: responses by term and reason, as `accuracy/timeout`, that are worth 0 because a checker
      of the term was too slow, died or ran out of memory.
  """

  reward_PG: np.ndarray
  terms: Mapping[str, np.ndarray]
  counted: Mapping[str, np.ndarray]
  shaping: Mapping[str, np.ndarray]
  seconds: Mapping[str, float]
  faults: Mapping[str, int]


class TermError(RuntimeError):
  """A reward term is wrong: it raised, or returned what is no reward.

  Attributes:
    term: name of the term.
    problem: that was asked.
    response: the whole response that caused it.
    fault: what it did.
  """

  def __init__(self, term: str, problem: structs.Problem, response: str, fault: str):
    shown = repr(response[:_SHOWN])
    if len(response) > _SHOWN:
      shown += f' (first {_SHOWN} of {len(response)} characters)'
    super().__init__(
      f'reward term {term!r} {fault}, on problem {problem.id!r} with response {shown}. A malformed '
      'response is worth 0; this is a fault of the term.'
    )
    self.term, self.problem, self.response, self.fault = term, problem, response, fault

  def to_dict(self) -> dict[str, str]:
    """Returns all that is needed to see the fault again."""
    problem = self.problem
    return {
      'term': self.term,
      'fault': self.fault,
      'id': problem.id,
      'question': problem.question,
      'gold': problem.gold,
      'metadata': repr(dict(problem.metadata)),
      'response': self.response,
    }


def weighted(
  terms: Mapping[str, Term],
  weights: Mapping[str, float],
  *,
  gates: Mapping[str, str] | None = None,
  shaping: Mapping[str, Shape] | None = None,
  num_workers: int | None = None,
) -> Scorer:
  """Returns a function that scores groups of responses by the weighted sum of the terms.

  The function takes P problems, for each the G responses of its group, and the lengths of these in
  tokens, `length_PG`; it returns `Scores`. It raises TermError if a term raises or returns anything
  but a number from 0 to 1. Only what workers could not judge is worth 0, and counted.

  Args:
    terms: pure functions of problem and response, by name.
    weights: one for each term, at least 0, and not all 0 without shaping; a term of weight 0 is
      recorded, and gates and shapes others, but adds nothing.
    gates: by term, the other term that it is multiplied by, which may have a gate of its own;
      `{'accuracy': 'format'}` pays no accuracy without format.
    shaping: by name, functions of the terms' values and of lengths whose values are added.
    num_workers: answers that are scored at a time; None for one a CPU.

  Raises:
    ValueError: names the weight that is missing, unknown or out of range, or the gate that is no
      term or leads back to where it began.
  """
  gates, shaping = dict(gates or {}), dict(shaping or {})
  _check_weights(terms, weights, shaping)
  _check_gates(terms, gates)

  def score(
    problems: Sequence[structs.Problem],
    responses: Sequence[Sequence[str]],
    length_PG: np.ndarray,
    *,
    show: Show | None = None,
  ) -> Scores:
    values, seconds, faults = evaluate(
      terms, problems, responses, num_workers=num_workers, show=show
    )
    counted = gated(values, gates)
    added = {name: shape(counted, length_PG) for name, shape in shaping.items()}
    total_PG = sum(weights[name] * value_PG for name, value_PG in counted.items())
    total_PG = sum(added.values(), start=np.asarray(total_PG, np.float32))
    return Scores(np.asarray(total_PG, np.float32), values, counted, added, seconds, faults)

  return score


def gated(values: Mapping[str, np.ndarray], gates: Mapping[str, str]) -> dict[str, np.ndarray]:
  """Returns the values of all terms, each multiplied by the gates that lead from it.

  With `{'accuracy': 'language', 'language': 'format'}`, accuracy is that of all three.

  Args:
    values: of all terms, by name.
    gates: by term, its gate; none leads back to where it began.
  """
  return {
    name: functools.reduce(np.multiply, [values[gate] for gate in _chain(name, gates)])
    for name in values
  }


def _chain(name: str, gates: Mapping[str, str]) -> list[str]:
  """Returns a term, its gate, the gate's gate, and so on until one has none or comes again."""
  chain = [name]
  while (gate := gates.get(chain[-1])) is not None and gate not in chain:
    chain.append(gate)
  return chain


def evaluate(
  terms: Mapping[str, Term],
  problems: Sequence[structs.Problem],
  responses: Sequence[Sequence[str]],
  *,
  num_workers: int | None = None,
  show: Show | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, float], dict[str, int]]:
  """Returns values `[P, G]`, seconds and faults of all terms, as `Scores` has them.

  Args:
    terms: by name.
    problems: P of them.
    responses: G to each.
    num_workers: responses that are scored at a time; None for one a CPU.
    show: told of progress now and then, in this thread.

  Raises:
    TermError: a term raised or returned no reward; that of the first such response.
    ValueError: the groups are not of one size.
  """
  _check_groups(problems, responses)
  pairs = [(problem, text) for problem, group in zip(problems, responses) for text in group]
  found = []
  for judged in _map(lambda pair: _judge(terms, *pair), pairs, num_workers):
    found.append(judged)
    if show is not None:
      show(len(found), len(pairs))
  shape = (len(problems), len(responses[0]))
  values = {
    name: np.array([judged.values[name] for judged in found], np.float32).reshape(shape)
    for name in terms
  }
  seconds = {name: sum(judged.seconds[name] for judged in found) for name in terms}
  return values, seconds, dict(sum((Counter(judged.faults) for judged in found), Counter()))


@dataclasses.dataclass(frozen=True)
class _Judged:
  """The terms' word on one response."""

  values: Mapping[str, float]
  seconds: Mapping[str, float]
  faults: Sequence[str]


def _map(work: Callable, items: Sequence, num_workers: int | None) -> Iterator:
  """Yields the results in order; after an error nothing more is begun."""
  num_workers = workers.usable_cpus() if num_workers is None else num_workers
  if num_workers < 1:
    raise ValueError(f'num_workers is {num_workers}; it must be at least 1, or None')
  if num_workers == 1:
    yield from map(work, items)
    return
  futures = [concurrent.futures.Future[Any]() for _ in items]
  waiting = deque(zip(futures, items))

  def run() -> None:
    while waiting:
      try:
        future, item = waiting.popleft()
      except IndexError:  # Another was quicker.
        return
      try:
        future.set_result(work(item))
      except BaseException as error:
        future.set_exception(error)

  # Of daemons: a term that hangs must not keep the process from ending, as an executor's would.
  for number in range(min(num_workers, len(items))):
    threading.Thread(target=run, name=f'reward-{number}', daemon=True).start()
  try:
    for future in futures:
      yield future.result()
  finally:
    waiting.clear()


def _judge(terms: Mapping[str, Term], problem: structs.Problem, response: str) -> _Judged:
  values, seconds = dict[str, float](), dict[str, float]()
  faults = list[str]()
  for name, term in terms.items():
    start = time.perf_counter()
    with workers.recorded() as recorded:
      values[name] = _call(name, term, problem, response)
    seconds[name] = time.perf_counter() - start
    faults += {f'{name}/{fault.reason}' for fault in recorded}
  return _Judged(values, seconds, faults)


def _call(name: str, term: Term, problem: structs.Problem, response: str) -> float:
  """Returns the term's value of one response, checked."""
  try:
    value = term(problem, response)
  except workers.WorkerError as fault:
    workers.record(fault)
    return 0.0
  except Exception as error:
    raise TermError(name, problem, response, f'raised {error!r}') from error
  if not isinstance(value, numbers.Real | np.bool_) or not 0 <= value <= 1:
    raise TermError(name, problem, response, f'returned {value!r} instead of a number in [0, 1]')
  return float(value)


def _check_gates(terms: Mapping[str, Term], gates: Mapping[str, str]) -> None:
  for name, gate in gates.items():
    if name not in terms or gate not in terms or name == gate:
      raise ValueError(
        f'the gate of {name!r} is {gate!r}; both must be terms, and different ones: {sorted(terms)}'
      )
  for name in gates:
    chain = _chain(name, gates)
    if gates.get(chain[-1]) == name:
      raise ValueError(
        f'the gates lead from {" to ".join(map(repr, [*chain, name]))}, which is a circle; take '
        'out one of them, so that some term has no gate'
      )


def _check_weights(
  terms: Mapping[str, Term], weights: Mapping[str, float], shaping: Mapping[str, Shape]
) -> None:
  if terms.keys() != weights.keys():
    raise ValueError(
      f'reward weights are given for {sorted(weights)}, but the terms are {sorted(terms)}: give '
      'each term one weight'
    )
  for name, weight in weights.items():
    if not math.isfinite(weight) or weight < 0:
      raise ValueError(f'reward weight of {name!r} is {weight}; it must be finite and at least 0')
  if not shaping and not any(weights.values()):
    raise ValueError(
      f'reward weights are {dict(weights)}; without shaping at least one must be above 0'
    )


def _check_groups(problems: Sequence[structs.Problem], responses: Sequence[Sequence[str]]) -> None:
  if any(isinstance(group, str) for group in (responses, *responses)):
    raise ValueError(
      'responses are text; every problem needs a list of responses, as in [["<answer>5</answer>"]]'
    )
  sizes = {len(group) for group in responses}
  if len(problems) != len(responses) or len(sizes) != 1:
    raise ValueError(
      f'{len(problems)} problems with {len(responses)} groups of {sorted(sizes)} responses; every '
      'problem needs one group, all of the same size'
    )
