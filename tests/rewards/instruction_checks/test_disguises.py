import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1jax.rewards.instruction_checks import disguises, wording

DISGUISED = ['rock', 'ROCK', 'ｒｏｃｋ', '𝓻𝓸𝓬𝓴', 'ⓡⓞⓒⓚ', 'röćk', 'ʀᴏᴄᴋ', 'røck', 'r\u043e\u0441k']
DISGUISED += [
  'r\u200bo\u2060ck',
  'r\u0336o\u0336c\u0336k\u0336',
  'r\u03bfc\u03ba',
  '\u202erock\u202c',
  'ꓣꓳꓚꓗ',
  'ɾօϲκ',
  'ᏒOᏟᏦ',
  '🅡🅞🅒🅚',
]


@pytest.mark.parametrize('disguised', DISGUISED)
def test_disguises_fold_to_the_word(disguised):
  assert disguises.fold(disguised) == 'rock'
  assert disguises.count_word(f'a {disguised} b', 'rock') == 1


def test_folding_makes_no_words_of_other_scripts():
  assert disguises.count_word('यह जाल है', 'जल') == 0
  assert disguises.count_word('Éte', 'Été') == 0


@given(
  st.text('aAwr \u0430\u200b\u0301_日हि.', max_size=20), st.sampled_from(['war', 'a', '日', 'हि'])
)
def test_disguise_only_adds(text, word):
  assert disguises.count_word(text, word) >= wording.count_word(text, word)
  assert disguises.count_letter(text, 'a') >= wording.count_letter(text, 'a')


@pytest.mark.parametrize(
  ('text', 'shown'),
  [
    ('r*o***c**k', 'rock'),
    ('~~ro~~`ck`', 'rock'),
    ('<b class="x">ro</b>c<br/>k', 'rock'),
    ('ro<!-- a > b <c> -->ck', 'rock'),
    ('ro<!-- ck', 'ro'),
    ('[ro](https://a.b/c_d)ck', 'rock'),
    ('r&#111;&#x63;k&amp;', 'rock&'),
    ('a < b > c; 1<2; <3; [ro] (ck); R&D; &#;', 'a < b > c; 1<2; <3; [ro] (ck); R&D; &#;'),
    ('&#' + '9' * 5000 + ';', '&#' + '9' * 5000 + ';'),
  ],
)
def test_markup_is_not_shown(text, shown):
  assert disguises.show(text) == shown
