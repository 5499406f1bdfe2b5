import math

import numpy as np
import pytest

from r1jax import structs
from r1jax.rewards import accuracy, combine, format

PROBLEMS = [
  structs.Problem(id='first', question='?', gold='1'),
  structs.Problem(id='second', question='?', gold='2'),
]
TERMS = {'accuracy': accuracy.reward, 'format': format.reward}


def respond(answer):
  return f'<think>t</think><answer>{answer}</answer>'


def test_weighted_sum_and_terms_by_hand():
  score = combine.weighted(TERMS, {'accuracy': 2.0, 'format': 0.5})
  responses = [
    [respond(1), respond(2), '\\boxed{1}'],
    [respond(1), respond(2), 'nothing'],
  ]
  reward_PG, terms = score(PROBLEMS, responses)
  np.testing.assert_array_equal(terms['accuracy'], [[1, 0, 1], [0, 1, 0]])
  np.testing.assert_array_equal(terms['format'], [[1, 1, 0], [1, 1, 0]])
  np.testing.assert_array_equal(reward_PG, [[2.5, 0.5, 2], [0.5, 2.5, 0]])
  assert reward_PG.dtype == np.float32
  assert set(terms) == set(TERMS)


def test_a_term_of_weight_zero_is_recorded_only():
  score = combine.weighted(TERMS, {'accuracy': 0.0, 'format': 1.0})
  reward_PG, terms = score(PROBLEMS[:1], [[respond(1), respond(2)]])
  np.testing.assert_array_equal(reward_PG, [[1, 1]])
  np.testing.assert_array_equal(terms['accuracy'], [[1, 0]])


@pytest.mark.parametrize(
  ('weights', 'message'),
  [
    ({'accuracy': 1.0}, r"given for \['accuracy'\], but the terms are \['accuracy', 'format'\]"),
    ({'accuracy': 1.0, 'format': 1.0, 'length': 1.0}, "'length'"),
    ({}, 'give each term one weight'),
    ({'accuracy': -1.0, 'format': 1.0}, "weight of 'accuracy' is -1.0"),
    ({'accuracy': 1.0, 'format': math.nan}, "weight of 'format' is nan"),
    ({'accuracy': math.inf, 'format': 1.0}, "weight of 'accuracy' is inf"),
    ({'accuracy': 0.0, 'format': 0.0}, 'at least one must be above 0'),
  ],
)
def test_bad_weights_are_named(weights, message):
  with pytest.raises(ValueError, match=message):
    combine.weighted(TERMS, weights)


@pytest.mark.parametrize('responses', [[['a']], [['a'], ['a', 'b']], [], [['a'], ['a'], ['a']]])
def test_every_problem_needs_one_group_of_one_size(responses):
  score = combine.weighted(TERMS, {'accuracy': 1.0, 'format': 1.0})
  with pytest.raises(ValueError, match='every problem needs one group, all of the same size'):
    score(PROBLEMS, responses)


def test_a_bug_in_a_term_is_raised_with_its_cause():
  def broken(problem, response):
    return 0.0 / (len(response) - 3)

  score = combine.weighted({'broken': broken}, {'broken': 1.0})
  with pytest.raises(combine.TermError) as caught:
    score(PROBLEMS, [['ok', 'fine'], ['good', 'bad']])
  message = str(caught.value)
  assert "'broken'" in message
  assert "'second'" in message
  assert "'bad'" in message
  assert 'ZeroDivisionError' in message
  assert isinstance(caught.value.__cause__, ZeroDivisionError)
  assert (caught.value.term, caught.value.problem, caught.value.response) == (
    'broken',
    PROBLEMS[1],
    'bad',
  )


@pytest.mark.parametrize('value', [-0.01, 1.01, math.nan, math.inf, None, '1', [1.0], 1j])
def test_a_value_that_is_no_reward_is_raised(value):
  score = combine.weighted({'odd': lambda problem, response: value}, {'odd': 1.0})
  with pytest.raises(combine.TermError, match=r'a number in \[0, 1\]') as caught:
    score(PROBLEMS[:1], [['response']])
  assert f'returned {value!r}' in str(caught.value)


@pytest.mark.parametrize('value', [0, 1, 0.5, True, np.True_, np.float32(0.25)])
def test_any_number_in_range_is_a_reward(value):
  score = combine.weighted({'term': lambda problem, response: value}, {'term': 2.0})
  assert score(PROBLEMS[:1], [['response']])[0] == 2 * value


def test_a_long_response_is_shown_in_part_and_kept_whole():
  def broken(problem, response):
    raise KeyError('no')

  response = 'x' * 100_000
  with pytest.raises(combine.TermError, match='first 2000 of 100000 characters') as caught:
    combine.weighted({'broken': broken}, {'broken': 1.0})(PROBLEMS[:1], [[response]])
  assert len(str(caught.value)) < 3000
  assert caught.value.response == response
