"""The shipped configs in miniature: the same code in seconds, for runs from end to end."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ml_collections import ConfigDict

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODEL = {
  'num_layers': 2,
  'num_dense_layers': 1,
  'model_dim': 16,
  'mlp_dim': 32,
  'attention': {'num_heads': 2, 'kv_rank': 8, 'nope_dim': 8, 'rope_dim': 4, 'value_dim': 8},
  'moe': {'num_experts': 4, 'width': 16},
}
TEXT = {'families': {'expression_en': 1.0}, 'depths': (1, 2), 'distractors': 0.0}
PRETRAINING = {
  'steps': 6,
  'model': MODEL,
  'vocabulary_documents': 1000,
  'mixture': {'r1_zero': 0.9},
  'optimizer': {'warmup': 2},
  'settings': {'rows_per_step': 4, 'num_columns': 64},
  'cadence': {'checkpoint_every': 2},
  'evaluation': {'num_problems': 2, 'num_samples': 2},
}
STEPS = 8
# By the toss of a coin, so that groups have variance and parameters move: every step counts, and
# one that is lost, repeated or taken on other data shows in the result. And slowly, so that a kill
# finds a step to come in.
REWARD = {'accuracy': 1.0, 'format': 1.0, 'random': 1.0, 'miniature.slowly': 0.0}
REINFORCEMENT = {
  'steps': STEPS,
  'task': {'template': 'question_answer', 'max_prompt_tokens': 64, 'world': TEXT},
  'sampling': {'group_size': 4, 'max_completion_tokens': 16, 'segment_tokens': 8},
  'algorithm': {'kl_weight': 0.01},
  'optimizer': {'peak': 1e-2, 'warmup': 1},
  'settings': {'prompts_per_step': 4, 'num_microbatches': 2},
  'cadence': {'checkpoint_every': 2, 'evaluate_every': 4, 'completions_every': 3},
  'evaluation': {'validation_problems': 4, 'test_problems': 6},
  'replace_reference_every': 3,
  'num_completions': 5,
}


def slowly(problem, response):
  """Is a reward term that takes its time: 0.16 s a step."""
  time.sleep(0.01)
  return 0.0


def load_config(name, *args):
  """Returns what `get_config` of a file in `configs/` makes."""
  spec = importlib.util.spec_from_file_location(name, ROOT / 'configs' / f'{name}.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module.get_config(*args)


def changed(section, changes):
  """Returns a section of a config with fields put in the place of others, or added to them."""
  for name, value in changes.items():
    if isinstance(value, dict) and name in section:
      changed(section[name], value)
    else:
      with section.unlocked(), section.ignore_type():
        section[name] = value
  return section


def pretraining():
  config = load_config('base')
  config.export_dtype = 'float32'  # So that two models can be compared bit for bit.
  changed(config.pretrain, PRETRAINING)
  return config


def reinforcement(base, **changes):
  """Returns R1-Zero in miniature from a base model; `changes` are of its stage."""
  config = load_config('zero')
  config.init_from = str(base)
  config.rl.reward = ConfigDict(REWARD, allow_dotted_keys=True)
  changed(config.rl, REINFORCEMENT)
  changed(config.rl.task.world, {'families': dict.fromkeys(config.rl.task.world.families, 0.0)})
  changed(config.rl.task.world, TEXT)
  changed(config.rl, changes)
  return config


def fails(*texts):
  """Expects a ValueError that has all the texts, in their order."""
  return pytest.raises(ValueError, match='(?s)' + '.*'.join(map(re.escape, texts)))


ENVIRONMENT = {
  'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
  # `offline` holds a sitecustomize.py, which refuses connections.
  'PYTHONPATH': os.pathsep.join(map(str, (HERE, HERE / 'offline'))),
  'PYTHONUNBUFFERED': '1',  # What it has done is read from what it prints.
}


def start(config_file, workdir, *flags, **environment):
  """Starts the command of the README in a process of its own, which no network can be reached from.

  Args:
    config_file: what to run.
    workdir: where.
    *flags: more flags.
    **environment: more variables.
  """
  cache = os.environ['JAX_COMPILATION_CACHE_DIR']
  command = [sys.executable, '-m', 'r1jax.main', f'--config={config_file}', f'--workdir={workdir}']
  return subprocess.Popen(
    [*command, f'--compilation_cache={cache}', *flags],
    cwd=ROOT,
    env=os.environ | ENVIRONMENT | environment,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def config_file(path, config):
  """Writes a config file that makes the given config."""
  content = json.dumps(config.to_dict())
  path.write_text(
    'import json\nfrom ml_collections import ConfigDict\n\n'
    f'def get_config():\n  return ConfigDict(json.loads({content!r}), allow_dotted_keys=True)\n'
  )
  return path
