"""A config that is wrong is an error that names the field and the remedy, before the run begins.

Through `runner.run`, as a user meets it.
"""

import json
import math
import re
import subprocess
import sys

import miniature
import pytest
from miniature import fails

from r1jax import build, runner
from r1jax.interop import families
from r1jax.model import GQA, ModelConfig


@pytest.mark.parametrize(
  ('changes', 'texts'),
  [
    ({'stepz': 3}, ['no effect, remove them: config.rl.stepz']),
    ({'algorithm': {'clip': 3}}, ['no effect, remove them: config.rl.algorithm.clip']),
    ({'settings': {'prompts': 3}}, ['config.rl.settings.prompts is unknown', 'prompts_per_step']),
    ({'sampling': {'sampler': {'top': 1}}}, ['config.rl.sampling.sampler.top is', 'top_k, top_p']),
    ({'task': {'world': {'depth': 1}}}, ['config.rl.task.world.depth is unknown', 'depths']),
    ({'task': {'world': {'depths': (3, 1)}}}, ['config.rl.task.world: depths is (3, 1)', 'least']),
    ({'task': {'name': 'gms8k'}}, ["config.rl.task.name is 'gms8k', allowed are", "'gsm8k'"]),
    ({'task': {'template': 'zero'}}, ["config.rl.task.template is 'zero', allowed", "'r1_zero'"]),
    ({'lora': {'alpha': 2.0}}, ['config.rl.lora.rank is None, but alpha is set']),
    ({'lora': {'rank': 2}}, ['config.rl.lora.alpha is None, but rank is set']),
    (
      {'lora': {'rank': 2, 'alpha': 2.0}, 'optimizer': {'kind': 'muon'}},
      ["config.rl.optimizer.kind is 'muon'", "with lora take 'adamw'"],
    ),
    ({'lora': {'rank': 0, 'alpha': 2.0}}, ['config.rl.lora: rank is 0']),
    ({'lora': {'rank': 2, 'alpha': 2.0, 'targets': 'q_proj'}}, ["'q_proj'", 'fits no weight']),
    (
      {'lora': {'rank': 2, 'alpha': 2.0}, 'bias_speed': 0.1},
      ['config.rl.bias_speed is 0.1', 'must be 0 with lora.rank'],
    ),
    ({'algorithm': {'kl': 'k4'}}, ["config.rl.algorithm.kl is 'k4', allowed are", "'k3'"]),
    ({'algorithm': {'surrogate': 'ppo'}}, ["surrogate is 'ppo', allowed are 'clipped', 'cispo'"]),
    ({'algorithm': {'ratio': 'word'}}, ["config.rl.algorithm.ratio is 'word', allowed", "'token'"]),
    ({'algorithm': {'reduction': 'sum'}}, ["config.rl.algorithm.reduction is 'sum', allowed"]),
    ({'algorithm': {'advantage': 'gae'}}, ["config.rl.algorithm.advantage is 'gae', allowed"]),
    ({'reward': {'accurcy': 1.0}}, ['config.rl.reward', "'accurcy'", 'accuracy, strict, lenient']),
    (
      {'gates': {'accuracy': 'strict'}},
      ["config.rl.gates.accuracy is 'strict'", 'accuracy, format', 'weight 0 in config.rl.reward'],
    ),
    ({'gates': {'strict': 'format'}}, ["config.rl.gates.strict is 'format'", "'strict' is none"]),
    ({'gates': {'format': 'format'}}, ["config.rl.gates: the gate of 'format' is 'format'"]),
    (
      {'gates': {'accuracy': 'format', 'format': 'accuracy'}},
      ['config.rl.gates: the gates lead', 'circle'],
    ),
    (
      {'reward': {'programs_all': 1.0}},
      ["config.rl.reward: for the reward term 'programs_all': ", 'JSON'],
    ),
    ({'shaping': {'len': {}}}, ['config.rl.shaping.len is unknown', 'length, cosine, overlong']),
    (
      {'shaping': {'length': {'weight': 1.0, 'term': 'acc'}}},
      ["config.rl.shaping.length.term is 'acc'", 'one of the rewards'],
    ),
    (
      {'shaping': {'overlong': {'weight': 1.0, 'cache_length': 9999}}},
      ['config.rl.shaping.overlong', 'cache_length is 9999', 'from 1 to max_length'],
    ),
    (
      {
        'algorithm': {'advantage': 'decoupled'},
        'shaping': {'length': {'weight': 1.0, 'term': 'accuracy'}},
      },
      ['config.rl.algorithm.advantage', 'by itself', 'length'],
    ),
    ({'reward_workers': 0}, ['config.rl.reward_workers is 0', 'at least 1']),
    ({'reward': {'format': -1.0}}, ['config.rl.reward', "'format' is -1", 'at least 0']),
    ({'kind': 'ppo'}, ["config.rl.kind is 'ppo', allowed are 'rl', 'pretrain'"]),
    ({'cadence': {'max_skipped': 0}}, ['config.rl.cadence: max_skipped is 0', 'at least 1']),
    ({'steps': 0}, ['config.rl.steps is 0', 'at least 1']),
    ({'steps': 2.5}, ['config.rl.steps is 2.5; it must be a whole number']),
    ({'sampling': {'group_size': 2.5}}, ['config.rl.sampling.group_size is 2.5', 'whole']),
    ({'sampling': {'sampler': {'temperature': math.nan}}}, ['temperature is nan', 'finite']),
    ({'settings': {'chunk_tokens': 'a'}}, ["config.rl.settings.chunk_tokens is 'a'", 'or None']),
    ({'task': {'prefill': 5}}, ['config.rl.task.prefill is 5; it must be text']),
    ({'task': {'world': {'depths': 3}}}, ['config.rl.task.world.depths is 3', 'a tuple']),
    ({'reward': {'format': '1'}}, ["config.rl.reward.format is '1'; it must be a finite number"]),
    ({'reward': 5}, ['config.rl.reward is 5; it must be a section']),
    ({'algorithm': {'ratio': ('token',)}}, ["config.rl.algorithm.ratio is ('token',), allowed"]),
    ({'cadence': {'checkpoint_every': 2.5}}, ['config.rl.cadence.checkpoint_every is 2.5']),
    ({'sampling': {'group_size': 1}}, ['config.rl.sampling.group_size is 1', 'at least 2']),
    ({'sampling': {'sampler': {'temperature': 0.0}}}, ['sampler.temperature is 0', 'must differ']),
    ({'algorithm': {'clip_low': -0.2}}, ['config.rl.algorithm.clip_low is -0.2', 'at least 0']),
    ({'algorithm': {'kl_weight': -1.0}}, ['config.rl.algorithm.kl_weight is -1', 'at least 0']),
    ({'optimizer': {'peak': -1.0}}, ['config.rl.optimizer.peak is -1', 'at least 0']),
    ({'optimizer': {'final': 1.0}}, ['config.rl.optimizer: final is 1.0', 'peak, which is 0.01']),
    ({'optimizer': {'max_norm': -1.0}}, ['config.rl.optimizer: max_norm is -1', 'above 0']),
    ({'optimizer': {'b2': 1.0}}, ['config.rl.optimizer: b2 is 1.0', 'below 1']),
    ({'optimizer': {'weight_decay': -0.1}}, ['config.rl.optimizer: weight_decay is -0.1']),
    ({'optimizer': {'final': 0.0, 'warmup': 8}}, ['config.rl.optimizer: warmup is 8', '8 updates']),
    ({'settings': {'chunk_tokens': 0}}, ['config.rl.settings: chunk_tokens is 0', 'or None']),
    ({'settings': {'max_resamples': -1}}, ['config.rl.settings: max_resamples is -1', 'least 0']),
    (
      {'evaluation': {'test_problems': -3}},
      ['config.rl.evaluation.test_problems is -3', 'least 0'],
    ),
    ({'cadence': {'evaluate_every': -3}}, ['config.rl.cadence: evaluate_every is -3', 'least 0']),
    ({'replace_reference_every': -3}, ['config.rl.replace_reference_every is -3', 'at least 0']),
    (
      {'sampling': {'sampler': {'top_p': 0.0}}},
      ['config.rl.sampling.sampler: top_p is 0', 'up to'],
    ),
    (
      {'settings': {'num_minibatches': 4}},
      ['prompts_per_step is 4', 'multiple of 8 = num_minibatches x num_microbatches x 1 devices'],
    ),
    (
      {'settings': {'num_microbatches': 0}},
      ['config.rl.settings: num_microbatches is 0', 'least 1'],
    ),
  ],
  ids=str,
)
def test_a_field_that_is_wrong_is_named(config, workdir, changes, texts):
  miniature.changed(config.rl, changes)
  with fails(*texts):
    runner.run(config, workdir)


