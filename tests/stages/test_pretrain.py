import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from families import QUICK, V3_CONFIG, subject

from r1jax.algorithms import balance
from r1jax.algorithms.measures import results
from r1jax.model import GQA, ModelConfig, Rope, Transformer
from r1jax.stages import pretrain
from r1jax.stages.loop import Cadence
from r1jax.stages.pretrain import Rows
from r1jax.training import records
from r1jax.training.clock import Clock
from r1jax.training.interrupt import StopRequest
from r1jax.training.optimizer import AdamW, adamw, warmup_constant
from r1jax.training.state import create
from r1jax.training.step import Step

B, L = 4, 6
TOKENS_BL = np.random.default_rng(0).integers(V3_CONFIG.vocab_size, size=(B, L)).astype(np.int32)
WEIGHTS = {'mtp_weight': 0.3, 'balance_weight': 0.2}


def rows_of(tokens_BL):
  return Rows(tokens_BL, np.full(tokens_BL.shape, 1 / TOKENS_BL.size, np.float32))


@functools.cache
def loss_of(name='v3', chunk_tokens=None, **weights):
  part_loss = functools.partial(
    pretrain.loss,
    model=Transformer(subject(name).config),
    chunk_tokens=chunk_tokens,
    **(WEIGHTS | weights),
  )
  return part_loss


def value_of(**options):
  return jax.jit(loss_of(**options), compiler_options=QUICK)(
    subject(options.get('name', 'v3')).params, rows_of(TOKENS_BL)
  )


def nll(logits_BLV, target_BL):
  logp_BLV = jax.nn.log_softmax(logits_BLV)
  return -np.take_along_axis(np.asarray(logp_BLV), target_BL[..., None], axis=-1)[..., 0]


def test_loss_is_cross_entropy_plus_mtp_plus_balance():
  """Every target weighs 1 / (B L): next tokens 1 to L - 1, and the ones after next 2 to L - 1."""
  model = subject('v3')
  out = model.call(model.params, TOKENS_BL)
  second_BLV, routing = model.second(model.params, TOKENS_BL)
  first = nll(out.logits_BLV[:, :-1], TOKENS_BL[:, 1:])
  second = nll(second_BLV[:, :-1], TOKENS_BL[:, 2:])
  flat = (array[:, :, 0] for array in (out.routing.load_PGE, out.routing.affinity_PGE))
  balance_NB = balance.sequence_balance_loss(*flat, weight=0.2)
  expected = (first.sum() + 0.3 * second.sum()) / (B * L) + balance_NB.sum() / B
  value, report = value_of()
  np.testing.assert_allclose(value, expected, rtol=1e-5)
  found = results(report.measures)
  np.testing.assert_allclose(found['nll'], first.mean(), rtol=1e-5)
  np.testing.assert_allclose(found['mtp_nll'], second.mean(), rtol=1e-5)
  np.testing.assert_array_equal(report.load['expert_layers'], out.routing.load_PGE.sum(axis=(1, 2)))
  np.testing.assert_array_equal(report.load['mtp/layer'], routing.load_PGE.sum(axis=(0, 1)))
  assert report.load['expert_layers'].sum() == 2 * B * L * 3


def test_chunks_change_nothing():
  np.testing.assert_allclose(value_of(chunk_tokens=2)[0], value_of()[0], rtol=1e-6)


def test_without_mtp_the_module_is_left_out():
  value, report = value_of(mtp_weight=0.0, balance_weight=0.0)
  assert set(report.load) == {'expert_layers'}
  np.testing.assert_allclose(value, results(report.measures)['nll'] * (L - 1) / L, rtol=1e-6)
  gradient = jax.jit(jax.grad(loss_of(mtp_weight=0.0), has_aux=True), compiler_options=QUICK)
  found, _ = gradient(subject('v3').params, rows_of(TOKENS_BL))
  assert not any(np.any(leaf) for leaf in jax.tree.leaves(found['mtp']))


def test_a_model_without_experts_has_no_load():
  value, report = value_of(name='gqa', mtp_weight=0.0)
  assert report.load == {}
  np.testing.assert_allclose(value, results(report.measures)['nll'] * (L - 1) / L, rtol=1e-6)


@pytest.mark.parametrize('num_parts', [2, 4])
def test_accumulation_does_not_change_the_update(num_parts):
  moved = []
  for parts in (1, num_parts):
    descent = optax.sgd(1.0)
    state = create(jax.tree.map(jnp.copy, subject('v3').params), descent)
    step = Step(loss_of(), descent, bias_speed=0.01)
    state, _ = step(state, [rows_of(part) for part in np.split(TOKENS_BL, parts)])
    moved.append(state.params)
  for a, b in zip(*(jax.tree.leaves(tree) for tree in moved)):
    np.testing.assert_allclose(a, b, atol=2e-6)


NOVICE = ModelConfig(
  vocab_size=320,
  num_layers=1,
  model_dim=32,
  mlp_dim=32,
  attention=GQA(num_heads=2, num_kv_heads=1, head_dim=16),
  rope=Rope(theta=100.0),
  num_mtp=1,
)
SETTINGS = pretrain.Settings(
  rows_per_step=8,
  num_columns=16,
  num_microbatches=2,
  mtp_weight=0.3,
  balance_weight=0.0,
  bias_speed=0.0,
  chunk_tokens=None,
  seed=0,
)


def stage_of(steps=25, **changes):
  corpus = [f'{a} plus {b} is {a + b}.' for a in range(8) for b in range(8)]
  return pretrain.Stage(
    config=NOVICE,
    corpus=corpus,
    vocabulary_documents=len(corpus),
    settings=dataclasses.replace(SETTINGS, **changes),
    optimizer=adamw(AdamW(weight_decay=0.0), warmup_constant(peak=0.01, warmup=2)),
    cadence=Cadence(
      steps=steps, checkpoint_every=0, evaluate_every=0, completions_every=0, max_skipped=3
    ),
    probes=lambda policy: [],
    mesh=None,
  )


def test_a_stage_learns_its_corpus(tmp_path):
  """From an even guess over the vocabulary to well below; the policy can be used."""
  with StopRequest() as stop:
    policy, _ = stage_of()(None, tmp_path, Clock(tmp_path), stop)
  metrics = records.read(tmp_path / 'metrics.jsonl')
  np.testing.assert_allclose(metrics[0]['nll'], np.log(NOVICE.vocab_size), rtol=0.05)
  assert metrics[-1]['nll'] < 0.5 * metrics[0]['nll']
  assert metrics[-1]['mtp_nll'] < metrics[0]['mtp_nll']
  assert [row['step'] for row in metrics] == list(range(1, 26))
  assert metrics[0]['tokens'] == 8 * 16
  tokens = policy.tokenizer.encode('1 plus 2 is')
  out = policy.model.apply({'params': policy.params}, jnp.array([tokens]))
  assert out.logits_BLV.shape == (1, len(tokens), NOVICE.vocab_size)
