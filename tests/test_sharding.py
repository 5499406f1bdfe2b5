import dataclasses
import functools
import math
import os
import pathlib
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from r1jax import sharding
from r1jax.algorithms import grpo, kl, measures, ratios, reductions, surrogate
from r1jax.aot import hlo, programs
from r1jax.decoding import Sampler, generate, generation
from r1jax.decoding.scoring import score
from r1jax.interop import families as folder_families
from r1jax.model import (
  GQA,
  ModelConfig,
  MoE,
  Rope,
  Transformer,
  attention,
  blockwise,
  experts,
  mla,
  sizes,
  splash,
)
from r1jax.model.spans import Seen, Span
from r1jax.sharding import MeshShape
from r1jax.stages import pretrain, rl_batch, rl_step
from r1jax.stages.rl_batch import Batch
from r1jax.structs import Experts, Prompts
from r1jax.training.optimizer import AdamW, adamw, warmup_constant
from r1jax.training.state import create
from r1jax.training.step import Step

sys.path.insert(0, str(pathlib.Path(__file__).parent / 'model'))

from families import GQA_CONFIG, V2_CONFIG, V3_CONFIG, randomise

# What follows runs anywhere: the tables.


def shapes_of(config):
  tokens_BL = jax.ShapeDtypeStruct((1, 4), jnp.int32)
  return jax.eval_shape(Transformer(config).init, jax.random.key(0), tokens_BL)['params']


# Of each family, all of what is split over two devices has an even size. Experts are computed
# densely where tokens are as few as here, or in blocks; V3 has both kinds of layers.
SMALL = dict(vocab_size=20, num_layers=2, model_dim=12, mlp_dim=20)
LLAMA = ModelConfig(attention=GQA(4, 2, 6), rope=GQA_CONFIG.rope, **SMALL)
FAMILIES = {
  'DeepseekV3ForCausalLM': dataclasses.replace(
    V3_CONFIG,
    attention=dataclasses.replace(V3_CONFIG.attention, norm_epsilon=1e-6),
    moe=dataclasses.replace(V3_CONFIG.moe, width=8),
    num_mtp=0,
    **SMALL,
  ),
  'DeepseekV2ForCausalLM': dataclasses.replace(
    V2_CONFIG, moe=dataclasses.replace(V2_CONFIG.moe, width=8, dispatch='grouped'), **SMALL
  ),
  'Qwen2ForCausalLM': dataclasses.replace(
    LLAMA, attention=GQA(4, 2, 6, qkv_bias=True), rope=Rope(theta=50.0), tied=True
  ),
  'Qwen3ForCausalLM': dataclasses.replace(
    LLAMA, attention=GQA(4, 2, 6, qk_norm=True), rope=Rope(theta=50.0), tied=True
  ),
  'Qwen3MoeForCausalLM': dataclasses.replace(
    LLAMA,
    attention=GQA(4, 2, 6, qk_norm=True),
    rope=Rope(theta=50.0),
    moe=MoE(8, top_k=3, width=8, scores='softmax', selection_bias=False, group_score_size=1),
  ),
  'LlamaForCausalLM': LLAMA,
}
CONFIGS = sizes.SIZES | {'gqa': GQA_CONFIG, 'v2': V2_CONFIG, 'v3': V3_CONFIG}


@pytest.mark.parametrize('name', CONFIGS)
def test_every_parameter_matches_one_row_that_fits(name):
  """The rest of a parameter's dimensions is at most its layers."""
  for keys, leaf in jax.tree.leaves_with_path(shapes_of(CONFIGS[name])):
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
    leaves = jax.tree.leaves_with_path(shapes_of(config))
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
    "dense_layers/mlp/down (2, 21, 13): 13 into 3 parts along ('fsdp', 'context')",
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


def test_what_splits_tokens_splits_parameters_too():
  """Or V3, whose answers need 16 devices each, would lie on every sixteenth of them."""
  mesh = abstract_mesh(fsdp=4, expert=8, context=16)
  found = sharding.parameter_shardings(shapes_of(CONFIGS['deepseek-v3']), mesh)['expert_layers']
  both = ('fsdp', 'context')
  assert found['moe']['gate'].spec == PartitionSpec(None, 'expert', both)
  assert found['attention']['query_up'].spec == PartitionSpec(None, both)
  assert found['attention']['out'].spec == PartitionSpec(None, None, None, both)


