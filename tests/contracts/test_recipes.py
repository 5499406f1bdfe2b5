"""What every recipe must be: of a published model, on the chips it names, with the paper's numbers.

Sizes are built from shapes, on as many pretended devices as a recipe has chips.
"""

import ast
import importlib
import inspect
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from r1jax.aot import topologies
from r1jax.aot.recipe import architecture_of
from r1jax.model.sizes import count_parameters

ROOT = Path(__file__).parents[2]
FAMILIES = {
  name: importlib.import_module(f'configs.{name}')
  for name in ('qwen', 'llama', 'distilled', 'deepseek')
}
RECIPES = {
  f'{family}:{name}': (module, name)
  for family, module in FAMILIES.items()
  for name in module.RECIPES
}
each_recipe = pytest.mark.parametrize('recipe', RECIPES)
each_family = pytest.mark.parametrize('module', FAMILIES.values(), ids=FAMILIES)


def config_of(recipe):
  module, name = RECIPES[recipe]
  return module.get_config(name)


def hardware_of(recipe):
  """Returns the kind of chip and how many there are."""
  module, name = RECIPES[recipe]
  kind, sizes = module.RECIPES[name]['hardware'].split(':')
  return kind, math.prod(map(int, sizes.split('x')))


def value_of(config, path):
  for name in path.split('.'):
    config = config[name]
  return config


def test_all_that_was_asked_for_is_there():
  """Models, and the hardware on which their numbers are to be told."""
  wanted = {
    ('deepseek-v3-base', 'v5p', 512),
    ('deepseek-v3-base', 'v5p', 1024),
    ('deepseek-v3-base', 'v5p', 2048),
    ('deepseek-v3-base', 'v6e', 256),
    ('qwen2.5-32b', 'v5p', 64),
    ('qwen2.5-32b', 'v6e', 64),
    ('qwen2.5-7b', 'v5e', 16),
    ('deepseek-v2-lite', 'v5e', 32),
    ('qwen2.5-0.5b', 'v5e', 1),
    ('qwen2.5-0.5b', 'gpu', 1),
    ('qwen2.5-1.5b', 'v5e', 1),
  }
  found = {
    (Path(config_of(recipe).init_from).name.lower(), *hardware_of(recipe)) for recipe in RECIPES
  }
  assert wanted <= found
  assert {model for model, *_ in found} >= {'llama-3.1-8b', 'deepseek-r1-distill-qwen-1.5b'}


@each_recipe
def test_its_mesh_is_of_the_chips_it_names(recipe):
  kind, count = hardware_of(recipe)
  assert kind == 'gpu' or kind in topologies.CHIPS
  assert math.prod(config_of(recipe).mesh.values()) == count
  module, name = RECIPES[recipe]
  (row,) = [line for line in module.__doc__.splitlines() if line.startswith(f'| {name} ')]
  number = 'one' if count == 1 else f'{count:,}'
  assert re.search(rf'\| {number} {kind}', row, re.IGNORECASE), row


@each_recipe
def test_the_readme_tells_of_it(recipe):
  rows = [line for line in (ROOT / 'README.md').read_text('utf-8').splitlines() if '.py' in line]
  family, name = recipe.split(':')
  found = [row for row in rows if f'{family}.py' in row and f':{name}`' in row]
  kind, count = hardware_of(recipe)
  number = 'one' if count == 1 else f'{count:,}'
  assert len(found) == 1 and number in found[0] and kind in found[0].lower()
  assert f'{config_of(recipe).rl.sampling.max_completion_tokens:,}' in found[0]


# Of the published safetensors.
PARAMETERS = {
  'Qwen2.5-0.5B': 494_032_768,
  'Qwen2.5-1.5B': 1_543_714_304,
  'Qwen2.5-7B': 7_615_616_512,
  'Qwen2.5-32B': 32_763_876_352,
  'DeepSeek-R1-Distill-Qwen-1.5B': 1_777_088_000,
  'Llama-3.1-8B': 8_030_261_248,
  'Llama-3.1-8B-Instruct': 8_030_261_248,
  'DeepSeek-V2-Lite': 15_706_484_224,
  'DeepSeek-V3-Base': 671_026_419_200,
}


@each_recipe
def test_its_model_is_the_published_one(recipe):
  init_from = config_of(recipe).init_from
  assert count_parameters(architecture_of(init_from)).total == PARAMETERS[Path(init_from).name]


def test_v3_is_that_of_its_config():
  v3 = architecture_of(config_of('deepseek:v3').init_from)
  mla, moe = v3.attention, v3.moe
  assert (v3.num_layers, v3.num_dense_layers, v3.model_dim, mla.num_heads) == (61, 3, 7168, 128)
  assert (mla.query_rank, mla.kv_rank, mla.nope_dim, mla.rope_dim) == (1536, 512, 128, 64)
  assert (v3.mlp_dim, moe.width, moe.num_experts, moe.num_shared, moe.top_k) == (
    *(18_432, 2048, 256, 1, 8),
  )
  assert (moe.num_groups, moe.num_groups_kept, moe.scaling, v3.vocab_size) == (8, 4, 2.5, 129_280)
  assert (v3.rope.theta, v3.rope.scaling.factor) == (1e4, 40)


