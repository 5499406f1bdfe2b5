import collections
import hashlib
import itertools
import json
import pickle
import re

import numpy as np
import pytest

from r1jax.tasks.world import World, problems, skeletons

FAMILIES = ('expression_en', 'expression_zh', 'story_en', 'story_zh')


def work_out(start, steps):
  """The values after each step, by plain integer arithmetic; fails on an inexact division."""
  values, value = [], start
  for op, operand in steps:
    if op == '/':
      assert value % operand == 0
    value = {
      '+': value + operand,
      '-': value - operand,
      '*': value * operand,
      '/': value // operand,
    }[op]
    values.append(value)
  return values


def read_expression(question):
  """Start and steps of an expression, from its text alone."""
  text = re.search(r'\d+(?:[-+*/]\d+)+', question).group()
  return int(re.match(r'\d+', text).group()), [
    (op, int(operand)) for op, operand in re.findall(r'([-+*/])(\d+)', text)
  ]


# What a reader knows of the words; the first that is found tells.
ENGLISH = (
  (r'years old|on floor', None),
  (r'gives (him|her)|buys|finds|wins', '+'),
  (r'away|loses|sells|takes', '-'),
  (r'times', '*'),
  (r'boxes|piles|parts', '/'),
)
CHINESE = (
  (r'今年|住在', None),
  (r'平均|平分', '/'),
  (r'倍', '*'),
  (r'又', '+'),
  (r'送走|丢了|卖掉|拿走', '-'),
)


def read_story(question, language):
  """Start and steps of a story, from its text alone: sentence by sentence, nonsense left out."""
  sentences = re.split(r'(?<=[.。])\s*', question)
  start = int(re.search(r'\d+', sentences[0]).group())
  steps = []
  for sentence in sentences[1:-1]:
    sense = next(
      op for words, op in (ENGLISH if language == 'en' else CHINESE) if re.search(words, sentence)
    )
    if sense is not None:
      steps.append((sense, int(re.search(r'\d+', sentence).group())))
  return start, steps


def draw_many(number, **dials):
  world = World(split=dials.pop('split', 'train'), **dials)
  return [world[index] for index in range(number)]


def skeleton(problem):
  return problem.metadata['start'], tuple(map(tuple, problem.metadata['steps']))


def split_by_hand(start, steps):
  text = f'{start}' + ''.join(f'{op}{operand}' for op, operand in steps)
  # The low five bits of the first eight bytes are those of the eighth.
  return {0: 'test', 1: 'validation'}.get(hashlib.sha256(text.encode()).digest()[7] % 32, 'train')


@pytest.mark.parametrize('family', FAMILIES)
def test_gold_is_what_the_question_says(family):
  for problem in draw_many(500, families={family: 1.0}, distractors=0.5, depths=(1, 10)):
    read = read_expression if 'expression' in family else read_story
    arguments = () if 'expression' in family else (problem.metadata['language'],)
    start, steps = read(problem.question, *arguments)
    values = work_out(start, steps)
    assert problem.gold == str(values[-1]), problem.question
    assert problem.metadata['values'] == values
    assert (start, tuple(steps)) == skeleton(problem)
    assert problem.metadata['depth'] == len(steps)
    assert problem.metadata['family'] == family
    assert problem.metadata['language'] == family[-2:]


def test_values_stay_lively():
  for problem in draw_many(1000):
    values = [problem.metadata['start'], *problem.metadata['values']]
    assert all(1 <= value <= 99 for value in values)
    assert not any(a < 5 and b < 5 for a, b in itertools.pairwise(values))


def test_no_step_undoes_the_one_before():
  for problem in draw_many(1000):
    for (op, operand), following in itertools.pairwise(problem.metadata['steps']):
      assert following != [{'+': '-', '-': '+', '*': '/', '/': '*'}[op], operand]


def test_all_operators_occur_often():
  steps = [step for problem in draw_many(1000) for step in problem.metadata['steps']]
  counts = collections.Counter(op for op, _ in steps)
  assert set(counts) == set('+-*/')
  assert min(counts.values()) > 0.15 * len(steps)