@pytest.mark.parametrize(
  ('sizes', 'spec'),
  [
    ((8, 4, 6), (('data', 'fsdp', 'expert'), 'context', None)),
    ((8, 3, 6), (('data', 'fsdp', 'expert'), None, 'context')),
    ((7, 1, 5), (None, None, None)),
  ],
)
def test_whole_samples_are_split_rather_than_their_tokens(sizes, spec):
  mesh = abstract_mesh(fsdp=4, context=2)
  found = sharding.fitting(sizes, ('prompts', 'samples', 'tokens'), mesh.shape)
  assert found == PartitionSpec(*spec)


def test_constraints_are_nothing_on_one_device():
  x = jnp.ones((4, 2))
  assert sharding.constrain(x, 'prompts', 'samples') is x
  assert sharding.prompt_parts(None) == 1
  np.testing.assert_array_equal(sharding.place({'x': x}, None)['x'], x)


def test_families_are_those_of_folders_and_see_every_axis_split():
  assert FAMILIES.keys() == {family.architecture for family in folder_families.FAMILIES}
  for name, config in FAMILIES.items():
    assert folder_families.write(config)[0].architecture == name
    axes = [MESHES[mesh][0] for family, mesh in FAMILY_CASES if family == name]
    sizes = np.array([shape.resolve(NUM_DEVICES) for shape in axes])
    assert np.all(sizes.max(axis=0) > 1), 'an axis is not split'


def test_models_run_within_ones_own_mesh():
  mesh = jax.make_mesh((1,), ('mine',), axis_types=(jax.sharding.AxisType.Auto,))
  tokens_BL = np.arange(8, dtype=np.int32).reshape(2, 4)
  expected = Transformer(LLAMA).apply({'params': host_params(LLAMA)}, tokens_BL).logits_BLV
  with jax.set_mesh(mesh):
    found = Transformer(LLAMA).apply({'params': host_params(LLAMA)}, tokens_BL).logits_BLV
  np.testing.assert_allclose(found, expected, atol=1e-5)


# What follows runs on 8 devices, in an interpreter that has them.

NUM_DEVICES = 8


def test_on_eight_devices():
  """Runs the rest of this file in an interpreter to which the CPU is 8 devices."""
  if jax.device_count() == NUM_DEVICES:
    pytest.skip('this interpreter has 8 devices: the tests below run here')
  flags = f'{os.environ["XLA_FLAGS"]} --xla_force_host_platform_device_count={NUM_DEVICES}'
  environment = os.environ | {
    'XLA_FLAGS': flags,
    'JAX_PLATFORMS': 'cpu',
  }
  command = [sys.executable, '-m', 'pytest', '-n0', '-p', 'no:cacheprovider', '-k', 'a_mesh']
  run = subprocess.run(
    [*command, __file__],
    env=environment,
    cwd=pathlib.Path(__file__).parents[1],
    capture_output=True,
    text=True,
  )
  assert run.returncode == 0, run.stdout + run.stderr
  split_experts = sum(MESHES[mesh][0].expert > 1 for _, mesh in CASES)
  expected = len(FAMILY_CASES) + 3 * len(CASES) + split_experts + 8
  assert f'{expected} passed' in run.stdout, run.stdout


