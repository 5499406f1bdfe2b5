import json
import pathlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1jax import structs
from r1jax.rewards import instructions

DATA = pathlib.Path(__file__).parents[3] / 'shared' / 'data' / 'ifeval' / 'test.jsonl'
NO_COMMA = {'id': 'punctuation:no_comma'}
TITLE = {'id': 'detectable_format:title'}


def problem(*given):
  gold = json.dumps({'instructions': list(given)})
  instructions.check_gold(gold)
  return structs.Problem(id='p', question='?', gold=gold)


def follows(text, id, **said):
  (verdict,) = instructions.followed(problem({'id': id, **said}), text)
  return verdict


# Of each instruction what it says, a response that follows it, and one that does not; more of both
# in the tests of each check.
CASES = {
  'keywords:existence': ({'keywords': ['war']}, 'A war.', 'A warm day.'),
  'keywords:frequency': (
    {'keyword': 'war', 'relation': 'at least', 'frequency': 2},
    'War is war.',
    'War is warm.',
  ),
  'keywords:forbidden_words': ({'forbidden_words': ['war']}, 'A warm day.', 'A war.'),
  'keywords:letter_frequency': (
    {'letter': 'o', 'let_relation': 'less than', 'let_frequency': 2},
    'So it is.',
    'So, so.',
  ),
  'language:response_language': (
    {'language': 'de'},
    'Das ist ein schöner Tag, und wir gehen alle an den See.',
    'It is a fine day and we all go to the lake.',
  ),
  'length_constraints:number_paragraphs': ({'num_paragraphs': 2}, 'a\n***\nb', 'a\n\nb'),
  'length_constraints:number_words': ({'relation': 'less than', 'num_words': 3}, 'a b', 'a b c'),
  'length_constraints:number_sentences': (
    {'relation': 'at least', 'num_sentences': 2},
    'It is. It was.',
    'It is, it was.',
  ),
  'length_constraints:nth_paragraph_first_word': (
    {'num_paragraphs': 2, 'nth_paragraph': 2, 'first_word': 'elm'},
    'a\n\nElm b',
    'Elm\n\nb',
  ),
  'detectable_content:postscript': ({'postscript_marker': 'P.S.'}, 'a\nP.S. b', 'a\nP.S.'),
  'detectable_content:number_placeholders': ({'num_placeholders': 1}, 'a [b]', 'a []'),
  'detectable_format:number_bullet_lists': ({'num_bullets': 2}, '* a\n* b', '* a\n* b\n* c'),
  'detectable_format:title': ({}, '<<a>>', 'a << >>'),
  'detectable_format:constrained_response': (
    {},
    'My answer is yes.',
    'My answer is yes. My answer is no.',
  ),
  'detectable_format:number_highlighted_sections': ({'num_highlights': 1}, '*a*', 'a **'),
  'detectable_format:multiple_sections': (
    {'section_spliter': 'Day', 'num_sections': 2},
    'Day 1\na\nDay 2\nb',
    'Day 1 Day 2 a',
  ),
  'detectable_format:json_format': ({}, '```json\n{"a": 1}\n```', '```json\n```a'),
  'combination:repeat_prompt': ({'prompt_to_repeat': 'Write.'}, 'Write.\na', 'Sure: Write.\na'),
  'combination:two_responses': ({}, 'a\n******\nb', 'a\n******\na'),
  'startend:end_checker': ({'end_phrase': 'The end.'}, 'a the end.', 'a the end. b'),
  'startend:quotation': ({}, '"a"', '"a" b'),
  'change_case:capital_word_frequency': (
    {'capital_relation': 'at least', 'capital_frequency': 1},
    'a BC',
    'I am A',
  ),
  'change_case:english_capital': ({}, 'IT IS A FINE DAY.', 'IT IS A FINE dAY.'),
  'change_case:english_lowercase': ({}, 'it is a fine day.', 'it is a fine Day.'),
  'punctuation:no_comma': ({}, 'a; b', 'a, b'),
}


def test_every_instruction_has_a_case():
  assert CASES.keys() == instructions.CHECKS.keys()
  assert len(CASES) == 25


@pytest.mark.parametrize('id', CASES)
def test_each_instruction(id):
  said, right, wrong = CASES[id]
  assert follows(right, id, **said)
  assert not follows(wrong, id, **said)


