import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from r1jax.model import Transformer
from r1jax.model.sizes import SIZES
from r1jax.training import optimizer
from r1jax.training.optimizer import AdamW, Muon

PARAMS = {
  'head': jnp.array([[2.0, -4.0]]),
  'norm': {'scale': jnp.array([2.0, 3.0])},
  'attention': {'query_bias': jnp.array([1.0])},
  'value_head': {'kernel': jnp.array([3.0]), 'bias': jnp.array(2.0)},
  'expert_layers': {'moe': {'router': jnp.array([[5.0]]), 'selection_bias': jnp.array([[7.0]])}},
}


def constant(rate):
  return lambda count: rate


def first_update(gradient, **settings):
  transformation = optimizer.adamw(AdamW(**settings), constant(0.5))
  updates, state = transformation.update(gradient, transformation.init(PARAMS), PARAMS)
  return updates, state


def filled(value):
  return jax.tree.map(lambda array: jnp.full_like(array, value), PARAMS)


def test_decay_is_of_matrices_alone():
  """With no gradient, what moves is decayed: by rate x weight decay x parameter."""
  updates, _ = first_update(filled(0.0), weight_decay=0.1)
  np.testing.assert_allclose(updates['head'], [[-0.1, 0.2]], rtol=1e-6)
  np.testing.assert_allclose(updates['value_head']['kernel'], [-0.15], rtol=1e-6)
  np.testing.assert_allclose(updates['expert_layers']['moe']['router'], [[-0.25]], rtol=1e-6)
  undecayed = (updates['norm'], updates['attention'], updates['value_head']['bias'])
  assert not any(np.any(leaf) for leaf in jax.tree.leaves(undecayed))
  assert not np.any(updates['expert_layers']['moe']['selection_bias'])


def test_two_updates_by_hand():
  """First moments 0.1 g1 and 0.09 g1 + 0.1 g2, second ones likewise, both divided by 1 - b^t."""
  transformation = optimizer.adamw(
    AdamW(b1=0.9, b2=0.8, epsilon=0.25, weight_decay=0.0, max_norm=1e9), constant(0.5)
  )
  params = {'w': jnp.array([1.0])}
  state = transformation.init(params)
  first, state = transformation.update({'w': jnp.array([2.0])}, state, params)
  np.testing.assert_allclose(first['w'], [-0.5 * 2.0 / (2.0 + 0.25)], rtol=1e-6)
  second, _ = transformation.update({'w': jnp.array([-1.0])}, state, params)
  mean = (0.9 * 0.1 * 2.0 + 0.1 * -1.0) / (1 - 0.9**2)
  square = (0.8 * 0.2 * 4.0 + 0.2 * 1.0) / (1 - 0.8**2)
  np.testing.assert_allclose(second['w'], [-0.5 * mean / (np.sqrt(square) + 0.25)], rtol=1e-5)


def test_clipping_is_by_the_norm_of_all_but_the_selection_bias():
  """A gradient of norm 5, and a huge one where the optimiser has no part."""
  gradient = filled(0.0)
  gradient['head'] = jnp.array([[3.0, 4.0]])
  gradient['expert_layers']['moe']['selection_bias'] = jnp.array([[1e6]])
  np.testing.assert_allclose(optimizer.global_norm(gradient), 5.0, rtol=1e-6)
  settings = {'weight_decay': 0.0, 'b1': 0.0, 'b2': 0.0, 'epsilon': 1.0}
  updates, state = first_update(gradient, max_norm=1.0, **settings)
  clipped = np.array([[0.6, 0.8]])
  np.testing.assert_allclose(updates['head'], -0.5 * clipped / (clipped + 1), rtol=1e-6)
  assert not np.any(updates['expert_layers']['moe']['selection_bias'])
  unclipped, _ = first_update(gradient, max_norm=10.0, **settings)
  np.testing.assert_allclose(unclipped['head'], [[-0.5 * 3 / 4, -0.5 * 4 / 5]], rtol=1e-6)
  assert not has_leaf(state, 'selection_bias')
  assert has_leaf(state, 'router')


def has_leaf(tree, name):
  paths = [path for path, _ in jax.tree.leaves_with_path(tree)]
  return any(getattr(path[-1], 'key', None) == name for path in paths)


def test_the_optimiser_moves_all_but_the_selection_bias():
  moved = optimizer.trained(PARAMS)
  assert moved.pop('expert_layers') == {'moe': {'router': True, 'selection_bias': False}}
  assert all(jax.tree.leaves(moved))


@pytest.mark.parametrize('make', [optimizer.adamw, optimizer.muon])
def test_a_frozen_part_is_neither_decayed_nor_remembered(make):
  settings = AdamW(weight_decay=0.1) if make is optimizer.adamw else Muon(weight_decay=0.1)
  params = {'mtp': {'projection': jnp.ones((2, 2))}, 'layers': {'up': jnp.ones((2, 2))}}
  gradient = jax.tree.map(jnp.zeros_like, params)
  for frozen, moves in ((None, True), ('mtp', False)):
    transformation = make(settings, constant(0.5), frozen=frozen)
    updates, state = transformation.update(gradient, transformation.init(params), params)
    assert np.any(updates['mtp']['projection']) == moves
    assert has_leaf(state, 'projection') == moves
    assert np.any(updates['layers']['up'])


@pytest.mark.parametrize('final', [2.5, -1.0])
def test_a_cosine_that_would_rise_or_change_sign_is_refused(final):
  with pytest.raises(ValueError, match=f'final is {final}; it must be between 0 and peak'):
    optimizer.warmup_cosine(peak=2.0, warmup=0, total=8, final=final)


def rates(schedule, counts):
  return [float(schedule(count)) for count in counts]


