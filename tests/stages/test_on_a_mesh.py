"""Updates on meshes are those of one device, however the work is cut."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import meshes
import numpy as np
from meshes import (
  FAMILY_CASES,
  NUM_DEVICES,
  P,
  T,
  assert_close,
  host_batch,
  host_params,
  one_device,
  where,
)

from r1jax import sharding
from r1jax.algorithms import grpo, kl, measures, ratios, surrogate
from r1jax.model import Transformer, attention, blockwise, experts
from r1jax.stages import pretrain, rl_batch, rl_step
from r1jax.training.optimizer import AdamW, adamw, warmup_constant
from r1jax.training.state import create
from r1jax.training.step import Step

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


@functools.cache
def update_on_one_device(config, group):
  """State and metrics after the first update."""
  with one_device():
    batch = rl_batch.placed(host_batch(config, group), None)
    state = create(jax.tree.map(jnp.asarray, host_params(config)), OPTIMIZER)
    return jax.device_get(step_of(config)(state, [batch]))


@meshes.on(FAMILY_CASES)
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


@meshes.on(where(lambda config, shape, group: shape.context > 1))
def test_attention_in_blocks_on_a_mesh_equals_the_plain_on_one_device(on_mesh, monkeypatch):
  """Where answers are split: metrics and gradients, of rows and blocks that are not all full."""
  config, mesh, group = on_mesh
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


def in_blocks(config, mesh):
  """The gradient of the step's loss, with the experts' work grouped in blocks."""
  step = step_of(config)
  params = sharding.place_parameters(host_params(config), mesh)
  return jax.device_get(step.gradient(params, rl_batch.placed(host_batch(config), mesh)))


@functools.cache
def in_blocks_on_one_device(config):
  with one_device():
    return in_blocks(config, None)


@meshes.on(where(lambda config, shape, group: shape.expert > 1))
def test_experts_in_blocks_on_a_mesh_equal_one_device(on_mesh, monkeypatch):
  config, mesh, _ = on_mesh
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


@meshes.on(where(lambda config, shape, group: config.moe and shape.context > 1 and group == 3))
def test_multi_token_prediction_on_a_mesh_equals_one_device(on_mesh):
  config, mesh, _ = on_mesh
  config = dataclasses.replace(config, num_mtp=1)
  found = pretraining_gradient(config, mesh)
  with one_device():
    assert_close(found, pretraining_gradient(config, None))
