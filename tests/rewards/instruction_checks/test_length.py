import functools

from r1jax.rewards.instruction_checks import length

# Nine words: one more than a heading may have.
UNENDED = 'a page without a full stop is not nothing'


def test_number_paragraphs(misjudged):
  check = functools.partial(length.number_paragraphs, num_paragraphs=2)
  right = ['a\n***\nb', 'a\n\n***\n\nb', 'a *** b', '\n***\na\n***\nb\n***\n', 'a\n***\n***b*** b']
  wrong = [
    'a',
    'a\n\nb',
    'a\n***\nb\n***\nc',
    'a\n***\n',
    'a\n***\n***\nb',
    'a\n***\n.',
    'a\n****\nb',
    'a\n**\nb',
    '***a*** b',
    'a\n***\n\u200b',
    'a***b',
  ]
  assert misjudged(check, right, wrong) == []


def test_number_words(misjudged):
  check = functools.partial(length.number_words, relation='at least', num_words=3)
  right = ['one two three', 'one, two-three', '1 2 3', 'यह हिन्दी है']
  wrong = ['one two', 'one two _ _ _', 'one two * - .', 'one two \u200b', 'हिन्दी है', '一二三']
  assert misjudged(check, right, wrong) == []
  check = functools.partial(length.number_words, relation='less than', num_words=3)
  right = ['one two', 'one two ___', 'हिन्दी है', 'می\u200cخواهم بروم', 'क्\u200dष है', 'สวัสดี ครับ']
  right += ['이 indicator를', 'cafe\u0301 cre\u0300me', 'oneTwoThreeFour', 'one 👍\ufe0f two']
  wrong = ['one two three', '一二三', 'one\u3000two\u3164three', 'ein-zwei drei']
  # What nobody sees, or takes for a letter, parts words that somebody does see.
  for mark in '\u200b\u200d\u2060\u00ad\u180e\u034f\ufe0fʼˈˑːـㆍｰᐧǀⁱ':
    wrong.append(f'one{mark}two{mark}three')
  wrong += ['один\u200dдва\u200dтри', 'одинˑдваˑтри', 'สวัสดีครับผมชื่อทอมครับ']
  assert misjudged(check, right, wrong) == []


def test_number_sentences(misjudged):
  check = functools.partial(length.number_sentences, relation='at least', num_sentences=2)
  right = ['It is. It was.', 'Why? Oh!', '好。好！', 'Dr. No came. He left.']
  wrong = [
    'It is.',
    'It is. It was',
    'Dr. No came.',
    'It costs 3.14 dollars.',
    'Well... maybe.',
    '. . .',
    '1. 2. 3.',
    'It is\n\nIt was\n\n',
  ]
  assert misjudged(check, right, wrong) == []
  check = functools.partial(length.number_sentences, relation='less than', num_sentences=2)
  right = [
    'It is.',
    'It is',
    'Dr. No came.',
    '# Some page has a title of eight words\n\nIt is.',
    '"Stop!" he said.',
    'It is by J. K. Rowling of the U.S. Capitol.',
    UNENDED,
  ]
  wrong = [
    'It is. It was.',
    'It is.It was.',
    f'{UNENDED}\n\n{UNENDED}',
    f'* {UNENDED}\n* {UNENDED}',
    f'It is.\n\n{UNENDED}',
    'This is plan B. Go.',
    'It was 5 p.m. We left.',
  ]
  assert misjudged(check, right, wrong) == []


def test_nth_paragraph_first_word(misjudged):
  check = functools.partial(
    length.nth_paragraph_first_word, num_paragraphs=2, nth_paragraph=2, first_word='Elm'
  )
  right = [
    'a\n\nElm b',
    'a\n\n\n\nelm',
    'a\n \nELM, b',
    'a\n\n"**Elm** b"',
    ' \n\na\n\nelm',
    "a\n\nelm's b",
  ]
  wrong = [
    'a\n\nb Elm',
    'Elm\n\nb',
    'a\nElm',
    'a\n\nElm\n\nb',
    'a\n\nElmwood',
    'a\n\n---\n\nElm',
    '---\n\nelm',
    '\u200b\n\nelm',
    'a\n\nEl m',
    'a\n\n1. elm',
  ]
  assert misjudged(check, right, wrong) == []
