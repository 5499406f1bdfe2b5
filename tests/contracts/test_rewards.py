"""What holds for every reward module: each has one term, `reward(problem, response)`."""

import dataclasses
import importlib
import json
import pkgutil
import random
import string
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import r1jax.rewards
from r1jax import build, structs

MODULES = {
  info.name: importlib.import_module(f'r1jax.rewards.{info.name}')
  for info in pkgutil.iter_modules(r1jax.rewards.__path__)
}
TERMS = {name: module.reward for name, module in MODULES.items() if hasattr(module, 'reward')}
# Modules that are no term, and terms that do not look at the answer.
NO_TERM = {
  'asked_form', 'combine', 'equivalence', 'final_answer', 'quotation', 'sandbox', 'shaping',
  'workers',
}  # fmt: skip
PACKAGES = {'execution', 'instruction_checks', 'mathematics', 'prose'}
BLIND = {
  'format',
  'language',
  'random_reward',
  'readability',
  'reasoning_steps',
  'repetition',
  'tag_count',
}
# Their gold answers are no answers, but say what an answer is tested with.
TESTED = {'instructions', 'programs'}
JUDGES = sorted(TERMS.keys() - BLIND - TESTED)

GOLDS = ['72', '-5', '1000', '0.5', '1/3', '123456789012345678901234567890', '0']
CANONICAL = '<think>first one step, then another</think>\n<answer>{}</answer>'


def plain(gold):
  return structs.Problem(id='p', question='How many?', gold=gold)


def multiple_choice(gold):
  """The question with all golds as options: an answer that is a gold is the text of its option."""
  options = dict(zip(string.ascii_uppercase, dict.fromkeys([*GOLDS, gold])))
  (letter,) = (letter for letter, text in options.items() if text == gold)
  return dataclasses.replace(plain(letter), metadata={'options': options})


def asked_for(gold):
  """The question with what its answer is tested by."""
  return lambda answer: plain(json.dumps(gold))


# The problem that a term judges, by its right answer, where it needs more than that.
ASKED = {
  'choice': multiple_choice,
  'instructions': asked_for({'instructions': [{'id': 'punctuation:no_comma'}]}),
  'programs': asked_for({'kind': 'stdin', 'tests': [{'input': '', 'output': '72'}]}),
}


def asked(name, gold='72'):
  return ASKED.get(name, plain)(gold)


def score(name, response, gold='72'):
  return TERMS[name](asked(name, gold), response)


every_term = pytest.mark.parametrize('name', TERMS)

EDGE_CASES = {
  'empty': '',
  'blank': ' \n\t\u3000',
  'nul': '\0' * 10,
  'no tags': '72',
  'chinese': '<think>先算一步</think><answer>七十二</answer>',
  'emoji': '🤔<think>🧮</think><answer>7️⃣2️⃣</answer>',
  'right to left': '<think>\u202e27</think><answer>\u202e27</answer>',
  'combining': '<think>t</think><answer>7\u03012</answer>',
  'other digits': '<think>t</think><answer>٧٢</answer>',
  'lone surrogates': '\ud800<think>\udfff</think><answer>\ud800</answer>',
  'byte order mark': '\ufeff<think>t</think><answer>72</answer>',
  'zero width': '<think>t</think><answer>7\u200b2</answer>',
  'format string': '{}%s{0}<answer>{gold}%(x)s</answer>',
  'regular expression': '(((((a+)+)+)+)+$<answer>.*</answer>',
  'code': '<answer>__import__("os").abort()</answer>',
  'giant exponent': '<think>t</think><answer>1e999999999</answer>',
  'giant power': '<think>t</think><answer>9**9**9**9</answer>',
  'infinite': '<think>t</think><answer>inf</answer>',
  'not a number': '<think>t</think><answer>nan</answer>',
  'division by zero': '<think>t</think><answer>1/0</answer>',
  'division by zero in LaTeX': r'<think>t</think>\boxed{\frac{0}{0}}',
  'digits': '<think>t</think><answer>' + '9' * 10_000 + '</answer>',
  'tags in a row': '<think></think><answer></answer>' * 100,
  'unbalanced': r'\boxed{\boxed{{{\{',
}


