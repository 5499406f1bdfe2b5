"""A base with adapters computes what the base with their product added computes."""

import families
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from r1jax.model import Adapted, LoRA, Transformer, call
from r1jax.model import lora as lora_lib

TOKENS_PGT = np.random.default_rng(0).integers(0, families.VOCABULARY, (2, 1, 9))
EVERYTHING = 'layers'


def adapted(name, targets=EVERYTHING, alpha=6.0):
  """Returns the model and its parameters with random adapters."""
  subject = families.subject(name)
  settings = LoRA(rank=3, alpha=alpha, targets=targets)
  adapters = lora_lib.create(jax.random.key(0), subject.params, settings)
  rng = np.random.default_rng(1)
  adapters = jax.tree.map(
    lambda a: jnp.asarray(0.2 * rng.standard_normal(a.shape), jnp.float32), adapters
  )
  return Transformer(subject.config), Adapted(subject.params, adapters, settings.scale)


@pytest.fixture(scope='module')
def run():
  def hidden(model, params, tokens_PGT, absorbed=False):
    return call(model, params, 'encode', tokens_PGT, absorbed=absorbed).hidden_PGTD

  return jax.jit(hidden, static_argnames=('model', 'absorbed'))


@pytest.mark.parametrize('absorbed', [False, True])
@pytest.mark.parametrize('name', ['gqa', 'v3', 'v2'])
def test_merged_computes_the_same(name, absorbed, run):
  model, params = adapted(name)
  found = run(model, params, TOKENS_PGT, absorbed=absorbed)
  expected = run(model, lora_lib.merged(params), TOKENS_PGT, absorbed=absorbed)
  np.testing.assert_allclose(found, expected, atol=2e-5)
  assert np.max(np.abs(found - run(model, params.base, TOKENS_PGT, absorbed=absorbed))) > 0.1


@pytest.mark.parametrize('name', ['gqa', 'v3', 'v2'])
def test_new_adapters_change_nothing(name, run):
  model, params = adapted(name)
  new = lora_lib.create(jax.random.key(3), params.base, LoRA(rank=2, alpha=4.0))
  assert all(np.any(a) for path, a in flat(new).items() if path.endswith('/a'))
  found = run(model, Adapted(params.base, new, 2.0), TOKENS_PGT)
  np.testing.assert_array_equal(found, run(model, params.base, TOKENS_PGT))


def test_change_is_alpha_over_rank_times_the_product():
  _, params = adapted('gqa', alpha=12.0)
  paths = [path[:-2] for path in flat(params.adapters) if path.endswith('/a')]
  merged, base, low = flat(lora_lib.merged(params)), flat(params.base), flat(params.adapters)
  for path in paths:
    a, b = low[f'{path}/a'], low[f'{path}/b']
    for layer in range(len(a)):
      product = np.tensordot(np.float64(a[layer]), np.float64(b[layer]), 1)
      expected = base[path][layer] + 12 / 3 * product
      np.testing.assert_allclose(merged[path][layer], expected, atol=1e-5)
  assert len(paths) == 7
  assert all(merged[path] is base[path] for path in base.keys() - set(paths))


@pytest.mark.parametrize('name', ['gqa', 'v3'])
def test_gradients_follow_from_those_of_the_merged_weights(name):
  model, params = adapted(name)

  def loss(params):
    return jnp.sum(jnp.sin(call(model, params, 'encode', TOKENS_PGT).hidden_PGTD))

  of_adapters = jax.grad(lambda low: loss(params.replace(adapters=low)))
  gradient = jax.jit(of_adapters)
  merged = jax.jit(jax.grad(loss))(lora_lib.merged(params))
  found, dense, low = flat(gradient(params.adapters)), flat(merged), flat(params.adapters)
  for path in {path[:-2] for path in low}:
    _, num_outputs = lora_lib.AXES[path.rsplit('/', 1)[-1]]
    # Of one weight as a matrix: d/dA = s dW B', d/dB = s A' dW.
    b = low[f'{path}/b']
    b = b.reshape(*b.shape[: b.ndim - num_outputs], -1)
    batch = b.shape[:-2]
    a = low[f'{path}/a'].reshape(*batch, -1, 3)
    change = dense[path].reshape(*batch, a.shape[-2], b.shape[-1])
    scale = 2 * np.max(np.abs(change))
    for factor, expected in (
      ('a', params.scale * change @ b.swapaxes(-1, -2)),
      ('b', params.scale * a.swapaxes(-1, -2) @ change),
    ):
      one = found[f'{path}/{factor}'].reshape(expected.shape)
      np.testing.assert_allclose(one, expected, atol=1e-5 * scale, err_msg=path)


