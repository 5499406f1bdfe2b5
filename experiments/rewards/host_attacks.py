"""Programs that attack the host; each prints ESCAPED if it succeeds, which would earn the reward.

A program reads `host`, facts that an attacker would have to find out; `sandbox_attacks` has them,
and the limits.
"""

# What every program begins with.
PRELUDE = '''
import ctypes, json, mmap, os, resource, signal, socket, struct, subprocess, sys, threading, time
host = json.loads(sys.stdin.readline())
libc = ctypes.CDLL(None, use_errno=True)

def escaped(*what):
  print('ESCAPED')
  print(*what, file=sys.stderr)
  sys.stdout.flush()
  os._exit(0)

def attempt(attack, *arguments):
  """Escapes if a call raises nothing and returns anything but False, None or -1."""
  try:
    result = attack(*arguments)
  except Exception as error:
    return
  if result is not None and result is not False and result != -1:
    escaped(attack, arguments, result)

def read(path):
  with open(path, 'rb') as file:
    return file.read(100) or False

def write(path):
  with open(path, 'ab') as file:
    return file.write(b'x') and (file.flush() or True)

def processes():
  return [int(name) for name in os.listdir('/proc') if name.isdigit()]
'''

# Name, what must hold beside "no reward, host unharmed", and the program.
USING_UP = [
  (
    'fork bomb',
    'at most 16 processes at a time',
    """
while True:
  try:
    os.fork()
  except OSError:
    if len(processes()) > 20:
      escaped()
""",
  ),
  (
    'fork bomb of shells',
    'at most 16 processes at a time',
    """
subprocess.run(['/bin/sh', '-c', 'f() { f | f & f; }; f'])
if len(processes()) > 20:
  escaped()
""",
  ),
  (
    'fork bomb whose children leave their session and ignore signals',
    'nothing is left of them',
    """
for number in range(1, 64):
  try:
    signal.signal(number, signal.SIG_IGN)
  except (OSError, ValueError):
    pass
while True:
  try:
    os.fork() or os.setsid()
  except OSError:
    pass
""",
  ),
  (
    'thread bomb',
    'at most 16 threads',
    """
threading.stack_size(1 << 16)
for count in range(1000):
  try:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
  except RuntimeError:
    break
  if count > 20:
    escaped()
""",
  ),
  (
    'memory bomb in one process',
    'at most 128 MiB',
    """
data = []
for count in range(1000):
  data.append(bytearray(b'x') * (1 << 20))
  if count > 200:
    escaped()
""",
  ),
  (
    'memory bomb in ten processes',
    'at most 128 MiB together, but for 20 ms',
    """
children = []
for _ in range(10):
  if not os.fork():
    data = bytearray(b'x') * (60 << 20)
    time.sleep(1)
    os._exit(0)
time.sleep(0.9)
if len(processes()) > 8:
  escaped()
""",
  ),
  (
    'shared memory of ten processes',
    'at most 128 MiB together, but for 20 ms',
    """
for _ in range(10):
  if not os.fork():
    data = mmap.mmap(-1, 60 << 20)
    for at in range(0, 60 << 20, 4096):
      data[at] = 1
    time.sleep(1)
    os._exit(0)
time.sleep(0.9)
if len(processes()) > 8:
  escaped()
""",
  ),
  (
    'files in memory that no limit counts',
    'memfd_create is refused',
    """
attempt(os.memfd_create, 'x')
attempt(libc.syscall, 447, 0)
""",
  ),
  (
    'System V shared memory, semaphores and queues',
    'they are refused',
    """
attempt(libc.shmget, 0, 1 << 30, 0o1600)
attempt(libc.semget, 0, 1, 0o1600)
attempt(libc.msgget, 0, 0o1600)
""",
  ),
  (
    'POSIX shared memory and queues',
    'there is no /dev/shm, and mq_open is refused',
    """
from multiprocessing import shared_memory
attempt(shared_memory.SharedMemory, None, True, 1 << 20)
attempt(write, '/dev/shm/x')
attempt(ctypes.CDLL('librt.so.1').mq_open, b'/x', os.O_CREAT | os.O_RDWR, 0o600, None)
""",
  ),
  (
    'disk fill',
    'at most 64 MiB',
    """
written = 0
try:
  for number in range(100):
    with open(f'/tmp/{number}', 'wb') as file:
      written += file.write(b'x' * (4 << 20))
except OSError:
  pass
if written > 70 << 20:
  escaped()
""",
  ),
  (
    'one huge file, sparse or preallocated',
    'a file has at most 64 MiB',
    """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
file = open('/tmp/x', 'wb')
attempt(lambda: os.ftruncate(file.fileno(), 1 << 40) or True)
attempt(lambda: os.posix_fallocate(file.fileno(), 0, 1 << 30) or True)
""",
  ),
  (
    'a hundred thousand files',
    'at most 1,000, but for 20 ms',
    """
for number in range(100_000):
  open(f'/tmp/{number}', 'w').close()
escaped()
""",
  ),
  (
    'open files without end',
    'at most 64',
    """
files = []
for count in range(1000):
  files.append(open('/dev/null'))
  if count > 64:
    escaped()
""",
  ),
  (
    'pipes, filled',
    'their number is limited',
    """
data = 0
try:
  for count in range(1000):
    out, into = os.pipe()
    os.set_blocking(into, False)
    data += os.write(into, b'x' * (1 << 20))
except OSError:
  pass
if data > 40 << 20:
  escaped()
""",
  ),
  (
    'flood of stdout',
    'it is cut, and the program ended',
    """
while True:
  os.write(1, b'x' * 65536)
""",
  ),
  (
    'flood of stderr',
    'it is cut, and the program ended',
    """
while True:
  os.write(2, b'ESCAPED\\n' * 8192)
""",
  ),
  (
    'flood by a child that outlives the program',
    'the child ends with the program',
    """
if not os.fork():
  os.setsid()
  while True:
    os.write(1, b'x')
""",
  ),
  ('sleep', 'the deadline ends it', 'time.sleep(1000)\nescaped()\n'),
  ('endless loop', 'its time ends it', 'while True: pass\n'),
  (
    'endless loops in many processes',
    'the time of all together ends them',
    """
for _ in range(12):
  if not os.fork():
    while True: pass
time.sleep(4.5)
escaped()
""",
  ),
  (
    'works in children that nobody waits for',
    'their time counts',
    """
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(8):
  if not os.fork():
    while time.process_time() < 0.3: pass
    os._exit(0)
  try:
    os.wait()
  except OSError:
    pass
escaped()
""",
  ),
  (
    'endless loop that ignores every signal',
    'its time ends it',
    """
for number in range(1, 64):
  try:
    signal.signal(number, signal.SIG_IGN)
  except (OSError, ValueError):
    pass
while True: pass
""",
  ),
  (
    'waits for a writer that never comes',
    'the deadline ends it',
    "os.mkfifo('/tmp/f')\nopen('/tmp/f').read()\nescaped()\n",
  ),
  (
    'raises its own limits',
    'they are hard',
    """
for name in ('AS', 'CPU', 'FSIZE', 'NOFILE', 'NPROC'):
  limit = getattr(resource, 'RLIMIT_' + name)
  attempt(lambda: resource.setrlimit(limit, (resource.RLIM_INFINITY,) * 2) or True)
""",
  ),
  (
    'lowers its chance to be killed when memory runs out',
    'it may not',
    """
attempt(lambda: open('/proc/self/oom_score_adj', 'w').write('-1000') and False)
with open('/proc/self/oom_score_adj', 'w') as file:
  file.write('0')
if int(open('/proc/self/oom_score_adj').read()) < 0:
  escaped()
""",
  ),
]

