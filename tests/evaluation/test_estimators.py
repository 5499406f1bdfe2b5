import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import r1jax.evaluation
from r1jax.evaluation import estimators
from r1jax.rewards import math_equal


def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample():
  for n, c, k in [(5, 2, 3), (6, 1, 2), (4, 4, 1), (7, 3, 5), (3, 0, 2)]:
    samples = [1] * c + [0] * (n - c)
    subsets = list(itertools.combinations(samples, k))
    expected = sum(any(subset) for subset in subsets) / len(subsets)
    assert estimators.pass_at_k(n, c, k) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(
  ('n', 'c', 'k', 'expected'),
  [
    (10, 3, 1, 0.3),
    (10, 10, 4, 1.0),
    (10, 0, 10, 0.0),
    (10, 1, 10, 1.0),
    (10, 7, 4, 1.0),
    (100_000, 1, 10, 1e-4),
    (10**12, 1, 1, 1e-12),
    (2000, 1, 1000, 0.5),
  ],
)
def test_pass_at_k_closed_forms_to_the_last_bit(n, c, k, expected):
  assert estimators.pass_at_k(n, c, k) == expected


@given(st.integers(1, 300), st.data())
def test_pass_at_k_is_exact(n, data):
  c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
  misses = Fraction(1)
  for drawn in range(k):
    misses *= Fraction(max(n - c - drawn, 0), n - drawn)
  assert estimators.pass_at_k(n, c, k) == float(1 - misses)


def test_pass_at_k_broadcasts():
  result = estimators.pass_at_k(4, np.array([[0, 1, 2], [3, 4, 4]]), np.array([1, 2, 4]))
  np.testing.assert_allclose(result, [[0, 0.5, 1], [0.75, 1, 1]], rtol=0, atol=1e-15)
  assert isinstance(estimators.pass_at_k(4, 2, 1), float)


@pytest.mark.parametrize(('n', 'c', 'k'), [(4, 5, 1), (4, -1, 1), (4, 2, 0), (4, 2, 5), (0, 0, 1)])
def test_pass_at_k_refuses_impossible_counts(n, c, k):
  with pytest.raises(ValueError, match=rf'pass@{k} of {n} samples with {c} right'):
    estimators.pass_at_k(n, c, k)


def test_pass_at_1_is_the_mean():
  correct_PG = np.array([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0]])
  found_P = estimators.pass_at_k(4, correct_PG.sum(axis=-1), 1)
  np.testing.assert_array_equal(found_P, [0.5, 0, 0.75])


def vote(answers, gold):
  """Oracle: the plain vote, the lot among the tied drawn in expectation."""
  classes = []
  for answer in answers:
    if answer is None:
      continue
    for members in classes:
      if math_equal(answer, members[0]):
        members.append(answer)
        break
    else:
      classes.append([answer])
  if not classes:
    return Fraction(0)
  top = max(len(members) for members in classes)
  winners = [members for members in classes if len(members) == top]
  return Fraction(sum(math_equal(members[0], gold) for members in winners), len(winners))


@pytest.mark.parametrize(
  ('answers', 'credit'),
  [
    (['1', '1', '2'], 1.0),
    (['1', '2', '2'], 0.0),
    (['1', '2'], 0.5),
    (['1', '2', '3'], 1 / 3),
    (['1', '1', '2', '2', '3'], 0.5),
    # Equal answers vote together, however written.
    (['1', '1.0', '+1', '2', '2'], 1.0),
    (['1', '1', '2', '2.0', r'\frac{2}{1}'], 0.0),
    # No answer, no vote.
    ([None, None, None, '1'], 1.0),
    ([None, None], 0.0),
    ([None, '2'], 0.0),
    (['', '', '1'], 1 / 3),
  ],
)
def test_majority_of_all(answers, credit):
  result = estimators.majority_at_k(answers, '1', len(answers), equal=math_equal)
  assert result == pytest.approx(credit, abs=1e-15)


some_answers = st.lists(
  st.sampled_from([None, '1', '1.0', '2', '2.0', '3', '5']), min_size=1, max_size=7
)


@settings(max_examples=60)
@given(some_answers, st.data())
def test_majority_of_k_is_the_mean_over_all_subsets(answers, data):
  k = data.draw(st.integers(1, len(answers)))
  votes = [vote(subset, '1') for subset in itertools.combinations(answers, k)]
  expected = float(sum(votes) / len(votes))
  result = estimators.majority_at_k(answers, '1', k, equal=math_equal)
  assert result == pytest.approx(expected, abs=1e-15)
  shuffled = data.draw(st.permutations(answers))
  assert estimators.majority_at_k(shuffled, '1', k, equal=math_equal) == result


