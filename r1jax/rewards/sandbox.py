"""Runs programs that nobody trusts: each in a sandbox of its own, which ends with it.

What it protects against. A program cannot read the user's files, environment or secrets, nor the
memory and files of any other process or program; it cannot write anything that outlives it, reach a
network or another process, gain privileges, nor use more than its `Limits`, alone or with all that
it starts. Whatever it does, no process of it is left when `run` returns, nor when the caller dies.

How. Bubblewrap where it is installed, else Linux namespaces directly. Both give the program user,
process, network, mount, IPC, UTS and cgroup namespaces of its own; a read-only root with /usr, its
links (/bin, /lib), the interpreter with its standard library (no site-packages) and five devices; a
/tmp in memory, of limited size, where it runs; a /proc of its own processes; and a fixed
environment. It is nobody, has no capability, cannot gain any, and may not make the system calls of
`syscall_filter`. Limits of a process are the kernel's; those of all its processes together are
enforced by the `warden` within, every 20 ms.

What it does not protect against: faults of the kernel, since there is no virtual machine; what can
be told from timing, caches and load; reading /usr, the kernel's version and the CPU's kind. Within
20 ms a program may take more memory than allowed, at most its address space times its processes;
memory that is shared between processes counts for each; what the kernel itself needs for files,
sockets and locks is limited by their number only. Before Linux 5.14 the limit of processes counts
all of the user's. Files passed on (`stdin`) are the caller's to choose.

The environment variable R1JAX_SANDBOX chooses: `bubblewrap`, `namespaces`, or `none`, which runs
programs with all of the caller's rights and protects against nothing but accidents.
"""

import contextlib
import dataclasses
import fcntl
import functools
import marshal
import math
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from r1jax.rewards.execution import surroundings

BACKENDS = ('bubblewrap', 'namespaces', 'none')
VARIABLE = 'R1JAX_SANDBOX'
# Seconds that starting and ending a sandbox may take beyond the program's own.
_GRACE_SECONDS = 60.0
# Seconds between two looks at the clock, and what is read at a time, in bytes.
_PATIENCE_SECONDS, _CHUNK = 5.0, 1 << 16
# Reads the specification, which holds the code of `jail`, and runs that.
_BOOT = (
  'import marshal,os,sys;f=int(sys.argv[1]);'
  's=marshal.loads(os.pread(f,os.fstat(f).st_size,0));s["stage"]=sys.argv[2];'
  'n={};exec(s["jail"],n);n["main"](s)'
)


class UnavailableError(RuntimeError):
  """No sandbox can be made on this machine; says what to install or to enable."""


@dataclasses.dataclass(frozen=True)
class Limits:
  """What a program may use, with all the processes it starts.

  Attributes:
    cpu_seconds: of processor time; tight, since it hardly depends on the machine's load.
    wall_seconds: of time; loose, so that load does not change verdicts. None: four times
      `cpu_seconds` and 5 more.
    memory_bytes: resident in all processes together; also each one's address space.
    disk_bytes: that /tmp holds.
    output_bytes: of stdout and stderr together.
    num_processes: at a time, threads included.
    num_files: in /tmp.
    num_open_files: by one process.
    stack_bytes: of the first thread; within its memory, a program may ask for more.
  """

  cpu_seconds: float = 10.0
  wall_seconds: float | None = None
  memory_bytes: int = 512 << 20
  disk_bytes: int = 64 << 20
  output_bytes: int = 4 << 20
  num_processes: int = 16
  num_files: int = 1000
  num_open_files: int = 64
  stack_bytes: int = 16 << 20

  @property
  def deadline_seconds(self) -> float:
    """Seconds after which the program is ended."""
    return 4 * self.cpu_seconds + 5 if self.wall_seconds is None else self.wall_seconds


@dataclasses.dataclass(frozen=True)
class Result:
  """How a program ended.

  Attributes:
    reason: 'ok' (it ended by itself, with exit status 0), 'died' (by itself, otherwise), or what
      it had too much of: 'timeout', 'memory', 'output', 'files'; 'stopped' if the caller ended it.
    status: exit status, negative the number of a signal; None if it was ended.
    stdout: what it wrote, cut at the limit.
    stderr: alike.
    seconds: of processor time that it took.
  """

  reason: str
  status: int | None
  stdout: bytes
  stderr: bytes
  seconds: float


def run(
  command: Sequence[str] | types.CodeType,
  *,
  stdin: bytes | int = b'',
  files: Mapping[str, bytes] | None = None,
  limits: Limits = Limits(),
  backend: str | None = None,
) -> Result:
  """Runs a program in a sandbox of its own, to its end.

  Any number of threads may do so at once; each blocks on pipes only.

  Args:
    command: path of the program within the sandbox, such as `surroundings.PYTHON`, and its
      arguments. It runs in a folder of its own. Or Python code, compiled: it starts in half the
      time, in the interpreter that is there already, which has not loaded `site`.
    stdin: what it reads, or the descriptor of an open file, whose end it gets.
    files: names and contents of files in its folder; all are executable.
    limits: what it may use.
    backend: one of BACKENDS; None for the one that `default_backend` finds.

  Raises:
    UnavailableError: there is no sandbox to run it in.
  """
  started = start(command, stdin=stdin, files=files, limits=limits, backend=backend, capture=True)
  with started as process:
    return process.wait()


