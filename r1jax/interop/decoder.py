"""What the families have in common: a decoder's rows and its fields in config.json."""

import dataclasses
from collections.abc import Callable
from typing import Any

from r1jax.interop import float8
from r1jax.interop.fields import Fields
from r1jax.interop.layouts import FROM_HEADS, LINEAR, SAME, VECTOR
from r1jax.interop.tables import EMBEDDING, HEAD, Row
from r1jax.model import ModelConfig

LAYER = 'model.layers.{layer}'

ROWS = (
  Row(EMBEDDING, ('embedding',), SAME),
  Row('model.norm.weight', ('final_norm/scale',), VECTOR),
  Row(HEAD, ('head',), LINEAR),
  Row(f'{LAYER}.input_layernorm.weight', ('{block}/attention_norm/scale',), VECTOR),
  Row(f'{LAYER}.post_attention_layernorm.weight', ('{block}/mlp_norm/scale',), VECTOR),
  Row(f'{LAYER}.self_attn.q_proj.weight', ('{block}/attention/query',), LINEAR, scaled=True),
  Row(f'{LAYER}.self_attn.o_proj.weight', ('{block}/attention/out',), FROM_HEADS, scaled=True),
  Row(f'{LAYER}.mlp.gate_proj.weight', ('{block}/mlp/gate',), LINEAR, scaled=True),
  Row(f'{LAYER}.mlp.up_proj.weight', ('{block}/mlp/up',), LINEAR, scaled=True),
  Row(f'{LAYER}.mlp.down_proj.weight', ('{block}/mlp/down',), LINEAR, scaled=True),
)

_MLP = f'{LAYER}.mlp'
# Of routed experts, where a family has them.
EXPERT_ROWS = (
  Row(f'{_MLP}.gate.weight', ('{block}/moe/router',), LINEAR),
  Row(f'{_MLP}.experts.{{expert}}.gate_proj.weight', ('{block}/moe/gate',), LINEAR, scaled=True),
  Row(f'{_MLP}.experts.{{expert}}.up_proj.weight', ('{block}/moe/up',), LINEAR, scaled=True),
  Row(f'{_MLP}.experts.{{expert}}.down_proj.weight', ('{block}/moe/down',), LINEAR, scaled=True),
)


@dataclasses.dataclass(frozen=True)
class Family:
  """A kind of folder.

  Attributes:
    architecture: its name in config.json.
    model_type: its other name there.
    rows: the name table.
    read: makes a `ModelConfig` from config.json; refuses through the fields what we lack.
    write: makes the fields of config.json that are the family's own; raises ValueError that says
      what the family needs where it cannot express the model.
    scaled: whether it is published in 8 bits with a scale a block, so that engines expect it.
  """

  architecture: str
  model_type: str
  rows: tuple[Row, ...]
  read: Callable[[Fields], ModelConfig]
  write: Callable[[ModelConfig], dict[str, Any]]
  scaled: bool = False


def read(fields: Fields) -> dict[str, Any]:
  """Reads what is no family's own: arguments of `ModelConfig`."""
  fields.allow('hidden_act', 'silu')
  fields.allow('attention_bias', False)
  fields.allow('attention_dropout', 0.0)
  fields.allow('mlp_bias', False)
  fields.allow_on('is_causal')
  for of_encoders in ('is_encoder_decoder', 'tie_encoder_decoder', 'add_cross_attention'):
    fields.allow(of_encoders, False)
  float8.allow(fields)
  return {
    'vocab_size': fields.size('vocab_size'),
    'num_layers': fields.size('num_hidden_layers'),
    'model_dim': fields.size('hidden_size'),
    'mlp_dim': fields.size('intermediate_size'),
    'tied': fields.flag('tie_word_embeddings', False),
    'norm_epsilon': fields.number('rms_norm_eps', 1e-6, above=0),
    'init_std': fields.number('initializer_range', 0.02),
    'max_positions': fields.size('max_position_embeddings'),
  }


def write(config: ModelConfig) -> dict[str, Any]:
  """Returns the fields of config.json that `read` reads."""
  return {
    'vocab_size': config.vocab_size,
    'num_hidden_layers': config.num_layers,
    'hidden_size': config.model_dim,
    'intermediate_size': config.mlp_dim,
    'tie_word_embeddings': config.tied,
    'rms_norm_eps': config.norm_epsilon,
    'initializer_range': config.init_std,
    'max_position_embeddings': config.max_positions,
    'hidden_act': 'silu',
    'attention_bias': False,
    'attention_dropout': 0.0,
    'use_cache': True,
  }
