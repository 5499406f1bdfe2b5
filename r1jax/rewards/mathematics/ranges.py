r"""Intervals and unions of them: what `x \ge -2` and `x \ne 1` leave together."""

import functools
import itertools
import math
from collections.abc import Iterable
from fractions import Fraction

from r1jax.rewards.mathematics import quantities
from r1jax.rewards.mathematics.kinds import Bracketed, Collection, Formula, Structure


def is_region(item: Structure) -> bool:
  """Returns whether an item is an interval without end on a side."""
  return isinstance(item, Bracketed) and any(_is_infinite(end) for end in item.items)


def is_range(item: Structure) -> bool:
  """Returns whether an item is written as inequalities of a name."""
  return isinstance(item, Bracketed) and item.name is not None


def between(points: tuple[Structure, ...], name: str | None = None) -> Structure | None:
  """Returns the open intervals between points, which are numbers or at most one."""
  numbers = [point for point in points if isinstance(point, quantities.Quantity)]
  if len(numbers) < len(points) and len(points) > 1:
    return None
  inner = sorted(numbers, key=lambda point: point.value) if len(points) > 1 else points
  ends = [Formula(r'-\infty'), *inner, Formula(r'\infty')]
  intervals = tuple(Bracketed('(', pair, ')', name) for pair in itertools.pairwise(ends))
  return Collection('union', intervals) if points else intervals[0]


def in_common(items: Iterable[Structure]) -> Structure | None:
  """Returns what several conditions on one name allow together, as an interval or union.

  None if some item is no condition, they are on several names, an end is no number, or nothing is
  allowed.
  """
  unions = [
    item.items if isinstance(item, Collection) and item.kind == 'union' else (item,)
    for item in items
  ]
  ranges = [[part for part in union if isinstance(part, Bracketed)] for union in unions]
  names = {part.name for union in ranges for part in union}
  if list(map(len, ranges)) != list(map(len, unions)) or None in names or len(names) != 1:
    return None
  if not all(_has_known_ends(part) for union in ranges for part in union):
    return None
  left = functools.reduce(_meet_all, ranges)
  return left[0] if len(left) == 1 else Collection('union', tuple(left)) if left else None


def _meet_all(some: list[Bracketed], others: list[Bracketed]) -> list[Bracketed]:
  met = (_meet(one, other) for one in some for other in others)
  return [part for part in met if part is not None]


def _meet(one: Bracketed, other: Bracketed) -> Bracketed | None:
  """Returns the interval that two have in common, None if that is nothing."""
  low = max(one, other, key=lambda part: (_place(part.items[0]), part.open == '('))
  high = min(one, other, key=lambda part: (_place(part.items[1]), part.close == ']'))
  start, end = _place(low.items[0]), _place(high.items[1])
  if start > end or (start == end and (low.open, high.close) != ('[', ']')):
    return None
  return Bracketed(low.open, (low.items[0], high.items[1]), high.close, one.name)


def _has_known_ends(part: Bracketed) -> bool:
  return len(part.items) == 2 and all(
    _is_infinite(end) or (isinstance(end, quantities.Quantity) and end.unit is None)
    for end in part.items
  )


def _place(end: Structure) -> Fraction | float:
  """Returns where an end lies, which is a number or infinite."""
  if isinstance(end, quantities.Quantity):
    return end.value
  return -math.inf if isinstance(end, Formula) and end.text.startswith('-') else math.inf


def _is_infinite(end: Structure) -> bool:
  return isinstance(end, Formula) and end.text.lstrip('+-').strip() == r'\infty'