@contextlib.contextmanager
def start(
  command: Sequence[str] | types.CodeType,
  *,
  stdin: bytes | int = b'',
  files: Mapping[str, bytes] | None = None,
  limits: Limits = Limits(),
  backend: str | None = None,
  capture: bool = False,
) -> Iterator['Process']:
  """Starts a program as `run` does; when the context ends, it is ended.

  Args:
    command: as for `run`, and so what follows.
    stdin: what it reads, or a descriptor.
    files: in its folder.
    limits: what it may use.
    backend: one of BACKENDS.
    capture: whether its output is kept; else it is thrown away.
  """
  if backend is not None and backend not in BACKENDS:
    raise ValueError(f'backend is {backend!r}, allowed are {", ".join(map(repr, BACKENDS))}')
  specification = {
    'backend': backend or default_backend(),
    'command': command if isinstance(command, types.CodeType) else list(command),
    'files': dict(files or {}),
  }
  with contextlib.ExitStack() as stack:
    if specification['backend'] == 'none':
      _warn()
      folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='r1jax_'))
      specification['folder'] = folder
    if isinstance(stdin, bytes):
      stdin = _sealed(stdin)
      stack.callback(os.close, stdin)
    process = Process(specification, stdin, limits, capture)
    try:
      yield process
    finally:
      process.stop()


class Process:
  """A program in its sandbox; made by `start`."""

  def __init__(self, specification: dict[str, Any], stdin: int, limits: Limits, capture: bool):
    self._limits = limits
    self._deadline = time.monotonic() + limits.deadline_seconds + _GRACE_SECONDS
    self._ended: tuple[bytes, bytes, bytes, bool] | None = None
    with contextlib.ExitStack() as inside, contextlib.ExitStack() as outside:
      report, report_inside = _pipe(outside, inside)
      leash_inside, self._leash = _pipe(inside, outside)
      memory = os.memfd_create('specification')
      inside.callback(os.close, memory)
      line = [surroundings.PYTHON, '-P', '-s', '-S', '-c', _BOOT, str(memory)]
      own: dict[str, Any] = {'report': report_inside, 'leash': leash_inside, 'memory': memory}
      own |= {'caller': os.getpid(), 'supervise': [*line, 'supervise']}
      os.write(
        memory,
        marshal.dumps(
          surroundings.specification()
          | _limited(limits, specification['backend'])
          | specification
          | own
        ),
      )
      output = subprocess.PIPE if capture else subprocess.DEVNULL
      self._launcher = subprocess.Popen(
        [*line, 'launch'],
        stdin=stdin,
        stdout=output,
        stderr=output,
        env={'PYTHONHASHSEED': '0'},  # Should it run Python code itself.
        cwd='/',
        pass_fds=(report_inside, leash_inside, memory),
        start_new_session=True,  # Ctrl-C is for the caller.
      )
      outside.pop_all()
    self._report = os.fdopen(report, 'rb', buffering=0)

  def wait(self) -> Result:
    """Returns how the program ended, once it has.

    Raises:
      UnavailableError: it could not be started.
    """
    if self._ended is None:
      self._ended = self._read_to_the_end()
    return self._judge(*self._ended)

  def stop(self) -> None:
    """Ends the program if it has not ended."""
    self._let_go()
    if self._ended is None:
      self._ended = self._read_to_the_end()

  def _let_go(self) -> None:
    """Makes the supervisor end the program."""
    if self._leash >= 0:
      os.close(self._leash)
      self._leash = -1

  def _read_to_the_end(self) -> tuple[bytes, bytes, bytes, bool]:
    """Returns report, stdout and stderr once nobody is left who could write, and if cut."""
    texts: dict[Any, bytearray] = {self._report: bytearray()}
    texts |= {s: bytearray() for s in (self._launcher.stdout, self._launcher.stderr) if s}
    flooded = False
    with selectors.DefaultSelector() as selector:
      for stream in texts:
        selector.register(stream, selectors.EVENT_READ)
      while selector.get_map():
        self._check_deadline()
        for key, _ in selector.select(_PATIENCE_SECONDS):
          read = os.read(key.fd, _CHUNK)
          if not read:
            selector.unregister(key.fileobj)
          elif not flooded or key.fileobj is self._report:
            texts[key.fileobj] += read
        if not flooded and sum(map(len, texts.values())) > self._limits.output_bytes + _CHUNK:
          flooded = True
          self._let_go()
    self._launcher.wait()
    self._let_go()
    for stream in texts:
      stream.close()
    report, *output = map(bytes, texts.values())
    stdout, stderr = output or (b'', b'')
    return report, stdout, stderr, flooded

  def _check_deadline(self) -> None:
    """Kills the launcher if its supervisor has not ended the program in time, for any reason."""
    late = time.monotonic() - self._deadline
    if late > _GRACE_SECONDS:
      raise RuntimeError(f'process {self._launcher.pid} was killed, but does not end')
    if late > 0:
      self._launcher.kill()  # The kernel kills the supervisor then, and that ends the rest.

  def _judge(self, report: bytes, stdout: bytes, stderr: bytes, flooded: bool) -> Result:
    """Returns the result that the supervisor's report, and the output, tell of."""
    state, _, report = report.partition(b'\n')
    if state != b'started':
      fault = (report or stderr).decode(errors='replace').strip()
      raise UnavailableError(f'the sandbox could not be made: {fault or "its launcher was killed"}')
    if report.startswith(b'error'):
      raise RuntimeError(f'the warden failed: {report.decode(errors="replace")}')
    reason, status, seconds = marshal.loads(report) if report else ('died', None, 0.0)
    limit = self._limits.output_bytes
    if flooded or len(stdout) + len(stderr) > limit:
      reason, status = 'output', None
    stdout = stdout[:limit]
    return Result(reason, status, stdout, stderr[: limit - len(stdout)], seconds)


