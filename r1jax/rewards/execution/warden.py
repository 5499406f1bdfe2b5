"""Watches a program from within its sandbox, as the first process there.

Never imported: `jail` runs it once the sandbox is made. It gives up all privileges, starts the
program, ends it when it has too much of anything, and reports. When the warden ends, the kernel
kills every process that is left in the sandbox. The program is the same user, but cannot signal,
trace or read the warden.

Only modules that load in a millisecond are imported, and `spec`, the specification, is a dict.
"""

import ctypes
import marshal
import os
import resource
import select
import sys
import time

# Seconds between two looks at what the program uses.
_TICK = 0.02
# Of <linux/prctl.h>, <linux/seccomp.h> and <linux/capability.h>.
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 4, 22, 24, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION, _NUM_CAPABILITIES = 0x20080522, 64
_SIGINT, _SIGKILL, _SIGPIPE, _SIGXCPU, _SIGXFSZ = 2, 9, 13, 24, 25
_DEFAULT, _IGNORE = 0, 1
# Fields of /proc/<number>/stat, from the state on: proc(5) counts from 1, and the state is its 3rd.
_SESSION, _OWN_TICKS, _CHILDREN_TICKS = 3, slice(11, 13), slice(13, 15)
_START, _RESIDENT_PAGES = 19, 21


class _Filter(ctypes.Structure):
  """struct sock_fprog of <linux/filter.h>."""

  _fields_ = [('length', ctypes.c_ushort), ('instructions', ctypes.c_char_p)]


def supervise(spec, call):
  """Starts the program, watches it, reports how it ended, and ends all that it started.

  Args:
    spec: the specification.
    call: calls a function of the C library, and raises OSError if it fails.
  """
  for name, content in spec['files'].items():
    os.makedirs(os.path.dirname(name) or '.', exist_ok=True)
    with open(name, 'wb') as file:
      file.write(content)
    os.chmod(name, 0o755)
  if spec['backend'] != 'none':
    _give_up_privileges(spec['filter'], call)
  # The program is the same user and may close its folder to both: what is open already stays so.
  spec['disk'] = os.open('.', os.O_RDONLY)
  # The interpreter handles it, and the first process gets those signals alone that are handled.
  _signal(_SIGINT, _IGNORE)
  os.write(spec['report'], b'started\n')
  start = time.monotonic()
  program = os.fork()
  if not program:
    _become_program(spec)
  seen: dict = {}
  reason, status = _watch(spec, program, start, seen)
  cpu_seconds, _ = _usage(spec, program, seen)
  if status is not None and (cpu_seconds > spec['cpu_seconds'] or status == -_SIGXCPU):
    reason, status = 'timeout', None
  if spec['backend'] == 'none':
    _kill_all(spec, program)
  os.write(spec['report'], marshal.dumps((reason, status, cpu_seconds)))
  os._exit(0)