def test_a_field_of_another_type_is_named(config, workdir):
  with config.rl.unlocked():
    del config.rl.bias_speed
    config.rl.bias_speed = '1'
  with fails("config.rl.bias_speed is '1'; it must be a finite number, at least 0"):
    runner.run(config, workdir)


@pytest.mark.parametrize(
  'path', ['seed', 'mesh', 'init_from', 'model.dtype', 'rl.bias_speed', 'rl.task.prefill', 'stages']
)
def test_a_field_that_is_missing_is_named(config, workdir, path):
  *sections, name = path.split('.')
  section = config
  for part in sections:
    section = section[part]
  with section.unlocked():
    del section[name]
  with fails(f'config.{path} is missing', 'has'):
    runner.run(config, workdir)


@pytest.mark.parametrize(
  'stages, text',
  [((), "as ('rl',)"), (('rl', 'rl'), "as ('rl',)"), ('rl', 'it must be a tuple, each part text')],
)
def test_stages_are_a_list_of_sections(config, workdir, stages, text):
  with config.unlocked():
    del config.stages
    config.stages = stages
  with fails('config.stages is', text):
    runner.run(config, workdir)


def test_what_cannot_be_a_stage_is_named(config, workdir):
  config.stages = ('rl', 'seed')
  with fails("config.stages is ('rl', 'seed')", 'config.seed is 0; it must be a section'):
    runner.run(config, workdir)
  with config.unlocked():
    config.pretrain = miniature.pretraining().pretrain
  config.stages = ('rl', 'pretrain')
  with fails("config.stages: one of kind 'pretrain' starts from nothing"):
    runner.run(config, workdir)


