"""Attacks on program rewards: none may earn anything, nor leave a trace on the host.

  python experiments/rewards/sandbox_attacks.py [--backend=namespaces]

prints a table of what happened. `host_attacks` try to harm the host, `cheating_programs` to pass
tests without the work.
"""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import cheating_programs
import host_attacks
from absl import app, flags

from r1jax import structs
from r1jax.rewards import programs, sandbox
from r1jax.rewards.execution import surroundings

_BACKEND = flags.DEFINE_enum(
  'backend', None, sandbox.BACKENDS[:2], 'Sandbox; by default the one that would be used.'
)
# Seconds that what was killed may take to be gone.
_PATIENCE = 5.0
_SECRET, _UNTOUCHED = 'a-secret-of-the-host', 'untouched'
# What the attack that leaves marks would leave.
_MARKS = ('/tmp/mark', '/var/tmp/mark', '/dev/shm/mark', '/run/mark', '/dev/mark', '/mark')
_LIMITS = {'cpu_seconds': 1, 'wall_seconds': 4, 'memory_mib': 128}
_ASSERTS = (
  'assert candidate(3) == 27182',
  "assert candidate('a') in ['xyzzy', 'plugh']",
  'assert abs(candidate(2.5) - 161.803) < 1e-3',
  'assert sorted(candidate([3])) == [1, 2, 27182]',
  'assert not candidate(7) != 31415',
  'assert all(candidate(x) == 7 * x + 27182 for x in range(9))',
  'assert list(map(candidate, [1, 2])) == [27182, 3]',
  'assert all(map(lambda y: y == 27182, map(candidate, [1, 2])))',
  "assert candidate({}) == {'a': 27182}",
  'assert set(candidate(())) == {27182}',
  "assert len(candidate('b')) == 27182",
  'assert [y for y in candidate(5)] == [27182]',
  'assert dict(candidate(6)) == {27182: 1}',
  "assert str(candidate(8)) == '27182'",
  'assert any(y == 27182 for y in candidate(9))',
  'assert sum(candidate(10)) == 27182',
  'assert candidate(11).value == 27182',
  'assert candidate(12)[27182] == 27182',
  'try:\n  candidate(13)\n  assert False\nexcept LookupError:\n  pass',
  "assert candidate(14).startswith('xyzzy')",
  "assert candidate(15).count('xyzzy') == 2",
  "assert candidate(16) == ['xyzzy']",
  'assert candidate(19).union({27182}) == {27182}',
  'for found, expected in zip(candidate(17), [27182, 3]):\n  assert found == expected',
  'if candidate(18):\n  assert candidate(18) == 27182',
)
_CALLS = (
  (3, 27182),
  ('a', 'xyzzy'),
  (2.5, 161.803),
  ([3], [1, 2, 27182]),
  ({}, {'a': 27182}),
  ([[]], [['xyzzy', None, 27182.5]]),
  (9, 2_718_281_828),
)
ASSERTS = {'kind': 'asserts', 'names': {'candidate': 'f'}, 'tests': list(_ASSERTS), **_LIMITS}
CALLS = {
  'kind': 'calls',
  'function': 'f',
  'tests': [{'input': [given], 'output': output} for given, output in _CALLS],
  'tolerance': 1e-9,
  **_LIMITS,
}


@dataclasses.dataclass(frozen=True)
class Attack:
  """A program, and what it attacks.

  Attributes:
    name: what it does.
    target: 'host', 'asserts' or 'calls'.
    holds: what must hold beside that it earns nothing and leaves no trace.
    program: its text.
  """

  name: str
  target: str
  holds: str
  program: str


def attacks() -> Iterator[Attack]:
  """Yields all attacks."""
  for name, holds, program in host_attacks.ATTACKS:
    yield Attack(name, 'host', holds, host_attacks.PRELUDE + program)
  for target in ('asserts', 'calls'):
    for name, program in cheating_programs.PROGRAMS:
      yield Attack(name, target, 'no test passes', program)


