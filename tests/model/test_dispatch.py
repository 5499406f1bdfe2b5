"""Tokens reach their experts on a mesh as they do on one device, in values and gradients."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax import sharding
from r1jax.model import dispatch, experts, stationary
from r1jax.model.dispatch import to_experts
from r1jax.sharding import MeshShape

P, G, T, D, F, E, Q = 8, 2, 4, 4, 6, 8, 2
MESHES = {
  'expert': MeshShape(data=1, expert=8),
  'tensor, expert': MeshShape(data=1, tensor=2, expert=4),
  'data, fsdp, expert': MeshShape(data=2, fsdp=2, expert=2),
  'fsdp, expert, context': MeshShape(data=1, fsdp=2, expert=2, context=2),
  'fsdp, tensor, context': MeshShape(data=1, fsdp=2, tensor=2, context=2),
}
rng = np.random.default_rng(0)
CHOICES = {
  'random': rng.integers(E, size=(P, G, T, Q)),
  'all to one': np.full((P, G, T, Q), 5),
  'most have none': rng.choice([0, 6], size=(P, G, T, Q)),
}


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
  """Blocks and trips so small that a case as small as here takes several."""
  monkeypatch.setattr(experts, 'BLOCK_ROWS', (2, 4))
  monkeypatch.setattr(dispatch, 'ROW_MULTIPLE', 4)


def arguments(prompts=P, dtype=np.float32):
  shapes = [(prompts, G, T, D), (prompts, G, T, Q), (E, D, F), (E, D, F), (E, F, D)]
  drawn = np.random.default_rng(1)
  x, weight, *matrices = (drawn.normal(size=shape).astype(dtype) for shape in shapes)
  return x, weight, tuple(matrices)


def one_by_one(x, chosen, weight, matrices):
  """The oracle: each choice multiplies with its own copy of its expert."""
  gate, up, down = (matrix[chosen] for matrix in matrices)
  hidden = jax.nn.silu(jnp.einsum('PGTD,PGTQDF->PGTQF', x, gate))
  hidden *= jnp.einsum('PGTD,PGTQDF->PGTQF', x, up)
  return jnp.einsum('PGTQF,PGTQFD,PGTQ->PGTD', hidden, down, weight)


def value_and_gradients(way):
  def loss(x, weight, matrices, chosen):
    out = way(x, chosen, weight, matrices)
    return jnp.sum(out * jnp.cos(jnp.arange(out.size)).reshape(out.shape)), out

  return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))


expected_of = value_and_gradients(one_by_one)


def placed(x, weight, matrices, mesh):
  """Tokens and matrices where a run has them."""

  def put(array, *axes):
    spec = sharding.fitting(array.shape, axes, mesh.shape)
    return jax.device_put(array, jax.NamedSharding(mesh, spec))

  gate, up, down = matrices
  across = [put(array, 'experts', 'embed', 'expert_mlp') for array in (gate, up)]
  tokens = [put(array, 'prompts', 'samples', 'tokens', None) for array in (x, weight)]
  return *tokens, (*across, put(down, 'experts', 'expert_mlp', 'embed'))


def assert_close(found, expected, tolerance=1e-5):
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
    np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max())


@pytest.mark.eight_devices
@pytest.mark.parametrize('name', ['fsdp, expert, context', 'tensor, expert'])
def test_a_mesh_in_chunks_of_tokens_equals_all_at_once(name, monkeypatch):
  """Here of 1 token of 16, and of 3 of 8: each chunk is gathered by itself."""
  mesh, chosen = sharding.make_mesh(MESHES[name]), CHOICES['random']
  monkeypatch.setattr(dispatch, 'GROUP_TOKENS', 6)
  with jax.set_mesh(mesh):
    given = placed(*arguments(), mesh)
    program = value_and_gradients(to_experts).lower(*given, chosen).compile()
    assert_close(program(*given, chosen), expected_of(*arguments(), chosen))
  gathered = re.findall(r'f32\[(\d+),\d+\]\S* all-gather\(', program.as_text())
  assert max(map(int, gathered)) == {'tensor, expert': 4}.get(name, 6)


@pytest.mark.eight_devices
@pytest.mark.parametrize('name', MESHES)
def test_a_mesh_equals_each_choice_by_itself(name):
  """Values and gradients by tokens, weights and matrices, which lie as their parameters do."""
  mesh = sharding.make_mesh(MESHES[name])
  with jax.set_mesh(mesh):
    given = placed(*arguments(), mesh)
    program = value_and_gradients(to_experts).lower(*given, CHOICES['random']).compile()
    for chosen in CHOICES.values():
      found = program(*given, chosen)
      assert_close(found, expected_of(*arguments(), chosen))
  for gradient, primal in zip(jax.tree.leaves(found[1]), jax.tree.leaves(given), strict=True):
    assert gradient.sharding.is_equivalent_to(primal.sharding, primal.ndim)
  if mesh.shape['expert'] == 2:  # No device holds more experts than its own.
    text = program.as_text()
    assert f'f32[{E // 2},{D},' in text and f'f32[{E},{D},' not in text


@pytest.mark.eight_devices
def test_prompts_that_a_mesh_cannot_split_are_computed_by_all_of_it():
  """As of tests and of whoever calls a model with a batch of their own."""
  x, weight, matrices = arguments(prompts=3)
  chosen = CHOICES['random'][:3]
  mesh = sharding.make_mesh(MESHES['fsdp, expert, context'])
  with jax.set_mesh(mesh):
    found = value_and_gradients(to_experts)(*placed(x, weight, matrices, mesh), chosen)
  assert_close(found, expected_of(x, weight, matrices, chosen))


@pytest.mark.eight_devices
def test_few_tokens_on_a_mesh_are_computed_densely(monkeypatch):
  """As in decoding, in bfloat16; by a device's own experts and widths alone."""
  monkeypatch.setattr(experts, 'BLOCK_ROWS', (64, 64))
  calls, plain = [], experts.dense
  monkeypatch.setattr(experts, 'dense', lambda *args: calls.append(args) or plain(*args))
  mesh = sharding.make_mesh(MESHES['tensor, expert'])
  narrow = jax.tree.map(lambda array: array.astype(jnp.bfloat16), arguments())
  with jax.set_mesh(mesh):
    found = value_and_gradients(to_experts)(*placed(*narrow, mesh), CHOICES['random'])
  assert [matrix.shape for matrix in calls[0][3]] == [(2, D, 3), (2, D, 3), (2, 3, D)]
  assert all(leaf.dtype == jnp.bfloat16 for leaf in jax.tree.leaves(found[1]))
  expected = expected_of(*arguments(), CHOICES['random'])
  assert_close((found[0][1], found[1]), (expected[0][1], expected[1]), 3e-2)


