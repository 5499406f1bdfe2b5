"""config.json: as published, in both dialects, and what is refused."""

import dataclasses

import interop_models as models
import pytest

from r1jax.interop import families
from r1jax.model import GQA, ModelConfig, MoE, Rope, Yarn
from r1jax.model.sizes import named

DEEPSEEK = {
  'attention_bias': False,
  'attention_dropout': 0.0,
  'auto_map': {'AutoConfig': 'configuration_deepseek.DeepseekV3Config'},
  'aux_loss_alpha': 0.001,
  'bos_token_id': 0,
  'eos_token_id': 1,
  'hidden_act': 'silu',
  'initializer_range': 0.02,
  'kv_lora_rank': 512,
  'max_position_embeddings': 163840,
  'moe_layer_freq': 1,
  'pretraining_tp': 1,
  'qk_nope_head_dim': 128,
  'qk_rope_head_dim': 64,
  'rms_norm_eps': 1e-06,
  'rope_theta': 10000,
  'seq_aux': True,
  'tie_word_embeddings': False,
  'torch_dtype': 'bfloat16',
  'transformers_version': '4.33.1',
  'use_cache': True,
  'v_head_dim': 128,
}
YARN = {
  'beta_fast': 32,
  'beta_slow': 1,
  'factor': 40,
  'original_max_position_embeddings': 4096,
  'type': 'yarn',
}
PUBLISHED = {
  'deepseek-v3': DEEPSEEK
  | {
    'architectures': ['DeepseekV3ForCausalLM'],
    'ep_size': 1,
    'first_k_dense_replace': 3,
    'hidden_size': 7168,
    'intermediate_size': 18432,
    'model_type': 'deepseek_v3',
    'moe_intermediate_size': 2048,
    'n_group': 8,
    'n_routed_experts': 256,
    'n_shared_experts': 1,
    'norm_topk_prob': True,
    'num_attention_heads': 128,
    'num_experts_per_tok': 8,
    'num_hidden_layers': 61,
    'num_key_value_heads': 128,
    'num_nextn_predict_layers': 1,
    'q_lora_rank': 1536,
    'rope_scaling': YARN | {'mscale': 1.0, 'mscale_all_dim': 1.0},
    'routed_scaling_factor': 2.5,
    'scoring_func': 'sigmoid',
    'topk_group': 4,
    'topk_method': 'noaux_tc',
    'vocab_size': 129280,
  },
  'deepseek-v2-lite': DEEPSEEK
  | {
    'architectures': ['DeepseekV2ForCausalLM'],
    'first_k_dense_replace': 1,
    'hidden_size': 2048,
    'intermediate_size': 10944,
    'model_type': 'deepseek_v2',
    'moe_intermediate_size': 1408,
    'n_group': 1,
    'n_routed_experts': 64,
    'n_shared_experts': 2,
    'norm_topk_prob': False,
    'num_attention_heads': 16,
    'num_experts_per_tok': 6,
    'num_hidden_layers': 27,
    'num_key_value_heads': 16,
    'q_lora_rank': None,
    'rope_scaling': YARN | {'mscale': 0.707, 'mscale_all_dim': 0.707},
    'routed_scaling_factor': 1.0,
    'scoring_func': 'softmax',
    'topk_group': 1,
    'topk_method': 'greedy',
    'vocab_size': 102400,
  },
  'qwen2.5-0.5b': {
    'architectures': ['Qwen2ForCausalLM'],
    'attention_dropout': 0.0,
    'bos_token_id': 151643,
    'eos_token_id': 151643,
    'hidden_act': 'silu',
    'hidden_size': 896,
    'initializer_range': 0.02,
    'intermediate_size': 4864,
    'max_position_embeddings': 32768,
    'max_window_layers': 24,
    'model_type': 'qwen2',
    'num_attention_heads': 14,
    'num_hidden_layers': 24,
    'num_key_value_heads': 2,
    'rms_norm_eps': 1e-06,
    'rope_theta': 1000000.0,
    'sliding_window': 32768,
    'tie_word_embeddings': True,
    'torch_dtype': 'bfloat16',
    'transformers_version': '4.40.1',
    'use_cache': True,
    'use_mrope': False,
    'use_sliding_window': False,
    'vocab_size': 151936,
  },
  'llama-3.1-8b': {
    'architectures': ['LlamaForCausalLM'],
    'attention_bias': False,
    'attention_dropout': 0.0,
    'bos_token_id': 128000,
    'eos_token_id': [128001, 128008, 128009],
    'hidden_act': 'silu',
    'hidden_size': 4096,
    'initializer_range': 0.02,
    'intermediate_size': 14336,
    'max_position_embeddings': 131072,
    'mlp_bias': False,
    'model_type': 'llama',
    'num_attention_heads': 32,
    'num_hidden_layers': 32,
    'num_key_value_heads': 8,
    'pretraining_tp': 1,
    'rms_norm_eps': 1e-05,
    'rope_scaling': {
      'factor': 8.0,
      'high_freq_factor': 4.0,
      'low_freq_factor': 1.0,
      'original_max_position_embeddings': 8192,
      'rope_type': 'llama3',
    },
    'rope_theta': 500000.0,
    'tie_word_embeddings': False,
    'torch_dtype': 'bfloat16',
    'transformers_version': '4.42.3',
    'use_cache': True,
    'vocab_size': 128256,
  },
}