NOTHING = [
  '',
  ' \n\t',
  '\u200b\u2060\ufeff',
  '***',
  '. ! ?',
  '#',
  '**',
  '{}',
  '""',
  '\u3164',
  '⠀',
  '😀',
  '\u0301',
]


@pytest.mark.parametrize('id', instructions.CHECKS)
@pytest.mark.parametrize('text', NOTHING)
def test_a_response_that_says_nothing_follows_nothing(id, text):
  said = CASES[id][0]
  assert not follows(text, id, **said)
  assert instructions.loose(problem({'id': id, **said}), text) == 0.0


@given(st.integers(1, 12), st.integers(1, 12))
def test_bounds_flip_at_their_number(number, bound):
  """At least n holds from n on, less than n below it; for every instruction with a relation."""
  counted = {
    'length_constraints:number_words': ('num_words', 'relation', {}, 'word '),
    'length_constraints:number_sentences': ('num_sentences', 'relation', {}, 'It is so. '),
    'keywords:frequency': ('frequency', 'relation', {'keyword': 'war'}, 'war '),
    'keywords:letter_frequency': ('let_frequency', 'let_relation', {'letter': 'o'}, 'so '),
    'change_case:capital_word_frequency': ('capital_frequency', 'capital_relation', {}, 'GO '),
  }
  for id, (bound_name, relation, said, unit) in counted.items():
    text = unit * number
    at_least = follows(text, id, **said, **{relation: 'at least', bound_name: bound})
    less_than = follows(text, id, **said, **{relation: 'less than', bound_name: bound})
    assert (at_least, less_than) == (number >= bound, number < bound), id


@given(st.integers(1, 6), st.integers(1, 6))
def test_numbers_of_parts_are_exact_or_least(number, bound):
  exact = {
    'detectable_format:number_bullet_lists': ('num_bullets', '\n'.join(['* a'] * number)),
    'length_constraints:number_paragraphs': ('num_paragraphs', '\n***\n'.join(['a'] * number)),
  }
  for id, (name, text) in exact.items():
    assert follows(text, id, **{name: bound}) == (number == bound)
  least = {
    'detectable_content:number_placeholders': ('num_placeholders', '[a] ' * number),
    'detectable_format:number_highlighted_sections': ('num_highlights', '*a* ' * number),
  }
  for id, (name, text) in least.items():
    assert follows(text, id, **{name: bound}) == (number >= bound)
  sections = '\n'.join(f'Day {i}: a' for i in range(1, number + 1))
  said = {'section_spliter': 'Day', 'num_sections': bound}
  assert follows(sections, 'detectable_format:multiple_sections', **said) == (number >= bound)
  paragraphs = '\n\n'.join(['a', *['b'] * (number - 1)])
  said = {'num_paragraphs': number, 'nth_paragraph': min(bound, number), 'first_word': 'a'}
  first = follows(paragraphs, 'length_constraints:nth_paragraph_first_word', **said)
  assert first == (min(bound, number) == 1)


def test_reward_is_the_share_and_all_followed_is_strict():
  one = problem(NO_COMMA, TITLE, {'id': 'keywords:existence', 'keywords': ['sea']}, TITLE)
  assert instructions.followed(one, 'the sea') == (True, False, True, False)
  assert instructions.reward(one, 'the sea') == 0.5
  assert instructions.all_followed(one, 'the sea') == 0.0
  assert instructions.reward(one, '<<the sea>>') == instructions.all_followed(one, '<<sea>>') == 1.0
  assert instructions.reward(one, 'a, b') == 0.0


@pytest.mark.parametrize(
  ('response', 'final'),
  [
    ('a', 'a'),
    (' a\r\nb\rc\n', 'a\nb\nc'),
    ('<think>x, y</think>a', 'a'),
    ('<think>x, y</think> <answer> a </answer> ', 'a'),
    ('<think>x</think>not, that <answer>b</answer> <answer>a</answer> nor, that', 'a'),
    ('reasoning, prefilled</think>a', 'a'),
    ('<think>a', ''),
    ('a<think>', ''),
    ('<answer>a</answer></think>', ''),
    ('<think>x</think><answer>a', ''),
    ('<think>x</think>a</answer>', ''),
    ('<answer><think>x</think>a</answer>', ''),
    ('<think><answer>a</answer></think>', ''),
    ('<answer></answer>', ''),
  ],
)
def test_the_final_response(response, final):
  assert instructions.final_response(response) == final
  assert instructions.reward(problem(NO_COMMA), response) == float(final != '')