@pytest.mark.eight_devices
@pytest.mark.parametrize('prompts', [P, 3])
@pytest.mark.parametrize('name', [name for name in MESHES if 'fsdp' in name])
def test_few_tokens_on_a_mesh_come_to_parts_of_matrices(name, prompts, monkeypatch):
  """Of three prompts, which no mesh splits, every device has all."""
  monkeypatch.setattr(stationary, 'WIDTH_PER_TOKEN', 0)
  mesh = sharding.make_mesh(MESHES[name])
  x, weight, matrices = arguments(prompts)
  with jax.set_mesh(mesh):
    x_PGTD, weight_PGTQ, own = placed(x, weight, matrices, mesh)
    for chosen in CHOICES.values():
      chosen = chosen[:prompts]
      program = jax.jit(to_experts).lower(x_PGTD, chosen, weight_PGTQ, own).compile()
      found = program(x_PGTD, chosen, weight_PGTQ, own)
      assert_close(found, one_by_one(x, chosen, weight, matrices))
  experts_each, width = (size // mesh.shape[axis] for size, axis in ((E, 'expert'), (F, 'tensor')))
  parts = mesh.shape['fsdp'] * mesh.shape['context']
  text = program.as_text()
  assert f'f32[{experts_each},{D // parts},{width}]' in text
  assert f'f32[{experts_each},{D},{width}]' not in text
