"""Bad input is an error that names the place and the remedy, and nothing is lost by it.

Through `runner.run` or the command, as a user meets it. A full disk is met in `test_interruptions`.
"""

import dataclasses
import functools
import json
import math
import re
import shutil
import subprocess
import sys

import jax.numpy as jnp
import miniature
import pytest
from absl import flags
from ml_collections import ConfigDict
from safetensors.numpy import load_file, save_file

from r1jax import build, main, runner
from r1jax.rewards.combine import TermError
from r1jax.tasks import stream
from r1jax.tasks.world import World
from r1jax.training import records


def fails(*texts):
  """Expects a ValueError that has all the texts, in their order."""
  return pytest.raises(ValueError, match='(?s)' + '.*'.join(map(re.escape, texts)))


@pytest.fixture
def config(tiny_base):
  return miniature.reinforcement(tiny_base)


@pytest.fixture
def workdir(tmp_path):
  """Returns a folder that must not be claimed by a config that is wrong."""
  folder = tmp_path / 'run'
  yield folder
  if folder.exists():
    assert (folder / 'metrics.jsonl').exists(), 'a run that did not begin has left a folder'


# --- Config ---


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
    ({'algorithm': {'kl': 'k4'}}, ["config.rl.algorithm.kl is 'k4', allowed are", "'k3'"]),
    ({'algorithm': {'surrogate': 'ppo'}}, ["surrogate is 'ppo', allowed are 'clipped', 'cispo'"]),
    ({'algorithm': {'ratio': 'word'}}, ["config.rl.algorithm.ratio is 'word', allowed", "'token'"]),
    ({'algorithm': {'reduction': 'sum'}}, ["config.rl.algorithm.reduction is 'sum', allowed"]),
    ({'algorithm': {'advantage': 'gae'}}, ["config.rl.algorithm.advantage is 'gae', allowed"]),
    ({'reward': {'accurcy': 1.0}}, ['config.rl.reward', "'accurcy'", 'accuracy, format']),
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


def test_an_export_dtype_that_is_unknown_is_named(config, workdir):
  config.export_dtype = 'float16'
  with fails("config.export_dtype is 'float16', allowed are 'float32', 'bfloat16'"):
    runner.run(config, workdir)


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


# --- Devices ---


def test_a_batch_that_the_devices_cannot_share_is_named():
  program = (
    'import sys; sys.path.insert(0, "tests/integration")\n'
    'import miniature\n'
    'from r1jax import build\n'
    'build.plan(miniature.reinforcement("nowhere", settings={"prompts_per_step": 6}))\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', program],
    cwd=miniature.ROOT,
    env={'JAX_PLATFORMS': 'cpu', 'XLA_FLAGS': '--xla_force_host_platform_device_count=4'},
    capture_output=True,
    text=True,
  )
  assert done.stderr.splitlines()[-1] == (
    'ValueError: config.rl.settings.prompts_per_step is 6; it must be a multiple of 8 = '
    'num_minibatches x num_microbatches x 4 devices (mesh axes data, fsdp and expert)'
  )


# --- Data ---


@pytest.fixture
def problems(tiny_base, tmp_path):
  """Returns a function from lines to a config whose training problems they are."""

  def of(*lines, test=('{"question": "6*7=?", "answer": "42"}',)):
    config = miniature.load_config('zero', 'jsonl')
    config.init_from = str(tiny_base)
    changes = dict(miniature.REINFORCEMENT)
    changes['task'] = {'template': 'question_answer', 'max_prompt_tokens': 64}
    changes['evaluation'] = {'validation_problems': 1, 'test_problems': 1}
    miniature.changed(config.rl, changes)
    for name, rows in (('train', lines), ('test', test)):
      (tmp_path / f'{name}.jsonl').write_text(''.join(f'{row}\n' for row in rows))
      config.rl.task[f'{name}_path'] = str(tmp_path / f'{name}.jsonl')
    return config

  return of


GOOD = '{"question": "1+1=?", "answer": "2"}'