def test_the_model_of_a_run_is_named_where_its_folder_is_given(config, workdir, tmp_path):
  (tmp_path / 'config.json').write_text('{}')
  (tmp_path / 'model').mkdir()
  (tmp_path / 'model' / 'config.json').write_text('{}')
  config.init_from = str(tmp_path)
  with fails('config.init_from is', f'there is a model in {tmp_path / "model"}'):
    runner.run(config, workdir)


def test_an_export_dtype_that_is_unknown_is_named(config, workdir):
  config.export_dtype = 'float16'
  with fails("config.export_dtype is 'float16'", "'float32', 'bfloat16', 'float8_e4m3fn'"):
    runner.run(config, workdir)


def test_an_export_dtype_that_the_model_is_not_kept_in_is_named(config, workdir, tmp_path):
  told = ('is not kept in float8_e4m3fn (DeepseekV3ForCausalLM is)', "'float32', 'bfloat16'")
  qwen = ModelConfig(32, 1, 8, 8, GQA(2, 1, 4, qkv_bias=True))
  # Neither weights nor a tokenizer are needed to know.
  (tmp_path / 'config.json').write_text(json.dumps(families.write(qwen)[1]))
  config.init_from = str(tmp_path)
  config.export_dtype = 'float8_e4m3fn'
  with fails("config.export_dtype is 'float8_e4m3fn': Qwen2ForCausalLM", *told):
    runner.run(config, workdir)
  pretraining = miniature.pretraining()
  pretraining.export_dtype = 'float8_e4m3fn'
  pretraining.pretrain.model.moe.update(
    {'scores': 'softmax', 'normalise': False, 'selection_bias': False, 'group_score_size': 1}
  )
  pretraining.pretrain.model.num_mtp = 0
  pretraining.pretrain.settings.mtp_weight = 0.0
  with fails("config.export_dtype is 'float8_e4m3fn': DeepseekV2ForCausalLM", *told):
    runner.run(pretraining, workdir)


def test_a_stage_without_a_section_is_named(config, workdir):
  config.stages = ('rl', 'sft')
  with fails('config.sft is missing; config has', 'rl'):
    runner.run(config, workdir)


def test_a_mesh_that_does_not_fit_the_devices_is_named(config, workdir):
  config.mesh.fsdp = 3
  with fails('mesh is', '1 devices', 'change config.mesh'):
    runner.run(config, workdir)


