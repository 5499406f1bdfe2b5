"""Models drawn over the options of every family compute what transformers computes.

`pytest tests/interop/test_parity_drawn.py --hypothesis-profile=thorough` draws many more of them.
"""

import drawn_models
import interop_models as models
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import traverse_util
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from r1jax.decoding import Sampler, generate
from r1jax.interop import load_pretrained, save_pretrained
from r1jax.model import Transformer
from r1jax.structs import Prompts

BATCH, LENGTH, NEW = 2, 24, 6

# An example takes seconds, most of them for compilation; what fails is not made smaller.
THOROUGH = settings.get_current_profile_name() == 'thorough'
DRAWN = settings(
  max_examples=60 if THOROUGH else 3,
  derandomize=True,
  phases=[Phase.explicit, Phase.generate],
  suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize('family', drawn_models.FAMILIES)
def test_a_drawn_model_computes_what_transformers_computes(family, tmp_path_factory):
  @DRAWN
  @given(st.data())
  def holds(data):
    config = data.draw(drawn_models.FAMILIES[family])
    check(config, tmp_path_factory.mktemp(family))

  holds()


def check(config, folder):
  params = models.random_params(config)
  save_pretrained(folder, config, params)
  again, reread = load_pretrained(folder)
  assert again == config
  jax.tree.map(np.testing.assert_array_equal, reread, params)
  torch_model, _ = models.load_torch(folder)
  tokens_BL = np.random.default_rng(config.vocab_size).integers(
    0, config.vocab_size, (BATCH, LENGTH)
  )
  check_logits_experts_and_gradients(config, params, torch_model, tokens_BL, folder)
  check_greedy(config, params, torch_model, tokens_BL)


def check_logits_experts_and_gradients(config, params, torch_model, tokens_BL, folder):
  model = Transformer(models.quick(config))

  def loss(params):
    out = model.apply({'params': params}, tokens_BL)
    logp_BLV = jax.nn.log_softmax(out.logits_BLV[:, :-1])
    chosen_BL = jnp.take_along_axis(logp_BLV, tokens_BL[:, 1:, None], axis=-1)
    return -jnp.mean(chosen_BL), out

  gradient, out = jax.jit(jax.grad(loss, has_aux=True))(params)
  ids = []
  gates = [m for n, m in torch_model.named_modules() if n.endswith('mlp.gate')]
  hooks = [
    gate.register_forward_hook(lambda module, given, found: ids.append(found[2].detach().numpy()))
    for gate in gates
  ]
  inputs = torch.tensor(tokens_BL)
  theirs = torch_model(inputs)
  for hook in hooks:
    hook.remove()
  np.testing.assert_allclose(out.logits_BLV, theirs.logits.detach().numpy(), atol=1e-4, rtol=0)
  if out.routing is not None:
    ours_NBLQ = np.sort(out.routing.chosen_PGTQ[:, :, 0])
    np.testing.assert_array_equal(ours_NBLQ, np.sort(np.reshape(ids, ours_NBLQ.shape)))
  logits = theirs.logits[:, :-1].reshape(-1, config.vocab_size)
  torch.nn.functional.cross_entropy(logits, inputs[:, 1:].reshape(-1)).backward()
  check_gradients(gradient, torch_model, folder / 'gradients')


def check_gradients(ours, torch_model, folder):
  """Compares gradients; theirs come to us by the door that parameters come by."""
  values = [parameter.data for parameter in torch_model.parameters()]
  for parameter in torch_model.parameters():
    parameter.data = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
  torch_model.save_pretrained(folder)
  for parameter, value in zip(torch_model.parameters(), values):
    parameter.data = value
  _, theirs = load_pretrained(folder)
  flat = traverse_util.flatten_dict(ours, sep='/')
  compared = 0
  for path, expected in traverse_util.flatten_dict(theirs, sep='/').items():
    if path.endswith('selection_bias'):
      assert not np.any(flat[path])
      continue
    largest = np.max(np.abs(expected))
    np.testing.assert_allclose(flat[path], expected, atol=1e-3 * largest + 1e-7, err_msg=path)
    compared += largest > 0
  assert compared > 5


def check_greedy(config, params, torch_model, tokens_BL):
  rollouts = generate(
    Transformer(models.quick(config)),
    params,
    Prompts(jnp.asarray(tokens_BL), jnp.full(BATCH, LENGTH), jnp.arange(BATCH)),
    group_size=1,
    max_tokens=NEW,
    sampler=Sampler(temperature=0.0),
    stop_tokens=(),
    key=jax.random.key(0),
  )
  with torch.no_grad():
    theirs = torch_model.generate(
      torch.tensor(tokens_BL), do_sample=False, max_new_tokens=NEW, min_new_tokens=NEW
    )
  np.testing.assert_array_equal(rollouts.tokens_PGT[:, 0], theirs.numpy()[:, LENGTH:])