def test_after_a_repeated_request_the_answer_alone_counts():
  request = 'Be brief, and add a title such as <<title>>.'
  repeat = {'id': 'combination:repeat_prompt', 'prompt_to_repeat': request}
  one = problem(repeat, TITLE, NO_COMMA)
  assert instructions.followed(one, f'{request}\nNo title') == (True, False, True)
  assert instructions.followed(one, f'{request}\n<<a>> b, c') == (True, True, False)
  assert instructions.followed(one, '<<a>> b') == (False, True, True)
  assert instructions.followed(one, request) == (False, False, False)
  # The length is that of all of the response: 9 words of the request and 2 of the answer.
  short = {'id': 'length_constraints:number_words', 'relation': 'less than'}
  assert instructions.all_followed(problem(repeat, {**short, 'num_words': 12}), f'{request} So be')
  assert not instructions.all_followed(
    problem(repeat, {**short, 'num_words': 11}), f'{request} So be'
  )


@pytest.mark.parametrize(
  ('response', 'followed'),
  [
    ('<<a>>\n[b]', True),
    ('Sure, here it is:\n<<a>>\n[b]', True),
    ('<<a>>\n[b]\nHope, it helps', True),
    ('Sure, so:\n<<a>>\n[b]\nHope, it helps', True),
    ('Sure, so:\nof course, so:\n<<a>>\n[b]', False),
    ('<<a>>, so:\n[b]', True),
    ('<<a>>, [b]', False),
    ('<think>t</think>, <<a>>', False),
    ('<think>t</think><answer>Sure, so:\n<<a>> [b]</answer>', True),
    ('Sure, so:', False),
  ],
)
def test_loose_leaves_out_first_or_last_line(response, followed):
  one = problem(
    TITLE, NO_COMMA, {'id': 'detectable_content:number_placeholders', 'num_placeholders': 1}
  )
  assert instructions.loose(one, response) == float(followed)


def test_loose_leaves_out_asterisks():
  quoted = problem({'id': 'startend:quotation'})
  assert instructions.all_followed(quoted, '**"Peace!"**') == 0.0
  assert instructions.loose(quoted, '**"Peace!"**') == 1.0


# These leave the work to `prose`, whose tests hold its time.
PROSE = {'language:response_language'}
PROSE |= {'change_case:english_capital', 'change_case:english_lowercase'}
# What makes a careless pattern or loop take quadratic time.
UNITS = [
  'a',
  'A ',
  '* ',
  '*',
  '[',
  '[a',
  '<<',
  '"',
  '“',
  '. ',
  '...',
  '!(',
  '1. ',
  '\n',
  '\n \n',
  ' ',
]
UNITS += [
  '{"a":',
  'P.S.\n',
  'SECTION 1\n',
  '***\n',
  '****** ',
  '\u0300\u0323',
  '\u200b',
  '，',
  '。',
  '字',
]
UNITS += ['<b', '<!--', '[a](', '&a', '&#1', 'plan B. ', 'a.m. ', 'ก', 'a\u200d', 'aㆍ', '<< a ']
UNITS += ['\ud800', 'war ', '- - ', '\u3164', 'हि ', '_a_ ', '"a" ', 'ﷺ']


@pytest.mark.parametrize('unit', UNITS)
def test_huge_responses_are_judged_in_time(unit):
  """Linear work takes well under a second; quadratic work would take minutes."""
  one = problem(*({'id': id, **said} for id, (said, _, _) in CASES.items() if id not in PROSE))
  response = 'war x ' + unit * (100_000 // len(unit)) + ' x'
  start = time.process_time()
  instructions.reward(one, response)
  assert time.process_time() - start < 8


def test_every_row_of_the_data():
  if not DATA.exists():
    pytest.skip(f'needs the problem set {DATA}')
  ids = set()
  for line in DATA.read_text('utf-8').splitlines():
    row = json.loads(line)
    given = [{'id': id, **said} for id, said in zip(row['instruction_id_list'], row['kwargs'])]
    one = problem(*given)
    ids.update(row['instruction_id_list'])
    assert (
      instructions.reward(one, '') == instructions.reward(one, '<think>' + row['prompt']) == 0.0
    )
    assert 0 <= instructions.reward(one, row['prompt']) <= 1
  assert ids == instructions.CHECKS.keys()
