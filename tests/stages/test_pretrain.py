import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from equations import shapes
from families import Subject, randomise

from r1jax.algorithms import balance
from r1jax.algorithms.measures import results
from r1jax.model import GQA, ModelConfig, MoE, Rope, Transformer
from r1jax.stages import pretrain
from r1jax.stages.pretrain import Rows
from r1jax.training.optimizer import AdamW, adamw, warmup_constant
from r1jax.training.state import create
from r1jax.training.step import Step

CONFIG = ModelConfig(
  vocab_size=19,
  num_layers=2,
  model_dim=16,
  mlp_dim=16,
  attention=GQA(num_heads=2, num_kv_heads=1, head_dim=8),
  rope=Rope(theta=100.0),
  moe=MoE(num_experts=6, top_k=2, width=8, dispatch='dense'),
  num_mtp=1,
)
MODEL = Subject.of(CONFIG)
DENSE = dataclasses.replace(CONFIG, num_layers=1, moe=None)
B, L = 4, 6
TOKENS_BL = np.random.default_rng(0).integers(CONFIG.vocab_size, size=(B, L)).astype(np.int32)
WEIGHTS = {'mtp_weight': 0.3, 'balance_weight': 0.2}


def rows_of(tokens_BL):
  return Rows(tokens_BL, np.full(tokens_BL.shape, 1 / TOKENS_BL.size, np.float32))


def loss_of(config=CONFIG, **weights):
  return functools.partial(
    pretrain.loss, model=Transformer(config), chunk_tokens=None, **(WEIGHTS | weights)
  )


def dense_params():
  """Small random parameters, of which the model makes an even guess."""
  shapes = jax.eval_shape(Transformer(DENSE).init, jax.random.key(0), TOKENS_BL)['params']
  return jax.tree.map(lambda leaf: 0.1 * leaf, randomise(shapes))


@pytest.mark.parametrize('chunk', [None, 3])
def test_chunks_spare_the_logits_of_all_tokens(chunk):
  """Of next tokens and of those after them, with their gradient."""
  loss = functools.partial(loss_of(), chunk_tokens=chunk)
  program = jax.make_jaxpr(jax.value_and_grad(loss, has_aux=True))(MODEL.params, rows_of(TOKENS_BL))
  found = shapes(program.jaxpr)
  most = max(np.prod(s[:-1]) for s in found if s[-1:] == (CONFIG.vocab_size,) and len(s) > 2)
  assert most <= B if chunk else most == B * (L - 1)


def value_of(**weights):
  return jax.jit(loss_of(**weights))(MODEL.params, rows_of(TOKENS_BL))


def nll(logits_BLV, target_BL):
  logp_BLV = jax.nn.log_softmax(logits_BLV)
  return -np.take_along_axis(np.asarray(logp_BLV), target_BL[..., None], axis=-1)[..., 0]


def test_loss_is_cross_entropy_plus_mtp_plus_balance():
  """Every target weighs 1 / (B L): next tokens 1 to L - 1, and the ones after next 2 to L - 1."""
  out = MODEL.call(MODEL.params, TOKENS_BL)
  second_BLV, routing = MODEL.second(MODEL.params, TOKENS_BL)
  first = nll(out.logits_BLV[:, :-1], TOKENS_BL[:, 1:])
  second = nll(second_BLV[:, :-1], TOKENS_BL[:, 2:])
  flat = (array[:, :, 0] for array in (out.routing.load_PGE, out.routing.affinity_PGE))
  balance_NB = balance.sequence_balance_loss(*flat)
  expected = (first.sum() + 0.3 * second.sum()) / (B * L) + 0.2 * balance_NB.sum() / B
  value, report = value_of()
  np.testing.assert_allclose(value, expected, rtol=1e-5)
  found = results(report.measures)
  np.testing.assert_allclose(found['nll'], first.mean(), rtol=1e-5)
  np.testing.assert_allclose(found['mtp_nll'], second.mean(), rtol=1e-5)
  np.testing.assert_allclose(found['balance_loss'], balance_NB.sum() / B, rtol=1e-5)
  np.testing.assert_array_equal(report.load['expert_layers'], out.routing.load_PGE.sum(axis=(1, 2)))
  np.testing.assert_array_equal(report.load['mtp/layer'], routing.load_PGE.sum(axis=(0, 1)))
  assert report.load['expert_layers'].sum() == 2 * B * L * 2


def test_without_mtp_the_module_is_left_out():
  value, report = value_of(mtp_weight=0.0, balance_weight=0.0)
  assert set(report.load) == {'expert_layers'}
  np.testing.assert_allclose(value, results(report.measures)['nll'] * (L - 1) / L, rtol=1e-6)


def test_a_model_without_experts_has_no_load():
  _, report = jax.eval_shape(loss_of(DENSE), dense_params(), rows_of(TOKENS_BL))
  assert report.load == {}
  assert set(report.measures) == {'nll', 'mtp_nll'}


def test_accumulation_does_not_change_the_update():
  moved = []
  for parts in (1, 2):
    descent = optax.sgd(1.0)
    state = create(jax.tree.map(jnp.copy, MODEL.params), descent)
    step = Step(loss_of(), descent, bias_speed=0.01)
    state, _ = step(state, [rows_of(part) for part in np.split(TOKENS_BL, parts)])
    moved.append(state.params)
  for a, b in zip(*(jax.tree.leaves(tree) for tree in moved)):
    np.testing.assert_allclose(a, b, atol=2e-6)


def test_learning():
  """From an even guess over the vocabulary to knowing the rows, and the tokens after next."""
  optimizer = adamw(AdamW(weight_decay=0.0), warmup_constant(peak=0.01, warmup=2))
  step = Step(loss_of(DENSE), optimizer, bias_speed=0.0)
  state, found = create(dense_params(), optimizer), []
  for _ in range(60):
    state, metrics = step(state, [rows_of(TOKENS_BL)])
    metrics = results(metrics)
    found.append((float(metrics['nll']), float(metrics['mtp_nll'])))
  np.testing.assert_allclose(found[0], np.log(CONFIG.vocab_size), rtol=0.05)
  assert max(found[-1]) < 0.5
