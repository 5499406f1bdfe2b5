import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import slow_model
from families import QUICK, subject

from r1jax.model import rope
from r1jax.model.cache import Sight
from r1jax.model.mla import LatentAttention

ALONE = Sight(prefix=None, prefix_length_P=None, suffix=None, suffix_length=None)


@pytest.mark.parametrize('absorbed', [False, True])
@pytest.mark.parametrize('name', ['v3', 'v2'])
def test_latent_attention_against_loops(name, absorbed):
  """With query compression and YaRN (V3), and without (V2-Lite)."""
  config, params = subject(name).config, subject(name).params
  params = jax.tree.map(lambda leaf: leaf[0], params['expert_layers']['attention'])
  x_LD = np.random.default_rng(0).normal(size=(6, config.model_dim))
  cos_sin = rope.angles(config.rope, config.attention.rope_dim, jnp.arange(6)[None])
  attention = functools.partial(
    LatentAttention(config, config.attention).apply, sight=ALONE, absorbed=absorbed
  )
  found, entries = jax.jit(attention)({'params': params}, x_LD[None, None], cos_sin=cos_sin)
  expected = slow_model.mla(x_LD, slow_model.as_float64(params), config)
  np.testing.assert_allclose(found[0, 0], expected, atol=2e-5)
  assert entries['latent'].shape == (1, 1, 6, config.attention.kv_rank)
  assert entries['rope_key'].shape == (1, 1, 6, config.attention.rope_dim)


def test_absorbed_form_has_the_gradients_of_the_expanded(v3):
  """Of every parameter and of the input: they are one function."""
  config = v3.config
  params = jax.tree.map(lambda leaf: leaf[0], v3.params['expert_layers']['attention'])
  x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 2, 5, config.model_dim)), jnp.float32)
  cos_sin = rope.angles(config.rope, config.attention.rope_dim, jnp.arange(5)[None])

  def loss(params, x, absorbed):
    out, _ = LatentAttention(config, config.attention).apply(
      {'params': params}, x, cos_sin=cos_sin, sight=ALONE, absorbed=absorbed
    )
    return jnp.sum(jnp.sin(out))

  gradient = jax.jit(jax.grad(loss, argnums=(0, 1)), static_argnums=2, compiler_options=QUICK)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5),
    gradient(params, x, True),
    gradient(params, x, False),
  )
