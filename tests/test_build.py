"""What names in a config stand for."""

import os
import re

import numpy as np
import pytest

from r1jax import build
from r1jax.evaluation import judging
from r1jax.rewards import sandbox
from r1jax.structs import Problem
from r1jax.text.templates import TEMPLATES


def fails(text):
  return pytest.raises(ValueError, match=re.escape(text))


def test_a_reward_term_is_of_the_table_or_of_a_module():
  problem = Problem('1', '6*7=?', '42')
  assert build.reward_term('accuracy')(problem, '<answer>42</answer>') == 1.0
  assert build.reward_term('r1jax.rewards.lenient.reward')(problem, '42') == 1.0


TESTED = '{"kind": "stdin", "tests": [{"input": "", "output": "42"}]}'
THOUGHT, FREE = '<think>x</think><answer>{}</answer>', '<answer>{}</answer>'


@pytest.mark.parametrize(
  ('kind', 'problem', 'answer', 'wrong'),
  [
    ('math', Problem('1', '6*7=?', '42'), '42', '43'),
    ('text', Problem('1', 'Which language?', 'C++'), 'the c++', 'C'),
    (
      'choice',
      Problem('1', 'Where?', 'B', {'options': {'A': 'Rome', 'B': 'Paris'}}),
      '(B) Paris',
      'A',
    ),
    ('programs', Problem('1', '?', TESTED), '```python\nprint(42)\n```', '42'),
    (
      'instructions',
      Problem('1', '?', '{"instructions": [{"id": "punctuation:no_comma"}]}'),
      'None',
      ',',
    ),
  ],
)
def test_accuracy_strict_and_lenient_go_by_the_kind_of_problem(kind, problem, answer, wrong):
  if kind == 'programs':
    try:
      sandbox.default_backend()
    except sandbox.UnavailableError as error:
      pytest.skip(f'programs cannot be run safely here: {error}')
  terms = {
    name: build.reward_term(name, build.KINDS[kind]) for name in ('accuracy', 'strict', 'lenient')
  }
  build.KINDS[kind].check(problem)
  for text, values in (
    (THOUGHT.format(answer), (1, 1, 1)),
    (FREE.format(answer), (1, 0, 1)),
    (THOUGHT.format(wrong), (0, 0, 0)),
  ):
    found = {name: term(problem, text) for name, term in terms.items()}
    assert tuple(found.values()) == values, text


@pytest.mark.parametrize('kind', ['math', 'text', 'choice'])
def test_strict_asks_for_the_format_where_the_prompt_does(kind):
  """As R1's distilled models answer, who were taught no answer tags."""
  problem = Problem('1', 'Which?', 'B', {'options': {'A': '1', 'B': '2'}})
  answers = [THOUGHT.format('B'), '<think>\nx</think>\n\\boxed{B}', '<think>\n\\boxed{B}']
  for name, expected in (('r1_zero', [1, 0, 0]), ('boxed', [1, 1, 0])):
    judges = build.KINDS[kind].judges_of(TEMPLATES[name]('Which?'))
    strict, vote = judges['strict']
    assert [strict(problem, answer) for answer in answers] == expected, name
    assert [vote(problem, answer) for answer in answers] == ['B' if e else None for e in expected]
    assert judges['lenient'] == build.KINDS[kind].judges['lenient']


def test_votes_for_text_are_equal_where_the_reward_is():
  _, vote = build.KINDS['text'].judges['lenient']
  problem = Problem('1', 'Which language?', 'C++')
  assert vote(problem, FREE.format('the c++')) == 'C++'
  assert vote(problem, FREE.format('C')) == 'C'
  assert vote(problem, 'C++') is None


