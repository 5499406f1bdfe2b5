import itertools
import json
import pathlib
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1jax import structs
from r1jax.rewards import language

LABELLED = pathlib.Path(__file__).parents[3] / 'shared' / 'data' / 'lang_sample' / 'test.jsonl'
QUESTIONS = {'en': 'How many apples does she have?', 'zh': '她一共有多少个苹果？'}


def score(thought, asked='en', **metadata):
  problem = structs.Problem(
    id='p', question=QUESTIONS.get(asked, asked), gold='1', metadata=metadata
  )
  return language.reward(problem, f'<think>{thought}</think>\n<answer>1</answer>')


def test_share_by_hand():
  # Words: we add them | 我们 相加; the formula, the number and the variable are none.
  assert score('We add $x+y$ them: 我们相加, so x is 7') == 5 / 7
  assert score('We add $x+y$ them: 我们相加, so x is 7', 'zh') == 2 / 7


@pytest.mark.parametrize(
  'response',
  [
    '',
    '<think></think><answer>one</answer>',
    '<think> \n\u200b</think><answer>so it is one</answer>',
    '<think>3+4=7</think><answer>seven</answer>',
    '<think>$x=\\frac{1}{2}$ `add(x)`</think><answer>so it is one</answer>',
    '<answer>so it is one</answer>',
  ],
)
def test_no_words_earn_nothing(response):
  problem = structs.Problem(id='p', question='How many?', gold='1')
  assert language.reward(problem, response) == 0.0


@pytest.mark.parametrize(
  ('response', 'value'),
  [
    ('<think>so it is one</think><answer>答案是一</answer>', 1.0),
    ('so it is one</think><answer>答案是一</answer>', 1.0),
    ('<think>so it is one', 1.0),
    ('<think>答案是一', 0.0),
    ('<think>so it is</think>答案是<think>one', 4 / 6),
    ('so it is one', 1.0),
    ('so it is one <answer>答案是一</answer>', 1.0),
  ],
)
def test_the_chain_of_thought_alone_is_read(response, value):
  problem = structs.Problem(id='p', question='How many?', gold='1')
  assert language.reward(problem, response) == value


ENGLISH, CHINESE = 'First we add the apples.', '首先我们把苹果加起来。'


def test_the_target_is_what_the_metadata_name_or_the_language_of_the_question():
  assert score(ENGLISH, 'zh') == score(CHINESE, 'en') == 0
  assert score(ENGLISH, 'en') == score(CHINESE, 'zh') == 1
  for key in ('lang', 'language'):
    assert score(CHINESE, 'en', **{key: 'zh'}) == score(CHINESE, 'en', **{key: 'zh_Hant-TW'}) == 1
    assert score(ENGLISH, 'en', **{key: 'zh'}) == 0
    assert score(ENGLISH, 'en', **{key: None}) == 1
  assert score(CHINESE, 'en', lang='zh', language='en') == 1


def test_a_question_without_words_asks_for_one_language_whichever():
  assert score(ENGLISH, '3+4=?') == score(CHINESE, '3+4=?') == 1
  mixed = score(f'{ENGLISH} {ENGLISH[:-1]} now. {CHINESE}', '3+4=?')
  assert mixed == score(f'{ENGLISH} {ENGLISH[:-1]} now. {CHINESE}', 'en') < 1


@pytest.mark.parametrize('value', ['chinese', 'python', '', 7, ['en'], 'xx-CN'])
def test_an_unknown_language_is_an_error_that_names_it(value):
  problem = structs.Problem(id='row 7', question='?', gold='1', metadata={'lang': value})
  with pytest.raises(ValueError, match='must be the ISO 639-1 code') as caught:
    language.check_problem(problem)
  assert repr(value) in str(caught.value)
  assert 'row 7' in str(caught.value)
  with pytest.raises(ValueError, match='must be the ISO 639-1 code'):
    language.reward(problem, '<think>so</think>')


def test_known_languages_pass():
  for code in ('en', 'zh-CN', 'JA', 'pt_BR'):
    language.check_problem(structs.Problem(id='p', question='?', gold='1', metadata={'lang': code}))
  language.check_problem(structs.Problem(id='p', question='?', gold='1'))


