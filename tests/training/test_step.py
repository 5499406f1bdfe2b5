import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from r1jax.algorithms.measures import Maximum, Mean, results
from r1jax.training import optimizer
from r1jax.training.state import create
from r1jax.training.step import Report, Step

LOAD = np.array([[4.0, 1.0, 1.0], [2.0, 2.0, 2.0]], np.float32)
NO_LOAD = np.zeros((2, 3), np.float32)


def initial():
  """Two dense parameters, and two layers of three experts."""
  return {
    'dense': {'kernel': jnp.array([0.5, -1.0]), 'bias': jnp.array(0.2)},
    'expert_layers': {'moe': {'router': jnp.array([1.5]), 'selection_bias': jnp.ones((2, 3))}},
  }


def loss(params, part, *, bias_slope=0.0):
  """Weighted squares of a prediction; rows of a part are as wide as it likes."""
  x, y, weight = part['x'], part['y'], part['weight']
  moe = params['expert_layers']['moe']
  kernel = params['dense']['kernel']
  found = kernel[0] * x + kernel[1] * x**2 + params['dense']['bias'] * moe['router'][0]
  value = jnp.sum(weight * (found - y) ** 2) + bias_slope * jnp.sum(moe['selection_bias'])
  measures = {
    'error': Mean.over(jnp.abs(found - y), weight > 0),
    'peak': Maximum.over(found, weight > 0),
  }
  return value, Report(measures, {'expert_layers': part['load']})


def rows(count, width, seed, load=NO_LOAD):
  rng = np.random.default_rng(seed)
  x, y = rng.normal(size=(2, count, width)).astype(np.float32)
  weight = (rng.uniform(size=(count, width)) < 0.7).astype(np.float32)
  return {'x': x, 'y': y, 'weight': weight / 30, 'load': load}


def widened(part, width):
  """The part with columns of padding, which weigh nothing."""
  padding = width - part['x'].shape[1]
  arrays = {name: np.pad(part[name], ((0, 0), (0, padding))) for name in ('x', 'y', 'weight')}
  return part | arrays


def joined(parts):
  """All rows as one part."""
  width = max(part['x'].shape[1] for part in parts)
  wide = [widened(part, width) for part in parts]
  whole = {name: np.concatenate([part[name] for part in wide]) for name in ('x', 'y', 'weight')}
  return whole | {'load': np.sum([part['load'] for part in parts], axis=0)}


PARTS = [rows(2, 3, 0, LOAD), rows(1, 7, 1, 2 * LOAD), rows(3, 4, 2)]


def make(transformation, *, bias_speed=0.0, bias_slope=0.0):
  return Step(functools.partial(loss, bias_slope=bias_slope), transformation, bias_speed=bias_speed)


def adamw(rate=0.1, **settings):
  return optimizer.adamw(optimizer.AdamW(**settings), lambda count: rate)


def assert_trees_close(found, expected, **tolerance):
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, **tolerance), found, expected)


@pytest.mark.parametrize('split', [[3], [1, 2], [1, 1, 1]])
def test_parts_add_up_to_the_whole(split):
  """Loss, gradient (the move of plain descent) and metrics, however the rows are split."""
  bounds = np.cumsum([0, *split])
  parts = [joined(PARTS[a:b]) for a, b in itertools.pairwise(bounds)]
  descent = optax.sgd(1.0)
  state, metrics = make(descent)(create(initial(), descent), parts)
  metrics = results(metrics)
  (value, report), gradient = jax.value_and_grad(loss, has_aux=True)(initial(), joined(PARTS))
  moved = jax.tree.map(jnp.subtract, initial(), state.params)
  assert_trees_close(moved, gradient, atol=1e-6)
  np.testing.assert_allclose(metrics['loss'], value, rtol=1e-6)
  np.testing.assert_allclose(metrics['error'], report.measures['error'].result(), rtol=1e-6)
  np.testing.assert_allclose(metrics['peak'], report.measures['peak'].result(), rtol=1e-6)
  flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradient)])
  np.testing.assert_allclose(metrics['gradient_norm'], np.linalg.norm(flat), rtol=1e-6)
  # Loads of 12, 3, 3 and 6, 6, 6: the busiest expert has twice the mean, and just the mean.
  np.testing.assert_allclose(metrics['load_violation/expert_layers'], (1.0 + 0.0) / 2, rtol=1e-6)
  assert metrics['skipped'] == 0
  assert state.updates == 1


def spoiled(part, name, value):
  """The part with one number of weight replaced."""
  array = np.array(part[name])
  array[np.unravel_index(np.argmax(part['weight']), array.shape)] = value
  return part | {name: array}


def snapshot(tree):
  return jax.tree.map(np.array, tree)


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 1e30])
@pytest.mark.parametrize('where', [0, 2])
def test_an_update_that_is_not_finite_changes_nothing(bad, where):
  """Neither parameters nor moments nor biases; among them a loss whose square overflows."""
  transformation = adamw()
  step = make(transformation, bias_speed=0.1)
  state, _ = step(create(initial(), transformation), PARTS)
  before = snapshot((state.params, state.optimizer))
  parts = list(PARTS)
  parts[where] = spoiled(parts[where], 'y', bad)
  state, metrics = step(state, parts)
  metrics = results(metrics)
  assert_trees_close((state.params, state.optimizer), before, rtol=0)
  assert metrics['skipped'] == 1
  assert (state.updates, state.skipped) == (2, 1)
  assert not np.isfinite(metrics['loss'])


