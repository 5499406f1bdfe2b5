"""The side of the tests: runs them against a program that is elsewhere, and writes the verdict.

Runs in a sandbox of its own, since test code is code. The program runs in another one; what tests
know of it are proxies, whose calls go over a wire and bring plain data back. So the program meets
the arguments of its calls, and never what is expected of them. Of an object that is no plain data
tests hold a handle: it can be called, asked for attributes and iterated, and two handles are equal
if they are the same object. Whatever else would hand the program what it is compared with is not
passed on: of `candidate(1).startswith('ab')` the program must not hear, should it return an object
of its own instead of a text. So methods take no arguments, items are not asked for and types are
no values, unless the tests say that they are about objects.

A test passes if it ends without exception, and if it came to an assert. The verdict is one
character a test, written as soon as the test is over: what kills the examiner costs what comes
later, and nothing before it.
"""

from __future__ import annotations

import builtins
import marshal
import os
import sys
from collections.abc import Iterator

from r1jax.rewards.execution import plain_data

TYPE_CHECKING = False
if TYPE_CHECKING:  # Nothing else here loads as slowly as `typing`.
  from typing import Any

READY, PASSED, FAILED = b'.', b'1', b'0'
# What a test calls after each assert; `suites` has put it there.
ASSERTED = '__asserted__'
# What the examiner is told: `marshal` data, from `programs`.
SUITE = 'suite.bin'
# An exception of the program is raised here under its builtin name, but for these: they would end a
# loop, so that a test might seem to end well, or cannot be made without arguments.
_NOT_RAISED = ('StopIteration', 'StopAsyncIteration', 'ExceptionGroup')
_UNLESS = 'unless the gold says "objects": true'
# The handle of the program itself.
_MODULE = 0


class ProgramError(Exception):
  """The program raised an exception that has no builtin name."""


class Program:
  """What asks the program, over the wire.

  Attributes:
    objects: whether methods of its objects take arguments, items are asked for, and types are
      values.
    methods: what has been an attribute of an object.
    lost: whether it has ended, or replied what makes no sense; then no test can pass, even one that
      catches exceptions.
  """

  def __init__(self, wire: int, objects: bool = False):
    self._wire = wire
    self._handles: dict[int, Handle] = {}
    self.objects = objects
    self.methods: set[Handle] = set()
    self.lost = False

  def find(self, name: str) -> Any:
    """Returns what the program calls by a name."""
    return self.ask('get', self._handle(_MODULE), name)

  def ask(self, *request: Any) -> Any:
    """Returns what the program answers, or raises what it raised."""
    message = plain_data.write(request, _number)
    try:
      plain_data.send(self._wire, message)
      answer = plain_data.read(plain_data.receive(self._wire), self._handle)
    except (plain_data.ClosedError, ValueError) as error:
      self.lost = True
      raise ProgramError(str(error)) from error
    match answer:
      case ('value', value):
        return value
      case ('end', None):
        raise StopIteration
      case ('error', str(name)):
        raise _exception(name)
    self.lost = True
    raise ProgramError('no reply')

  def _handle(self, number: int) -> Handle:
    return self._handles.setdefault(number, Handle(self, number))


def _exception(name: str) -> Exception:
  kind = getattr(builtins, name, None)
  if isinstance(kind, type) and issubclass(kind, Exception) and name not in _NOT_RAISED:
    return kind.__new__(kind)  # Some cannot be called without arguments.
  return ProgramError(name)


class Handle:
  """An object of the program's."""

  __slots__ = ('_number', '_program')

  def __init__(self, program: Program, number: int):
    object.__setattr__(self, '_program', program)
    object.__setattr__(self, '_number', number)

  def __call__(self, *arguments: Any, **named: Any) -> Any:
    """Returns what the object returns."""
    if (arguments or named) and self in self._program.methods:
      raise TypeError(f'methods of its objects are given no arguments {_UNLESS}')
    return self._ask('call', arguments, named)

  def __getattr__(self, name: str) -> Any:
    if name.startswith('__'):
      raise AttributeError(name)
    value = self._ask('get', name)
    if isinstance(value, Handle) and not self._program.objects:
      self._program.methods.add(value)
    return value

  def __setattr__(self, name: str, value: Any) -> None:
    self._ask('set', name, value)

  def __getitem__(self, key: Any) -> Any:
    if not self._program.objects:
      raise TypeError(f'its objects are not asked for items {_UNLESS}')
    return self._ask('item', key)

  def __iter__(self) -> Iterator[Any]:
    iterator = self._ask('iterate')
    return iterator if isinstance(iterator, Handle) else iter(iterator)

  def __next__(self) -> Any:
    return self._ask('next')

  def __len__(self) -> int:
    return self._ask('length')

  def __bool__(self) -> bool:
    return self._ask('truth')

  def __str__(self) -> str:
    return self._ask('text')

  def _ask(self, action: str, *arguments: Any) -> Any:
    try:
      value = self._program.ask(action, self, *arguments)
    except StopIteration:
      if action == 'next':
        raise
      raise ProgramError('StopIteration') from None
    # It would run here: `bool` is true of most arguments, and `set.union(x)` is `x`.
    if isinstance(value, type) and not self._program.objects:
      raise TypeError(f'a program may not return types {_UNLESS}')
    return value


