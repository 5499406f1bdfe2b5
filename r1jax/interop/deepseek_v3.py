"""DeepSeek-V3 and R1, and DeepSeek-V2 (Lite): latent attention, experts, multi-token prediction.

V2 and V3 share all names; they differ in routing. V2: softmax scores, weights not normalised, a
group scored by its best expert, no selection bias. V3: sigmoid scores, a group scored by the sum
of its two best, and a selection bias.
"""

from typing import Any

from r1jax.interop import decoder, rope_fields
from r1jax.interop.decoder import LAYER, Family
from r1jax.interop.fields import Fields, refuse_unless
from r1jax.interop.layouts import LINEAR, VECTOR
from r1jax.interop.tables import Row
from r1jax.model import MLA, ModelConfig, MoE

LATENT_NORM_EPSILON = 1e-6  # Fixed in DeepSeek's code; config.json has the other norms' alone.

_ATTENTION, _MLP, _MODULE = f'{LAYER}.self_attn', f'{LAYER}.mlp', 'model.layers.{mtp}'

ROWS = (
  *decoder.ROWS,
  *decoder.EXPERT_ROWS,
  Row(f'{_ATTENTION}.q_a_proj.weight', ('{block}/attention/query_down',), LINEAR, scaled=True),
  Row(f'{_ATTENTION}.q_a_layernorm.weight', ('{block}/attention/query_norm/scale',), VECTOR),
  Row(f'{_ATTENTION}.q_b_proj.weight', ('{block}/attention/query_up',), LINEAR, scaled=True),
  Row(
    f'{_ATTENTION}.kv_a_proj_with_mqa.weight', ('{block}/attention/kv_down',), LINEAR, scaled=True
  ),
  Row(f'{_ATTENTION}.kv_a_layernorm.weight', ('{block}/attention/kv_norm/scale',), VECTOR),
  Row(
    f'{_ATTENTION}.kv_b_proj.weight',
    ('{block}/attention/key_up', '{block}/attention/value_up'),
    LINEAR,
    scaled=True,
  ),
  # A step of the balance rule is lost in bfloat16, so the bias is float32 in published folders.
  Row(f'{_MLP}.gate.e_score_correction_bias', ('{block}/moe/selection_bias',), VECTOR, wide=True),
  Row(f'{_MLP}.shared_experts.gate_proj.weight', ('{block}/moe/shared/gate',), LINEAR, scaled=True),
  Row(f'{_MLP}.shared_experts.up_proj.weight', ('{block}/moe/shared/up',), LINEAR, scaled=True),
  Row(f'{_MLP}.shared_experts.down_proj.weight', ('{block}/moe/shared/down',), LINEAR, scaled=True),
  Row(f'{_MODULE}.enorm.weight', ('mtp/embedding_norm/scale',), VECTOR),
  Row(f'{_MODULE}.hnorm.weight', ('mtp/hidden_norm/scale',), VECTOR),
  Row(f'{_MODULE}.eh_proj.weight', ('mtp/projection',), LINEAR),
  Row(f'{_MODULE}.shared_head.norm.weight', ('mtp/norm/scale',), VECTOR),
)


def _read_v3(fields: Fields) -> ModelConfig:
  fields.allow('scoring_func', 'sigmoid')
  fields.allow('topk_method', 'noaux_tc')
  routing = {
    'scores': 'sigmoid',
    'normalise': fields.flag('norm_topk_prob', True),
    'selection_bias': True,
  }
  num_mtp = fields.size(
    'num_nextn_predict_layers', fields.size('num_mtp_layers', 0, least=0), least=0
  )
  fields.allow('num_nextn_predict_layers', 0, 1)
  fields.allow('num_mtp_layers', 0, 1)
  interleaved = fields.flag('rope_interleave', True)
  return _read(fields, routing, num_mtp, grouped=True, interleaved=interleaved)


def _read_v2(fields: Fields) -> ModelConfig:
  fields.allow('scoring_func', 'softmax')
  fields.allow('topk_method', 'greedy', 'group_limited_greedy')
  fields.allow('norm_topk_prob', False)
  grouped = fields.get('topk_method', 'greedy') == 'group_limited_greedy'
  routing = {
    'scores': 'softmax',
    'normalise': False,
    'selection_bias': False,
    'group_score_size': 1,
  }
  return _read(fields, routing, 0, grouped=grouped, interleaved=True)


def _read(
  fields: Fields, routing: dict[str, Any], num_mtp: int, *, grouped: bool, interleaved: bool
) -> ModelConfig:
  """Reads what V2 and V3 share."""
  common = decoder.read(fields)
  rope = rope_fields.read(fields, interleaved=interleaved, max_positions=common['max_positions'])
  if not rope_fields.agrees_on_mscale(rope):
    fields.refuse('rope mscale or mscale_all_dim alone is ambiguous, supported: both or none')
  if not rope_fields.without_factor(rope):
    fields.refuse(
      'rope attention_factor is not what YaRN implies, supported: in Llama and Qwen only'
    )
  num_dense = fields.size('first_k_dense_replace', least=0)
  moe = _read_experts(fields, routing, grouped=grouped)
  if num_dense >= common['num_layers'] + num_mtp:
    moe, num_dense = None, 0
  return ModelConfig(
    **common,
    attention=_read_attention(fields),
    rope=rope,
    moe=moe,
    num_dense_layers=num_dense,
    num_mtp=min(num_mtp, 1),
  )