SIGNALS = [
  (
    'kills its parent',
    'the warden is the first process, which nobody within can kill',
    """
for number in (9, 15, 19, 2, 11):
  os.kill(os.getppid(), number)
time.sleep(0.1)
for number in (9, 15, 19):
  os.kill(1, number)
""",
  ),
  ('kills everything', 'there is nobody else', 'os.kill(-1, 9)\n'),
  (
    'kills its process group, and that of its parent',
    'the group is its own',
    """
try:
  os.killpg(os.getpgid(os.getppid()), 9)
except OSError:
  pass
os.kill(0, 9)
""",
  ),
  (
    'kills the caller by its number',
    'no process outside has a number within',
    """
attempt(lambda: os.kill(host['pid'], 9) or True)
attempt(lambda: os.kill(host['pid'], 0) or True)
""",
  ),
  (
    'stops the warden by limits and priorities',
    'the limits of others are not its own',
    """
PRLIMIT = {'x86_64': 302, 'aarch64': 261}[os.uname().machine]
for number in (0, 7, 9):
  attempt(lambda: libc.syscall(PRLIMIT, 1, number, struct.pack('QQ', 0, 0), None) == 0)
while True: pass
""",
  ),
  (
    'keeps the warden from running',
    'priorities and processors of others are not its own',
    """
attempt(lambda: os.setpriority(os.PRIO_PROCESS, 1, 19) or True)
attempt(lambda: os.setpriority(os.PRIO_USER, 0, 19) or True)
attempt(lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)) or True)
attempt(lambda: os.sched_setaffinity(1, os.sched_getaffinity(0)) or True)
SETATTR, SET_IO = {'x86_64': (314, 251), 'aarch64': (274, 30)}[os.uname().machine]
idle = struct.pack('IIQiIQQQ', 48, 5, 0, 0, 0, 0, 0, 0)
attempt(lambda: libc.syscall(SETATTR, 1, idle, 0) == 0)
attempt(lambda: libc.syscall(SET_IO, 1, 1, 3 << 13) == 0)
""",
  ),
  (
    'closes its folder to the warden',
    'it is open already',
    """
for mode in (0o700, 0o400, 0):
  os.chmod('/tmp', mode)
  time.sleep(0.1)
""",
  ),
  (
    'traces its parent',
    'ptrace is refused',
    """
PTRACE_ATTACH, PTRACE_SEIZE, PTRACE_TRACEME = 16, 0x4206, 0
for request in (PTRACE_ATTACH, PTRACE_SEIZE):
  attempt(lambda: libc.ptrace(request, os.getppid(), 0, 0) == 0)
attempt(lambda: libc.ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
""",
  ),
  (
    'reads and writes the memory of its parent',
    'process_vm_readv is refused, /proc/1/mem closed',
    """
buffer = ctypes.create_string_buffer(64)
vector = struct.pack('QQ', ctypes.addressof(buffer), 64)
attempt(lambda: libc.process_vm_readv(1, vector, 1, vector, 1, 0) > 0)
attempt(lambda: libc.process_vm_writev(1, vector, 1, vector, 1, 0) > 0)
attempt(lambda: open('/proc/1/mem', 'r+b') and True)
attempt(lambda: open(f'/proc/{os.getppid()}/maps').read(10) or False)
""",
  ),
  (
    'writes its own read-only memory',
    'nothing that anyone else has',
    """
code = ctypes.cast(libc.getpid, ctypes.c_void_p).value
with open('/proc/self/mem', 'r+b', buffering=0) as memory:
  memory.seek(code)
  memory.write(b'\\xcc' * 16)
libc.getpid()
""",
  ),
  (
    'crashes',
    'a crash is a wrong answer',
    'ctypes.string_at(0)\n',
  ),
  (
    'overflows its stack',
    'a crash is a wrong answer',
    """
import faulthandler
faulthandler.enable()
sys.setrecursionlimit(1 << 30)
def deeper(value): return [*map(deeper, [value])]
deeper(0)
""",
  ),
  (
    'leaves a daemon behind',
    'it ends with the program',
    """
if not os.fork():
  os.setsid()
  if not os.fork():
    os.closerange(0, 64)
    while True:
      time.sleep(0.05)
""",
  ),
  (
    'leaves something to be run at exit',
    'it runs within, or not at all',
    """
import atexit
atexit.register(lambda: open(host['canary'], 'w').write('x'))
atexit.register(escaped) if os.path.exists(host['canary']) else None
""",
  ),
]

