"""The system calls that a sandboxed program may not make, as a seccomp filter (seccomp(2), bpf(2)).

What is refused serves no program of a contest, and is where the kernel has been broken out of:
tracing and reading other processes, mounting, new namespaces, kernel modules, BPF, io_uring, keys,
handles, network. Also refused is memory that no limit counts: System V's and POSIX' queues and
shared segments, files in memory, watches of files; and what sets priorities, which could keep the
warden, who is the same user, from running. Sockets of the Unix family are allowed: asyncio needs
them, and there is nobody to talk to. Calls newer than those known here do not exist, as on an
older kernel; so programs, which the C library starts by `clone3`, fall back on what is checked.
"""

import errno
import struct

# Numbers on x86-64 and on aarch64; None where there is no such call.
REFUSED: dict[str, tuple[int | None, int | None]] = {
  '_sysctl': (156, None),
  'acct': (163, 89),
  'add_key': (248, 217),
  'adjtimex': (159, 171),
  'bpf': (321, 280),
  'chroot': (161, 51),
  'clock_adjtime': (305, 266),
  'clock_settime': (227, 112),
  'create_module': (174, None),
  'delete_module': (176, 106),
  'fanotify_init': (300, 262),
  'fanotify_mark': (301, 263),
  'finit_module': (313, 273),
  'get_kernel_syms': (177, None),
  'init_module': (175, 105),
  'inotify_add_watch': (254, 27),
  'inotify_init': (253, None),
  'inotify_init1': (294, 26),
  'io_setup': (206, 0),
  'io_submit': (209, 2),
  'ioperm': (173, None),
  'iopl': (172, None),
  'ioprio_set': (251, 30),
  'kcmp': (312, 272),
  'kexec_file_load': (320, 294),
  'kexec_load': (246, 104),
  'keyctl': (250, 219),
  'lookup_dcookie': (212, 18),
  'mbind': (237, 235),
  'memfd_create': (319, 279),
  'migrate_pages': (256, 238),
  'modify_ldt': (154, None),
  'mount': (165, 40),
  'move_pages': (279, 239),
  'mq_open': (240, 180),
  'mq_unlink': (241, 181),
  'msgctl': (71, 187),
  'msgget': (68, 186),
  'msgrcv': (70, 188),
  'msgsnd': (69, 189),
  'name_to_handle_at': (303, 264),
  'nfsservctl': (180, 42),
  'open_by_handle_at': (304, 265),
  'perf_event_open': (298, 241),
  'personality': (135, 92),
  'pivot_root': (155, 41),
  'process_vm_readv': (310, 270),
  'process_vm_writev': (311, 271),
  'ptrace': (101, 117),
  'query_module': (178, None),
  'quotactl': (179, 60),
  'reboot': (169, 142),
  'request_key': (249, 218),
  'sched_setaffinity': (203, 122),
  'sched_setattr': (314, 274),
  'sched_setparam': (142, 118),
  'sched_setscheduler': (144, 119),
  'semctl': (66, 191),
  'semget': (64, 190),
  'semop': (65, 193),
  'semtimedop': (220, 192),
  'set_mempolicy': (238, 237),
  'setdomainname': (171, 162),
  'sethostname': (170, 161),
  'setns': (308, 268),
  'setpriority': (141, 140),
  'settimeofday': (164, 170),
  'shmat': (30, 196),
  'shmctl': (31, 195),
  'shmdt': (67, 197),
  'shmget': (29, 194),
  'swapoff': (168, 225),
  'swapon': (167, 224),
  'syslog': (103, 116),
  'umount2': (166, 39),
  'unshare': (272, 97),
  'uselib': (134, None),
  'userfaultfd': (323, 282),
  'vhangup': (153, 58),
}
# From 424 on numbers are the same everywhere. What is allowed there: pidfd_send_signal, pidfd_open,
# close_range, openat2, faccessat2, epoll_pwait2, futex_waitv, fchmodat2.
_FIRST_SHARED = 424
_ALLOWED_SHARED = (424, 434, 436, 437, 439, 441, 449, 452)
# Numbers of calls whose arguments decide: clone, ioctl, prlimit64, socket, socketpair.
_CHECKED = {'x86_64': (56, 16, 302, 41, 53), 'aarch64': (220, 29, 261, 198, 199)}
_ARCHITECTURE = {'x86_64': 0xC000003E, 'aarch64': 0xC00000B7}
_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020080  # All CLONE_NEW* flags, that of time namespaces included.
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # They type into a terminal.
_AF_UNIX = 1