def test_a_gradient_that_is_not_finite_is_enough():
  """The root of 0 is 0 and its slope infinite."""

  def root(params, part):
    return jnp.sqrt(params['w'] * part), Report({}, {})

  transformation = adamw()
  step = Step(root, transformation, bias_speed=0.0)
  state, metrics = step(create({'w': jnp.array(0.0)}, transformation), [jnp.array(1.0)])
  metrics = results(metrics)
  assert metrics['loss'] == 0 and metrics['skipped'] == 1
  assert state.params['w'] == 0


def test_skipped_updates_are_counted_in_a_row():
  transformation = adamw()
  step = make(transformation)
  state = create(initial(), transformation)
  bad = spoiled(PARTS[0], 'x', np.nan)
  found = []
  for part in (bad, bad, PARTS[0], bad):
    state, metrics = step(state, [part])
    metrics = results(metrics)
    found.append((int(metrics['skipped']), int(state.skipped)))
  assert found == [(1, 1), (1, 2), (0, 0), (1, 1)]
  assert state.updates == 4


def test_after_a_skip_training_goes_on_as_if_it_had_not_been():
  transformation = adamw()
  step = make(transformation)
  state, _ = step(create(initial(), transformation), [PARTS[0]])
  expected = snapshot(step(state, [PARTS[1]])[0])
  state, _ = step(create(initial(), transformation), [PARTS[0]])
  state, _ = step(state, [spoiled(PARTS[2], 'y', np.nan)])
  found, _ = step(state, [PARTS[1]])
  assert_trees_close((found.params, found.optimizer), (expected.params, expected.optimizer), rtol=0)


def without_bias(params):
  moe = {'router': params['expert_layers']['moe']['router']}
  return {'dense': params['dense'], 'expert_layers': {'moe': moe}}


def test_the_selection_bias_is_none_to_the_optimiser():
  """A loss that pulls at it moves it by nothing, and disturbs no other parameter or norm."""
  ends = []
  for slope in (0.0, 1e6):
    transformation = adamw(weight_decay=0.5, max_norm=0.1)
    step = make(transformation, bias_slope=slope)
    state = create(initial(), transformation)
    for _ in range(2):
      state, metrics = step(state, [PARTS[0]])
      metrics = results(metrics)
    ends.append((state, float(metrics['gradient_norm'])))
  (plain, plain_norm), (pulled, norm) = ends
  assert plain_norm == norm
  assert_trees_close(without_bias(pulled.params), without_bias(plain.params), rtol=0)
  for state in (plain, pulled):
    bias = state.params['expert_layers']['moe']['selection_bias']
    np.testing.assert_array_equal(bias, np.ones((2, 3)))
  paths = [str(path) for path, _ in jax.tree_util.tree_leaves_with_path(plain.optimizer)]
  assert any('router' in path for path in paths)
  assert not any('selection_bias' in path for path in paths)


@pytest.mark.parametrize('num_parts', [1, 3])
def test_the_balance_rule_alone_moves_the_selection_bias(num_parts):
  """Down where more than the mean came, up where less, by the speed; even loads stay."""
  transformation = adamw(weight_decay=0.5)
  step = make(transformation, bias_speed=0.25, bias_slope=1e6)
  parts = [joined(PARTS)] if num_parts == 1 else PARTS
  state, _ = step(create(initial(), transformation), parts)
  bias = state.params['expert_layers']['moe']['selection_bias']
  np.testing.assert_array_equal(bias, [[0.75, 1.25, 1.25], [1.0, 1.0, 1.0]])


def test_a_single_layer_is_found_by_its_path():
  """The MTP module has one layer of experts, whose bias has one axis."""

  def moved(params, part):
    load = {'mtp/layer': jnp.array([3.0, 0.0])}
    return jnp.sum(params['mtp']['layer']['moe']['router'] * part), Report({}, load)

  moe = {'router': jnp.ones(1), 'selection_bias': jnp.zeros(2)}
  params = {'mtp': {'layer': {'moe': moe}}}
  transformation = adamw()
  state, metrics = Step(moved, transformation, bias_speed=0.5)(
    create(params, transformation), [jnp.ones(1)]
  )
  metrics = results(metrics)
  np.testing.assert_array_equal(state.params['mtp']['layer']['moe']['selection_bias'], [-0.5, 0.5])
  np.testing.assert_allclose(metrics['load_violation/mtp/layer'], 1.0)


def test_experts_without_a_bias_are_let_be_and_a_wrong_path_is_not():
  def path_loss(path):
    def value(params, part):
      return jnp.sum(params['layers']['moe']['router']), Report({}, {path: jnp.array([[3.0, 0.0]])})

    return value

  transformation = adamw()

  def run(path):
    params = {'layers': {'moe': {'router': jnp.ones(1)}}}
    step = Step(path_loss(path), transformation, bias_speed=0.5)
    return step(create(params, transformation), [jnp.zeros(1)])[0].params

  assert set(run('layers')['layers']['moe']) == {'router'}
  with pytest.raises(KeyError, match='layer'):
    run('layer')
