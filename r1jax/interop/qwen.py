"""Qwen2.5 with DeepSeek-R1-Distill-Qwen, and Qwen3 with its mixtures of experts.

Qwen2.5 is Llama with biases on queries, keys and values; Qwen3 has norms on queries and keys
instead of them. Its experts are chosen by softmax scores, without groups or shared experts.
"""

from typing import Any

from r1jax.interop import decoder, llama
from r1jax.interop.decoder import LAYER, Family
from r1jax.interop.fields import Fields, refuse_unless
from r1jax.interop.layouts import VECTOR
from r1jax.interop.tables import Row
from r1jax.model import GQA, ModelConfig, MoE

HEAD_DIM_3 = 128  # Of dense Qwen3 where config.json has none; the others' is width over heads.

BIAS_ROWS = (
  *llama.ROWS,
  Row(f'{LAYER}.self_attn.q_proj.bias', ('{block}/attention/query_bias',), VECTOR),
  Row(f'{LAYER}.self_attn.k_proj.bias', ('{block}/attention/key_bias',), VECTOR),
  Row(f'{LAYER}.self_attn.v_proj.bias', ('{block}/attention/value_bias',), VECTOR),
)


NORM_ROWS = (
  *llama.ROWS,
  Row(f'{LAYER}.self_attn.q_norm.weight', ('{block}/attention/query_norm/scale',), VECTOR),
  Row(f'{LAYER}.self_attn.k_norm.weight', ('{block}/attention/key_norm/scale',), VECTOR),
)


def _read_2(fields: Fields) -> ModelConfig:
  return _without_windows(fields, llama.read_config(fields, qkv_bias=True))


def _read_3(fields: Fields) -> ModelConfig:
  config = llama.read_config(fields, head_dim=HEAD_DIM_3, qk_norm=True)
  return _without_windows(fields, config)


def _read_3_moe(fields: Fields) -> ModelConfig:
  # transformers writes the second name since version 5.
  newer = fields.get('num_local_experts')
  moe: MoE | None = MoE(
    num_experts=fields.size('num_experts', newer),
    top_k=fields.size('num_experts_per_tok'),
    width=fields.size('moe_intermediate_size'),
    scores='softmax',
    normalise=fields.flag('norm_topk_prob', False),
    selection_bias=False,
    group_score_size=1,
  )
  fields.allow('decoder_sparse_step', 1)
  dense = fields.get('mlp_only_layers', [])
  if not isinstance(dense, list) or dense != list(range(len(dense))):
    fields.refuse(f'mlp_only_layers is {dense}, supported: the first layers of the model')
    dense = []
  if len(dense) >= fields.size('num_hidden_layers'):
    moe, dense = None, []
  config = llama.read_config(fields, qk_norm=True, moe=moe, num_dense_layers=len(dense))
  return _without_windows(fields, config)


def _without_windows(fields: Fields, config: ModelConfig) -> ModelConfig:
  """Returns the model; notes a problem if its attention sees a window alone."""
  fields.allow('use_sliding_window', False)
  fields.allow('use_mrope', False)
  fields.allow('layer_types', ['full_attention'] * config.num_layers)
  for unused_without_window in ('sliding_window', 'max_window_layers'):
    fields.get(unused_without_window)
  return config


def _write_2(config: ModelConfig) -> dict[str, Any]:
  return _write(config, 'Qwen2', [(config.moe is None, 'model.moe None')])


def _write_3(config: ModelConfig) -> dict[str, Any]:
  return _write(config, 'Qwen3', [(config.moe is None, 'model.moe None')])


def _write_3_moe(config: ModelConfig) -> dict[str, Any]:
  moe = config.moe
  assert moe is not None
  conditions = [
    (moe.scores == 'softmax', "model.moe.scores 'softmax'"),
    (moe.num_shared == 0, 'model.moe.num_shared 0'),
    (moe.num_groups == 1, 'model.moe.num_groups 1'),
    (moe.scaling == 1.0, 'model.moe.scaling 1.0'),
    (not moe.selection_bias, 'model.moe.selection_bias False'),
  ]
  experts = {
    'num_experts': moe.num_experts,
    'num_experts_per_tok': moe.top_k,
    'moe_intermediate_size': moe.width,
    'norm_topk_prob': moe.normalise,
    'decoder_sparse_step': 1,
    'mlp_only_layers': list(range(config.num_dense_layers)),
  }
  return _write(config, 'Qwen3 MoE', conditions) | experts


def _write(config: ModelConfig, family: str, conditions: list[tuple[bool, str]]) -> dict[str, Any]:
  """Returns the fields that all of them share."""
  attention = config.attention
  assert isinstance(attention, GQA)
  either = attention.qkv_bias != attention.qk_norm
  refuse_unless(family, [*conditions, (either, 'model.attention.qkv_bias or qk_norm, not both')])
  return llama.write_config(config, family=family) | {'use_sliding_window': False}


QWEN_2 = Family('Qwen2ForCausalLM', 'qwen2', BIAS_ROWS, _read_2, _write_2)
QWEN_3 = Family('Qwen3ForCausalLM', 'qwen3', NORM_ROWS, _read_3, _write_3)
QWEN_3_MOE = Family(
  'Qwen3MoeForCausalLM',
  'qwen3_moe',
  (*NORM_ROWS, *decoder.EXPERT_ROWS),
  _read_3_moe,
  _write_3_moe,
)