@pytest.mark.parametrize('gold', ['C++', 'a & b', r'\frac{', 'x = = 2', '{"a": [1, 2}', '√(', '%'])
def test_text_that_is_no_formula_can_be_judged_in_evaluations(gold):
  """All of an evaluation's record, which asks the mathematical judge too how answers change."""
  problem = Problem('1', 'What?', gold)
  build.KINDS['text'].check(problem)
  right = f'<think>{gold} Wait, let me check: {gold}</think><answer>{gold}</answer>'
  wrong = '<think>7. Wait, let me check: 8</think><answer>7</answer>'
  record = judging.judge(
    [problem], [[right, wrong]], np.array([[9, 9]]), judges=build.KINDS['text'].judges
  )
  assert record['strict']['pass_at_1']['mean'] == record['lenient']['pass_at_1']['mean'] == 0.5
  assert 0 <= record['strict']['cons_at_k']['mean'] <= 1


def test_an_unknown_reward_term_is_named_with_those_there_are():
  with fails(
    "reward term 'accurcy' is neither one of accuracy, strict, lenient, exact_match, form"
  ):
    build.reward_term('accurcy')


@pytest.mark.parametrize(
  ('name', 'cause'),
  [
    ('r1jax.rewards.acuracy.reward', " cannot be imported: No module named 'r1jax.rewards.acu"),
    ('a.', " cannot be imported: No module named 'a'"),
    (
      'r1jax.rewards.lenient.rewrd',
      ": r1jax.rewards.lenient has no function 'rewrd'; its functions are reward, vote",
    ),
  ],
)
def test_of_a_reward_term_in_a_module_the_cause_is_said_first(name, cause):
  with fails(f'reward term {name!r}{cause}'):
    build.reward_term(name)


@pytest.mark.parametrize('name', ['', 'foo', 'json', '.', ':', ':short'])
def test_a_reward_term_without_a_module_is_told_how_to_name_one(name):
  with fails("nor a function named with its module, as 'my_rewards.whole_number'"):
    build.reward_term(name)


def test_a_reward_term_may_be_in_a_file(tmp_path):
  file = tmp_path / 'my_rewards.py'
  file.write_text(
    """
import dataclasses

@dataclasses.dataclass
class Limit:  # Needs its module to be found.
  value: int

def short(problem, response):
  return float(len(response) <= Limit(3).value)
"""
  )
  term = build.reward_term(f'{file}:short')
  assert [term(Problem('1', '?', '1'), text) for text in ('123', '1234')] == [1.0, 0.0]


def test_of_a_reward_term_in_a_file_the_cause_is_said_first(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'bad.py').write_text(
    'from math import sqrt\nthree = 3\n'
    'def two(problem, response): ...\ndef _one(): ...\ndef four(problem, response): ...\n'
  )
  for name, cause in (
    ('bad.py:tow', ": bad.py has no function 'tow'; its functions are two, four"),
    ('bad.py', ": bad.py has no function ''; its functions are two, four"),
    ('bad.py:three', ': bad.py has three = 3; its functions are two, four'),
    ('bad:two', " cannot be imported: bad is no Python file; the name of one ends in '.py'"),
    ('other.py:two', ' cannot be imported: [Errno 2] No such file or directory'),
  ):
    with pytest.raises(ValueError, match='^' + re.escape(f'reward term {name!r}{cause}')) as error:
      build.reward_term(name)
    assert 'exact_match' not in str(error.value)


def test_terms_of_one_file_share_its_variables_until_it_changes(tmp_path):
  file = tmp_path / 'mine.py'
  text = 'seen = []\ndef one(problem, response):\n  seen.append(1)\n  return 0.0\n'
  file.write_text(text + 'def two(problem, response):\n  return len(seen) / 2\n')
  one, two = (build.reward_term(f'{file}:{name}') for name in ('one', 'two'))
  one(None, '')
  assert two(None, '') == 0.5
  file.write_text(text + 'def two(problem, response):\n  return 0.25\n')
  os.utime(file, ns=(0, 0))
  assert build.reward_term(f'{file}:two')(None, '') == 0.25


def test_a_reward_term_is_a_function():
  with fails("reward term 'math.pi': math has pi = 3.14"):
    build.reward_term('math.pi')
