"""The benchmark with a fake decoder that answers by the address of the sample."""

import dataclasses

import jax
import numpy as np
import pytest

from r1jax.evaluation.answering import Answers
from r1jax.evaluation.benchmark import Benchmark
from r1jax.rewards import lenient, strict
from r1jax.structs import Problem, Prompts, Rollouts
from r1jax.training import records

JUDGES = {
  'strict': (strict.reward, strict.vote),
  'lenient': (lenient.reward, lenient.vote),
}
PROBLEMS = [Problem(f'p{i}', f'question {i}', str(i)) for i in range(7)]
GROUP = 3


@dataclasses.dataclass
class Echo:
  """Answers problem i with i in sample 0, with its address in sample 1, and wrong in sample 2."""

  batches: list = dataclasses.field(default_factory=list)

  def __call__(self, params, problems, key, *, first_address=0):
    self.batches.append([problem.id for problem in problems])
    self.params, self.key = params, key
    count = len(problems)
    addresses = range(first_address, first_address + count)
    texts = [
      [p.gold, f'<think>so</think><answer>{a}</answer>', 'no idea']
      for p, a in zip(problems, addresses)
    ]
    numbers_PG = np.array([[int(p.gold)] * GROUP for p in problems])
    rollouts = Rollouts(
      prompts=Prompts(np.zeros((count, 1)), np.ones(count), np.array(addresses)),
      tokens_PGT=np.zeros((count, GROUP, 1)),
      length_PG=numbers_PG,
      logp_PGT=np.zeros((count, GROUP, 1)),
      margin_PGT=np.ones((count, GROUP, 1)),
      stopped_PG=numbers_PG < 6,
      experts=None,
    )
    return Answers(problems, rollouts, texts)


def benchmark(echo, batch_size, problems=PROBLEMS):
  return Benchmark('test', problems, echo, batch_size, JUDGES, seed=5)


def without_seconds(record):
  """Returns a record as it is written, so that NaN equals itself."""
  return records.encode({name: value for name, value in record.items() if name != 'seconds'})


def test_every_problem_counts_once_and_has_its_own_address():
  echo = Echo()
  record = benchmark(echo, 3)('params', step=4)
  assert (record['step'], record['split']) == (4, 'test')
  assert (record['num_problems'], record['num_samples']) == (7, GROUP)
  assert echo.params == 'params'
  # Sample 1 is right only if problem i has address i, in whichever batch it comes.
  assert record['strict']['pass_at_1']['mean'] == pytest.approx(1 / 3)
  assert record['lenient']['pass_at_1']['mean'] == pytest.approx(2 / 3)
  assert record['length']['mean'] == pytest.approx(3.0)
  assert record['truncated_fraction'] == pytest.approx(1 / 7)
  assert record['seconds'] > 0


@pytest.mark.parametrize('batch_size', [1, 2, 5, 7, 16])
def test_the_record_does_not_depend_on_the_batch_size(batch_size):
  whole = benchmark(Echo(), 3)(None, step=0)
  found = benchmark(Echo(), batch_size)(None, step=0)
  assert without_seconds(found) == without_seconds(whole)


def test_all_batches_have_the_same_size():
  echo = Echo()
  benchmark(echo, 5)(None, step=0)
  assert echo.batches == [['p0', 'p1', 'p2', 'p3', 'p4'], ['p5', 'p6', 'p0', 'p1', 'p2']]
  echo = Echo()
  benchmark(echo, 5, PROBLEMS[:2])(None, step=0)
  assert echo.batches == [['p0', 'p1', 'p0', 'p1', 'p0']]


def test_the_random_numbers_are_the_same_at_every_step():
  keys = []
  for step in (0, 20):
    echo = Echo()
    benchmark(echo, 4)(None, step=step)
    keys.append(jax.random.key_data(echo.key))
  np.testing.assert_array_equal(*keys)
  np.testing.assert_array_equal(keys[0], jax.random.key_data(jax.random.key(5)))


def test_a_check_may_stop_it_between_batches():
  echo, calls = Echo(), []

  def check():
    calls.append(len(echo.batches))
    if len(calls) == 2:
      raise InterruptedError

  with pytest.raises(InterruptedError):
    benchmark(echo, 3)(None, step=0, check=check)
  assert calls == [0, 1] and len(echo.batches) == 1
