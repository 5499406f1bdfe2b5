import re

import chains
import pytest

from r1jax.rewards.prose import languages, words


def share(text, language):
  """Share of the words of a text that are of a language."""
  judged = [is_own for _, is_own in languages.judge(words.split(text), language)]
  return sum(judged) / len(judged)


every_language = pytest.mark.parametrize('name', chains.TEXTS)


@every_language
def test_a_clean_text_is_in_its_language_and_not_in_english_or_chinese(name):
  language = name.partition('-')[0]
  assert languages.main_language(words.split(chains.TEXTS[name])) == language
  assert share(chains.TEXTS[name], language) >= 0.95
  for other in {'en', 'zh'} - {language}:
    assert share(chains.TEXTS[name], other) <= 0.05


@every_language
def test_english_is_in_no_other_language(name):
  assert share(chains.ENGLISH, name.partition('-')[0]) <= 0.05
  assert share(chains.ENGLISH, 'en') == 1


@every_language
def test_sentences_that_alternate_with_english_are_told_apart(name):
  sentences = (
    re.split('[.。।] ?', chains.TEXTS[name]) if name != 'th' else chains.TEXTS[name].split()
  )
  pairs = list(zip(chains.ENGLISH.split('. '), sentences))
  english = sum(len(words.split(ours)[0]) for ours, _ in pairs)
  foreign = sum(len(found) for _, theirs in pairs for found in words.split(theirs))
  mixed = ' '.join(f'{ours}. {theirs}.' for ours, theirs in pairs)
  assert share(mixed, 'en') == pytest.approx(english / (english + foreign), abs=0.1)


def test_related_languages_are_told_apart():
  """In doubt for the target, but not where the whole text is another language."""
  for name, other in [('ru', 'uk'), ('es', 'pt'), ('pt', 'es'), ('nl', 'de'), ('id', 'tl')]:
    assert share(chains.TEXTS[name], other) <= 0.2


@pytest.mark.parametrize(
  'text',
  [
    'We use the Cauchy-Schwarz inequality, and Bézout gives gcd one.',
    'Gervais drove 315 miles + 24 miles',
    '3 pages + 4 pages + 5 pages + 6 pages = 18 pages.',
    'The café sells six croissants to the Müller family for eight euros.',
    'Luka, Ian, Priya, Giuseppe and Nguyen each have the same number of euros.',
    'It is a reductio ad absurdum, so quod erat demonstrandum.',
  ],
)
def test_names_and_terms_do_not_make_english_foreign(text):
  assert share(text, 'en') == 1


def test_a_foreign_sentence_within_english_is_foreign():
  text = 'First we add the two numbers. Ensuite nous divisons le tout par trois. Then we are done.'
  assert share(text, 'en') == 10 / 17


def test_a_sentence_without_end_is_judged_in_pieces():
  english = 'first we add the apples in the two baskets and then we take away the ones she ate '
  french = (
    "d'abord nous comptons toutes les pommes dans les deux paniers puis nous enlevons celles "
  )
  assert share(english * 2 + french * 2, 'en') == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize(
  ('text', 'chinese', 'japanese'),
  [
    ('我们先算苹果的数量，然后加起来，答案是十八。', 1, 0),
    ('我們先計算蘋果的數量，然後加起來，答案是十八。', 1, 0),
    ('りんごの数を計算して、半分を弟にあげました。', 0, 1),
    # One kana does not make Chinese Japanese.
    ('我们在优の良品店里先算苹果的数量，然后全部加起来，答案就是十八个苹果。', 0.9, 0.1),
  ],
)
def test_chinese_and_japanese_share_characters(text, chinese, japanese):
  assert share(text, 'zh') == pytest.approx(chinese, abs=0.1)
  assert share(text, 'ja') == pytest.approx(japanese, abs=0.1)


@pytest.mark.parametrize(
  ('text', 'language'),
  [
    ('What is 3+4?', 'en'),
    ('Compute $3+4$.', 'en'),
    ('Combien font 3+4 ?', 'fr'),
    ('Was ist 3+4?', 'de'),
    ('3+4等于多少？', 'zh'),
    ('3+4はいくつですか。', 'ja'),
    ('3+4는 얼마입니까?', 'ko'),
    ('Сколько будет 3+4?', 'ru'),
    ('What does 苹果 mean in English?', 'en'),
    ('3+4=?', None),
    ('', None),
    ('ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ', None),
  ],
)
def test_main_language(text, language):
  assert languages.main_language(words.split(text)) == language


@pytest.mark.parametrize(
  ('text', 'language'),
  [
    *(('Yes it is.', 'en'), ('So the answer is.', 'en'), ('Also fünf Äpfel.', 'de')),
    *(('Donc cinq pommes total.', 'fr'), ('La respuesta es', 'es')),
  ],
)
def test_a_short_text_is_not_in_doubt_of_every_language(text, language):
  assert share(text, language) == 1
  for other in {'en', 'de', 'fr', 'es'} - {language}:
    assert share(text, other) == 0
  # Words of another script make it no longer.
  assert share(f'{text} 我们来看看怎么做', 'nl') == 0


def test_a_short_phrase_within_a_text_is():
  assert share('First we add the two numbers. Nguyen, Gonzalez.', 'en') == 1


def test_every_language_is_known_to_the_detector():
  for script, codes in languages.WRITTEN_IN.items():
    if len(codes) > 1:
      assert set(languages._detect(['x'], script)) == set(codes)