READING = [
  (
    'reads secrets of the environment',
    'it is a fixed one',
    """
if host['secret'] in repr(os.environ):
  escaped()
for process in processes():
  try:
    environment = open(f'/proc/{process}/environ').read()
  except OSError:
    continue
  if host['secret'] in environment:
    escaped()
""",
  ),
  (
    'reads the home folders',
    'they are not there, save a path to the interpreter',
    """
for folder in ('/home', '/root', host['home']):
  for where, _, files in os.walk(folder):
    if files and not where.startswith(sys.base_prefix):
      escaped(where, files)
""",
  ),
  (
    'reads password hashes and other secrets of the system',
    'they are not there',
    """
for path in ('/etc/shadow', '/etc/gshadow', '/etc/sudoers', '/etc/ssh/ssh_host_rsa_key',
             '/run/secrets', '/var/log/syslog', '/var/lib/dpkg/status', '/boot', '/etc/hostname'):
  attempt(read, path) if not os.path.isdir(path) else escaped(path)
""",
  ),
  (
    'reads the repository, and what runs it',
    'it is not there',
    """
attempt(read, host['repository'] + '/README.md')
attempt(read, host['repository'] + '/r1jax/rewards/programs.py')
attempt(os.listdir, host['repository'])
""",
  ),
  (
    'reads a file that everyone may read',
    'only what is bound is there',
    "attempt(read, host['canary'])\nattempt(os.listdir, host['folder'])\n",
  ),
  (
    'looks in every file for what is expected',
    'it is nowhere',
    """
import stat
word = b'ESC' + b'APED\\n'
for top in ('/tmp', '/etc', '/dev', '/root', '/home', '/var', '/run', '/proc/self', '/proc/1'):
  for where, _, files in os.walk(top):
    for name in files:
      path = os.path.join(where, name)
      try:
        if path.endswith('main.py') or not stat.S_ISREG(os.stat(path).st_mode):
          continue
        if word in open(path, 'rb').read(1 << 20):
          escaped(path)
      except OSError:
        pass
""",
  ),
  (
    'reads the command lines of others',
    'the warden has nothing to tell',
    """
for process in processes():
  if process != os.getpid() and b'ESCAPED' in open(f'/proc/{process}/cmdline', 'rb').read():
    escaped()
for fd in range(3, 64):
  attempt(os.read, fd, 1)
""",
  ),
  (
    'goes through /proc to the root of another process',
    'they are closed',
    """
for name in ('root', 'cwd', 'exe'):
  attempt(os.listdir, f'/proc/1/{name}/')
attempt(os.listdir, '/proc/1/fd')
for fd in range(16):
  attempt(lambda: os.open(f'/proc/1/fd/{fd}', os.O_RDWR) and True)
attempt(read, '/proc/1/environ')
attempt(lambda: len(os.listdir('/proc/1/task/1/fd')) or False)
""",
  ),
  (
    'reads the memory of the machine',
    'it is not there',
    """
for path in ('/proc/kcore', '/dev/mem', '/dev/kmem', '/dev/port', '/dev/kmsg', '/dev/vda',
             '/dev/sda', '/proc/kmsg', '/sys/kernel/debug'):
  attempt(lambda: os.open(path, os.O_RDONLY) and True)
attempt(libc.klogctl, 3, ctypes.create_string_buffer(100), 100)
""",
  ),
  (
    'opens files by handle',
    'it is refused',
    """
handle = ctypes.create_string_buffer(struct.pack('Ii', 8, 1) + struct.pack('II', 2, 0), 136)
attempt(lambda: libc.open_by_handle_at(0, handle, os.O_RDONLY) >= 0)
mount = ctypes.c_int()
attempt(lambda: libc.name_to_handle_at(-100, b'/usr', handle, ctypes.byref(mount), 0) == 0)
""",
  ),
  (
    'imports installed packages',
    'there is the standard library only',
    """
for name in ('numpy', 'jax', 'r1jax', 'pip', 'setuptools'):
  try:
    __import__(name)
  except ImportError:
    continue
  escaped(name)
""",
  ),
  (
    'reads keys of the kernel',
    'it is refused',
    """
KEYCTL, ADD = {'x86_64': (250, 248), 'aarch64': (219, 217)}[os.uname().machine]
for ring in (-1, -2, -3, -4, -5):
  attempt(lambda: libc.syscall(KEYCTL, 0, ring, 1) >= 0)
attempt(lambda: libc.syscall(ADD, b'user', b'x', b'x', 1, -3) >= 0)
""",
  ),
]