def newer_dialect(fields):
  """Returns the same config.json as transformers writes it since version 5."""
  scaling = fields.get('rope_scaling') or {}
  kind = scaling.get('rope_type', scaling.get('type', 'default'))
  parameters = scaling | {'rope_theta': fields['rope_theta'], 'rope_type': kind}
  rest = {
    name: value for name, value in fields.items() if name not in ('rope_scaling', 'rope_theta')
  }
  return rest | {'rope_parameters': parameters}


@pytest.mark.parametrize('size', PUBLISHED)
def test_published_config_is_the_model_of_that_size(size):
  published = dataclasses.replace(named(size), init_std=0.02)
  assert families.read(PUBLISHED[size])[1] == published
  assert families.read(newer_dialect(PUBLISHED[size]))[1] == published


@pytest.mark.parametrize('size', PUBLISHED)
def test_written_config_says_what_the_published_says(size):
  written = families.write(dataclasses.replace(named(size), init_std=0.02))[1]
  for name in PUBLISHED[size].keys() & written.keys() - {'rope_scaling'}:
    assert written[name] == PUBLISHED[size][name], name
  scaling = PUBLISHED[size].get('rope_scaling') or {}
  assert scaling.items() <= (written['rope_scaling'] or {}).items()


def llama(**changes):
  return PUBLISHED['llama-3.1-8b'] | changes


def v3(**changes):
  return PUBLISHED['deepseek-v3'] | changes


def v2(**changes):
  return PUBLISHED['deepseek-v2-lite'] | changes


def qwen(**changes):
  return PUBLISHED['qwen2.5-0.5b'] | changes


def qwen3(**changes):
  return qwen(architectures=['Qwen3ForCausalLM'], model_type='qwen3') | changes


def qwen3_moe(**changes):
  fields = {'num_experts': 8, 'num_experts_per_tok': 2, 'moe_intermediate_size': 16}
  names = {'architectures': ['Qwen3MoeForCausalLM'], 'model_type': 'qwen3_moe'}
  return qwen(**names, **fields) | changes


def scaling(**fields):
  return {'rope_scaling': {'factor': 4.0, **fields}}


