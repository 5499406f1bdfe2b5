"""When the output of a program is the one expected, by the usual judge's rules.

The whole output counts: nothing may be missing, and nothing may be added. White space at the end of
a line, and blank lines at the end, have no effect.
"""

import math
import re

_BLANK = b' \t\r\v\f'
_INTEGER = re.compile(rb'[+-]?[0-9]+')
_WHOLE = re.compile(rb'([+-]?[0-9]+)(?:\.0*)?')
_NUMBER = re.compile(rb'[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?')
# A longer token is no number that could be compared with a tolerance.
_MAX_DIGITS = 400


def same_lines(found: bytes, expected: bytes) -> bool:
  """Returns whether two outputs have the same lines."""
  return _lines(found) == _lines(expected)


def _lines(output: bytes) -> list[bytes]:
  lines = [line.rstrip(_BLANK) for line in output.split(b'\n')]
  while lines and not lines[-1]:
    lines.pop()
  return lines


def same_tokens(found: bytes, expected: bytes, tolerance: float = 0.0) -> bool:
  """Returns whether two outputs have the same tokens, whatever white space is between them.

  Args:
    found: output of the program.
    expected: what it should be.
    tolerance: numbers may differ by so much, or by that part of the one expected; where that is an
      integer, it must be the nearest one.
  """
  left, right = found.split(), expected.split()
  return len(left) == len(right) and all(_same(*pair, tolerance) for pair in zip(left, right))


def _same(found: bytes, expected: bytes, tolerance: float) -> bool:
  if found == expected or not tolerance:
    return found == expected
  value, goal = _number(found), _number(expected)
  if value is None or goal is None:
    return False
  if _INTEGER.fullmatch(expected):
    whole = _WHOLE.fullmatch(found)
    if (int(whole[1]) if whole else round(value)) != int(expected):
      return False
  return abs(value - goal) <= tolerance * max(1.0, abs(goal))


def _number(token: bytes) -> float | None:
  """Returns the finite number that a token is, or None: not a number is equal to nothing."""
  if len(token) > _MAX_DIGITS or not _NUMBER.fullmatch(token):
    return None
  value = float(token)
  return value if math.isfinite(value) else None
