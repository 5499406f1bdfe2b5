import dataclasses
import functools
import math
import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from r1jax import sharding
from r1jax.algorithms import grpo, kl, ratios, reductions, surrogate
from r1jax.decoding import Sampler, generate
from r1jax.decoding.scoring import score
from r1jax.model import Transformer, sizes
from r1jax.sharding import MeshShape
from r1jax.stages import rl_batch, rl_step
from r1jax.stages.rl_batch import Batch
from r1jax.structs import Experts, Prompts
from r1jax.training.optimizer import AdamW, adamw, warmup_constant
from r1jax.training.state import create
from r1jax.training.step import Step

sys.path.insert(0, str(pathlib.Path(__file__).parent / 'model'))

from families import GQA_CONFIG, QUICK, V2_CONFIG, V3_CONFIG, randomise

# What follows runs anywhere: the tables.


def shapes_of(config):
  tokens_BL = jax.ShapeDtypeStruct((1, 4), jnp.int32)
  return jax.eval_shape(Transformer(config).init, jax.random.key(0), tokens_BL)['params']


CONFIGS = sizes.SIZES | {'gqa': GQA_CONFIG, 'v2': V2_CONFIG, 'v3': V3_CONFIG}


@pytest.mark.parametrize('name', CONFIGS)
def test_every_parameter_matches_one_row_that_fits(name):
  """The rest of a parameter's dimensions is at most its layers."""
  for keys, leaf in jax.tree_util.tree_leaves_with_path(shapes_of(CONFIGS[name])):
    path = sharding.path_of(keys)
    axes = sharding.logical_axes(path, leaf.ndim)
    stacked = path.startswith(('dense_layers/', 'expert_layers/'))
    assert len(axes) == leaf.ndim
    assert not stacked or axes[0] is None
    assert set(axes) - {None} <= set(sharding.MESH_AXES)


def test_every_row_is_of_some_parameter():
  """With the heads, which are no part of a transformer's tree."""
  paths = {'value_head/kernel': 1, 'value_head/bias': 0, 'reward_head/kernel': 1}
  used = {row for path in paths for row in rows_of(path)}
  for config in CONFIGS.values():
    leaves = jax.tree_util.tree_leaves_with_path(shapes_of(config))
    used |= {row for keys, _ in leaves for row in rows_of(sharding.path_of(keys))}
  assert used == set(sharding.PARAMETERS)
  for path, ndim in paths.items():
    assert len(sharding.logical_axes(path, ndim)) == ndim


def rows_of(path):
  return [row for row in sharding.PARAMETERS if sharding.re.search(rf'(^|/){row}$', path)]


@pytest.mark.parametrize(
  ('path', 'ndim', 'message'),
  [
    ('expert_layers/attention/window', 2, r'^0 rows of sharding.PARAMETERS match'),
    ('my_head', 2, r"^0 rows of sharding.PARAMETERS match 'my_head'"),
    ('head', 4, r"^'head' has 4 dimensions, its row 'head' names \('embed', 'vocab'\)"),
    ('head', 1, "^'head' has 1 dimensions"),
  ],
)
def test_unknown_parameters_are_refused(path, ndim, message):
  with pytest.raises(ValueError, match=message):
    sharding.logical_axes(path, ndim)


def test_experts_are_not_taken_for_dense_layers():
  assert sharding.logical_axes('expert_layers/moe/gate', 4) == (
    None,
    'experts',
    'embed',
    'expert_mlp',
  )
  assert sharding.logical_axes('expert_layers/moe/shared/gate', 3) == (None, 'embed', 'mlp')


@pytest.mark.parametrize(
  ('shape', 'devices', 'expected'),
  [
    (MeshShape(), 8, (8, 1, 1, 1, 1)),
    (MeshShape(data=2, fsdp=-1, tensor=2), 8, (2, 2, 2, 1, 1)),
    (MeshShape(data=1, expert=4, context=2), 8, (1, 1, 1, 4, 2)),
    (MeshShape(), 1, (1, 1, 1, 1, 1)),
  ],
)
def test_what_is_left_is_filled_in(shape, devices, expected):
  assert shape.resolve(devices) == expected


