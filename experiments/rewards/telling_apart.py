"""Looks for a call on which two programs differ: runs within a sandbox, on its own.

Of a mutant that passes its tests this decides whether they are weak: the tests' own calls are
recorded, their arguments varied in kind (with constants of the programs among them), and both
programs called with them. Where the reference raises or takes long, the call says nothing and is
left out.

Reads `task.json`: "preamble", "setup", "names" and "tests" of the gold (`execution.suites`), the
programs "reference" and "mutant", and "calls", expressions to begin with. Writes JSON: {"told": the
call that tells them apart or null, "calls": how many were compared}.
"""

import ast
import contextlib
import copy
import io
import itertools
import json
import math
import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

# Seconds of one call of the reference, and of all; variants of a call; what is read of a generator.
_SECONDS, _ALL_SECONDS, _VARIANTS, _ITEMS = 0.5, 40.0, 1000, 1000
_LETTERS = 'abcxyzABC 0129.,()[]{}_-'


def main() -> None:
  """Compares the two programs of the task."""
  with open('task.json', encoding='utf-8') as file:
    task = json.load(file)
  reference, mutant = ({'__name__': 'program'} for _ in range(2))
  with contextlib.redirect_stdout(io.StringIO()):
    exec(task['preamble'] + '\n' + task['reference'], reference)
    exec(task['preamble'] + '\n' + task['mutant'], mutant)
    recorded = list(record(task['tests'], task, reference))
    begin = list(record(task['calls'], task, reference))
    variation = Variation(task['reference'] + '\n' + task['mutant'])
    calls = itertools.chain(begin, variation.calls(recorded))
    told, count = first_difference(calls, reference, mutant)
  print(json.dumps({'told': told, 'calls': count}))


def record(
  statements: list[str], task: dict[str, Any], reference: dict[str, Any]
) -> Iterator[tuple[str, list[Any]]]:
  """Yields the calls that statements make of the program: names and arguments."""
  calls = []

  def recorder(name: str) -> Callable:
    def call(*given: Any) -> Any:
      calls.append((name, copy.deepcopy(list(given))))
      return reference[name](*given)

    return call

  tests = {'__name__': 'tests'}
  exec(task['setup'], tests)
  tests |= {alias: recorder(name) for alias, name in task['names'].items()}
  for statement in statements:
    exec(statement, tests)
  yield from calls


def first_difference(
  calls: Iterable[tuple[str, list[Any]]], reference: dict[str, Any], mutant: dict[str, Any]
) -> tuple[str | None, int]:
  """Returns the first call that tells the programs apart, if any, and how many were compared."""
  count, start = 0, time.monotonic()
  for name, arguments in calls:
    if time.monotonic() > start + _ALL_SECONDS:
      break
    if isinstance(reference[name], type):
      continue
    expected = outcome(reference[name], arguments, _SECONDS)
    if expected is not None:
      count += 1
      # So much longer that a load on the machine makes no difference between the two.
      if not same(expected, outcome(mutant[name], arguments, 20 * _SECONDS)):
        return f'{name}({", ".join(map(repr, arguments))})', count
  return None, count


def outcome(function: Callable, given: list[Any], seconds: float) -> Any:
  """Returns what a call returns and what it makes of its arguments; None if it fails."""
  arguments = copy.deepcopy(given)
  signal.signal(signal.SIGALRM, _late)
  signal.setitimer(signal.ITIMER_REAL, seconds)
  try:
    found = function(*arguments)
    if hasattr(found, '__next__'):
      found = list(itertools.islice(found, _ITEMS))
    return found, arguments
  except (Exception, _Late):
    return None
  finally:
    signal.setitimer(signal.ITIMER_REAL, 0)


class _Late(BaseException):
  pass


def _late(number: int, frame: FrameType | None) -> None:
  raise _Late


def same(one: Any, other: Any) -> bool:
  """Returns whether two outcomes are alike, numbers up to rounding."""
  if isinstance(one, int | float) and isinstance(other, int | float):
    return one == other or math.isclose(one, other, rel_tol=1e-9) or (one != one and other != other)
  if type(one) is not type(other):
    return False
  if isinstance(one, list | tuple):
    return len(one) == len(other) and all(map(same, one, other))
  if isinstance(one, dict):
    return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
  return one == other or repr(one) == repr(other)


class Variation:
  """Draws values of the same kind as others; the same ones every time."""

  def __init__(self, programs: str) -> None:
    """Takes constants from the text of programs."""
    nodes = ast.walk(ast.parse(programs))
    found = [node.value for node in nodes if isinstance(node, ast.Constant)]
    self._random = random.Random(0)
    self._numbers = [0, 1, *(value for value in found if type(value) in (int, float))]
    self._texts = ['', *(value for value in found if isinstance(value, str))]

  def calls(self, recorded: list[tuple[str, list[Any]]]) -> Iterator[tuple[str, list[Any]]]:
    """Yields calls of which most arguments are other ones."""
    for _ in range(_VARIANTS):
      for name, given in recorded:
        yield name, [self.value(one) if self._random.random() < 0.7 else one for one in given]

  def value(self, value: Any) -> Any:
    """Returns another value of the same kind, or the same where the kind is unknown."""
    draw = self._random
    if isinstance(value, bool):
      return draw.choice([True, False])
    if isinstance(value, int):
      near = draw.choice(self._numbers) + draw.randint(-1, 1)
      near = int(near) if abs(near) < 1e9 else 0
      return draw.choice([value + 1, value - 1, -value, 2 * value, near, draw.randint(0, 50)])
    if isinstance(value, float):
      near = draw.choice(self._numbers) + draw.choice([-1, -0.5, 0, 0.5, 1])
      return float(draw.choice([value + 1, value / 2, -value, round(value), near]))
    if isinstance(value, str):
      if draw.random() < 0.2:
        return draw.choice(self._texts)
      return ''.join(self._items(list(value), lambda _: draw.choice(_LETTERS)))
    if isinstance(value, list | tuple):
      return type(value)(self._items(list(value), self.value))
    if isinstance(value, set):
      return set(self._items(sorted(value, key=repr), self.value))
    if isinstance(value, dict):
      return {key: self.value(value[key]) for key in self._items(list(value), lambda key: key)}
    return value

  def _items(self, items: list[Any], vary: Callable[[Any], Any]) -> list[Any]:
    """Returns items of which some are changed, left out, repeated or in another order."""
    draw = self._random
    for _ in range(draw.randint(1, 3)):
      place = draw.randrange(len(items)) if items else 0
      match draw.choice(['change', 'change', 'remove', 'repeat', 'shuffle', 'cut']):
        case 'change':
          items[place : place + 1] = [vary(item) for item in items[place : place + 1]]
        case 'remove':
          del items[place : place + 1]
        case 'repeat':
          items[place:place] = items[place : place + 1]
        case 'shuffle':
          draw.shuffle(items)
        case 'cut':
          items = items[: place + 1]
    return items


if __name__ == '__main__':
  main()
