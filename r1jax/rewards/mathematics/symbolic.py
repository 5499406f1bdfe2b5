"""Equality of formulas, by computer algebra in worker processes that are killed at a deadline.

What is found is kept: the answers of a group repeat each other, and so do groups.
"""

import contextlib
import contextvars
import functools
import time
from collections.abc import Iterator
from pathlib import Path

from r1jax.rewards import workers

# Seconds that one comparison may take, and address space of a worker.
DEADLINE_SECONDS, MEMORY_BYTES = 5.0, 4 << 30
# A formula of more characters than this, and than thrice its gold, is no final answer.
MAX_LENGTH = 300
# Nor is a formula of more characters than this an answer.
MAX_GOLD_LENGTH = 2000

Sides = tuple[str, ...]

POOL = workers.Pool(
  Path(__file__).with_name('symbolic_worker.py'),
  deadline=DEADLINE_SECONDS,
  memory_bytes=MEMORY_BYTES,
)


def equal(*, answer: str, gold: str) -> bool:
  r"""Returns whether a formula is the gold formula, worked out as far.

  Equal are formulas whose values agree for all values of their variables, if the answer leaves no
  more to be computed than the gold answer does: `\sqrt{3^2+4^2}` is not worked out, and where the
  gold answer is a product of factors the answer must be one, and no product where it is none.

  Args:
    answer: LaTeX, as `notation.normalise` writes it.
    gold: the same.

  Raises:
    workers.WorkerError: there was no verdict within deadline and memory.
  """
  if _is_too_long(answer, gold):
    return False
  return _ask('equal', answer, gold)


def same_relation(*, answer: Sides, gold: Sides, is_ordered: bool) -> bool:
  """Returns whether two equations, or inequalities, say the same.

  They do if one is the other times a number; a positive one if the relation is ordered.

  Args:
    answer: left and right side of the answer.
    gold: left and right side of the gold answer.
    is_ordered: whether the sides are told apart, as with `<`.

  Raises:
    workers.WorkerError: as `equal`.
  """
  if _is_too_long(''.join(answer), ''.join(gold)):
    return False
  return _ask('relation', *answer, *gold, is_ordered)


def same_form(*, answer: str, gold: str) -> bool:
  r"""Returns whether two formulas are one but for spelling and order, as `\pi/2`, `\frac{\pi}{2}`.

  Raises:
    workers.WorkerError: as `equal`.
  """
  return not _is_too_long(answer, gold) and _ask('same_form', answer, gold)


def has_simpler_roots(*, answer: str, gold: str) -> bool:
  r"""Returns whether an answer's roots, as `\sqrt{8}`, could be made as simple as the gold's.

  Raises:
    workers.WorkerError: as `equal`.
  """
  return _ask('has_simpler_roots', answer, gold)


def has_sums_to_multiply(*, answer: str, gold: str) -> bool:
  r"""Returns whether more of an answer than of the gold formula is a number times a sum.

  Raises:
    workers.WorkerError: as `equal`.
  """
  return _ask('has_sums_to_multiply', answer, gold)


def check(formula: str) -> None:
  """Raises ValueError if a formula cannot be parsed."""
  if len(formula) > MAX_GOLD_LENGTH:
    raise ValueError(f'a formula has {len(formula)} characters; it may have {MAX_GOLD_LENGTH}')
  try:
    fault = _ask('check', formula)
  except workers.WorkerError as error:
    fault = str(error)
  if fault:
    raise ValueError(f'the formula {formula!r} cannot be parsed: {fault}')


def _is_too_long(answer: str, gold: str) -> bool:
  return len(answer) > max(MAX_LENGTH, 3 * len(gold)) or len(gold) > MAX_GOLD_LENGTH


@contextlib.contextmanager
def one_deadline() -> Iterator[None]:
  """Makes all comparisons within share one deadline, as those of a list's items."""
  token = _DEADLINE.set(time.monotonic() + DEADLINE_SECONDS)
  try:
    yield
  finally:
    _DEADLINE.reset(token)


_DEADLINE: contextvars.ContextVar[float | None] = contextvars.ContextVar('deadline', default=None)


def _ask(*request):
  verdict = _answer(request)
  if isinstance(verdict, workers.WorkerError):
    raise verdict.again()
  return verdict


@functools.lru_cache(maxsize=1 << 16)
def _answer(request: tuple):
  """Returns the worker's word, or the fault instead: who asks again must not wait again."""
  end = _DEADLINE.get()
  seconds = None if end is None else end - time.monotonic()
  try:
    return POOL(request, seconds=seconds)
  except workers.WorkerError as fault:
    if fault.reason == 'timeout' and seconds is not None and seconds < DEADLINE_SECONDS / 2:
      raise  # Others have used up its time: with its own it may be answered.
    return fault
