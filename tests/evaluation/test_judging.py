import math

import numpy as np
import pytest

from r1jax.evaluation import estimators
from r1jax.evaluation.judging import judge
from r1jax.rewards import lenient, strict
from r1jax.structs import Problem
from r1jax.tasks.world import reading

JUDGES = {
  'strict': (strict.reward, strict.vote),
  'lenient': (lenient.reward, lenient.vote),
}


def problem(id, gold, depth, family='sum'):
  metadata = {'depth': depth, 'family': family, 'values': [int(gold)] * depth}
  return Problem(id, f'question {id}', gold, metadata)


def formatted(answer):
  return f'<think>so</think><answer>{answer}</answer>'


# Right in which sense: strict needs the format, lenient the last number.
PROBLEMS = [problem('a', '7', 1), problem('b', '12', 3), problem('c', '5', 3, 'story')]
RESPONSES = [
  [formatted(7), '7', 'it is 8', '<answer>7</answer>'],
  [formatted(12), formatted('12.0'), formatted(13), 'nothing'],
  ['2', '5 or 6', formatted(6), formatted(6)],
]
LENGTH_PG = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])


@pytest.fixture
def record():
  return judge(PROBLEMS, RESPONSES, LENGTH_PG, judges=JUDGES)


def means(record, name):
  return [record['strict'][name]['mean'], record['lenient'][name]['mean']]


def test_shares_by_hand(record):
  assert record['num_problems'] == 3 and record['num_samples'] == 4
  # Strict: 1/4, 2/4, 0. Lenient: 3/4, 2/4, 0.
  assert means(record, 'pass_at_1') == pytest.approx([3 / 12, 5 / 12])
  assert means(record, 'pass_at_4') == pytest.approx([2 / 3, 2 / 3])
  # Of two drawn from four, of which c are right: 1 - C(4 - c, 2) / 6.
  assert means(record, 'pass_at_2') == pytest.approx([(3 / 6 + 5 / 6) / 3, (1 + 5 / 6) / 3])
  # Votes. Strict: 7 alone; 12 twice against 13; 6 alone. Lenient: 7 against 8; the same; 6 wins.
  assert means(record, 'cons_at_k') == pytest.approx([2 / 3, 2 / 3])
  assert record['strict']['cons_at_k']['k'] == 4


def test_intervals_are_over_problems(record):
  low, high = estimators.interval(np.array([1 / 4, 2 / 4, 0]))
  found = record['strict']['pass_at_1']
  assert (found['low'], found['high']) == (low, high)
  assert low < found['mean'] < high


def test_an_answer_written_in_two_ways_is_one_vote(record):
  # 12 and 12.0 against two others that differ: as texts, each would have one vote of three.
  alone = judge(PROBLEMS[1:2], RESPONSES[1:2], LENGTH_PG[1:2], judges=JUDGES)
  assert alone['strict']['cons_at_k']['mean'] == 1.0


def test_lengths(record):
  assert record['length'] == {'mean': 6.5, 'std': pytest.approx(math.sqrt((12**2 - 1) / 12))}


def test_depths_and_families_are_told_apart_by_the_first_judge(record):
  assert record['by_depth'] == {
    '1': {'pass_at_1': 1 / 4, 'length': 2.5, 'num_problems': 1},
    '3': {'pass_at_1': 2 / 8, 'length': 8.5, 'num_problems': 2},
  }
  assert record['by_family'] == {
    'story': {'pass_at_1': 0.0, 'length': 10.5, 'num_problems': 1},
    'sum': {'pass_at_1': 3 / 8, 'length': 4.5, 'num_problems': 2},
  }
  first_lenient = dict(reversed(JUDGES.items()))
  other = judge(PROBLEMS, RESPONSES, LENGTH_PG, judges=first_lenient)
  assert other['by_depth']['1']['pass_at_1'] == 3 / 4


def test_depths_come_in_the_order_of_numbers():
  problems = [problem(str(depth), '1', depth) for depth in (10, 2, 9)]
  found = judge(problems, [['1']] * 3, np.ones((3, 1)), judges=JUDGES)
  assert list(found['by_depth']) == ['2', '9', '10']


def test_a_problem_without_metadata_is_judged_all_the_same():
  found = judge([Problem('x', '?', '3')], [['3', '4']], np.ones((1, 2)), judges=JUDGES)
  assert not {'by_depth', 'by_family', 'by_level'} & found.keys()
  assert found['lenient']['pass_at_1']['mean'] == 0.5


def test_metadata_of_any_kind_is_grouped_or_left_alone():
  kinds = [10, 2, 'hard', 'easy', True, ['a'], {'b': 1}, None, 1.5]
  problems = [Problem(str(n), '?', '1', {'level': kind}) for n, kind in enumerate(kinds)]
  found = judge(problems, [['1']] * len(kinds), np.ones((len(kinds), 1)), judges=JUDGES)
  assert list(found['by_level']) == ['2', '10', 'True', 'easy', 'hard']


CHECKS = [
  'It is 8. Wait, let me check: it is 7',  # wrong made right
  'It is 7. Wait, let me check: it is 8',  # right made wrong
  'It is 7. Wait, let me check: it is 7',  # right stayed right
  'It is 9. Wait, let me check: it is 8',  # wrong stayed wrong
  'Wait, I check: 7',  # nothing before the check
  'It is 7',
]


def test_checks_and_what_they_change():
  found = judge([problem('a', '7', 1)], [CHECKS], np.ones((1, 6)), judges=JUDGES)
  assert found['checks_itself'] == 5 / 6
  assert found['check_wrong_to_right'] == 1 / 4
  assert found['check_right_to_wrong'] == 1 / 4
  assert found['check_stayed_wrong'] == 1 / 4


def test_without_a_check_there_is_no_share_of_checks():
  found = judge([problem('a', '7', 1)], [['7', '8']], np.ones((1, 2)), judges=JUDGES)
  assert found['checks_itself'] == 0
  assert math.isnan(found['check_wrong_to_right']) and math.isnan(found['check_right_to_wrong'])
  assert 'by_style' not in found


def test_a_reader_tells_styles_and_work_before_a_check():
  steps = {'start': 3, 'steps': [['+', 4], ['-', 2]], 'values': [7, 5]}
  asked = Problem('a', '3+4-2=?', '5', {'depth': 2, 'family': 'sum', **steps})
  texts = [
    '<think>3+4=7, 7-2=5.</think><answer>5</answer>',
    '<think>3+4=8. Wait, 3+4=7, 7-2=5.</think><answer>5</answer>',
    '<think>3+4-2=5.</think><answer>5</answer>',
    '<answer>6</answer>',
  ]
  found = judge([asked], [texts], np.array([[10, 30, 6, 2]]), judges=JUDGES, reader=reading)
  assert found['by_style'] == {
    'blurt': {'share': 0.25, 'pass_at_1': 0.0, 'length': 2.0},
    'careful': {'share': 0.5, 'pass_at_1': 1.0, 'length': 20.0},
    'careless': {'share': 0.25, 'pass_at_1': 1.0, 'length': 6.0},
  }
  # The first step, 8, is no answer to the question, but it is wrong for a first step.
  assert found['check_wrong_to_right'] == 1.0
