"""Low-rank adaptation computes what peft computes on the exported base."""

import interop_models as models
import jax
import jax.numpy as jnp
import numpy as np
import peft
import pytest
import torch
from flax import traverse_util

from r1jax.interop import save_pretrained
from r1jax.model import Adapted, Transformer, call, lora

TOKENS_BL = np.random.default_rng(0).integers(0, 61, (2, 20))
RANK, ALPHA = 3, 7.0
# Their names of the weights that are adapted -> ours, within a layer.
NAMES = {
  'self_attn.q_proj': 'attention/query',
  'self_attn.k_proj': 'attention/key',
  'self_attn.v_proj': 'attention/value',
  'self_attn.o_proj': 'attention/out',
  'self_attn.q_a_proj': 'attention/query_down',
  'self_attn.q_b_proj': 'attention/query_up',
  'self_attn.kv_a_proj_with_mqa': 'attention/kv_down',
  'mlp.gate_proj': 'mlp/gate',
  'mlp.up_proj': 'mlp/up',
  'mlp.down_proj': 'mlp/down',
}


@pytest.mark.parametrize('name', ['qwen', 'qwen3', 'llama', 'v3-dense', 'v3', 'qwen3-moe'])
def test_logits_gradients_and_merged_weights_equal(name, tmp_path):
  config = models.without_mtp(models.CONFIGS[name])
  base = models.random_params(config)
  save_pretrained(tmp_path / 'base', config, base)
  torch_model, _ = models.load_torch(tmp_path / 'base')
  theirs = peft.get_peft_model(
    torch_model,
    peft.LoraConfig(
      r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=list(their_names(torch_model))
    ),
  )
  ours = Adapted(base, adapters_of(theirs, base), lora.LoRA(RANK, ALPHA).scale)
  model = Transformer(config)

  def loss(adapters):
    out = call(model, ours.replace(adapters=adapters), '__call__', TOKENS_BL)
    logp_BLV = jax.nn.log_softmax(out.logits_BLV[:, :-1])
    chosen_BL = jnp.take_along_axis(logp_BLV, TOKENS_BL[:, 1:, None], axis=-1)
    return -jnp.mean(chosen_BL), out.logits_BLV

  gradient, logits_BLV = jax.jit(jax.grad(loss, has_aux=True))(ours.adapters)
  inputs = torch.tensor(TOKENS_BL)
  their_logits = theirs(inputs).logits
  np.testing.assert_allclose(logits_BLV, their_logits.detach().numpy(), atol=1e-4, rtol=0)
  torch.nn.functional.cross_entropy(
    their_logits[:, :-1].reshape(-1, config.vocab_size), inputs[:, 1:].reshape(-1)
  ).backward()
  expected = traverse_util.flatten_dict(adapters_of(theirs, base, gradients=True), sep='/')
  for path, found in traverse_util.flatten_dict(gradient, sep='/').items():
    largest = np.max(np.abs(expected[path]))
    assert largest > 0
    np.testing.assert_allclose(found, expected[path], atol=1e-3 * largest, err_msg=path)
  # What we merge and export, transformers loads; what peft merges, computes the same.
  save_pretrained(tmp_path / 'merged', config, lora.merged(ours))
  exported, _ = models.load_torch(tmp_path / 'merged')
  with torch.no_grad():
    np.testing.assert_allclose(
      exported(inputs).logits, theirs.merge_and_unload()(inputs).logits, atol=1e-4, rtol=0
    )


def their_names(torch_model):
  """Of models with experts those of attention: for `mlp.gate_proj` peft takes all experts too."""
  modules = [name for name, _ in torch_model.named_modules()]
  asked = 'self_attn.' if any(name.endswith('.experts') for name in modules) else ''
  found = [short for short in NAMES if short.startswith(asked)]
  return {short for short in found if any(name.endswith(f'.{short}') for name in modules)}


def adapters_of(theirs, base, *, gradients=False):
  """Returns peft's factors as ours, after giving those that are new random numbers.

  Their A is `[r, inputs]` and their B `[outputs, r]`, for each layer apart.
  """
  rng = np.random.default_rng(2)
  flat, shapes = {}, traverse_util.flatten_dict(base, sep='/')
  num_dense = len(base['dense_layers']['attention']['out']) if 'dense_layers' in base else 0
  for name, parameter in theirs.named_parameters():
    if '.lora_' not in name:
      continue
    if not gradients:
      parameter.data = torch.tensor(0.3 * rng.standard_normal(parameter.shape), dtype=torch.float32)
    layer = int(name.split('.layers.')[1].split('.')[0])
    stack = 'dense_layers' if layer < num_dense else 'expert_layers'
    path = next(f'{stack}/{ours}' for short, ours in NAMES.items() if f'.{short}.' in name)
    num_inputs, num_outputs = lora.AXES[path.rsplit('/', 1)[-1]]
    sizes = shapes[path].shape[1:]
    matrix = (parameter.grad if gradients else parameter.data).numpy().T
    factor, shape = ('a', (*sizes[:num_inputs], RANK))
    if '.lora_B.' in name:
      factor, shape = ('b', (RANK, *sizes[-num_outputs:]))
    flat.setdefault(f'{path}/{factor}', {})[layer] = matrix.reshape(shape)
  stacked = {path: np.stack([of[i] for i in sorted(of)]) for path, of in flat.items()}
  return traverse_util.unflatten_dict(stacked, sep='/')