def test_pretraining_says_what_is_wrong_before_it_begins(workdir):
  for changes, texts in (
    ({'model': {'attention': {'kind': 'mha'}}}, ["attention.kind is 'mha', allowed are 'mla'"]),
    (
      {'model': {'attention': {'kv_rnk': 1}}},
      ['config.pretrain.model.attention.kv_rnk is unknown'],
    ),
    ({'model': {'moe': {'top_k': 99}}}, ['config.pretrain.model.moe: top_k 99 exceeds']),
    (
      {'model': {'moe': {'selection_bias': False}}},
      ['config.pretrain.model: a DeepSeek-V3 folder cannot hold', 'model.moe.selection_bias True'],
    ),
    ({'optimizer': {'kind': 'sgd'}}, ["optimizer.kind is 'sgd', allowed are 'adamw', 'muon'"]),
    ({'optimizer': {'b3': 0.5}}, ['config.pretrain.optimizer.b3 is unknown']),
    ({'optimizer': {'momentum': 1.0}}, ['config.pretrain.optimizer: momentum is 1.0', 'below 1']),
    ({'settings': {'chunk_tokens': 0}}, ['config.pretrain.settings: chunk_tokens is 0', 'or None']),
    ({'settings': {'num_columns': 1}}, ['config.pretrain.settings: num_columns is 1', 'least 2']),
    ({'settings': {'bias_speed': -1}}, ['config.pretrain.settings: bias_speed is -1', 'least 0']),
    ({'model': {'num_mtp': 0}}, ['config.pretrain.settings.mtp_weight is 0.3', 'no MTP module']),
    (
      {'model': {'rope': {'scaling': {'kind': 'ntk'}}}},
      ["scaling.kind is 'ntk', allowed", "'yarn'"],
    ),
    (
      {'model': {'rope': {'scaling': {'kind': 'yarn', 'factr': 2.0}}}},
      ['config.pretrain.model.rope.scaling.factr is unknown', 'original_positions'],
    ),
    ({'settings': {'num_microbatches': 3}}, ['rows_per_step is 4', 'multiple of 3']),
    (
      {'evaluation': {'problems': 3}},
      ['no effect, remove them: config.pretrain.evaluation.problems'],
    ),
    ({'mixture': {'r1': 3}}, ['config.pretrain.mixture.r1 is unknown', 'r1_zero']),
    ({'mixture': {'r1_zero': 3}}, ['config.pretrain.mixture: Mixture.r1_zero is 3', 'from 0 to 1']),
  ):
    config = miniature.pretraining()
    miniature.changed(config.pretrain, changes)
    with fails(*texts):
      runner.run(config, workdir)


def test_a_seed_that_is_too_large_is_named(config, workdir):
  config.seed = 10**20
  with fails('config.seed is 1', 'it must be a whole number, at least 0, at most 2147483647'):
    runner.run(config, workdir)


def test_answers_longer_than_the_model_knows_are_warned_of(config, caplog):
  config.rl.sampling.max_completion_tokens = 1024
  _, make = build.plan(config).stages[0]
  make(build.plan(config).policy())
  assert 'more than the 1024 positions that the model was trained on' in caplog.text
  longest = int(re.search('longest prompt has ([0-9]+) tokens', caplog.text)[1])
  caplog.clear()
  config.rl.sampling.max_completion_tokens = 1024 - longest
  _, make = build.plan(config).stages[0]
  make(build.plan(config).policy())
  assert not caplog.text


# --- Devices ---


def test_a_batch_that_the_devices_cannot_share_is_named():
  program = (
    'import sys; sys.path.insert(0, "tests/integration")\n'
    'import miniature\n'
    'from r1jax import build\n'
    'config = miniature.reinforcement("nowhere", settings={"prompts_per_step": 6})\n'
    'config.mesh.update({"data": 1, "context": 4})\n'
    'config.rl.sampling.group_size = 6\n'
    'build.plan(config)\n'
    'config.mesh.update({"data": -1, "context": 1})\n'
    'build.plan(config)\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', program],
    cwd=miniature.ROOT,
    env={'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': '--xla_force_host_platform_device_count=4'},
    capture_output=True,
    text=True,
  )
  assert done.stderr.count('group_size is 6, no multiple of the 4 devices along mesh.context') == 1
  assert done.stderr.splitlines()[-1] == (
    'ValueError: config.rl.settings.prompts_per_step is 6; it must be a multiple of 8 = '
    'num_minibatches x num_microbatches x 4 devices (mesh axes data, fsdp and expert)'
  )