# With how many samples there are in a group: two are split along context, and of three the tokens.
MESHES = {
  'data, fsdp, tensor': (MeshShape(data=2, fsdp=2, tensor=2), 2),
  'fsdp, tensor, expert': (MeshShape(data=1, fsdp=2, tensor=2, expert=2), 2),
  'fsdp, tensor, context': (MeshShape(data=1, fsdp=2, tensor=2, context=2), 3),
  'data, expert, context': (MeshShape(data=2, expert=2, context=2), 2),
  'data, expert, context of tokens': (MeshShape(data=2, expert=2, context=2), 3),
}
# Each family on two meshes, which have all axes between them.
FAMILY_CASES = [
  ('DeepseekV3ForCausalLM', 'fsdp, tensor, expert'),
  ('DeepseekV3ForCausalLM', 'data, expert, context'),
  ('DeepseekV2ForCausalLM', 'data, fsdp, tensor'),
  ('DeepseekV2ForCausalLM', 'data, expert, context'),
  ('Qwen2ForCausalLM', 'fsdp, tensor, context'),
  ('Qwen2ForCausalLM', 'data, expert, context'),
  ('Qwen3ForCausalLM', 'data, fsdp, tensor'),
  ('Qwen3ForCausalLM', 'data, expert, context'),
  ('Qwen3MoeForCausalLM', 'fsdp, tensor, context'),
  ('Qwen3MoeForCausalLM', 'data, expert, context'),
  ('LlamaForCausalLM', 'fsdp, tensor, expert'),
  ('LlamaForCausalLM', 'data, expert, context'),
]
# Each mesh once, for what is not of a family.
CASES = [
  ('DeepseekV2ForCausalLM', 'data, fsdp, tensor'),
  ('DeepseekV3ForCausalLM', 'fsdp, tensor, expert'),
  ('Qwen2ForCausalLM', 'fsdp, tensor, context'),
  ('DeepseekV3ForCausalLM', 'data, expert, context'),
  ('DeepseekV3ForCausalLM', 'data, expert, context of tokens'),
]
# A prompt's tokens but the last are an odd number.
P, G, T, S = 4, 2, 6, 6
STOP = (0, 5, 11)


@pytest.fixture(scope='module', params=CASES, ids=': '.join)
def on_mesh(request):
  """A model's config, a mesh in whose scope the test runs, and how many samples a group has."""
  if jax.device_count() != NUM_DEVICES:
    pytest.skip('needs 8 devices: test_on_eight_devices runs it in an interpreter that has them')
  family, name = request.param
  shape, group = MESHES[name]
  mesh = sharding.make_mesh(shape)
  with jax.set_mesh(mesh):
    yield FAMILIES[family], mesh, group


@functools.cache
def host_params(config):
  return jax.tree.map(np.asarray, randomise(shapes_of(config)))


def prompts():
  tokens_PS = np.random.default_rng(0).integers(20, size=(P, S)).astype(np.int32)
  return Prompts(tokens_PS, np.array([6, 1, 3, 4], np.int32), np.arange(P, dtype=np.int32))


def one_device():
  """Leaves the scope of the mesh."""
  return jax.set_mesh(sharding.make_mesh(MeshShape(), jax.devices()[:1]))


@functools.cache
def host_batch(config, group=G):
  """Judged answers with the experts that the router chooses on one device."""
  rng = np.random.default_rng(1)
  tokens_PGT = rng.integers(20, size=(P, group, T)).astype(np.int32)
  length_PG = rng.integers(1, T + 1, size=(P, group)).astype(np.int32)
  program = jax.jit(functools.partial(score, Transformer(config)), static_argnames='temperature')
  scores = program(host_params(config), prompts(), tokens_PGT, length_PG, temperature=1.0)
  mask_PGT = np.arange(T) < length_PG[..., None]
  logp_PGT = np.asarray(scores.logp_PGT)
  noise_PGT = rng.normal(size=(2, P, group, T)).astype(np.float32) * 0.5
  experts = None
  if config.moe is not None:
    prefix_NPSQ = np.asarray(scores.prefix_routing.chosen_PGTQ[:, :, 0], np.int16)
    experts = Experts(prefix_NPSQ, np.asarray(scores.suffix_routing.chosen_PGTQ, np.int16))
  return Batch(
    prompts=prompts(),
    tokens_PGT=tokens_PGT,
    length_PG=length_PG,
    old_logp_PGT=logp_PGT + noise_PGT[0],
    ref_logp_PGT=logp_PGT + noise_PGT[1],
    advantage_PG=rng.normal(size=(P, group)).astype(np.float32),
    mask_PGT=mask_PGT,
    weight_PGT=np.asarray(reductions.sample_mean(jnp.asarray(mask_PGT))),
    experts=experts,
  )


