"""Reads programs before they are compiled: what they multiply, and which arrays they make."""

import math


def equations(jaxpr, times=1):
  """Yields every equation and how often it runs; loops of unknown length count once."""
  for equation in jaxpr.eqns:
    yield equation, times
    inner = times * equation.params['length'] if equation.primitive.name == 'scan' else times
    for value in equation.params.values():
      for part in value if isinstance(value, (tuple, list)) else (value,):
        part = getattr(part, 'jaxpr', part)
        if hasattr(part, 'eqns'):
          yield from equations(part, inner)


def dot_operations(jaxpr):
  """Multiplications and additions of all matrix products."""
  total = 0
  for equation, times in equations(jaxpr):
    if equation.primitive.name == 'dot_general':
      (contracted, _), _ = equation.params['dimension_numbers']
      shape = equation.invars[0].aval.shape
      terms = math.prod(shape[axis] for axis in contracted)
      total += 2 * times * terms * math.prod(equation.outvars[0].aval.shape)
  return total


def shapes(jaxpr):
  """Shapes of all arrays that some equation makes."""
  return {
    variable.aval.shape
    for equation, _ in equations(jaxpr)
    for variable in equation.outvars
    if hasattr(variable.aval, 'shape')
  }
