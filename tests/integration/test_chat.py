"""GRPO that asks in the chat template of a Qwen2, whose turns end otherwise than its texts."""

import json
import shutil

import jax
import miniature
import numpy as np
import pytest
import tokenizers
import transformers
from miniature import fails

from r1jax import build, interop, runner
from r1jax.decoding import Sampler
from r1jax.model import GQA, ModelConfig, Transformer
from r1jax.structs import Problem
from r1jax.text import templates
from r1jax.training import records

TEMPLATE = (
  "{% if messages[0].role != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}"
  '{% for m in messages %}{{ "<|im_start|>" + m.role + "\n" + m.content + "<|im_end|>\n" }}'
  '{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}'
)
TURNS = ('<|im_start|>', '<|im_end|>')
# Few programs: other tests have segments, microbatches, a reference and evaluations.
QUICK = {
  'sampling': {'segment_tokens': 16},
  'settings': {'num_microbatches': 1},
  'algorithm': {'kl_weight': 0.0},
  'evaluation': {'validation_problems': 0, 'test_problems': 2},
  'replace_reference_every': 0,
}


@pytest.fixture(scope='module')
def base(tiny_base, tmp_path_factory):
  """Returns the folder of a random Qwen2 with a chat template, as of R1's distilled models."""
  folder = tmp_path_factory.mktemp('chat') / 'base'
  attention = GQA(4, 2, 8, qkv_bias=True)
  config = ModelConfig(vocab_size=1032, num_layers=2, model_dim=16, mlp_dim=32, attention=attention)
  shapes = jax.eval_shape(Transformer(config).init, jax.random.key(0), np.zeros((1, 2), int))
  normal = np.random.default_rng(0).normal
  params = jax.tree.map(lambda s: normal(0, 0.1, s.shape).astype(np.float32), shapes['params'])
  interop.save_pretrained(folder, config, params)
  made = tokenizers.Tokenizer.from_file(str(tiny_base / 'tokenizer.json'))
  made.add_special_tokens(list(TURNS))
  made.save(str(folder / 'tokenizer.json'))
  write = lambda name, fields: (folder / name).write_text(json.dumps(fields))  # noqa: E731
  write('tokenizer_config.json', {'eos_token': '<eos>', 'pad_token': '<pad>'})
  ends = [made.token_to_id(token) for token in ('<|im_end|>', '<eos>')]
  write('generation_config.json', {'eos_token_id': ends, 'temperature': 0.6, 'top_k': 20})
  (folder / 'chat_template.jinja').write_text(TEMPLATE)
  return folder


def in_chat(base, **changes):
  task = {'template': 'boxed', 'chat': True, 'max_prompt_tokens': 128} | changes
  config = miniature.reinforcement(base, steps=2, task=task, **QUICK)
  config.rl.cadence.completions_every = 1
  return config


def test_trains_on_what_transformers_would_ask(base, tmp_path):
  config = in_chat(base)
  plan = build.plan(config)
  (_, make), *_ = plan.stages
  asking = make(plan.policy()).learning.answering
  theirs = transformers.PreTrainedTokenizerFast.from_pretrained(base)

  def asked(tokenizer):
    messages = [{'role': 'user', 'content': templates.boxed('1+1=?')}]
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)

  assert asking.prompts([Problem('p', '1+1=?', '2')]) == [asked(theirs)]
  assert [theirs.convert_ids_to_tokens(id) for id in asking.tokenizer.stop_ids] == [
    '<eos>',
    '<|im_end|>',
  ]
  runner.run(config, tmp_path / 'run')
  rows = records.read(tmp_path / 'run' / 'metrics.jsonl')
  assert [row['step'] for row in rows] == [1, 2]
  assert all(row['mismatch'] <= 1e-4 and row['skipped'] == 0 for row in rows)
  written = [
    row for path in (tmp_path / 'run' / 'completions').iterdir() for row in records.read(path)
  ]
  assert written and all(row['completion'].startswith('<think>\n') for row in written)
  exported = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path / 'run' / 'model')
  assert asked(exported) == asked(theirs)


def test_evaluations_sample_as_the_model_wants_it(base, tmp_path):
  """What the model names comes first, the rest is the config's; training has its own."""

  def samplers(folder, **evaluation):
    config = in_chat(folder)
    config.rl.evaluation.update(evaluation)
    plan = build.plan(config)
    (_, make), *_ = plan.stages
    stage = make(plan.policy())
    return [stage.learning.answering.sampler, *(one.answering.sampler for one in stage.benchmarks)]

  own = {'temperature': 0.9, 'top_k': None, 'top_p': 0.8}
  assert samplers(base) == [Sampler(), Sampler()]
  assert samplers(base, sampler=own) == [Sampler(), Sampler(0.9, None, 0.8)]
  assert samplers(base, sampler=own, generation_config=True) == [Sampler(), Sampler(0.6, 20, 0.8)]
  other = shutil.copytree(base, tmp_path / 'other')
  (other / 'generation_config.json').write_text(json.dumps({'min_p': 0.1}))
  with fails('config.rl.evaluation: generation_config.json asks for min_p 0.1; samplers have'):
    samplers(other, generation_config=True)


def test_what_a_chat_lacks_is_named(base, tiny_base, workdir):
  with fails('config.rl.task: the tokenizer has no chat template: its folder needs chat_template'):
    runner.run(in_chat(tiny_base), workdir)
  with fails("config.rl.task.chat is 'yes'; it must be True or False"):
    runner.run(in_chat(base, chat='yes'), workdir)
  with fails('config.rl.task: ', 'prompts are longer than the limit of 8 tokens'):
    runner.run(in_chat(base, max_prompt_tokens=8), workdir)
