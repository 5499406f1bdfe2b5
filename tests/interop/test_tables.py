"""Names and shapes against those of published folders."""

import dataclasses
import math

from r1jax.interop import deepseek_v3, llama, qwen, tables
from r1jax.model.sizes import named


def shapes(rows, size):
  """Returns the shape of every tensor that a folder of a published model must hold."""
  found = {}
  for entry in tables.entries(rows, named(size)):
    found |= dict.fromkeys(entry.index, entry.tensor_shape())
  return found


def count(found):
  return sum(math.prod(shape) for shape in found.values())


def test_deepseek_v3():
  found = shapes(deepseek_v3.ROWS, 'deepseek-v3')
  assert found['model.embed_tokens.weight'] == (129_280, 7168)
  assert found['model.layers.0.self_attn.q_a_proj.weight'] == (1536, 7168)
  assert found['model.layers.0.self_attn.q_b_proj.weight'] == (24_576, 1536)
  assert found['model.layers.0.self_attn.kv_a_proj_with_mqa.weight'] == (576, 7168)
  assert found['model.layers.60.self_attn.kv_b_proj.weight'] == (32_768, 512)
  assert found['model.layers.60.self_attn.o_proj.weight'] == (7168, 16_384)
  assert found['model.layers.2.mlp.down_proj.weight'] == (7168, 18_432)
  assert found['model.layers.3.mlp.gate.weight'] == (256, 7168)
  assert found['model.layers.3.mlp.gate.e_score_correction_bias'] == (256,)
  assert found['model.layers.60.mlp.experts.255.down_proj.weight'] == (7168, 2048)
  assert found['model.layers.61.mlp.experts.0.up_proj.weight'] == (2048, 7168)
  assert found['model.layers.61.eh_proj.weight'] == (7168, 14_336)
  assert found['model.layers.61.shared_head.norm.weight'] == (7168,)
  assert 'model.layers.3.mlp.gate_proj.weight' not in found
  # Published: 671.03B in the model; its README gives 11.5B more to the MTP module.
  assert 671.0e9 < count(found) - 11.61e9 < 671.1e9


def test_mtp_module_repeats_embedding_and_head():
  assert tables.copies(named('deepseek-v3')) == {
    'model.layers.61.embed_tokens.weight': 'model.embed_tokens.weight',
    'model.layers.61.shared_head.head.weight': 'lm_head.weight',
  }


def test_deepseek_v2_lite():
  found = shapes(deepseek_v3.ROWS, 'deepseek-v2-lite')
  assert found['model.layers.26.self_attn.q_proj.weight'] == (3072, 2048)
  assert found['model.layers.1.mlp.shared_experts.up_proj.weight'] == (2816, 2048)
  assert found['lm_head.weight'] == (102_400, 2048)
  assert not any('bias' in name or 'layers.27' in name for name in found)


def test_qwen():
  found = shapes(qwen.BIAS_ROWS, 'qwen2.5-0.5b')
  assert found['model.layers.23.self_attn.k_proj.weight'] == (128, 896)
  assert found['model.layers.23.self_attn.k_proj.bias'] == (128,)
  assert 'model.layers.23.self_attn.o_proj.bias' not in found
  assert 'lm_head.weight' not in found
  assert len(found) == 2 + 24 * 12  # As many as the published file has.


def test_llama():
  found = shapes(llama.ROWS, 'llama-3.1-8b')
  assert found['model.layers.31.self_attn.v_proj.weight'] == (1024, 4096)
  assert found['model.layers.31.mlp.gate_proj.weight'] == (14_336, 4096)
  assert len(found) == 3 + 32 * 9


def test_copies_in_the_mtp_module_are_of_what_the_model_has():
  """Of a tied head that is the embedding."""
  config = named('deepseek-v3')
  for tied, head in ((False, tables.HEAD), (True, tables.EMBEDDING)):
    found = tables.copies(dataclasses.replace(config, tied=tied))
    assert found['model.layers.61.shared_head.head.weight'] == head
    assert found['model.layers.61.embed_tokens.weight'] == tables.EMBEDDING
