"""What a sandbox is, with each backend; what it withstands is in test_sandbox_attacks.py."""

import concurrent.futures
import dataclasses
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import pytest

from r1jax.rewards import sandbox
from r1jax.rewards.execution import surroundings

PYTHON = surroundings.PYTHON
SMALL = sandbox.Limits(cpu_seconds=1, wall_seconds=20, memory_bytes=128 << 20)
ISOLATED = ('bubblewrap', 'namespaces')
ROOT = Path(__file__).parents[2]
SOURCES = (
  'r1jax/rewards/sandbox.py',
  *(
    f'r1jax/rewards/execution/{name}.py'
    for name in ('jail', 'surroundings', 'syscall_filter', 'warden')
  ),
)


def need(backend):
  if backend == 'bubblewrap' and not shutil.which('bwrap'):
    pytest.skip('bubblewrap is not installed')
  try:
    sandbox.run(['/bin/true'], backend=backend)
  except sandbox.UnavailableError as error:
    pytest.skip(f'this machine allows no {backend}: {error}')


@pytest.fixture(scope='module', params=ISOLATED)
def backend(request):
  need(request.param)
  return request.param


@pytest.fixture(scope='module', params=sandbox.BACKENDS)
def any_backend(request):
  need(request.param)
  return request.param


def run(program, backend, limits=SMALL, **arguments):
  files = {'main.py': textwrap.dedent(program).encode()}
  return sandbox.run([PYTHON, 'main.py'], files=files, limits=limits, backend=backend, **arguments)


def test_a_program_reads_and_writes(any_backend):
  result = run(
    'import sys\nprint(input()[::-1])\nprint(2, file=sys.stderr)',
    any_backend,
    stdin=b'\xc3\xa4b\nc',
  )
  assert (result.reason, result.status) == ('ok', 0)
  assert (result.stdout, result.stderr) == ('bä\n'.encode(), b'2\n')
  assert 0 < result.seconds < 1


def test_input_may_be_large_and_is_at_its_end_then(any_backend):
  result = run(
    'import sys; print(len(sys.stdin.buffer.read()))', any_backend, stdin=b'x' * 10_000_000
  )
  assert result.stdout == b'10000000\n'
  assert run('print(len(input()))', any_backend).stderr.endswith(
    b'EOFError: EOF when reading a line\n'
  )


def test_input_may_be_an_open_file(any_backend, tmp_path):
  (tmp_path / 'x').write_text('from a file')
  with (tmp_path / 'x').open() as file:
    assert run('print(input())', any_backend, stdin=file.fileno()).stdout == b'from a file\n'


@pytest.mark.parametrize(
  ('ending', 'status'),
  [('raise SystemExit(3)', 3), ('1 / 0', 1), ('import os; os.kill(os.getpid(), 15)', -15)],
)
def test_a_program_that_ends_badly(ending, status, any_backend):
  result = run(f'print(1, flush=True)\n{ending}', any_backend)
  assert (result.reason, result.status, result.stdout) == ('died', status, b'1\n')


def test_a_program_that_is_not_there(any_backend):
  result = sandbox.run(['/usr/bin/nothing'], backend=any_backend)
  assert (result.reason, result.status) == ('died', 127)
  assert b'FileNotFoundError' in result.stderr


def test_files_are_in_its_folder_and_can_be_run(any_backend):
  files = {'a/b': b'#!/bin/sh\necho $1; cat c', 'c': b'\0\xff'}
  result = sandbox.run(['./a/b', 'x'], files=files, backend=any_backend)
  assert result.stdout == b'x\n\0\xff'


def test_compiled_code_runs_in_the_interpreter_that_is_there(any_backend):
  code = compile(
    'import os\nfrom helper import x\nprint(x, os.environ["HOME"], {"a", "b"}, flush=True)',
    'c',
    'exec',
  )
  results = [
    sandbox.run(code, files={'helper.py': b'x = __name__'}, backend=any_backend) for _ in range(2)
  ]
  assert results[0].stdout.startswith(b'helper /tmp {')
  assert results[0].stdout == results[1].stdout
  failing = compile('1 / 0', 'c', 'exec')
  result = sandbox.run(failing, backend=any_backend)
  assert (result.reason, result.stderr) == ('died', b'ZeroDivisionError: division by zero\n')


