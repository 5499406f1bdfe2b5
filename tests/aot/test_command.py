"""`python -m r1jax.aot`: from shapes alone come the programs that a run compiles."""

import dataclasses
import importlib.util
import json
import math
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.aot import hlo, programs, recipe, report, topologies
from r1jax.decoding import score
from r1jax.model import GQA, MLA, Adapted, LoRA, ModelConfig, Transformer, lora, sizes
from r1jax.model.sizes import SIZES
from r1jax.stages.rl_step import reference_score
from r1jax.structs import Prompts

ROOT = Path(__file__).parents[2]
SMALL = (
  '--config.rl.sampling.max_completion_tokens=24',
  '--config.rl.sampling.segment_tokens=8',
  '--config.rl.sampling.group_size=2',
  '--config.rl.task.max_prompt_tokens=64',
)


def command(*arguments, devices=1):
  """Runs the command in a process of its own, with so many devices."""
  flags = f'{os.environ["XLA_FLAGS"]} --xla_force_host_platform_device_count={devices}'
  return subprocess.run(
    [sys.executable, '-m', 'r1jax.aot', '--config=configs/zero.py', *SMALL, *arguments],
    cwd=ROOT,
    env=os.environ | {'XLA_FLAGS': flags},
    capture_output=True,
    text=True,
  )


@pytest.fixture(scope='module')
def told(tmp_path_factory):
  """Returns what it says of the shipped model on two devices, as text and as numbers."""
  output = tmp_path_factory.mktemp('aot') / 'found.jsonl'
  done = command(f'--output={output}', '--config.mesh.data=1', '--config.mesh.fsdp=2', devices=2)
  assert done.returncode == 0, done.stderr
  return done.stdout, json.loads(output.read_text())


def test_tells_memory_operations_and_bytes_of_each_program(told):
  text, row = told
  assert row['stage'] == 'r1_zero: rl' and row['devices'] == '2 x cpu'
  names = [one['name'] for one in row['programs']]
  assert names == ['encode prompts', 'shrink batch', 'decode', 'score', 'gradient', 'update']
  for name in (
    *(name.split()[0] for name in names),
    'parameters',
    'moments',
    'reference',
    "over model's",
    'MiB gathered',
  ):
    assert name in text
  assert '…' not in text  # However narrow what it is printed to.
  for one in row['programs']:
    memory = one['memory']
    # Of 2.5M parameters two devices have half each, in float32, but for what is not split.
    assert 4.9e6 < memory['parameters'] < 6e6
    # Two of each parameter that is trained, which those of the MTP module are not.
    assert 1.4 < memory['moments'] / memory['parameters'] < 2
    assert one['total_bytes'] == sum(memory.values()) and one['fault'] == ''
    assert one['seconds'] > 0
    # Samples leave where they are.
    assert bool(one['cost']['collective_bytes']) == (one['name'] != 'shrink batch')


def test_beside_a_program_stands_what_the_run_keeps(told):
  """Of every program the same parameters, moments and reference; more where more is there."""
  kinds = {one['name']: one['memory'] for one in told[1]['programs']}
  for name in ('parameters', 'moments', 'reference'):
    (_,) = {memory[name] for memory in kinds.values()}
  found = {
    name: set(memory) - {'parameters', 'moments', 'reference'} for name, memory in kinds.items()
  }
  own = {'inputs', 'outputs', 'temporaries'}
  assert found == {
    'encode prompts': own,
    'shrink batch': own | {'block of cache', 'cache'},
    'decode': own | {'cache'},
    'score': own | {'microbatch'},
    'gradient': own | {'sum of gradients', 'microbatch', 'next microbatch'},
    'update': own | {'sum of gradients'},
  }
  # While half of the samples leave, a block of both caches is there; 16 of 24 tokens are read.
  halved = kinds['shrink batch']['block of cache']
  before, after = kinds['shrink batch']['cache'] + halved, kinds['decode']['cache']
  of_8_tokens = after - before
  assert 0 < of_8_tokens < before / 2
  assert 0.99 < halved / (2 * of_8_tokens) < 1.01
  assert 0.99 < kinds['shrink batch']['outputs'] / of_8_tokens < 1.01
  of_gradient = kinds['gradient']
  assert kinds['score']['microbatch'] < of_gradient['microbatch'] == of_gradient['next microbatch']


