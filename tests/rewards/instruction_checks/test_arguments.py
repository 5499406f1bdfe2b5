"""What a gold may say: the arguments of each instruction, and the form of all."""

import json

import pytest

from r1jax.rewards import instructions

NO_COMMA = {'id': 'punctuation:no_comma'}
BULLETS = {'id': 'detectable_format:number_bullet_lists'}
WORDS = {'id': 'length_constraints:number_words'}
FIRST_WORD = {'id': 'length_constraints:nth_paragraph_first_word', 'num_paragraphs': 2}
LETTER = {'id': 'keywords:letter_frequency', 'let_relation': 'at least', 'let_frequency': 1}
EXISTENCE = {'id': 'keywords:existence'}
FAULTS = [
  ({'id': 'punctuation:comma'}, "unknown instruction 'punctuation:comma'; known: keywords"),
  ({**NO_COMMA, 'n': 1}, r"'punctuation:no_comma': it has the arguments \['n'\]; it takes \[\]"),
  (
    {**WORDS, 'relation': 'at least'},
    r"it has the arguments \['relation'\]; it takes \['num_words', 'relation'\]",
  ),
  ({**WORDS, 'relation': 'about', 'num_words': 3}, "'about'; it must be 'at least' or 'less than'"),
  ({**EXISTENCE, 'keywords': []}, 'a list of texts'),
  ({**EXISTENCE, 'keywords': 'war'}, 'a list of texts'),
  ({**EXISTENCE, 'keywords': ['war', '\u200b']}, 'a list of texts'),
  ({'id': 'startend:end_checker', 'end_phrase': ' . '}, 'text with a letter or a digit'),
  ({'id': 'language:response_language', 'language': 'tlh'}, 'one of am, ar, as'),
  ({**LETTER, 'letter': 'ab'}, 'one character that can be seen'),
  ({**LETTER, 'letter': ' '}, 'one character that can be seen'),
  ({**LETTER, 'letter': '\u200b'}, 'one character that can be seen'),
  (
    {**FIRST_WORD, 'nth_paragraph': 3, 'first_word': 'a'},
    'its nth_paragraph is 3, beyond its 2 paragraphs',
  ),
  ({**FIRST_WORD, 'nth_paragraph': 1, 'first_word': 'two words'}, 'one word'),
]
FAULTS += [
  ({**BULLETS, 'num_bullets': number}, 'a whole number from 1')
  for number in (0, -1, True, 1.0, '1', None, [1])
]


@pytest.mark.parametrize(('said', 'fault'), FAULTS)
def test_a_gold_that_no_check_can_read_is_an_error(said, fault):
  with pytest.raises(ValueError, match=fault):
    instructions.check_gold(json.dumps({'instructions': [said]}))


@pytest.mark.parametrize(
  ('gold', 'fault'),
  [
    (None, 'must be text'),
    ({'instructions': []}, 'must be text'),
    ('72', 'must be JSON of the form'),
    ('', 'must be JSON of the form'),
    ('{}', 'must be JSON of the form'),
    ('{"instructions": []}', 'at least one instruction'),
    ('{"instructions": ["punctuation:no_comma"]}', 'must be JSON of the form'),
    ('{"instructions": [{}]}', 'must be JSON of the form'),
    ('{"instructions": [{"id": 3}]}', 'must be JSON of the form'),
    ('{"instructions": [{"id": "punctuation:no_comma"}, {"id": 3}]}', 'must be JSON of the form'),
    ('{"instructions": [{"id": []}]}', 'must be JSON of the form'),
    ('{"instructions": {"id": "punctuation:no_comma"}}', 'must be JSON of the form'),
  ],
)
def test_a_gold_of_another_form_is_an_error(gold, fault):
  with pytest.raises(ValueError, match=fault):
    instructions.check_gold(gold)
