import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closed_loop import (
  CONFIG,
  LIMIT,
  Letters,
  host_params,
  largest_difference,
  params,
  reinforcement,
  state_of,
)
from equations import shapes

from r1jax import decoding
from r1jax.algorithms import balance, measures
from r1jax.model import GQA, ModelConfig, Rope, Transformer
from r1jax.stages import rl_step
from r1jax.training.optimizer import AdamW, adamw, warmup_constant
from r1jax.training.state import create

STEP = 9  # Its answers are short, long and truncated.


@functools.cache
def judged():
  """Answers of the first parameters, rewarded by their length; shared by many tests."""
  return reinforcement().ask(host_params(), step=STEP, draws=0)


def update(learning, *, found=None, reference=None):
  """Takes the updates of a step on given answers; returns parameters and metrics of each."""
  found = judged() if found is None else found
  reference = host_params() if reference is None else reference
  batch = learning.batch(found, reference)
  state, metrics = learning.take_updates(state_of(learning), None, batch, found, step=STEP)
  return state.params, [measures.results(found) for found in jax.device_get(metrics)]


def test_these_answers_are_worth_testing_with():
  """Some are truncated, some not, some short: the tests below can fail."""
  rollouts = judged().answers.rollouts
  assert 0 < rollouts.stopped_PG.sum() < rollouts.stopped_PG.size
  assert {width for _, width in reinforcement()._parts(rollouts.length_PG, 4)} == {12, LIMIT}
  assert (judged().scores.reward_PG.std(axis=1) > 0).all()
  assert judged().answers.texts[0][0] == Letters().decode(rollouts.tokens_PGT[0, 0])


EVERYTHING = {'kl_weight': 0.3, 'balance_weight': 0.1, 'bias_speed': 0.5}


@functools.cache
def whole_batch_update():
  return update(reinforcement(**EVERYTHING), reference=other_params())


def other_params():
  return jax.tree.map(lambda leaf: leaf * 1.1, host_params())