NETWORK = [
  (
    'connects by TCP',
    'there is no network',
    """
attempt(socket.create_connection, ('127.0.0.1', host['tcp']), 1)
attempt(socket.create_connection, ('1.1.1.1', 53), 1)
""",
  ),
  (
    'sends by UDP',
    'there is no network',
    """
def send(family, address):
  return socket.socket(family, socket.SOCK_DGRAM).sendto(b'x', (address, host['udp']))
attempt(send, socket.AF_INET, '127.0.0.1')
attempt(send, socket.AF_INET6, '::1')
""",
  ),
  (
    'connects to sockets of the host by path and by abstract name',
    'none is within reach',
    """
for name in (host['unix'], chr(0) + host['abstract'], '/run/dbus/system_bus_socket',
             '/var/run/docker.sock', '/run/systemd/private'):
  def connect():
    socket.socket(socket.AF_UNIX).connect(name)
    return True
  attempt(connect)
""",
  ),
  (
    'asks for a name',
    'there is no network',
    """
attempt(socket.getaddrinfo, 'example.com', 80)
attempt(socket.gethostbyname, 'localhost.localdomain')
""",
  ),
  (
    'opens raw, packet, netlink and virtual machine sockets',
    'they are refused',
    """
for family, kind in ((2, 3), (17, 3), (16, 3), (40, 1), (38, 5), (10, 1), (31, 3), (15, 3)):
  attempt(lambda: socket.socket(family, kind) and True)
""",
  ),
  (
    'listens',
    'there is no network',
    """
def listen():
  server = socket.socket()
  server.bind(('0.0.0.0', 0))
  return server
attempt(listen)
attempt(lambda: len(os.listdir('/sys/class/net')) or False)
""",
  ),
]

