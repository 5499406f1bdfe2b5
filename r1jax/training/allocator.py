"""A setting of the C allocator that XLA on the CPU gains from."""

import ctypes
import platform

# Numbers of mallopt's parameters in glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_LARGEST = 2**31 - 1


def keep_pages() -> bool:
  """Asks glibc to keep freed memory instead of giving it back; returns whether it could.

  XLA allocates large temporary buffers anew at each step; pages given back in between are faulted
  in again. To be called before the first of them. Other platforms are left as they are.
  """
  if platform.libc_ver()[0] != 'glibc':
    return False
  mallopt = ctypes.CDLL(None).mallopt
  settings = {
    _M_MMAP_THRESHOLD: _LARGEST,
    _M_TRIM_THRESHOLD: _LARGEST,
    _M_TOP_PAD: 64 * 2**20,
  }
  taken = [mallopt(name, value) for name, value in settings.items()]
  return all(taken)
