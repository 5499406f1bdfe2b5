"""Qwen2.5, and DeepSeek-R1-Distill-Qwen: Llama with biases on queries, keys and values."""

from typing import Any

from r1jax.interop import llama
from r1jax.interop.decoder import LAYER, Family
from r1jax.interop.fields import Fields
from r1jax.interop.tables import VECTOR, Row
from r1jax.model import ModelConfig

ROWS = (
  *llama.ROWS,
  Row(f'{LAYER}.self_attn.q_proj.bias', ('{block}/attention/query_bias',), VECTOR),
  Row(f'{LAYER}.self_attn.k_proj.bias', ('{block}/attention/key_bias',), VECTOR),
  Row(f'{LAYER}.self_attn.v_proj.bias', ('{block}/attention/value_bias',), VECTOR),
)


def _read(fields: Fields) -> ModelConfig:
  config = llama.read_config(fields, qkv_bias=True)
  fields.allow('use_sliding_window', False)
  fields.allow('use_mrope', False)
  fields.allow('layer_types', ['full_attention'] * config.num_layers)
  for unused_without_window in ('sliding_window', 'max_window_layers'):
    fields.get(unused_without_window)
  return config


def _write(config: ModelConfig) -> dict[str, Any]:
  return llama.write_config(config, family='Qwen2') | {'use_sliding_window': False}


FAMILY = Family('Qwen2ForCausalLM', 'qwen2', ROWS, _read, _write)
