import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1jax.rewards.prose import words


def texts(text):
  return [word.text for sentence in words.split(text) for word in sentence]


def scripts(text):
  return {word.text: word.script for sentence in words.split(text) for word in sentence}


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('Two words. Then 3 more!', 'Two words Then more'),
    ("It doesn't; l’eau is Tom's.", "It doesn't l’eau is Tom's"),
    ('a well-known x-axis', 'well known axis'),
    # Numbers, and what is stuck to them or their unit.
    ('1,234.5 and 3rd of 2xy at 5km', 'and of at'),
    ('5 km/h for 10 kg with 30 min', 'for with'),
    ('I am at 5 am', 'am at'),
    ('5apples and 7 apples', 'apples and apples'),
    # Names.
    ('x y z α', ''),
    ('x_1 num_items numItems iPhone H2O utf8 x12', ''),
    ('sin log gcd mod II iv', ''),
    ('ABC and PQRS but not HELLOS', 'and but not HELLOS'),
    ('2πr Δx sinθ sinθ', ''),
    ('_really_ __so__', 'really so'),
    # Names are few.
    (
      'weFirst, th3em_both. APPLE\n3 x (yz1) TREES then1 so',
      'we first them both apple yz trees then so',
    ),
    ('weFirst, th3em_both. APPLE\n3 x (yz1) TREES so then1', 'so'),
    ('weFirst的them_both的APPLE的TREES的then1', '的 的 的 的'),
    ('we_now_add_the_two', 'we now add the two'),
    ('THIS IS NO NAME AT ALL', 'this is no name at all'),
    ('we1 add2 them3', 'we add them'),
    ('weNowAddTheTwo', 'weNowAddTheTwo'),
    # Other scripts.
    ('她有3个苹果。', '她 有 个 苹果'),
    ('在x轴上的A点', '在 轴上 的 点'),
    ('사과가 3개 있다', '사과가 개 있다'),
    ('два яблока и 3', 'два яблока'),
    ('', ''),
    ('3 + 4 = 7', ''),
    ('$x$ `y`', ''),
  ],
)
def test_words(text, expected):
  assert texts(text) == expected.split()


def test_sentences():
  found = words.split('One two. 3.5 three?\nfour！五。 6.')
  assert [[word.text for word in sentence] for sentence in found] == [
    ['One', 'two'],
    ['three'],
    ['four'],
    ['五'],
  ]


@pytest.mark.parametrize(
  ('text', 'script'),
  [
    ('word', 'LATIN'),
    ('ｗｏｒｄ', 'LATIN'),
    ('w\u200bo\u200brd', 'LATIN'),
    ('mot-clé', 'LATIN'),
    ('cle\u0301s', 'LATIN'),
    ('слово', 'CYRILLIC'),
    ('λόγος', 'GREEK'),
    ('कि\u0902मती', 'DEVANAGARI'),
    # Alphabets mixed in one word, marks heaped on letters, words without an end.
    ('wоrd', ''),
    ('wꓳrd', ''),
    ('thεn', ''),
    ('wοrdy', ''),
    ('w\u0301\u0301o\u0301\u0301', ''),
    ('w' * 41, ''),
    ('ا' * 41, ''),
    ('f i r s t  w e  a d d  u p', ''),
    ('⠹⠀⠺', 'BRAILLE'),
  ],
)
def test_script(text, script):
  found = scripts(text)
  assert found
  assert set(found.values()) == {script}


def test_what_has_no_end_counts_by_its_length():
  assert len(texts('w' * 40)) == 1
  assert len(texts('w' * 100)) == len(texts(' '.join('w' * 25))) * 4 == 20
  assert len(texts('ก' * 100)) == 25


def test_names_and_terms_may_stand_in_a_script_without_capitals():
  assert texts('Alice有三个苹果，她给了Bob一个。') == texts('有三个苹果，她给了一个。')
  terms = '使用 hash map 存储，然后做 binary search，时间复杂度为 $n$。'
  assert texts(terms) == ['使用', '存储', '然后', '做', '时间', '复杂度', '为']
  assert texts('由 Cauchy-Schwarz 不等式得到结果') == texts('由不等式得到结果')
  # Not in a sentence of their own, not four in a row, and not when they are many.
  assert 'Then' in texts('先算三加四。Then 3+4=7.')
  assert texts('我们看 let us see how 这个问题怎么做，然后再来算。')[2:6] == [
    'let',
    'us',
    'see',
    'how',
  ]
  assert {'Then', 'Next'} <= set(texts('先 Then 算 Next'))


