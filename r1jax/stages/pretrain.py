"""Pre-training: next-token prediction on packed rows, with MTP and expert balance.

DeepSeek-V3, arXiv:2412.19437 sec. 2.1.2, 2.2 and 4.2.
"""

import dataclasses
import functools
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jax.sharding import Mesh

from r1jax import sharding
from r1jax.algorithms import balance, measures, sft
from r1jax.algorithms.measures import Mean
from r1jax.decoding.scoring import token_logp
from r1jax.evaluation.benchmark import Benchmark
from r1jax.model import ModelConfig, Transformer, call
from r1jax.stages import loop
from r1jax.stages.policy import Policy
from r1jax.structs import Array
from r1jax.tasks.packing import Packed
from r1jax.tasks.stream import Source, shuffled
from r1jax.text.spm import train_sentencepiece
from r1jax.training import state as states
from r1jax.training.clock import Clock
from r1jax.training.interrupt import StopRequest
from r1jax.training.step import Report, Step


@struct.dataclass
class Rows:
  """Packed rows of tokens; every token but a row's first is predicted.

  Attributes:
    tokens_BL: int32 token ids.
    weight_BL: weight in the loss of each token as a target, normalised over the whole batch.
  """

  tokens_BL: Array
  weight_BL: Array


def loss(
  params,
  rows: Rows,
  *,
  model: Transformer,
  mtp_weight: float,
  balance_weight: float,
  chunk_tokens: int | None,
):
  """Returns cross-entropy in nats, plus the weighted MTP and sequence balance losses.

  Args:
    params: tree of parameters.
    rows: batch or microbatch.
    model: whose `config` is that of `params`.
    mtp_weight: lambda of DeepSeek-V3 eq. 25; 0 leaves the MTP module out.
    balance_weight: alpha of DeepSeek-V3 eq. 17.
    chunk_tokens: tokens, of all rows together, whose logits exist at one time, or None for all.
  """
  apply = functools.partial(call, model, params)
  logp = functools.partial(
    token_logp,
    functools.partial(apply, 'unembed'),
    temperature=1.0,
    chunk_tokens=chunk_tokens,
  )
  tokens_B1L = rows.tokens_BL[:, None]
  out = apply('encode', tokens_B1L)
  logp_BL = logp(out.hidden_PGTD[:, :, :-1], tokens_B1L[:, :, 1:])[0][:, 0]
  weight_BL = rows.weight_BL[:, 1:]
  total, found = sft.loss(logp_BL, weight_BL, weight_BL)
  load: dict[str, jax.Array] = {}
  if out.routing is not None:
    load['expert_layers'] = jnp.sum(out.routing.load_PGE, axis=(1, 2))
    found['balance_loss'], of_batch = balance.sequence_balance(
      out.routing.load_PGE, out.routing.affinity_PGE, jnp.sum(rows.weight_BL, axis=-1)[:, None]
    )
    total += balance_weight * of_batch
  if mtp_weight:
    hidden, routing = apply('predict_second', out, tokens_B1L)
    second_BL = logp(hidden[:, :, :-1], tokens_B1L[:, :, 2:])[0][:, 0]
    mtp_loss, _ = sft.loss(second_BL, weight_BL[:, 1:], weight_BL[:, 1:])
    total += mtp_weight * mtp_loss
    found['mtp_nll'] = Mean.over(-second_BL, weight_BL[:, 1:])
    if routing is not None:
      load['mtp/layer'] = jnp.sum(routing.load_PGE, axis=(0, 1))
  return total, Report(found, load)


@dataclasses.dataclass(frozen=True)
class Settings:
  """The numbers of the stage.

  Attributes:
    rows_per_step: rows of an update.
    num_columns: tokens of a row.
    num_microbatches: parts of a step whose gradients are summed.
    mtp_weight: of the multi-token prediction loss (V3: 0.3, later 0.1).
    balance_weight: of the sequence balance loss (V3: 1e-4).
    bias_speed: of the experts' selection bias (V3: 0.001).
    chunk_tokens: tokens, of all rows together, whose logits exist at one time; None for all.
    seed: of the initial parameters and of the order of documents.
  """

  rows_per_step: int
  num_columns: int
  num_microbatches: int
  mtp_weight: float
  balance_weight: float
  bias_speed: float
  chunk_tokens: int | None
  seed: int

  def __post_init__(self):
    least = {
      **dict.fromkeys(('rows_per_step', 'num_microbatches'), 1),
      'num_columns': 2,  # A token and the one that it predicts.
      **dict.fromkeys(('mtp_weight', 'balance_weight', 'bias_speed', 'seed'), 0),
    }
    for name, number in least.items():
      if getattr(self, name) < number:
        raise ValueError(f'{name} is {getattr(self, name)}; it must be at least {number}')
    if self.chunk_tokens is not None and self.chunk_tokens < 1:
      raise ValueError(f'chunk_tokens is {self.chunk_tokens}; it must be at least 1, or None')


