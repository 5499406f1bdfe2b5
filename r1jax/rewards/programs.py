"""Program rewards: does the program pass its tests (arXiv:2501.12948, section 2.2.2).

The program is the last fenced code block after the reasoning that names no other language, within
the `<answer>` block if there is one. It runs in a sandbox, and what it should return or write is
never where it runs: outputs are compared here, and statements about a function run in another
sandbox, which calls the program over a wire. So a program earns reward by what it computes, and by
nothing else.

A program that uses up its time or memory in a test is not started again: later tests fail.
"""

import dataclasses
import functools
import importlib.util
import marshal
import socket
import types
from pathlib import Path

from r1jax import structs
from r1jax.rewards import execution, sandbox
from r1jax.rewards.execution import (
  candidate,
  code_blocks,
  compilers,
  examiner,
  outputs,
  plain_data,
  suites,
)

# What tests may take beside the program that they test.
_EXAMINER_SECONDS, _EXAMINER_MEMORY_BYTES = 10.0, 1 << 30
# What a program may write beside twice of what it should.
_MORE_OUTPUT_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Verdict:
  """What came of a program.

  Attributes:
    passed: of each test in order, whether it passed.
    reason: 'ok' if all tests were run; else 'no program' (there is no code block, or none in an
      allowed language), 'not compiled', or why the program ended early: 'died', or what it had too
      much of ('timeout', 'memory', 'output', 'files').
  """

  passed: tuple[bool, ...]
  reason: str


def reward(problem: structs.Problem, response: str) -> float:
  """Returns the share of tests that the program in a response passes.

  Args:
    problem: with a gold that `check_gold` accepts.
    response: all that the assistant said, with what the prompt's template began for it.
  """
  passed = judge(problem, response).passed
  return sum(passed) / len(passed)


def all_passed(problem: structs.Problem, response: str) -> float:
  """Returns 1 if the program in a response passes all tests, else 0; arguments as of `reward`."""
  return float(all(judge(problem, response).passed))


def judge(problem: structs.Problem, response: str) -> Verdict:
  """Returns what comes of the program in a response; the same every time.

  Raises:
    ValueError: the gold describes no tests.
    sandbox.UnavailableError: nothing can be run safely here.
  """
  suite = suites.read(problem.gold)
  block = code_blocks.find_program(response, suite.resources.languages)
  if block is None:
    return _none(suite, 'no program')
  language = block.language or suite.resources.languages[0]
  try:
    source = block.code.encode()
  except UnicodeEncodeError:  # Half a surrogate pair.
    return _none(suite, 'no program')
  return _judge(problem.gold, language, source)


def check_gold(gold: str) -> None:
  """Raises ValueError if a gold describes no tests, or none that can be run here."""
  for language in suites.read(gold).resources.languages:
    compilers.check(language)


def _none(suite: suites.Suite, reason: str) -> Verdict:
  return Verdict((False,) * suite.num_tests, reason)


# Both terms ask for the same verdict, and the answers of a group are often alike.
@functools.lru_cache(maxsize=1 << 14)
def _judge(gold: str, language: str, source: bytes) -> Verdict:
  suite = suites.read(gold)
  if isinstance(suite, suites.Stdin):
    return _judge_outputs(suite, language, source)
  return _judge_functions(suite, source)


def _judge_outputs(suite: suites.Stdin, language: str, source: bytes) -> Verdict:
  """Returns the verdict on a program that reads and writes; every test gets a fresh sandbox."""
  program = compilers.build(language, source)
  if program is None:
    return _none(suite, 'not compiled')
  passed: list[bool] = []
  for given, expected in suite.cases:
    limits = dataclasses.replace(
      _limits(suite), output_bytes=2 * len(expected) + _MORE_OUTPUT_BYTES
    )
    result = sandbox.run(program.command, stdin=given, files=program.files, limits=limits)
    passed.append(result.reason == 'ok' and _is_right(suite, result.stdout, expected))
    if result.reason not in ('ok', 'died'):
      rest = (False,) * (suite.num_tests - len(passed))
      return Verdict((*passed, *rest), result.reason)
  return Verdict(tuple(passed), 'ok')


def _is_right(suite: suites.Stdin, found: bytes, expected: bytes) -> bool:
  if suite.by_token:
    return outputs.same_tokens(found, expected, suite.tolerance)
  return outputs.same_lines(found, expected)


def _judge_functions(suite: suites.Asserts | suites.Calls, source: bytes) -> Verdict:
  """Returns the verdict on a program whose functions are called, from another sandbox."""
  texts = {'preamble.py': suite.resources.preamble, 'program.py': source.decode()}
  sources = plain_data.write(texts, _unknown)
  ours, theirs = socket.socketpair()
  with ours, theirs:
    program = sandbox.start(
      _compiled('candidate.py'),
      stdin=theirs.fileno(),
      files={**_modules(), candidate.SOURCES: sources},
      limits=_limits(suite),
    )
    with program as process:
      theirs.close()
      result = sandbox.run(
        _compiled('examiner.py'),
        stdin=ours.fileno(),
        files={**_modules(), examiner.SUITE: marshal.dumps(_told(suite))},
        limits=_examiner_limits(suite),
      )
      process.stop()
      ended = process.wait()
  marks = result.stdout.removeprefix(examiner.READY)
  missing = suite.num_tests - len(marks)
  if marks == result.stdout or missing < 0 or marks.strip(examiner.PASSED + examiner.FAILED):
    raise RuntimeError(f'the examiner failed: {result}')
  passed = tuple(mark == examiner.PASSED[0] for mark in marks)
  reason = ended.reason if ended.reason != 'stopped' else result.reason
  return Verdict((*passed, *(False,) * missing), reason)


def _limits(suite: suites.Suite) -> sandbox.Limits:
  resources = suite.resources
  return sandbox.Limits(
    cpu_seconds=resources.cpu_seconds,
    wall_seconds=resources.wall_seconds,
    memory_bytes=resources.memory_bytes,
    stack_bytes=compilers.STACK_BYTES,
  )


def _examiner_limits(suite: suites.Suite) -> sandbox.Limits:
  """Returns the limits of the tests, which may have to wait for the program until its deadline."""
  return sandbox.Limits(
    cpu_seconds=_EXAMINER_SECONDS,
    wall_seconds=_limits(suite).deadline_seconds + 4 * _EXAMINER_SECONDS,
    memory_bytes=_EXAMINER_MEMORY_BYTES,
  )


def _told(suite: suites.Asserts | suites.Calls) -> dict[str, object]:
  """Returns what the examiner needs to know of the tests."""
  if isinstance(suite, suites.Calls):
    return {'function': suite.function, 'cases': suite.cases, 'tolerance': suite.tolerance}
  return {
    'names': dict(suite.names),
    'objects': suite.objects,
    'setup': suite.setup,
    'steps': suite.steps,
  }


def _unknown(thing: object) -> int:
  raise TypeError(f'{thing!r} is no plain data')


@functools.cache
def _modules() -> dict[str, bytes]:
  """Returns the module that both sides of the wire import, as a file that is compiled."""
  header = importlib.util.MAGIC_NUMBER + bytes(12)
  return {
    'r1jax/rewards/execution/plain_data.pyc': header + marshal.dumps(_compiled('plain_data.py'))
  }


@functools.cache
def _compiled(name: str) -> types.CodeType:
  return compile((Path(execution.__path__[0]) / name).read_text(), name, 'exec')