def test_warmup_constant_by_hand():
  schedule = optimizer.warmup_constant(peak=2.0, warmup=4)
  np.testing.assert_allclose(rates(schedule, range(6)), [0.5, 0.875, 1.25, 1.625, 2.0, 2.0])
  assert rates(optimizer.warmup_constant(peak=2.0, warmup=0), [0, 1, 100]) == [2.0] * 3


def test_warmup_cosine_by_hand():
  schedule = optimizer.warmup_cosine(peak=2.0, warmup=4, total=12, final=1.0)
  expected = [0.5, 1.25, 2.0, 1.5, 1.0, 1.0]
  np.testing.assert_allclose(rates(schedule, [0, 2, 4, 8, 12, 50]), expected, rtol=1e-6)
  schedule = optimizer.warmup_cosine(peak=2.0, warmup=0, total=8, final=0.0)
  np.testing.assert_allclose(rates(schedule, [0, 4, 8]), [2.0, 1.0, 0.0], atol=1e-6)


@pytest.mark.parametrize('count', [0, 3])
def test_the_schedule_counts_updates_from_zero(count):
  transformation = optimizer.adamw(
    AdamW(weight_decay=1.0), optimizer.warmup_constant(peak=2.0, warmup=4)
  )
  params = {'w': jnp.array([1.0])}
  state = transformation.init(params)
  for _ in range(count + 1):
    updates, state = transformation.update({'w': jnp.zeros(1)}, state, params)
  np.testing.assert_allclose(updates['w'], [-[0.5, 0.875, 1.25, 1.625][count]], rtol=1e-6)
  assert isinstance(transformation, optax.GradientTransformation)


# Newton-Schulz with five iterations brings singular values of a well-conditioned matrix near 1.
ORTHOGONAL = {'atol': 0.35}


def muon_update(gradient, params=None, **settings):
  transformation = optimizer.muon(Muon(**settings), constant(0.5))
  params = jax.tree.map(jnp.zeros_like, gradient) if params is None else params
  return transformation.update(gradient, transformation.init(params), params)


def singular_values(matrices):
  return np.linalg.svd(np.asarray(matrices), compute_uv=False)


def test_muon_orthogonalises_each_matrix_of_a_layer():
  """Layers, experts and heads have matrices of their own; `out` joins the heads."""
  draw = np.random.default_rng(0)
  shapes = {
    'gate': (3, 8, 6),
    'experts': {'down': (2, 4, 6, 8)},
    'attention': {'query': (3, 8, 2, 4), 'out': (3, 2, 4, 5)},
  }
  gradient = jax.tree.map(
    lambda shape: jnp.asarray(draw.normal(size=shape), jnp.float32),
    shapes,
    is_leaf=lambda node: isinstance(node, tuple),
  )
  updates, _ = muon_update(gradient, rms=0.2, weight_decay=0.0)
  matrices = {
    (8, 6): updates['gate'],
    (6, 8): updates['experts']['down'],
    (8, 4): np.moveaxis(updates['attention']['query'], 2, 1),
    (8, 5): np.reshape(updates['attention']['out'], (3, 8, 5)),
  }
  for shape, found in matrices.items():
    assert found.shape[-2:] == shape
    expected = 0.5 * 0.2 * np.sqrt(max(shape))
    np.testing.assert_allclose(singular_values(found) / expected, 1.0, **ORTHOGONAL)


def test_muon_turns_no_direction():
  """With gradient U S V^T the update is -U S' V^T, S' near a multiple of the identity."""
  gradient = np.random.default_rng(1).normal(size=(6, 4)).astype(np.float32)
  left, _, right = np.linalg.svd(gradient, full_matrices=False)
  updates, _ = muon_update({'up': jnp.asarray(gradient)}, weight_decay=0.0)
  inner = -left.T @ np.asarray(updates['up']) @ right.T / (0.5 * 0.2 * np.sqrt(6))
  np.testing.assert_allclose(np.diag(inner), 1.0, **ORTHOGONAL)
  np.testing.assert_allclose(inner - np.diag(np.diag(inner)), 0.0, atol=1e-5)


def test_muon_decays_matrices_and_leaves_the_rest_to_adam():
  """Adam's first step with Nesterov momentum: b1 (1 - b1) / (1 - b1^2) + 1 times the sign."""
  params = PARAMS | {'mlp': {'gate': jnp.array([[3.0, -2.0]])}}
  gradient = jax.tree.map(lambda array: jnp.full_like(array, 1e-2), params)
  gradient['mlp']['gate'] = jnp.zeros((1, 2))
  updates, state = muon_update(gradient, params, weight_decay=0.1)
  np.testing.assert_allclose(updates['mlp']['gate'], [[-0.15, 0.1]], rtol=1e-6)
  assert not np.any(updates['expert_layers']['moe'].pop('selection_bias'))
  updates.pop('mlp')
  for update in jax.tree.leaves(updates):
    np.testing.assert_allclose(update, -0.5 * (0.9 * 0.1 / 0.19 + 1.0), rtol=1e-5)
  assert not has_leaf(state, 'selection_bias')


def test_muon_knows_every_parameter_of_every_model():
  """A matrix that the table does not name would silently be Adam's."""
  known = {'embedding', 'head', 'router', 'selection_bias', 'scale'}
  for config in SIZES.values():
    model = Transformer(config)
    params = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 2), jnp.int32))['params']
    for path, leaf in jax.tree.leaves_with_path(params):
      name = path[-1].key
      assert name in optimizer.MATRICES or name in known or name.endswith('_bias'), path
      if name in optimizer.MATRICES:
        inputs, outputs = optimizer.MATRICES[name]
        assert leaf.ndim >= max(-axis for axis in (*inputs, *outputs))
