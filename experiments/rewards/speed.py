"""How fast rewards are: against math-verify called directly, and against plain subprocesses.

Part of `run.py`; on an otherwise idle machine.
"""

import importlib.util
import multiprocessing
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from r1jax.rewards import (
  accuracy,
  combine,
  equivalence,
  format,
  language,
  programs,
  sandbox,
  tag_count,
  workers,
)
from r1jax.rewards.mathematics import kinds, notation, structures, symbolic
from r1jax.structs import Problem

ROUNDS = 3
Pair = tuple[str, str]
HOSTILE = ('99999999999!x', r'x\cdot 99999999999!')
PROGRAM = 'a, b = map(int, input().split())\nprint(a + b)\n'


def forget() -> None:
  """Empties all caches, so that nothing is measured twice."""
  for cached in (equivalence._normal_again, equivalence._read_again, symbolic._answer):
    cached.cache_clear()


def rate(work: Callable[[], object], count: int) -> float:
  """Returns how many are done in a second."""
  start = time.perf_counter()
  work()
  return count / (time.perf_counter() - start)


def directly(pairs: Sequence[Pair]) -> list[bool]:
  """Returns the verdicts of math-verify in this process, as its users call it, without alarms."""
  import math_verify

  def parsed(text: str):
    return math_verify.parse(f'${text}$', parsing_timeout=None)

  return [math_verify.verify(parsed(gold), parsed(answer), timeout_seconds=None)
          for answer, gold in pairs]  # fmt: skip


def mixed(pairs: Sequence[Pair]) -> dict[str, list[float]]:
  """Returns answers a second, in turn: math-verify, ours with one thread, ours with two."""
  found: dict[str, list[float]] = {'math_verify': [], 'ours_1': [], 'ours_2': []}
  for _ in range(ROUNDS):
    found['math_verify'].append(rate(lambda: directly(pairs), len(pairs)))
    for threads in (1, 2):
      forget()
      found[f'ours_{threads}'].append(rate(lambda: judge(pairs, threads), len(pairs)))  # noqa: B023
  return found


def judge(pairs: Sequence[Pair], threads: int) -> list[bool]:
  """Returns our verdicts."""
  with ThreadPoolExecutor(threads) as pool:
    return list(pool.map(lambda pair: equivalence.math_equal(*pair), pairs))


def formulas(pairs: Sequence[Pair]) -> list[Pair]:
  """Returns the pairs that only algebra can compare, as the worker gets them."""
  found = []
  for answer, gold in pairs:
    read = [structures.read(notation.normalise(text)) for text in (answer, gold)]
    if all(isinstance(structure, kinds.Formula) for structure in read):
      found.append((read[0].text, read[1].text))
  return [pair for pair in dict.fromkeys(found) if pair[0] != pair[1]]


WORKER = Path(symbolic.__file__).with_name('symbolic_worker.py')


def call(pairs: Sequence[Pair]) -> float:
  """Returns comparisons a second of the worker's own function, called in this process."""
  spec = importlib.util.spec_from_file_location('symbolic_worker', WORKER)
  assert spec and spec.loader
  worker = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(worker)
  worker.equal('x+1', '1+x')
  return rate(lambda: [worker.equal(*pair) for pair in pairs], len(pairs))


def equal_work(pairs: Sequence[Pair]) -> dict[str, list[float]]:
  """Returns comparisons a second of the worker's own function: called, and through pools.

  Each in processes of its own: sympy remembers what it has seen.
  """
  found: dict[str, list[float]] = {'called': [], 'pool_1': [], 'pool_2': []}
  for _ in range(ROUNDS):
    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as process:
      found['called'].append(process.submit(call, pairs).result())
    for threads in (1, 2):
      pool = workers.Pool(WORKER, num_workers=threads, deadline=30.0, memory_bytes=4 << 30)
      with ThreadPoolExecutor(threads) as executor:
        list(executor.map(lambda _: pool(('equal', 'x+1', '1+x')), range(threads)))  # noqa: B023
        asked = lambda: list(  # noqa: E731
          executor.map(lambda pair: pool(('equal', *pair)), pairs)  # noqa: B023
        )
        found[f'pool_{threads}'].append(rate(asked, len(pairs)))
      pool.close()
  return found