WRITING = [
  (
    'writes outside its folder',
    'all else is read-only, or not there',
    """
for path in (host['canary'], host['folder'] + '/new', '/x', '/usr/x', '/etc/passwd', '/var/tmp/x',
             '/root/x', '/dev/x', '/proc/x', sys.base_prefix + '/lib/x', '/run/x', '/home/x'):
  attempt(write, path)
""",
  ),
  (
    'writes through symbolic links',
    'they lead nowhere else',
    """
for number, target in enumerate((host['canary'], '/etc/passwd', '/usr/bin/env', '/', '../../..')):
  os.symlink(target, f'/tmp/l{number}')
  attempt(write, f'/tmp/l{number}')
  attempt(write, f'/tmp/l{number}/x')
attempt(write, '/proc/self/root' + host['canary'])
attempt(write, '/proc/self/cwd/../x')
""",
  ),
  (
    'makes hard links',
    'no file outside can be linked',
    """
for target in ('/etc/passwd', '/usr/bin/env', host['canary'], '/bin/su', '/proc/self/exe'):
  attempt(lambda: os.link(target, '/tmp/h', follow_symlinks=False) or True)
""",
  ),
  (
    'asks the kernel to restart the machine',
    'it may not',
    """
attempt(write, '/proc/sysrq-trigger')
attempt(lambda: libc.reboot(0x4321fedc) == 0)
attempt(lambda: libc.reboot(0x89abcdef) == 0)
""",
  ),
  (
    'changes settings of the kernel',
    'they are not there, or not its to change',
    """
for path in ('/proc/sys/kernel/core_pattern', '/proc/sys/vm/overcommit_memory',
             '/proc/sys/kernel/hostname', '/proc/sys/fs/binfmt_misc/register', '/proc/self/uid_map',
             '/proc/self/setgroups', '/sys/kernel/uevent_helper', '/sys/fs/cgroup/cgroup.procs',
             '/sys/fs/cgroup/memory/tasks', '/sys/power/state', '/proc/acpi/wakeup'):
  attempt(write, path)
""",
  ),
  (
    'makes devices of disks',
    'it may not',
    """
import stat
for major, minor in ((254, 0), (8, 0), (253, 0), (1, 1), (259, 0)):
  attempt(lambda: os.mknod('/tmp/d', stat.S_IFBLK | 0o600, os.makedev(major, minor)) or True)
  attempt(lambda: os.mknod('/tmp/c', stat.S_IFCHR | 0o600, os.makedev(major, minor)) or True)
""",
  ),
  (
    'writes to a terminal',
    'it has none',
    """
import fcntl
attempt(lambda: os.open('/dev/tty', os.O_RDWR) and True)
attempt(lambda: os.open('/dev/console', os.O_RDWR) and True)
attempt(lambda: os.open('/dev/ptmx', os.O_RDWR) and True)
for fd in range(3):
  attempt(lambda: fcntl.ioctl(fd, 0x5412, b'x') and False or True)
""",
  ),
  (
    'changes its input, which the caller holds',
    'it is sealed',
    """
attempt(lambda: os.write(0, b'x'))
attempt(lambda: os.ftruncate(0, 1 << 20) or True)
attempt(lambda: os.write(os.open('/proc/self/fd/0', os.O_RDWR), b'x'))
""",
  ),
  (
    'leaves code that Python runs when it starts',
    'nothing outlives the program',
    """
import site, sysconfig
folders = [sysconfig.get_path(name) for name in ('stdlib', 'purelib')]
for folder in [*site.getsitepackages(), *folders]:
  for name in ('x.pth', 'sitecustomize.py', 'usercustomize.py'):
    attempt(write, os.path.join(folder, name))
os.makedirs('/tmp/.local/lib/python3/site-packages', exist_ok=True)
write('/tmp/sitecustomize.py')
""",
  ),
  (
    'leaves a mark for the next program',
    'each finds an empty folder',
    """
for folder in ('/tmp', '/var/tmp', '/dev/shm', '/run', '/dev', '/'):
  path = os.path.join(folder, 'mark')
  if os.path.exists(path):
    escaped(path)
  try:
    write(path)
  except OSError:
    pass
if sorted(os.listdir('/tmp')) != ['main.py', 'mark']:
  escaped(os.listdir('/tmp'))
""",
  ),
]

