import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.decoding.sampling import Draw, Sampler, address, cut, draw, invert, uniform

invert_jit = jax.jit(invert)


def random_masses(rng, num_draws, vocabulary):
  """Peaked distributions with zeros in them, at least one token each with mass."""
  mass_NV = rng.dirichlet(np.full(vocabulary, 0.2), size=num_draws)
  mass_NV[rng.uniform(size=mass_NV.shape) < 0.3] = 0
  mass_NV[np.arange(num_draws), rng.integers(vocabulary, size=num_draws)] += 0.01
  return mass_NV.astype(np.float32)


def slow_invert(mass_NV, uniform_N):
  """Token and distance to the nearest number that draws another, in float64."""
  tokens, margins = [], []
  for mass_V, number in zip(mass_NV.astype(np.float64), uniform_N.astype(np.float64)):
    upto_V = np.cumsum(mass_V / mass_V.sum())
    full = np.flatnonzero(mass_V)
    token = full[min(np.searchsorted(upto_V[full], number, side='right'), len(full) - 1)]
    above = upto_V[token] - number if token < full[-1] else 1.0
    below = number - upto_V[token - 1] if token > full[0] else 1.0
    tokens.append(token)
    margins.append(min(above, below))
  return np.array(tokens), np.array(margins)


@pytest.mark.parametrize('vocabulary', [1, 2, 7, 16, 19, 101])
def test_invert_against_float64(vocabulary):
  rng = np.random.default_rng(vocabulary)
  mass_NV = random_masses(rng, 1000, vocabulary) * rng.uniform(0.1, 10, size=(1000, 1))
  mass_NV = mass_NV.astype(np.float32)
  uniform_N = rng.uniform(size=1000).astype(np.float32)
  token_N, margin_N = invert_jit(mass_NV, uniform_N)
  expected_N, expected_margin_N = slow_invert(mass_NV, uniform_N)
  clear_N = expected_margin_N > 1e-6
  assert clear_N.mean() > 0.99
  np.testing.assert_array_equal(np.asarray(token_N)[clear_N], expected_N[clear_N])
  np.testing.assert_allclose(margin_N, expected_margin_N, atol=1e-6)


def test_tokens_without_mass_are_never_drawn_even_on_a_boundary():
  """Numbers are the running sums themselves: rounding then decides, but never for a zero."""
  rng = np.random.default_rng(0)
  mass_NV = random_masses(rng, 4000, 90)
  mass_NV[:, rng.uniform(size=90) < 0.7] = 0
  mass_NV[:, 50] = 0.1
  upto_NV = np.asarray(jnp.cumsum(mass_NV, axis=-1))
  for steps in (-1, 0, 1):
    uniform_N = (upto_NV / upto_NV[:, -1:])[np.arange(4000), rng.integers(90, size=4000)]
    uniform_N = np.clip(uniform_N + steps * np.float32(6e-8), 0, 1 - 2**-24)
    token_N, _ = invert_jit(mass_NV, uniform_N.astype(np.float32))
    assert np.all(mass_NV[np.arange(4000), token_N] > 0)


@pytest.mark.parametrize('number', [0.0, 1e-45, np.nextafter(1, 0, dtype=np.float32), 1.0])
def test_ends_of_the_interval_draw_first_and_last_token_with_mass(number):
  mass_NV = np.zeros((2, 30), np.float32)
  mass_NV[0, [3, 11, 17]] = [0.2, 0.5, 0.3]
  mass_NV[1, 29] = 1.0
  token_N, _ = invert_jit(mass_NV, np.full(2, number, np.float32))
  np.testing.assert_array_equal(token_N, [3 if number < 0.5 else 17, 29])


def test_margin_by_hand():
  """Boundaries are at 0.2 and 0.7; the ends 0 and 1 are none, and one token alone has none."""
  mass_NV = np.array([[0.0, 0.2, 0.5, 0.0, 0.3]] * 4 + [[0, 0, 3.0, 0, 0]], np.float32)
  token_N, margin_N = invert_jit(mass_NV, np.array([0.01, 0.3, 0.6, 0.99, 0.5], np.float32))
  np.testing.assert_array_equal(token_N, [1, 2, 2, 4, 2])
  np.testing.assert_allclose(margin_N, [0.19, 0.1, 0.1, 0.29, 1.0], atol=1e-6)


def test_logits_that_are_not_numbers_give_a_token_of_the_vocabulary():
  """The log-probability is NaN, which the training step sees; the token must not crash a text."""
  found = draw(jnp.full((1, 7), jnp.nan), jnp.array([0.3]), Sampler())
  assert 0 <= found.token_N[0] < 7
  assert np.isnan(found.logp_N[0])


def test_frequencies_follow_the_distribution():
  """Chi-square over 12 tokens: 11 degrees of freedom, of which 31.3 is the 99.9% quantile."""
  N = 20_000
  logits_V = np.random.default_rng(1).normal(size=12)
  key_N = address(jax.random.key(5), jnp.arange(N))
  number_N = uniform(key_N, jnp.array(3))
  found = draw(jnp.broadcast_to(logits_V, (N, 12)), number_N, Sampler())
  expected_V = N * np.exp(logits_V) / np.exp(logits_V).sum()
  count_V = np.bincount(found.token_N, minlength=12)
  assert np.sum((count_V - expected_V) ** 2 / expected_V) < 31.3


