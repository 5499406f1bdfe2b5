"""The transformer: embedding, two scanned stacks of blocks, norm, head; and the MTP module.

`Transformer.encode` yields hidden states of a group's tokens given what they see; `unembed` is
apart, so that losses can chunk it; `__call__` joins the two for plain sequences.
"""

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax.ad_checkpoint import checkpoint_name

from r1jax.model import remat
from r1jax.model import rope as rope_lib
from r1jax.model.attention import GroupedQueryAttention
from r1jax.model.cache import Cache, Prefix, Sight, Suffix
from r1jax.model.config import MLA, ModelConfig
from r1jax.model.layers import RMSNorm, SwiGLU, linear, project
from r1jax.model.lora import Adapted
from r1jax.model.mla import LatentAttention
from r1jax.model.moe import MixtureOfExperts, Routing
from r1jax.sharding import constrain


@struct.dataclass
class Output:
  """What a pass over tokens yields.

  Attributes:
    hidden_PGTD: final hidden states, normalised, ready for `unembed`.
    cache: cache entries of these tokens, `[N, P, G, T, ...]` of every stack.
    routing: of the expert stack, each field with a leading axis N; None without experts.
    logits_BLV: float32 logits, from `__call__` alone.
  """

  hidden_PGTD: jax.Array
  cache: Cache
  routing: Routing | None
  logits_BLV: jax.Array | None = None


def call(model: 'Transformer', params: Any, method: str, *args: Any, **kwargs: Any) -> Any:
  """Calls a method of the model as a pure function of its parameters, which may be `Adapted`."""
  variables = params.variables() if isinstance(params, Adapted) else {'params': params}
  return model.apply(variables, *args, method=method, **kwargs)


# Parameters that compute in float32, whatever the dtype of computation.
_WIDE = frozenset({'scale', 'router', 'selection_bias'})


def as_computed(params: Any, config: ModelConfig) -> Any:
  """Returns a copy of parameters that computes the same and takes no more memory than it must.

  What is rounded to `config.dtype` wherever it is used is rounded once. For parameters that are not
  trained; to those with a low-rank change that is added before it is rounded this does not apply.
  """
  dtype = jnp.dtype(config.dtype)

  def one(path: Any, array: jax.Array) -> jax.Array:
    is_wider = array.dtype.itemsize > dtype.itemsize and path[-1].key not in _WIDE
    return array.astype(dtype) if is_wider else jnp.copy(array)

  return jax.tree.map_with_path(one, params)


class Block(nn.Module):
  """Attention, then a dense or expert feed-forward, each behind a norm and a residual."""

  config: ModelConfig
  experts: bool
  absorbed: bool

  @nn.compact
  def __call__(self, x_PGTD, layer, shared):
    """Runs the block in the form `nn.scan` asks for.

    Args:
      x_PGTD: residual stream.
      layer: this layer's `{'prefix', 'suffix', 'chosen'}`, each may be None.
      shared: what all layers share: `{'cos_sin', 'prefix_length_P', 'suffix_length', 'mask_PGT'}`.

    Returns:
      Residual stream, and the layer's cache entries and routing (None where dense).
    """
    config = self.config
    x_PGTD = constrain(x_PGTD, 'prompts', 'samples', 'tokens', None)
    sight = Sight(
      layer['prefix'], shared['prefix_length_P'], layer['suffix'], shared['suffix_length']
    )
    normed = RMSNorm(config.norm_epsilon, name='attention_norm')(x_PGTD)
    if isinstance(config.attention, MLA):
      latent = LatentAttention(config, config.attention, name='attention')
      mixed, entries = latent(
        normed, cos_sin=shared['cos_sin'], sight=sight, absorbed=self.absorbed
      )
    else:
      grouped = GroupedQueryAttention(config, config.attention, name='attention')
      mixed, entries = grouped(normed, cos_sin=shared['cos_sin'], sight=sight)
    x_PGTD = checkpoint_name(x_PGTD + mixed, remat.BETWEEN)
    normed = RMSNorm(config.norm_epsilon, name='mlp_norm')(x_PGTD)
    if not self.experts:
      return x_PGTD + SwiGLU(config, config.mlp_dim, name='mlp')(normed), (entries, None)
    assert config.moe is not None, 'a layer of experts has experts'
    mlp = MixtureOfExperts(config, config.moe, name='moe')
    out, routing = mlp(normed, mask_PGT=shared['mask_PGT'], chosen_PGTQ=layer['chosen'])
    return x_PGTD + out, (entries, routing)


