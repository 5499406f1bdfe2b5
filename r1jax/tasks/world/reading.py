"""Reads answers to the world's problems: their style, and whether the work so far is right."""

import re

from r1jax.structs import Problem

# The runs of steps are bounded, so that a search takes time linear in the text.
_EQUATION = re.compile(
  r'(?<![0-9])([0-9]{1,4})((?: ?[-+*/] ?[0-9]{1,4}){1,16}+) ?= ?([0-9]{1,4})(?![0-9])'
)
_STEP = re.compile(r'([-+*/]) ?([0-9]+)')


def style(problem: Problem, response: str) -> str:
  """Returns the style of a response by its equations: 'blurt', 'careless' or 'careful'.

  Careful work has at least as many equations as the problem has steps, and none that does two steps
  at once; careless work has some equation, a blurt has none. Whether they are right is not asked.
  """
  equations = _EQUATION.findall(response)
  if not equations:
    return 'blurt'
  single = all(len(_STEP.findall(steps)) == 1 for _, steps, _ in equations)
  enough = len(equations) >= problem.metadata['depth']
  return 'careful' if single and enough else 'careless'


def right_so_far(problem: Problem, work: str) -> bool | None:
  """Returns whether every equation in the beginning of a response is right; None if it has none.

  An equation is right if it goes from one value of the problem's chain to a later one by the steps
  between them: steps may be taken at once, or left out.
  """
  values = [problem.metadata['start'], *problem.metadata['values']]
  steps = [tuple(step) for step in problem.metadata['steps']]
  equations = _EQUATION.findall(work)
  return all(_follows(equation, values, steps) for equation in equations) if equations else None


def _follows(equation: tuple[str, str, str], values: list[int], steps: list[tuple]) -> bool:
  left, text, right = equation
  taken = [(op, int(operand)) for op, operand in _STEP.findall(text)]
  return any(
    values[first] == int(left)
    and steps[first : first + len(taken)] == taken
    and values[first + len(taken)] == int(right)
    for first in range(len(steps) - len(taken) + 1)
  )