def test_uniform_depends_on_the_address_alone():
  key = jax.random.key(0)

  def numbers(prompts, samples, position):
    keys_PG = address(key, jnp.asarray(prompts)[:, None], jnp.asarray(samples))
    return np.asarray(uniform(keys_PG, jnp.asarray(position)))

  together = numbers([0, 7, 3], [0, 1, 2, 3], 5)
  np.testing.assert_array_equal(numbers([3], [2], 5), together[2:, 2:3])
  np.testing.assert_array_equal(numbers([7, 3], [3, 0], 5), together[1:][:, [3, 0]])
  other_positions = [numbers([0, 7, 3], [0, 1, 2, 3], position) for position in (4, 6)]
  everything = np.concatenate([together, *other_positions], axis=None)
  assert len(np.unique(everything)) == 3 * 12
  assert everything.min() >= 0 and everything.max() < 1
  swapped = numbers([1], [2], 0), numbers([2], [1], 0)
  assert swapped[0] != swapped[1]


def slow_cut(logp_V, sampler):
  """Which tokens are kept: from the most likely down, ties with the last one too."""
  kept_V = np.ones(len(logp_V), bool)
  if sampler.top_k is not None:
    kept_V &= logp_V >= np.sort(logp_V)[::-1][min(sampler.top_k, len(logp_V)) - 1]
  if sampler.top_p < 1:
    mass_V = np.where(kept_V, np.exp(logp_V.astype(np.float64)), 0)
    mass_V /= mass_V.sum()
    sum_so_far, order = 0.0, np.argsort(-mass_V)
    for token in order:
      sum_so_far += mass_V[token]
      if sum_so_far >= sampler.top_p:
        break
    kept_V &= logp_V >= logp_V[token]
  return kept_V


@pytest.mark.parametrize(
  'sampler',
  [
    Sampler(top_k=1),
    Sampler(top_k=5),
    Sampler(top_k=23),
    Sampler(top_k=100),
    Sampler(top_p=1e-6),
    Sampler(top_p=0.5),
    Sampler(top_p=0.97),
    Sampler(top_k=7, top_p=0.8),
  ],
)
def test_cuts_against_plain_search(sampler):
  rng = np.random.default_rng(2)
  logits_NV = np.round(rng.normal(size=(200, 23)) * 4) / 4  # Rounded: there are ties.
  logp_NV = np.asarray(jax.nn.log_softmax(jnp.asarray(logits_NV, jnp.float32)))
  expected_NV = np.array([slow_cut(logp_V, sampler) for logp_V in logp_NV])
  found_NV = np.asarray(cut(logp_NV, sampler))
  np.testing.assert_array_equal(found_NV, np.where(expected_NV, logp_NV, -np.inf))


def test_cuts_keep_ties_by_hand():
  logp_NV = jnp.log(jnp.array([[0.1, 0.3, 0.3, 0.05, 0.25]]))
  np.testing.assert_array_equal(cut(logp_NV, Sampler(top_k=1))[0] > -1e9, [0, 1, 1, 0, 0])
  np.testing.assert_array_equal(cut(logp_NV, Sampler(top_p=0.55))[0] > -1e9, [0, 1, 1, 0, 0])
  np.testing.assert_array_equal(cut(logp_NV, Sampler(top_p=0.7))[0] > -1e9, [0, 1, 1, 0, 1])


def test_top_p_is_of_what_top_k_left():
  """Of 0.4, 0.3, 0.3 the best two are 4/7 and 3/7: half the mass is in the first alone."""
  logp_NV = jnp.log(jnp.array([[0.4, 0.31, 0.29]]))
  both = cut(logp_NV, Sampler(top_k=2, top_p=0.5))
  np.testing.assert_array_equal(both[0] > -1e9, [1, 0, 0])
  np.testing.assert_array_equal(cut(logp_NV, Sampler(top_p=0.5))[0] > -1e9, [1, 1, 0])


def test_log_probability_is_that_of_the_temperature_before_cuts():
  logits_V = np.array([1.0, 0.0, -1.0, 2.0])
  scaled_V = logits_V / 0.5
  expected_V = scaled_V - np.log(np.exp(scaled_V).sum())
  number_N = jnp.linspace(0.0, 0.999, 50)
  found = draw(
    jnp.broadcast_to(logits_V, (50, 4)), number_N, Sampler(temperature=0.5, top_k=2, top_p=0.99)
  )
  assert set(np.asarray(found.token_N).tolist()) == {0, 3}
  np.testing.assert_allclose(found.logp_N, expected_V[found.token_N], rtol=1e-5)


def test_temperature_flattens_what_is_drawn():
  """At temperature 2, odds of e^4 become e^2."""
  number_N = (np.arange(1000) + 0.5) / 1000
  logits_NV = jnp.broadcast_to(jnp.array([4.0, 0.0]), (1000, 2))
  found = draw(logits_NV, jnp.asarray(number_N), Sampler(temperature=2.0))
  share = np.mean(np.asarray(found.token_N) == 0)
  np.testing.assert_allclose(share, np.exp(2) / (1 + np.exp(2)), atol=1e-3)


def test_temperature_zero_takes_the_most_likely():
  logits_NV = jnp.log(jnp.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]))
  found = draw(logits_NV, jnp.array([0.0, 0.99]), Sampler(temperature=0))
  expected = Draw(np.array([1, 2]), np.log([0.5, 0.8]), np.array([0.2, 0.7]))
  for value, known in zip(found, expected):
    np.testing.assert_allclose(value, known, atol=1e-6)


@pytest.mark.parametrize(
  ('field', 'value', 'message'),
  [
    ('temperature', -0.1, 'temperature is -0.1, allowed is 0 or more'),
    ('top_k', 0, 'top_k is 0, allowed is 1 or more, or None'),
    ('top_p', 0.0, 'top_p is 0.0, allowed is above 0 and up to 1'),
    ('top_p', 1.1, 'top_p is 1.1, allowed is above 0 and up to 1'),
  ],
)
def test_impossible_samplers_are_refused(field, value, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(Sampler(), **{field: value})
