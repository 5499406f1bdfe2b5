"""Pre-training: next-token prediction on packed rows, with MTP and expert balance.

DeepSeek-V3, arXiv:2412.19437 sec. 2.1.2, 2.2 and 4.2.
"""

import functools

import jax
import jax.numpy as jnp
from flax import struct

from r1jax.algorithms import balance, reductions, sft
from r1jax.algorithms.measures import Mean
from r1jax.decoding.scoring import token_logp
from r1jax.model import Transformer, call
from r1jax.model.moe import Routing
from r1jax.training.step import Report


@struct.dataclass
class Rows:
  """Packed rows of tokens; every token but a row's first is predicted.

  Attributes:
    tokens_BL: int32 token ids.
    weight_BL: weight in the loss of each token as a target, normalised over the whole batch.
  """

  tokens_BL: jax.Array
  weight_BL: jax.Array

  @classmethod
  def of(cls, tokens_BL: jax.Array) -> 'Rows':
    """Returns rows in which every target weighs the same."""
    return cls(tokens_BL, reductions.token_mean(jnp.ones_like(tokens_BL)))


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
    chunk_tokens: positions whose logits exist at one time, or None for all.
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
    total += _balance_loss(out.routing, balance_weight, rows)
  if mtp_weight:
    hidden, routing = apply('predict_second', out, tokens_B1L)
    second_BL = logp(hidden[:, :, :-1], tokens_B1L[:, :, 2:])[0][:, 0]
    mtp_loss, _ = sft.loss(second_BL, weight_BL[:, 1:], weight_BL[:, 1:])
    total += mtp_weight * mtp_loss
    found['mtp_nll'] = Mean.over(-second_BL, weight_BL[:, 1:])
    if routing is not None:
      load['mtp/layer'] = jnp.sum(routing.load_PGE, axis=(0, 1))
  return total, Report(found, load)


def _balance_loss(routing: Routing, weight: float, rows: Rows) -> jax.Array:
  """Returns the sequence-wise balance loss, summed over layers, its share of the batch's mean."""
  load_NBE, affinity_NBE = routing.load_PGE[:, :, 0], routing.affinity_PGE[:, :, 0]
  loss_NB = balance.sequence_balance_loss(load_NBE, affinity_NBE, weight=weight)
  return jnp.sum(loss_NB * jnp.sum(rows.weight_BL, axis=-1))
