"""The languages that programs are written in: from a program's text to what can be run."""

import dataclasses
import functools
import os
import shutil
from collections.abc import Callable, Mapping

from r1jax.rewards import sandbox
from r1jax.rewards.execution import surroundings

# Of compiling a C++ program.
COMPILE_LIMITS = sandbox.Limits(
  cpu_seconds=30,
  memory_bytes=2 << 30,
  output_bytes=32 << 20,  # The program comes back as output.
)
# Of a program: contests let recursion go deep.
STACK_BYTES = 256 << 20
_COMPILERS = ('g++', 'clang++')
# A name that C++20 has added may be one that a program has for something else.
_COMPILE = (
  'for standard in 20 17; do'
  ' {} -O2 -std=gnu++$standard -pipe -o main main.cpp >&2 && exec cat main; done; exit 1'
)
# Runs main.py as if it had been named; but threads get little of the stack, or few could be started
# within the address space.
_START_PYTHON = (
  "__import__('_thread').stack_size(16 << 20);"
  "__file__ = __import__('sys').argv[0] = 'main.py';"
  "exec(compile(open(__file__, 'rb').read(), __file__, 'exec'))"
)


@dataclasses.dataclass(frozen=True)
class Executable:
  """What can be run.

  Attributes:
    command: path and arguments.
    files: that it needs in its folder.
  """

  command: tuple[str, ...]
  files: Mapping[str, bytes]


def build(language: str, source: bytes) -> Executable | None:
  """Returns a program that can be run, or None if it does not compile.

  Args:
    language: one of `suites.LANGUAGES`.
    source: its text.

  Raises:
    RuntimeError: the language cannot be compiled on this machine.
  """
  return _BUILDERS[language](source)


def check(language: str) -> None:
  """Raises ValueError if programs of a language cannot be run here."""
  if language == 'cpp' and compiler() is None:
    raise ValueError(
      f'C++ programs are asked for, but there is no {" or ".join(_COMPILERS)} in /usr/bin: install '
      "one (Debian, Ubuntu: apt install g++), or leave 'cpp' out of the languages"
    )


@functools.cache
def compiler() -> str | None:
  """Returns the path of a C++ compiler that programs in the sandbox can see, or None."""
  path = os.pathsep.join(('/usr/local/bin', '/usr/bin'))
  return next((found for name in _COMPILERS if (found := shutil.which(name, path=path))), None)


def _python(source: bytes) -> Executable:
  return Executable((surroundings.PYTHON, '-c', _START_PYTHON), {'main.py': source})


def _cpp(source: bytes) -> Executable | None:
  path = compiler()
  if path is None:
    raise RuntimeError('there is no C++ compiler here, though there was when the data were loaded')
  line = _COMPILE.format(path)
  compiled = sandbox.run(['/bin/sh', '-c', line], files={'main.cpp': source}, limits=COMPILE_LIMITS)
  if compiled.reason != 'ok':
    return None
  return Executable(('./main',), {'main': compiled.stdout})


_BUILDERS: dict[str, Callable[[bytes], Executable | None]] = {'python': _python, 'cpp': _cpp}
