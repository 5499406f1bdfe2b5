import pytest

from r1jax.rewards import strict
from r1jax.structs import Problem

PROBLEM = Problem(id='1', question='?', gold='72')


@pytest.mark.parametrize(
  ('response', 'value'),
  [
    ('<think>t</think><answer>72</answer>', 1.0),
    (' <think> t </think> <answer> \\boxed{72.0} </answer> ', 1.0),
    ('<think>t</think><answer>71</answer>', 0.0),
    ('\\boxed{72}', 0.0),
    ('<answer>72</answer>', 0.0),
    ('<think>t</think><answer>72</answer> 72', 0.0),
    ('<think></think><answer>72</answer>', 0.0),
    ('72', 0.0),
  ],
)
def test_right_and_in_the_format(response, value):
  assert strict.reward(PROBLEM, response) == value


def test_only_what_is_in_the_format_has_a_vote():
  assert strict.vote(PROBLEM, '<think>t</think><answer> 7 </answer>') == '7'
  assert strict.vote(PROBLEM, '<answer>7</answer>') is None
