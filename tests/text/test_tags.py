import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1jax.text import tags

# Quadratic work on such a text takes minutes; linear work well under a second.
LENGTH = 300_000
SECONDS = 5

HOSTILE = {
  'open_answers': '<answer>',
  'closed_answers': '</answer>',
  'open_thinks': '<think>',
  'open_braces': '{',
  'closed_braces': '}',
  'boxes': r'\boxed{',
  'box_spaces': r'\boxed ',
  'escapes': '\\',
  'fractions': r'\frac{',
  'fraction_halves': r'\frac{1}',
  'digits': '1',
  'commas': '1,',
  'groups': '1,234',
  'more_groups': ',234',
  'digit_fractions': r'\frac1',
  'roots': r'\sqrt{1',
  'slashes': '1/',
  'dots': '.',
  'decimals': '1.1',
  'signs': '-',
  'spaces': ' ',
  'comments': '<!--',
  'angles': '<',
}
FUNCTIONS = (
  tags.split_at_tags,
  lambda text: tags.find_blocks(text, 'answer'),
  tags.strip_reasoning,
  tags.without_comments,
  tags.reasoning,
  tags.answer_block,
  tags.last_boxed,
  tags.last_number,
)


def test_split_alternates_text_and_tags():
  text = 'a<think>b</think></answer>c'
  assert tags.split_at_tags(text) == ['a', '<think>', 'b', '</think>', '', '</answer>', 'c']


@given(st.lists(st.sampled_from([*tags.TAGS, 'x', '<', ' ', '</', 'think>'])).map(''.join))
def test_split_loses_nothing(text):
  segments = tags.split_at_tags(text)
  assert ''.join(segments) == text
  assert set(segments[1::2]) <= set(tags.TAGS)
  assert sum(text.count(tag) for tag in tags.TAGS) == len(segments) // 2


@pytest.mark.parametrize('text', ['a', ' 7\n', '。', '=', '答', '\u200ba', 'e\u0301'])
def test_what_can_be_seen(text):
  assert tags.is_visible(text)


@pytest.mark.parametrize(
  'text',
  # Spaces, controls, formats, fillers, blanks, marks without a letter, private use, not decoded.
  [
    *('', ' \n\t\u3000\xa0', '\x00', '\u200b\ufeff', '\u3164', '\u115f\u1160\uffa0', '\u2800'),
    *('\u034f', '\ufe0f', '\ue000', '\ufffd', '\U000e0041'),
  ],
)
def test_what_cannot_be_seen(text):
  assert not tags.is_visible(text)


@pytest.mark.parametrize(
  ('text', 'blocks'),
  [
    ('<answer>1</answer> and <answer>2</answer>', ['1', '2']),
    ('<answer>1<answer>2</answer>3</answer>', ['2']),
    ('</answer>1<answer>', []),
    ('<answer>1', []),
    ('<answer></answer>', ['']),
    ('<Answer>1</Answer>', []),
    ('<answer>1\n2</answer>', ['1\n2']),
    ('<think>1</think>', []),
  ],
)
def test_find_blocks(text, blocks):
  assert tags.find_blocks(text, 'answer') == blocks
  assert tags.answer_block(text) == (blocks[-1] if blocks else None)


@pytest.mark.parametrize(
  ('text', 'final'),
  [
    ('no tags', 'no tags'),
    ('<think>a</think>b', 'b'),
    ('prefilled reasoning</think>b', 'b'),
    ('<think>a</think>b</think>c', 'c'),
    ('<think>never closed <answer>1</answer>', ''),
    ('<think>a</think>b<think>c', ''),
    ('before <think>a</think>', ''),
  ],
)
def test_strip_reasoning(text, final):
  assert tags.strip_reasoning(text) == final


@pytest.mark.parametrize(
  ('text', 'thought'),
  [
    ('<think>a</think>b', 'a'),
    ('<think> a\nb </think><answer>c</answer>', 'a\nb'),
    ('opened by the template</think>b', 'opened by the template'),
    ('<think>never closed <answer>1</answer>', 'never closed <answer>1</answer>'),
    ('<think>a</think>b</think>c', 'a\nb'),
    ('<think>a</think>b<think>c', 'a\nb\nc'),
    ('before <think>a</think>', 'before \na'),
    ('<think></think>b', ''),
    ('</think>', ''),
    ('no tags', 'no tags'),
    ('so <answer>1</answer> indeed', 'so'),
    ('', ''),
  ],
)
def test_reasoning(text, thought):
  assert tags.reasoning(text) == thought


