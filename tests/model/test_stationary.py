"""Few tokens come to parts of matrices, and products are those of one device."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from families import GQA_CONFIG, V3_CONFIG, Subject

from r1jax import sharding
from r1jax.aot import hlo
from r1jax.model import GQA, MLA, Transformer, mla, stationary
from r1jax.model.transformer import call
from r1jax.sharding import MeshShape

MESHES = {
  'fsdp, tensor, expert': MeshShape(data=1, fsdp=2, tensor=2, expert=2),
  'data, fsdp, tensor': MeshShape(data=2, fsdp=2, tensor=2),
  'fsdp, tensor, context': MeshShape(data=1, fsdp=2, tensor=2, context=2),
  'fsdp, context': MeshShape(data=1, fsdp=2, context=4),
  'context, expert': MeshShape(data=1, expert=2, context=4),
}
# Logical axes, sizes, and how many of them are summed over.
MATRICES = {
  'query': (('embed', 'heads', None), (32, 4, 6), 1),
  'out': (('heads', None, 'embed'), (4, 6, 32), 2),
  'head': (('embed', 'vocab'), (32, 10), 1),
  'down': (('mlp', 'embed'), (8, 32), 1),
  'up from latents': (('rank', 'heads', None), (32, 4, 2), 1),
}
# Sizes of models whose tokens are few beside them.
WIDE = dict(vocab_size=64, model_dim=256, mlp_dim=256)
# Prompts and samples: what all axes split, what `context` does not, and what none does.
TOKENS = [(4, 4), (4, 3), (3, 1)]


def value_and_gradients(multiply):
  def loss(x, matrix):
    out = multiply(x, matrix)
    return jnp.sum(jnp.sin(out)), out

  return jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))


@pytest.mark.eight_devices
@pytest.mark.parametrize('name', MATRICES)
@pytest.mark.parametrize('mesh', MESHES)
def test_products_on_a_mesh_equal_those_of_one_device(mesh, name, monkeypatch):
  """In values and gradients; and no device has more of a matrix than its part."""
  axes, sizes, num_inputs = MATRICES[name]
  mesh, rng = sharding.make_mesh(MESHES[mesh]), np.random.default_rng(0)
  monkeypatch.setattr(stationary, 'WIDTH_PER_TOKEN', 0)

  def multiply(x, matrix):
    found = stationary.linear(x, matrix, axes, num_inputs, x.dtype)
    assert found is not None
    return found

  matrix = rng.normal(size=sizes).astype(np.float32)
  for P, G in TOKENS:
    x = rng.normal(size=(P, G, 1, *sizes[:num_inputs])).astype(np.float32)
    expected = value_and_gradients(lambda x, matrix: jnp.tensordot(x, matrix, num_inputs))(
      x, matrix
    )
    with jax.set_mesh(mesh):
      spec = sharding.fitting(sizes, axes, mesh.shape)
      own = jax.device_put(matrix, jax.NamedSharding(mesh, spec))
      result = value_and_gradients(multiply)(x, own)
      text = jax.jit(multiply).lower(x, own).compile().as_text()
    for a, b in zip(jax.tree.leaves(result), jax.tree.leaves(expected), strict=True):
      np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())
    whole = [size // parts_beside(mesh, axis) for size, axis in zip(sizes, axes)]
    assert f'f32[{",".join(map(str, whole))}]' not in text


def parts_beside(mesh, axis):
  """Into how many parts a dimension of a matrix is split, if it is not the model's width."""
  is_other = axis in ('heads', 'vocab', 'mlp')
  return sharding.num_parts(mesh, sharding.MESH_AXES[axis]) if is_other else 1


@pytest.mark.eight_devices
@pytest.mark.parametrize(('tokens', 'come'), [(1, True), (2, True), (3, False)])
def test_tokens_on_a_mesh_come_only_if_they_are_few(tokens, come):
  """Those of eight devices, each with so many, are few beside half a width of 32."""
  axes, sizes, num_inputs = MATRICES['query']
  x, matrix = jnp.ones((2, 4, tokens, sizes[0])), jnp.ones(sizes)
  with jax.set_mesh(sharding.make_mesh(MESHES['fsdp, context'])):
    assert (stationary.linear(x, matrix, axes, num_inputs, x.dtype) is not None) == come
  with jax.set_mesh(sharding.make_mesh(MeshShape(data=8))):  # Every device has the matrix.
    assert stationary.linear(x, matrix, axes, num_inputs, x.dtype) is None


@pytest.mark.eight_devices
@pytest.mark.parametrize('subscripts', ['...HN,CHN->...HC', '...HC,CHO->...HO'])
@pytest.mark.parametrize('mesh', MESHES)
def test_products_by_head_on_a_mesh_equal_those_of_one_device(mesh, subscripts, monkeypatch):
  """As latent attention has them in its absorbed form; the rank is what is split."""
  monkeypatch.setattr(stationary, 'WIDTH_PER_TOKEN', 0)
  C, H, d, rng = 16, 4, 6, np.random.default_rng(0)
  sums_rank = subscripts.startswith('...HC')
  matrix = rng.normal(size=(C, H, d)).astype(np.float32)
  for P, G in TOKENS:
    x = rng.normal(size=(P, G, 1, H, C if sums_rank else d)).astype(np.float32)
    with jax.set_mesh(sharding.make_mesh(MESHES[mesh])):
      program = jax.jit(lambda x, m: mla._by_head(subscripts, x, m, sums_rank=sums_rank))
      np.testing.assert_allclose(program(x, matrix), np.einsum(subscripts, x, matrix), atol=1e-4)
      assert 'shard_map' in str(program.trace(x, matrix).jaxpr)


MODELS = {
  'grouped': dataclasses.replace(GQA_CONFIG, attention=GQA(8, 8, 8), **WIDE),
  'latent': dataclasses.replace(
    V3_CONFIG,
    attention=MLA(8, query_rank=32, kv_rank=32, nope_dim=8, rope_dim=4, value_dim=8),
    moe=dataclasses.replace(V3_CONFIG.moe, width=64),
    num_mtp=0,
    **WIDE,
  ),
}


@pytest.mark.eight_devices
@pytest.mark.parametrize('name', MODELS)
def test_a_model_on_a_mesh_that_reads_a_token_gathers_no_matrix(name, monkeypatch):
  """Between devices move some rows; with matrices that come to them, nearly all parameters."""
  config = MODELS[name]
  mesh = sharding.make_mesh(MeshShape(data=1, fsdp=4, expert=2))
  params = Subject.of(config).params
  tokens_PGT = jnp.zeros((8, 1, 1), jnp.int32)

  def moved():
    def read(params, tokens_PGT):
      out = call(Transformer(config), params, 'encode', tokens_PGT, absorbed=True)
      return call(Transformer(config), params, 'unembed', out.hidden_PGTD)

    with jax.set_mesh(mesh):
      given = sharding.place_parameters(params, mesh), sharding.place(tokens_PGT, mesh)
      compiled = jax.jit(read).lower(*given).compile()
    return sum(hlo.cost(compiled.as_text()).collective_bytes.values())

  split = sum(leaf.nbytes for leaf in jax.tree.leaves(params) if leaf.ndim > 2)
  few = moved()
  monkeypatch.setattr(stationary, 'WIDTH_PER_TOKEN', math.inf)
  assert few < split / 10 < split / 2 < moved()


def test_a_single_device_multiplies_as_ever():
  axes, sizes, num_inputs = MATRICES['query']
  assert stationary.linear(jnp.ones((2, 4, 1, 32)), jnp.ones(sizes), axes, num_inputs, None) is None