class Transformer(nn.Module):
  """A decoder-only transformer; see `ModelConfig`.

  Parameters come from `init(key, tokens_BL)`, which runs `__call__`.
  """

  config: ModelConfig

  def setup(self):
    """Declares what is not a scanned stack."""
    config = self.config
    init = nn.initializers.normal(config.init_std)
    self.embedding = self.param('embedding', init, (config.vocab_size, config.model_dim))
    self.final_norm = RMSNorm(config.norm_epsilon)
    if not config.tied:
      self.head = self.param('head', init, (config.model_dim, config.vocab_size))
    if config.num_mtp:
      self.mtp = MultiTokenPrediction(config)

  def __call__(self, tokens_BL) -> Output:
    """Reads plain sequences and returns their `Output`, with logits."""
    out = self.encode(tokens_BL[:, None])
    if self.is_initializing() and self.config.num_mtp:
      self.predict_second(out, tokens_BL[:, None])
    return dataclasses.replace(out, logits_BLV=self.unembed(out.hidden_PGTD)[:, 0])

  @nn.compact
  def encode(
    self,
    tokens_PGT,
    *,
    prefix: Prefix | None = None,
    suffix: Suffix | None = None,
    chosen_NPGTQ=None,
    mask_PGT=None,
    absorbed: bool = False,
  ) -> Output:
    """Reads tokens that see their prefix, their suffix so far, and themselves causally.

    Args:
      tokens_PGT: token ids. Positions go on after prefix and suffix.
      prefix: what the group shares, or None.
      suffix: what each sample has read since, or None.
      chosen_NPGTQ: experts to replay in each expert layer, or None to choose.
      mask_PGT: True where a token counts in the routing statistics; None counts all.
      absorbed: compute latent attention in its absorbed form; no effect on other attention.

    Returns:
      `Output` without logits.
    """
    config = self.config
    if mask_PGT is None:
      mask_PGT = jnp.ones(tokens_PGT.shape, bool)
    shared = {
      'cos_sin': self._angles(tokens_PGT.shape, prefix, suffix),
      'prefix_length_P': None if prefix is None else prefix.length_P,
      'suffix_length': None if suffix is None else suffix.length,
      'mask_PGT': mask_PGT,
    }
    x_PGTD = self.embed(tokens_PGT)
    cache: dict[str, Any] = {}
    routing = None
    for name, size in config.stacks.items():
      experts = name == 'expert_layers'
      layers = {
        'prefix': None if prefix is None else prefix.cache[name],
        'suffix': None if suffix is None else [block[name] for block in suffix.blocks],
        'chosen': chosen_NPGTQ if experts else None,
      }
      # Unrolled, the layers' caches would be split and joined again at every step of decoding.
      unroll = min(config.unroll, size) if suffix is None else 1
      stack = _scanned(config, size, unroll)(config, experts, absorbed, name=name)
      x_PGTD, (cache[name], stack_routing) = stack(x_PGTD, layers, shared)
      routing = stack_routing if experts else routing
    return Output(self.final_norm(x_PGTD), cache, routing)

  def embed(self, tokens_PGT):
    """Returns embeddings `[P, G, T, D]` in the dtype of computation."""
    # Padding may be any number, and what is not in the vocabulary must not spread as NaN.
    return jnp.take(self.embedding, tokens_PGT, axis=0, mode='clip').astype(self.config.dtype)

  def unembed(self, hidden):
    """Returns float32 logits `[..., V]` of hidden states `[..., D]`."""
    matrix_DV = self.embedding.T if self.config.tied else self.head
    matrix_DV = matrix_DV.astype(self.config.dtype)
    return linear(hidden, matrix_DV, dtype=jnp.float32, axes=('embed', 'vocab'))

  def predict_second(self, out: Output, tokens_PGT):
    """Returns hidden states that predict the token after the next, `[P, G, T-1, D]`, and routing.

    DeepSeek-V3 sec. 2.2: entry t sees the final hidden state of token t and the embedding of token
    t + 1, and predicts token t + 2 through the shared `unembed`. The paper leaves open whether the
    hidden state is normalised; the published weights expect it so.

    Args:
      out: of a pass without prefix and suffix.
      tokens_PGT: that it read, two at least.

    Raises:
      ValueError: the model has no such module, or there is one token only.
    """
    if not self.config.num_mtp:
      raise ValueError('the model has no multi-token prediction module: set model.num_mtp to 1')
    P, G, T = tokens_PGT.shape
    if T < 2:
      raise ValueError('multi-token prediction needs two tokens at least, also to initialise it')
    return self.mtp(
      out.hidden_PGTD[:, :, :-1],
      self.embed(tokens_PGT[:, :, 1:]),
      cos_sin=self._angles((P, G, T - 1), None, None),
    )

  def _angles(self, shape, prefix: Prefix | None, suffix: Suffix | None):
    """Returns rotary angles of tokens that follow `prefix` and `suffix`."""
    P, _, T = shape
    first_P = jnp.zeros(P, jnp.int32) if prefix is None else prefix.length_P
    if suffix is not None:
      first_P = first_P + suffix.length
    position_PT = first_P[:, None] + jnp.arange(T)
    attention = self.config.attention
    dim = attention.rope_dim if isinstance(attention, MLA) else attention.head_dim
    return rope_lib.angles(self.config.rope, dim, position_PT)