@pytest.mark.parametrize(
  ('shape', 'message'),
  [
    (MeshShape(data=3), 'but there are 8 devices: change config.mesh so that its sizes multiply'),
    (MeshShape(tensor=3), 'but there are 8 devices: change config.mesh'),
    (MeshShape(data=-1, fsdp=-1), 'at most one may be -1'),
    (MeshShape(data=8, fsdp=0), 'sizes are at least 1'),
    (MeshShape(data=-2), 'sizes are at least 1'),
  ],
)
def test_meshes_that_do_not_fit_are_refused(shape, message):
  with pytest.raises(ValueError, match=message):
    shape.resolve(8)


def abstract_mesh(**parts):
  """A mesh of no device, for what needs its sizes alone."""
  shape = {axis: parts.get(axis, 1) for axis in sharding.AXES}
  return jax.sharding.AbstractMesh(
    tuple(shape.values()), sharding.AXES, axis_types=(jax.sharding.AxisType.Auto,) * 5
  )


def test_all_parameters_that_cannot_be_split_are_named():
  params = {
    'embedding': jax.ShapeDtypeStruct((19, 12), jnp.float32),
    'head': jax.ShapeDtypeStruct((12, 18), jnp.float32),
    'dense_layers': {'mlp': {'down': jax.ShapeDtypeStruct((2, 21, 13), jnp.float32)}},
  }
  with pytest.raises(ValueError) as error:
    sharding.parameter_shardings(params, abstract_mesh(fsdp=3, tensor=2))
  assert str(error.value).splitlines() == [
    'these parameters cannot be split over the mesh; change config.mesh:',
    "dense_layers/mlp/down (2, 21, 13): 21 into 2 parts along 'tensor'",
    "dense_layers/mlp/down (2, 21, 13): 13 into 3 parts along 'fsdp'",
    "embedding (19, 12): 19 into 2 parts along 'tensor'",
  ]


def test_published_models_fit_their_meshes():
  """V3 on 256 devices; the embedding, heads and experts are split as the table says."""
  mesh = abstract_mesh(fsdp=16, tensor=4, expert=4)
  found = sharding.parameter_shardings(shapes_of(CONFIGS['deepseek-v3']), mesh)
  assert found['embedding'].spec == PartitionSpec('tensor', 'fsdp')
  gate = found['expert_layers']['moe']['gate'].spec
  assert gate == PartitionSpec(None, 'expert', 'fsdp', 'tensor')
  assert found['expert_layers']['attention']['out'].spec == PartitionSpec(
    None, 'tensor', None, 'fsdp'
  )


def test_constraints_are_nothing_on_one_device():
  x = jnp.ones((4, 2))
  assert sharding.constrain(x, 'prompts', 'samples') is x
  assert sharding.prompt_parts(None) == 1
  np.testing.assert_array_equal(sharding.place({'x': x}, None)['x'], x)


# What follows runs on 8 devices, in an interpreter that has them.

NUM_DEVICES = 8


def test_on_eight_devices():
  """Runs the rest of this file in an interpreter to which the CPU is 8 devices."""
  if jax.device_count() == NUM_DEVICES:
    pytest.skip('this interpreter has 8 devices: the tests below run here')
  flags = f'--xla_force_host_platform_device_count={NUM_DEVICES}'
  environment = os.environ | {'XLA_FLAGS': flags, 'JAX_PLATFORMS': 'cpu'}
  command = [sys.executable, '-m', 'pytest', '-p', 'no:cacheprovider', '-k', 'a_mesh']
  run = subprocess.run(
    [*command, __file__],
    env=environment,
    cwd=pathlib.Path(__file__).parents[1],
    capture_output=True,
    text=True,
  )
  assert run.returncode == 0, run.stdout + run.stderr
  assert f'{len(MESHES) * 5} passed' in run.stdout, run.stdout


