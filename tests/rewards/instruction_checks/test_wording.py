import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1jax.rewards.instruction_checks import wording


@pytest.mark.parametrize('text', ['a', '1', '日', '\u200ba', '__a__', 'ह', '*.*a'])
def test_something_is_said(text):
  assert wording.says_something(text)


@pytest.mark.parametrize(
  'text',
  [
    '',
    ' ',
    '.',
    '***',
    '___',
    '😀',
    '\u200b',
    '\u3164',
    '\u2800',
    '\u0301',
    '\ufffd',
    '\U000e0061',
  ],
)
def test_nothing_is_said(text):
  assert not wording.says_something(text)


@pytest.mark.parametrize(
  ('text', 'words'),
  [
    ("I don't re-do it.", ['I', 'don', 't', 're', 'do', 'it']),
    ('snake_case __bold__', ['snake', 'case', 'bold']),
    ('1,000 3.14', ['1', '000', '3', '14']),
    ('می‌خواهم', ['میخواهم']),
    ('a\u200bb c\u00add', ['ab', 'cd']),
    ('a\u3164b', ['a', 'b']),
    ('e\u0301te\u0301', ['ete']),
  ],
)
def test_words(text, words):
  assert wording.words(text) == words


def test_words_of_scripts_with_marks_are_whole():
  assert len(wording.words('यह हिन्दी है')) == 3
  assert len(wording.words('சென்றாள் வந்ததும்')) == 2


@pytest.mark.parametrize(
  ('text', 'number'),
  [
    ('去New York吧3天', 6),
    ("I don't re-do it", 6),
    ('กขคงจฉ abc', 3),
    ('กขคงจ', 1),
    ('กabcข', 3),
    ('a\u2060b', 2),
    ('x는y', 2),
    ('Привет', 1),
    ('___', 0),
    ('\u200d\ufe0f', 0),
    ('\u0e3f\u0e5a', 0),
  ],
)
def test_the_most_words(text, number):
  assert wording.count_most(text) == number


@given(st.text(st.sampled_from('aы가カ字ก\u0e34ʼـ\u200c\u200b\ufe0f _.'), max_size=20))
def test_the_most_words_are_no_fewer(text):
  assert wording.count_most(text) >= len(wording.words(text))


@given(st.text(max_size=50))
def test_bare_text_has_no_marks_and_is_bare_already(text):
  assert wording.bare(wording.bare(text)) == wording.bare(text)