@pytest.mark.parametrize(
  ('row', 'texts'),
  [
    ('{"question": "1+1=?", "answer"', ['train.jsonl:2: malformed JSON', 'one object on one line']),
    ('{"question": "1+1=?"}', ["train.jsonl:2: gold: no field 'answer'", "'question'"]),
    ('{"answer": "2"}', ["train.jsonl:2: question: no field 'question'", "'answer'"]),
    ('{"question": " ", "answer": "2"}', ['train.jsonl:2: question', 'is empty']),
    ('{"question": "1+1=?", "answer": 2}', ['train.jsonl:2: gold', 'must be a string, found 2']),
    (
      '{"question": "1+1=?", "answer": "<answer>2</answer>"}',
      ["train.jsonl:2: the gold answer is '<answer>2</answer>'", 'without tags'],
    ),
    (
      '{"question": "?", "answer": "\\\\frac{1}{2"}',
      ['train.jsonl:2: the gold', 'balanced braces'],
    ),
    ('["1+1=?", "2"]', ['train.jsonl:2: a row must be a JSON object']),
  ],
)
def test_a_row_that_cannot_be_used_is_named(problems, workdir, row, texts):
  with fails(*texts):
    runner.run(problems(GOOD, row), workdir)


def test_held_out_rows_are_checked_as_well(problems, workdir):
  with fails("test.jsonl:1: gold: no field 'answer'"):
    runner.run(problems(GOOD, test=['{"question": "1+1=?"}']), workdir)


def test_what_is_held_out_must_not_be_trained_on(problems, workdir):
  other = '{"question": "2+2=?", "answer": "4"}'
  with fails('config.rl.task: 1 training problems are in the test set too', "'1+1=?'"):
    runner.run(problems(other, GOOD, test=[GOOD]), workdir)
  with fails('config.rl.evaluation.validation_problems is 1; it must be less than 1'):
    runner.run(problems(GOOD), workdir)


def test_data_that_are_missing_or_empty_are_named(problems, workdir, tmp_path):
  with fails('train.jsonl: the file is empty; it needs one JSON object a line'):
    runner.run(problems(), workdir)
  config = problems(GOOD)
  config.rl.task.test_path = str(tmp_path / 'nowhere.jsonl')
  with fails('nowhere.jsonl: no such file'):
    runner.run(config, workdir)
  config.rl.task.test_path = ''
  with fails('config.rl.task.test_path is empty; say where the problems are'):
    runner.run(config, workdir)


def test_a_prepared_set_that_is_missing_is_named(tiny_base, workdir, tmp_path):
  config = miniature.load_config('zero', 'tfds')
  config.init_from = str(tiny_base)
  with fails('config.rl.task.data_dir is empty'):
    runner.run(config, workdir)
  config.rl.task.data_dir, config.rl.task.dataset = str(tmp_path), 'mine'
  with pytest.raises((ValueError, OSError), match=re.escape(str(tmp_path / 'mine'))):
    runner.run(config, workdir)


def test_a_prompt_that_is_too_long_is_named_and_not_cut(problems, workdir):
  long = json.dumps({'id': 'wordy', 'question': 'why? ' * 100, 'answer': '2'})
  with fails('1 of 2 prompts are longer than the limit of 64 tokens', "'wordy' (", 'raise '):
    runner.run(problems(GOOD, long), workdir)
  with fails("'wordy'"):
    runner.run(problems(GOOD, GOOD.replace('1+1', '2+0'), test=[long]), workdir)


def test_a_prompt_of_the_last_step_is_checked_before_the_first(config, workdir, monkeypatch):
  world = World('train', seed=config.seed)
  last = miniature.STEPS * config.rl.settings.prompts_per_step - 1
  (late,) = stream.shuffled(range(len(world)), seed=config.seed).batch(last, 1)
  plain = World.__getitem__

  def wordy(self, index):
    problem = plain(self, index)
    if self.split != 'train' or index != late:
      return problem
    return dataclasses.replace(problem, question='why? ' * 100)

  monkeypatch.setattr(World, '__getitem__', wordy)
  with fails('1 of 32 prompts are longer than the limit of 64 tokens', 'world/train/'):
    runner.run(config, workdir)


def test_prompts_of_the_world_are_checked_before_the_first_step(config, workdir):
  config.rl.task.max_prompt_tokens = 5
  with fails('longer than the limit of 5 tokens', 'world/', 'max_prompt_tokens'):
    runner.run(config, workdir)


# --- Models ---


@pytest.fixture
def model(tiny_base, tmp_path):
  """Returns a copy of the base model, to be spoilt."""
  return shutil.copytree(tiny_base, tmp_path / 'model')


@pytest.mark.parametrize('name', ['config.json', 'model.safetensors'])
def test_a_model_without_a_file_is_named(model, workdir, name):
  (model / name).unlink()
  with fails(f"config.init_from is '{model}'", 'lacks', name, 'found: '):
    runner.run(miniature.reinforcement(model), workdir)


