"""Filling arrays on their devices, one or, in a process of its own, eight."""

import subprocess
import sys

import jax
import numpy as np
import pytest

from r1jax.interop import streaming

SHARDED = """
import itertools
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from r1jax.interop import streaming

streaming.SMALL_BYTES = 0
mesh = Mesh(np.array(jax.devices()).reshape(2, 2, 2), ('expert', 'fsdp', 'tensor'))
expected = np.arange(3 * 4 * 6 * 8, dtype=np.float32).reshape(3, 4, 6, 8)
for spec in (P(), P(None, 'expert'), P(None, 'expert', 'fsdp', 'tensor'), P(None, None, ('fsdp',)),
             P(None, ('expert', 'tensor'))):
  sharding = NamedSharding(mesh, spec)
  target = streaming.Target(expected.shape, np.dtype('float32'), sharding)
  for place in itertools.product(range(3), range(4)):
    target.write(place, expected[place])
  array = target.finish()
  assert array.sharding == sharding
  np.testing.assert_array_equal(array, expected)
print('equal')
"""


@pytest.mark.parametrize('small_bytes', [0, 1 << 20])
@pytest.mark.parametrize(
  'places', [[()], [(0,), (1,)], [(i, j) for i in range(2) for j in range(3)]]
)
def test_parts_make_the_whole(monkeypatch, small_bytes, places):
  monkeypatch.setattr(streaming, 'SMALL_BYTES', small_bytes)
  expected = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
  target = streaming.Target(expected.shape, np.dtype('float32'), None)
  for place in places:
    target.write(place, expected[place])
  np.testing.assert_array_equal(target.finish(), expected)


def test_over_eight_devices():
  code = (
    "import os\nos.environ['XLA_FLAGS'] += ' --xla_force_host_platform_device_count=8'\n" + SHARDED
  )
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
  assert done.stdout == 'equal\n', done.stderr


def test_the_dtype_is_that_of_the_array(monkeypatch):
  monkeypatch.setattr(streaming, 'SMALL_BYTES', 0)
  target = streaming.Target((2, 2), np.dtype(jax.numpy.bfloat16), None)
  target.write((0,), np.array([1.0, 2.0]))
  target.write((1,), np.array([3.0, 1 / 3]))
  array = target.finish()
  assert array.dtype == jax.numpy.bfloat16
  assert float(array[1, 1]) == float(jax.numpy.bfloat16(1 / 3))
