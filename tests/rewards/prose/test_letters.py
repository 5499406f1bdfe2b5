import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1jax.rewards.prose import letters


@pytest.mark.parametrize(
  ('text', 'folded'),
  [
    ('plain, 12.5%: $x$', 'plain, 12.5%: $x$'),
    ('ｈｅｌｌｏ', 'hello'),
    ('𝐡𝑒𝓵𝕝𝚘', 'hello'),
    ('ⓗⓔⓛⓛⓞ', 'hello'),
    ('ﬁve', 'five'),
    ('㎏ ㍿', 'kg 株式会社'),
    ('ｶﾞ', 'カ\u3099'),
    ('⼀', '一'),
    # What is not seen parts no word: zero width, direction, soft hyphen, controls, fillers, halves
    # of surrogate pairs, private use.
    ('h\u200be\u2060l\ufeffl\xado', 'hello'),
    ('\u202eh\x00i\u3164\ue000\ud800\udfff', 'hi'),
    # Exponents and indices are no letters of the word they stand at.
    ('xⁿ 2ᵗʰ aₙ m²', 'x  2   a  m '),
    ('ᵗʰᵉ ᵗʷᵒ ₐₑ xᵃᵇᶜ', 'the two ae xabc'),
    # Signs of letters.
    ('🅰🅝🄳 🇹🇼🇴 ⒜⒩⒟', 'AND TWO and'),
    # Full-width digits and signs stay, and so do letters that only look alike.
    ('１（＄）', '１（＄）'),
    ('а ο ԁ', 'а ο ԁ'),
    ('é e\u0301', 'é e\u0301'),
    ('a\r\nb\rc\u2028d\x0ce', 'a\nb\nc\nd\ne'),
    ('a\tb\xa0c\u3000d', 'a b c d'),
    # A character that stands for a sentence stays one.
    ('ﷺ', 'ﷺ'),
  ],
)
def test_fold(text, folded):
  assert letters.fold(text) == folded


@given(st.text())
def test_folded_text_stays_as_it_is(text):
  assert letters.fold(letters.fold(text)) == letters.fold(text)


@pytest.mark.parametrize(
  ('characters', 'script'),
  [
    ('aZéßʼ', 'LATIN'),
    ('аЯі', 'CYRILLIC'),
    ('αΩ', 'GREEK'),
    ('中々〇㐀𠀀', 'HAN'),
    ('あアー', 'KANA'),
    ('한ㄱ', 'HANGUL'),
    ('कि', 'DEVANAGARI'),
    ('ทั', 'THAI'),
    ('⠹⠺', 'BRAILLE'),
    ('١1_①', 'NUMBER'),
    ('\u0301\ufe0f', ''),
  ],
)
def test_script(characters, script):
  # The modifier apostrophe has no script of its own.
  assert {letters.script(character) for character in characters.replace('ʼ', '')} == {script}