def test_a_model_without_a_tokenizer_is_named(model, workdir):
  for name in ('tokenizer.json', 'tokenizer.model'):
    (model / name).unlink()
  with fails(f"config.init_from is '{model}'", 'no tokenizer in', 'tokenizer.json', 'Copy'):
    runner.run(miniature.reinforcement(model), workdir)


def test_a_model_that_is_not_there_is_named(tmp_path, workdir):
  with fails("config.init_from is '", 'nowhere', 'there is no such folder'):
    runner.run(miniature.reinforcement(tmp_path / 'nowhere'), workdir)
  with fails("config.init_from is 'assets:nowhere'", 'there is no such folder'):
    runner.run(miniature.reinforcement('assets:nowhere'), workdir)


def spoilt(model, change):
  tensors = load_file(model / 'model.safetensors')
  change(tensors)
  save_file(tensors, model / 'model.safetensors', metadata={'format': 'pt'})
  return miniature.reinforcement(model)


NORM = 'model.norm.weight'


def test_tensors_that_do_not_fit_are_all_named(model, workdir):
  def change(tensors):
    tensors[NORM] = tensors[NORM][:-1].copy()
    tensors['surplus'] = tensors.pop('model.embed_tokens.weight')

  config = spoilt(model, change)
  with fails(f"config.init_from is '{model}'", 'misshapen: ', NORM) as error:
    runner.run(config, workdir)
  for text in ('missing: model.embed_tokens.weight', 'surplus: surplus', '(15,), expected (16,)'):
    assert text in str(error.value)


def test_a_torn_file_of_weights_is_named(model, workdir):
  file = model / 'model.safetensors'
  file.write_bytes(file.read_bytes()[:1000])
  with fails('config.init_from is', 'model.safetensors is no safetensors file', 'fetch it again'):
    runner.run(miniature.reinforcement(model), workdir)


def test_a_tokenizer_with_more_ids_than_the_model_is_named(model, workdir):
  fields = json.loads((model / 'config.json').read_text())
  (model / 'config.json').write_text(json.dumps(fields | {'vocab_size': 1000}))

  def change(tensors):
    for name in ('model.embed_tokens.weight', 'lm_head.weight'):
      tensors[name] = tensors[name][:1000].copy()
    for name in [
      n for n in tensors if n.endswith(('embed_tokens.weight', 'shared_head.head.weight'))
    ]:
      tensors[name] = tensors[name][:1000].copy()

  config = spoilt(model, change)
  with fails('config.init_from is', '1024 ids', '1000', 'do not belong together'):
    runner.run(config, workdir)


def test_a_dtype_that_is_none_is_named(config, workdir):
  config.model.dtype = 'float16'
  with fails("model.dtype is 'float16', allowed are 'float32', 'bfloat16'"):
    runner.run(config, workdir)


# --- Workdir ---


def test_a_workdir_of_another_config_is_refused_with_the_fields_that_differ(finished, tiny_base):
  before = (finished / 'config.json').read_bytes()
  config = miniature.reinforcement(tiny_base, steps=9)
  config.seed = 3
  with fails(str(finished), 'written by another config', 'choose another --workdir') as error:
    runner.run(config, finished)
  assert 'config.rl.steps: 8 there, 9 now; config.seed: 0 there, 3 now' in str(error.value)
  assert (finished / 'config.json').read_bytes() == before


@pytest.mark.parametrize('content', ['{"config": ', '[]', '{}'])
def test_a_damaged_config_in_the_workdir_is_named(config, tmp_path, content):
  (tmp_path / 'config.json').write_text(content)
  with fails(str(tmp_path / 'config.json'), 'is damaged', 'choose another --workdir'):
    runner.run(config, tmp_path)


def test_a_damaged_summary_is_named(config, tmp_path):
  (tmp_path / 'summary.json').write_text('{')
  with fails(str(tmp_path / 'summary.json'), 'is damaged', 'remove it, and the stage ends anew'):
    runner.run(config, tmp_path)


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


# --- In the midst of a run ---