def test_targets_are_found_in_paths():
  _, params = adapted('v3', targets='attention/(query_up|out)$')
  names = {path.rsplit('/', 2)[1] for path in flat(params.adapters)}
  assert names == {'query_up', 'out'}
  default = lora_lib.create(jax.random.key(0), params.base, LoRA(rank=2, alpha=2.0))
  paths = {path[:-2] for path in flat(default)}
  assert 'expert_layers/moe/shared/gate' in paths
  assert not any(path.endswith(('moe/gate', 'router', 'embedding', 'head')) for path in paths)
  assert not any(path.startswith('mtp') for path in paths)


def test_the_mtp_module_has_no_adapters():
  """It takes no part in answers: adapters there would never be trained."""
  assert not any(path.startswith('mtp') for path in flat(adapted('v3', targets='')[1].adapters))
  with pytest.raises(ValueError, match=r"'mtp/', which fits no weight; there are (?!.*mtp)"):
    adapted('v3', targets='mtp/')


def test_new_adapters_are_as_wide_as_their_inputs_and_each_its_own():
  """A yields numbers of the size of its inputs; of equal shapes none are equal."""
  shapes = {
    'dense_layers/attention': {
      name: jax.ShapeDtypeStruct((2, 400, 4, 16), jnp.float32) for name in ('query', 'key')
    }
    | {'out': jax.ShapeDtypeStruct((2, 4, 16, 400), jnp.float32)}
  }
  new = flat(lora_lib.create(jax.random.key(0), shapes, LoRA(rank=32, alpha=4.0)))
  for name, fan_in in (('query', 400), ('key', 400), ('out', 64)):
    spread = np.std(new[f'dense_layers/attention/{name}/a']) * fan_in**0.5
    np.testing.assert_allclose(spread, 1, rtol=0.05)
  query, key = (new[f'dense_layers/attention/{name}/a'] for name in ('query', 'key'))
  assert abs(np.corrcoef(query.ravel(), key.ravel())[0, 1]) < 0.05


def test_a_change_that_bfloat16_would_round_away_is_merged_whole():
  subject = families.subject('gqa')
  base = jax.tree.map(lambda a: a.astype(jnp.bfloat16), subject.params)
  _, params = adapted('gqa', targets='attention/query$')
  small = jax.tree.map(lambda a: 0.01 * a, params.adapters)
  merged = flat(lora_lib.merged(Adapted(base, small, 1.0)))
  low = {name: flat(small)[f'dense_layers/attention/query/{name}'] for name in 'ab'}
  expected = flat(base)['dense_layers/attention/query'].astype(np.float32)
  expected += np.einsum('ldr,lr...->ld...', low['a'], low['b'])
  found = merged['dense_layers/attention/query']
  assert found.dtype == np.float32
  np.testing.assert_allclose(found, expected, atol=1e-7)
  assert np.any(found != found.astype(jnp.bfloat16).astype(np.float32))


def test_shapes_are_enough_to_create():
  _, params = adapted('v2')
  shapes = jax.eval_shape(lambda: params.base)
  made = jax.eval_shape(
    lambda key: lora_lib.create(key, shapes, LoRA(3, 6.0, EVERYTHING)), jax.random.key(0)
  )
  expected = jax.eval_shape(lambda: params.adapters)
  assert jax.tree.all(jax.tree.map(lambda a, b: a.shape == b.shape, made, expected))


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    (dict(rank=0, alpha=1.0), 'rank is 0'),
    (dict(rank=4, alpha=0.0), 'alpha is 0.0'),
    (dict(rank=4, alpha=1.0, targets='('), "targets is '\\(', no regular expression"),
  ],
)
def test_wrong_settings_are_named(settings, message):
  with pytest.raises(ValueError, match=message):
    LoRA(**settings)


def test_targets_that_fit_nothing_are_named_with_those_that_would():
  with pytest.raises(ValueError, match=r"'q_proj', which fits no weight; .*attention/query"):
    adapted('gqa', targets='q_proj')


def flat(tree):
  return traverse_util.flatten_dict(tree, sep='/')
