import pytest

from r1jax.training import outcome


def evaluation(pass_at_1, cons, *, length, checks):
  estimates = {
    'pass_at_1': {'mean': pass_at_1, 'low': pass_at_1 - 0.02, 'high': pass_at_1 + 0.03},
    'cons_at_k': {'mean': cons, 'low': cons - 0.05, 'high': cons + 0.05, 'k': 16},
  }
  return {
    'strict': estimates,
    'lenient': estimates,
    'length': {'mean': length},
    'checks_itself': checks,
    'check_wrong_to_right': 0.25,
    'check_right_to_wrong': 0.01,
  }


BASE = evaluation(0.124, 0.2, length=12.34, checks=0.03)
TRAINED = evaluation(0.85, 0.9, length=37.0, checks=0.5)


def test_rows_hold_every_number_of_both_models():
  rows = outcome.rows({'base': BASE, 'trained': TRAINED})
  pass_at_1, cons = (
    ('12.4% (10.4 to 15.4)', '85.0% (83.0 to 88.0)'),
    ('20.0% (15.0 to 25.0)', '90.0% (85.0 to 95.0)'),
  )
  assert rows == [
    ('pass@1, strict', *pass_at_1),
    ('pass@1, lenient', *pass_at_1),
    ('cons@16, strict', *cons),
    ('cons@16, lenient', *cons),
    ('response length, tokens', '12.3', '37.0'),
    ('answers that check themselves', '3.0%', '50.0%'),
    ('checks: wrong made right', '25.0%', '25.0%'),
    ('checks: right made wrong', '1.0%', '1.0%'),
  ]


def test_strict_and_lenient_are_not_mixed_up():
  strict, lenient = {'pass_at_1': {'mean': 0.1}}, {'pass_at_1': {'mean': 0.7}}
  rows = outcome.rows({'trained': {'strict': strict, 'lenient': lenient}})
  assert rows == [('pass@1, strict', '', '10.0%'), ('pass@1, lenient', '', '70.0%')]


def test_what_was_not_measured_has_no_row():
  assert outcome.rows({'base': None, 'trained': {'checks_itself': None}}) == [
    ('answers that check themselves', '', '–')
  ]
  assert outcome.rows({}) == []


@pytest.mark.parametrize(
  ('seconds', 'text'),
  [
    (0.4, '0 s'),
    (59.6, '1 min 00 s'),
    (501, '8 min 21 s'),
    (3600, '1 h 00 min'),
    (90_300, '25 h 05 min'),
  ],
)
def test_duration(seconds, text):
  assert outcome.duration(seconds) == text


def test_effort_says_what_the_run_took():
  summary = {'steps': 100, 'tokens': 2_096_128, 'seconds': 501.2}
  assert outcome.effort(summary) == '100 steps, 2,096,128 tokens, 8 min 21 s'
  found = outcome.effort(summary | {'peak_bytes': 3_240_000_000})
  assert found.endswith('8 min 21 s, up to 3.2 GB of host memory')
  assert outcome.effort({}) == outcome.effort({'peak_bytes': None}) == ''
