import pickle

import pytest

from r1jax.structs import Problem
from r1jax.tasks.splits import Part, check_disjoint, hold_out


def problems(*questions):
  return tuple(Problem(id=f'id of {q}', question=q, gold='1') for q in questions)


SET = problems(*'abcdefghij')


def questions(part):
  return ''.join(part[i].question for i in range(len(part)))


@pytest.mark.parametrize(
  ('count', 'held', 'rest'),
  [(0, '', 'abcdefghij'), (1, 'a', 'bcdefghij'), (3, 'adg', 'bcefhij'), (9, 'abcdefghi', 'j')],
)
def test_what_is_held_out_is_evenly_spread_and_not_in_the_rest(count, held, rest):
  found_rest, found_held = hold_out(SET, count)
  assert (questions(found_held), questions(found_rest)) == (held, rest)


@pytest.mark.parametrize('count', [10, 11, -1])
def test_something_must_be_left(count):
  with pytest.raises(ValueError, match=f'{count} of 10 training problems cannot be held out'):
    hold_out(SET, count)


def test_a_question_that_is_held_out_is_not_in_the_rest():
  rest, held = hold_out(problems('a', 'b', ' a', 'c', 'c  c', 'c c'), 2)
  assert questions(held) == 'ac' and questions(rest) == 'bc  cc c'
  with pytest.raises(ValueError, match='all 3 training problems ask one of the 1 questions'):
    hold_out(problems('a', 'a', 'a '), 1)


def test_a_part_is_a_source():
  part = Part(SET, [7, 2])
  assert questions(part) == 'hc' and questions(pickle.loads(pickle.dumps(part))) == 'hc'
  for index in (2, -1):
    with pytest.raises(IndexError, match='of a part of 2'):
      part[index]


def test_questions_that_are_trained_on_and_tested_are_named():
  check_disjoint(SET, problems('k', 'A', 'a b'))
  with pytest.raises(
    ValueError, match=r"2 training problems .* 'id of c' \(there 'id of c'\): 'c'"
  ):
    check_disjoint(SET, problems('x', 'e', 'c'))