# Moments after one update are the gradient, times 0.1, and its square, times 0.05.
OPTIMIZER = adamw(AdamW(b1=0.9, b2=0.95, max_norm=1e9), warmup_constant(peak=0.01, warmup=0))


def step_of(config):
  objective = functools.partial(
    grpo.loss,
    ratio=ratios.token,
    surrogate=functools.partial(surrogate.clipped, low=0.2, high=0.2),
    kl=kl.k3,
    kl_weight=0.1,
  )
  loss = functools.partial(
    rl_step.loss,
    model=Transformer(config),
    objective=objective,
    temperature=1.0,
    chunk_tokens=16,
    balance_weight=0.1,
  )
  return Step(loss, OPTIMIZER, bias_speed=0.01)


def parts_of(path, shape, mesh):
  """Into how many parts the table splits a parameter."""
  axes = sharding.logical_axes(path, len(shape))
  return math.prod(sharding.num_parts(mesh, sharding.MESH_AXES[a]) for a in axes if a is not None)


def assert_split(tree, mesh):
  """Every device holds its share of every parameter or moment, and nothing more."""
  found = {}
  for keys, leaf in jax.tree.leaves_with_path(tree):
    if leaf.ndim == 0:
      continue
    path = '/'.join(str(key.key) for key in keys if isinstance(getattr(key, 'key', None), str))
    parts = parts_of(path, leaf.shape, mesh)
    assert len(leaf.addressable_shards) == NUM_DEVICES
    for shard in leaf.addressable_shards:
      assert shard.data.nbytes * parts == leaf.nbytes, path
    found[path] = parts
  return found


def assert_close(found, expected):
  """Relative to the largest number of each array, 1e-5."""
  for (path, leaf), other in zip(
    jax.tree.leaves_with_path(expected), jax.tree.leaves(found), strict=True
  ):
    scale = max(np.abs(leaf).max(), 1e-4)
    np.testing.assert_allclose(other, leaf, atol=1e-5 * scale, err_msg=jax.tree_util.keystr(path))


@functools.cache
def update_on_one_device(config, group):
  """State and metrics after the first update."""
  with one_device():
    batch = rl_batch.placed(host_batch(config, group), None)
    state = create(jax.tree.map(jnp.asarray, host_params(config)), OPTIMIZER)
    return jax.device_get(step_of(config)(state, [batch]))


@pytest.mark.parametrize('on_mesh', FAMILY_CASES, ids=': '.join, indirect=True, scope='module')
def test_an_update_on_a_mesh_equals_one_device_and_is_split(on_mesh):
  """Loss, metrics and gradients (as moments); the second update runs the same program."""
  config, mesh, group = on_mesh
  expected_state, expected_metrics = update_on_one_device(config, group)
  step, batch = step_of(config), rl_batch.placed(host_batch(config, group), mesh)
  state = create(sharding.place_parameters(host_params(config), mesh), OPTIMIZER)
  parts = assert_split(state.params, mesh)
  assert_split(state.optimizer, mesh)
  state, metrics = step(state, [batch])
  results = measures.results(expected_metrics)
  assert abs(results['loss']) > 1e-2
  assert results['skipped'] == 0
  assert_close(measures.results(metrics), results)
  assert_close(jax.device_get(state.optimizer), expected_state.optimizer)
  assert_split(state.params, mesh)
  assert_split(state.optimizer, mesh)
  unsplit = {'data'} if config.moe else {'data', 'expert'}
  assert max(parts.values()) == math.prod(
    size for axis, size in mesh.shape.items() if axis not in unsplit
  )
  state, _ = step(state, [batch])
  assert state.updates == 2
  assert step.whole._cache_size() == 1


