import pathlib

import pytest

from r1jax import structs
from r1jax.rewards import choice
from r1jax.tasks import choice as choice_task

DATA = pathlib.Path(__file__).parents[3] / 'shared' / 'data'
CITIES = {'A': 'London', 'B': 'Paris', 'C': 'Rome', 'D': 'a town'}
WRAPPED = '<think>t</think><answer>{}</answer>'
# How a letter is given, in English and Chinese.
FORMS = [
  '{}',
  '({})',
  '{}.',
  '{})',
  r'\text{{{}}}',
  r'\textbf{{({})}}',
  r'$\mathrm{{~{}}}$',
  '**{}**',
  '[{}]',
  '"{}"',
  'Option {}',
  'option ({})',
  'The answer is {}.',
  '**Answer:** {}',
  'The correct answer is option {}',
  '选{}',
  '故选：{}。',
  '选项{}',
  '{}项',
  '答案是{}',
  '正确答案为：{}',
  '（{}）',
]


def problem(gold='B', options=CITIES):
  return structs.Problem(id='p', question='?', gold=gold, metadata={'options': options})


def read(answer, options=CITIES):
  return choice.read(answer, options)


@pytest.mark.parametrize('form', FORMS)
def test_a_letter_in_every_form(form):
  for letter in CITIES:
    assert read(form.format(letter)) == {letter}
    response = WRAPPED.format(form.format(letter))
    assert choice.reward(problem(), response) == float(letter == 'B')


@pytest.mark.parametrize(
  'answer',
  [
    'Ｂ',
    '（Ｂ）',
    'b',
    '(b)',
    'b)',
    'option b',
    'B: Paris',
    'B. Paris',
    'B、Paris',
    'B Paris',
    '(B) Paris',
    'B (Paris)',
    'B: paris.',
    '**B.** Paris',
    '**B. Paris**',
    r'\text{B}: Paris',
    '$B$. Paris',
    'The answer is B: Paris',
    'Paris',
    'PARIS.',
    r'\text{Paris}',
    'The answer is **Paris**',
    '答案是Paris',
    '答案是**B**',
    '**B**. Paris',
    'The answer is **B**: Paris',
    "'B'",
    '‘B’',
    "'B. Paris'",
    "'Paris'",
    '“Paris”',
    "The answer is '(B)'",
    'B - Paris',
    'B – Paris',
    'B — paris.',
    '(B) - Paris',
    '**B** - Paris',
    'Option B - Paris',
    'Paris (B)',
    'Paris（B）',
    'paris [B]',
    'Paris (option B)',
    'Paris (选项B)',
    r'\text{Paris} (B)',
    '**Paris (B)**',
    'The answer is Paris (B).',
    'B is correct',
    'B is the correct answer.',
    '(B) is the best choice',
    'Option B is right',
    'Hence, the correct option is (b).',
    'Therefore option (B) is correct.',
    '【答案】B',
    '所以，选B。',
  ],
)
def test_the_right_option(answer):
  assert read(answer) == {'B'}
  assert choice.reward(problem(), WRAPPED.format(answer)) == 1.0


@pytest.mark.parametrize(
  'answer',
  [
    'A or B',
    'B or A',
    'either B',
    'B and maybe C',
    'B, I guess',
    'B?',
    'not B',
    'B is wrong',
    'not A, so B',
    '不选B',
    '答案不是B',
    '错误选项是B',
    'The answer is not B',
    'The wrong answer is B.',
    'The answer is A. The answer is not B.',
    'B: London',  # Another option's text.
    'B (London)',
    'B. Paris or London',
    'London B',
    'Paris and London',
    'Paris is not it',
    'Pari',
    'B1',
    'BParis',
    "B'",
    "'B",
    "'A' or 'B'",
    "'A', 'B'",
    "'not B'",
    'B - London',
    'B - A',
    'B - Paris - London',
    'B -Paris',
    'B-Paris',
    'not B - Paris',
    'London (B)',
    'Paris (A)',
    'Paris (B) (A)',
    'Paris (B) or (A)',
    'Paris (not B)',
    'not Paris (B)',
    'Paris (E)',
    'B is not correct',
    'B is correct, I guess',
    'Only B is correct?',
    'a is correct',
    'B is the wrong answer',
    '-B',
    '~B',
    r'\neg B',
    r'\bar{B}',
    'B_1',
    'В',  # Cyrillic.
    'Β',  # Greek.
    'B\u200b',
    'E',
    '2',
    'a',
    'the answer is a',
    'a London',
    '1. B',
    'BB',
    'B, B',
    'B and B',
    'B and',
    '(B',
    'Ⓑ',
    '𝐁',
    'A: London B: Paris',
    'B' * 10_000,
    'B: ' + 'Paris ' * 10_000,
    '(' * 10_000 + 'B',
  ],
)
def test_no_clear_choice(answer):
  assert read(answer) is None
  for gold in CITIES:
    assert choice.reward(problem(gold), WRAPPED.format(answer)) == 0.0