def test_surroundings_are_the_same_every_time_and_none_of_the_callers(any_backend, monkeypatch):
  monkeypatch.setenv('SECRET', 'x')
  program = """
    import os, sys
    print(dict(os.environ), {str(i) for i in range(9)}, sys.argv, os.listdir('.'), os.isatty(0))
  """
  first, second = run(program, any_backend), run(program, any_backend)
  assert first.stdout == second.stdout
  assert first.reason == 'ok'
  assert str(surroundings.ENVIRONMENT).encode() in first.stdout
  assert b'SECRET' not in first.stdout
  assert b"['main.py']" in first.stdout


def test_namespaces_are_its_own(backend):
  program = """
    import os, socket
    print(*(os.readlink(f'/proc/self/ns/{name}') for name in
            ('user', 'pid', 'net', 'mnt', 'ipc', 'uts', 'cgroup')))
    print(os.getuid(), os.getgid(), os.getgroups(), socket.gethostname(), os.getppid())
  """
  inside, who = run(program, backend).stdout.decode().splitlines()
  names = ('user', 'pid', 'net', 'mnt', 'ipc', 'uts', 'cgroup')
  outside = {os.readlink(f'/proc/self/ns/{name}') for name in names}
  assert len(set(inside.split()) - outside) == 7
  assert who.split()[:2] == ['65534', '65534']
  assert who.endswith(' sandbox 1')


def test_the_root_holds_what_programs_need_and_cannot_be_written(backend):
  program = """
    import os
    print(*sorted(os.listdir('/')))
    print(*sorted(os.listdir('/dev')))
    print(*sorted(os.listdir('/etc')))
    for line in open('/proc/self/mountinfo'):
      fields = line.split()
      options = fields[5].split(',')
      print('MOUNT', fields[4], *options)
  """
  lines = run(program, backend).stdout.decode().splitlines()
  root = {'bin', 'dev', 'etc', 'lib', 'lib32', 'lib64', 'libx32', 'proc', 'sbin', 'tmp', 'usr'}
  root.add(Path(PYTHON).parts[1])
  assert set(lines[0].split()) <= root
  devices = {'null', 'zero', 'full', 'random', 'urandom'}
  assert set(lines[1].split()) == devices | {'fd', 'stdin', 'stdout', 'stderr'}
  assert set(lines[2].split()) <= {'passwd', 'group', 'ld.so.cache', 'alternatives'}
  mounts = [line.split()[1:] for line in lines if line.startswith('MOUNT')]
  writable = {place for place, *options in mounts if 'ro' not in options}
  assert {place for place in writable if not place.startswith('/dev/')} <= {'/tmp', '/proc'}
  assert all('nosuid' in options for _, *options in mounts)


def test_the_processor_time_of_all_processes_is_limited(any_backend):
  limits = dataclasses.replace(SMALL, cpu_seconds=0.5)
  spinning = run('while True: pass', any_backend, limits)
  assert (spinning.reason, spinning.status) == ('timeout', None)
  assert 0.5 < spinning.seconds < 1
  together = run('import os\nfor _ in range(3): os.fork()\nwhile True: pass', any_backend, limits)
  assert together.reason == 'timeout'


def test_time_that_was_used_up_counts_even_if_the_program_has_ended(any_backend):
  limits = dataclasses.replace(SMALL, cpu_seconds=0.1)
  program = """
    import os, time
    while time.process_time() < 0.12: pass
  """
  assert run(program, any_backend, limits).reason == 'timeout'


def test_time_is_limited(any_backend):
  limits = dataclasses.replace(SMALL, wall_seconds=1)
  start = time.monotonic()
  result = run('import time; print(1, flush=True); time.sleep(60)', any_backend, limits)
  assert (result.reason, result.status, result.stdout) == ('timeout', None, b'1\n')
  assert 1 <= time.monotonic() - start < 15