def test_foreign_words_of_the_question_are_nobodys():
  asked = '用 quicksort 排序 numbers 需要多少步？'
  # 我们 来 排序, and the two.
  thought = '我们 quicksort 来排序 numbers'
  assert score(thought, asked) == 1
  assert score(thought, 'zh') == 3 / 5
  # They earn nothing, and where another language is asked for they count.
  assert score('quicksort numbers', asked) == 0
  assert score(thought, asked, lang='en') == 2 / 5
  assert score('숫자를 quicksort', asked, lang='ko') == 1 / 2


def test_what_was_said_earns_once():
  honest = f'{CHINESE}{CHINESE} {ENGLISH}'
  assert score(f'{honest} {"so the " * 300}') < score(
    f'{CHINESE} {ENGLISH} so the so the so the so'
  )
  assert score(honest + f' {ENGLISH}' * 100) == pytest.approx(score(honest), abs=0.15)
  # A clean text may say what it likes again.
  assert score(f'{ENGLISH} ' * 20) == 1


# The same reasoning in the other language, hidden in each way that could keep it from counting.
WORDS = 'first we add the apples in the two baskets and then we take away the ones she ate'
SIGNS = '首先我们把两个篮子里的苹果加起来，然后减去她吃掉的苹果'
STYLED = {ord('a') + place: 0x1D41A + place for place in range(26)}
CIRCLED = {ord('a') + place: 0x24D0 + place for place in range(26)}
WIDE = {ord('a') + place: 0xFF41 + place for place in range(26)}
HIDDEN = {
  'fence': lambda text: f'```\n{text}\n```',
  'comment': lambda text: f'```python\nx = 1  # {text}\n```',
  'string': lambda text: f'```python\nprint("{text}")\n```',
  'unclosed fence': lambda text: f'```\n{text}',
  'inline code': lambda text: f'`{text}`',
  'inline code, by word': lambda text: re.sub(r'(\w+)', r'`\1`', text),
  'formula': lambda text: f'${text}$',
  'formulas, by word': lambda text: re.sub(r'(\w+)', r'$\1$', text),
  'display': lambda text: f'\\[{text}\\] $${text}$$',
  'environment': lambda text: f'\\begin{{align}}{text}\\end{{align}}',
  'verbatim': lambda text: f'\\begin{{verbatim}}{text}\\end{{verbatim}}',
  'text': lambda text: f'$x=\\text{{{text}}}$',
  'text, by word': lambda text: '$' + re.sub(r'(\w+)', r'\\text{\1}+', text) + '$',
  'roman': lambda text: '$\\mathrm{' + text.replace(' ', '~') + '}$',
  'thin spaces': lambda text: '$' + text.replace(' ', r'\,') + '$',
  'commands': lambda text: '$' + re.sub(r'(\w+)', r'\\\1', text) + '$',
  'bare commands': lambda text: re.sub(r'(\w+)', r'\\\1', text),
  'comment of HTML': lambda text: f'<!-- {text} -->',
  'tags': lambda text: re.sub(r'(\w+)', r'<\1>', text),
  'between prices': lambda text: f'$5 {text} $10',
  'address': lambda text: 'https://a.b/' + text.replace(' ', '-'),
  'zero width': '\u200b'.join,
  'direction': lambda text: f'\u202e{text}\u202c',
  'full width': lambda text: text.translate(WIDE),
  'styled': lambda text: text.translate(STYLED),
  'circled': lambda text: text.translate(CIRCLED),
  'homoglyphs': lambda text: text.replace('e', 'е').replace('a', 'а').replace('o', 'ο'),
  'marks': lambda text: re.sub(r'(\w)', '\\1\u0301\u0316', text),
  'snake case': lambda text: text.replace(' ', '_'),
  'camel case': lambda text: ''.join(word.title() for word in text.split()),
  'capitals': str.upper,
  'titles': str.title,
  'numbered': lambda text: re.sub(r'(\w+)', r'\g<1>1', text),
  'calls': lambda text: re.sub(r'(\w+)', r'\1(x)', text),
  'spelled': ' '.join,
  'one word': lambda text: text.replace(' ', ''),
}


