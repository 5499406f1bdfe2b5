"""Mutants of right programs, and what is decided of those that pass."""

import importlib
import json
import pathlib
import sys

import pytest

from r1jax import structs
from r1jax.rewards import sandbox

FOLDER = pathlib.Path(__file__).parents[2] / 'experiments' / 'rewards'
sys.path.insert(0, str(FOLDER))
mutants = importlib.import_module('mutants')
sys.path.remove(str(FOLDER))

ABS = """
def size(x):
  y = 2 * 2
  if x < 0:
    return -x
  return x
"""


def mutant(code):
  gold = {'kind': 'asserts', 'names': {'f': 'size'}, 'setup': '', 'tests': ['assert f(-3) == 3']}
  return mutants.Mutant(structs.Problem('p', '?', json.dumps(gold)), ABS, code)


def test_of_program_changes_one_place_each():
  changed = {mutant(code).change for code in mutants.of_program(ABS)}
  assert changed == {
    'y = 2 + 2',
    'y = 3 * 2',
    'y = 2 * 3',
    'if x >= 0:',
    'if x < 1:',
    'return None',
  }


def test_of_program_leaves_nothing_as_it_was():
  assert not list(mutants.of_program('def f():\n  return None\ndef g():\n  return'))


@pytest.mark.parametrize(
  ('old', 'new', 'is_told'),
  [('return x', 'return None', True), ('2 * 2', '2 + 2', False), ('x < 0', 'x < 1', False)],
)
def test_decide_finds_a_call_if_there_is_one(old, new, is_told):
  if not sandbox_is_there():
    pytest.skip('programs cannot be run safely here')
  (decision,) = mutants.decide([mutant(ABS.replace(old, new))])
  assert (decision.call is not None) == is_told
  assert decision.reason is None
  assert ('`size(' in mutants.table([decision])) == is_told


def sandbox_is_there():
  try:
    sandbox.default_backend()
  except sandbox.UnavailableError:
    return False
  return True
