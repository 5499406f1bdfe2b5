"""Of several processes each reads of the weights what its own devices hold."""

import dataclasses
import json
import pathlib
import socket
import subprocess
import sys

import interop_models as models
import numpy as np
import test_float8
from safetensors import safe_open

from r1jax.interop import save_pretrained

# Compares what a process has with the model read whole, and prints the numbers read of each tensor.
LOAD = """
import collections, functools, json, math, sys
import jax
import numpy as np
from r1jax import hosts, sharding
from r1jax.interop import load_pretrained, loading, streaming

address, process, folder, *axes = sys.argv[1:]
hosts.connect(address, 2, int(process))
streaming.SMALL_BYTES = 1_000_000  # Experts are written part by part, others put together before.
read, numbers = loading._Stored.read, collections.Counter()

def count(tensor, ranges):
  numbers[tensor.name] += math.prod(stop - start for start, stop in ranges)
  return read(tensor, ranges)

_, whole = load_pretrained(folder)
loading._Stored.read = count
for axis in axes:
  numbers.clear()
  mesh = sharding.make_mesh(sharding.MeshShape(data=1, **{axis: 2}))
  split = functools.partial(sharding.parameter_shardings, mesh=mesh)
  _, params = load_pretrained(folder, split=split)
  for expected, array in zip(jax.tree.leaves(whole), jax.tree.leaves(params)):
    for shard in array.addressable_shards:
      np.testing.assert_array_equal(shard.data, np.asarray(expected)[shard.index])
  print(json.dumps(numbers))
"""


def load_in_two(folder, *axes):
  """Returns the numbers that two processes of one device have read, by axis, process and tensor."""
  with socket.socket() as found:
    found.bind(('localhost', 0))
    address = f'localhost:{found.getsockname()[1]}'
  processes = [
    subprocess.Popen(
      [sys.executable, '-c', LOAD, address, str(process), folder, *axes],
      cwd=pathlib.Path(__file__).parents[2],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )
    for process in range(2)
  ]
  ends = [process.communicate() for process in processes]
  for process, (_, err) in zip(processes, ends):
    assert process.returncode == 0, err
  lines = [[json.loads(line) for line in out.splitlines() if line[0] == '{'] for out, _ in ends]
  return dict(zip(axes, zip(*lines, strict=True), strict=True))


def test_each_process_reads_what_its_devices_hold(tmp_path):
  config = dataclasses.replace(test_float8.WIDE, vocab_size=62)
  save_pretrained(tmp_path, config, models.random_params(config), dtype='float8_e4m3fn')
  with safe_open(tmp_path / 'model.safetensors', framework='numpy') as file:
    sizes = {name: np.prod(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
  read = load_in_two(tmp_path, 'expert', 'fsdp', 'tensor')

  # Experts: half of them in either process, each whole.
  experts = {name for name in sizes if '.experts.' in name}
  of_first, of_second = (experts & numbers.keys() for numbers in read['expert'])
  assert of_first | of_second == experts and not of_first & of_second
  assert len(of_first) == len(of_second)
  assert all(read['expert'][0][name] == sizes[name] for name in of_first)

  # The width of the model, and heads: half of each matrix.
  layer = 'model.layers.1'
  for axis, halved in {
    'fsdp': ['mlp.experts.3.up_proj', 'mlp.experts.3.down_proj', 'self_attn.o_proj'],
    'tensor': ['mlp.experts.3.up_proj', 'self_attn.kv_b_proj', 'self_attn.o_proj'],
  }.items():
    for process in read[axis]:
      for name in halved:
        assert process[f'{layer}.{name}.weight'] * 2 == sizes[f'{layer}.{name}.weight'], name

  # What repeats others is compared by the first process, and read by no other.
  copy = 'model.layers.3.embed_tokens.weight'
  assert [copy in numbers for numbers in read['fsdp']] == [True, False]