def test_facts_are_the_2048_single_steps():
  facts = skeletons.facts()
  assert len(set(facts)) == len(facts) == 2048
  for left, op, operand, right in facts:
    assert work_out(left, [(op, operand)]) == [right]
    assert 1 <= left <= 99
    assert 1 <= right <= 99
  shown = {(left, op, operand) for left, op, operand, _ in facts}
  for problem in draw_many(300):
    lefts = [problem.metadata['start'], *problem.metadata['values']]
    assert all((left, *step) in shown for left, step in zip(lefts, problem.metadata['steps']))


def test_problem_space_is_exact():
  """Counted by trying every step, for one and two steps."""
  operands = [(op, operand) for op in '+-*/' for operand in range(1 + (op in '*/'), 10)]

  def allowed(value, step, previous):
    op, operand = step
    if previous and previous == ({'+': '-', '-': '+', '*': '/', '/': '*'}[op], operand):
      return None
    if op == '/' and value % operand:
      return None
    right = work_out(value, [step])[0]
    return right if 1 <= right <= 99 and max(value, right) >= 5 else None

  one = [
    (right, step)
    for start in range(2, 100)
    for step in operands
    if (right := allowed(start, step, None))
  ]
  two = [
    right
    for value, previous in one
    for step in operands
    if (right := allowed(value, step, previous))
  ]
  assert skeletons.problem_space(1) == len(one)
  assert skeletons.problem_space(2) == len(two)


def test_problem_space_is_beyond_memory():
  assert skeletons.problem_space(4) > 10**6
  assert skeletons.problem_space(10) > 10**14
  assert sum(skeletons.problem_space(depth) for depth in range(2, 11)) > 10**6


def test_splits_are_disjoint():
  drawn = {
    split: {skeleton(problem) for problem in draw_many(1000, split=split, depths=(1, 10))}
    for split in ('train', 'validation', 'test')
  }
  assert drawn['train'].isdisjoint(drawn['validation'] | drawn['test'])
  assert drawn['validation'].isdisjoint(drawn['test'])


@pytest.mark.parametrize('split', ['train', 'validation', 'test'])
@pytest.mark.parametrize('family', FAMILIES)
def test_the_numbers_alone_decide_the_split(split, family):
  for problem in draw_many(100, split=split, families={family: 1.0}, depths=(1, 3)):
    assert split_by_hand(*skeleton(problem)) == split


def test_one_of_32_skeletons_is_for_the_test_and_one_for_validation():
  ones = [skeletons.Skeleton(left, ((op, operand),)) for left, op, operand, _ in skeletons.facts()]
  counts = collections.Counter(one.split for one in ones)
  # 2048 / 32 = 64, with a standard deviation of 8.
  assert abs(counts['test'] - 64) < 30
  assert abs(counts['validation'] - 64) < 30
  assert counts['train'] == 2048 - counts['test'] - counts['validation']


def test_problems_are_always_the_same():
  """The golden values: a change of these is a change of everybody's world."""
  assert [problem.question for problem in draw_many(2, split='test')] == GOLDEN_QUESTIONS
  text = json.dumps(
    [
      [p.id, p.question, p.gold, p.metadata]
      for s in ('train', 'test')
      for p in draw_many(50, split=s)
    ],
    sort_keys=True,
  )
  assert hashlib.sha256(text.encode()).hexdigest() == GOLDEN_HASH


def test_a_problem_is_a_function_of_its_address():
  world = World(split='train')
  ahead = world[7]
  _ = [world[index] for index in range(7)]
  assert (
    world[7]
    == ahead
    == problems.problem(7, split='train')
    == pickle.loads(pickle.dumps(world))[np.int64(7)]
  )
  others = [world[8], World(split='train', seed=1)[7], World(split='test')[7]]
  assert len({skeleton(problem) for problem in [ahead, *others]}) == 4
  assert ahead.id == 'world/train/0/7'


def test_the_order_of_the_weights_means_nothing():
  weights = dict.fromkeys(FAMILIES, 1.0)
  backwards = dict(reversed(weights.items()))
  assert draw_many(20, families=weights) == draw_many(20, families=backwards)


def test_all_randomness_is_of_the_kind_that_platforms_share():
  class OnlyRandom:
    def __init__(self):
      self.random = np.random.Generator(np.random.PCG64(3)).random

  for _ in range(20):
    problems.draw(OnlyRandom(), split='train')