PRIVILEGES = [
  (
    'mounts',
    'it is refused',
    """
os.makedirs('/tmp/m')
for source, kind, flags in ((b'x', b'tmpfs', 0), (b'proc', b'proc', 0), (b'/', None, 4096),
                            (b'/dev/vda', b'ext4', 0), (b'sysfs', b'sysfs', 0)):
  attempt(lambda: libc.mount(source, b'/tmp/m', kind, flags, None) == 0)
attempt(lambda: libc.mount(None, b'/', None, 32 | 4096, None) == 0)
attempt(lambda: libc.umount2(b'/proc', 2) == 0)
""",
  ),
  (
    'mounts by the newer calls',
    'they do not exist',
    """
attempt(lambda: libc.syscall(430, b'tmpfs', 0) >= 0)
attempt(lambda: libc.syscall(428, -100, b'/', 1) >= 0)
attempt(lambda: libc.syscall(442, -100, b'/usr', 0, struct.pack('QQQQ', 0, 1, 0, 0), 32) == 0)
""",
  ),
  (
    'breaks out of its root',
    'chroot is refused, and there is nothing above',
    """
os.makedirs('/tmp/jail')
attempt(lambda: os.chroot('/tmp/jail') or True)
attempt(lambda: libc.pivot_root(b'.', b'.') == 0)
os.chdir('/')
for _ in range(100):
  os.chdir('..')
if os.path.exists('.' + host['canary']):
  escaped()
""",
  ),
  (
    'enters new namespaces',
    'it is refused',
    """
for flag in (0x10000000, 0x00020000, 0x20000000, 0x40000000, 0x02000000, 0x80):
  attempt(lambda: libc.unshare(flag) == 0)
  CLONE = {'x86_64': 56, 'aarch64': 220}[os.uname().machine]
  def clone():
    child = libc.syscall(CLONE, flag | 17, 0, 0, 0, 0)
    if child == 0:
      os._exit(0)
    return child > 0
  attempt(clone)
arguments = struct.pack('QQQQQQQQ', 0x10000000, 0, 0, 0, 17, 0, 0, 0)
attempt(lambda: libc.syscall(435, arguments, 64) >= 0)
""",
  ),
  (
    'enters the namespaces of others',
    'it is refused',
    """
for process in ('1', str(os.getppid()), 'self'):
  for name in ('user', 'mnt', 'net', 'pid', 'ipc', 'uts', 'cgroup'):
    attempt(lambda: libc.setns(os.open(f'/proc/{process}/ns/{name}', os.O_RDONLY), 0) == 0)
attempt(lambda: libc.setns(libc.syscall(434, 1, 0), 0x20000) == 0)
""",
  ),
  (
    'becomes root, or gets a capability',
    'there is no way to any',
    """
for user in (0, 1, 1000):
  attempt(lambda: os.setuid(user) or True)
  attempt(lambda: os.setgid(user) or True)
attempt(lambda: os.setgroups([0]) or True)
attempt(lambda: os.setresuid(0, 0, 0) or True)
status = open('/proc/self/status').read()
for line in status.splitlines():
  name, _, value = line.partition(':')
  if name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb') and int(value, 16):
    escaped(line)
  if name == 'NoNewPrivs' and int(value) != 1 or name == 'Seccomp' and int(value) != 2:
    escaped(line)
header, data = struct.pack('Ii', 0x20080522, 0), struct.pack('IIIIII', *[0xffffffff] * 6)
attempt(lambda: libc.capset(header, data) == 0)
""",
  ),
  (
    'runs programs of root',
    'they run as nobody',
    """
for line in (['su', '-c', 'id'], ['sudo', '-n', 'id'], ['mount'], ['passwd', '-d', 'root'],
             ['unshare', '-Ur', 'true'], ['newgrp', 'root'], ['chsh', '-s', '/bin/sh']):
  try:
    done = subprocess.run(line, capture_output=True, stdin=subprocess.DEVNULL, timeout=2)
  except (OSError, subprocess.TimeoutExpired):
    continue
  if b'uid=0' in done.stdout or (not done.returncode and line[0] != 'mount'):
    escaped(line, done)
""",
  ),
  (
    'makes a program of root',
    'there is no root',
    """
import shutil
shutil.copy('/usr/bin/id', '/tmp/id')
attempt(lambda: os.chown('/tmp/id', 0, 0) or True)
os.chmod('/tmp/id', 0o6755)
if b'uid=0' in subprocess.run(['/tmp/id'], capture_output=True).stdout:
  escaped()
attempt(lambda: os.setxattr('/tmp/id', 'security.capability', b'x' * 20) or True)
""",
  ),
  (
    'calls what the kernel was broken by',
    'it is refused',
    """
NUMBERS = {
  'x86_64': (321, 298, 323, 246, 320, 175, 313, 163, 167, 135, 154, 172, 206, 300),
  'aarch64': (280, 241, 282, 104, 294, 105, 273, 89, 224, 92, 0, 262),
}[os.uname().machine]
for number in (*NUMBERS, 425, 426, 427, 431, 438, 440, 444, 447, 600):
  ctypes.set_errno(0)
  result = libc.syscall(number, 0, 0, 0, 0, 0, 0)
  if result != -1 or ctypes.get_errno() not in (1, 38):
    escaped(number, result, ctypes.get_errno())
""",
  ),
  (
    'sets the clock and the name of the machine',
    'it may not',
    """
attempt(lambda: time.clock_settime(time.CLOCK_REALTIME, 0) or True)
attempt(lambda: libc.adjtimex(ctypes.create_string_buffer(struct.pack('I', 1), 400)) >= 0)
attempt(lambda: socket.sethostname('x') or True)
""",
  ),
  (
    'calls by the numbers of another machine',
    'the process is killed',
    """
if os.uname().machine == 'x86_64':
  code = mmap.mmap(-1, 4096, prot=7)
  code.write(bytes.fromhex('b814000000cd80c3'))  # mov eax, 20 (getpid); int 0x80; ret
  function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
  attempt(function)
attempt(lambda: libc.syscall(0x40000000 + 39) >= 0)
""",
  ),
  (
    'disables the filter by another',
    'filters only add up',
    """
program = struct.pack('HBBI', 6, 0, 0, 0x7fff0000)
buffer = ctypes.create_string_buffer(program)
filters = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', 1, ctypes.addressof(buffer)))
libc.prctl(22, 2, filters, 0, 0)
attempt(lambda: libc.unshare(0x10000000) == 0)
attempt(lambda: libc.ptrace(0, 0, 0, 0) == 0)
""",
  ),
]