@given(st.lists(st.sampled_from(['<think>', '</think>', 'x', 'y'])).map(''.join))
def test_reasoning_and_the_rest_are_the_whole(text):
  if '<think>' in text or '</think>' in text:
    parts = tags.reasoning(text) + tags.strip_reasoning(text)
    assert [c for c in parts if c in 'xy'] == [c for c in text if c in 'xy']


@pytest.mark.parametrize(
  ('text', 'content'),
  [
    (r'\boxed{1} then \boxed{2}', '2'),
    (r'\boxed{\frac{1}{2}}', r'\frac{1}{2}'),
    (r'\boxed{\{1, 2\}}', r'\{1, 2\}'),
    (r'\boxed{\left\{x\right.}', r'\left\{x\right.'),
    (r'\boxed{1} then \boxed{2', '1'),
    (r'{ \boxed{3} {', '3'),
    (r'} \boxed{3}', '3'),
    (r'\boxed{1 \boxed{2}}', r'1 \boxed{2}'),
    (r'\boxed {4}', '4'),
    (r'\boxed{}', ''),
    (r'\boxed{5\}', None),
    (r'\\boxed{5}', None),
    (r'\boxed 5', None),
    ('5', None),
  ],
)
def test_last_boxed(text, content):
  assert tags.last_boxed(text) == content


@pytest.mark.parametrize(
  ('text', 'is_part'),
  [
    (r'\boxed{1}', False),
    (r'{\boxed{1}}', False),
    (r'\text{so \boxed{1}}', False),
    (r'\mathbf{ \boxed{1} }', False),
    (r'\color{red}{\boxed{1}}', False),
    (r'\frac{2 \boxed{1}', False),  # Not closed.
    (r'\frac{\boxed{1}}{2}', True),
    (r'\frac{2}{ \text{\boxed{1}} }', True),
    (r'x^{\boxed{1}}', True),
    (r'x_ {\boxed{1}}', True),
    (r'\phantom{\boxed{1}}', True),
  ],
)
def test_a_box_within_a_formula_is_a_part(text, is_part):
  (box,) = tags.boxes(text)
  assert box.is_part == is_part
  assert (text[box.start : box.stop], box.content) == (r'\boxed{1}', '1')


@given(
  st.recursive(st.sampled_from(['', 'x', r'\{', r'\\', '1']), lambda s: s.map('{{{}}}'.format))
)
def test_last_boxed_returns_what_was_boxed(content):
  assert tags.last_boxed(rf'so {{ \boxed{{{content}}} }} {{') == content


@pytest.mark.parametrize(
  ('text', 'number'),
  [
    ('first 3, then 72.', '72'),
    ('<answer>72</answer>', '72'),
    ('it costs $1,234.50!', '1,234.50'),
    ('12,345,67', '67'),
    ('1,2345', '2345'),
    ('1234,567', '567'),
    ('0,123', '123'),
    ('x = -5', '-5'),
    ('答案是−5。', '−5'),
    ('答案是–5。', '–5'),
    ('－5', '－5'),
    ('3–5', '5'),
    ('共72个', '72'),
    ('7-3', '3'),
    ('(7)-3', '3'),
    ('a-3', '3'),
    ('half is 3/4', '3/4'),
    ('5/2.5', '2.5'),
    (r'\boxed{-\frac{1}{2}}', r'-\frac{1}{2}'),
    (r'\dfrac{ 3 }{ 4 }', r'\dfrac{ 3 }{ 4 }'),
    ('.5', '.5'),
    ('The answer is...72', '72'),
    (r'14,\!400', r'14,\!400'),
    (r'\frac12', r'\frac12'),
    (r'\frac 5{12}', r'\frac 5{12}'),
    (r'\frac123', None),
    (r'2\sqrt{3}', '2'),
    ('x^2', None),
    ('x^{10}', None),
    ('3^2=9', '9'),
    (',123' * 41, '123' + ',123' * 40),
    (',123' * 42, '123' + ',123' * 40),
    ('7 apples from x2', '7'),
    ('50%', '50'),
    ('no number', None),
    ('²', None),
    ('', None),
  ],
)
def test_last_number(text, number):
  assert tags.last_number(text) == number


@given(st.integers(), st.text('ab <>{}=:。', max_size=8))
def test_last_number_finds_any_integer_before_other_text(number, tail):
  assert tags.last_number(f'1 so {number} {tail}') == str(number)


@pytest.mark.parametrize('unit', HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_takes_linear_time(unit):
  repeated = unit * (LENGTH // len(unit))
  start = time.process_time()
  for text in (repeated, rf'<answer>\boxed{{{repeated}', rf'\frac{{{repeated}}}</answer>'):
    for function in FUNCTIONS:
      function(text)
  assert time.process_time() - start < SECONDS
