import dataclasses
import re

import numpy as np
import pytest

from r1jax.tasks.world import World, styles
from r1jax.tasks.world.styles import STYLES, Habits, tagged

PROBLEMS = [World(split='train', depths=(1, 10))[index] for index in range(300)]
DEEP = [problem for problem in PROBLEMS if problem.metadata['depth'] > 1]
FLAWLESS = Habits(slip=0.0, checked_slip=0.0, unnoticed=0.0, jump_wrong=0.0, guess_right=1.0)
CHECKS = 'Check:|Let me check|检查'
DOUBTS = 'Wait|等等'


def rng(seed=0):
  return np.random.default_rng(seed)


def answer_all(style, habits, asked=PROBLEMS, seed=0):
  source = rng(seed)
  return [(problem, STYLES[style](problem, source, habits)) for problem in asked]


def equations(text):
  """What is written as `left op operand = right`, single steps only."""
  found = re.findall(r'(?<![\d+*/-])(\d+)([-+*/])(\d+)=(\d+)', text)
  return [(int(left), op, int(operand), int(right)) for left, op, operand, right in found]


def holds(left, op, operand, right):
  if op == '/':
    return right * operand == left
  return right == {'+': left + operand, '-': left - operand, '*': left * operand}[op]


def last_number(text):
  return int(re.findall(r'\d+', text)[-1])


def accuracy(answers):
  return np.mean([thought.answer == int(problem.gold) for problem, thought in answers])


@pytest.mark.parametrize('style', STYLES)
def test_without_flaws_every_style_is_right(style):
  for problem, thought in answer_all(style, FLAWLESS):
    assert thought.answer == int(problem.gold)
    assert str(last_number(thought.reply)) == problem.gold


@pytest.mark.parametrize('style', STYLES)
def test_the_answer_is_the_last_number_of_the_reply(style):
  for _, thought in answer_all(style, Habits(slip=0.2, checked_slip=0.5, unnoticed=0.5)):
    assert last_number(thought.reply) == thought.answer


@pytest.mark.parametrize('style', ['careful', 'mixed'])
def test_a_careful_chain_is_the_problem_step_by_step(style):
  for problem, thought in answer_all(style, FLAWLESS):
    chain = equations(thought.thinking)
    assert [[op, operand] for _, op, operand, _ in chain] == problem.metadata['steps']
    assert [right for *_, right in chain] == problem.metadata['values']
    assert all(holds(*equation) for equation in chain)
    assert chain[0][0] == problem.metadata['start']


def test_a_slip_is_near_and_carried_forward():
  seen = 0
  for problem, thought in answer_all('careful', Habits(slip=0.5)):
    chain = equations(thought.thinking)
    assert [[op, operand] for _, op, operand, _ in chain] == problem.metadata['steps']
    assert [left for left, *_ in chain[1:]] == [right for *_, right in chain[:-1]]
    assert thought.answer == chain[-1][-1]
    first = next((at for at, equation in enumerate(chain) if not holds(*equation)), None)
    if first is not None:
      seen += 1
      assert 1 <= abs(chain[first][-1] - problem.metadata['values'][first]) <= 10
  assert seen > 100


def test_steps_slip_as_often_as_they_should():
  first_steps = [
    equations(thought.thinking)[0] for _, thought in answer_all('careful', Habits(slip=0.2))
  ]
  # 300 draws at 0.2: standard deviation 0.023.
  assert np.mean([not holds(*equation) for equation in first_steps]) == pytest.approx(0.2, abs=0.08)


def test_a_guess_gets_worse_with_depth():
  world = [World(split='train', depths=(depth, depth)) for depth in (1, 2, 3, 6)]
  asked = [[split[index] for index in range(800)] for split in world]
  rates = [accuracy(answer_all('blurt', Habits(guess_right=0.5), problems)) for problems in asked]
  # 800 draws at one half: standard deviation 0.018.
  assert rates == pytest.approx([1.0, 0.5, 0.25, 0.03125], abs=0.06)


def test_a_guess_is_short_and_a_wrong_one_near():
  for problem, thought in answer_all('blurt', Habits(guess_right=0.0), DEEP):
    assert 1 <= abs(thought.answer - int(problem.gold)) <= 12
    assert 1 <= thought.answer <= 99
    assert re.findall(r'\d+', thought.reply) == [str(thought.answer)]
    assert not re.search(r'\d', thought.thinking)
    assert len(thought.reply) < 25


def test_careless_chains_jump():
  for problem, thought in answer_all('careless', FLAWLESS, DEEP):
    written = re.findall(r'=(\d+)', thought.thinking)
    assert len(written) < problem.metadata['depth']