class MultiTokenPrediction(nn.Module):
  """The multi-token prediction module of depth 1 (DeepSeek-V3 sec. 2.2)."""

  config: ModelConfig

  @nn.compact
  def __call__(self, hidden_PGTD, embedded_PGTD, *, cos_sin):
    """Returns normalised hidden states and routing; inputs are of tokens t and t + 1."""
    config, D = self.config, hidden_PGTD.shape[-1]
    joined = jnp.concatenate(
      [
        RMSNorm(config.norm_epsilon, name='embedding_norm')(embedded_PGTD),
        RMSNorm(config.norm_epsilon, name='hidden_norm')(hidden_PGTD),
      ],
      axis=-1,
    )  # Paper, eq. 21: hidden state first; here: embedding first, as in the published weights.
    x_PGTD = project(self, config, 'projection', joined, D)
    layer = {'prefix': None, 'suffix': None, 'chosen': None}
    shared = {
      'cos_sin': cos_sin,
      'prefix_length_P': None,
      'suffix_length': None,
      'mask_PGT': jnp.ones(x_PGTD.shape[:-1], bool),
    }
    experts = config.moe is not None
    block = _block(config, scanned=False)(config, experts, absorbed=False, name='layer')
    x_PGTD, (_, routing) = block(x_PGTD, layer, shared)
    return RMSNorm(config.norm_epsilon, name='norm')(x_PGTD), routing


def _block(config: ModelConfig, *, scanned: bool):
  """Returns `Block` under the policy of `config.remat`."""
  if config.remat == 'none':
    return Block
  # XLA merges what is computed twice, and so undoes remat, but not across the loop of a scan.
  looped = scanned and config.unroll == 1
  return nn.remat(Block, policy=remat.POLICIES[config.remat], prevent_cse=not looped)


def _scanned(config: ModelConfig, size: int, unroll: int):
  """Returns `Block` scanned over `size` layers whose parameters and inputs are stacked."""
  return nn.scan(
    _block(config, scanned=True),
    variable_axes={'params': 0, 'lora': 0},
    split_rngs={'params': True},
    in_axes=(0, nn.broadcast),
    length=size,
    unroll=unroll,
  )