def test_dials_turn():
  assert {p.metadata['depth'] for p in draw_many(200, depths=(3, 5))} == {3, 4, 5}
  assert {p.metadata['family'] for p in draw_many(200)} == set(FAMILIES)
  weighted = collections.Counter(
    p.metadata['family'] for p in draw_many(400, families={'story_en': 3.0, 'expression_zh': 1.0})
  )
  assert set(weighted) == {'story_en', 'expression_zh'}
  assert 250 < weighted['story_en'] < 350
  stories = {'story_en': 1.0, 'story_zh': 1.0}
  assert {p.metadata['distractors'] for p in draw_many(50, families=stories, distractors=0.0)} == {
    0
  }
  assert {p.metadata['distractors'] for p in draw_many(50, families=stories, distractors=1.0)} == {
    1,
    2,
  }


def test_what_is_to_be_ignored_can_be_told_and_stands_there_once():
  """It counts no things, or "he shares them" could mean these, and gives nobody two ages."""
  age_or_floor = re.compile(
    r'([A-Z][a-z]+) (is \d+ years old|lives on floor \d+)\.|(小.)(今年\d+岁|住在\d+楼)。'
  )
  for problem in draw_many(500, families={'story_en': 1.0, 'story_zh': 1.0}, distractors=1.0):
    found = age_or_floor.findall(problem.question)
    assert len(found) == problem.metadata['distractors']
    said = [re.sub(r'\d+', '', ''.join(sentence)) for sentence in found]
    assert len(set(said)) == len(said)


def test_distractors_are_in_the_text():
  for problem in draw_many(200, families={'story_en': 1.0, 'story_zh': 1.0}, distractors=0.5):
    numbers = re.findall(r'\d+', problem.question)
    assert len(numbers) == 1 + problem.metadata['depth'] + problem.metadata['distractors']


def test_pronouns_agree():
  women = ('Ann', 'Mia', 'Eva', 'Lily')
  for problem in draw_many(200, families={'story_en': 1.0}):
    woman = problem.question.split()[0] in women
    assert not re.search(r'\b([Hh]e|him)\b' if woman else r'\b([Ss]he|her)\b', problem.question)


def test_metadata_is_json():
  for problem in draw_many(20):
    assert json.loads(json.dumps(problem.metadata)) == problem.metadata


def test_a_world_ends_where_it_says():
  world = World(split='test', size=3)
  assert len(world) == 3
  assert [problem.id[-1] for problem in world] == ['0', '1', '2']
  with pytest.raises(IndexError, match='problem 3 of a world of 3'):
    world[3]
  with pytest.raises(IndexError):
    world[-1]


@pytest.mark.parametrize(
  ('dials', 'message'),
  [
    ({'split': 'dev'}, "split is 'dev'; the world has train, validation, test"),
    ({'depths': (0, 3)}, r'depths is \(0, 3\)'),
    ({'depths': (4, 3)}, r'depths is \(4, 3\)'),
    ({'families': {'story_fr': 1.0}}, "'story_fr'.*expression_en"),
    ({'families': {}}, 'not all 0'),
    ({'families': {'story_en': -1.0, 'story_zh': 2.0}}, 'weights must be >= 0'),
    ({'distractors': 1.5}, 'distractors is 1.5'),
    ({'size': 0}, 'size must be positive'),
    ({'seed': -1}, 'seed'),
  ],
)
def test_wrong_dials_are_named(dials, message):
  with pytest.raises(ValueError, match=message):
    World(**({'split': 'train'} | dials))


def test_an_unknown_split_is_named():
  with pytest.raises(ValueError, match="split is 'dev'"):
    problems.problem(0, split='dev')


GOLDEN_QUESTIONS = [
  '从左到右计算：14+2/8=?',
  '小美一开始有17个梨。她丢了5个。她和朋友一共4人平分，只拿走一份。她又买了6个。现在她有原来的8倍。她送走1个。她卖掉2个。小美现在有多少个梨？',
]
GOLDEN_HASH = '3d3120ec3f3bbbc7264a32c05cbaa6620b3c02a85778d91625349a00b08f52db'
