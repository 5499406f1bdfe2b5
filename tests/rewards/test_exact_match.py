import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1jax import structs
from r1jax.rewards import exact_match


def score(answer, gold):
  problem = structs.Problem(id='p', question='?', gold=gold)
  return exact_match.reward(problem, f'<think>t</think><answer>{answer}</answer>')


@pytest.mark.parametrize(
  ('answer', 'gold'),
  [
    ('Paris', 'Paris'),
    ('paris', 'PARIS'),
    (' Paris.\n', 'Paris'),
    ('“Paris”!', 'Paris'),
    ('**Paris**', 'Paris'),
    (r'$\text{Paris}$', 'Paris'),
    (r'\boxed{\text{Paris}}', 'Paris'),
    ('the Eiffel Tower', 'Eiffel Tower'),
    ('The  Eiffel\nTower', 'the eiffel tower'),
    ('An apple a day', 'apple day'),
    ('A tower', 'tower'),
    ("Newton's laws", 'Newtons laws'),
    ('well-known', 'wellknown'),
    ('Paris, (France)', 'Paris France'),
    ('Ｐａｒｉｓ', 'Paris'),
    ('cafe\u0301', 'CAFÉ'),
    ('ﬁve', 'five'),
    ('Straße', 'STRASSE'),
    ('北京。', '北京'),
    ('“北京”', '北京'),
    ('1994.', '1994'),
    ('“1994”', '1994'),
    ("the '90s", '90s'),
    ('in 1994, he said', 'in 1994 he said'),
    ('−5', '-5'),
    ('- 5', '-5'),
    ('1990–1995', '1990-1995'),
    ('5 %', '5 %'),
    ('the', 'The'),
    ('A', 'a'),
    ('vitamin A', 'Vitamin A'),
    ('well-known', 'wellknown'),
    ('Paris -- France', 'Paris – France'),
    ('Paris--France', 'ParisFrance'),
    ('O−', 'O-'),
    ('O -', 'O-'),
    ('“O-”.', 'O-'),
    ('**Cl-**', 'Cl-'),
  ],
)
def test_equal(answer, gold):
  assert score(answer, gold) == 1.0


@pytest.mark.parametrize(
  ('answer', 'gold'),
  [
    ('London', 'Paris'),
    ('Paris or London', 'Paris'),
    ('Paris, London', 'Paris'),
    ('not Paris', 'Paris'),
    ('Pari', 'Paris'),
    ('Paris Paris', 'Paris'),
    ('P a r i s', 'Paris'),
    ('Раris', 'Paris'),  # Cyrillic.
    ('Par\u200bis', 'Paris'),
    # Equal once all punctuation is gone.
    ('-5', '5'),
    ('- 5', '5'),
    ('−5', '5'),
    ('—5', '5'),
    ('1.5', '15'),
    ('.5', '5'),
    ('3,4', '34'),
    ('12:00', '1200'),
    ('1/2', '12'),
    ('5!', '5'),
    ('50%', '50'),
    ('#5', '5'),
    ('$5', '5'),
    ('[0, 1)', '(0, 1]'),
    ('(1, 2)', '[1, 2]'),
    ('C++', 'C'),
    ('C#', 'C'),
    ('x+1', 'x1'),
    ('a<b', 'ab'),
    ('x_1', 'x1'),
    ('1990-1995', '19901995'),
    ('O-', 'O'),
    ('O -', 'O'),
    ('type O- blood', 'type O blood'),
    ('A-', 'A'),
    ('A-', 'A+'),
    ('AB-', 'AB'),
    ('Cl-', 'Cl'),
    ('Cl–', 'Cl'),
    ('NO3-', 'NO3'),
    ('Fe(CN)-', 'Fe(CN)'),
    ('(O-)', '(O)'),
    ('-x', 'x'),
    ('(-x)', '(x)'),
    ('1990-', '1990'),
    # Equal once all articles are gone.
    ('vitamin', 'vitamin A'),
    ('Plan', 'Plan A'),
    ('hepatitis virus', 'hepatitis A virus'),
    ('the', 'a'),
    ('the a an', 'a'),
    # Equal in NFKC.
    ('102', '10²'),
    ('x2', 'x₂'),
    ('11/2', '1½'),
  ],
)
def test_different(answer, gold):
  assert score(answer, gold) == 0.0
  assert score(gold, answer) == 0.0


@pytest.mark.parametrize(
  'answer', ['', ' ', '.', '...', '!?', '“”', '()', '-', '\u200b', '\u3000。']
)
def test_what_is_empty_equals_nothing(answer):
  for gold in ('Paris', 'the', answer or '.'):
    assert score(answer, gold) == 0.0


@pytest.mark.parametrize(
  'response',
  [
    'Paris',
    '<think>Paris</think>',
    '<think>t<answer>Paris</answer>',
    '<think><answer>Paris</answer></think>',
    '<think>t</think><answer>Paris</answer><think>',
    '<think>t</think><answer>Paris</answer><answer>London</answer>',
  ],
)
def test_only_the_final_answer_counts(response):
  assert exact_match.reward(structs.Problem(id='p', question='?', gold='Paris'), response) == 0.0


@pytest.mark.parametrize('unit', ['\u0301\u0323', '\u0f73\u0f71', '\uff9e\u0301', 'ﷺ', '- ', '“'])
def test_a_huge_answer_is_judged_in_time(unit):
  """Linear work takes well under a second; to normalise this many marks would take minutes."""
  start = time.process_time()
  assert score('a' + unit * 200_000, 'a') == 0.0
  assert time.process_time() - start < 8


def test_an_answer_may_be_longer_than_the_gold_answer():
  gold = 'Ệ' * 500
  assert score(unicodedata.normalize('NFKD', gold) + ' ' * 800, gold) == 1.0
  assert score(' ' * 2000 + 'x' + '.' * 900, 'x') == 1.0


@given(st.text(max_size=8))
def test_what_is_normalised_stays_so_in_case_and_space(text):
  once = exact_match.normalise(text)
  assert once == once.strip() and '  ' not in once
  assert exact_match.normalise(f' {text}\n') == once


@pytest.mark.parametrize(
  'gold', ['Paris', 'The Who', 'A', 'the', '5', '-5', 'C++', '北京', '%', '½']
)
def test_check_gold_accepts_what_can_be_answered(gold):
  exact_match.check_gold(gold)
  assert score(gold, gold) == 1.0


@pytest.mark.parametrize(
  ('gold', 'allowed'),
  [
    ('', 'letter, digit or symbol'),
    (' \n', 'letter, digit or symbol'),
    ('...', 'punctuation does not count'),
    ('“”', 'punctuation does not count'),
    (None, 'must be text'),
    (5, 'must be text'),
    ('<answer>Paris</answer> is it', 'without tags'),
    (r'it is \boxed{Paris}', r'or \\boxed'),
    ('</think>Paris', 'without tags'),
  ],
)
def test_check_gold_names_what_was_found_and_what_is_allowed(gold, allowed):
  with pytest.raises(ValueError, match=allowed) as caught:
    exact_match.check_gold(gold)
  assert repr(gold) in str(caught.value)
