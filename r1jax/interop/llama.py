"""Llama 3.x, and DeepSeek-R1-Distill-Llama: grouped-query attention without biases."""

from typing import Any

from r1jax.interop import decoder, rope_fields
from r1jax.interop.decoder import LAYER, Family
from r1jax.interop.fields import Fields, refuse_unless
from r1jax.interop.layouts import LINEAR
from r1jax.interop.tables import Row
from r1jax.model import GQA, ModelConfig

ROWS = (
  *decoder.ROWS,
  Row(f'{LAYER}.self_attn.k_proj.weight', ('{block}/attention/key',), LINEAR, scaled=True),
  Row(f'{LAYER}.self_attn.v_proj.weight', ('{block}/attention/value',), LINEAR, scaled=True),
)


def read_config(
  fields: Fields,
  *,
  head_dim: int | None = None,
  qkv_bias: bool = False,
  qk_norm: bool = False,
  **others: Any,
) -> ModelConfig:
  """Reads a decoder of grouped-query attention; also Qwen's.

  Args:
    fields: of config.json.
    head_dim: where config.json does not say; None for the width of the model over the heads.
    qkv_bias: whether the family's queries, keys and values have biases.
    qk_norm: whether it normalises queries and keys.
    **others: what the family has read of `ModelConfig` itself.
  """
  common = decoder.read(fields)
  num_heads = fields.size('num_attention_heads')
  rope = rope_fields.read(fields, interleaved=False, max_positions=common['max_positions'])
  if not rope_fields.without_mscale(rope):
    fields.refuse('rope mscale and mscale_all_dim are set, supported: in DeepSeek models only')
  attention = GQA(
    num_heads=num_heads,
    num_kv_heads=fields.size('num_key_value_heads', num_heads),
    head_dim=fields.size('head_dim', head_dim or common['model_dim'] // num_heads),
    qkv_bias=qkv_bias,
    qk_norm=qk_norm,
  )
  return ModelConfig(**common, attention=attention, rope=rope, **others)


def write_config(config: ModelConfig, *, family: str) -> dict[str, Any]:
  """Returns the fields of a decoder of grouped-query attention; also Qwen's."""
  attention = config.attention
  assert isinstance(attention, GQA)
  conditions = (
    (config.num_mtp == 0, 'model.num_mtp 0'),
    (not config.rope.interleaved, 'model.rope.interleaved False'),
    (
      rope_fields.without_mscale(config.rope),
      'model.rope.scaling.mscale 1 and mscale_all_dim 0',
    ),
  )
  refuse_unless(family, conditions)
  heads = {
    'num_attention_heads': attention.num_heads,
    'num_key_value_heads': attention.num_kv_heads,
    'head_dim': attention.head_dim,
  }
  return decoder.write(config) | heads | rope_fields.write(config.rope)


def _read(fields: Fields) -> ModelConfig:
  return read_config(fields)


def _write(config: ModelConfig) -> dict[str, Any]:
  refuse_unless('Llama', [(config.moe is None, 'model.moe None')])
  return write_config(config, family='Llama') | {'mlp_bias': False}


FAMILY = Family('LlamaForCausalLM', 'llama', ROWS, _read, _write)
