import errno
import subprocess
import sys

import pytest

from r1jax.training import lock
from r1jax.training.lock import exclusive

HOLD = """
import sys
from r1jax.training.lock import exclusive
with exclusive(sys.argv[1]):
  print('held', flush=True)
  sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_ends(tmp_path):
  folder = tmp_path / 'new' / 'run'
  with subprocess.Popen(
    [sys.executable, '-c', HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
  ) as other:
    assert other.stdout.readline() == b'held\n'
    with pytest.raises(ValueError, match='another process is at work in'), exclusive(folder):
      pass
    other.kill()
    other.wait()
    with exclusive(folder):
      pass


def test_it_is_given_back_after_an_error_and_leaves_nothing(tmp_path):
  with pytest.raises(KeyError), exclusive(tmp_path):
    raise KeyError
  with exclusive(tmp_path):
    assert any(tmp_path.iterdir())
  assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(('code', 'refused'), [(errno.ENOSYS, False), (errno.EIO, True)])
def test_a_file_system_that_cannot_lock_does_not_stop_a_run(tmp_path, monkeypatch, code, refused):
  def flock(file, operation):
    raise OSError(code, 'no')

  monkeypatch.setattr(lock.fcntl, 'flock', flock)
  if refused:
    with pytest.raises(OSError, match='no'), exclusive(tmp_path):
      pass
  else:
    with exclusive(tmp_path):
      pass