def test_names_beyond_a_few_are_words():
  """Eight, and one more for eight words; what is beyond counts twice, being long."""
  said = [f'{letter * 4}' for letter in 'abcdefghijklm']
  cut = ' = '.join(said)
  assert texts(f'${cut}$') == [word for word in said[8:] for _ in range(2)]
  sixteen = 'we add up all of these and then take away as many as there are here '
  assert texts(f'{sixteen} ${cut}$ ${cut}$')[16:] == [word for word in said[10:] for _ in range(2)]
  assert texts(sixteen + ' so '.join(f'{word}_x' for word in said[:11]))[16:] == ['so'] * 10


def test_terms_count_each_time():
  sentence = '我们用 hash map 存储所有的数字，然后再来看看结果。'
  num_words = len(texts(sentence))
  said = texts(sentence * 20)
  # Two each time, but eight and one more for eight words.
  assert said.count('hash') + said.count('map') == 40 - 8 - 20 * num_words // 8
  assert 'mapp' not in texts(sentence.replace('hash map', 'hashMapp') * 20)


def test_the_names_of_a_text():
  assert words.read('我们用 hash map 存储所有数字和 Alice 的 num_items，$cost$').names == {
    *('hash', 'map', 'alice', 'items', 'cost')
  }


def test_the_marks_of_a_text_need_no_composed_letters():
  assert len(texts('tie\u0302\u0301ng Vie\u0323\u0302t')) == 2


def test_chinese_is_segmented():
  assert texts('我们计算苹果的数量') == ['我们', '计算', '苹果', '的', '数量']
  assert 500 < len(texts('我们计算苹果的数量' * 200)) <= 1010


@given(
  st.lists(st.sampled_from([*"ab$`\\{}_'’ \n.1中あ한аα\u0301\u200b\ud800", '```', 'text{'])).map(
    ''.join
  )
  | st.text()
)
def test_any_text_has_words_that_can_be_told(text):
  for sentence in words.split(text):
    assert sentence
    for word in sentence:
      assert word.text
      assert len(word.text) <= 45
      assert word.text.isprintable() or any(map(str.isalpha, word.text))


# Quadratic work on such a text takes minutes; linear work well under a second.
HOSTILE = [
  *(
    '$',
    '$$',
    '$ab$ ',
    '\\(',
    '\\[',
    '\\(\\]',
    '`',
    '`` ` ',
    '```\n',
    '~~~a\n',
    '[asy]',
    '\\text{',
  ),
  *('\\begin{align}', '\\begin{a', '\\label{', '<br', 'http://', ' \n', '\n\n', '\\', '{', '}'),
  *('a', 'ab ', 'A ', 'AB ', 'a_', 'aB', "a'", '1', '1,', '1 ', '5 km/', 'a1 ', 'ab~', 'and '),
  *(
    'ab1 ',
    'ab,',
    'AbCd_',
    'ᵃ',
    'xᵃ',
    '🅰',
    '⠹',
    '`a`的',
    '\\label{abcd}',
    '`abcd`, ',
    '= a ',
    '\n ',
  ),
  *(
    '的',
    'の',
    '한',
    'ก',
    'क्षि',
    'ا',
    'аa',
    'a\u0301',
    '\u0315\u0300',
    '\u200b',
    '\ud800',
    'ﷺ',
    '。',
  ),
]


@pytest.mark.parametrize('unit', HOSTILE)
def test_hostile_text_takes_linear_time(unit):
  repeated = unit * (100_000 // len(unit))
  start = time.process_time()
  texts = (repeated, f'$\\text{{{repeated}', f'```\n{repeated}', f'${repeated}$')
  # A row ends in a word that is none of it.
  for text in (*texts, repeated + 'aa', repeated + 'ABx', repeated + 'ab1x', f'${repeated}aa$'):
    words.split(text)
  assert time.process_time() - start < 5