def test_every_module_is_a_term_or_known_not_to_be():
  assert set(MODULES) - set(TERMS) == NO_TERM | PACKAGES
  assert set(TERMS) > BLIND | TESTED


@every_term
@pytest.mark.parametrize('response', EDGE_CASES.values(), ids=EDGE_CASES)
def test_any_response_has_a_value_in_range(name, response):
  value = score(name, response)
  assert type(value) is float
  assert 0 <= value <= 1


@every_term
@settings(max_examples=50)
@given(
  st.lists(
    st.sampled_from(
      ['<think>', '</think>', '<answer>', '</answer>', r'\boxed{', '{', '}', '72', ' ', 'x', '\\']
    )
    | st.text(max_size=3)
  ).map(''.join)
)
def test_any_text_has_a_value_in_range_and_the_same_twice(name, response):
  value = score(name, response)
  assert 0 <= value <= 1
  assert score(name, response) == value


@every_term
def test_value_depends_on_nothing_but_its_arguments(name):
  """Neither on random state, nor on what was scored before, nor on other fields of the problem."""
  responses = [CANONICAL.format(i) for i in range(60, 80)] + list(EDGE_CASES.values())
  values = [score(name, response) for response in responses]
  random.seed(1)
  np.random.seed(1)
  backwards = [score(name, response) for response in reversed(responses)]
  assert backwards[::-1] == values
  one = asked(name)
  other = dataclasses.replace(one, question='Why?', metadata={**one.metadata, 'depth': 3})
  assert [TERMS[name](other, response) for response in responses] == values


@every_term
def test_random_and_argument_state_is_left_alone(name):
  one = asked(name)
  before = (random.getstate(), dict(one.metadata), vars(one).copy())
  TERMS[name](one, CANONICAL.format(72))
  assert (random.getstate(), dict(one.metadata), vars(one)) == before


@every_term
@pytest.mark.parametrize(
  'unit', ['<answer>', '<think>', '</think>', '{', r'\boxed{', '1', '1,', '-', ' ', '$', r'\(', 'é']
)
def test_huge_responses_are_scored_in_time(name, unit):
  """Linear work takes well under a second; quadratic work would take minutes.

  By the clock of this thread: others of a process that ran other tests are busy, too.
  """
  filler = unit * (300_000 // len(unit))
  start = time.thread_time()
  for response in (filler, CANONICAL.format(filler), rf'\boxed{{{filler}}}', filler + '72'):
    assert 0 <= score(name, response) <= 1
  assert time.thread_time() - start < 5


@pytest.mark.parametrize('name', JUDGES)
@pytest.mark.parametrize('gold', GOLDS)
def test_gold_scores_1_and_the_gold_of_another_problem_0(name, gold):
  for other in GOLDS:
    assert score(name, CANONICAL.format(other), gold) == float(gold == other)


@pytest.mark.parametrize('name', JUDGES)
@pytest.mark.parametrize('response', ['', ' ', '<think>t</think><answer></answer>', r'\boxed{}'])
def test_no_answer_scores_0_even_if_the_gold_answer_holds_it(name, response):
  # An option that is blank is an error, and no right answer.
  for gold in ('72', 'Paris', *([' '] if name != 'choice' else [])):
    assert score(name, response, gold) == 0.0


@pytest.mark.parametrize('name', sorted(BLIND))
def test_blind_terms_do_not_look_at_the_gold_answer(name):
  for i in range(20):
    response = CANONICAL.format(i)
    assert score(name, response, '1') == score(name, response, '2')


def test_every_term_has_a_name_in_configs():
  """Some, such as `accuracy`, go with the problems' kind of answers."""
  named = set(build.REWARDS.values())
  named |= {term for kind in build.KINDS.values() for term in kind.terms.values()}
  assert {name for name, term in TERMS.items() if term not in named} == set()
