import math
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from r1jax import structs
from r1jax.rewards import accuracy, combine, format, workers

PROBLEMS = [
  structs.Problem(id='first', question='?', gold='1'),
  structs.Problem(id='second', question='?', gold='2'),
]
TERMS = {'accuracy': accuracy.reward, 'format': format.reward}


LENGTH_PG = np.array([[4, 2, 6], [1, 2, 3]])


def score_all(terms, weights, problems, responses, length_PG=None, **choices):
  if length_PG is None:
    length_PG = np.ones((len(problems), len(responses[0])), int)
  return combine.weighted(terms, weights, **choices)(problems, responses, length_PG)


def respond(answer):
  return f'<think>t</think><answer>{answer}</answer>'


def test_weighted_sum_and_terms_by_hand():
  responses = [
    [respond(1), respond(2), '\\boxed{1}'],
    [respond(1), respond(2), 'nothing'],
  ]
  scores = score_all(TERMS, {'accuracy': 2.0, 'format': 0.5}, PROBLEMS, responses)
  reward_PG, terms = scores.reward_PG, scores.terms
  np.testing.assert_array_equal(terms['accuracy'], [[1, 0, 1], [0, 1, 0]])
  np.testing.assert_array_equal(terms['format'], [[1, 1, 0], [1, 1, 0]])
  np.testing.assert_array_equal(reward_PG, [[2.5, 0.5, 2], [0.5, 2.5, 0]])
  assert reward_PG.dtype == np.float32
  assert set(terms) == set(TERMS) == set(scores.seconds)
  assert all(seconds > 0 for seconds in scores.seconds.values())
  assert scores.faults == scores.shaping == {}
  assert scores.counted == terms


def test_a_term_of_weight_zero_is_recorded_only():
  weights = {'accuracy': 0.0, 'format': 1.0}
  scores = score_all(TERMS, weights, PROBLEMS[:1], [[respond(1), respond(2)]])
  np.testing.assert_array_equal(scores.reward_PG, [[1, 1]])
  np.testing.assert_array_equal(scores.terms['accuracy'], [[1, 0]])


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
  weights = {'accuracy': 1.0, 'format': 1.0}
  with pytest.raises(ValueError, match='every problem needs one group, all of the same size'):
    combine.weighted(TERMS, weights)(PROBLEMS, responses, LENGTH_PG)


def test_a_bug_in_a_term_is_raised_with_its_cause():
  def broken(problem, response):
    return 0.0 / (len(response) - 3)

  with pytest.raises(combine.TermError) as caught:
    score_all({'broken': broken}, {'broken': 1.0}, PROBLEMS, [['ok', 'fine'], ['good', 'bad']])
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
  terms = {'odd': lambda problem, response: value}
  with pytest.raises(combine.TermError, match=r'a number in \[0, 1\]') as caught:
    score_all(terms, {'odd': 1.0}, PROBLEMS[:1], [['response']])
  assert f'returned {value!r}' in str(caught.value)


@pytest.mark.parametrize('value', [0, 1, 0.5, True, np.True_, np.float32(0.25)])
def test_any_number_in_range_is_a_reward(value):
  terms = {'term': lambda problem, response: value}
  assert score_all(terms, {'term': 2.0}, PROBLEMS[:1], [['response']]).reward_PG == 2 * value


def test_a_long_response_is_shown_in_part_and_kept_whole():
  def broken(problem, response):
    raise KeyError('no')

  response = 'x' * 100_000
  with pytest.raises(combine.TermError, match='first 2000 of 100000 characters') as caught:
    score_all({'broken': broken}, {'broken': 1.0}, PROBLEMS[:1], [[response]])
  assert len(str(caught.value)) < 3000
  assert caught.value.response == response


def test_a_gate_multiplies():
  responses = [[respond(1), '\\boxed{1}', respond(2)], [respond(2), 'nothing', '\\boxed{2}']]
  weights = {'accuracy': 2.0, 'format': 1.0}
  scores = score_all(TERMS, weights, PROBLEMS, responses, gates={'accuracy': 'format'})
  np.testing.assert_array_equal(scores.terms['accuracy'], [[1, 1, 0], [1, 0, 1]])
  np.testing.assert_array_equal(scores.counted['accuracy'], [[1, 0, 0], [1, 0, 0]])
  np.testing.assert_array_equal(scores.reward_PG, [[3, 0, 1], [3, 0, 0]])


@pytest.mark.parametrize('gates', [{'accuracy': 'fromat'}, {'x': 'format'}, {'format': 'format'}])
def test_a_gate_is_another_term(gates):
  with pytest.raises(ValueError, match=r'both must be terms, and different ones: .*accuracy'):
    combine.weighted(TERMS, {'accuracy': 1.0, 'format': 1.0}, gates=gates)


@pytest.mark.parametrize(
  'gates', [{'a': 'g', 'g': 'f'}, {'g': 'f', 'a': 'g'}], ids=['outer_first', 'inner_first']
)
def test_a_gate_that_has_a_gate_is_shut_with_it(gates):
  terms = {
    'a': lambda problem, response: 0.5,
    'g': lambda problem, response: 0.5,
    'f': lambda problem, response: float(response),
  }
  scores = score_all(terms, {'a': 8, 'g': 1, 'f': 0}, PROBLEMS[:1], [['0', '1']], gates=gates)
  np.testing.assert_array_equal(scores.counted['g'], [[0, 0.5]])
  np.testing.assert_array_equal(scores.counted['a'], [[0, 0.25]])
  np.testing.assert_array_equal(scores.counted['f'], [[0, 1]])
  np.testing.assert_array_equal(scores.reward_PG, [[0, 2.5]])


