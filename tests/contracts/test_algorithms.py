"""What every policy loss must hold, whatever functions it is put together from."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax import build
from r1jax.algorithms import grpo, measures, reductions

P, G, T = 4, 3, 5
# Of every table that configs choose from, every row.
RATIOS, KLS, ADVANTAGES = build.RATIOS, build.KL_ESTIMATORS, build.ADVANTAGES
SURROGATES = {
  name: functools.partial(function, low=0.2, high=0.3)
  for name, function in build.SURROGATES.items()
}
REDUCTIONS = build.REDUCTIONS | {
  'constant_length': functools.partial(reductions.constant_length, length=T)
}
VARIANTS = list(itertools.product(RATIOS, SURROGATES, KLS, REDUCTIONS))


@pytest.fixture(params=VARIANTS, ids='-'.join)
def variant(request):
  return request.param


@functools.cache
def differentiated(ratio, surrogate_name, estimator, kl_weight):
  """The jitted loss, metrics and gradients of a variant, with respect to every array."""
  functions = {
    'ratio': RATIOS[ratio],
    'surrogate': SURROGATES[surrogate_name],
    'kl': KLS[estimator],
    'kl_weight': kl_weight,
  }

  def loss(logp_PGT, old_logp_PGT, ref_logp_PGT, advantage_PG, mask_PGT, weight_PGT):
    arrays = (logp_PGT, old_logp_PGT, ref_logp_PGT, advantage_PG, mask_PGT)
    return grpo.loss(*arrays, weight_PGT=weight_PGT, **functions)

  return jax.jit(jax.value_and_grad(loss, argnums=range(6), has_aux=True))


def evaluate(variant, batch, weight_PGT=None, *, kl_weight=0.5):
  """Returns loss, metrics and gradient in the policy's log-probabilities on `batch`."""
  *functions, reduction = variant
  if weight_PGT is None:
    weight_PGT = REDUCTIONS[reduction](batch['mask_PGT'])
  (loss, metrics), gradients = differentiated(*functions, kl_weight)(*batch.values(), weight_PGT)
  return loss, metrics, np.asarray(gradients[0])


def gradients_of(variant, batch):
  """Returns the gradients of `variant` with respect to every array of the loss."""
  *functions, reduction = variant
  weight_PGT = REDUCTIONS[reduction](batch['mask_PGT'])
  return differentiated(*functions, 0.5)(*batch.values(), weight_PGT)[1]


@functools.cache
def make_batch():
  """Groups of different lengths, one output dropped, ratios on both sides of the clip."""
  rng = np.random.default_rng(0)
  old_logp_PGT = -rng.exponential(size=(P, G, T))
  length_PG = rng.integers(1, T + 1, size=(P, G))
  length_PG[1, 2] = 0
  arrays = {
    'logp_PGT': old_logp_PGT + 0.3 * rng.normal(size=(P, G, T)),
    'old_logp_PGT': old_logp_PGT,
    'ref_logp_PGT': old_logp_PGT + 0.3 * rng.normal(size=(P, G, T)),
    'advantage_PG': rng.normal(size=(P, G)),
    'mask_PGT': np.arange(T) < length_PG[..., None],
  }
  return {name: np.asarray(array, np.float32) for name, array in arrays.items()}


def assert_same(actual, expected):
  """Compares (loss, metrics, gradient) up to rounding."""
  np.testing.assert_allclose(actual[0], expected[0], rtol=1e-5, atol=1e-6)
  for name, value in measures.results(expected[1]).items():
    result = measures.results(actual[1])[name]
    np.testing.assert_allclose(result, value, rtol=1e-5, atol=1e-6, err_msg=name)
  np.testing.assert_allclose(actual[2], expected[2], rtol=1e-5, atol=1e-6)


def test_zero_advantage_gives_zero_gradient(variant):
  batch = {**make_batch(), 'advantage_PG': np.zeros((P, G), np.float32)}
  loss, _, gradient = evaluate(variant, batch, kl_weight=0.0)
  assert loss == 0
  np.testing.assert_array_equal(gradient, np.zeros((P, G, T)))


def test_fully_masked_stays_finite_with_zero_gradient(variant):
  batch = {**make_batch(), 'mask_PGT': np.zeros((P, G, T), np.float32)}
  loss, metrics, gradient = evaluate(variant, batch)
  assert loss == 0
  assert all(value == 0 for value in measures.results(metrics).values())
  np.testing.assert_array_equal(gradient, np.zeros((P, G, T)))