MESHES = {
  'data, fsdp, tensor': MeshShape(data=2, fsdp=2, tensor=2),
  'fsdp, tensor, expert': MeshShape(data=1, fsdp=2, tensor=2, expert=2),
  'data, expert, context': MeshShape(data=2, expert=2, context=2),
}
# All of what is split over two devices has an even size.
CONFIG = dataclasses.replace(
  V3_CONFIG, vocab_size=20, moe=dataclasses.replace(V3_CONFIG.moe, width=8)
)
MODEL = Transformer(CONFIG)
P, G, T, S = 4, 2, 6, 4
STOP = (0, 5, 11)


@pytest.fixture(scope='module', params=MESHES)
def mesh(request):
  """A mesh of 8 devices, in whose scope the test runs, as the runner does it."""
  if jax.device_count() != NUM_DEVICES:
    pytest.skip('needs 8 devices: test_on_eight_devices runs it in an interpreter that has them')
  return sharding.make_mesh(MESHES[request.param])


@functools.cache
def host_params():
  return jax.tree.map(np.asarray, randomise(shapes_of(CONFIG)))


def prompts():
  tokens_PS = np.random.default_rng(0).integers(CONFIG.vocab_size, size=(P, S)).astype(np.int32)
  return Prompts(tokens_PS, np.array([4, 1, 3, 2], np.int32), np.arange(P, dtype=np.int32))


@functools.cache
def host_batch():
  """Judged answers with the experts that the router chooses on one device."""
  rng = np.random.default_rng(1)
  tokens_PGT = rng.integers(CONFIG.vocab_size, size=(P, G, T)).astype(np.int32)
  length_PG = rng.integers(1, T + 1, size=(P, G)).astype(np.int32)
  program = jax.jit(
    functools.partial(score, MODEL), static_argnames='temperature', compiler_options=QUICK
  )
  scores = program(host_params(), prompts(), tokens_PGT, length_PG, temperature=1.0)
  mask_PGT = np.arange(T) < length_PG[..., None]
  logp_PGT = np.asarray(scores.logp_PGT)
  noise_PGT = rng.normal(size=(2, P, G, T)).astype(np.float32) * 0.1
  return Batch(
    prompts=prompts(),
    tokens_PGT=tokens_PGT,
    length_PG=length_PG,
    old_logp_PGT=logp_PGT + noise_PGT[0],
    ref_logp_PGT=logp_PGT + noise_PGT[1],
    advantage_PG=rng.normal(size=(P, G)).astype(np.float32),
    mask_PGT=mask_PGT,
    weight_PGT=np.asarray(reductions.sample_mean(jnp.asarray(mask_PGT))),
    experts=Experts(
      np.asarray(scores.prefix_routing.chosen_PGTQ[:, :, 0], np.int16),
      np.asarray(scores.suffix_routing.chosen_PGTQ, np.int16),
    ),
  )


LOSS = functools.partial(
  rl_step.loss,
  model=MODEL,
  objective=functools.partial(
    grpo.loss,
    ratio=ratios.token,
    surrogate=functools.partial(surrogate.clipped, low=0.2, high=0.2),
    kl=kl.k3,
    kl_weight=0.1,
  ),
  temperature=1.0,
  chunk_tokens=4,
  balance_weight=0.1,
)
OPTIMIZER = adamw(AdamW(), warmup_constant(peak=0.01, warmup=0))


def gradient_of(params, batch):
  program = jax.jit(jax.value_and_grad(LOSS, has_aux=True), compiler_options=QUICK)
  (value, report), gradient = program(params, batch)
  return jax.device_get((value, report.measures, report.load, gradient))


@functools.cache
def on_one_device():
  return gradient_of(host_params(), rl_batch.placed(host_batch(), None))


