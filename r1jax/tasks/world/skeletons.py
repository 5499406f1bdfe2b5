"""Skeletons of problems: chains of easy steps, the numbers without the words.

A skeleton is a start value and some steps, each an operator and a small operand, worked strictly
from left to right. Every value stays within 1..99 and every division is exact, so a single step
is one of 2,048 facts that a tiny model can know by heart, while skeletons are far too many to
remember (`problem_space`) and several steps in a row too many to do in the head.

  37+8*2-5: 37+8=45, 45*2=90, 90-5=85
"""

import functools
import hashlib
import itertools
from typing import NamedTuple

import numpy as np

from r1jax.tasks.world.draws import pick

OPERATORS = ('+', '-', '*', '/')
OPERANDS = {'+': range(1, 10), '-': range(1, 10), '*': range(2, 10), '/': range(2, 10)}
INVERSE = {'+': '-', '-': '+', '*': '/', '/': '*'}
LOWEST, HIGHEST = 1, 99
# From a value below SMALL the next step must lead out: chains that dawdle near 1 are all alike.
SMALL = 5
SPLITS = ('train', 'validation', 'test')
# Of 32 equal parts of the hash, one is the test split and one the validation split.
HASH_PARTS = {0: 'test', 1: 'validation'}

Step = tuple[str, int]


class Equation(NamedTuple):
  """One step as it is written: `left op operand = right`."""

  left: int
  op: str
  operand: int
  right: int

  def __str__(self):
    return f'{self.left}{self.op}{self.operand}={self.right}'


class Skeleton(NamedTuple):
  """The numbers of a problem without its words."""

  start: int
  steps: tuple[Step, ...]

  @property
  def split(self) -> str:
    """The split that this skeleton belongs to, by its hash."""
    text = str(self.start) + ''.join(f'{op}{operand}' for op, operand in self.steps)
    part = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], 'big') % 32
    return HASH_PARTS.get(part, 'train')

  def equations(self) -> tuple[Equation, ...]:
    """The right chain of equations."""
    chain, value = [], self.start
    for op, operand in self.steps:
      right = follow(value, (op, operand))
      chain.append(Equation(value, op, operand, right))
      value = right
    return tuple(chain)


def result(value: int, op: str, operand: int) -> int | None:
  """Returns `value op operand`, or None where that is no whole number within 1..99."""
  if op == '/' and value % operand:
    return None
  right = {
    '+': value + operand,
    '-': value - operand,
    '*': value * operand,
    '/': value // operand,
  }[op]
  return right if LOWEST <= right <= HIGHEST else None


def follow(value: int, step: Step) -> int:
  """Returns the result of a step that is known to have one."""
  right = result(value, *step)
  assert right is not None, f'{value}{step[0]}{step[1]} is no fact of the world'
  return right


@functools.cache
def facts() -> tuple[Equation, ...]:
  """Returns all single steps of the world: 846 sums and differences, 178 products and quotients."""
  chains = (
    Equation(left, op, operand, right)
    for op in OPERATORS
    for left in range(LOWEST, HIGHEST + 1)
    for operand in OPERANDS[op]
    if (right := result(left, op, operand)) is not None
  )
  return tuple(chains)


@functools.cache
def next_steps(value: int, previous: Step | None) -> tuple[tuple[Step, ...], ...]:
  """Returns the steps that may follow, grouped by operator; none is empty.

  A step may not undo the previous one, and must leave the small values at once.
  """
  undo = None if previous is None else (INVERSE[previous[0]], previous[1])
  by_operator = []
  for op in OPERATORS:
    steps = tuple((op, operand) for operand in OPERANDS[op] if (op, operand) != undo)
    allowed = tuple(step for step in steps if _may_lead_to(value, result(value, *step)))
    if allowed:
      by_operator.append(allowed)
  return tuple(by_operator)


def _may_lead_to(value: int, right: int | None) -> bool:
  return right is not None and (value >= SMALL or right >= SMALL)


def problem_space(depth: int) -> int:
  """Returns the exact number of different skeletons of a depth, all splits together."""
  return sum(_endings(depth).values())


@functools.cache
def _endings(depth: int) -> dict[tuple[int, Step | None], int]:
  """Counts the skeletons of a depth by their last value and last step."""
  if depth == 0:
    return {(start, None): 1 for start in range(LOWEST + 1, HIGHEST + 1)}
  counts: dict[tuple[int, Step | None], int] = {}
  for (value, previous), count in _endings(depth - 1).items():
    for step in itertools.chain.from_iterable(next_steps(value, previous)):
      ending = (follow(value, step), step)
      counts[ending] = counts.get(ending, 0) + count
  return counts


def draw_skeleton(rng: np.random.Generator, depth: int) -> Skeleton:
  """Draws a start in 2..99 and `depth` steps: first an operator, then its operand, uniformly."""
  start = value = LOWEST + 1 + int(rng.random() * (HIGHEST - LOWEST))
  steps: list[Step] = []
  for _ in range(depth):
    step = pick(rng, pick(rng, next_steps(value, steps[-1] if steps else None)))
    steps.append(step)
    value = follow(value, step)
  return Skeleton(start, tuple(steps))