def _number(thing: Any) -> int:
  if not isinstance(thing, Handle):
    raise TypeError(f'a program cannot be given a {type(thing).__name__}: only plain data')
  return object.__getattribute__(thing, '_number')


def run_script(suite: dict[str, Any], program: Program) -> Iterator[bool]:
  """Yields for each test whether it passed.

  Args:
    suite: 'setup' is code that runs first, 'names' says under which names tests know those of the
      program, 'steps' are pairs of code and whether it is a test; all share their variables.
    program: what is tested.
  """
  asserted: set[bool] = set()
  variables: dict[str, Any] = {'__name__': 'tests', ASSERTED: lambda: asserted.add(True)}
  ready = _runs(_lend, variables, suite['names'], program)
  ready = ready and _runs(exec, compile(suite['setup'], 'setup', 'exec'), variables)
  # Set-up code may use the program's names, and may define them, as a stub that is to be completed.
  ready = ready and _runs(_lend, variables, suite['names'], program)
  for code, counts in suite['steps']:
    if counts and (random := sys.modules.get('random')):
      random.seed(0)
    asserted.clear()
    passed = ready and _runs(exec, code, variables) and not program.lost
    if counts:
      yield passed and bool(asserted)


def _lend(variables: dict[str, Any], names: dict[str, str], program: Program) -> None:
  for here, there in names.items():
    variables[here] = program.find(there)


def _runs(function: Any, *arguments: Any) -> bool:
  """Returns whether a call ends without exception."""
  try:
    function(*arguments)
  except BaseException:
    return False
  return True


def run_calls(suite: dict[str, Any], program: Program) -> Iterator[bool]:
  """Yields for each test whether a call returned what is expected.

  Args:
    suite: 'function' is the name of a function, or of a class and a method whose every call gets a
      fresh object; 'cases' are pairs of arguments and what is expected; 'tolerance' of numbers, or
      None.
    program: what is tested.
  """
  for arguments, expected in suite['cases']:
    try:
      found = _function(program, suite['function'])(*arguments)
      passed = equal(found, expected, suite['tolerance']) and not program.lost
    except BaseException:
      passed = False
    yield passed


def _function(program: Program, name: str) -> Any:
  owner, dot, method = name.partition('.')
  found = program.find(owner)
  return program.ask('get', found(), method) if dot else found


def equal(found: Any, expected: Any, tolerance: float | None) -> bool:
  """Returns whether a value is the one expected, which is made of JSON's types.

  A tuple counts as the list of its items, a whole float as the integer; a truth value is no number,
  and what is not a number is equal to nothing. Within the tolerance means: absolutely, or relative
  to what is expected; and where that is an integer, it is the nearest one.
  """
  if isinstance(expected, list):
    if not isinstance(found, list | tuple) or len(found) != len(expected):
      return False
    return all(equal(*pair, tolerance) for pair in zip(found, expected))
  if isinstance(expected, dict):
    if not isinstance(found, dict) or found.keys() != expected.keys():
      return False
    return all(equal(found[key], expected[key], tolerance) for key in expected)
  if isinstance(expected, bool | str | None):
    return type(found) is type(expected) and found == expected
  if isinstance(found, bool) or not isinstance(found, int | float):
    return False
  if found == expected or tolerance is None:
    return found == expected
  if not abs(found) < float('inf') or (isinstance(expected, int) and round(found) != expected):
    return False
  return abs(found - expected) <= tolerance * max(1, abs(expected))


def main() -> None:
  """Examines the program at the other end of the standard input; the verdict is the output."""
  wire, verdict = os.dup(0), os.dup(1)
  null = os.open('/dev/null', os.O_RDWR)
  os.dup2(null, 0)
  os.dup2(null, 1)
  with open(SUITE, 'rb') as file:
    suite = marshal.load(file)
  os.write(verdict, READY)
  program = Program(wire, suite.get('objects', False))
  for passed in (run_script if 'steps' in suite else run_calls)(suite, program):
    os.write(verdict, PASSED if passed else FAILED)


if __name__ == '__main__':
  main()