def _give_up_privileges(system_calls, call):
  """Leaves nothing that could be used to get out, nor a way to get it back."""
  for capability in range(_NUM_CAPABILITIES):
    try:
      call('prctl', _PR_CAPBSET_DROP, capability, 0, 0, 0)
    except OSError:  # One that this kernel does not know, or bubblewrap has taken away.
      break
  header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
  call('capset', header, (ctypes.c_uint32 * 6)())
  # What runs as the same user may not look into this process.
  call('prctl', _PR_SET_DUMPABLE, 0, 0, 0, 0)
  call('prctl', _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
  if system_calls:
    rules = _Filter(len(system_calls) // 8, system_calls)
    call('prctl', _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(rules), 0, 0)


def _become_program(spec):
  """In the child: limits itself and becomes the program; never returns."""
  try:
    os.setsid()  # A signal to its own group must not reach the launcher, which is outside.
    for name, limit in spec['rlimits'].items():
      number = getattr(resource, name)
      hard = resource.getrlimit(number)[1]
      limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
      # Programs may ask for more stack: it is part of the address space, which has its own limit.
      resource.setrlimit(number, (limit, hard if number == resource.RLIMIT_STACK else limit))
    for number in (_SIGINT, _SIGPIPE, _SIGXFSZ):  # They are ignored here; programs may need them.
      _signal(number, _DEFAULT)
    os.closerange(3, 1 << 16)
    if isinstance(spec['command'], list):
      os.execve(spec['command'][0], spec['command'], spec['environment'])
    os.environ.clear()
    os.environ.update(spec['environment'])
    sys.path.insert(0, '')
    exec(spec['command'], {'__name__': '__main__'})
    sys.stdout.flush()  # There is no interpreter's end that would.
    os._exit(0)
  except BaseException as error:
    os.write(2, f'{type(error).__name__}: {error}\n'.encode(errors='replace'))
  finally:
    os._exit(127)


def _signal(number, action):
  ctypes.CDLL(None).signal(number, ctypes.c_void_p(action))


def _watch(spec, program, start, seen):
  """Returns why the program ended, and its exit status (None if it was ended)."""
  poll = select.poll()
  for fd in (spec['leash'], os.pidfd_open(program)):
    poll.register(fd, select.POLLIN)
  while True:
    poll.poll(int(1000 * _TICK))
    status = _reap(program)
    if status is not None:
      return 'died' if status else 'ok', status
    reason = _excess(spec, program, time.monotonic() - start, seen)
    if reason:
      return reason, None


def _reap(program):
  """Clears away what has ended; returns the program's exit status if it was among it."""
  while True:
    process, status = os.waitpid(-1, os.WNOHANG)
    if process == program:
      return os.waitstatus_to_exitcode(status)
    if not process:
      return None


def _excess(spec, program, seconds, seen):
  """Returns what the program has too much of, 'stopped' if the caller let go, or None."""
  if select.select([spec['leash']], [], [], 0)[0]:
    return 'stopped'
  cpu_seconds, memory_bytes = _usage(spec, program, seen)
  if cpu_seconds > spec['cpu_seconds'] or seconds > spec['wall_seconds']:
    return 'timeout'
  if memory_bytes > spec['memory_bytes']:
    return 'memory'
  disk = os.fstatvfs(spec['disk'])
  if spec['backend'] != 'none' and disk.f_files - disk.f_ffree > spec['num_files']:
    return 'files'
  return None


def _usage(spec, program, seen):
  """Returns CPU seconds and resident bytes of all of the program's processes.

  The time of what has ended is told by who waited for it; if nobody did, by `seen`: the ticks that
  each process had when it was last seen.
  """
  ticks, pages = 0, 0
  for process, fields in _processes(spec, program):
    own = sum(map(int, fields[_OWN_TICKS]))
    seen[process, fields[_START]] = own
    ticks += own + sum(map(int, fields[_CHILDREN_TICKS]))
    pages += int(fields[_RESIDENT_PAGES])
  waited = resource.getrusage(resource.RUSAGE_CHILDREN)
  ticks_a_second = os.sysconf('SC_CLK_TCK')
  told = ticks / ticks_a_second + waited.ru_utime + waited.ru_stime
  return max(told, sum(seen.values()) / ticks_a_second), pages * resource.getpagesize()


def _processes(spec, program):
  """Yields number and fields of all of the program's processes.

  Those are all in the sandbox but the warden; without a sandbox, those of the program's session.
  """
  for name in os.listdir('/proc'):
    if not name.isdigit() or int(name) == os.getpid():
      continue
    try:
      with open(f'/proc/{name}/stat', 'rb') as file:
        fields = file.read().rpartition(b') ')[2].split()
    except OSError:  # It has ended.
      continue
    if spec['backend'] != 'none' or int(fields[_SESSION]) == program:
      yield int(name), fields


def _kill_all(spec, program):
  """Without a sandbox: kills what is left of the program, unless it has left its session."""
  for process in {program, *(process for process, _ in _processes(spec, program))}:
    try:  # noqa: SIM105 (contextlib loads slowly)
      os.kill(process, _SIGKILL)
    except ProcessLookupError:
      pass