def test_several_letters_are_no_answer_where_one_is_asked_for():
  for answer in ('A, B', 'A and B', 'AB', 'ABCD', '(A)(B)', 'A、B', 'A和B'):
    assert len(read(answer)) > 1
    assert choice.reward(problem('B'), WRAPPED.format(answer)) == 0.0
    assert choice.reward(problem('A'), WRAPPED.format(answer)) == 0.0


@pytest.mark.parametrize(
  'answer',
  [
    'AC',
    'CA',
    'A, C',
    'A C',
    'A and C',
    'A，C',
    'A、C',
    'A和C',
    '(A)(C)',
    '(A, C)',
    '选AC',
    '{A, C}',
    r'\text{AC}',
    '**A, C**',
    '答案是A、C',
    'The answers are A and C.',
    'ＡＣ',
    'A; C',
    'AC项',
  ],
)
def test_several_right_options(answer):
  assert choice.reward(problem('AC'), WRAPPED.format(answer)) == 1.0


@pytest.mark.parametrize(
  'answer',
  ['A', 'C', 'AB', 'ABC', 'ABCD', 'A or C', 'AAC', 'A, C, A', 'ac', 'A/C', 'ACE', 'A-C', 'A C?'],
)
def test_not_all_of_several_right_options(answer):
  assert choice.reward(problem('AC'), WRAPPED.format(answer)) == 0.0


def test_a_small_letter_is_not_read_where_it_is_the_text_of_an_option():
  options = {'A': '2c', 'B': 'c', 'C': '0.8c', 'D': '0.5c'}
  assert read('c', options) == {'B'}
  assert read('C', options) == {'C'}


def test_a_capital_letter_is_the_option_of_its_name():
  options = {'A': 'L', 'B': 'R', 'C': '1/C', 'D': 'C'}
  assert read('C', options) == read('1/C', options) == {'C'}
  assert read('L', options) == {'A'}


def test_a_dash_may_be_a_minus_sign():
  options = {'A': '2', 'B': '-2', 'C': '3', 'D': 'C - 3'}
  assert read('B - 2', options) == read('B -2', options) == {'B'}
  assert read('A - 2', options) is read('A -2', options) is read('A-2', options) is None
  assert read('C - 3', options) is None  # The third with its text, or the text of the fourth?
  assert read('A - 2', {'A': '2', 'B': '5'}) == {'A'}


def test_what_is_quoted_or_praised_may_be_the_text_of_an_option():
  options = {'A': "'B'", 'B': 'x', 'C': 'B is correct', 'D': 'x(B)'}
  assert read("'B'", options) == {'A'}
  assert read("'x'", options) == {'B'}
  assert read('B is correct', options) == {'C'}
  assert read('A is correct', options) == {'A'}
  assert read('x(B)', options) is None  # The second with its letter, or the fourth?


def test_a_letter_in_brackets_after_a_letter_that_is_a_text_are_two():
  assert read('B (A)', {'A': 'B', 'B': '5'}) == {'A', 'B'}


def test_an_article_is_no_letter():
  options = {'A': 'dog', 'B': 'a dog', 'C': 'A dog'}
  assert read('a dog', options) == {'B'}
  assert read('A dog', options) is None  # The third, or the first with its letter?
  assert read('A dog', {'A': 'dog', 'B': 'cat'}) == {'A'}
  assert read('A cat', {'A': 'dog', 'B': 'cat'}) is None


def test_texts_are_told_apart_by_case_only_if_need_be():
  options = {'A': 'bb x bb', 'B': 'Bb x Bb', 'C': 'Bb x bb'}
  assert read('Bb x Bb', options) == {'B'}
  assert read('BB x BB', options) is None
  assert read('B: bb x bb', options) is None