@functools.cache
def default_backend() -> str:
  """Returns the backend that R1JAX_SANDBOX names, or else the first that works here.

  Raises:
    ValueError: the variable names none.
    UnavailableError: none works; says why, and what to install or to enable.
  """
  chosen = os.environ.get(VARIABLE)
  if chosen and chosen not in BACKENDS:
    raise ValueError(f'{VARIABLE} is {chosen!r}; it must be one of {", ".join(BACKENDS)}, or unset')
  faults = []
  for backend in [chosen] if chosen else BACKENDS[:2]:
    fault = _fault(backend)
    if fault is None:
      return backend
    faults.append(f'{backend}: {fault}')
  raise UnavailableError(
    f'programs cannot be run safely here ({"; ".join(faults)}). Install bubblewrap (Debian, '
    'Ubuntu: apt install bubblewrap) and allow user namespaces: sysctl '
    'user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1 '
    'kernel.apparmor_restrict_unprivileged_userns=0 (those that exist); in Docker, '
    '--security-opt seccomp=unconfined --security-opt systempaths=unconfined. '
    f'If every program can be trusted, {VARIABLE}=none runs them without any protection.'
  )


def _fault(backend: str) -> str | None:
  """Returns why a backend does not work here, or None if it does."""
  if not sys.platform.startswith('linux'):
    return 'it needs Linux'
  if backend == 'bubblewrap' and not shutil.which('bwrap'):
    return 'not installed'
  try:
    result = run([surroundings.PYTHON, '-S', '-c', ''], backend=backend)
  except UnavailableError as error:
    return str(error)
  return None if result.reason == 'ok' else f'a trial ended with {result}'


@functools.cache
def _warn() -> None:
  print(
    f'WARNING: programs run WITHOUT A SANDBOX ({VARIABLE}=none). What a model writes can read, '
    'change and delete all that you can, and send it anywhere. Unset the variable unless every '
    'program can be trusted.',
    file=sys.stderr,
    flush=True,
  )


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
  """Returns the ends of a pipe, each closed with its stack."""
  ends = os.pipe()
  for stack, end in zip((reader, writer), ends):
    stack.callback(os.close, end)
  return ends


def _sealed(content: bytes) -> int:
  """Returns the descriptor of a file in memory that nobody can write to."""
  fd = os.memfd_create('stdin', os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
  with os.fdopen(os.dup(fd), 'wb') as file:
    file.write(content)
  os.lseek(fd, 0, os.SEEK_SET)
  seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
  fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
  return fd


def _limited(limits: Limits, backend: str) -> dict[str, Any]:
  """Returns the limits as the supervisor and, of one process, the kernel take them."""
  # The warden counts as a process, and where namespaces are made directly, who made them.
  kernel = {
    'RLIMIT_AS': limits.memory_bytes,
    'RLIMIT_CORE': 1,  # At 0 a handler on the host, if there is one, would still be called.
    'RLIMIT_CPU': math.ceil(limits.cpu_seconds) + 1,
    'RLIMIT_FSIZE': limits.disk_bytes,
    'RLIMIT_MEMLOCK': 0,
    'RLIMIT_MSGQUEUE': 0,
    'RLIMIT_NOFILE': limits.num_open_files,
    'RLIMIT_NPROC': limits.num_processes + (2 if backend == 'namespaces' else 1),
    'RLIMIT_SIGPENDING': 256,
    'RLIMIT_STACK': limits.stack_bytes,
  }
  return {
    'cpu_seconds': limits.cpu_seconds,
    'disk_bytes': limits.disk_bytes,
    'memory_bytes': limits.memory_bytes,
    'num_files': limits.num_files,
    'rlimits': kernel,
    'wall_seconds': limits.deadline_seconds,
  }