@pytest.mark.parametrize('hide', HIDDEN.values(), ids=HIDDEN)
def test_reasoning_in_another_language_counts_wherever_it_is_hidden(hide):
  """Beside one honest sentence it keeps the share where plain words would, or lower."""
  honest = {'en': 'Let us see how it goes.', 'zh': '我们来看看怎么做。'}
  for asked, hidden in (('en', SIGNS), ('zh', WORDS)):
    assert score(hide(hidden), asked) <= 0.25
    plain = score(f'{honest[asked]}\n{hidden}', asked)
    assert score(f'{honest[asked]}\n{hide(hidden)}', asked) <= plain + 0.15 < 0.6


@pytest.mark.parametrize('hide', [HIDDEN['homoglyphs'], HIDDEN['marks'], HIDDEN['one word']])
def test_disfigured_words_are_of_no_language(hide):
  assert score(hide(WORDS)) <= 0.35


def test_target_words_count_where_other_words_do():
  """What is heard in formulas and code is heard for the target too."""
  assert score(f'$x=\\text{{{WORDS}}}$') == score(f'```\n# {WORDS}\n```') == 1


@given(st.text(), st.text(max_size=20), st.sampled_from(['en', 'zh', 'ja', 'ar', 'th']))
def test_any_text_has_a_share(thought, question, lang):
  assert 0 <= score(thought, question, lang=lang) <= 1
  assert 0 <= score(thought, question) <= 1


def labelled():
  if not LABELLED.exists():
    pytest.skip(f'needs the labelled texts {LABELLED}')
  return [json.loads(line) for line in LABELLED.read_text('utf-8').splitlines()]


# Two texts have no words at all, being one formula each; one holds English markup by mistake
# (`<Answer>`, `<Next Instance>`, `<Question>` left from how the set was made).
NO_WORDS = {'test/algebra/2584.json', 'test/intermediate_algebra/134.json'}
MARKED_UP = {'gaokao-cloze-44'}


def test_labelled_texts_are_told_apart():
  """At least 99% score 0.95 or more in their own language and 0.05 or less in the other."""
  rows = labelled()
  assert len(rows) == 800
  other = {'en': 'zh', 'zh': 'en'}
  low = {row['id'] for row in rows if score(row['text'], '', lang=row['lang']) < 0.95}
  high = {row['id'] for row in rows if score(row['text'], '', lang=other[row['lang']]) > 0.05}
  assert low == NO_WORDS | MARKED_UP
  assert high == MARKED_UP


def pairs():
  texts = {row['id']: row['text'] for row in labelled()}
  return [(texts[f'mgsm-en-{number}'], texts[f'mgsm-zh-{number}']) for number in range(250)]


def test_mixtures_of_parallel_texts_score_in_their_order():
  """Of four parallel texts, 0 to 4 are taken in English and the rest in Chinese."""
  found = pairs()
  for start in range(len(found) - 3):
    four = found[start : start + 4]
    shares = []
    for taken in range(5):
      texts = [english for english, _ in four[:taken]] + [chinese for _, chinese in four[taken:]]
      shares.append(score(' '.join(texts)))
    assert all(less < more for less, more in itertools.pairwise(shares)), shares
    assert shares[0] <= 0.05 < 0.95 <= shares[-1]


def test_mixtures_of_sentences_score_in_their_order():
  """Of one text in two languages, the first sentences are taken in one, the rest in the other."""
  for english, chinese in pairs():
    ours = re.split(r'(?<=[.?!])\s+', english)
    theirs = re.split('(?<=[。？！])', chinese)
    shares = []
    for share in (0, 0.25, 0.5, 0.75, 1):
      taken, left = round(share * len(ours)), round(share * len(theirs))
      shares.append(score(' '.join(ours[:taken]) + ' ' + ''.join(theirs[left:])))
    assert all(less <= more for less, more in itertools.pairwise(shares)), shares
    assert shares[0] <= 0.05 < 0.95 <= shares[-1]


def test_importing_loads_no_model_and_scoring_prints_nothing():
  program = (
    'import sys; from r1jax.rewards import language; from r1jax import structs;'
    "assert 'rjieba' not in sys.modules;"
    "problem = structs.Problem(id='p', question='多少?', gold='1');"
    "assert language.reward(problem, '<think>我们来看看</think>') == 1;"
    "assert language.reward(problem, '<think>let us see how it is</think>') == 0"
  )
  run = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
  assert run.stdout == run.stderr == ''
