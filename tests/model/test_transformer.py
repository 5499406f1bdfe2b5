import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import slow_model
from families import GQA_CONFIG, V2_CONFIG, V3_CONFIG, VOCABULARY, Subject, sees, subject

from r1jax.model import Transformer, as_computed

TOKENS_BL = np.random.default_rng(1).integers(0, VOCABULARY, (2, 9))


@functools.cache
def oracle(name, b):
  """Logits, hidden states and choices of one sequence, from the loops."""
  model = subject(name)
  return slow_model.forward(TOKENS_BL[b], slow_model.as_float64(model.params), model.config)


@pytest.mark.parametrize('name', ['gqa', 'v3', 'v2'])
def test_whole_model_against_loops(name):
  """Order of norms, residuals and stacks; also the experts of every layer."""
  model = subject(name)
  out = model.call(model.params, TOKENS_BL)
  for b in range(2):
    logits_LV, hidden_LD, chosen = oracle(name, b)
    np.testing.assert_allclose(out.logits_BLV[b], logits_LV, atol=1e-4)
    np.testing.assert_allclose(out.hidden_PGTD[b, 0], hidden_LD, atol=1e-4)
    if chosen:
      np.testing.assert_array_equal(out.routing.chosen_PGTQ[:, b, 0], chosen)
    else:
      assert out.routing is None


def test_call_is_encode_and_unembed(gqa):
  encoded = gqa.encode(gqa.params, TOKENS_BL[:, None])
  logits = gqa.plain('unembed')(gqa.params, encoded.hidden_PGTD)[:, 0]
  np.testing.assert_allclose(gqa.call(gqa.params, TOKENS_BL).logits_BLV, logits, atol=1e-5)
  assert encoded.logits_BLV is None


def test_a_module_that_would_have_nothing_to_predict_says_so():
  with pytest.raises(ValueError, match='needs two tokens at least, also to initialise it'):
    jax.eval_shape(
      Transformer(V3_CONFIG).init, jax.random.key(0), jax.ShapeDtypeStruct((1, 1), np.int32)
    )


def test_multi_token_prediction_against_loops(v3):
  found, routing = v3.second(v3.params, TOKENS_BL)
  assert found.shape == (2, 8, VOCABULARY)
  for b in range(2):
    _, hidden_LD, _ = oracle('v3', b)
    expected = slow_model.predict_second(
      TOKENS_BL[b], hidden_LD, slow_model.as_float64(v3.params), v3.config
    )
    np.testing.assert_allclose(found[b], expected, atol=1e-4)
  assert routing.chosen_PGTQ.shape == (2, 1, 8, 3)
  np.testing.assert_array_equal(routing.load_PGE.sum(-1), 8 * 3)


@pytest.mark.parametrize('name', ['gqa', 'v2'])
def test_causality(name):
  """Output t has a derivative by token u where u <= t, and none at all where u > t."""
  model = subject(name)
  tokens_L = np.random.default_rng(2).permutation(VOCABULARY)[:7]
  gradient_TL = sees(
    model, lambda p: model.plain('encode')(p, tokens_L[None, None]).hidden_PGTD[0, 0], tokens_L
  )
  np.testing.assert_array_equal(gradient_TL > 1e-6, np.tri(7, dtype=bool))
  np.testing.assert_array_equal(gradient_TL[~np.tri(7, dtype=bool)], 0)


def test_causality_of_multi_token_prediction(v3):
  """Entry t reads tokens up to t + 1 and predicts t + 2: it must not see that."""
  tokens_L = np.random.default_rng(2).permutation(VOCABULARY)[:7]
  gradient_TL = sees(v3, lambda p: v3.plain_second(p, tokens_L[None])[0][0], tokens_L)
  expected = np.tri(6, 7, k=1, dtype=bool)
  np.testing.assert_array_equal(gradient_TL > 1e-6, expected)
  np.testing.assert_array_equal(gradient_TL[~expected], 0)


def test_model_without_module_says_how_to_get_one(gqa):
  out = gqa.encode(gqa.params, TOKENS_BL[:, None])
  with pytest.raises(
    ValueError, match=r'no multi-token prediction module: set model\.num_mtp to 1'
  ):
    gqa.plain('predict_second')(gqa.params, out, TOKENS_BL[:, None])


def test_tied_head_is_the_embedding_and_untied_is_not(gqa):
  hidden = np.random.default_rng(0).normal(size=(3, 12))
  assert 'head' not in gqa.params
  np.testing.assert_allclose(
    gqa.plain('unembed')(gqa.params, hidden), hidden @ gqa.params['embedding'].T, atol=1e-5
  )
  untied = Subject.of(dataclasses.replace(gqa.config, tied=False))
  assert untied.params['head'].shape == (12, VOCABULARY)
  np.testing.assert_allclose(
    untied.plain('unembed')(untied.params, hidden), hidden @ untied.params['head'], atol=1e-5
  )