def test_a_loss_that_is_not_finite_is_skipped_counted_and_then_stops_the_run(
  tiny_base, tmp_path, monkeypatch
):
  not_finite = functools.partial(jnp.full_like, fill_value=jnp.nan)
  monkeypatch.setitem(build.ADVANTAGES, 'group_normalised', not_finite)
  config = miniature.reinforcement(tiny_base, cadence={'max_skipped': 3, 'checkpoint_every': 0})
  with pytest.raises(FloatingPointError, match='3 updates in a row was not finite') as error:
    runner.run(config, tmp_path)
  assert f'saved in {tmp_path / "checkpoints" / "3"}' in str(error.value)
  rows = records.read(tmp_path / 'metrics.jsonl')
  assert [row['skipped'] for row in rows] == [1, 1, 1]
  assert all(row['loss'] is None and 'loss' in row['non_finite'] for row in rows)
  assert all(row['kl'] == 0 for row in rows), 'a skipped update has moved the model'
  assert (tmp_path / 'checkpoints' / '3').is_dir()
  assert not (tmp_path / 'summary.json').exists()
  # Mended, the same command goes on; the count begins anew.
  monkeypatch.undo()
  runner.run(config, tmp_path)
  rows = records.read(tmp_path / 'metrics.jsonl')
  assert [row['skipped'] for row in rows] == [1, 1, 1, 0, 0, 0, 0, 0]


def raise_on_sevens(problem, response):
  """Is a reward term with a fault."""
  raise ZeroDivisionError('no seven')


def test_a_reward_term_that_raises_is_named_with_what_it_was_given(
  tiny_base, tmp_path, monkeypatch
):
  monkeypatch.setitem(build.REWARDS, 'sevens', raise_on_sevens)
  config = miniature.reinforcement(tiny_base, reward={'sevens': 1.0})
  with pytest.raises(TermError, match=r"reward term 'sevens' raised ZeroDivisionError") as error:
    runner.run(config, tmp_path)
  assert 'world/train/0/' in str(error.value) and 'with response' in str(error.value)


# --- The command ---


@pytest.fixture
def command(tmp_path, compilation_cache, monkeypatch):
  """Returns a function that runs the command in this process; it returns what it exits with."""

  def run(config, *more):
    file = miniature.config_file(tmp_path / 'config.py', config)
    arguments = [f'--config={file}', f'--workdir={tmp_path / "run"}', *more]
    flags.FLAGS.unparse_flags()
    monkeypatch.setattr(sys, 'argv', ['main', *arguments])  # Overrides are read from there.
    with pytest.raises(SystemExit) as exited:
      main.parse(['main', f'--compilation_cache={compilation_cache}', *arguments])
      main.train(['main'])
    return exited.value.code

  yield run
  flags.FLAGS.unparse_flags()


def test_the_command_says_it_in_a_line(command, config):
  config.rl.task.template = 'zero'
  text = command(config)
  assert text.startswith("ValueError: config.rl.task.template is 'zero', allowed are 'r1_zero',")
  assert '\n' not in text


def test_an_override_of_a_field_that_is_not_there_is_said_in_a_line(command, config):
  text = command(config, '--config.rl.stepz=3')
  assert text == (
    'the config has no such field: \'stepz\' Did you mean "steps" instead of "stepz"? '
    '(in --config.rl.stepz=3)'
  )
  assert "no such field: 'foo' (in --config.rl" in command(config, '--config.rl.foo.bar=3')


def test_a_fault_of_the_config_file_is_not_taken_for_an_override(tmp_path, monkeypatch):
  file = tmp_path / 'mine.py'
  file.write_text('import math\n\n\ndef get_config():\n  return math.pie\n')
  for path, fault in ((file, AttributeError), (tmp_path / 'typo.py', SystemExit)):
    flags.FLAGS.unparse_flags()
    arguments = ['main', f'--config={path}', '--config.rl.steps=3']
    monkeypatch.setattr(sys, 'argv', arguments)
    with pytest.raises(fault, match=r"'pie'|the config cannot be read: .*typo\.py"):
      main.parse(arguments)
  flags.FLAGS.unparse_flags()


def test_the_command_exits_with_the_number_of_the_signal(command, config, monkeypatch):
  def stopped(config, workdir):
    raise main.Stopped(15)

  monkeypatch.setattr(main.runner, 'run', stopped)
  assert command(config) == 143


def test_a_term_of_ones_own_is_named_by_its_path(tiny_base):
  config = miniature.reinforcement(tiny_base)
  terms = {'accuracy': 1.0, 'r1jax.rewards.lenient.reward': 0.5}
  config.rl.reward = ConfigDict(terms, allow_dotted_keys=True)
  build.plan(config)
