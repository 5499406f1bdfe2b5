import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from r1jax.training import optimizer
from r1jax.training.optimizer import AdamW

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
  paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
  return any(getattr(path[-1], 'key', None) == name for path in paths)


def test_the_optimiser_moves_all_but_the_selection_bias():
  moved = optimizer.trained(PARAMS)
  assert moved.pop('expert_layers') == {'moe': {'router': True, 'selection_bias': False}}
  assert all(jax.tree.leaves(moved))


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