def test_replayed_choices_of_the_whole_model(v3):
  """Own choices change nothing, others change outputs, from the layer they differ in on."""
  out = v3.call(v3.params, TOKENS_BL)
  chosen = np.array(out.routing.chosen_PGTQ)
  again = v3.encode(v3.params, TOKENS_BL[:, None], chosen_NPGTQ=chosen)
  np.testing.assert_allclose(again.hidden_PGTD, out.hidden_PGTD, atol=1e-5)
  other = chosen.copy()
  other[1] = (other[1] + 1) % 8
  changed = v3.encode(v3.params, TOKENS_BL[:, None], chosen_NPGTQ=other)
  np.testing.assert_array_equal(changed.routing.chosen_PGTQ, other)
  assert np.abs(changed.hidden_PGTD - again.hidden_PGTD).max() > 0.01
  before, after = (o.cache['expert_layers']['latent'] for o in (again, changed))
  np.testing.assert_array_equal(before[1], after[1])  # What the second layer reads is the same.


def test_routing_statistics_leave_out_masked_tokens(v3):
  chosen = np.array(v3.call(v3.params, TOKENS_BL).routing.chosen_PGTQ)
  mask = np.arange(9) < np.array([[[4]], [[9]]])
  out = v3.encode(v3.params, TOKENS_BL[:, None], mask_PGT=mask, chosen_NPGTQ=chosen)
  load, affinity = np.asarray(out.routing.load_PGE), np.asarray(out.routing.affinity_PGE)
  np.testing.assert_array_equal(load.sum(-1), np.tile([[[12], [27]]], (2, 1, 1)))
  np.testing.assert_allclose(affinity.sum(-1), np.tile([[[4], [9]]], (2, 1, 1)), rtol=1e-5)


def in_bfloat16(config):
  return Subject.of(dataclasses.replace(config, dtype='bfloat16'))


@pytest.mark.parametrize('config', [GQA_CONFIG, V3_CONFIG], ids=['gqa', 'v3'])
def test_bfloat16_is_for_activations_alone(config):
  """Parameters and their gradients stay float32, and so do logits and router statistics."""
  model = in_bfloat16(config)
  initial = jax.eval_shape(Transformer(model.config).init, jax.random.key(0), TOKENS_BL)
  assert {leaf.dtype for leaf in jax.tree.leaves(initial)} == {jnp.dtype('float32')}

  def loss(params):
    out = model.plain('__call__')(params, TOKENS_BL)
    return jnp.mean(out.logits_BLV**2), out

  (_, out), gradient = jax.eval_shape(jax.value_and_grad(loss, has_aux=True), model.params)
  assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype('float32')}
  assert out.logits_BLV.dtype == jnp.float32
  assert out.hidden_PGTD.dtype == jnp.bfloat16
  assert {leaf.dtype for leaf in jax.tree.leaves(out.cache)} == {jnp.dtype('bfloat16')}
  if out.routing is not None:
    assert out.routing.affinity_PGE.dtype == jnp.float32


def test_bfloat16_computes_the_same_function(gqa):
  found = in_bfloat16(GQA_CONFIG).call(gqa.params, TOKENS_BL).logits_BLV
  expected = gqa.call(gqa.params, TOKENS_BL).logits_BLV
  error = np.abs(found - expected).max() / np.abs(expected).max()
  assert 1e-4 < error < 0.05  # It did round, and no more than eight bits do.


def remat_loss(model, tokens_BL):
  """A loss through the main model and, if it has one, the multi-token prediction module."""

  def loss(params):
    out = model.plain('encode')(params, tokens_BL[:, None])
    total = jnp.sum(jnp.sin(out.hidden_PGTD))
    if model.config.num_mtp:
      total += jnp.sum(jnp.sin(model.plain('predict_second')(params, out, tokens_BL[:, None])[0]))
    return total

  return loss


def kept(config, remat):
  """Shapes of what the forward pass of 17 tokens leaves to the backward pass."""
  model = Subject.of(dataclasses.replace(config, remat=remat))
  loss = remat_loss(model, jnp.zeros((2, 17), int))
  return [
    leaf.shape
    for leaf in jax.tree.leaves(jax.eval_shape(lambda p: jax.vjp(loss, p)[1], model.params))
  ]


@pytest.mark.parametrize('config', [GQA_CONFIG, V2_CONFIG, V3_CONFIG], ids=['gqa', 'v2', 'v3'])
def test_remat_policies_keep_less(config):
  sizes = {
    remat: sum(math.prod(shape) for shape in kept(config, remat))
    for remat in ('none', 'dots', 'residual', 'full')
  }
  assert sizes['full'] < 0.8 * sizes['dots'] < 0.5 * sizes['none']
  assert sizes['full'] < sizes['residual'] < 0.9 * sizes['dots']


def test_remat_covers_every_block():
  """Attention scores of 17 tokens, or of 16 in the multi-token prediction module, are not kept."""

  def scores(remat):
    return {shape[-2:] for shape in kept(V3_CONFIG, remat)} & {(17, 17), (16, 16)}

  assert scores('none') == {(17, 17), (16, 16)}
  assert scores('dots') == scores('full') == set()


