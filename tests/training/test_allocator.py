import platform

import pytest

from r1jax.training import allocator


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='there is no glibc to ask')
def test_glibc_takes_every_setting():
  assert allocator.keep_pages()


def test_other_libraries_are_left_as_they_are(monkeypatch):
  monkeypatch.setattr(allocator.platform, 'libc_ver', lambda: ('', ''))
  monkeypatch.setattr(allocator.ctypes, 'CDLL', lambda name: pytest.fail('nothing is to be loaded'))
  assert not allocator.keep_pages()