def test_the_text_of_two_equal_options_is_no_answer_but_their_letters_are():
  options = {'A': '687', 'B': '687', 'C': '1,493'}
  assert read('687', options) is None
  assert read('A: 687', options) == {'A'}
  assert read('B', options) == {'B'}


def test_texts_in_latex_are_read_in_any_spelling():
  options = {'A': r'$-\frac{1}{2}$', 'B': r'$\{x \mid x>-1\}$', 'C': r'- $\mathrm{i}$'}
  assert read(r'-\dfrac12', options) == {'A'}
  assert read(r'\left\{x \mid x > -1\right\}', options) == {'B'}
  assert read(r'B. $\{x \mid x>-1\}$', options) == {'B'}
  assert read('-i', options) == {'C'}
  assert read('2**3', {'A': '23', 'B': '2**3'}) == {'B'}


@pytest.mark.parametrize(
  'response',
  [
    '',
    'B',
    '<think>t</think>',
    '<think>B</think>',
    '<think><answer>B</answer></think>',
    '<think>t</think><answer>B</answer><answer>A</answer>',
    '<think>t</think><answer>B',
    '<think>t</think><answer></answer>',
  ],
)
def test_only_the_final_answer_counts(response):
  assert choice.reward(problem(), response) == 0.0


@pytest.mark.parametrize('gold', ['B', 'AC', 'ABCD'])
def test_check_gold_accepts_letters(gold):
  choice.check_gold(gold)
  choice.check_problem(problem(gold))


@pytest.mark.parametrize(
  'gold', ['', ' ', 'b', 'B.', 'A C', 'AA', '1', 1, None, 'Paris', '(B)', 'Ｂ']
)
def test_check_gold_names_what_was_found_and_what_is_allowed(gold):
  with pytest.raises(ValueError, match="capital letter of the right option, such as 'B'") as caught:
    choice.check_gold(gold)
  assert repr(gold) in str(caught.value)


@pytest.mark.parametrize(
  'options',
  [None, {}, ['London', 'Paris'], {'a': 'x', 'B': 'y'}, {'A': 1, 'B': 2}, {'B': ' '}, {'AB': 'x'}],
)
def test_a_problem_without_options_is_an_error_that_teaches(options):
  for call in (choice.check_problem, lambda wrong: choice.reward(wrong, 'B')):
    with pytest.raises(ValueError, match=r'(?s)metadata.*map letters to .*tasks\.choice|of them'):
      call(problem(options=options))


def test_a_gold_answer_that_is_no_option_is_an_error():
  with pytest.raises(ValueError, match="gold answer 'AE', but options A, B, C, D"):
    choice.check_problem(problem('AE'))


# The text that is read as the letter of another option, and the one that two options share.
READ_AS_LETTER = {('mmlu-stem-2263', 'D')}
SHARED = {'mmlu-stem-415': 'AB', 'gaokao-qa-227': 'AB', 'mmlu-stem-2743': 'AD'}


@pytest.mark.parametrize(('name', 'size'), [('gaokao_qa', 351), ('mmlu_stem', 500)])
def test_all_of_the_real_sets(name, size):
  path = DATA / name / 'test.jsonl'
  if not path.is_file():
    pytest.skip(f'the real problem set is not at {path}')
  problems = choice_task.load(path, check_problem=choice.check_problem)
  assert len(problems) == size
  for one in problems:
    choice.check_problem(one)
    options, gold = one.metadata['options'], one.gold
    for form in FORMS:
      assert choice.reward(one, WRAPPED.format(form.format(gold))) == 1.0, (one, form)
      for letter in options.keys() - {gold}:
        assert choice.reward(one, WRAPPED.format(form.format(letter))) == 0.0, (one, form, letter)
    for letter, text in options.items():
      right = float(letter == gold)
      assert choice.reward(one, WRAPPED.format(f'{letter}: {text}')) == right, (one, letter)
      if (one.id, letter) in READ_AS_LETTER:
        assert read(text, options) == {text}
      else:
        expected = None if letter in SHARED.get(one.id, '') else {letter}
        assert read(text, options) == expected, (one, letter)
      for other in options.keys() - {letter}:
        if letter + other not in SHARED.get(one.id, '') and other + letter != SHARED.get(one.id):
          said = read(f'{letter}. {options[other]}', options)
          assert said is None or len(said) == 2, (one, letter, other)
