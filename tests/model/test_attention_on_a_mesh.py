"""Attention on meshes is that of one device, and its work is split evenly."""

import functools
import math
import re

import jax
import jax.numpy as jnp
import meshes
import numpy as np
from meshes import G, P, S, T, assert_close, one_device, where

from r1jax import sharding
from r1jax.model import attention, blockwise, mla, splash
from r1jax.model.spans import Seen, Span


@meshes.on(where(lambda config, shape, group: config.moe and shape.context > 1 and group % 2 == 0))
def test_samples_of_a_mesh_attend_in_turn_as_on_one_device(on_mesh, monkeypatch):
  """Four answers on two devices, two each: latents are expanded of one of each at a time."""
  rng, heads = np.random.default_rng(4), 3
  sizes = {'query': (P, 4, T, heads, 7), 'key_up': (5, heads, 4), 'value_up': (5, heads, 2)}
  arrays = {name: rng.normal(size=size).astype(np.float32) for name, size in sizes.items()}
  for name, tokens in (('prefix', (P, S)), ('own', (P, 4, T))):
    widths = {'latent': 5, 'rope_key': 3}
    arrays[name] = {
      entry: rng.normal(size=(*tokens, width)).astype(np.float32) for entry, width in widths.items()
    }

  def loss(arrays):
    expand = functools.partial(
      mla._expanded_span, key_up_CHN=arrays['key_up'], value_up_CHO=arrays['value_up']
    )
    latents = [(arrays['prefix'], Seen(jnp.array([6, 1, 0, 4]))), (arrays['own'], Seen(None, True))]
    out = mla._attend_expanded(arrays['query'], latents, expand, 0.5)
    return jnp.sum(out * jnp.cos(jnp.arange(out.size)).reshape(out.shape)), out

  gradient = jax.grad(loss, has_aux=True)
  with one_device():
    expected = jax.device_get(jax.jit(gradient)(arrays))
  monkeypatch.setattr(attention, 'PLAIN_SCORES', 0)
  monkeypatch.setattr(blockwise, 'BLOCK', 2)
  shapes, attend = [], blockwise.attend
  monkeypatch.setattr(
    blockwise, 'attend', lambda *args: shapes.append(args[0].shape) or attend(*args)
  )
  assert_close(jax.device_get(jax.jit(gradient)(arrays)), expected)
  assert {shape[1] for shape in shapes} == {2}


@meshes.on(where(lambda config, shape, group: shape.context > 1 and shape.tensor > 1))
def test_devices_of_a_mesh_share_the_work_of_attention_evenly(on_mesh):
  """Their products are a part of each row's, and between rows nothing is sent."""
  _, mesh, group = on_mesh
  query = jax.ShapeDtypeStruct((P, group, 4 * blockwise.BLOCK, 4, 8), jnp.float32)
  key = jax.ShapeDtypeStruct((P, group, 4 * blockwise.BLOCK, 2, 8), jnp.float32)

  def loss(query, key):
    return jnp.sum(blockwise.attend(query, [Span(key, key, Seen(causal=True))]) ** 2)

  program = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(query, key).compile().as_text()
  products = re.findall(rf'= f32\[([\d,]*),{blockwise.BLOCK}\]\S* dot\(', program)
  parts = sharding.prompt_parts(mesh), mesh.shape['tensor']
  rows = P // parts[0] * group * (4 // parts[1]) * blockwise.BLOCK
  assert max(math.prod(map(int, found.split(','))) for found in products) == rows
  loops = [part for part in program.split('\n\n') if ' dot(' in part]
  assert loops
  for computation in loops:
    assert not re.search(r' (all-gather|all-reduce|all-to-all|collective-permute)\(', computation)


@meshes.on(where(lambda config, shape, group: group % shape.context == 0))
def test_a_kernel_on_a_mesh_equals_the_plain_attention(on_mesh, monkeypatch):
  """Splash attention, interpreted: each device takes its prompts and heads; with gradients."""
  monkeypatch.setattr(splash, 'BLOCK', 128)
  rng = np.random.default_rng(5)
  sizes = (P, G, T, 4, 8), (P, S, 2, 8), (P, G, T, 2, 8)
  arrays = [rng.normal(size=size).astype(np.float32) for size in sizes]
  seen = Seen(jnp.array([5, 1, 0, 4])), Seen(causal=True)

  def gradient(attend, *arrays):
    def loss(query, prefix, own):
      spans = [Span(key, 2 * key, which) for key, which in zip((prefix, own), seen)]
      return jnp.sum(attend(query, spans) ** 2)

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2)))(*arrays)

  found = gradient(functools.partial(splash.attend, interpret=True), *arrays)
  with one_device():
    expected = gradient(attention.plain, *arrays)
  assert_close(jax.device_get(found), jax.device_get(expected))