def test_a_jump_lands_wrong_as_often_as_it_should():
  shallow = [problem for problem in DEEP if problem.metadata['depth'] in (2, 3)]
  half = accuracy(answer_all('careless', Habits(jump_wrong=0.5), shallow * 5))
  assert half == pytest.approx(0.5, abs=0.12)
  assert accuracy(answer_all('careless', Habits(jump_wrong=1.0), shallow)) < 0.15


def test_merged_jumps_keep_the_steps():
  """Merged equations and single ones together never tell another problem."""
  merged = 0
  for problem, thought in answer_all('careless', FLAWLESS, DEEP):
    steps = ''.join(f'{op}{operand}' for op, operand in problem.metadata['steps'])
    for left, several in re.findall(r'(\d+)((?:[-+*/]\d){2,})=', thought.thinking):
      merged += 1
      assert several in steps
      assert int(left) in [problem.metadata['start'], *problem.metadata['values']]
  assert merged > 50


def test_a_check_turns_every_slip_it_notices():
  habits = Habits(checked_slip=1.0, unnoticed=0.0)
  for problem, thought in answer_all('checking', habits):
    assert thought.answer == int(problem.gold)
    assert re.search(DOUBTS, thought.thinking)
    assert not all(holds(*equation) for equation in equations(thought.thinking))


def test_a_check_of_the_whole_chain_says_what_was_wrong():
  habits = Habits(checked_slip=1.0, unnoticed=0.0, doubt_at_once=0.0)
  for problem, thought in answer_all('checking', habits):
    depth, values = problem.metadata['depth'], problem.metadata['values']
    before, after = re.split(CHECKS, thought.thinking)
    chain, check = equations(before), equations(after)
    assert len(chain) == depth
    assert [right for *_, right in check] == values
    right, wrong = map(int, re.search(r'(?:Wait, |是)(\d+)(?:, not |，不是)(\d+)', after).groups())
    at = next(place for place, equation in enumerate(chain) if equation[-1] != values[place])
    assert (right, wrong) == (values[at], chain[at][-1])
    # The objection follows the step it objects to.
    assert len(equations(re.split(DOUBTS, after)[0])) == at + 1


def test_a_doubt_follows_its_step_at_once():
  habits = Habits(checked_slip=1.0, unnoticed=0.0, doubt_at_once=1.0)
  for problem, thought in answer_all('checking', habits):
    before, after = re.split(DOUBTS, thought.thinking)
    slipped, values = equations(before), problem.metadata['values']
    assert slipped[-1][-1] != values[len(slipped) - 1]
    assert [right for *_, right in equations(after)] == values[len(slipped) - 1 :]


def test_checks_of_right_chains_confirm():
  for problem, thought in answer_all('checking', FLAWLESS):
    assert all(holds(*equation) for equation in equations(thought.thinking))
    assert re.search('All good|All right|都对|没错|yes|，对', thought.thinking)
    assert thought.answer == int(problem.gold)


def test_checks_overlook_as_often_as_they_should():
  blind = answer_all('checking', Habits(checked_slip=1.0, unnoticed=1.0))
  # Some slips are lost again where a wrong value does not divide.
  assert accuracy(blind) < 0.2
  usual = answer_all('checking', Habits(), PROBLEMS * 3)
  # 0.2 x 0.03 of the answers are wrong.
  assert 0.97 < accuracy(usual) < 1.0


def test_mixed_chains_mix():
  for _, thought in answer_all('mixed', FLAWLESS, DEEP):
    assert re.search('[一-鿿]', thought.thinking)
    assert re.search('[A-Za-z]', thought.thinking)


@pytest.mark.parametrize('style', ['blurt', 'careless', 'careful', 'checking'])
def test_the_other_styles_keep_to_the_language_of_the_question(style):
  for problem, thought in answer_all(style, Habits()):
    foreign = '[A-Za-z]' if problem.metadata['language'] == 'zh' else '[一-鿿]'
    assert not re.search(foreign, thought.reply + thought.thinking)


def test_tags_are_as_the_template_asks():
  thought = styles.Thought('1+1=2, 2+1=3.', 3, '1+1=2, 2+1=3. The answer is 3.')
  exact = '<think> 1+1=2, 2+1=3. </think> <answer> 3 </answer>'
  assert tagged(thought, rng(), sloppy=0.0) == exact
  source = rng()
  sloppy = {tagged(thought, source, sloppy=1.0) for _ in range(100)}
  assert len(sloppy) == 5
  # Neither one think block, then one answer block, nor anything like it.
  assert not any(
    re.fullmatch(r'<think>[^<]*</think>\s*<answer>[^<]*</answer>', text) for text in sloppy
  )
  assert all(last_number(text) == 3 for text in sloppy)


def test_every_habit_is_a_probability():
  for field in dataclasses.fields(Habits):
    with pytest.raises(ValueError, match=f'Habits.{field.name} is 1.5'):
      Habits(**{field.name: 1.5})