def test_the_time_that_a_program_gets_follows_from_its_processor_time():
  assert sandbox.Limits(cpu_seconds=3).deadline_seconds == 17
  assert sandbox.Limits(cpu_seconds=3, wall_seconds=4).deadline_seconds == 4


def test_the_memory_of_one_process_is_limited(any_backend):
  result = run('x = bytearray(129 << 20)', any_backend)
  assert (result.reason, result.status) == ('died', 1)
  assert result.stderr.endswith(b'MemoryError\n')
  assert run('x = bytearray(64 << 20)', any_backend).reason == 'ok'


def test_the_memory_of_all_processes_is_limited(any_backend):
  program = """
    import os, time
    for _ in range(3):
      if not os.fork():
        x = b'x' * (50 << 20)
        time.sleep(10)
        os._exit(0)
    os.wait()
  """
  assert run(program, any_backend).reason == 'memory'
  enough = dataclasses.replace(SMALL, memory_bytes=512 << 20)
  assert run(program.replace('sleep(10)', 'sleep(0.1)'), any_backend, enough).reason == 'ok'


@pytest.mark.parametrize('number', [1, 5])
def test_the_number_of_processes_is_limited(number, backend):
  program = """
    import os, time
    count = 1
    try:
      while True:
        if not os.fork():
          time.sleep(60)
        count += 1
    except OSError:
      print(count)
  """
  limits = dataclasses.replace(SMALL, num_processes=number)
  assert run(program, backend, limits).stdout == f'{number}\n'.encode()


def test_output_is_cut_at_the_limit(any_backend):
  limits = dataclasses.replace(SMALL, output_bytes=1000)
  result = run('import os; os.write(1, b"x" * 1000)', any_backend, limits)
  assert (result.reason, result.stdout) == ('ok', b'x' * 1000)
  result = run('import os; os.write(2, b"y"); os.write(1, b"x" * 1000)', any_backend, limits)
  assert (result.reason, result.status) == ('output', None)
  assert (result.stdout, result.stderr) == (b'x' * 1000, b'')
  result = run('while True: print("x" * 999)', any_backend, limits)
  assert result.reason == 'output'
  assert len(result.stdout) == 1000


def test_the_disk_is_limited(backend):
  program = 'open("x", "wb").write(b"x" * {0}); print(1)'
  limits = dataclasses.replace(SMALL, disk_bytes=4 << 20)
  assert run(program.format(3 << 20), backend, limits).stdout == b'1\n'
  assert run(program.format(5 << 20), backend, limits).reason == 'died'
  two = 'for name in "ab": open(name, "wb").write(b"x" * (3 << 20))'
  assert run(two, backend, limits).reason == 'died'


def test_the_number_of_files_is_limited(backend):
  program = 'import time\nfor i in range(200): open(str(i), "w").close()\ntime.sleep(0.2)'
  assert run(program, backend).reason == 'ok'
  limits = dataclasses.replace(SMALL, num_files=100)
  assert run(program, backend, limits).reason in ('files', 'died')


@pytest.mark.parametrize('mode', [0, 0o400])
def test_a_program_may_close_its_folder(mode, any_backend):
  program = f'import os, time\nos.chmod(".", {mode})\ntime.sleep(0.2)\nprint(1)'
  result = run(program, any_backend)
  assert (result.reason, result.stdout) == ('ok', b'1\n')


def test_the_files_of_a_closed_folder_count(backend):
  program = """
    import os, time
    for i in range(90): open(str(i), "w").close()
    os.chmod(".", 0)
    time.sleep({})
  """
  assert run(program.format(0.1), backend).reason == 'ok'
  if backend == 'bubblewrap':  # With namespaces of our own, the file system has no more.
    limits = dataclasses.replace(SMALL, num_files=80)
    assert run(program.format(10), backend, limits).reason == 'files'