def _read_attention(fields: Fields) -> MLA:
  attention = MLA(
    num_heads=fields.size('num_attention_heads'),
    query_rank=None if fields.get('q_lora_rank') is None else fields.size('q_lora_rank'),
    kv_rank=fields.size('kv_lora_rank'),
    nope_dim=fields.size('qk_nope_head_dim'),
    rope_dim=fields.size('qk_rope_head_dim'),
    value_dim=fields.size('v_head_dim'),
    norm_epsilon=LATENT_NORM_EPSILON,
  )
  fields.allow('num_key_value_heads', attention.num_heads)
  fields.allow('head_dim', attention.rope_dim)
  fields.allow('qk_head_dim', attention.nope_dim + attention.rope_dim)
  return attention


def _read_experts(fields: Fields, routing: dict[str, Any], *, grouped: bool) -> MoE | None:
  fields.allow('moe_layer_freq', 1)
  if fields.get('n_routed_experts') is None:
    return None
  groups = [fields.size(name) if grouped else 1 for name in ('n_group', 'topk_group')]
  for without_effect_unless_grouped in ('n_group', 'topk_group'):
    fields.get(without_effect_unless_grouped)
  return MoE(
    num_experts=fields.size('n_routed_experts'),
    top_k=fields.size('num_experts_per_tok'),
    width=fields.size('moe_intermediate_size'),
    num_shared=fields.size('n_shared_experts', 0, least=0),
    scaling=fields.number('routed_scaling_factor'),
    num_groups=groups[0],
    num_groups_kept=groups[1],
    **routing,
  )


def _write_v3(config: ModelConfig) -> dict[str, Any]:
  moe = config.moe
  if moe is not None:
    conditions = (
      (moe.scores == 'sigmoid', "model.moe.scores 'sigmoid'"),
      (
        moe.num_groups == 1 or moe.group_score_size == 2,
        'model.moe.group_score_size 2 where there are groups of experts',
      ),
      (moe.selection_bias, 'model.moe.selection_bias True (a bias of zeros changes nothing)'),
    )
    refuse_unless('DeepSeek-V3', conditions)
  own = {
    'num_nextn_predict_layers': config.num_mtp,
    'rope_interleave': config.rope.interleaved,
    'scoring_func': 'sigmoid',
    'topk_method': 'noaux_tc',
  }
  return _write(config, 'DeepSeek-V3') | own


def _write_v2(config: ModelConfig) -> dict[str, Any]:
  moe = config.moe
  assert moe is not None
  conditions = (
    (not moe.normalise, 'model.moe.normalise False'),
    (not moe.selection_bias, 'model.moe.selection_bias False'),
    (
      moe.num_groups == 1 or moe.group_score_size == 1,
      'model.moe.group_score_size 1 where there are groups of experts',
    ),
    (config.num_mtp == 0, 'model.num_mtp 0'),
    (config.rope.interleaved, 'model.rope.interleaved True'),
  )
  refuse_unless('DeepSeek-V2', conditions)
  method = 'greedy' if moe.num_groups == 1 else 'group_limited_greedy'
  return _write(config, 'DeepSeek-V2') | {'scoring_func': 'softmax', 'topk_method': method}


def _write(config: ModelConfig, family: str) -> dict[str, Any]:
  """Returns the fields that V2 and V3 share."""
  attention, moe = config.attention, config.moe
  assert isinstance(attention, MLA)
  conditions = (
    (
      rope_fields.agrees_on_mscale(config.rope),
      'model.rope.scaling.mscale and mscale_all_dim both set, or 1 and 0',
    ),
    (rope_fields.without_factor(config.rope), 'model.rope.scaling.attention_factor None'),
    (
      attention.norm_epsilon == LATENT_NORM_EPSILON,
      f'model.attention.norm_epsilon {LATENT_NORM_EPSILON}',
    ),
  )
  refuse_unless(family, conditions)
  heads = {
    'num_attention_heads': attention.num_heads,
    'num_key_value_heads': attention.num_heads,
    'q_lora_rank': attention.query_rank,
    'kv_lora_rank': attention.kv_rank,
    'qk_nope_head_dim': attention.nope_dim,
    'qk_rope_head_dim': attention.rope_dim,
    'v_head_dim': attention.value_dim,
    'first_k_dense_replace': config.num_dense_layers,
  }
  if moe is None:
    heads['first_k_dense_replace'] = config.num_layers + config.num_mtp
    experts: dict[str, Any] = {}
  else:
    experts = {
      'n_routed_experts': moe.num_experts,
      'num_experts_per_tok': moe.top_k,
      'moe_intermediate_size': moe.width,
      'moe_layer_freq': 1,
      'n_shared_experts': moe.num_shared,
      'norm_topk_prob': moe.normalise,
      'routed_scaling_factor': moe.scaling,
      'n_group': moe.num_groups,
      'topk_group': moe.num_groups_kept,
    }
  return decoder.write(config) | heads | experts | rope_fields.write(config.rope)


V3 = Family('DeepseekV3ForCausalLM', 'deepseek_v3', ROWS, _read_v3, _write_v3, scaled=True)
V2 = Family('DeepseekV2ForCausalLM', 'deepseek_v2', ROWS, _read_v2, _write_v2)
