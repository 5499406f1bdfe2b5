import time

import pytest

from r1jax.evaluation import behaviour


@pytest.mark.parametrize(
  'text',
  [
    'So 72. Check: 48+24=72.',
    'Let me check.',
    'let me double-check this',
    'Rechecking? I recheck it.',
    'I verified it.',
    'By verification, 72.',
    'Wait, 48/2 is 24.',
    '48/2=23\nwait, no',
    '48/2=23. But wait, no',
    'Hmm, wait. That is wrong.',
    '37*3=12 Wait, 11, not 12.',
    '检查：48+24=72',
    '我们来验算一下',
    '48/2=23。等等，是24，不是23。',
    '等等，不对',
    '我check一下',
  ],
)
def test_checks_itself(text):
  assert behaviour.checks_itself(text)


@pytest.mark.parametrize(
  'text',
  [
    '',
    '48/2=24, 48+24=72',
    'The waiter waits at the checkout.',
    'They wait 5 minutes for the paycheck.',
    'a checkerboard and checkers',
    'at the check-in',
    'she is on the wait-list',
    '她买了苹果、梨等等。',
    '苹果、梨、等等',
  ],
)
def test_does_not_check_itself(text):
  assert not behaviour.checks_itself(text)


@pytest.mark.parametrize(
  ('text', 'answer'),
  [
    ('48/2=23, so 71. Check: 48/2=24. So 72', '71'),
    ('71. Check: 72. Wait, 73', '71'),
    ('答案是71。检查：72', '71'),
    ('Let me check: 72', None),
    ('72', None),
  ],
)
def test_answer_before_check_is_the_last_number_before_the_first_check(text, answer):
  assert behaviour.answer_before_check(text) == answer


@pytest.mark.parametrize('unit', ['.', ' ', '\n', 'wai', 'chec', 're', '等', '. but '])
def test_hostile_text_takes_linear_time(unit):
  text = unit * (300_000 // len(unit))
  start = time.process_time()
  behaviour.checks_itself(text)
  behaviour.answer_before_check(text + ' check')
  assert time.process_time() - start < 5
