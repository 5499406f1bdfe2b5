r"""What a program is tested with: the gold of a programming problem, as JSON text.

A program that reads its input and writes its output (Codeforces, Code Jam, LiveCodeBench):

  {"kind": "stdin", "tests": [{"input": "1 2\n", "output": "3\n"}]}

A function that asserts are made about (HumanEval, MBPP). `names` says under which names the tests
know those that the program defines; all else that they use, `setup` must define. The tests run in
order and share their variables; a statement without assert is a step on the way and no test. A test
passes if it ends without exception and came to an assert:

  {"kind": "asserts", "names": {"candidate": "add"}, "setup": "import math",
   "tests": ["assert candidate(1, 2) == 3", "x = math.pi", "assert candidate(x, 0) == x"]}

If the tests are about objects of the program's, whose methods take arguments or which have items,
or about types that it returns, `"objects": true` must say so. What is passed to them the program
learns, and decides: of a function that should return a text, `candidate(1).startswith("ab")` would
then pass whatever it returns.

A function, or a method of a class that is made anew for each call, and what it returns (LeetCode,
LiveCodeBench); `input` holds the arguments:

  {"kind": "calls", "function": "Solution.add", "tests": [{"input": [1, 2], "output": 3}]}

Any may have `languages` (["python"] if not given; "cpp" may be in it for kind "stdin"; a block
without a language's name is in the first), `cpu_seconds` and `wall_seconds` (of each run with kind
"stdin", else of all tests together) and `memory_mib`; functions a `preamble`, code that runs before
the program, such as imports that it may count on. For kind "stdin", `compare` is "lines" (the
default) or "tokens"; `tolerance` is that of numbers among tokens, or in what is returned.
"""

import ast
import dataclasses
import functools
import json
import keyword
import types
from collections.abc import Callable, Mapping
from typing import Any

from r1jax.rewards.execution import examiner

LANGUAGES = ('python', 'cpp')
CPU_SECONDS, MEMORY_MIB = 10.0, 512
_MAX_CPU_SECONDS, _MIN_MEMORY_MIB, _MAX_MEMORY_MIB = 600, 64, 1 << 14
_NEEDED = object()
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclasses.dataclass(frozen=True)
class Resources:
  """What a program is written in, and may use.

  Attributes:
    languages: that it may be written in; the first is meant where none is named.
    cpu_seconds: of processor time.
    wall_seconds: of time; None for what `sandbox.Limits` makes of `cpu_seconds`.
    memory_bytes: of memory.
    preamble: Python code that runs before it.
  """

  languages: tuple[str, ...]
  cpu_seconds: float
  wall_seconds: float | None
  memory_bytes: int
  preamble: str


@dataclasses.dataclass(frozen=True)
class Stdin:
  """Tests of a whole program.

  Attributes:
    resources: of each run.
    cases: pairs of input and output.
    by_token: whether tokens are compared, else lines.
    tolerance: of numbers among tokens.
  """

  resources: Resources
  cases: tuple[tuple[bytes, bytes], ...]
  by_token: bool
  tolerance: float

  @property
  def num_tests(self) -> int:
    """Number of tests."""
    return len(self.cases)


@dataclasses.dataclass(frozen=True)
class Asserts:
  """Statements about a program's functions.

  Attributes:
    resources: of all tests together.
    names: those of the program, by those that tests use.
    objects: whether methods of its objects take arguments.
    setup: code that runs first.
    steps: pairs of code, which tells of its asserts, and whether it is a test.
  """

  resources: Resources
  names: Mapping[str, str]
  objects: bool
  setup: str
  steps: tuple[tuple[types.CodeType, bool], ...]

  @property
  def num_tests(self) -> int:
    """Number of tests."""
    return sum(counts for _, counts in self.steps)


@dataclasses.dataclass(frozen=True)
class Calls:
  """Calls of a function, and what they return.

  Attributes:
    resources: of all tests together.
    function: its name, or those of a class and a method with a dot between.
    cases: pairs of arguments and value.
    tolerance: of numbers; None if they must be equal.
  """

  resources: Resources
  function: str
  cases: tuple[tuple[tuple[Any, ...], Any], ...]
  tolerance: float | None

  @property
  def num_tests(self) -> int:
    """Number of tests."""
    return len(self.cases)