def test_answers_of_any_length_on_a_mesh_are_split_by_their_tokens(on_mesh):
  """One of an odd length takes the work of one that is a token longer, and scores as ever."""
  config, mesh, group = on_mesh
  if group % mesh.shape['context'] == 0:
    pytest.skip('whole answers are split')
  batch = host_batch(config, group)
  program = jax.jit(functools.partial(score, Transformer(config), temperature=1.0, chunk_tokens=16))

  def scored(tokens, mesh):
    cut = rl_batch.placed(rl_batch.narrowed(batch, tokens), mesh)
    length_PG = jnp.minimum(cut.length_PG, tokens)
    params = sharding.place_parameters(host_params(config), mesh)
    given = (params, cut.prompts, cut.tokens_PGT, length_PG)
    compiled = program.lower(*given, experts=cut.experts).compile()
    return compiled(*given, experts=cut.experts), hlo.cost(compiled.as_text()).operations

  (odd, operations), (_, of_even) = scored(T - 1, mesh), scored(T, mesh)
  assert operations == of_even
  with one_device():
    expected, _ = scored(T - 1, None)
  assert odd.hidden_PGTD.shape == expected.hidden_PGTD.shape
  assert_close(jax.device_get(odd), jax.device_get(expected))


def test_attention_in_blocks_on_a_mesh_equals_the_plain_on_one_device(on_mesh, monkeypatch):
  """Where answers are split: metrics and gradients, of rows and blocks that are not all full."""
  config, mesh, group = on_mesh
  if mesh.shape['context'] == 1:
    pytest.skip('answers are not split')
  expected_state, expected_metrics = update_on_one_device(config, group)
  monkeypatch.setattr(attention, 'PLAIN_SCORES', 0)
  monkeypatch.setattr(blockwise, 'BLOCK', 2)
  calls, attend = [], blockwise.attend
  monkeypatch.setattr(blockwise, 'attend', lambda *args: calls.append(1) or attend(*args))
  state = create(sharding.place_parameters(host_params(config), mesh), OPTIMIZER)
  state, metrics = step_of(config)(state, [rl_batch.placed(host_batch(config, group), mesh)])
  assert calls
  assert_close(measures.results(metrics), measures.results(expected_metrics))
  assert_close(jax.device_get(state.optimizer), expected_state.optimizer)


def test_samples_of_a_mesh_attend_in_turn_as_on_one_device(on_mesh, monkeypatch):
  """Four answers on two devices, two each: latents are expanded of one of each at a time."""
  config, mesh, group = on_mesh
  if mesh.shape['context'] == 1 or group % 2 or config.moe is None:
    pytest.skip('one mesh, on which samples are split, is enough')
  rng, heads = np.random.default_rng(4), 3
  sizes = {'query': (P, 4, T, heads, 7), 'key_up': (5, heads, 4), 'value_up': (5, heads, 2)}
  arrays = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
  for name, tokens in (('prefix', (P, S)), ('own', (P, 4, T))):
    widths = {'latent': 5, 'rope_key': 3}
    arrays[name] = {
      entry: rng.normal(size=(*tokens, width)).astype(np.float32) for entry, width in widths.items()
    }

  def loss(arrays):
    expand = functools.partial(
      mla._expanded_span, key_up_CHN=arrays['key_up'], value_up_CHO=arrays['value_up']
    )
    latents = [(arrays['prefix'], Seen(jnp.array([6, 1, 0, 4]))), (arrays['own'], Seen(None, True))]
    out = mla._attend_expanded(arrays['query'], latents, expand, 0.5)
    return jnp.sum(out * jnp.cos(jnp.arange(out.size)).reshape(out.shape)), out

  gradient = jax.grad(loss, has_aux=True)
  with one_device():
    expected = jax.device_get(jax.jit(gradient)(arrays))
  monkeypatch.setattr(attention, 'PLAIN_SCORES', 0)
  monkeypatch.setattr(blockwise, 'BLOCK', 2)
  shapes, attend = [], blockwise.attend
  monkeypatch.setattr(
    blockwise, 'attend', lambda *args: shapes.append(args[0].shape) or attend(*args)
  )
  assert_close(jax.device_get(jax.jit(gradient)(arrays)), expected)
  assert {shape[1] for shape in shapes} == {2}