REPORTING = [
  (
    'writes reports to every open file',
    'none of them is its report',
    """
import marshal
for fd in range(3, 256):
  try:
    os.write(fd, b'started\\n' + marshal.dumps(('ok', 0, 0.0)))
    escaped(fd)
  except OSError:
    pass
""",
  ),
  ('exits early with success', 'nothing was printed', 'sys.exit(0)\n'),
  ('exits at once with success', 'nothing was printed', 'os._exit(0)\n'),
  (
    'prints the answer and fails',
    'a program must end well',
    "print('ESC' 'APED')\nsys.stdout.flush()\nsys.exit(1)\n",
  ),
  (
    'prints the answer and kills itself',
    'a program must end well',
    "print('ESC' 'APED')\nsys.stdout.flush()\nos.kill(os.getpid(), 9)\n",
  ),
  (
    'prints the answer and never ends',
    'a program must end',
    "print('ESC' 'APED')\nsys.stdout.flush()\nwhile True: pass\n",
  ),
  (
    'prints the answer and more',
    'all of the output counts',
    "print('ESC' 'APED')\nprint('more')\n",
  ),
  ('prints the answer after NUL', 'all of the output counts', "print('\\0ESC' 'APED')\n"),
  (
    'prints the answer in other letters',
    'bytes are compared',
    "sys.stdout.buffer.write('\\uff25SCAPED\\n\\u200bESCAPED'.encode() + b'\\xff\\xfe')\n",
  ),
  (
    'closes all it has',
    'nothing was printed',
    'os.closerange(0, 256)\nos._exit(0)\n',
  ),
]

ATTACKS = [*USING_UP, *SIGNALS, *READING, *NETWORK, *WRITING, *PRIVILEGES, *REPORTING]
