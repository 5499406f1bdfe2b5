"""The table of recipes on their chips."""

import importlib.util
import pathlib

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
  ]
  run = load()
  assert run.table(rows).splitlines()[2:] == [
    '| qwen:0.5b | v5e:1x1 | score | 8.0 | 16 | 1.0 | 1.23 | 3.0 |',
    '| deepseek:v3 | v5p:8x8x16 | update | does not fit: Used 99G of 95G | 95 |  |  |  |',
  ]


def test_its_recipes_are_those_of_the_configs():
  run = load()
  assert {run.hardware_of(recipe).partition(':')[0] for recipe in run.RECIPES} == {
    'v5e',
    'v5p',
    'v6e',
  }