def test_what_is_compiled_is_what_the_mesh_would_run(tmp_path):
  """Samples are split along context, so that prompts leave and no device takes another's caches."""
  output = tmp_path / 'found.jsonl'
  mesh = ('--config.mesh.data=1', '--config.mesh.context=2')
  done = command(f'--output={output}', *mesh, '--programs=shrink batch', devices=2)
  assert done.returncode == 0, done.stderr
  (found,) = json.loads(output.read_text())['programs']
  assert not found['cost']['collective_bytes']
  assert 0.45 < found['memory']['outputs'] / found['memory']['block of cache'] < 0.55


def test_operations_are_about_those_of_the_model(told):
  """The shipped model computes every expert for every token: four times the chosen ones' work."""
  ratios = {one['name']: one['ratio'] for one in told[1]['programs'] if one['ratio']}
  assert ratios.keys() == {'encode prompts', 'decode', 'score', 'gradient'}
  assert all(0.9 < ratio < 5 for ratio in ratios.values())


def test_what_is_wrong_is_said_in_a_line():
  done = command('--topology=v5p:4x4')
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert "topology is 'v5p:4x4', but the network of v5p is 3D" in done.stderr
  done = command('--config.init_from=somewhere/mistral-7b')
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert "config.init_from is 'somewhere/mistral-7b'" in done.stderr
  assert 'qwen2.5-7b' in done.stderr
  done = command('--programs=decode,updat')
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert '--programs=decode,updat; those of this recipe are encode prompts, shrink' in done.stderr
  done = command('--programs=score', '--config.rl.algorithm.kl_weight=0.0')  # It has no reference.
  assert done.returncode == 1 and 'Traceback' not in done.stderr
  assert '--programs=score; those of this recipe are encode prompts, shrink' in done.stderr


@pytest.mark.parametrize('topology', ['v9:4x4', 'v5e', 'v5e:4xx4', 'v5e:', ''])
def test_a_topology_that_is_none_is_named_with_those_there_are(topology):
  with pytest.raises(ValueError, match=r'it is a kind of chip \(v5e, v5p, v6e\) and'):
    topologies.describe(topology)


def test_memory_of_devices_at_hand_is_what_they_say():
  gpu = types.SimpleNamespace(memory_stats=lambda: {'bytes_in_use': 1, 'bytes_limit': 60})
  assert topologies.memory_of(gpu) == 60
  assert topologies.memory_of(jax.devices('cpu')[0]) is None


def test_what_was_compiled_is_told_if_the_rest_is_not(tmp_path):
  """Large programs take many minutes, and what stops one of them does not take the others."""
  output = tmp_path / 'found.jsonl'
  code = (
    'import itertools, runpy\n'
    'from r1jax.aot import report\n'
    'compile_all = report.compile_all\n'
    'def stopped(*arguments):\n'
    '  yield next(compile_all(*arguments))\n'
    "  raise RuntimeError('gone')\n"
    'report.compile_all = stopped\n'
    "runpy.run_module('r1jax.aot', run_name='__main__', alter_sys=True)\n"
  )
  flags = ['--config=configs/zero.py', *SMALL, f'--output={output}']
  done = subprocess.run(
    [sys.executable, '-c', code, *flags], cwd=ROOT, capture_output=True, text=True
  )
  assert done.returncode == 1 and done.stderr.endswith('RuntimeError: gone\n')
  assert 'encode prompts is compiled, after ' in done.stderr
  assert 'encode prompts' in done.stdout
  assert [one['name'] for one in json.loads(output.read_text())['programs']] == ['encode prompts']


def test_without_libtpu_it_says_what_to_install():
  if importlib.util.find_spec('libtpu'):
    pytest.skip('libtpu is installed')
  with pytest.raises(RuntimeError, match=r"not installed: pip install -e '\.\[aot\]'"):
    topologies.describe('v5e:2x2')


def test_published_models_are_known_by_name():
  assert recipe.architecture_of('Qwen/Qwen2.5-7B') == SIZES['qwen2.5-7b']
  assert recipe.architecture_of('assets:base').model_dim == 128