def test_the_stack_may_be_raised_within_the_memory(any_backend):
  program = """
    import resource
    print(resource.getrlimit(resource.RLIMIT_STACK)[0])
    resource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY,) * 2)
  """
  limits = dataclasses.replace(SMALL, stack_bytes=5 << 20)
  if resource.getrlimit(resource.RLIMIT_STACK)[1] != resource.RLIM_INFINITY:
    pytest.skip('the stack is limited here, for all processes')
  result = run(program, any_backend, limits)
  assert (result.reason, result.stdout) == ('ok', f'{5 << 20}\n'.encode())


def test_a_program_can_be_ended(any_backend):
  with sandbox.start(['/bin/sleep', '60'], backend=any_backend) as process:
    time.sleep(0.2)
    process.stop()
    process.stop()
    assert process.wait().reason == 'stopped'
  start = time.monotonic()
  with sandbox.start(['/bin/sleep', '60'], backend=any_backend) as process:
    pass
  assert time.monotonic() - start < 15
  assert process.wait() == process.wait()


def test_output_that_is_not_kept(any_backend):
  code = compile('import os\nfor _ in range(100): os.write(1, b"x" * 100_000)', 'x', 'exec')
  with sandbox.start(code, backend=any_backend) as process:
    result = process.wait()
  assert (result.reason, result.stdout, result.stderr) == ('ok', b'', b'')


def children():
  return Path(f'/proc/self/task/{os.getpid()}/children').read_text().split()


def test_many_hostile_programs_at_once_leave_nothing(backend):
  programs = [
    'import os\nos.fork()\nos.setsid()\nos.fork()\nwhile True: pass',
    'import os\nwhile True: os.fork()',
    'while True: print("x" * 10_000)',
    'import os\nos.kill(-1, 9); os.kill(0, 9)',
    'x = b"x"\nwhile True: x += x',
  ]
  limits = dataclasses.replace(SMALL, cpu_seconds=0.2)
  run('', backend, limits)
  before = (len(os.listdir('/proc/self/fd')), threading.active_count(), children())
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    results = [*pool.map(lambda program: run(program, backend, limits), programs * 8)]
  assert all(result.reason != 'ok' for result in results)
  after = (len(os.listdir('/proc/self/fd')), threading.active_count(), children())
  assert after == before


def test_nothing_is_left_if_the_caller_is_killed(backend):
  program = """
    import sys
    from r1jax.rewards import sandbox
    code = "import os, time\\nos.fork() or os.setsid()\\nos.fork()\\ntime.sleep(600)"
    with sandbox.start(sys.argv[2:] + [code], backend=sys.argv[1]) as process:
      print(process._launcher.pid, flush=True)
      process.wait()
  """
  line = [sys.executable, '-c', textwrap.dedent(program), backend, PYTHON, '-c']
  caller = subprocess.Popen(line, stdout=subprocess.PIPE)
  launcher = int(caller.stdout.readline())
  time.sleep(0.5)
  family = descendants(launcher)
  assert len(family) >= 5  # The warden and four of the program's own, at least.
  caller.send_signal(signal.SIGKILL)
  caller.wait()
  caller.stdout.close()
  deadline = time.monotonic() + 20
  while any(map(alive, family)) and time.monotonic() < deadline:
    time.sleep(0.02)
  assert not [process for process in family if alive(process)]


def descendants(process):
  """Returns a process and all that it has started, from a snapshot of all parents."""
  parent_of = {}
  for name in filter(str.isdigit, os.listdir('/proc')):
    try:
      fields = Path(f'/proc/{name}/stat').read_text().rpartition(') ')[2].split()
    except OSError:
      continue
    parent_of[int(name)] = int(fields[1])
  family, size = {process}, 0
  while size < len(family):
    size = len(family)
    family |= {child for child, parent in parent_of.items() if parent in family}
  return family


def alive(process):
  try:
    state = Path(f'/proc/{process}/stat').read_text().rpartition(') ')[2].split()[0]
  except OSError:
    return False
  return state not in 'ZX'


def test_what_compiled_code_prints_is_kept(backend):
  code = compile('print(input() * 2)', 'code', 'exec')
  assert sandbox.run(code, stdin=b'ab\n', backend=backend).stdout == b'abab\n'


