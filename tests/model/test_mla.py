import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import slow_model
from families import subject

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

  gradient = jax.jit(jax.grad(loss, argnums=(0, 1)), static_argnums=2)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5),
    gradient(params, x, True),
    gradient(params, x, False),
  )


def test_absorbed_form_leaves_the_latents_compressed():
  """A token that reads 256 others expands none of them: 2 * C * H * (N + O) operations each."""
  config, shape = subject('v3').config, subject('v3').config.attention
  params = jax.tree.map(lambda leaf: leaf[0], subject('v3').params['dense_layers']['attention'])
  prefix = {
    'latent': jnp.zeros((1, 256, shape.kv_rank)),
    'rope_key': jnp.zeros((1, 256, shape.rope_dim)),
  }
  sight = Sight(prefix, jnp.array([256]), suffix=None, suffix_length=None)
  cos_sin = rope.angles(config.rope, shape.rope_dim, jnp.array([[256]]))

  def operations(absorbed):
    attention = functools.partial(LatentAttention(config, shape).apply, absorbed=absorbed)
    program = jax.jit(attention)
    x = jnp.zeros((1, 1, 1, config.model_dim))
    lowered = program.lower({'params': params}, x, cos_sin=cos_sin, sight=sight)
    return lowered.compile().cost_analysis()['flops']

  H, expanded_width = shape.num_heads, shape.nope_dim + shape.value_dim
  # Per latent the absorbed form attends over C + R and C instead of N + R and O numbers a head.
  spent = 2 * H * (2 * shape.kv_rank - expanded_width)
  saved = 2 * H * shape.kv_rank * expanded_width
  assert operations(False) - operations(True) == pytest.approx(256 * (saved - spent), rel=0.05)