def test_of_temporaries_a_tpu_is_believed_its_peak():
  """Here 6 bytes are arguments, of which 4 come to lie where outputs are, of which 5 are there."""
  stats = types.SimpleNamespace(
    argument_size_in_bytes=6,
    output_size_in_bytes=5,
    alias_size_in_bytes=4,
    temp_size_in_bytes=20,
    peak_memory_in_bytes=10,
  )
  assert report.yielded(stats, 'tpu') == {'outputs': 1, 'temporaries': 3}
  assert report.yielded(stats, 'cpu') == {'outputs': 1, 'temporaries': 20}


def test_shapes_compile_to_what_arrays_compile_to():
  """Scoring, lowered from shapes and from arrays: the same program, to the letter."""
  config = config_of_zero()
  config.rl.sampling.max_completion_tokens = 16
  config.rl.task.max_prompt_tokens = 8
  (stage,) = recipe.read(config, jax.devices()[:1])
  found = {one.name: one for one in stage.programs}
  params = jax.tree.map(
    lambda array: jax.device_put(jnp.zeros(array.shape, array.dtype), jax.devices()[0]),
    found['score'].arguments['reference'],
  )
  one = np.ones(2, np.int32)
  lowered = reference_score.lower(
    Transformer(stage.config),
    params,
    Prompts(np.ones((2, 8), np.int32), one, one),
    np.ones((2, 16, 16), np.int32),
    np.ones((2, 16), np.int32),
    temperature=1.0,
    chunk_tokens=None,
  )
  from_shapes = found['score'].lower().as_text()
  assert without_places(from_shapes) == without_places(lowered.as_text())
  assert len(from_shapes) > 10_000