REFUSED = [
  (llama(architectures=['MambaForCausalLM']), r"\['MambaForCausalLM'\], supported: DeepseekV3For"),
  (llama(architectures=None, model_type='mamba'), 'is mamba, supported: DeepseekV3ForCausalLM'),
  (llama(hidden_size=None), 'hidden_size is missing'),
  (llama(architectures='LlamaForCausalLM'), "'LlamaForCausalLM', it must be a list"),
  (llama(num_attention_heads='32'), "num_attention_heads is '32', it must be a whole number of at"),
  (qwen(hidden_size=[896]), r'hidden_size is \[896\], it must be a whole number of at least 1'),
  (qwen(vocab_size=0), 'vocab_size is 0, it must be a whole number of at least 1'),
  (qwen(vocab_size=True), 'vocab_size is True, it must be a whole number'),
  (llama(rms_norm_eps='1e-6'), "rms_norm_eps is '1e-6', it must be a finite number above 0"),
  (llama(rms_norm_eps=float('nan')), 'rms_norm_eps is nan, it must be a finite number above 0'),
  (llama(tie_word_embeddings='false'), "tie_word_embeddings is 'false', it must be true or false"),
  (llama(max_position_embeddings='x'), "max_position_embeddings is 'x', it must be a whole"),
  (llama(rope_theta=0), 'rope_theta is 0, it must be a finite number above 1'),
  (llama(rope_scaling={'rope_type': ['yarn']}), 'a field of another type or size than LlamaFor'),
  (llama(is_causal=False), 'is_causal is False, supported: True'),
  (llama(is_causal=None), 'is_causal is None, supported: True'),
  (qwen(is_causal=False), 'is_causal is False, supported: True'),
  (v3(is_causal=False), 'is_causal is False, supported: True'),
  (llama(use_rope=False), 'use_rope is False: unknown field; remove it if it changes nothing'),
  (llama(is_encoder_decoder=True), 'is_encoder_decoder is True, supported: False'),
  (llama(hidden_act='gelu'), "hidden_act is 'gelu', supported: 'silu'"),
  (llama(attention_bias=True), 'attention_bias is True, supported: False'),
  (llama(mlp_bias=True), 'mlp_bias is True, supported: False'),
  (llama(logit_scale=0.5), 'logit_scale is 0.5: unknown field'),
  (
    v3(quantization_config={'quant_method': 'awq'}),
    "quantization_config.quant_method is 'awq', supported: 'fp8'",
  ),
  (v3(topk_method='greedy'), "topk_method is 'greedy', supported: 'noaux_tc'"),
  (v3(scoring_func='softmax'), "scoring_func is 'softmax', supported: 'sigmoid'"),
  (v3(num_nextn_predict_layers=2), 'num_nextn_predict_layers is 2, supported: 0 or 1'),
  (v3(num_key_value_heads=8), 'num_key_value_heads is 8, supported: 128'),
  (v3(moe_layer_freq=2), 'moe_layer_freq is 2, supported: 1'),
  (v3(norm_topk_prob=None), 'norm_topk_prob is None, it must be true or false'),
  (v3(rope_interleave=None), 'rope_interleave is None, it must be true or false'),
  (v2(norm_topk_prob=True), 'norm_topk_prob is True, supported: False'),
  (v3(n_group=None), 'n_group is missing'),
  (v2(topk_method='group_limited_greedy', topk_group=None), 'topk_group is missing'),
  (qwen(use_sliding_window=True), 'use_sliding_window is True, supported: False'),
  (qwen(use_mrope=True), 'use_mrope is True, supported: False'),
  (qwen(layer_types=['full_attention'] * 23 + ['sliding_attention']), 'layer_types is'),
  (llama(**scaling(rope_type='longrope')), "is 'longrope', supported: 'default', 'yarn', 'llama3'"),
  (llama(**scaling(rope_type='yarn', truncate=False)), 'rope_scaling.truncate is False'),
  (llama(**scaling(rope_type='yarn', truncate=None)), 'rope_scaling.truncate is None'),
  (llama(**scaling(rope_type='yarn', factor=0)), 'rope_scaling.factor is 0, it must be a finite'),
  (qwen3(**scaling(rope_type='yarn', attn_factor=0)), 'attn_factor is 0, it must be a finite'),
  (v3(**scaling(type='yarn', attention_factor=2.0)), 'attention_factor is not what YaRN implies'),
  (
    llama(**scaling(rope_type='llama3', low_freq_factor=4.0, high_freq_factor=4.0)),
    'rope_scaling.high_freq_factor is 4.0, it must be a finite number above 4',
  ),
  (llama(**scaling(rope_type='yarn', mscale_all_dim=1.0)), 'supported: in DeepSeek models only'),
  (llama(**scaling(rope_type='yarn', wavelength=1.0)), 'rope_scaling.wavelength is 1.0: unknown'),
  (v3(**scaling(type='yarn', mscale=0.7)), 'mscale or mscale_all_dim alone is ambiguous'),
  (v3(**scaling(type='yarn', mscale_all_dim=1.0)), 'mscale or mscale_all_dim alone is ambiguous'),
  (v2(**scaling(type='yarn', mscale_all_dim=0.7)), 'mscale or mscale_all_dim alone is ambiguous'),
  (qwen3_moe(mlp_only_layers=[2]), r'mlp_only_layers is \[2\]'),
  (qwen3_moe(mlp_only_layers=[1, 0]), r'mlp_only_layers is \[1, 0\]'),
  (llama(partial_rotary_factor=0.5), 'partial_rotary_factor is 0.5, supported: 1.0'),
  (qwen(model_type='llama'), r"contradicts itself: .*'Qwen2For.*'llama' \(LlamaForCausalLM\)"),
  (
    v3(n_routed_experts=255),
    'makes no model, by our names of its fields: num_experts 255 must be a multiple of num_groups',
  ),
  (v3(qk_rope_head_dim=63), 'rope_dim is 63; it must be even, for pairs are rotated'),
  (qwen3(head_dim=7), 'head_dim is 7; it must be even, for pairs are rotated'),
]