def test_devices_of_a_mesh_share_encoding_and_decoding(on_mesh):
  """All of them have a share of the prompts' tokens and of the samples of a group."""
  config, mesh, _ = on_mesh
  if mesh.shape['context'] == 1 or config.moe is not None:
    pytest.skip('one mesh, along whose context is more than one device, is enough')
  model = Transformer(config)
  tokens = jax.ShapeDtypeStruct((P, 64), jnp.int32)
  number = jax.ShapeDtypeStruct((P,), jnp.int32)
  key = jax.eval_shape(lambda: jax.random.key(0))

  def operations(mesh):
    params = sharding.place_parameters(host_params(config), mesh)
    given = sharding.abstract(Prompts(tokens, number, number), mesh, 'prompts')
    start = generation.start.lower(model, params, given, key, group_size=4, room=(8,)).compile()
    batch, _ = jax.tree.map(
      lambda shape, placed: jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=placed),
      start.out_info,
      start.output_shardings,
    )
    options = {'sampler': Sampler(), 'stop_tokens': STOP, 'tokens': 2}
    decode = generation.segment.lower(model, params, batch, **options).compile()
    return [hlo.cost(program.as_text()).operations for program in (start, decode)]

  found = operations(mesh)
  with one_device():
    expected = operations(None)
  for share, whole in zip(found, expected, strict=True):
    assert whole / NUM_DEVICES <= share < 1.2 * whole / NUM_DEVICES


def test_a_batch_shrinks_without_a_word_between_devices(on_mesh):
  """Each picks among its own prompts and samples: caches are too large to go round."""
  config, mesh, _ = on_mesh
  if mesh.shape['context'] == 1 or config.moe is not None:
    pytest.skip('one mesh, along whose context is more than one device, is enough')
  parts = (sharding.prompt_parts(mesh), mesh.shape['context'])
  assert min(parts) > 1
  num_prompts, group = 2 * parts[0], 2 * parts[1]
  number = jax.ShapeDtypeStruct((num_prompts,), jnp.int32)
  given = Prompts(jax.ShapeDtypeStruct((num_prompts, 4), jnp.int32), number, number)
  key = jax.eval_shape(lambda: jax.random.key(0))
  batch, _ = jax.eval_shape(
    functools.partial(generation.start, Transformer(config), group_size=group, room=(4, 4)),
    shapes_of(config),
    given,
    key,
  )
  live_PG = np.zeros((num_prompts, group), bool)
  live_PG[1::2, ::2] = True
  plan = generation.compaction(live_PG, parts)
  assert plan[1].shape == (num_prompts // 2, group // 2)

  def drawn():
    rng = np.random.default_rng(0)

    def draw(shape):
      if jnp.issubdtype(shape.dtype, jax.dtypes.prng_key):
        return jax.random.split(jax.random.key(0), shape.shape)
      return jnp.asarray(rng.integers(2, size=shape.shape), shape.dtype)

    return jax.tree.map(draw, batch)

  placed = generation.laid_out(
    drawn(),
    lambda array, *axes: jax.device_put(array, sharding.abstract(array, mesh, *axes).sharding),
  )
  cache = programs.bytes_per_device(placed.suffix.blocks)
  for block in placed.suffix.blocks:
    program = generation.take_block.lower(block, *plan[:2], parts=parts).compile()
    assert not hlo.cost(program.as_text()).collective_bytes
    assert program.memory_analysis().temp_size_in_bytes < cache / 2
  with one_device():
    expected = generation.take(drawn(), *plan, parts=parts)
  for found, other in zip(
    jax.tree.leaves(generation.take(placed, *plan, parts=parts)),
    jax.tree.leaves(expected),
    strict=True,
  ):
    if jnp.issubdtype(found.dtype, jax.dtypes.prng_key):
      found, other = jax.random.key_data(found), jax.random.key_data(other)
    np.testing.assert_array_equal(found, other)


def test_devices_of_a_mesh_share_the_work_of_attention_evenly(on_mesh):
  """Their products are a part of each row's, and between rows nothing is sent."""
  _, mesh, group = on_mesh
  if mesh.shape['context'] == 1 or mesh.shape['tensor'] == 1:
    pytest.skip('one mesh, on which tokens and heads are split, is enough')
  query = jax.ShapeDtypeStruct((P, group, 4 * blockwise.BLOCK, 4, 8), jnp.float32)
  key = jax.ShapeDtypeStruct((P, group, 4 * blockwise.BLOCK, 2, 8), jnp.float32)

  def loss(query, key):
    return jnp.sum(blockwise.attend(query, [Span(key, key, Seen(causal=True))]) ** 2)

  program = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(query, key).compile().as_text()
  products = re.findall(rf'= f32\[([\d,]*),{blockwise.BLOCK}\]\S* dot\(', program)
  parts = sharding.prompt_parts(mesh), mesh.shape['tensor']
  rows = P // parts[0] * group * (4 // parts[1]) * blockwise.BLOCK
  assert max(math.prod(map(int, found.split(','))) for found in products) == rows
  loops = [part for part in program.split('\n\n') if ' dot(' in part]
  assert loops
  for computation in loops:
    assert not re.search(r' (all-gather|all-reduce|all-to-all|collective-permute)\(', computation)


def test_a_kernel_on_a_mesh_equals_the_plain_attention(on_mesh, monkeypatch):
  """Splash attention, interpreted: each device takes its prompts and heads; with gradients."""
  _, mesh, group = on_mesh
  if mesh.shape['context'] > 1 and group % 2:
    pytest.skip('where tokens are split, attention is in blocks')
  monkeypatch.setattr(splash, 'BLOCK', 128)
  rng = np.random.default_rng(5)
  sizes = (P, G, T, 4, 8), (P, S, 2, 8), (P, G, T, 2, 8)
  arrays = [rng.normal(size=size).astype(np.float32) for size in sizes]
  seen = Seen(jnp.array([5, 1, 0, 4])), Seen(causal=True)

  def gradient(attend, *arrays):
    def loss(query, prefix, own):
      spans = [Span(key, 2 * key, which) for key, which in zip((prefix, own), seen)]
      return jnp.sum(attend(query, spans) ** 2)

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))(*arrays)

  found = gradient(functools.partial(splash.attend, interpret=True), *arrays)
  with one_device():
    expected = gradient(attention.plain, *arrays)
  assert_close(jax.device_get(found), jax.device_get(expected))


