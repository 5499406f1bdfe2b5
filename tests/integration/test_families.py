"""GRPO on a model of every family: it trains, and transformers computes what it became."""

import json

import jax
import miniature
import numpy as np
import pytest
import torch
import transformers
from flax import traverse_util

from r1jax import interop, runner
from r1jax.model import GQA, MLA, Llama3Scaling, ModelConfig, MoE, Rope, Transformer, Yarn
from r1jax.text import tokenizer as tokenizers
from r1jax.training import records

STEPS = 3
V3 = MLA(num_heads=2, query_rank=12, kv_rank=8, nope_dim=8, rope_dim=4, value_dim=8)
V2 = MLA(num_heads=2, query_rank=None, kv_rank=8, nope_dim=8, rope_dim=4, value_dim=8)
YARN = Yarn(4.0, original_positions=64, mscale=1.0, mscale_all_dim=1.0)
SOFTMAX = dict(scores='softmax', selection_bias=False, group_score_size=1)


def decoder(attention, **options):
  sizes = dict(vocab_size=1024, num_layers=2, model_dim=16, mlp_dim=32, max_positions=256)
  return ModelConfig(attention=attention, **(sizes | options))


FAMILIES = {
  'DeepseekV3ForCausalLM': decoder(
    V3,
    rope=Rope(scaling=YARN, interleaved=True),
    moe=MoE(4, top_k=2, width=16, num_shared=1, num_groups=2, num_groups_kept=1),
    num_dense_layers=1,
    num_mtp=1,
  ),
  'DeepseekV2ForCausalLM': decoder(
    V2,
    rope=Rope(interleaved=True),
    moe=MoE(4, top_k=2, width=16, num_shared=1, normalise=False, **SOFTMAX),
    num_dense_layers=1,
  ),
  'Qwen2ForCausalLM': decoder(GQA(4, 2, 8, qkv_bias=True), tied=True),
  'Qwen3ForCausalLM': decoder(GQA(4, 2, 8, qk_norm=True), tied=True),
  'Qwen3MoeForCausalLM': decoder(
    GQA(4, 2, 8, qk_norm=True), moe=MoE(4, top_k=2, width=16, **SOFTMAX)
  ),
  'LlamaForCausalLM': decoder(
    GQA(4, 2, 8), rope=Rope(scaling=Llama3Scaling(8.0, original_positions=64))
  ),
}


@pytest.fixture(params=FAMILIES)
def imported(request, tiny_base, tmp_path):
  """Returns the name of a family and the folder of a random model of it."""
  config = FAMILIES[request.param]
  shapes = jax.eval_shape(Transformer(config).init, jax.random.key(0), np.zeros((1, 2), int))
  rng = np.random.default_rng(0)

  def draw(path, leaf):
    noise = 0.1 * rng.standard_normal(leaf.shape)
    return np.float32(1 + noise if path[-1].key == 'scale' else noise)

  params = jax.tree.map_with_path(draw, shapes['params'])
  interop.save_pretrained(tmp_path / 'base', config, params, tokenizers.load(tiny_base))
  return request.param, tmp_path / 'base'


def test_trains_and_computes_the_same_in_transformers(imported, tmp_path):
  name, folder = imported
  runner.run(miniature.reinforcement(folder, steps=STEPS), tmp_path / 'run')
  rows = records.read(tmp_path / 'run' / 'metrics.jsonl')
  assert [row['step'] for row in rows] == list(range(1, STEPS + 1))
  assert all(row['mismatch'] <= 1e-4 and row['skipped'] == 0 for row in rows)
  model = tmp_path / 'run' / 'model'
  assert json.loads((model / 'config.json').read_text())['architectures'] == [name]
  config, params = interop.load_pretrained(model)
  assert config == FAMILIES[name]
  before = traverse_util.flatten_dict(interop.load_pretrained(folder)[1], sep='/')
  after = traverse_util.flatten_dict(params, sep='/')
  still = {path for path in before if np.array_equal(before[path], after[path])}
  assert all(path.startswith('mtp/') or path.endswith('selection_bias') for path in still)
  tokens_BL = np.random.default_rng(1).integers(0, 1024, (2, 40))
  theirs = transformers.AutoModelForCausalLM.from_pretrained(
    model, dtype=torch.float32, attn_implementation='eager', experts_implementation='eager'
  )
  with torch.no_grad():
    expected = theirs(torch.tensor(tokens_BL)).logits.numpy()
  found = jax.jit(Transformer(config).apply)({'params': params}, tokens_BL).logits_BLV
  np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)
