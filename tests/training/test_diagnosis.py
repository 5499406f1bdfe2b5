import pytest

from r1jax.training.diagnosis import Diagnosis


def warnings(values, metric):
  """Returns the steps, counted from 1, at which a warning is due, with the warnings."""
  diagnosis = Diagnosis()
  return {
    step: due
    for step, value in enumerate(values, start=1)
    if (due := diagnosis.update({metric: value}))
  }


def test_an_accuracy_stuck_at_zero_is_told_once_with_what_to_check():
  due = warnings([0.0] * 60, 'accuracy')
  assert list(due) == [20]
  (text,) = due[20]
  assert 'accuracy has been 0 for 20 steps' in text
  assert '<answer> or \\boxed{}' in text
  assert 'gold answer' in text and 'limit on completion tokens' in text


def test_one_right_answer_starts_the_count_anew():
  assert warnings([0.0] * 19 + [0.001] + [0.0] * 19, 'accuracy') == {}
  assert list(warnings([0.0] * 19 + [0.001] + [0.0] * 20, 'accuracy')) == [40]


def test_groups_without_variance_are_told():
  due = warnings([1.0, 1.0, 0.99, 1.0, 1.0, 1.0, 1.0], 'zero_variance_fraction')
  assert list(due) == [6]
  assert 'the model does not move' in due[6][0]


def test_truncated_answers_are_told():
  assert warnings([0.5] * 10, 'truncated_fraction') == {}
  due = warnings([0.51] * 10, 'truncated_fraction')
  assert list(due) == [3]
  assert 'cut off at the length limit' in due[3][0]


@pytest.mark.parametrize('absent', [{}, {'accuracy': None}])
def test_a_metric_that_is_absent_neither_counts_nor_clears(absent):
  diagnosis = Diagnosis()
  due = []
  for _ in range(20):
    due += diagnosis.update({'accuracy': 0.0}) + diagnosis.update(absent)
  assert len(due) == 1


def test_failures_are_told_apart():
  diagnosis = Diagnosis()
  dead = {'accuracy': 0.0, 'zero_variance_fraction': 1.0, 'truncated_fraction': 1.0}
  assert [len(diagnosis.update(dead)) for _ in range(25)] == [0, 0, 2] + [0] * 16 + [1] + [0] * 5
