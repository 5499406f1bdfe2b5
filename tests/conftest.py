"""What all tests share: the CPU, one cache of compiled programs, and a tiny base model.

Tests see one device: that is what users see, and mesh axes of size -1 then mean one. What needs
more devices starts a process of its own, and adds `--xla_force_host_platform_device_count=8` to its
`XLA_FLAGS`.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault('JAX_PLATFORMS', 'cpu')  # Read when jax is imported.

import hypothesis
import jax
import numpy as np

# Most of the time of tests is compilation, and what is computed is little: with these flags, a
# program compiles in a third of the time. Processes that tests start inherit them.
QUICK_COMPILATION = (
  '--xla_backend_optimization_level=0',
  '--xla_llvm_disable_expensive_passes=true',
  '--xla_cpu_use_fusion_emitters=false',
)


def add_flags(flags):
  """Adds flags of XLA, which are read when it is first used, unless it does not know them.

  A flag that is unknown ends the process: XLA's flags come and go with its versions.
  """
  before = os.environ.get('XLA_FLAGS', '')
  if flags[0] in before:  # Set by the process that started this one.
    return
  found = os.environ | {'XLA_FLAGS': ' '.join([*flags, before])}
  program = [sys.executable, '-c', 'import jax; jax.devices()']
  if subprocess.run(program, env=found, capture_output=True).returncode == 0:
    os.environ['XLA_FLAGS'] = found['XLA_FLAGS']
  else:
    os.environ['XLA_FLAGS'] = before


add_flags(QUICK_COMPILATION)

# How long an example takes is the machine's affair. `--hypothesis-profile=thorough` has tests that
# draw few examples, because each takes seconds, draw many.
hypothesis.settings.register_profile('quick', deadline=None)
hypothesis.settings.register_profile('thorough', deadline=None, max_examples=1000)
hypothesis.settings.load_profile('quick')

# Programs that compile faster than this, in seconds, are compiled again.
WORTH_KEEPING = 0.3


def pytest_configure(config):
  """Keeps compiled programs where `R1JAX_TEST_CACHE` says, or for this session only.

  The variable reaches workers and processes that tests start, so they share one cache.
  """
  if 'R1JAX_TEST_CACHE' not in os.environ:
    folder = tempfile.TemporaryDirectory(prefix='r1jax_cache_', ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    config.add_cleanup(lambda: os.environ.pop('R1JAX_TEST_CACHE'))
    os.environ['R1JAX_TEST_CACHE'] = folder.name
  folder = os.environ['R1JAX_TEST_CACHE']
  os.environ['JAX_COMPILATION_CACHE_DIR'] = folder
  os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = str(WORTH_KEEPING)
  jax.config.update('jax_compilation_cache_dir', folder)
  jax.config.update('jax_persistent_cache_min_compile_time_secs', WORTH_KEEPING)


# Where tests take minutes. They come first: one worker begins with them, the other with the many
# short ones, and what is left is divided among both until the end.
LONG = ('tests/test_eight_devices.py', 'tests/integration/')


def pytest_collection_modifyitems(items):
  """Puts long tests first, and leaves the order within a part; skips what needs more devices."""
  items.sort(key=lambda item: [not item.nodeid.startswith(part) for part in LONG])
  marked = [item for item in items if item.get_closest_marker('eight_devices')]
  if not marked or jax.device_count() == 8:
    return
  import meshes

  if lost := {item.path for item in marked} - set(meshes.FILES):
    raise pytest.UsageError(f'{lost} would never run: decorate each test, so that FILES has them')
  for item in marked:
    item.add_marker(pytest.mark.skip(reason='needs 8 devices: test_eight_devices.py has them'))


@pytest.fixture(scope='module')
def on_mesh(request):
  """Returns a config, a mesh, in whose scope the test runs, and the samples of a group.

  Of the case that `meshes.on` names.
  """
  import meshes

  with meshes.entered(*request.param) as found:
    yield found


@pytest.fixture(scope='session')
def compilation_cache():
  """Returns the folder of compiled programs, for processes that take it as a flag."""
  return Path(os.environ['R1JAX_TEST_CACHE'])


@pytest.fixture(scope='session')
def tiny_base(tmp_path_factory):
  """Returns the folder of a random model, shaped as the shipped base but compiled in seconds."""
  from r1jax.model import MLA, ModelConfig, MoE, Rope, Transformer
  from r1jax.stages.policy import Policy
  from r1jax.tasks.world import Corpus
  from r1jax.text.spm import train_sentencepiece

  corpus = Corpus()
  tokenizer = train_sentencepiece([corpus[i] for i in range(400)], vocab_size=1024)
  config = ModelConfig(
    vocab_size=1024,
    num_layers=2,
    num_dense_layers=1,
    model_dim=16,
    mlp_dim=32,
    attention=MLA(num_heads=2, query_rank=None, kv_rank=8, nope_dim=8, rope_dim=4, value_dim=8),
    rope=Rope(interleaved=True),
    moe=MoE(num_experts=4, top_k=2, width=16, num_shared=1),
    num_mtp=1,
    max_positions=1024,
  )
  model = Transformer(config)
  # Drawn by hand: `init` would be compiled first.
  shapes = jax.eval_shape(model.init, jax.random.key(0), np.zeros((1, 8), int))['params']
  normal = np.random.default_rng(0).normal
  params = jax.tree.map(lambda s: normal(0, 0.1, s.shape).astype(np.float32), shapes)
  folder = tmp_path_factory.mktemp('tiny_base') / 'model'
  Policy(model, params, tokenizer).save(folder)
  return folder


@pytest.fixture(scope='session')
def small_run(tiny_base, compilation_cache):
  """Returns flags that make a run of `configs/zero.py` two tiny steps on the tiny base."""
  return [
    f'--compilation_cache={compilation_cache}',
    f'--config.init_from={tiny_base}',
    '--config.rl.steps=2',
    '--config.rl.task.max_prompt_tokens=400',
    '--config.rl.sampling.group_size=4',
    '--config.rl.sampling.max_completion_tokens=16',
    '--config.rl.sampling.segment_tokens=16',
    '--config.rl.settings.prompts_per_step=4',
    '--config.rl.settings.num_microbatches=1',
    '--config.rl.cadence.completions_every=1',
    '--config.rl.evaluation.validation_problems=4',
    '--config.rl.evaluation.test_problems=4',
  ]
