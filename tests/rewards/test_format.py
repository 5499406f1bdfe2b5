import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1jax import structs
from r1jax.rewards import format
from r1jax.text import tags

PROBLEM = structs.Problem(id='p', question='?', gold='72')


@pytest.mark.parametrize(
  'response',
  [
    '<think>t</think><answer>a</answer>',
    '<think>t</think>\n\n<answer>a</answer>',
    ' \n<think>\nt\n</think> <answer>\na\n</answer>\n ',
    '<think>1 < 2 </ think></think><answer><b>a</b></answer>',
    '<think>思考</think><answer>答案</answer>',
    '<think>\u200bt</think><answer>a\u200b</answer>',
  ],
)
def test_one_block_of_each(response):
  assert format.reward(PROBLEM, response) == 1.0


@pytest.mark.parametrize(
  'response',
  [
    '',
    'a',
    '<think></think><answer></answer>',
    '<think>t</think><answer></answer>',
    '<think>t</think><answer> \n\u3000</answer>',
    '<think></think><answer>a</answer>',
    '<think> </think><answer>a</answer>',
    # A character that cannot be seen is nothing within a block, and something outside.
    '<think>\u200b</think><answer>a</answer>',
    '<think>t</think><answer>\u200b\ufeff</answer>',
    '<think>\u3164</think><answer>a</answer>',
    '<think>t</think><answer>\u2800</answer>',
    '\u200b<think>t</think><answer>a</answer>',
    '<think>t</think>\u200b<answer>a</answer>',
    '<think>t</think><answer>a</answer>\ufeff',
    '<think>t</think>',
    '<answer>a</answer>',
    '<answer>a</answer><think>t</think>',
    '<think>t</think><answer>a',
    '<think>t<answer>a</answer>',
    't</think><answer>a</answer>',
    'so <think>t</think><answer>a</answer>',
    '<think>t</think>so<answer>a</answer>',
    # Each accepted by a published format reward: text after the answer, two blocks, nested blocks,
    # all the tags in the wrong order.
    '<think>t</think><answer>a</answer>.',
    '<think>t</think><answer>a</answer>\n72',
    '<think>t</think><answer>a</answer><answer>a</answer>',
    '<think>t</think><think>t</think><answer>a</answer>',
    '<think>t</think><answer>a</answer><think>t</think><answer>a</answer>',
    '<think><think>t</think></think><answer>a</answer>',
    '<think>t<think>t</think><answer>a</answer>',
    '<think>t</think></think><answer>a</answer>',
    '<think>t<answer>a</answer></think>',
    '<think>t<answer>a</answer></think><answer>a</answer>',
    '<think>t</think><answer><think>a</think></answer>',
    '<think>t</think><answer><answer>a</answer></answer>',
    '<think>t</think><answer>a</think></answer>',
    '</answer>t<answer></think>a<think>',
    '<answer>t</answer><think>a</think>',
    '<think>t<answer></think>a</answer>',
    # Not the tags.
    '<Think>t</Think><answer>a</answer>',
    '<think >t</think><answer>a</answer>',
    '&lt;think&gt;t</think><answer>a</answer>',
  ],
)
def test_anything_else(response):
  assert format.reward(PROBLEM, response) == 0.0


def test_a_prefilled_tag_belongs_to_the_response():
  completion = 't</think><answer>a</answer>'
  assert format.reward(PROBLEM, completion) == 0.0
  assert format.reward(PROBLEM, '<think>' + completion) == 1.0


pieces = st.text('ab <>/', max_size=5)


@given(pieces, pieces, st.integers(0, 8), st.sampled_from([*tags.TAGS, 'x']))
def test_any_added_tag_or_text_outside_breaks_it(thought, answer, place, added):
  parts = ['<think>', 't' + thought, '</think>', '<answer>', 'a' + answer, '</answer>']
  assert format.reward(PROBLEM, ''.join(parts)) == 1.0
  inside = place in (1, 2, 4, 5)
  broken = ''.join([*parts[:place], added, *parts[place:]])
  assert format.reward(PROBLEM, broken) == float(inside and added == 'x')
