"""Three tiny models with random parameters, jitted once for all tests of the package."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from r1jax.model import GQA, MLA, Llama3Scaling, ModelConfig, MoE, Rope, Transformer, Yarn

VOCABULARY = 19

# Short original contexts and low thetas put pairs on both sides of the extensions' ramps.
GQA_CONFIG = ModelConfig(
  vocab_size=VOCABULARY,
  num_layers=2,
  model_dim=12,
  mlp_dim=20,
  attention=GQA(num_heads=4, num_kv_heads=2, head_dim=6, qkv_bias=True, qk_norm=True),
  rope=Rope(theta=50.0, scaling=Llama3Scaling(factor=8.0, original_positions=20)),
  tied=True,
)
V3_CONFIG = ModelConfig(
  vocab_size=VOCABULARY,
  num_layers=3,
  model_dim=12,
  mlp_dim=20,
  attention=MLA(
    num_heads=2,
    query_rank=10,
    kv_rank=8,
    nope_dim=4,
    rope_dim=6,
    value_dim=5,
    norm_epsilon=1e-2,
  ),
  rope=Rope(
    theta=50.0,
    scaling=Yarn(factor=40.0, original_positions=32, beta_fast=4.0, mscale=1.0, mscale_all_dim=0.5),
    interleaved=True,
  ),
  moe=MoE(
    num_experts=8,
    top_k=3,
    width=7,
    num_shared=1,
    scaling=2.5,
    num_groups=4,
    num_groups_kept=2,
  ),
  num_dense_layers=1,
  num_mtp=1,
  norm_epsilon=1e-3,
)
V2_CONFIG = ModelConfig(
  vocab_size=VOCABULARY,
  num_layers=2,
  model_dim=12,
  mlp_dim=20,
  attention=MLA(num_heads=2, query_rank=None, kv_rank=8, nope_dim=4, rope_dim=4, value_dim=5),
  rope=Rope(interleaved=True),
  moe=MoE(
    num_experts=6,
    top_k=2,
    width=7,
    num_shared=2,
    scores='softmax',
    normalise=False,
    selection_bias=False,
    dispatch='dense',
  ),
)


def randomise(params, seed=0):
  """Replaces every leaf, so that no norm is 1 and no bias 0, at scales that keep signals alive."""
  rng = np.random.default_rng(seed)

  def draw(path, leaf):
    name, noise = path[-1].key, rng.normal(size=leaf.shape)
    if name == 'scale':
      noise = 1 + 0.3 * noise
    elif name == 'router':
      noise *= 0.5
    elif name == 'out':
      noise /= np.sqrt(leaf.shape[-3] * leaf.shape[-2])
    elif 'bias' not in name and name != 'embedding':
      noise /= np.sqrt(12)
    return jnp.asarray(noise * (0.3 if 'bias' in name else 1), jnp.float32)

  return jax.tree_util.tree_map_with_path(draw, params)


@dataclasses.dataclass
class Subject:
  """A model under test. Its functions take parameters first and are compiled once."""

  config: ModelConfig
  params: dict

  @classmethod
  def of(cls, config, params=None):
    shapes = jax.eval_shape(Transformer(config).init, jax.random.key(0), jnp.zeros((1, 2), int))
    return cls(config, randomise(shapes['params']) if params is None else params)

  @functools.cached_property
  def _encode(self):
    return jax.jit(self.plain('encode'), static_argnames='absorbed')

  def encode(self, params, tokens_PGT, *, mask_PGT=None, absorbed=False, **kwargs):
    """`Transformer.encode`; called in one way alone, so that equal shapes compile once."""
    mask_PGT = np.ones(tokens_PGT.shape, bool) if mask_PGT is None else mask_PGT
    return self._encode(params, tokens_PGT, mask_PGT=mask_PGT, absorbed=absorbed, **kwargs)

  @functools.cached_property
  def call(self):
    return jax.jit(self.plain('__call__'))

  @functools.cached_property
  def second(self):
    return jax.jit(self.plain_second)

  def plain(self, method):
    """A method of the transformer before `jit`, to be differentiated."""

    def run(params, *args, **kwargs):
      return Transformer(self.config).apply({'params': params}, *args, method=method, **kwargs)

    return run

  def plain_second(self, params, tokens_BL):
    """Logits of the multi-token prediction module, `[B, L-1, V]`, and its routing."""
    out = self.plain('encode')(params, tokens_BL[:, None])
    hidden, routing = self.plain('predict_second')(params, out, tokens_BL[:, None])
    return self.plain('unembed')(params, hidden)[:, 0], routing


@functools.cache
def subject(name):
  return Subject.of({'gqa': GQA_CONFIG, 'v3': V3_CONFIG, 'v2': V2_CONFIG}[name])


def sees(model, run, tokens_L):
  """Which outputs depend on which tokens: the size of their derivative, `[..., L]`.

  `run` maps parameters to outputs `[..., n]`. The tokens are all different, so that each has a row
  of the embedding to itself, along which the outputs are differentiated.
  """
  assert len(set(tokens_L)) == len(tokens_L)
  embedding_VD = model.params['embedding']

  def response(token):
    def outputs(step):
      moved = embedding_VD.at[token].add(step * jnp.cos(jnp.arange(embedding_VD.shape[1])))
      return run(model.params | {'embedding': moved})

    return jnp.abs(jax.jvp(outputs, (0.0,), (1.0,))[1]).max(-1)

  responses = jax.jit(lambda tokens: jax.lax.map(response, tokens))
  return np.moveaxis(responses(tokens_L), 0, -1)
