import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import slow_model
from families import V3_CONFIG, subject

from r1jax.model import MoE
from r1jax.model.moe import MixtureOfExperts, choose

NUM_TOKENS = 12


def layer(name):
  """Config, parameters of one expert layer, and inputs `[L, D]`."""
  model = subject(name)
  params = jax.tree.map(lambda leaf: np.asarray(leaf[1]), model.params['expert_layers']['moe'])
  x_LD = np.random.default_rng(0).normal(size=(NUM_TOKENS, 12)).astype(np.float32)
  return model.config, params, x_LD


def plain(config, params, x_LD, mask_L, chosen_LQ):
  """The module on one sequence; outputs `[L, D]` and routing."""
  out, routing = MixtureOfExperts(config, config.moe).apply(
    {'params': params},
    x_LD[None, None],
    mask_PGT=mask_L[None, None],
    chosen_PGTQ=None if chosen_LQ is None else chosen_LQ[None, None],
  )
  return out[0, 0], routing


compiled = jax.jit(plain, static_argnums=0)
ALL = np.ones(NUM_TOKENS, bool)


def run(config, params, x_LD, mask_L=ALL, chosen_LQ=None):
  return compiled(config, params, x_LD, mask_L, chosen_LQ)


@pytest.mark.parametrize('name', ['v3', 'v2'])
def test_mixture_against_loop_over_tokens_and_experts(name):
  """Sigmoid, groups, biases, one shared expert (V3); softmax as it is, two shared ones (V2)."""
  config, params, x_LD = layer(name)
  found, routing = run(config, params, x_LD)
  expected, chosen_LQ = slow_model.moe(x_LD, slow_model.as_float64(params), config)
  np.testing.assert_array_equal(routing.chosen_PGTQ[0, 0], chosen_LQ)
  np.testing.assert_allclose(found, expected, atol=2e-5)


def test_groups_and_biases_matter_in_these_tests():
  """Without either, other experts would be chosen: the comparison above can fail."""
  config, params, x_LD = layer('v3')
  params = slow_model.as_float64(params)
  _, chosen = slow_model.moe(x_LD, params, config)
  unlimited = dataclasses.replace(config.moe, num_groups=1, num_groups_kept=1)
  by_max = dataclasses.replace(config.moe, group_score_size=1)
  others = [
    slow_model.moe(x_LD, params, dataclasses.replace(config, moe=moe))[1]
    for moe in (unlimited, by_max)
  ]
  others.append(slow_model.moe(x_LD, params | {'selection_bias': np.zeros(8)}, config)[1])
  for other in others:
    assert (chosen != other).any()


def test_choose_by_hand():
  # Sums of the two best: 0.9 + 0.1, 0.8 + 0.7, 0.6 + 0.5, 0.4 + 0.4: groups 1 and 2 are kept.
  score = jnp.array([[0.9, 0.1, 0.0, 0.8, 0.7, 0.0, 0.6, 0.0, 0.5, 0.4, 0.4, 0.0]])
  v3 = MoE(num_experts=12, top_k=3, width=1, num_groups=4, num_groups_kept=2)
  np.testing.assert_array_equal(choose(score, v3), [[3, 4, 6]])
  # The best alone counts, as in V2: groups 0 and 1 are kept.
  v2 = dataclasses.replace(v3, group_score_size=1)
  np.testing.assert_array_equal(choose(score, v2), [[0, 3, 4]])
  plain = dataclasses.replace(v3, num_groups=1, num_groups_kept=1)
  np.testing.assert_array_equal(choose(score, plain), [[0, 3, 4]])


def test_negative_biased_scores_do_not_lead_out_of_the_groups():
  """An expert of a group that was not kept must lose against any other, not tie with 0."""
  moe = MoE(num_experts=4, top_k=2, width=1, num_groups=2, num_groups_kept=1)
  np.testing.assert_array_equal(choose(jnp.array([[-3.0, -4.0, -1.0, -2.0]]), moe), [[2, 3]])
  np.testing.assert_array_equal(choose(jnp.array([[-0.5, -4.0, -3.0, -2.0]]), moe), [[0, 1]])