def test_nobody_can_use_it_too(backend):
  """As a user without any rights, where the tests run as root."""
  if os.geteuid() != 0 or not shutil.which('setpriv'):
    pytest.skip('needs root, and setpriv to become nobody')
  python = next(
    filter(None, map(shutil.which, ('/usr/bin/python3', '/usr/local/bin/python3'))), None
  )
  if (
    python is None
    or subprocess.run([python, '-c', 'import sys; sys.exit(sys.version_info < (3, 11))']).returncode
  ):
    pytest.skip('needs a Python 3.11 that everyone may run')
  with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    folder.chmod(0o755)
    (folder / 'r1jax' / 'rewards' / 'execution').mkdir(parents=True)
    for source in SOURCES:
      shutil.copy(ROOT / source, folder / source)
    ended = as_nobody(python, backend, folder)
  assert "reason='ok', status=0, stdout=b'42\\n'" in ended.stdout, ended
  assert "reason='timeout'" in ended.stdout, ended


def as_nobody(python, backend, folder):
  program = f"""
    from r1jax.rewards import sandbox
    from r1jax.rewards.execution import surroundings
    print(sandbox.run([surroundings.PYTHON, '-c', 'print(6 * 7)'], backend={backend!r}))
    limits = sandbox.Limits(num_processes=5, cpu_seconds=0.5)
    code = 'import os\\nwhile True:\\n  try: os.fork()\\n  except OSError: pass'
    print(sandbox.run([surroundings.PYTHON, '-c', code], limits=limits, backend={backend!r}))
  """
  line = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', python, '-c']
  return subprocess.run(
    [*line, textwrap.dedent(program)], cwd=folder, capture_output=True, text=True
  )


def test_an_unknown_setting_is_an_error(monkeypatch):
  monkeypatch.setenv(sandbox.VARIABLE, 'docker')
  sandbox.default_backend.cache_clear()
  with pytest.raises(ValueError, match="R1JAX_SANDBOX is 'docker'; it must be one of bubblewrap, "):
    sandbox.default_backend()
  sandbox.default_backend.cache_clear()


def test_where_no_backend_works_it_says_what_to_install(monkeypatch):
  monkeypatch.setattr(shutil, 'which', lambda name: None)
  broken = surroundings.specification() | {'binds': [['/nowhere', '/nowhere']]}
  monkeypatch.setattr(surroundings, 'specification', lambda: broken)
  monkeypatch.delenv(sandbox.VARIABLE, raising=False)
  sandbox.default_backend.cache_clear()
  with pytest.raises(sandbox.UnavailableError) as caught:
    sandbox.default_backend()
  sandbox.default_backend.cache_clear()
  for part in ('bubblewrap: not installed', 'namespaces: ', '/nowhere', 'apt install bubblewrap'):
    assert part in str(caught.value)
  for part in ('max_user_namespaces', 'seccomp=unconfined', 'R1JAX_SANDBOX=none'):
    assert part in str(caught.value)


def test_a_sandbox_that_cannot_be_made_is_no_result(backend, monkeypatch):
  broken = surroundings.specification() | {'binds': [['/nowhere', '/nowhere']]}
  monkeypatch.setattr(surroundings, 'specification', lambda: broken)
  with pytest.raises(sandbox.UnavailableError, match=r'could not be made: .*/nowhere'):
    sandbox.run(['/bin/true'], backend=backend)


def test_to_run_without_a_sandbox_is_a_warning(monkeypatch, capfd):
  sandbox._warn.cache_clear()
  for _ in range(2):
    sandbox.run(['/bin/true'], backend='none')
  warning = capfd.readouterr().err
  assert warning.count('WITHOUT A SANDBOX') == 1
  assert 'R1JAX_SANDBOX=none' in warning


def test_the_setting_is_obeyed(monkeypatch):
  monkeypatch.setenv(sandbox.VARIABLE, 'none')
  sandbox.default_backend.cache_clear()
  assert sandbox.default_backend() == 'none'
  sandbox.default_backend.cache_clear()