@pytest.mark.parametrize('fields, message', REFUSED, ids=[message for _, message in REFUSED])
def test_unsupported_field_is_named(fields, message):
  with pytest.raises(ValueError, match=message):
    families.read(fields)


def test_all_unsupported_fields_are_listed():
  with pytest.raises(ValueError, match=r'(?s)hidden_act is.*logit_scale is'):
    families.read(llama(hidden_act='gelu', logit_scale=0.5))


def test_what_was_noted_is_listed_with_a_model_that_cannot_be():
  with pytest.raises(ValueError, match=r'(?s)num_experts 255 .*hidden_act is'):
    families.read(v3(n_routed_experts=255, hidden_act='gelu'))


def test_an_architecture_may_have_a_type_of_its_own():
  """As Kimi K2 has, which is a DeepSeek-V3."""
  assert families.read(v3(model_type='kimi_k2')) == families.read(v3())


def test_greedy_choice_of_experts_ignores_groups():
  assert families.read(v2(n_group=8, topk_group=3)) == families.read(v2())


def test_private_and_empty_fields_pass():
  fields = llama(_name_or_path='here', logit_scale=None, sliding_window=None, pruned_heads={})
  fields |= {'logit_softcap': 0.0, 'mlp_bias': None}
  assert families.read(fields) == families.read(llama())


def test_what_transformers_wrote_of_any_model_passes():
  fields = {'output_attentions': False, 'output_hidden_states': False, 'is_decoder': False}
  fields |= {'is_encoder_decoder': False, 'add_cross_attention': False, 'torchscript': False}
  fields |= {'tie_encoder_decoder': False, 'use_bfloat16': False, 'tie_word_embeddings': None}
  assert families.read(llama(**fields)) == families.read(llama())


def test_width_of_heads_that_no_one_tells():
  """As transformers: 128 in dense Qwen3, the width of the model over the heads elsewhere."""
  assert families.read(qwen3())[1].attention.head_dim == 128
  assert families.read(qwen())[1].attention.head_dim == 896 // 14


