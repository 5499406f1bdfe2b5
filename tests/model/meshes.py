"""Small models of each family on meshes of eight devices, which the fixture `on_mesh` enters."""

import contextlib
import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import GQA_CONFIG, V2_CONFIG, V3_CONFIG, randomise

from r1jax import sharding
from r1jax.algorithms import reductions
from r1jax.decoding.scoring import score
from r1jax.model import GQA, ModelConfig, MoE, Rope, Transformer
from r1jax.sharding import MeshShape
from r1jax.stages.rl_batch import Batch
from r1jax.structs import Experts, Prompts

NUM_DEVICES = 8
# Files of tests that need them, by how they say so.
TESTS = pathlib.Path(__file__).parents[1]
FILES = [
  file
  for file in sorted(TESTS.rglob('test_*.py'))
  if any(f'\n@{mark}' in file.read_text() for mark in ('pytest.mark.eight_devices', 'meshes.on('))
]
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


def where(applies):
  """Returns the cases whose config, mesh and number of samples are such."""
  return [case for case in CASES if applies(FAMILIES[case[0]], *MESHES[case[1]])]


def on(cases):
  """Has a test run on eight devices, in each of these cases, which `on_mesh` enters."""

  def marked(test):
    return pytest.mark.eight_devices(
      pytest.mark.parametrize('on_mesh', cases, ids=': '.join, indirect=True)(test)
    )

  return marked


@contextlib.contextmanager
def entered(family, name):
  """Sets a mesh; gives a model's config, the mesh, and how many samples a group has."""
  shape, group = MESHES[name]
  mesh = sharding.make_mesh(shape)
  with jax.set_mesh(mesh):
    yield FAMILIES[family], mesh, group


def shapes_of(config):
  tokens_BL = jax.ShapeDtypeStruct((1, 4), jnp.int32)
  return jax.eval_shape(Transformer(config).init, jax.random.key(0), tokens_BL)['params']


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


def assert_close(found, expected):
  """Relative to the largest number of each array, 1e-5."""
  for (path, leaf), other in zip(
    jax.tree.leaves_with_path(expected), jax.tree.leaves(found), strict=True
  ):
    scale = max(np.abs(leaf).max(), 1e-4)
    np.testing.assert_allclose(other, leaf, atol=1e-5 * scale, err_msg=jax.tree_util.keystr(path))