def test_loss_and_gradient_on_a_mesh_equal_one_device(mesh):
  """Relative to the largest number of each array, 1e-5; experts are replayed."""
  with jax.set_mesh(mesh):
    params = sharding.place_parameters(host_params(), mesh)
    found = gradient_of(params, rl_batch.placed(host_batch(), mesh))
  expected = on_one_device()
  assert abs(expected[0]) > 1e-2
  for (path, leaf), other in zip(
    jax.tree_util.tree_leaves_with_path(expected), jax.tree.leaves(found), strict=True
  ):
    scale = max(np.abs(leaf).max(), 1e-4)
    np.testing.assert_allclose(other, leaf, atol=1e-5 * scale, err_msg=jax.tree_util.keystr(path))


def parts_of(path, shape, mesh):
  """Into how many parts the table splits a parameter."""
  axes = sharding.logical_axes(path, len(shape))
  return math.prod(sharding.num_parts(mesh, sharding.MESH_AXES[a]) for a in axes if a is not None)


def assert_split(tree, mesh):
  """Every device holds its share of every parameter or moment, and nothing more."""
  found = {}
  for keys, leaf in jax.tree_util.tree_leaves_with_path(tree):
    if leaf.ndim == 0:
      continue
    path = '/'.join(str(key.key) for key in keys if hasattr(key, 'key'))
    parts = parts_of(path, leaf.shape, mesh)
    assert len(leaf.addressable_shards) == NUM_DEVICES
    for shard in leaf.addressable_shards:
      assert shard.data.nbytes * parts == leaf.nbytes, path
    found[path] = parts
  return found


def test_parameters_and_moments_on_a_mesh_are_really_split(mesh):
  """Before the first update and after it; so the next finds what the program was made for."""
  with jax.set_mesh(mesh):
    state = create(sharding.place_parameters(host_params(), mesh), OPTIMIZER)
    step = Step(LOSS, OPTIMIZER, bias_speed=0.01)
    batch = rl_batch.placed(host_batch(), mesh)
    for updates in range(3):
      assert state.updates == updates
      for tree in (state.params, state.optimizer):
        parts = assert_split(tree, mesh)
      state, metrics = step(state, [batch])
      assert metrics['skipped'] == 0
  product = math.prod(mesh.shape[axis] for axis in ('fsdp', 'tensor', 'expert'))
  assert max(parts.values()) == product > 1
  assert step._whole._cache_size() == 1


@functools.cache
def sampled_on_one_device(segment_tokens):
  return sample(host_params(), prompts(), segment_tokens, None)


def sample(params, asked, segment_tokens, mesh):
  return generate(
    MODEL,
    params,
    sharding.place(asked, mesh),
    group_size=G,
    max_tokens=T,
    sampler=Sampler(),
    stop_tokens=STOP,
    key=jax.random.key(3),
    segment_tokens=segment_tokens,
    prompt_parts=sharding.prompt_parts(mesh),
  )


@pytest.mark.parametrize('segment_tokens', [T, 2])
def test_answers_on_a_mesh_equal_one_device(mesh, segment_tokens):
  """Up to the first near tie, of which there are few; with compaction and without."""
  with jax.set_mesh(mesh):
    params = sharding.place_parameters(host_params(), mesh)
    found = sample(params, prompts(), segment_tokens, mesh)
  expected = sampled_on_one_device(T)
  near_PG = (expected.margin_PGT < 1e-4) & (np.arange(T) < expected.length_PG[..., None])
  clear_PG = ~near_PG.any(axis=-1)
  assert clear_PG.mean() > 0.8
  for name in ('tokens_PGT', 'length_PG', 'stopped_PG'):
    np.testing.assert_array_equal(
      getattr(found, name)[clear_PG], getattr(expected, name)[clear_PG], name
    )
  np.testing.assert_allclose(found.logp_PGT[clear_PG], expected.logp_PGT[clear_PG], atol=1e-4)


def test_a_batch_that_a_mesh_cannot_split_is_refused(mesh):
  message = (
    '3 prompts .* cannot be split into 4 parts over the mesh axes data, fsdp, expert: '
    'change config.mesh, or'
  )
  with pytest.raises(ValueError, match=message):
    sharding.place(jax.tree.map(lambda array: array[:3], prompts()), mesh)