def test_majority_of_one_is_pass_at_1():
  answers = ['1', None, '2', '1.0', '3', '3', '3', None]
  assert estimators.majority_at_k(answers, '1', 1, equal=math_equal) == 2 / 8


def test_majority_at_the_size_of_an_evaluation():
  """64 samples, 40 right and 24 all different: any 16 hold at least 2 right ones more often."""
  answers = ['1'] * 40 + [str(i) for i in range(2, 26)]
  all_wrong = math.comb(24, 16)
  one_right = 40 * math.comb(24, 15)  # ties with 15 others
  expected = 1 - (all_wrong + one_right * Fraction(15, 16)) / math.comb(64, 16)
  result = estimators.majority_at_k(answers, '1', 16, equal=math_equal)
  assert result == pytest.approx(float(expected), abs=1e-15)


def test_majority_passes_the_gold_answer_second():
  def equal(answer, gold):
    assert answer != 'gold', 'the gold answer was passed first'
    return answer == gold

  assert estimators.majority_at_k(['a', 'b', 'a'], 'gold', 3, equal=equal) == 0.0


@pytest.mark.parametrize('k', [0, 3])
def test_majority_refuses_impossible_k(k):
  with pytest.raises(ValueError, match=f'cons@{k} of 2 answers'):
    estimators.majority_at_k(['1', '2'], '1', k, equal=math_equal)


def test_interval_of_zeros_and_ones_is_agresti_and_coull():
  """7 of 20 right: n' = 20 + 3.8415, p' = (7 + 1.9207) / n' = 0.37417, half width 0.19424."""
  low, high = estimators.interval([1] * 7 + [0] * 13)
  assert low == pytest.approx(0.17993, abs=1e-4)
  assert high == pytest.approx(0.56841, abs=1e-4)


def test_interval_approaches_the_normal_one():
  """Spread between problems alone: 10,000 scores of variance 1/12, mean 1/2."""
  low, high = estimators.interval((np.arange(10_000) + 0.5) / 10_000)
  half_width = 1.959964 * math.sqrt(1 / 12 / 10_000)
  assert low == pytest.approx(0.5 - half_width, rel=1e-4)
  assert high == pytest.approx(0.5 + half_width, rel=1e-4)


def test_interval_does_not_vanish_at_the_ends():
  low, high = estimators.interval(np.ones(30))
  assert high == 1.0
  assert 0.8 < low < 0.95  # the rule of three puts the lower end near 1 - 3 / 30
  assert estimators.interval(np.zeros(30)) == pytest.approx((0, 1 - low), abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_interval_holds_the_mean_and_mirrors(scores):
  low, high = estimators.interval(scores)
  assert 0 <= low <= np.mean(scores) + 1e-12
  assert np.mean(scores) - 1e-12 <= high <= 1
  mirrored = estimators.interval([1 - score for score in scores])
  assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


@pytest.mark.parametrize('num_problems', [30, 256])
@pytest.mark.parametrize('kind', ['coins', 'spread', 'alike', 'nearly all', 'polarised'])
def test_interval_covers(num_problems, kind):
  """Of 2,000 evaluations with 16 samples a problem, at least 93% hold the true mean."""
  random = np.random.default_rng(0)
  shape = (2000, num_problems)
  chance, mean = {
    'coins': ((random.random(shape) < 0.15).astype(float), 0.15),
    'spread': (random.beta(3, 17, shape), 0.15),
    'alike': (np.full(shape, 0.15), 0.15),
    'nearly all': (np.where(random.random(shape) < 0.005, 0.0, 1.0), 0.995),
    'polarised': (random.beta(2, 0.1, shape), 2 / 2.1),
  }[kind]
  scores = random.binomial(16, chance) / 16
  ends = np.array([estimators.interval(score_P) for score_P in scores])
  assert np.mean((ends[:, 0] <= mean) & (mean <= ends[:, 1])) >= 0.93


@pytest.mark.parametrize('scores', [[], [[0.5, 1.0]], 0.5, [1.5], [-0.1], [math.nan]])
def test_interval_refuses_what_is_no_score(scores):
  with pytest.raises(ValueError, match='scores'):
    estimators.interval(scores)


def test_public_names():
  assert r1jax.evaluation.pass_at_k is estimators.pass_at_k
  assert r1jax.evaluation.majority_at_k is estimators.majority_at_k