def test_what_is_left_out_is_what_transformers_takes():
  def without(fields, name):
    return families.read({key: value for key, value in fields.items() if key != name})[1]

  assert families.read(qwen3_moe())[1].moe.normalise is False
  assert families.read(qwen3_moe())[1].attention.head_dim == 896 // 14
  assert without(llama(), 'rms_norm_eps').norm_epsilon == 1e-6
  assert without(llama(), 'num_key_value_heads').attention.num_kv_heads == 32
  assert without(v3(), 'n_shared_experts').moe.num_shared == 0


def test_layers_that_are_all_dense_have_no_experts():
  found = families.read(qwen3_moe(mlp_only_layers=[*range(24)]))[1]
  assert (found.moe, found.num_dense_layers) == (None, 0)
  assert families.read(qwen3_moe(mlp_only_layers=[0, 1]))[1].num_dense_layers == 2


def test_yarn_takes_its_defaults():
  rope = families.read(qwen(**scaling(type='yarn')))[1].rope
  assert rope == Rope(theta=1e6, scaling=Yarn(factor=4.0, original_positions=32_768))


def changed(name, **changes):
  config = models.CONFIGS[name]
  parts = {part: changes.pop(part) for part in ('moe', 'attention') if part in changes}
  replaced = {p: dataclasses.replace(getattr(config, p), **parts[p]) for p in parts}
  return dataclasses.replace(config, **replaced, **changes)


YARN_OF_GQA = Rope(scaling=Yarn(4.0, original_positions=64, mscale_all_dim=1.0))
YARN_WITH_FACTOR = Rope(scaling=Yarn(4.0, original_positions=64, attention_factor=1.5))
INEXPRESSIBLE: list[tuple[ModelConfig, str]] = [
  (changed('qwen', attention={'qk_norm': True}), 'Qwen2.*qkv_bias or qk_norm, not both'),
  (models.decoder(GQA(4, 2, 8, qkv_bias=True), moe=MoE(8, 2, 12)), 'Qwen2.*model.moe None'),
  (changed('qwen3-moe', moe={'num_shared': 1}), 'Qwen3 MoE.*model.moe.num_shared 0'),
  (changed('qwen3-moe', moe={'scores': 'sigmoid'}), "Qwen3 MoE.*model.moe.scores 'softmax'"),
  (changed('qwen3-moe', moe={'scaling': 2.0}), 'Qwen3 MoE.*model.moe.scaling 1.0'),
  (changed('qwen3-moe', moe={'num_groups': 2}), 'Qwen3 MoE.*model.moe.num_groups 1'),
  (models.decoder(GQA(4, 2, 8), moe=MoE(8, 2, 12)), 'Llama.*model.moe None'),
  (changed('qwen', num_mtp=1), 'Qwen2.*model.num_mtp 0'),
  (changed('qwen', rope=YARN_OF_GQA), 'Qwen2.*mscale_all_dim 0'),
  (changed('llama', rope=Rope(interleaved=True)), 'model.rope.interleaved False'),
  (changed('v3', moe={'selection_bias': False}), 'DeepSeek-V3.*model.moe.selection_bias True'),
  (changed('v3', moe={'group_score_size': 1}), 'DeepSeek-V3.*model.moe.group_score_size 2'),
  (changed('v3', attention={'norm_epsilon': 1e-5}), 'model.attention.norm_epsilon 1e-06'),
  (changed('v2', moe={'normalise': True}), 'DeepSeek-V2.*model.moe.normalise False'),
  (changed('v2', moe={'group_score_size': 2}), 'DeepSeek-V2.*model.moe.group_score_size 1'),
  (changed('v3', rope=YARN_WITH_FACTOR), 'DeepSeek-V3.*scaling.attention_factor None'),
  (changed('v2', rope=Rope()), 'DeepSeek-V2.*model.rope.interleaved True'),
]


@pytest.mark.parametrize('config, message', INEXPRESSIBLE, ids=[m for _, m in INEXPRESSIBLE])
def test_model_that_no_folder_can_hold_is_refused(config, message):
  with pytest.raises(ValueError, match=f'(?s){message}'):
    families.write(config)