def config_of_zero():
  spec = importlib.util.spec_from_file_location('zero', ROOT / 'configs' / 'zero.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config()


def without_places(text):
  """Returns a program without what says that its arguments are on the one device."""
  text = re.sub(r' \{sdy\.sharding = #sdy\.sharding<@empty_mesh, [^>]*>\}', '', text)
  return re.sub(r'  sdy\.mesh @empty_mesh .*\n', '', text)


def test_operations_of_a_model_by_hand():
  config = ModelConfig(
    vocab_size=50, num_layers=3, model_dim=12, mlp_dim=20, attention=GQA(4, 2, 6)
  )
  work = programs.Work(5, 7, 11, 4, backward=True, adapter_weights=None)
  layer = 12 * 6 * (4 + 2 + 2) + 4 * 6 * 12 + 3 * 12 * 20 + 2 * 12
  tokens, answers = 5 * 11 + 5 * 7 * 4, 5 * 7 * 4
  products = 2 * ((3 * layer + 12) * tokens + 12 * 50 * answers)
  pairs = 5 * sum(range(1, 12)) + 5 * 7 * sum(11 + t for t in range(1, 5))
  assert report.model_operations(config, work) == 3 * (products + 3 * 4 * 4 * 6 * pairs)
  # Tokens that are read one by one see those in caches, too.
  cached = dataclasses.replace(work, prompt_tokens=0, cached_tokens=11, backward=False)
  products = 2 * (3 * layer + 12 + 12 * 50) * answers
  seen = 5 * 7 * sum(11 + t for t in range(1, 5))
  assert report.model_operations(config, cached) == products + 3 * 4 * 4 * 6 * seen
  products = 2 * ((3 * layer + 12) * tokens + 12 * 50 * answers)
  # A base that stays as it is needs the gradient of its inputs alone; its adapters need both.
  adapted = dataclasses.replace(work, adapter_weights=17)
  expected = 2 * products + 3 * (3 * 4 * 4 * 6 * pairs + 2 * 17 * tokens)
  assert report.model_operations(config, adapted) == expected
  latent = dataclasses.replace(config, attention=MLA(4, None, 8, 6, 2, 5))
  less = dataclasses.replace(work, prompt_tokens=0, backward=False)
  more = dataclasses.replace(less, prompt_tokens=1)
  pairs = 5 + answers  # Of the prompts' token with itself, and of each answer's with it.
  own = 2 * 5 * (sizes.count_parameters(latent).active - 12 * 50)
  found = report.model_operations(latent, more) - report.model_operations(latent, less)
  assert found == own + 2 * pairs * 3 * 4 * (6 + 2 + 5)


def test_a_gradient_of_adapters_takes_as_many_operations_as_the_model_needs():
  """Counted in the optimised program: a matrix that stays as it is needs no gradient of its own."""
  attention = GQA(num_heads=4, num_kv_heads=4, head_dim=24)
  config = ModelConfig(50, num_layers=3, model_dim=96, mlp_dim=192, attention=attention)
  model, key = Transformer(config), jax.random.key(0)
  base = jax.eval_shape(model.init, key, jax.ShapeDtypeStruct((1, 2), jnp.int32))['params']
  chosen = LoRA(rank=4, alpha=8.0)
  adapters = jax.eval_shape(lambda base: lora.create(key, base, chosen), base)
  one, tokens = np.full(2, 8, np.int32), np.ones((2, 3, 8), np.int32)

  def loss(trained, base):
    params = Adapted(base, trained, chosen.scale)
    prompts = Prompts(np.ones((2, 8), np.int32), one, one)
    lengths = np.full((2, 3), 8, np.int32)
    return jnp.sum(score(model, params, prompts, tokens, lengths, temperature=1.0).logp_PGT)

  weights = lora.count_active(adapters, config)
  assert weights == sum(math.prod(array.shape) for array in jax.tree.leaves(adapters))
  work = programs.Work(2, 3, 7, 8, backward=True, adapter_weights=weights)
  lowered = jax.jit(jax.grad(loss)).lower(adapters, base)
  text = lowered.compile({'xla_backend_optimization_level': 0}).as_text()
  found = hlo.cost(text).operations / report.model_operations(config, work)
  assert 0.98 < found < 1.05


def test_of_adapted_experts_those_count_that_are_chosen():
  config = SIZES['tiny']
  factors = {'a': jnp.ones((3, 16, 128, 2)), 'b': jnp.ones((3, 16, 2, 64))}
  layers = {'expert_layers': {'moe': {'up': factors}}}
  assert lora.count_active(layers, config) == 3 * 4 * (128 * 2 + 2 * 64)
  shared = {'expert_layers': {'moe': {'shared': {'up': {'a': jnp.ones((3, 128, 2))}}}}}
  assert lora.count_active(shared, config) == 3 * 128 * 2


def test_what_does_not_fit_is_said_with_what_would_help():
  big = report.Compiled('gradient', {'parameters': 3 << 30}, None, None, 1.0)
  (line,) = report.notes([big], memory_bytes=2 << 30)
  assert line.startswith('gradient does not fit: 1.00 GiB too many. Try more rl.settings.num_micro')
  failed = report.Compiled('decode', {}, None, None, 1.0, 'Used 20.5G of 15.7G hbm', 3 << 30)
  (line,) = report.notes([failed], memory_bytes=16 << 30)
  assert 'Used 20.5G of 15.7G hbm; 3.00 GiB of the run lie beside it. Try fewer rl.' in line
  (line,) = report.notes([big], memory_bytes=4 << 30)
  assert line == 'All fit: at most 3.00 GiB, in gradient.'
  assert report.notes([big], memory_bytes=None) == []


def test_of_one_microbatch_the_update_is_helped_as_its_gradient():
  for operations, help in (
    (None, 'more devices along mesh.fsdp'),
    (1e9, 'more rl.settings.num_mi'),
  ):
    one = report.Compiled('update', {}, None, operations, 1.0, 'Used 20.5G of 15.7G hbm')
    (line,) = report.notes([one], memory_bytes=16 << 30)
    assert line.startswith(f'update does not fit: Used 20.5G of 15.7G hbm. Try {help}')


@pytest.mark.parametrize(
  ('error', 'words'),
  [
    (
      'RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. Used 20.50G of 15.75G hbm. '
      'Exceeded hbm capacity by 4.75G.\n\nTotal hbm usage',
      'Used 20.50G of 15.75G hbm. Exceeded hbm capacity by 4.75G',
    ),
    (
      'RESOURCE_EXHAUSTED: Ran out of memory on HBM, the total memory required for HLO temporaries '
      '(37.94G) exceeds available HBM (31.25G).',
      'Ran out of memory on HBM, the total memory required for HLO temporaries (37.94G) exceeds '
      'available HBM (31.25G)',
    ),
  ],
)
def test_the_compilers_words_on_memory_are_found(error, words):
  assert report._shortage(error) == words