Suite = Stdin | Asserts | Calls


@functools.lru_cache(maxsize=128)  # Golds may be megabytes.
def read(gold: str) -> Suite:
  """Returns the tests that a gold describes.

  Raises:
    ValueError: it describes none; says what was found and what is allowed.
  """
  try:
    fields = json.loads(gold, parse_constant=_no_number)
  except (TypeError, ValueError, RecursionError) as error:
    raise ValueError(
      f'the gold of a programming problem must be JSON text, found {_shown(gold)} ({error})'
    ) from error
  if not isinstance(fields, dict):
    raise ValueError(f'the gold must be a JSON object {{...}}, found {_shown(fields)}')
  kind = _take(fields, 'kind', str)
  if kind not in _READERS:
    raise ValueError(f"the gold's kind is {kind!r}; it must be one of {', '.join(_READERS)}")
  suite = _READERS[kind](fields)
  if fields:
    raise ValueError(f'the gold has fields without effect for its kind: {", ".join(fields)}')
  if not suite.num_tests:
    raise ValueError('the gold has no test')
  return suite


def _read_stdin(fields: dict[str, Any]) -> Stdin:
  compare = _take(fields, 'compare', str, 'lines')
  if compare not in ('lines', 'tokens'):
    raise ValueError(f"the gold's compare is {compare!r}; it must be 'lines' or 'tokens'")
  tolerance = _take(fields, 'tolerance', float, 0.0)
  if tolerance and compare == 'lines':
    raise ValueError("the gold's tolerance is of tokens: set compare to 'tokens'")
  cases = tuple(
    (_encoded(_take(test, 'input', str)), _encoded(_take(test, 'output', str)))
    for test in _tests(fields)
  )
  if not any(output.strip() for _, output in cases):
    raise ValueError(
      'no test of the gold expects any output, so a program that does nothing passes'
    )
  resources = _resources(fields, LANGUAGES)
  return Stdin(resources, cases, compare == 'tokens', _in_range('tolerance', tolerance, 0, 1))


def _read_asserts(fields: dict[str, Any]) -> Asserts:
  names = _take(fields, 'names', dict)
  for here, there in names.items():
    if not _is_name(here) or not _is_name(there):
      raise ValueError(f'the gold names {there!r} as {here!r}; both must be names of Python')
  if not names:
    raise ValueError("the gold's names are empty; the tests need one of the program's")
  setup = _take(fields, 'setup', str, '')
  _parsed(setup, 'setup')
  objects = _take(fields, 'objects', bool, False)
  steps = tuple(map(step, _take(fields, 'tests', list)))
  return Asserts(_resources(fields, LANGUAGES[:1]), names, objects, setup, steps)


def _read_calls(fields: dict[str, Any]) -> Calls:
  function = _take(fields, 'function', str)
  parts = function.split('.')
  if len(parts) > 2 or not all(map(_is_name, parts)):
    raise ValueError(f"the gold's function is {function!r}; it must be a name, or Class.method")
  cases = tuple(
    (tuple(_take(test, 'input', list)), _take(test, 'output', object)) for test in _tests(fields)
  )
  tolerance = _take(fields, 'tolerance', float, None)
  if tolerance is not None:
    _in_range('tolerance', tolerance, 0, 1)
  return Calls(_resources(fields, LANGUAGES[:1]), function, cases, tolerance)


_READERS: dict[str, Callable[[dict[str, Any]], Suite]] = {
  'stdin': _read_stdin,
  'asserts': _read_asserts,
  'calls': _read_calls,
}