@pytest.mark.parametrize('name', ['logp_PGT', 'old_logp_PGT', 'ref_logp_PGT'])
def test_what_is_masked_changes_nothing(variant, name):
  batch = make_batch()
  filling_T = np.array([1e30, -1e30, np.inf, -np.inf, np.nan], np.float32)
  filled = {**batch, name: np.where(batch['mask_PGT'] > 0, batch[name], filling_T)}
  jax.tree.map(np.testing.assert_array_equal, evaluate(variant, filled), evaluate(variant, batch))


def test_microbatches_add_up_to_the_batch(variant):
  batch = make_batch()
  weight_PGT = REDUCTIONS[variant[-1]](batch['mask_PGT'])
  parts = [
    evaluate(variant, {name: array[rows] for name, array in batch.items()}, weight_PGT[rows])
    for rows in (slice(0, 2), slice(2, 4))
  ]
  losses, metrics, gradients = zip(*parts)
  stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *metrics)
  together = sum(losses), measures.reduce(stacked), np.concatenate(gradients)
  assert_same(together, evaluate(variant, batch))


@pytest.mark.parametrize('axis', [0, 1], ids=['prompts', 'samples'])
def test_order_does_not_matter(variant, axis):
  batch = make_batch()
  order = np.roll(np.arange((P, G)[axis]), 1)
  permuted = {name: np.take(array, order, axis) for name, array in batch.items()}
  loss, metrics, gradient = evaluate(variant, batch)
  assert_same(evaluate(variant, permuted), (loss, metrics, np.take(gradient, order, axis)))


def test_on_policy_gradient_is_that_of_reinforce(variant):
  # The policy is the one that sampled: -weight * A for each token's log-probability. A ratio of
  # outputs spreads the weights of an output's tokens: their sum on each, or their mean.
  batch = make_batch()
  batch = {**batch, 'logp_PGT': batch['old_logp_PGT']}
  mask_PGT = batch['mask_PGT']
  weight_PGT = np.asarray(REDUCTIONS[variant[-1]](mask_PGT))
  total_PGT = mask_PGT * weight_PGT.sum(-1, keepdims=True)
  spread_PGT = {
    'token': weight_PGT,
    'sequence': total_PGT,
    'normalised_sequence': total_PGT / np.maximum(mask_PGT.sum(-1, keepdims=True), 1),
  }[variant[0]]
  _, _, gradient = evaluate(variant, batch, kl_weight=0.0)
  np.testing.assert_allclose(
    gradient, -spread_PGT * batch['advantage_PG'][..., None], rtol=1e-5, atol=1e-7
  )


def test_gradients_flow_through_the_policy_only(variant):
  policy_gradient, *others = gradients_of(variant, make_batch())
  assert np.any(policy_gradient != 0)
  for gradient in others:
    np.testing.assert_array_equal(gradient, np.zeros_like(gradient))


def test_far_apart_policies_stay_finite(variant):
  batch = make_batch()
  for shift in (-1e3, 1e3):
    moved = {**batch, 'logp_PGT': batch['old_logp_PGT'] + np.float32(shift)}
    loss, metrics, gradient = evaluate(variant, moved)
    assert np.isfinite(loss) and np.all(np.isfinite(gradient))
    assert all(np.isfinite(value) for value in measures.results(metrics).values())


@pytest.mark.parametrize('name', ADVANTAGES)
def test_advantages_follow_their_samples(name):
  reward_PG = np.random.default_rng(0).normal(size=(P, G)).astype(np.float32)
  rolled_PG = np.roll(np.roll(reward_PG, 1, axis=0), 1, axis=1)
  expected = np.roll(np.roll(ADVANTAGES[name](reward_PG), 1, axis=0), 1, axis=1)
  np.testing.assert_allclose(ADVANTAGES[name](rolled_PG), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('name', ADVANTAGES)
def test_advantages_do_not_see_a_shift_of_all_rewards(name):
  reward_PG = np.random.default_rng(0).normal(size=(P, G)).astype(np.float32)
  shifted = ADVANTAGES[name](reward_PG + 3)
  np.testing.assert_allclose(shifted, ADVANTAGES[name](reward_PG), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', REDUCTIONS)
def test_weights_are_zero_outside_the_mask_and_positive_inside(name):
  mask_PGT = make_batch()['mask_PGT']
  np.testing.assert_array_equal(REDUCTIONS[name](mask_PGT) > 0, mask_PGT > 0)
