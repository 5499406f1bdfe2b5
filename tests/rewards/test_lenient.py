import pytest

from r1jax import structs
from r1jax.rewards import lenient

PROBLEM = structs.Problem(id='p', question='?', gold='72')


@pytest.mark.parametrize(
  ('response', 'score'),
  [
    ('72', 1.0),
    ('48/2=24, 48+24=72', 1.0),
    ('the answer is 72.', 1.0),
    ('答案是72。', 1.0),
    ('<think>never closed 72', 1.0),
    ('<answer>71</answer> 72', 1.0),
    ('\\boxed{\\frac{72}{1}}', 1.0),
    ('<answer>72</answer> 71', 0.0),
    ('-72', 0.0),
    ('0.72', 0.0),
    ('172', 0.0),
    ('seventy-two', 0.0),
    ('', 0.0),
  ],
)
def test_last_number_counts(response, score):
  assert lenient.reward(PROBLEM, response) == score


def test_reads_numbers_only():
  assert lenient.reward(structs.Problem(id='p', question='?', gold='Paris'), 'Paris') == 0.0


def test_where_the_gold_answer_is_no_number_the_final_answer_counts():
  root = structs.Problem(id='p', question='?', gold=r'2\sqrt{3}')
  assert lenient.reward(root, r'so \boxed{2\sqrt{3}}') == 1.0
  assert lenient.reward(root, r'so \boxed{2}') == 0.0
  three = structs.Problem(id='p', question='?', gold='3')
  assert lenient.reward(three, r'so \boxed{2\sqrt{3}}') == 0.0