def _resources(fields: dict[str, Any], allowed: tuple[str, ...]) -> Resources:
  languages = _take(fields, 'languages', list, ['python'])
  if not languages or any(language not in allowed for language in languages):
    raise ValueError(f"the gold's languages are {languages}; of its kind may be {list(allowed)}")
  cpu_seconds = _take(fields, 'cpu_seconds', float, CPU_SECONDS)
  wall_seconds = _take(fields, 'wall_seconds', float, None)
  if wall_seconds is not None:
    _in_range('wall_seconds', wall_seconds, cpu_seconds, 10 * _MAX_CPU_SECONDS)
  memory_mib = _take(fields, 'memory_mib', int, MEMORY_MIB)
  preamble = _take(fields, 'preamble', str, '') if allowed == LANGUAGES[:1] else ''
  _parsed(preamble, 'preamble')
  return Resources(
    languages=tuple(languages),
    cpu_seconds=_in_range('cpu_seconds', cpu_seconds, 0.1, _MAX_CPU_SECONDS),
    wall_seconds=wall_seconds,
    memory_bytes=int(_in_range('memory_mib', memory_mib, _MIN_MEMORY_MIB, _MAX_MEMORY_MIB)) << 20,
    preamble=preamble,
  )


def _take(fields: dict[str, Any], name: str, kind: type, default: Any = _NEEDED) -> Any:
  """Returns a field, which leaves the fields; or what it is if it is not there."""
  if name not in fields:
    if default is _NEEDED:
      raise ValueError(
        f'the gold has no {name!r}; see `rewards.execution.suites` for what it needs'
      )
    return default
  value = fields.pop(name)
  if kind is float and isinstance(value, int) and not isinstance(value, bool):
    value = float(value)
  if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
    raise ValueError(f"the gold's {name} must be of type {kind.__name__}, found {_shown(value)}")
  return value


def _tests(fields: dict[str, Any]) -> list[dict[str, Any]]:
  tests = _take(fields, 'tests', list)
  for test in tests:
    if not isinstance(test, dict) or test.keys() != {'input', 'output'}:
      raise ValueError(f"a test of the gold must have 'input' and 'output', found {_shown(test)}")
  return tests


def _in_range(name: str, value: float, low: float, high: float) -> float:
  if not low <= value <= high:
    raise ValueError(f"the gold's {name} is {value}; it must be from {low} to {high}")
  return value


def _is_name(text: object) -> bool:
  return isinstance(text, str) and text.isidentifier() and not keyword.iskeyword(text)


def step(code: object) -> tuple[types.CodeType, bool]:
  """Returns a statement of the tests, which tells of its asserts, and whether it is a test.

  Raises:
    ValueError: it is no Python, or too much of it.
  """
  tree = _parsed(code, 'tests')
  does_more = any(not isinstance(node, _DEFINITIONS) for node in tree.body)
  is_test = does_more and any(map(_asserts, ast.walk(tree)))
  told = ast.parse(f'{examiner.ASSERTED}()').body
  for node in ast.walk(tree):
    for name in ('body', 'orelse', 'finalbody'):
      block = getattr(node, name, None)
      if isinstance(block, list):
        block[:] = [one for each in block for one in (each, *told * _asserts(each))]
  try:
    return compile(tree, 'test', 'exec', dont_inherit=True), is_test
  except RecursionError as error:
    raise _too_deep(code, 'tests') from error


def _asserts(node: ast.AST) -> bool:
  """Returns whether a statement asserts anything: `assert True` is true of any program."""
  return isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant | ast.Tuple)


def _parsed(code: object, name: str) -> ast.Module:
  if not isinstance(code, str):
    raise ValueError(f"the gold's {name} must be Python code, found {_shown(code)}")
  try:
    compile(code, name, 'exec', dont_inherit=True)  # It finds more than parsing does.
    return ast.parse(code)
  except RecursionError as error:
    raise _too_deep(code, name) from error
  except (SyntaxError, ValueError) as error:
    raise ValueError(f"the gold's {name} is no Python: {error}; found {_shown(code)}") from error


def _too_deep(code: object, name: str) -> ValueError:
  return ValueError(f"the gold's {name} is nested too deeply: {_shown(code)}")


def _no_number(name: str) -> None:
  raise ValueError(f'{name} is equal to nothing, so no program could return it')


def _encoded(text: str) -> bytes:
  try:
    return text.encode()
  except UnicodeEncodeError as error:
    raise ValueError(f'a test of the gold is not Unicode text: {error}') from error


def _shown(value: object) -> str:
  text = repr(value)
  return text if len(text) <= 60 else text[:57] + '...'