@pytest.mark.parametrize(
  ('gates', 'circle'),
  [
    ({'a': 'b', 'b': 'a'}, "from 'a' to 'b' to 'a'"),
    ({'d': 'a', 'a': 'b', 'b': 'c', 'c': 'a'}, "from 'a' to 'b' to 'c' to 'a'"),
  ],
)
def test_gates_in_a_circle_are_an_error(gates, circle):
  terms = dict.fromkeys('abcd', format.reward)
  with pytest.raises(ValueError, match=f'{circle}, which is a circle; take out one'):
    combine.weighted(terms, dict.fromkeys(terms, 1.0), gates=gates)


def test_shaping_sees_what_counts_and_lengths_and_is_added():
  def shape(values, length_PG):
    return np.where(values['accuracy'] == 1, -0.125, -0.5) * length_PG

  responses = [[respond(1), '\\boxed{1}', 'x'], ['x', 'x', respond(2)]]
  weights = {'accuracy': 1.0, 'format': 0.0}
  choices = {'gates': {'accuracy': 'format'}, 'shaping': {'short': shape}}
  scores = score_all(TERMS, weights, PROBLEMS, responses, LENGTH_PG, **choices)
  expected_PG = [[-0.5, -1.0, -3.0], [-0.5, -1.0, -0.375]]
  np.testing.assert_array_equal(scores.shaping['short'], expected_PG)
  np.testing.assert_array_equal(scores.reward_PG, np.add([[1, 0, 0], [0, 0, 1]], expected_PG))
  assert scores.reward_PG.dtype == np.float32


def test_a_checker_without_verdict_is_worth_0_and_counted():
  def raises(problem, response):
    if response == 'slow':
      raise workers.WorkerError('timeout', 'late')
    return 1.0

  def records(problem, response):
    if response == 'large':
      for _ in range(3):
        workers.record(workers.WorkerError('memory', 'too much'))
      return 0.0
    return 1.0

  terms = {'first': raises, 'second': records}
  responses = [['slow', 'large', 'fine'], ['fine', 'slow', 'fine']]
  scores = score_all(terms, dict.fromkeys(terms, 1.0), PROBLEMS, responses)
  np.testing.assert_array_equal(scores.terms['first'], [[0, 1, 1], [1, 0, 1]])
  np.testing.assert_array_equal(scores.terms['second'], [[1, 0, 1], [1, 1, 1]])
  assert scores.faults == {'first/timeout': 2, 'second/memory': 1}


@pytest.mark.parametrize('num_workers', [1, 2, 5, None])
def test_values_are_in_order_however_many_are_scored_at_a_time(num_workers):
  def term(problem, response):
    time.sleep(0.02 if response == '0.0' else 0)
    return float(response)

  responses = [[str(g / 8) for g in range(8)], [str(1 - g / 8) for g in range(8)]]
  scores = score_all({'t': term}, {'t': 1.0}, PROBLEMS, responses, num_workers=num_workers)
  np.testing.assert_array_equal(scores.reward_PG, np.array(responses, np.float32))


def test_terms_wait_at_the_same_time():
  together = threading.Barrier(4, timeout=30)

  def term(problem, response):
    together.wait()
    return 1.0

  scores = score_all({'t': term}, {'t': 1.0}, PROBLEMS, [['a', 'b'], ['c', 'd']], num_workers=4)
  assert scores.reward_PG.sum() == 4


def test_the_first_fault_in_order_is_raised_and_nothing_more_is_begun():
  begun = []

  def term(problem, response):
    begun.append(response)
    time.sleep(0.1 if response == 'first' else 0)
    if response in ('first', 'second'):
      raise KeyError(response)
    time.sleep(0.01)
    return 1.0

  responses = [['first', 'second', *map(str, range(200))]]
  with pytest.raises(combine.TermError) as caught:
    score_all({'t': term}, {'t': 1.0}, PROBLEMS[:1], responses, num_workers=2)
  assert caught.value.response == 'first'
  assert len(begun) < 100


HANGS = """
import os
import threading
from r1jax import structs
from r1jax.rewards import combine

def hang(problem, response):
  os.write(1, b'hanging\\n')  # In one piece: two threads do it at a time.
  threading.Event().wait()

problem = structs.Problem(id='p', question='?', gold='5')
combine.evaluate({'hang': hang}, [problem], [['a', 'b']], num_workers=2)
"""


def test_a_term_that_hangs_keeps_no_process_from_ending():
  process = subprocess.Popen(
    [sys.executable, '-c', HANGS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
  )  # fmt: skip
  assert process.stdout.readline() == 'hanging\n'
  process.send_signal(signal.SIGINT)
  _, errors = process.communicate(timeout=30)
  assert 'KeyboardInterrupt' in errors


@pytest.mark.parametrize('responses', ['five', ['<answer>5</answer>']])
def test_responses_come_in_groups(responses):
  with pytest.raises(ValueError, match='needs a list of responses'):
    combine.evaluate({'length': lambda problem, text: 0.0}, PROBLEMS[:1], responses)


def test_progress_is_shown_in_the_callers_thread():
  shown = []
  show = lambda done, total: shown.append((done, total, threading.current_thread()))  # noqa: E731
  combine.evaluate(TERMS, PROBLEMS, [['a', 'b'], ['c', 'd']], show=show)
  assert shown == [(done, 4, threading.current_thread()) for done in range(1, 5)]