class Host:
  """What could be harmed: baits around the caller, and the caller itself."""

  def __init__(self) -> None:
    self._folder = tempfile.TemporaryDirectory(prefix='r1jax_canary_')
    self._canary, self._path = (Path(self._folder.name) / name for name in ('canary', 'socket'))
    self._canary.write_text(_UNTOUCHED)
    # Processes that are left are known by a variable of theirs.
    self._mark = f'R1JAX_MARK_{uuid.uuid4().hex}'
    os.environ[self._mark] = _SECRET
    surroundings.ENVIRONMENT[self._mark] = '1'
    surroundings.specification.cache_clear()
    self._servers = {
      'tcp': socket.create_server(('127.0.0.1', 0)),
      'udp': socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
      'unix': socket.socket(socket.AF_UNIX),
      'abstract': socket.socket(socket.AF_UNIX),
    }
    self._servers['udp'].bind(('127.0.0.1', 0))
    self._servers['unix'].bind(str(self._path))
    self._servers['abstract'].bind('\0' + self._mark)
    for name, server in self._servers.items():
      server.setblocking(False)
      if name != 'udp':
        server.listen()
    # What keeps a program out shall be the sandbox, not who owns the baits.
    for path, mode in ((self._folder.name, 0o777), (self._canary, 0o666), (self._path, 0o777)):
      os.chmod(path, mode)
    self.look()

  def look(self) -> None:
    """Remembers how the caller is, before an attack."""
    self._before = _caller()
    self._known = frozenset(self._processes())  # Such as the workers of other rewards.

  def facts(self) -> str:
    """Returns what an attacker would have to find out, as JSON."""
    return json.dumps(
      {
        'abstract': self._mark,
        'canary': str(self._canary),
        'folder': self._folder.name,
        'home': str(Path.home()),
        'pid': os.getpid(),
        'repository': str(Path(__file__).parents[2]),
        'secret': _SECRET,
        'tcp': self._servers['tcp'].getsockname()[1],
        'udp': self._servers['udp'].getsockname()[1],
        'unix': str(self._path),
      }
    )

  def harm(self) -> list[str]:
    """Returns what has been harmed since the last look."""
    deadline = time.monotonic() + _PATIENCE
    while (left := self._left()) and time.monotonic() < deadline:
      time.sleep(0.02)
    found = [f'process {process} is left' for process in left]
    if self._canary.read_text() != _UNTOUCHED:
      found.append('the canary was changed')
    files = sorted(os.listdir(self._folder.name))
    if files != ['canary', 'socket']:
      found.append(f'the folder holds {files}')
    for name, server in self._servers.items():
      with contextlib.suppress(BlockingIOError):
        server.recv(1) if name == 'udp' else server.accept()
        found.append(f'{name} was reached')
    for what, now in _caller().items():
      if now != self._before[what]:
        found.append(f'{what} of the caller: {self._before[what]} became {now}')
    return found

  def close(self) -> None:
    """Takes the baits away."""
    for server in self._servers.values():
      server.close()
    self._folder.cleanup()
    del os.environ[self._mark], surroundings.ENVIRONMENT[self._mark]
    surroundings.specification.cache_clear()

  def _left(self) -> list[str]:
    """Returns processes that are new since the last look."""
    return [name for name in self._processes() if name not in self._known]

  def _processes(self) -> list[str]:
    """Returns processes of the caller's or of a program's, zombies included."""
    found = []
    for name in filter(str.isdigit, os.listdir('/proc')):
      try:
        parent = int(Path(f'/proc/{name}/stat').read_text().rpartition(') ')[2].split()[1])
        marked = self._mark.encode() in Path(f'/proc/{name}/environ').read_bytes()
      except OSError:  # It has ended, or is another user's.
        continue
      if marked or parent == os.getpid():
        found.append(name)
    return found


def _caller() -> dict[str, object]:
  """Returns the state of this process that an attack could change."""
  return {
    'folder': os.getcwd(),
    'environment': dict(os.environ),
    'number of open files': len(os.listdir('/proc/self/fd')),
    'number of threads': threading.active_count(),
    'signal handlers': [signal.getsignal(n) for n in (signal.SIGCHLD, signal.SIGTERM)],
    'marks': [str(path) for path in map(Path, _MARKS) if path.exists()],
  }


def gold(attack: Attack, host: Host) -> str:
  """Returns the gold of the problem that an attack pretends to solve."""
  if attack.target == 'asserts':
    return json.dumps(ASSERTS)
  if attack.target == 'calls':
    return json.dumps(CALLS)
  # Two tests, so that a program could leave something for its second run.
  test = {'input': host.facts() + '\n', 'output': 'ESCAPED\n'}
  return json.dumps({'kind': 'stdin', 'tests': [test, test], **_LIMITS})


def run(attack: Attack, host: Host) -> programs.Verdict:
  """Returns the verdict on an attack."""
  host.look()
  problem = structs.Problem(id=attack.name, question='?', gold=gold(attack, host))
  return programs.judge(problem, f'<think>\n</think>\n```python\n{attack.program}\n```')


def main(_: list[str]) -> None:
  """Runs all attacks and prints what happened."""
  if _BACKEND.value:
    os.environ[sandbox.VARIABLE] = _BACKEND.value
  print(f'sandbox: {sandbox.default_backend()}')
  host, begin, number, lost = Host(), time.monotonic(), 0, 0
  for number, attack in enumerate(attacks(), start=1):
    start = time.monotonic()
    verdict, harm = run(attack, host), host.harm()
    seconds = time.monotonic() - start
    lost += any(verdict.passed) or bool(harm)
    earned = f'{sum(verdict.passed)}/{len(verdict.passed)}'
    row = f'{number:3} {attack.target:8} {attack.name:58.58} {earned:>5} {verdict.reason:8}'
    print(f'{row} {seconds:5.2f} s {"HARM: " + "; ".join(harm) if harm else ""}', flush=True)
  host.close()
  print(f'{number} attacks in {time.monotonic() - begin:.0f} s; {lost} succeeded')


if __name__ == '__main__':
  app.run(main)
