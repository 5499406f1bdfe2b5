"""What steps reach of the hardware: what they have to do, counted by hand, and a run."""

import dataclasses
import importlib.util
import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import pytest

from configs import zero
from r1jax.aot import recipe
from r1jax.model import GQA, ModelConfig, Transformer

FILE = pathlib.Path(__file__).parents[2] / 'experiments' / 'throughput' / 'hardware.py'


@pytest.fixture(scope='module')
def hardware():
  spec = importlib.util.spec_from_file_location('hardware', FILE)
  module = importlib.util.module_from_spec(spec)
  sys.modules['hardware'] = module  # Dataclasses look for it.
  spec.loader.exec_module(module)
  return module


def stage_of(model=None):
  """A step of 2 x 3 answers of 5 tokens to prompts of 4."""
  config = zero.get_config()
  config.rl.settings.prompts_per_step = 2
  config.rl.settings.num_microbatches = 1
  config.rl.task.max_prompt_tokens = 4
  config.rl.sampling.group_size = 3
  config.rl.sampling.max_completion_tokens = 5
  (stage,) = recipe.read(config, jax.devices()[:1])
  if model is None:
    return stage
  answering = dataclasses.replace(stage.learning.answering, model=Transformer(model))
  return dataclasses.replace(
    stage, config=model, learning=dataclasses.replace(stage.learning, answering=answering)
  )


@pytest.mark.parametrize('tied', [True, False])
def test_what_a_step_has_to_do_by_hand(hardware, tied):
  model = ModelConfig(
    vocab_size=10,
    num_layers=2,
    model_dim=8,
    mlp_dim=16,
    attention=GQA(num_heads=4, num_kv_heads=2, head_dim=2),
    tied=tied,
    dtype='bfloat16',
  )
  learning = stage_of(model).learning
  tokens = jnp.zeros((1, 2), jnp.int32)
  params = jax.eval_shape(Transformer(model).init, jax.random.key(0), tokens)['params']
  found = hardware.Amounts.of_step(learning, params)

  # A layer's: query and out 8 x 8, key and value 8 x 4, three of 8 x 16.
  layer, head = 2 * 8 * 8 + 2 * 8 * 4 + 3 * 8 * 16, 10 * 8
  norms = 2 * 2 * 8 + 8
  weights = 2 * (2 * layer + head) + 4 * norms  # Norms stay in float32.
  of_token = 2 * 2 * (2 * 2 * 2)  # Bytes: layers, keys and values of 2 heads of 2.
  # The last token of a prompt is the first that an answer reads.
  read = [weights + of_token * (2 * 3 + 6 * (t + 1)) for t in range(5)]
  assert found.decoded_bytes == sum(read)
  products = 2 * ((2 * layer + norms) * (2 * 3 + 6 * 5) + head * 6 * 5)
  pairs = 2 * (1 + 2 + 3) + 6 * sum(3 + t for t in range(1, 6))
  scores = 2 * pairs * 4 * (2 + 2) * 2
  assert found.operations['score'] == products + scores
  assert found.operations['update'] == 3 * (products + scores)
  assert found.operations['sample'] == 2 * (2 * layer + norms) * 6 + 2 * (2 * 6) * 4 * (2 + 2) * 2
  bounds = found.bounds(hardware.Rates(bytes=100.0, operations=10.0), devices=2)
  assert bounds['score'] == (products + scores) / 20
  assert bounds['sample'] == found.operations['sample'] / 20 + sum(read) / 200


def test_steps_are_measured_against_what_bounds_them(hardware):
  rates = hardware.Rates.measured('float32', matrix=64, mebibytes=1)
  assert rates.bytes > 1e6 and rates.operations > 1e6
  stage = stage_of()
  with jax.set_mesh(stage.mesh):
    found = json.loads(json.dumps(hardware.measure(stage, rates, count=2)))
  assert found['tokens'] == 2 * 3 * 5
  assert list(found['phases']) == ['sample', 'score', 'update']
  for row in found['phases'].values():
    assert len(row['seconds']) == 2 and row['bound'] > 0 and min(row['seconds']) > 0
  of_update = list(hardware.lines(found))[2].split(' | ')
  assert of_update[1:4] == ['2 x 3', '4 + 5', 'update']


def test_adapters_are_not_measured(hardware):
  stage = stage_of()
  learning = dataclasses.replace(stage.learning, lora=object())
  with pytest.raises(ValueError, match='rank is not 0'):
    hardware.measure(dataclasses.replace(stage, learning=learning), None, 1)
