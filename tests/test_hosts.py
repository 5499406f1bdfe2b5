"""What several processes agree on, and which prompts each has; with processes of one's own."""

import functools
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax import hosts, sharding
from r1jax.training.interrupt import Stopped, StopRequest

ROOT = Path(__file__).parents[1]


def test_a_process_alone_has_all():
  assert hosts.is_alone() and hosts.is_first()
  assert hosts.gather('a') == ['a'] and hosts.everyone(lambda: 1) == [1]
  assert hosts.first(lambda: 2) == 2
  np.testing.assert_array_equal(hosts.ALONE.rows(6), np.arange(6))
  np.testing.assert_array_equal(hosts.ALONE.read(6), np.arange(6))


def test_divisions_by_hand():
  """Eight prompts in four parts: two processes; two that share; parts that do not follow."""
  following = hosts.divided([{0, 1}, {2, 3}], 1)
  np.testing.assert_array_equal(following.rows(8), [4, 5, 6, 7])
  np.testing.assert_array_equal(following.read(8), [0, 1, 2, 3])
  apart = hosts.divided([{0, 2}, {1, 3}], 0)
  np.testing.assert_array_equal(apart.rows(8), [0, 1, 4, 5])
  np.testing.assert_array_equal(np.concatenate(apart.by_block(8)), [0, 1, 4, 5, 2, 3, 6, 7])
  read = []
  for process in range(4):
    shared = hosts.divided([{0, 1}, {0, 1}, {2, 3}, {2, 3}], process)
    read += shared.rows(8)[shared.read(8)].tolist()
  assert sorted(read) == list(range(8)), 'every prompt is read once'
  for held in ([{0, 1}, {1, 2}], [{0}, {1, 2}]):
    with pytest.raises(ValueError, match=r'config\.mesh splits prompts into 3 parts, .* rows'):
      hosts.divided(held, 0)


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ((None, 2, None), r'--num_processes=2 is given without --coordinator=HOST:PORT'),
    (('auto', None, 1), r'auto finds out by itself; leave out --process_id=1'),
    (('localhost', 2, 0), r"--coordinator is 'localhost'; it must be HOST:PORT, or 'auto'"),
    (('a:1', None, None), r'a:1 needs --num_processes and --process_id too'),
    (('a:99999', 2, 0), r"--coordinator is 'a:99999'; it must be HOST:PORT"),
    (('a:1', 0, 0), r'--num_processes is 0; it must be at least 1'),
    (('a:1', 2, 2), r'--process_id is 2; with --num_processes=2 it must be from 0 to 1'),
  ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
  with pytest.raises(ValueError, match=message):
    hosts.connect(*arguments)


# What two processes do.


def agree():
  me = jax.process_index()
  assert hosts.gather({'me': me}) == [{'me': 0}, {'me': 1}]
  long = [str(number) * 5000 for number in range(2)]
  assert hosts.gather(long[me]) == long
  assert hosts.first(lambda: me) == 0
  assert hosts.everyone(lambda: me) == [0, 1]
  hosts.check_same('this', 'same')
  with pytest.raises(ValueError, match='that differs between processes: 0 in process 0, 1 in proc'):
    hosts.check_same('that', me)
  with pytest.raises(ValueError, match=r'it differs between processes: b\.c: 0 in process 0, 1 in'):
    hosts.check_same('it', {'a': 'same', 'b': {'c': me, 'd': 'same'}})


def share(folder):
  """Two folders, each of which one process alone sees, are not one."""
  hosts.check_shared(folder)
  hosts._SHARED_SECONDS = 0.3
  own = folder / str(jax.process_index())
  own.mkdir()
  with pytest.raises(ValueError, match='is not the same folder in process 1 as in process 0'):
    hosts.check_shared(own)
  hosts.everyone(lambda: os.listdir(own) == [] or pytest.fail('something is left'))


def fail():
  def fails():
    raise KeyError('mine')

  with pytest.raises(KeyError if hosts.is_first() else hosts.OtherProcessError, match='mine'):
    hosts.first(fails)

  def second_fails():
    if not hosts.is_first():
      fails()

  expected = hosts.OtherProcessError if hosts.is_first() else KeyError
  with pytest.raises(expected, match='mine'):
    hosts.everyone(second_fails)


def stop():
  """A signal to one of them stops both at the same look."""
  with StopRequest() as request:
    request.check()
    if not hosts.is_first():
      signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Stopped, match='SIGTERM'):
      request.check()


def cross(**shape):
  """What a process puts on its devices is where the mesh says, and comes back."""
  mesh = sharding.make_mesh(sharding.MeshShape(**shape))
  sharding.acquaint(mesh)
  whole = np.arange(3 * 8 * 2).reshape(3, 8, 2)
  division = sharding.division(mesh)
  own = whole[:, division.rows(8)]
  placed = sharding.place(own, mesh, axis=1)
  assert placed.shape == whole.shape
  np.testing.assert_array_equal(sharding.fetch(placed, mesh, axis=1), own)
  np.testing.assert_array_equal(sharding.whole(placed, mesh), whole)
  np.testing.assert_array_equal(sharding.reader(placed)((2,)), whole[2])
  with jax.set_mesh(mesh):
    turned = jax.jit(functools.partial(jnp.flip, axis=1))(placed)
  np.testing.assert_array_equal(
    sharding.fetch(turned, mesh, axis=1), whole[:, ::-1][:, division.rows(8)]
  )
  numbers = division.rows(8)[division.read(8)]
  read = [number for numbers in hosts.gather(numbers.tolist()) for number in numbers]
  assert sorted(read) == list(range(8))


def main(address, number, folder):
  hosts.connect(address, 2, int(number))
  assert (jax.process_count(), jax.device_count()) == (2, 4)
  agree()
  share(Path(folder))
  fail()
  stop()
  cross(data=2, fsdp=2)
  cross(data=1, context=4)  # Both processes have all prompts, and share the work.
  print('done')


def test_two_processes_agree(tmp_path):
  with socket.socket() as found:
    found.bind(('localhost', 0))
    address = f'localhost:{found.getsockname()[1]}'
  environment = os.environ | {
    'PYTHONPATH': str(ROOT),
    'XLA_FLAGS': f'{os.environ["XLA_FLAGS"]} --xla_force_host_platform_device_count=2',
  }
  processes = [
    subprocess.Popen(
      [sys.executable, __file__, address, str(number), str(tmp_path)],
      env=environment,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for number in range(2)
  ]
  for process in processes:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0 and out.endswith('done\n'), err


if __name__ == '__main__':
  main(*sys.argv[1:])