def in_blocks(config, mesh):
  """The gradient of the step's loss, with the experts' work grouped in blocks."""
  step = step_of(config)
  params = sharding.place_parameters(host_params(config), mesh)
  return jax.device_get(step.gradient(params, rl_batch.placed(host_batch(config), mesh)))


@functools.cache
def in_blocks_on_one_device(config):
  with one_device():
    return in_blocks(config, None)


def test_experts_in_blocks_on_a_mesh_equal_one_device(on_mesh, monkeypatch):
  config, mesh, _ = on_mesh
  if mesh.shape['expert'] == 1:
    pytest.skip('experts are not split')
  monkeypatch.setattr(experts, 'BLOCK_ROWS', (2, 4))
  calls, plain = [], experts.in_blocks
  monkeypatch.setattr(experts, 'in_blocks', lambda *args, **o: calls.append(1) or plain(*args, **o))
  found = in_blocks(config, mesh)
  assert calls, 'blocks of this size hold more rows than all experts'
  expected = in_blocks_on_one_device(config)
  assert_close((found[0], found[2]), (expected[0], expected[2]))


def pretraining_gradient(config, mesh):
  model = Transformer(config)
  loss = functools.partial(
    pretrain.loss, model=model, mtp_weight=0.3, balance_weight=0.1, chunk_tokens=None
  )
  tokens_BL = np.random.default_rng(2).integers(20, size=(P, 2 * T)).astype(np.int32)
  rows = pretrain.Rows(tokens_BL, np.full(tokens_BL.shape, 1 / tokens_BL.size, np.float32))
  params = sharding.place_parameters(host_params(config), mesh)
  value, tree = jax.jit(jax.value_and_grad(lambda p, r: loss(p, r)[0]))(
    params, sharding.place(rows, mesh)
  )
  return jax.device_get((value, tree))