def delay(pairs: Sequence[Pair]) -> dict[str, float]:
  """Returns the slowest of many comparisons with and without a hostile one beside them, seconds."""
  pool = workers.Pool(WORKER, num_workers=2, deadline=5.0, memory_bytes=4 << 30)

  def slowest() -> float:
    longest = 0.0
    for pair in pairs:
      start = time.perf_counter()
      pool(('equal', *pair))
      longest = max(longest, time.perf_counter() - start)
    return longest

  def hang() -> None:
    try:
      pool(('equal', *HOSTILE))
    except workers.WorkerError:
      ended.append(time.perf_counter() - begun)

  slowest()
  alone = slowest()
  ended, begun = list[float](), time.perf_counter()
  hostile = threading.Thread(target=hang)
  hostile.start()
  beside = slowest()
  hostile.join()
  pool.close()
  return {'slowest_alone': alone, 'slowest_beside': beside, 'hostile_ended_after': ended[0]}


def programs_a_second(count: int) -> dict[str, list[float]]:
  """Returns programs a second, two at a time: plain interpreters, sandboxes, and whole verdicts."""
  found: dict[str, list[float]] = {'subprocess': [], 'sandbox': [], 'reward': []}

  def plain(_: int) -> None:
    subprocess.run([sys.executable, '-I', '-S', '-c', PROGRAM], input=b'1 2\n', check=True,
                   capture_output=True)  # fmt: skip

  def boxed(i: int) -> None:
    result = sandbox.run(
      compile(PROGRAM, 'program.py', 'exec'), stdin=b'1 2\n', limits=sandbox.Limits()
    )
    assert result.stdout == b'3\n', result

  def whole(i: int) -> None:
    gold = '{"kind": "stdin", "tests": [{"input": "1 2\\n", "output": "3\\n"}]}'
    response = f'<think>t</think>\n```python\n{PROGRAM}# {i} {time.time()}\n```'
    assert programs.reward(Problem(str(i), '?', gold), response) == 1.0

  for _ in range(ROUNDS):
    for name, work in (('subprocess', plain), ('sandbox', boxed), ('reward', whole)):
      with ThreadPoolExecutor(2) as pool:
        found[name].append(rate(lambda: list(pool.map(work, range(count))), count))  # noqa: B023
  return found


def rollout(rows: Sequence[tuple[Problem, str]], *, group_size: int) -> dict[str, float]:
  """Returns what scoring a rollout takes: all problems, a group of answers to each.

  Args:
    rows: problems with their solutions in full.
    group_size: answers to each: the gold, written in some way, or that of another problem.
  """
  rng = random.Random(0)
  golds = [problem.gold for problem, _ in rows]
  writings = ('{}', r'\boxed{{{}}}', '${}$', 'x = {}', '{} + 1')
  responses = [
    [
      f'<think>{solution}</think><answer>'
      + rng.choice(writings).format(rng.choice((problem.gold, rng.choice(golds))))
      + '</answer>'
      for _ in range(group_size)
    ]
    for problem, solution in rows
  ]
  terms = {'accuracy': accuracy, 'format': format, 'language': language, 'tag_count': tag_count}
  score = combine.weighted(
    {name: term.reward for name, term in terms.items()}, dict.fromkeys(terms, 1.0)
  )
  forget()
  start = time.perf_counter()
  scores = score([problem for problem, _ in rows], responses, np.ones((len(rows), group_size)))
  seconds = time.perf_counter() - start
  return {
    'answers': scores.reward_PG.size,
    'seconds': seconds,
    **{f'seconds_{name}': each for name, each in scores.seconds.items()},
    'right': float(scores.terms['accuracy'].mean()),
    'faults': sum(scores.faults.values()),
  }


def median(values: dict[str, list[float]]) -> dict[str, dict[str, float]]:
  """Returns median and range of each."""
  return {
    name: {'median': statistics.median(each), 'low': min(each), 'high': max(each)}
    for name, each in values.items()
  }
