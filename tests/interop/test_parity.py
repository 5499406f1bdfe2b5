"""What we write, transformers computes as we do; what it writes, we read back."""

import functools
import json

import interop_models as models
import jax
import numpy as np
import pytest
import torch
import transformers
from transformers.modeling_layers import MtpModel

from r1jax.interop import load_pretrained
from r1jax.model import Transformer

TOKENS_BL = np.random.default_rng(0).integers(0, 61, (2, 48))  # Beyond the original positions.
PROMPT = 40


@pytest.mark.parametrize('name', models.CONFIGS)
def test_logits_equal(exchanged, name):
  model = exchanged(name)
  ours = model.ours(TOKENS_BL).logits_BLV
  np.testing.assert_allclose(ours, model.theirs(TOKENS_BL), atol=1e-4, rtol=0)


@pytest.mark.parametrize('name', models.EXPERTS)
def test_chosen_experts_equal(exchanged, name):
  model = exchanged(name)
  chosen = []

  def note(module, args, output):
    chosen.append(np.sort(output[2].numpy().reshape(*TOKENS_BL.shape, -1)))

  gates = [m for n, m in model.torch_model.named_modules() if n.endswith('mlp.gate')]
  hooks = [gate.register_forward_hook(note) for gate in gates]
  model.theirs(TOKENS_BL)
  for hook in hooks:
    hook.remove()
  ours_NBLQ = np.sort(model.ours(TOKENS_BL).routing.chosen_PGTQ[:, :, 0])
  assert len(chosen) == len(ours_NBLQ) == model.config.stacks['expert_layers']
  np.testing.assert_array_equal(ours_NBLQ, chosen)
  assert len(np.unique(ours_NBLQ)) > 4  # The choice varies: agreement is no accident.


@pytest.mark.parametrize('name', models.CONFIGS)
def test_greedy_generation_equal(exchanged, name):
  model = exchanged(name)
  ours_BL = TOKENS_BL.copy()
  for t in range(PROMPT, ours_BL.shape[1]):
    ours_BL[:, t] = np.argmax(model.ours(ours_BL).logits_BLV[:, t - 1], axis=-1)
  with torch.no_grad():
    theirs_BL = model.torch_model.generate(
      torch.tensor(TOKENS_BL[:, :PROMPT]), do_sample=False, max_new_tokens=8, min_new_tokens=8
    )
  np.testing.assert_array_equal(ours_BL, theirs_BL.numpy())


@pytest.mark.parametrize('name', models.CONFIGS)
def test_transformers_misses_nothing_and_ignores_only_the_mtp_module(exchanged, name):
  model = exchanged(name)
  parameters = model.torch_model.state_dict()
  assert all(0 in parameters[key].shape for key in model.loading['missing_keys'])
  assert not model.loading['mismatched_keys']
  ignored = model.loading['unexpected_keys']
  module = f'model.layers.{model.config.num_layers}.'
  assert all(key.startswith(module) for key in ignored)
  assert bool(ignored) == bool(model.config.num_mtp)


@pytest.mark.parametrize('name', models.CONFIGS)
def test_what_transformers_writes_is_read_back(exchanged, name, tmp_path):
  model = exchanged(name)
  model.torch_model.save_pretrained(tmp_path)
  assert 'rope_parameters' in (tmp_path / 'config.json').read_text()  # The newer dialect.
  config, params = load_pretrained(tmp_path)
  expected = dict(model.params)
  expected.pop('mtp', None)
  assert config == models.without_mtp(model.config)
  jax.tree.map(np.testing.assert_array_equal, params, expected)


def test_mtp_module_equals(exchanged):
  model = exchanged('v3')
  torch_model, _ = models.load_torch(model.folder)
  # transformers knows the module as layer 61 alone, as in the published model.
  torch_model._keys_to_ignore_on_load_unexpected = [r'model\.layers\.3.*']
  module = MtpModel.from_pretrained(torch_model)
  tokens, length = torch.tensor(TOKENS_BL), TOKENS_BL.shape[1]
  with torch.no_grad():
    hidden = torch_model.model(tokens).last_hidden_state[:, :-1]
    position = torch.arange(1, length)[None]
    second = module.forward_layer(0, hidden, position, None, input_ids=tokens[:, 1:])
    theirs_BLV = module._project_to_logits(second).numpy()

  @jax.jit
  def ours(params, tokens_B1L):
    apply = functools.partial(Transformer(models.quick(model.config)).apply, {'params': params})
    hidden, _ = apply(apply(tokens_B1L, method='encode'), tokens_B1L, method='predict_second')
    return apply(hidden, method='unembed')[:, 0]

  ours_BLV = ours(model.params, TOKENS_BL[:, None])
  np.testing.assert_allclose(ours_BLV, theirs_BLV, atol=1e-4, rtol=0)


def test_dense_deepseek_as_transformers_writes_it(tmp_path):
  """Its config.json speaks of experts and of an MTP module; its tensors are of neither."""
  theirs = transformers.DeepseekV3Config(
    vocab_size=61,
    hidden_size=32,
    intermediate_size=40,
    num_hidden_layers=2,
    first_k_dense_replace=2,
    num_attention_heads=4,
    num_key_value_heads=4,
    kv_lora_rank=10,
    q_lora_rank=12,
    qk_nope_head_dim=8,
    qk_rope_head_dim=6,
    v_head_dim=5,
    max_position_embeddings=256,
  )
  torch.manual_seed(0)
  transformers.AutoModelForCausalLM.from_config(theirs).save_pretrained(tmp_path)
  written = json.loads((tmp_path / 'config.json').read_text())
  assert (written['num_nextn_predict_layers'], written['n_routed_experts']) == (1, 256)
  torch_model, _ = models.load_torch(tmp_path)
  config, params = load_pretrained(tmp_path)
  assert (config.moe, config.num_dense_layers, config.num_mtp) == (None, 0, 0)
  ours = models.Exchanged(config, params, tmp_path, torch_model, {})
  logits = ours.ours(TOKENS_BL).logits_BLV
  np.testing.assert_allclose(logits, ours.theirs(TOKENS_BL), atol=1e-4, rtol=0)