# Of <linux/bpf_common.h> and <linux/seccomp.h>.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL, _ALLOW, _ERROR = 0x80000000, 0x7FFF0000, 0x00050000
# Where struct seccomp_data holds number, architecture, and the low words of the arguments.
_NUMBER, _ARCH = 0, 4
_ARGUMENT = (16, 24)


def build(machine: str) -> bytes:
  """Returns the filter for a machine (`os.uname().machine`); empty if it is of no known kind."""
  if machine not in _ARCHITECTURE:
    return b''
  column = list(_ARCHITECTURE).index(machine)
  clone, ioctl, prlimit, socket, socketpair = _CHECKED[machine]
  not_permitted = _ERROR | errno.EPERM
  code = [(_LOAD, 0, 0, _ARCH), (_EQUAL, 1, 0, _ARCHITECTURE[machine]), (_RETURN, 0, 0, _KILL)]
  code += [(_LOAD, 0, 0, _NUMBER)]
  if machine == 'x86_64':
    code += _when((_AT_LEAST, _X32_BIT), [(_RETURN, 0, 0, _KILL)])
  for numbers in REFUSED.values():
    number = numbers[column]
    if number is not None:
      code += _when((_EQUAL, number), [(_RETURN, 0, 0, not_permitted)])
  new_namespaces = _when((_ANY_BIT, _NEW_NAMESPACES), [(_RETURN, 0, 0, not_permitted)])
  code += _when((_EQUAL, clone), _decide(_ARGUMENT[0], new_namespaces, _ALLOW))
  terminal = [
    instruction
    for request in (_TIOCSTI, _TIOCLINUX)
    for instruction in _when((_EQUAL, request), [(_RETURN, 0, 0, not_permitted)])
  ]
  code += _when((_EQUAL, ioctl), _decide(_ARGUMENT[1], terminal, _ALLOW))
  # Limits of other processes, such as the one that watches, are not the program's to set.
  own = _when((_EQUAL, 0), [(_RETURN, 0, 0, _ALLOW)])
  code += _when((_EQUAL, prlimit), _decide(_ARGUMENT[0], own, not_permitted))
  local = _when((_EQUAL, _AF_UNIX), [(_RETURN, 0, 0, _ALLOW)])
  for call in (socket, socketpair):
    code += _when((_EQUAL, call), _decide(_ARGUMENT[0], local, _ERROR | errno.EAFNOSUPPORT))
  unknown = [
    instruction
    for number in _ALLOWED_SHARED
    for instruction in _when((_EQUAL, number), [(_RETURN, 0, 0, _ALLOW)])
  ]
  unknown += [(_RETURN, 0, 0, _ERROR | errno.ENOSYS)]
  code += [*_when((_AT_LEAST, _FIRST_SHARED), unknown), (_RETURN, 0, 0, _ALLOW)]
  return b''.join(struct.pack('=HBBI', *instruction) for instruction in code)


_Instruction = tuple[int, int, int, int]


def _when(condition: tuple[int, int], body: list[_Instruction]) -> list[_Instruction]:
  """Returns code that runs the body, which must return, if the word loaded meets the condition."""
  return [(condition[0], 0, len(body), condition[1]), *body]


def _decide(offset: int, body: list[_Instruction], otherwise: int) -> list[_Instruction]:
  """Returns code that loads an argument, runs the body on it, and else returns."""
  return [(_LOAD, 0, 0, offset), *body, (_RETURN, 0, 0, otherwise)]
