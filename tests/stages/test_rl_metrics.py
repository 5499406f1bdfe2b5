"""The numbers of a step, each by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from r1jax.algorithms import measures
from r1jax.rewards import combine
from r1jax.stages import rl_metrics


def sampled(length, reward, texts, truncated=None, reader=None, **terms):
  length_PG = np.array(length)
  truncated_PG = np.zeros(length_PG.shape, bool) if truncated is None else np.array(truncated)
  terms = {name: np.array(value) for name, value in terms.items()}
  scores = combine.Scores(
    reward_PG=np.array(reward, np.float32),
    terms=terms,
    counted=terms,
    shaping={'length': np.full(length_PG.shape, -0.5)},
    seconds=dict.fromkeys(terms, 0.25),
    faults={'accuracy/timeout': 2},
  )
  problems = [None] * len(texts)
  return rl_metrics.sampled(problems, texts, length_PG, truncated_PG, scores, reader)


FIRST = sampled(
  [[3, 5], [12, 4]],
  [[1.5, 0.5], [1.0, 1.0]],
  [['a', 'let me check'], ['b', 'c']],
  truncated=[[False, False], [True, False]],
  accuracy=[[1, 0], [1, 1]],
  format=[[1, 1], [0, 0]],
)
SECONDS = {'sample': 2.0, 'reward': 0.5, 'score': 0.5, 'update': 1.0}


def updates():
  """Two, of 1 and 3 tokens."""

  def of(count, loss, kl, ratio_max, mismatch, expert_flips, skipped):
    return {
      'loss': measures.number(jnp.float32(loss)),
      'kl': measures.Mean(jnp.float32(kl * count), jnp.int32(count)),
      'ratio_max': measures.Maximum(jnp.float32(ratio_max)),
      'mismatch': measures.Maximum(jnp.float32(mismatch)),
      'expert_flips': measures.number(jnp.float32(expert_flips)),
      'skipped': measures.Total(jnp.int32(skipped)),
    }

  return [of(1, 0.5, 0.25, 9.0, 1e-5, 0.125, 0), of(3, -0.25, 0.75, 1.0, 0.5, 0.5, 0)]


def test_metrics_by_hand():
  """Two prompts of two answers; every token of both updates counts alike in the divergence."""
  metrics = rl_metrics.of_step([FIRST], updates(), SECONDS, resampled=False)
  expected = {
    'reward': 1.0,
    'accuracy': 0.75,
    'format': 0.5,
    'shaping/length': -0.5,
    'seconds/reward/accuracy': 0.25,
    'seconds/reward/format': 0.25,
    'faults/accuracy/timeout': 2,
    'length': 6.0,
    'length_std': np.sqrt((9 + 1 + 36 + 4) / 4),
    'checks_itself': 0.25,
    'zero_variance_fraction': 0.5,
    'truncated_fraction': 0.25,
    'tokens': 24,
    'tokens_per_second': 6.0,
    'loss': 0.125,
    'kl': (0.25 + 3 * 0.75) / 4,
    'ratio_max': 9.0,
    'mismatch': 1e-5,
    'expert_flips': 0.125,
    'skipped': 0,
    **{f'seconds/{phase}': value for phase, value in SECONDS.items()},
  }
  assert metrics.keys() == expected.keys()
  for name, value in expected.items():
    np.testing.assert_allclose(metrics[name], value, rtol=1e-6, err_msg=name)


def test_updates_that_were_skipped_do_not_spoil_the_others():
  taken, other = updates()
  nothing = jax.tree.map(lambda leaf: leaf * float('nan'), other)
  skipped = nothing | {'skipped': measures.Total(jnp.int32(1))}
  metrics = rl_metrics.of_step([FIRST], [taken, skipped], SECONDS, resampled=False)
  assert (metrics['loss'], metrics['kl'], metrics['skipped']) == (0.5, 0.25, 1)
  metrics = rl_metrics.of_step([FIRST], [skipped, skipped], SECONDS, resampled=False)
  assert np.isnan(metrics['loss']) and metrics['skipped'] == 2


def test_metrics_tell_of_the_policy_and_not_of_what_was_kept():
  """With dynamic sampling: two more attempts, of which one group takes the dull one's place."""
  texts, right, wrong = [['', '']] * 2, np.ones((2, 2)), np.zeros((2, 2))
  dull = sampled([[1, 1], [1, 1]], right, texts, accuracy=right, format=right)
  lively = sampled([[2, 2], [2, 2]], [[0, 1], [1, 1]], texts, accuracy=wrong, format=right)
  attempts = [FIRST, dull, lively]
  metrics = rl_metrics.of_step(attempts, updates(), SECONDS, resampled=True)
  assert metrics['replaced_groups'] == 1
  assert metrics['tokens'] == 24 + 4 + 8
  np.testing.assert_allclose(metrics['zero_variance_fraction'], 4 / 6)
  np.testing.assert_allclose(metrics['accuracy'], (3 + 4 + 0) / 12)
  np.testing.assert_allclose(metrics['reward'], (4 + 4 + 3) / 12)


class FirstWord:
  """Tells the style of a response by its first word."""

  def style(self, problem, response):
    del problem
    return response.split()[0]


def test_lengths_by_style_are_means_over_all_attempts():
  none = [[0.0, 1.0]]
  told = {'accuracy': none, 'reader': FirstWord()}
  first = sampled([[2, 4]], none, [['brief', 'long a b']], **told)
  second = sampled([[8, 9]], none, [['long a', 'long']], **told)
  metrics = rl_metrics.of_step([first, second], updates(), SECONDS, resampled=True)
  assert metrics['length/brief'] == 2 and metrics['length/long'] == 7


def test_parts_of_several_processes_make_the_whole():
  """Prompts in the order of their numbers, whoever has them; seconds and faults add up."""
  texts = [['a', 'let me check'], ['b', 'c']]
  numbers = {'length': [[3, 5], [12, 4]], 'reward': [[1.5, 0.5], [1.0, 1.0]]}
  told = {'truncated': [[False, False], [True, False]], 'accuracy': [[1, 0], [1, 1]]}
  whole = sampled(*numbers.values(), texts, **told, reader=FirstWord())
  parts = []
  for p in (1, 0):
    own = {name: value[p : p + 1] for name, value in told.items()}
    arrays = [value[p : p + 1] for value in numbers.values()]
    part = sampled(*arrays, texts[p : p + 1], **own, reader=FirstWord())
    parts.append((np.array([p]), part))
  found = rl_metrics.joined(parts)
  for name in ('length_PG', 'truncated_PG', 'checks_itself_PG', 'style_PG'):
    np.testing.assert_array_equal(getattr(found, name), getattr(whole, name), err_msg=name)
  np.testing.assert_array_equal(found.scores.reward_PG, whole.scores.reward_PG)
  for field in ('terms', 'counted', 'shaping'):
    for name, value in getattr(whole.scores, field).items():
      np.testing.assert_array_equal(getattr(found.scores, field)[name], value, err_msg=name)
  assert found.scores.seconds == {'accuracy': 0.5} and found.scores.faults == {
    'accuracy/timeout': 4
  }
