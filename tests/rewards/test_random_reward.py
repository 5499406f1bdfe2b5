import numpy as np

from r1jax import structs
from r1jax.rewards import random_reward


def toss(name, response):
  return random_reward.reward(structs.Problem(id=name, question='?', gold='72'), response)


def test_coin_is_fair_over_problems_and_over_responses():
  """4,000 tosses: the mean of a fair coin is within 4 standard deviations, 0.032, of a half."""
  by_problem = [toss(f'p{i}', 'same') for i in range(4000)]
  by_response = [toss('p', f'response {i}') for i in range(4000)]
  assert abs(np.mean(by_problem) - 0.5) < 0.032
  assert abs(np.mean(by_response) - 0.5) < 0.032
  assert abs(np.corrcoef(by_problem, by_response)[0, 1]) < 0.07


def test_coin_does_not_depend_on_whether_the_answer_is_right():
  right = [toss(f'p{i}', '<think>t</think><answer>72</answer>') for i in range(2000)]
  wrong = [toss(f'p{i}', '<think>t</think><answer>71</answer>') for i in range(2000)]
  assert abs(np.mean(right) - np.mean(wrong)) < 0.065


def test_id_and_response_cannot_run_together():
  """With the id's length in the hash, 'ab' + 'c' and 'a' + 'bc' are different tosses."""
  joined = [(toss('ab', f'c{i}'), toss('a', f'bc{i}')) for i in range(64)]
  assert any(left != right for left, right in joined)


def test_same_in_every_run():
  """The lowest bits of the one-byte BLAKE2b of '1:p:0' to '1:p:7'; a published control rests on it.

  `b2sum -l 8` prints the same bytes.
  """
  assert [toss('p', str(i)) for i in range(8)] == [0, 1, 1, 0, 0, 1, 0, 0]