# Nature 645, 633 (2025), Methods. A step of ours is a rollout; of its 16 updates ours has one.
PAPER = {
  'rl.steps': 10_400,
  'rl.optimizer.peak': 3e-6,
  'rl.algorithm.kl_weight': 0.001,
  'rl.algorithm.clip_low': 10,
  'rl.algorithm.clip_high': 10,
  'rl.sampling.sampler.temperature': 1,
  'rl.sampling.group_size': 16,
  'rl.sampling.max_completion_tokens': 32_768,
  'rl.settings.prompts_per_step': 32,
  'rl.settings.num_minibatches': 16,
  'rl.settings.num_inner_epochs': 1,
  'rl.replace_reference_every': 400,
  'rl.reward.accuracy': 1,
  'rl.reward.format': 1,
}
# A comment ends the field's line, or stands on the lines before it.
TOLD = re.compile(
  r"^(?P<before>(?: *#.*\n)*) *'(?P<field>[\w.]+)': (?P<value>[\d_.e-]+),(?P<after>.*)$",
  re.MULTILINE,
)
NUMBER = re.compile(r'Paper: (\d[\d,.e-]*\d|\d)')


def told(text):
  """Yields fields of a text, with their value and the number that a comment says is the paper's."""
  for line in TOLD.finditer(text):
    number = NUMBER.search(line['before'] + line['after'])
    if number:
      yield line['field'], float(line['value']), float(number[1].replace(',', ''))


def source_of(module, name):
  """Returns what a file says of a recipe: its own entry, and what that takes over by name."""
  text = inspect.getsource(module)
  assigned = {
    node.targets[0].id: node.value
    for node in ast.parse(text).body
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
  }
  recipes = assigned['RECIPES']
  (entry,) = (v for k, v in zip(recipes.keys, recipes.values) if ast.literal_eval(k) == name)
  taken = [assigned[node.id] for node in ast.walk(entry) if isinstance(node, ast.Name)]
  return '\n'.join(ast.get_source_segment(text, node) for node in (entry, *taken))


@each_family
def test_the_papers_numbers_are_told_as_they_are(module):
  found = list(told(inspect.getsource(module)))
  assert len(found) >= 3
  assert [(field, paper) for field, _, paper in found if PAPER[field] != paper] == []


@each_recipe
def test_what_differs_from_the_paper_says_so(recipe):
  module, _ = RECIPES[recipe]
  own = source_of(module, recipe.partition(':')[2])
  config, known = config_of(recipe), {*told(own), *told(inspect.getsource(module.zero))}
  found = {field: value_of(config, field) for field in PAPER}
  departures = {(f, float(v), float(PAPER[f])) for f, v in found.items() if v != PAPER[f]}
  assert departures <= known


def test_v3_departs_in_what_its_chips_ask_for_alone():
  config = config_of('deepseek:v3-512')
  departures = {field for field, value in PAPER.items() if value_of(config, field) != value}
  assert departures == {'rl.settings.num_minibatches'}


@each_family
def test_an_unknown_recipe_is_an_error_that_lists_those_there_are(module):
  listed = ', '.join(map(repr, module.RECIPES))
  with pytest.raises(ValueError, match=f"no recipe '9z'; there are {re.escape(listed)}$"):
    module.get_config('9z')


PROGRAM = """
import json, sys
import jax
sys.path.insert(0, 'tests/contracts')
import test_recipes as ours
from r1jax.aot import programs, recipe
for name in ours.RECIPES:
  _, count = ours.hardware_of(name)
  (stage,) = recipe.read(ours.config_of(name), jax.devices()[:count])
  found = {
    one.name: programs.bytes_per_device([*one.arguments.values(), *one.beside.values()])
    for one in stage.programs
  }
  print(json.dumps([name, found]))
"""


@pytest.fixture(scope='module')
def built():
  """Returns the bytes that each program of each recipe has on a chip before it begins."""
  flags = '--xla_force_host_platform_device_count=2048'
  done = subprocess.run(
    [sys.executable, '-c', PROGRAM],
    cwd=ROOT,
    env=os.environ | {'XLA_FLAGS': flags, 'JAX_PLATFORMS': 'cpu', 'PYTHONPATH': str(ROOT)},
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  return dict(map(json.loads, done.stdout.splitlines()))


GPU_BYTES = 80 * 10**9


@each_recipe
def test_what_it_keeps_leaves_room_on_its_chips(recipe, built):
  """Parameters, moments, reference, caches; and what full rematerialisation keeps of a part."""
  kind, _ = hardware_of(recipe)
  memory = GPU_BYTES if kind == 'gpu' else topologies.CHIPS[kind].memory_bytes
  found, config = built[recipe], config_of(recipe)
  step = {'gradient', 'update'} if config.rl.settings.num_microbatches > 1 else {'update'}
  model, mesh = architecture_of(config.init_from), config.mesh
  parts = mesh.data * mesh.fsdp * mesh.expert
  prompts = config.rl.settings.prompts_per_step // parts
  # Of one answer on each chip, as DeepSeek-V3 gives on v5p, there is no half.
  shrinks = prompts * config.rl.sampling.group_size > mesh.context
  expected = {'encode prompts', 'decode', 'score'} | step | ({'shrink batch'} if shrinks else set())
  assert found.keys() == expected
  assert found['decode'] <= 0.75 * memory
  prompts //= config.rl.settings.num_microbatches
  tokens = prompts * config.rl.sampling.group_size * config.rl.sampling.max_completion_tokens
  inputs = 2 * tokens // mesh.context * model.model_dim * model.num_layers
  kept = {'full': 1, 'residual': 2}[config.model.remat]  # Arrays of a block, as large as its input.
  assert config.model.dtype == 'bfloat16'
  assert max(found[name] for name in step) + kept * inputs <= 0.85 * memory