@pytest.mark.parametrize(
  ('remat', 'unroll'), [('dots', 1), ('residual', 1), ('full', 1), ('none', 3), ('full', 4)]
)
def test_remat_and_unrolling_change_neither_loss_nor_gradient(remat, unroll):
  found, expected = loss_and_gradient(remat, unroll), loss_and_gradient('none', 1)
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * max(1, np.abs(b).max()))


@functools.cache
def loss_and_gradient(remat, unroll):
  model = Subject.of(dataclasses.replace(V2_CONFIG, num_mtp=1, remat=remat, unroll=unroll))
  return jax.jit(jax.value_and_grad(remat_loss(model, TOKENS_BL)))(model.params)


def test_every_parameter_has_a_gradient():
  """Those of the multi-token prediction module among them."""
  _, gradient = loss_and_gradient('none', 1)
  for path, leaf in jax.tree_util.tree_leaves_with_path(gradient):
    if path[0].key != 'head':  # The loss reads hidden states.
      assert np.abs(leaf).max() > 1e-4, jax.tree_util.keystr(path)


def test_remat_saves_memory_of_the_compiled_program():
  """Of six layers of 64 tokens, the scores of four heads alone are 6 * 4 * 64 * 64 numbers."""
  tokens = jnp.zeros((1, 64), int)

  def peak(remat, unroll=1):
    model = Subject.of(dataclasses.replace(GQA_CONFIG, num_layers=6, remat=remat, unroll=unroll))
    gradient = jax.jit(jax.grad(remat_loss(model, tokens)))
    return gradient.lower(model.params).compile().memory_analysis().temp_size_in_bytes

  assert peak('full') < 0.5 * peak('none')
  assert peak('full', unroll=2) < 0.8 * peak('none', unroll=2)


def test_initial_weights():
  """Normal with the given deviation; norms one, biases and selection biases zero."""
  moe = dataclasses.replace(V3_CONFIG.moe, num_shared=0)
  config = dataclasses.replace(
    GQA_CONFIG, vocab_size=400, init_std=0.006, tied=False, moe=moe, num_layers=2
  )
  init = jax.jit(Transformer(config).init)
  params = init(jax.random.key(0), TOKENS_BL)['params']
  moe = params['expert_layers']['moe']
  np.testing.assert_array_equal(moe['selection_bias'], 0)
  np.testing.assert_array_equal(params['final_norm']['scale'], 1)
  for name in ('query_bias', 'key_bias', 'value_bias'):
    np.testing.assert_array_equal(params['expert_layers']['attention'][name], 0)
  for leaf in (params['embedding'], params['head'], moe['gate'], moe['down']):
    assert np.std(leaf) == pytest.approx(0.006, rel=0.06)
  assert (moe['gate'][0] != moe['gate'][1]).all()  # Every layer draws its own.


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'dtype': 'float16'}, r"model\.dtype is 'float16', allowed are 'float32', 'bfloat16'"),
    (
      {'remat': 'some'},
      r"model\.remat is 'some', allowed are 'none', 'dots', 'attention', 'residual', 'full'",
    ),
    ({'unroll': 0}, r'unroll is 0, must be at least 1: change model\.unroll'),
    ({'num_mtp': 2}, r'num_mtp is 2, allowed are 0 and 1: change model\.num_mtp'),
    ({'num_dense_layers': 4}, 'num_dense_layers 4 exceeds num_layers 3'),
    ({'moe': None}, 'num_dense_layers 1 has no effect without experts: set model.moe'),
    ({'num_dense_layers': 3, 'num_mtp': 0}, 'no layer has experts, since all 3 are dense'),
  ],
)
def test_impossible_models_are_refused(change, message):
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(V3_CONFIG, **change)


def test_stacks():
  assert V3_CONFIG.stacks == {'dense_layers': 1, 'expert_layers': 2}
  assert V2_CONFIG.stacks == {'expert_layers': 2}
  assert GQA_CONFIG.stacks == {'dense_layers': 2}


@pytest.mark.parametrize('name', ['gqa', 'v3', 'v2'])
def test_parameters_as_they_are_computed_with_give_the_same_in_less_memory(name):
  """Bit for bit; the router, the scales and the selection bias stay as they are."""
  model = subject(name)
  config = dataclasses.replace(model.config, dtype='bfloat16')
  less = as_computed(model.params, config)
  call = jax.jit(Transformer(config).apply)
  found, expected = (call({'params': params}, TOKENS_BL) for params in (less, model.params))
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
    np.testing.assert_array_equal(a, b)
  kinds = {keys[-1].key: leaf.dtype for keys, leaf in jax.tree.leaves_with_path(less)}
  wide = {'scale', 'router', 'selection_bias'} & kinds.keys()
  assert {key for key, dtype in kinds.items() if dtype == jnp.float32} == wide
  # As of a model that is computed in the dtype of its parameters: a copy, which outlives them.
  same = as_computed(model.params, model.config)
  for a, b in zip(jax.tree.leaves(same), jax.tree.leaves(model.params), strict=True):
    assert a is not b and a.dtype == b.dtype
