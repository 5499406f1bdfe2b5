"""The tables of recipes on their chips."""

import importlib.util
import pathlib

import pytest

FILE = pathlib.Path(__file__).parents[2] / 'experiments' / 'scale' / 'run.py'
GIB = 1 << 30


def load():
  spec = importlib.util.spec_from_file_location('scale_run', FILE)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def program(name, gib, **fields):
  memory = {'parameters': gib * GIB, 'temporaries': GIB}
  cost = {'operations': 1e12, 'collective_bytes': {'all-gather': 2 * GIB, 'all-reduce': GIB}}
  made = {'name': name, 'memory': memory, 'total_bytes': (gib + 1) * GIB, 'ratio': 1.234}
  return made | {'cost': cost, 'fault': ''} | fields


def test_of_each_program_the_last_line_counts_and_recipes_keep_their_order():
  none = {'memory': {}, 'total_bytes': 0, 'cost': None, 'ratio': None, 'fault': 'Used 99G of 95G'}
  rows = [
    {'recipe': 'deepseek:v3', 'devices': 'v5p:8x8x16', 'programs': [program('update', 0, **none)]},
    {'recipe': 'qwen:0.5b', 'devices': 'v5e:1x1', 'programs': [program('score', 50)]},
    {'recipe': 'qwen:0.5b', 'devices': 'v5e:1x1', 'programs': [program('score', 7)]},
    {'recipe': 'qwen:0.5b', 'devices': 'v5e:2x2', 'programs': [program('score', 3)]},  # Not its.
  ]
  rows = [row | {'versions': {'commit': 'abcdef012345'}} for row in rows]
  run = load()
  assert run.tables(rows).splitlines()[6:] == [
    '| qwen:0.5b | v5e:1x1 | score | 8.0 | 15.75 | 1.0 | 1.23 | 3.0 | abcdef0 |',
    '| deepseek:v3 | v5p:8x8x16 | update | does not fit: Used 99G of 95G | 95.74 |  |  |  '
    '| abcdef0 |',
  ]


def line(gib, **fields):
  return {
    'recipe': 'qwen:7b',
    'devices': 'v5e:4x4',
    'versions': {'commit': 'abcdef012345'},
    'programs': [program('gradient', gib)],
  } | fields


def test_what_fits_is_told_beside_what_does_not():
  run = load()
  asked = [line(gib, asked='trained', number=number) for number, gib in ((4096, 12), (8192, 15.5))]
  last = run.tables([line(9), *asked]).splitlines()[-1]
  assert last.split(' | ')[-4:] == ['2,048', '4,096', '13.0', '8,192 |']
  # An old line that fits, above a new one that does not, does not count.
  newer = line(15.5, asked='trained', number=4096)
  older = line(14, asked='trained', number=8192)
  last = run.tables([line(9), older, newer]).splitlines()[-1]
  assert last.split(' | ')[-4:] == ['2,048', '2,048', '10.0', '4,096 |']
  # The recipe as it stands may not fit, or not have been compiled.
  last = run.tables([line(15.5), newer]).splitlines()[-1]
  assert last.split(' | ')[-4:] == ['2,048', '', '', '2,048 |']
  last = run.tables([newer]).splitlines()[-1]
  assert last.split(' | ')[-4:] == ['2,048', '', '', '4,096 |']
  # Nothing beyond what stands in the recipe.
  last = run.tables([line(9), line(15.5, asked='trained', number=4096)]).splitlines()[-1]
  assert last.split(' | ')[-4:] == ['2,048', '2,048', '10.0', '4,096 |']


@pytest.mark.parametrize(
  ('asked', 'largest', 'tried'),
  [
    ('answers', 8192, [4096, 8192, 16_384]),
    ('answers', 1 << 20, [4096, 8192, 16_384, 32_768]),  # The longest that is asked for.
    ('microbatch', 1, [2]),
  ],
)
def test_a_number_is_doubled_until_it_does_not_fit(asked, largest, tried, monkeypatch):
  run, fields = load(), []

  def compile_recipe(recipe, programs, changed):
    assert recipe == 'qwen:7b' and programs == run.QUESTIONS[asked].programs
    fields.append(changed)
    number = run.QUESTIONS[asked].number(changed_config(run, changed))
    return line(10 if number <= largest else 16)

  monkeypatch.setattr(run, 'compile_recipe', compile_recipe)
  found = []
  run.largest('qwen:7b', asked, found.append)
  assert [row['number'] for row in found] == tried
  assert all(changed_config(run, changed) for changed in fields)


def changed_config(run, changed):
  _, config = run.read('qwen:7b')
  config.update_from_flattened_dict(changed)
  return config


@pytest.mark.parametrize('asked', ['answers', 'trained', 'batch', 'microbatch'])
def test_every_batch_that_is_asked_for_can_be_cut(asked):
  """Into microbatches, and those into parts of the mesh; and it is of the number that is asked."""
  run = load()
  for recipe in run.RECIPES:
    question, (_, config) = run.QUESTIONS[asked], run.read(recipe)
    number = 4 * question.number(config)
    parts = run.smallest_batch(config)
    config.update_from_flattened_dict(question.fields(config, number))
    assert question.number(config) == number
    assert config.rl.settings.prompts_per_step % config.rl.settings.num_microbatches == 0
    assert run.microbatch(config) % parts == 0, recipe


def test_its_recipes_are_those_of_the_configs():
  run = load()
  assert {run.read(recipe)[0].partition(':')[0] for recipe in run.RECIPES} == {'v5e', 'v5p', 'v6e'}