@dataclasses.dataclass(frozen=True)
class Stage:
  """Pre-training from nothing to a base model, tokenizer included.

  Attributes:
    config: of the model.
    corpus: documents by number.
    vocabulary_documents: how many of them the tokenizer is trained on.
    settings: numbers.
    optimizer: moves the parameters.
    cadence: when what is done.
    probes: evaluations of a policy.
    mesh: devices, or None for one.
  """

  config: ModelConfig
  corpus: Source[str]
  vocabulary_documents: int
  settings: Settings
  optimizer: optax.GradientTransformation
  cadence: loop.Cadence
  probes: Callable[[Policy], Sequence[Benchmark]]
  mesh: Mesh | None

  def __call__(
    self, policy: None, workdir: Path, clock: Clock, stop: StopRequest
  ) -> tuple[Policy, dict[str, Any]]:
    """Trains in `workdir`; returns the base model and its evaluations."""
    model = Transformer(self.config)
    documents = [self.corpus[i] for i in range(self.vocabulary_documents)]
    tokenizer = train_sentencepiece(documents, vocab_size=self.config.vocab_size)
    params = self._initial(model)
    packed = Packed(
      shuffled(self.corpus, seed=self.settings.seed),
      tokenizer,
      num_columns=self.settings.num_columns,
      rows_per_block=256,
    )
    base = Policy(model, params, tokenizer)
    probes = self.probes(base)
    for probe in probes:  # Now, and not after the last step.
      probe.answering.prompts(probe.problems)
    title = f'pre-training {base.num_parameters / 1e6:.2f}M parameters'
    begun = states.fingerprint(params) ^ zlib.crc32(tokenizer.model)
    tree, summary = loop.run(
      functools.partial(self._advance, self._step(model), packed),
      {'train': states.create(params, self.optimizer)},
      {'begun': begun},
      cadence=self.cadence,
      workdir=workdir,
      title=title,
      evaluations=functools.partial(self._evaluations, probes, stop),
      clock=clock,
      stop=stop,
    )
    return dataclasses.replace(base, params=tree['train'].params), summary

  def _initial(self, model: Transformer) -> Any:
    key = jax.random.key(self.settings.seed)
    init = functools.partial(model.init, key, jnp.zeros((1, 8), jnp.int32))
    # Each device makes its part: a whole model may be more than one can hold.
    placed = sharding.parameter_shardings(jax.eval_shape(init)['params'], self.mesh)
    return jax.jit(lambda: init()['params'], out_shardings=placed)()

  def _step(self, model: Transformer) -> Step:
    part_loss = functools.partial(
      loss,
      model=model,
      mtp_weight=self.settings.mtp_weight,
      balance_weight=self.settings.balance_weight,
      chunk_tokens=self.settings.chunk_tokens,
    )
    return Step(part_loss, self.optimizer, bias_speed=self.settings.bias_speed)

  def _advance(
    self, update: Step, packed: Packed, tree, record, step: int, show: loop.Show
  ) -> loop.Progressed:
    del show  # A step is one thing.
    start = time.perf_counter()
    count = self.settings.rows_per_step
    tokens_BL = packed.rows((step - 1) * count, count)
    weight_BL = np.full(tokens_BL.shape, 1.0 / tokens_BL.size, np.float32)
    rows = zip(
      np.split(tokens_BL, self.settings.num_microbatches),
      np.split(weight_BL, self.settings.num_microbatches),
    )
    own = sharding.division(self.mesh).rows(count // self.settings.num_microbatches)
    parts = [sharding.place(Rows(*(a[own] for a in part)), self.mesh) for part in rows]
    state, metrics = update(tree['train'], parts)
    results = jax.device_get(measures.results(metrics))
    numbers = {name: float(value) for name, value in results.items()}
    seconds = time.perf_counter() - start
    numbers |= {
      'tokens': tokens_BL.size,
      'tokens_per_second': tokens_BL.size / seconds,
      'seconds/update': seconds,
    }
    return loop.Progressed({'train': state}, record, numbers, list, int(state.skipped))

  def _evaluations(self, probes, stop: StopRequest, tree, step: int) -> dict[str, Callable]:
    params = tree['train'].params
    return {
      probe.split: functools.partial(probe, params, step=step, check=stop.check)
      for probe in probes
      if step
    }