@pytest.mark.parametrize('num_microbatches', [2, 4])
def test_accumulation_does_not_change_the_update(num_microbatches):
  """Parts of other widths, summed, are the whole: in parameters, biases and metrics."""
  expected, (expected_metrics,) = whole_batch_update()
  learning = reinforcement(**EVERYTHING, num_microbatches=num_microbatches)
  found, (metrics,) = update(learning, reference=other_params())
  moved = largest_difference(expected, host_params())
  assert moved > 1e-2
  assert largest_difference(found, expected) < 1e-6
  assert metrics.keys() == expected_metrics.keys()
  for name, value in expected_metrics.items():
    np.testing.assert_allclose(metrics[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
  assert expected_metrics['kl'] > 0.01


@pytest.mark.parametrize('chunk', [None, 5])
def test_chunks_spare_the_logits_of_all_tokens(chunk, monkeypatch):
  """In the loss, with its gradient, and in what the reference gives."""
  learning, programs = reinforcement(chunk_tokens=chunk, kl_weight=0.3), []

  def watch(model, params, *arrays, **options):
    traced = functools.partial(reference_score, model, **options)
    programs.append(jax.make_jaxpr(traced)(params, *arrays))
    return traced(params, *arrays)

  reference_score = rl_step.reference_score
  monkeypatch.setattr(rl_step, 'reference_score', watch)
  batch = learning.batch(judged(), host_params())
  programs.append(jax.make_jaxpr(learning.update.gradient)(host_params(), (None, batch)))
  for program in programs:
    found = shapes(program.jaxpr)
    most = max(np.prod(s[:-1]) for s in found if s[-1:] == (CONFIG.vocab_size,) and len(s) > 2)
    assert most <= 5 if chunk else most == judged().answers.rollouts.tokens_PGT.size
  assert len(programs) > 1


def test_the_first_update_scores_what_was_sampled():
  _, (metrics,) = update(reinforcement())
  assert metrics['mismatch'] < 1e-4
  assert metrics['expert_flips'] < 0.01
  np.testing.assert_allclose(metrics['ratio_max'], 1, atol=1e-4)
  assert metrics['clip_fraction'] == 0
  assert 0 < metrics['entropy'] < np.log(CONFIG.vocab_size)


def test_mismatch_shows_a_log_probability_that_is_off():
  rollouts = judged().answers.rollouts
  logp_PGT = np.array(rollouts.logp_PGT)
  logp_PGT[1, 2, 0] += 0.125
  off = dataclasses.replace(
    judged(),
    answers=dataclasses.replace(
      judged().answers, rollouts=dataclasses.replace(rollouts, logp_PGT=logp_PGT)
    ),
  )
  _, (metrics,) = update(reinforcement(), found=off)
  np.testing.assert_allclose(metrics['mismatch'], 0.125, atol=1e-4)


def test_zero_advantage_leaves_the_parameters():
  """No divergence, no decay, all rewards alike: bit for bit."""
  learning = reinforcement(reward=lambda *_: 0.5)
  state, found, metrics = learning(state_of(learning), None, None, step=1, draws=0)
  assert largest_difference(state.params, host_params()) == 0
  assert metrics['zero_variance_fraction'] == 1
  assert metrics['loss'] == 0 and metrics['gradient_norm'] == 0
  assert found.draws == 4


def test_a_reference_of_the_same_parameters_has_no_divergence():
  """Scored without replay and with it: the router chooses alike but for near ties."""
  _, (metrics,) = update(reinforcement(**EVERYTHING))
  assert 0 <= metrics['kl'] < 1e-4


def test_the_update_scores_at_the_temperature_of_the_sampling():
  """In chunks too: the mismatch is 0 only if both phases take the same distribution."""
  for changes in ({}, {'chunk_tokens': 5}):
    learning = reinforcement(temperature=0.7, kl_weight=0.3, **changes)
    found = learning.ask(host_params(), step=STEP, draws=0)
    _, (metrics,) = update(learning, found=found)
    assert metrics['mismatch'] < 1e-4 and metrics['kl'] < 1e-4
    _, (metrics,) = update(reinforcement(kl_weight=0.3, **changes), found=found)
    assert metrics['mismatch'] > 0.1


def test_the_balance_loss_is_that_of_the_answers_by_their_weights():
  """With rewards that are all alike nothing else is in the loss."""
  learning = reinforcement(balance_weight=0.1, reward=lambda *_: 0.5)
  found = learning.ask(host_params(), step=STEP, draws=0)
  _, (metrics,) = update(learning, found=found)
  scores = decoding.score(
    learning.answering.model,
    host_params(),
    found.answers.rollouts.prompts,
    found.answers.rollouts.tokens_PGT,
    found.answers.rollouts.length_PG,
    temperature=1.0,
    experts=found.answers.rollouts.experts,
  )
  length_PG = found.answers.rollouts.length_PG
  expected = total = 0.0
  for n, p, g in np.ndindex(2, *length_PG.shape):
    loss = balance.sequence_balance_loss(
      scores.suffix_routing.load_PGE[n, p, g], scores.suffix_routing.affinity_PGE[n, p, g]
    )
    expected += 0.1 * float(loss) * length_PG[p, g] / length_PG.sum()
    total += float(loss)
  assert expected > 0.01
  np.testing.assert_allclose(metrics['loss'], expected, rtol=1e-4)
  np.testing.assert_allclose(metrics['balance_loss'], total / length_PG.size, rtol=1e-4)


def gradient_of(learning, found):
  moved, _ = update(learning, found=found)
  return jax.tree.map(np.subtract, host_params(), jax.device_get(moved))


def with_advantages(learning, change_PG):
  """The learning whose advantages are changed after they are made."""
  plain = learning.advantage
  return dataclasses.replace(learning, advantage=lambda scores: plain(scores) + change_PG)


@pytest.mark.parametrize('drop', [False, True])
def test_truncated_answers_are_dropped_from_the_loss(drop):
  """Whatever their advantage; and the others' weights are normalised without them."""
  learning = reinforcement(drop_truncated=drop)
  truncated_PG = judged().answers.truncated_PG
  batch = learning.batch(judged(), None)
  np.testing.assert_array_equal(batch.mask_PGT[..., 0], ~truncated_PG if drop else True)
  expected = gradient_of(learning, judged())
  changed = gradient_of(with_advantages(learning, 3.0 * truncated_PG), judged())
  assert (largest_difference(changed, expected) < 1e-7) == drop
  changed = gradient_of(with_advantages(learning, 3.0 * ~truncated_PG), judged())
  assert largest_difference(changed, expected) > 1e-3
  weights = learning.reduction(jnp.asarray(batch.mask_PGT))
  np.testing.assert_allclose(np.sum(weights), 1, rtol=1e-5)


def test_dropped_answers_still_count_in_their_group():
  learning = reinforcement(drop_truncated=True)
  batch = learning.batch(judged(), None)
  np.testing.assert_allclose(batch.advantage_PG.mean(axis=1), 0, atol=1e-6)
  np.testing.assert_allclose(batch.advantage_PG.std(axis=1), 1, atol=1e-4)


@pytest.mark.parametrize('num_minibatches', [1, 2, 4])
def test_each_epoch_takes_every_prompt_once(num_minibatches):
  """In minibatches of equal size, in an order of its own, each normalised by itself."""
  learning = reinforcement(num_minibatches=num_minibatches, num_inner_epochs=3)
  seen = []

  def watch(state, parts):
    seen.append(list(parts))
    return state, {}

  learning.__dict__['update'] = watch
  learning.take_updates(None, None, learning.batch(judged(), None), judged(), step=1)
  assert len(seen) == 3 * num_minibatches
  orders = []
  for epoch in np.split(np.array([part.prompts.address_P for ((_, part),) in seen]), 3):
    assert epoch.shape == (num_minibatches, 4 // num_minibatches)
    np.testing.assert_array_equal(np.sort(epoch, axis=None), np.arange(4))
    orders.append(tuple(epoch.ravel().tolist()))
  assert len(set(orders)) > 1 or num_minibatches == 1
  for ((_, part),) in seen:
    np.testing.assert_allclose(np.sum(part.weight_PGT), 1, rtol=1e-5)


def test_microbatches_come_to_the_device_as_they_are_used(monkeypatch):
  """Two to begin with, to know that it is not all; then one; none while the parameters move."""
  learning = reinforcement(num_microbatches=4)
  step, counts = learning.update, []
  batch, state = learning.batch(judged(), None), state_of(learning)

  def count_parts():
    return sum(array.dtype == bool and array.ndim == 3 for array in jax.live_arrays())

  def watched(program):
    def call(*arguments):
      counts.append(count_parts() - elsewhere)
      return program(*arguments)

    return call

  for name in ('gradient', 'update'):
    monkeypatch.setattr(step, name, watched(getattr(step, name)))
  elsewhere = count_parts()
  learning.take_updates(state, None, batch, judged(), step=STEP)
  assert counts == [2, 1, 1, 1, 0]


def test_inner_epochs_move_the_parameters_again():
  once, _ = update(reinforcement())
  twice, metrics = update(reinforcement(num_inner_epochs=2))
  assert len(metrics) == 2
  np.testing.assert_allclose(metrics[0]['ratio_max'], 1, atol=1e-4)
  assert metrics[1]['ratio_max'] > 1.001
  assert metrics[1]['loss'] < metrics[0]['loss']
  assert largest_difference(twice, once) > 1e-4


def test_the_balance_rule_counts_prompts_once_and_answers_each():
  """The experts recorded, up to the lengths, are the load that moves the biases."""
  found, _ = whole_batch_update()
  rollouts = judged().answers.rollouts
  load_NE = np.zeros((2, CONFIG.moe.num_experts))
  for p, (length, answers) in enumerate(zip(rollouts.prompts.length_P, rollouts.length_PG)):
    for n in range(2):
      np.add.at(load_NE[n], rollouts.experts.prefix_NPSQ[n, p, : length - 1], 1)
      for g, tokens in enumerate(answers):
        np.add.at(load_NE[n], rollouts.experts.suffix_NPGTQ[n, p, g, :tokens], 1)
  before = host_params()['expert_layers']['moe']['selection_bias']
  expected = balance.update_bias(jnp.asarray(before), jnp.asarray(load_NE), speed=0.5)
  assert np.any(expected != before)
  bias = found['expert_layers']['moe']['selection_bias']
  np.testing.assert_allclose(bias, expected, atol=1e-6)


# Dynamic sampling. A reward differs within a group only where the problem's number is even.
def even_only(problem, text, sample):
  return float(sample == 0 and int(problem.id) % 2 == 0)


def ask(max_resamples, reward=even_only, step=1, draws=0):
  learning = reinforcement(max_resamples=max_resamples, reward=reward)
  return learning, learning.ask(host_params(), step=step, draws=draws)


def test_groups_without_variance_are_replaced():
  learning, plain = ask(0)
  drawn = [problem.id for problem in learning.problems.batch(0, 8)]
  lively = [int(id) % 2 == 0 for id in drawn]
  assert 0 < sum(lively[:4]) < 4 and sum(lively) >= 4, 'another seed is needed'
  assert [problem.id for problem in plain.answers.problems] == drawn[:4]
  _, found = ask(1)
  fresh = [id for id, keep in zip(drawn[4:], lively[4:]) if keep]
  expected = [id if keep else fresh.pop(0) for id, keep in zip(drawn[:4], lively[:4])]
  assert [problem.id for problem in found.answers.problems] == expected
  assert (plain.draws, found.draws) == (4, 8)
  assert (found.scores.reward_PG.max(axis=1) > found.scores.reward_PG.min(axis=1)).all()
  kept = np.array(lively[:4])
  old, new = plain.answers.rollouts, found.answers.rollouts
  np.testing.assert_array_equal(new.tokens_PGT[kept], old.tokens_PGT[kept])
  assert (new.tokens_PGT[~kept] != old.tokens_PGT[~kept]).any()


def test_a_replaced_group_comes_with_all_that_is_its_own():
  """Prompt, tokens, log-probabilities and experts of one sample: the update's mismatch is 0."""
  learning, found = ask(1)
  for problem, texts, tokens_S, length in zip(
    found.answers.problems,
    found.answers.texts,
    found.answers.rollouts.prompts.tokens_PS,
    found.answers.rollouts.prompts.length_P,
  ):
    assert Letters().decode(tokens_S[:length].tolist()) == problem.question
    assert len(texts) == 4
  assert found.answers.texts == learning.answering.texts(found.answers.rollouts, np.arange(4))
  np.testing.assert_array_equal(found.scores.terms['value'], found.scores.reward_PG)
  _, (metrics,) = update(learning, found=found)
  assert metrics['mismatch'] < 1e-4


def test_resampling_is_bounded_and_deterministic():
  dull = lambda *_: 1.0  # noqa: E731
  _, found = ask(3, reward=dull, draws=2)
  assert found.draws == 2 + 4 * 4
  _, again = ask(3, reward=dull, draws=2)
  for a, b in zip(jax.tree.leaves(found.answers.rollouts), jax.tree.leaves(again.answers.rollouts)):
    np.testing.assert_array_equal(a, b)
  _, lively = ask(3, reward=lambda problem, text, sample: float(sample == 0))
  assert lively.draws == 4


def test_a_step_draws_its_own_numbers():
  _, first = ask(0, step=1)
  _, second = ask(0, step=2)
  assert [p.id for p in first.answers.problems] == [p.id for p in second.answers.problems]
  found = (first.answers.rollouts.tokens_PGT, second.answers.rollouts.tokens_PGT)
  assert (found[0][:, :, 0] != found[1][:, :, 0]).mean() > 0.5


def test_a_step_is_its_parts():
  """Asking, scoring and updating in one call; its metrics are of these answers."""
  learning = reinforcement(**EVERYTHING, num_inner_epochs=2)
  state, found, metrics = learning(state_of(learning), None, params(), step=STEP, draws=0)
  assert state.updates == 2
  np.testing.assert_array_equal(
    found.answers.rollouts.tokens_PGT, judged().answers.rollouts.tokens_PGT
  )
  by_parts, _ = update(learning)
  assert largest_difference(state.params, by_parts) == 0
  assert metrics['tokens'] == found.answers.rollouts.length_PG.sum()
  assert {'seconds/sample', 'seconds/reward', 'seconds/score', 'seconds/update'} < metrics.keys()
  assert metrics['mismatch'] < 1e-4 and metrics['kl'] < 0.5


NOVICE = ModelConfig(
  vocab_size=CONFIG.vocab_size,
  num_layers=1,
  model_dim=16,
  mlp_dim=32,
  attention=GQA(num_heads=2, num_kv_heads=1, head_dim=8),
  rope=Rope(theta=100.0),
)


def share_of_a(problem, text, sample):
  return text.count('a') / len(text) if text else 0.0


def test_learning():
  """A random model paid for the letter a writes it: from one letter in 14 to most of them."""
  optimizer = adamw(AdamW(weight_decay=0.0), warmup_constant(peak=0.02, warmup=0))
  learning = reinforcement(
    config=NOVICE,
    reward=share_of_a,
    optimizer=optimizer,
    group_size=8,
    prompts_per_step=4,
    kl_weight=0.01,
  )
  start = jax.jit(Transformer(NOVICE).init)(jax.random.key(0), jnp.zeros((1, 2), jnp.int32))
  reference = start['params']
  state = create(jax.tree.map(jnp.copy, reference), optimizer)
  rewards, draws = [], 0
  for step in range(1, 31):
    state, found, metrics = learning(state, None, reference, step=step, draws=draws)
    rewards.append(metrics['reward'])
    draws = found.draws
  assert draws == 30 * 4
  assert np.mean(rewards[:2]) < 0.2
  assert np.mean(rewards[-3:]) > 0.7