def test_multi_token_prediction_on_a_mesh_equals_one_device(on_mesh):
  config, mesh, group = on_mesh
  if config.moe is None or mesh.shape['context'] == 1 or group != 3:
    pytest.skip('one mesh, on which tokens are split, is enough')
  config = dataclasses.replace(config, num_mtp=1)
  found = pretraining_gradient(config, mesh)
  with one_device():
    assert_close(found, pretraining_gradient(config, None))


def sample(config, group, params, mesh, max_tokens=T, temperature=1.0):
  return generate(
    Transformer(config),
    params,
    sharding.place(prompts(), mesh),
    group_size=group,
    max_tokens=max_tokens,
    sampler=Sampler(temperature),
    stop_tokens=STOP,
    key=jax.random.key(3),
    segment_tokens=3,
    mesh=mesh,
  )


@functools.cache
def answers_on_one_device(config, group, **options):
  with one_device():
    return sample(config, group, host_params(config), None, **options)


def assert_same_answers(found, expected):
  """Up to the first near tie, of which there are few."""
  num_near = 0
  for index in np.ndindex(expected.length_PG.shape):
    length = int(expected.length_PG[index])
    (ties,) = np.nonzero(expected.margin_PGT[index][:length] < 1e-4)
    num_near += len(ties) > 0
    alike = ties[0] if len(ties) else length
    np.testing.assert_array_equal(
      found.tokens_PGT[index][:alike], expected.tokens_PGT[index][:alike]
    )
    np.testing.assert_allclose(
      found.logp_PGT[index][:alike], expected.logp_PGT[index][:alike], atol=1e-4
    )
    if not len(ties):
      assert found.length_PG[index] == length
      assert found.stopped_PG[index] == expected.stopped_PG[index]
  assert num_near < 0.2 * expected.length_PG.size


def test_answers_on_a_mesh_equal_one_device(on_mesh, monkeypatch):
  """And their caches are split."""
  config, mesh, group = on_mesh
  expected = answers_on_one_device(config, group)
  caches, segment = [], generation.segment

  def watch(model, params, batch, **options):
    caches.append((batch.prefix.cache, batch.suffix.blocks))
    for keys, leaf in jax.tree.leaves_with_path(caches[-1]):
      heads = 'kv_heads' if keys[-1].key in ('key', 'value') else None
      parts = sharding.prompt_parts(mesh) * (sharding.num_parts(mesh, 'tensor') if heads else 1)
      of_suffix = keys[0].idx == 1
      parts *= sharding.sample_parts(group) if of_suffix else 1
      assert leaf.addressable_shards[0].data.nbytes * parts <= leaf.nbytes, keys
    return segment(model, params, batch, **options)

  monkeypatch.setattr(generation, 'segment', watch)
  found = sample(config, group, sharding.place_parameters(host_params(config), mesh), mesh)
  assert len(caches) == 2
  assert_same_answers(found, expected)


def test_a_group_that_a_mesh_comes_to_split_is_answered_alike(on_mesh, monkeypatch):
  """Of 13 samples 4 are left, which two devices along context share."""
  config, mesh, _ = on_mesh
  if mesh.shape['context'] == 1 or config.moe is not None:
    pytest.skip('one mesh, along whose context are two devices, is enough')
  options = {'max_tokens': 24, 'temperature': 8.0}  # Many end early.
  expected = answers_on_one_device(config, 13, **options)
  planned, compaction = [], generation.compaction

  def watch(live_PG, parts):
    planned.append((live_PG.shape[1], parts[1]))
    return compaction(live_PG, parts)

  monkeypatch.setattr(generation, 'compaction', watch)
  params = sharding.place_parameters(host_params(config), mesh)
  found = sample(config, 13, params, mesh, **options)
  assert set(planned) >= {(13, 1), (4, 2)}
  assert_same_answers(found, expected)


def test_a_batch_that_a_mesh_cannot_split_is_refused(on_mesh):
  _, mesh, _ = on_mesh
  message = (
    f'3 prompts .* cannot be split into {sharding.prompt_parts(mesh)} parts over the mesh axes '
    'data, fsdp, expert: change config.mesh, or'
  )
  with pytest.raises(ValueError, match=message):
    sharding.place(jax.tree.map(lambda array: array[:3], prompts()), mesh)