def test_loads_and_affinities_count_unmasked_tokens():
  config, params, x_LD = layer('v3')
  mask_L = np.arange(NUM_TOKENS) < 7
  _, routing = run(config, params, x_LD, mask_L)
  _, chosen_LQ = slow_model.moe(x_LD, slow_model.as_float64(params), config)
  np.testing.assert_array_equal(
    routing.load_PGE[0, 0], np.bincount(chosen_LQ[:7].ravel(), minlength=8)
  )
  score_LE = np.array(
    [slow_model.scores(x, slow_model.as_float64(params), config.moe) for x in x_LD]
  )
  share_LE = score_LE / score_LE.sum(1, keepdims=True)
  np.testing.assert_allclose(routing.affinity_PGE[0, 0], share_LE[:7].sum(0), rtol=1e-5)


def test_masked_tokens_are_computed_all_the_same():
  config, params, x_LD = layer('v3')
  masked, _ = run(config, params, x_LD, np.arange(NUM_TOKENS) < 7)
  np.testing.assert_array_equal(masked, run(config, params, x_LD)[0])


def test_replay_of_own_choice_changes_nothing():
  config, params, x_LD = layer('v3')
  chosen_out, routing = run(config, params, x_LD)
  replayed, again = run(config, params, x_LD, chosen_LQ=routing.chosen_PGTQ[0, 0])
  np.testing.assert_array_equal(replayed, chosen_out)
  np.testing.assert_array_equal(again.load_PGE, routing.load_PGE)


def test_replay_of_other_experts_recomputes_weights():
  config, params, x_LD = layer('v3')
  chosen_LQ = np.array([[t % 8, (t + 3) % 8, (t + 5) % 8] for t in range(NUM_TOKENS)])
  found, routing = run(config, params, x_LD, chosen_LQ=chosen_LQ)
  expected, _ = slow_model.moe(x_LD, slow_model.as_float64(params), config, chosen_LQ)
  np.testing.assert_allclose(found, expected, atol=2e-5)
  np.testing.assert_array_equal(routing.chosen_PGTQ[0, 0], chosen_LQ)
  assert np.abs(found - run(config, params, x_LD)[0]).max() > 0.1


def test_router_learns_and_selection_bias_does_not():
  """Under replay too: weights are a function of the router, the choice is none of the bias."""
  config, params, x_LD = layer('v3')
  chosen_LQ = run(config, params, x_LD)[1].chosen_PGTQ[0, 0]

  def loss(params, chosen_LQ):
    return jnp.sum(jnp.sin(plain(config, params, x_LD, ALL, chosen_LQ)[0]))

  gradients = jax.jit(jax.grad(loss))
  for replay in (None, chosen_LQ):
    gradient = gradients(params, replay)
    assert np.abs(gradient['router']).max() > 1e-3
    np.testing.assert_array_equal(gradient['selection_bias'], np.zeros(8))


def test_affinity_carries_gradient_and_load_none():
  config, params, x_LD = layer('v3')
  weight_E = np.arange(8.0)

  def statistics(p):
    routing = plain(config, p, x_LD, ALL, None)[1]
    return jnp.sum(routing.affinity_PGE * weight_E), jnp.sum(routing.load_PGE * weight_E)

  affinity, load = (jax.jit(jax.grad(lambda p, i=i: statistics(p)[i]))(params) for i in range(2))
  assert np.abs(affinity['router']).max() > 1e-3
  np.testing.assert_array_equal(load['router'], 0)


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'scores': 'tanh'}, r"model\.moe\.scores is 'tanh', allowed are 'sigmoid', 'softmax'"),
    ({'dispatch': 'fast'}, r"model\.moe\.dispatch is 'fast', allowed are 'dense', 'grouped'"),
    ({'num_groups': 3}, 'num_experts 8 must be a multiple of num_groups 3'),
    ({'num_groups_kept': 5}, 'num_groups_kept 5 exceeds num_groups 4'),
    ({'group_score_size': 3}, 'group_score_size 3 exceeds the 2 experts of a group'),
    ({'top_k': 5}, 'top_k 5 exceeds the 4 experts of the 2 groups kept'),
  ],
)
def test_impossible_routing_is_refused(change, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(V3_CONFIG.moe, **change)
