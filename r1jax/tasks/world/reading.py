"""Reads answers to the world's problems: their style, and whether the work so far is right."""

import re

from r1jax.structs import Problem

_EQUATION = re.compile(r'(\d+)((?:[-+*/]\d+)+)=(\d+)')
_STEP = re.compile(r'[-+*/]\d+')


def style(problem: Problem, response: str) -> str:
  """Returns the style of a response by its equations: 'blurt', 'careless' or 'careful'.

  Careful work has an equation for every step of the problem, and none that does two steps at once;
  careless work has some equation, a blurt has none.
  """
  equations = _EQUATION.findall(response)
  if not equations:
    return 'blurt'
  single = all(len(_STEP.findall(steps)) == 1 for _, steps, _ in equations)
  enough = len(equations) >= problem.metadata['depth']
  return 'careful' if single and enough else 'careless'


def right_so_far(problem: Problem, work: str) -> bool | None:
  """Returns whether every equation in the beginning of a response has the step's right value.

  None if it has no equation, or more of them than the problem has steps.
  """
  values = [int(value) for _, _, value in _EQUATION.findall(work)]
  expected = problem.metadata['values'][: len(values)]
  if not values or len(values) > len(problem.metadata['values']):
    return None
  return values == expected
