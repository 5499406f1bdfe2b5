"""The published models as `ModelConfig`, and their numbers of parameters.

Hyperparameters are those of each base model's config.json and report: DeepSeek-V2-Lite
(arXiv:2405.04434 app. B), DeepSeek-V3 (arXiv:2412.19437 sec. 4.2), Qwen2.5 (arXiv:2412.15115
table 1), Llama 3.1 and 3.3 (arXiv:2407.21783 table 3), DeepSeek-R1-Distill-Qwen-1.5B
(arXiv:2501.12948), which is a Qwen2.5-Math.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from r1jax.model.config import GQA, MLA, Llama3Scaling, ModelConfig, MoE, Rope, Yarn
from r1jax.model.transformer import Transformer

DEEPSEEK_INIT_STD = 0.006  # Both reports; the config.json say 0.02.


class Counts(NamedTuple):
  """Numbers of parameters.

  Attributes:
    total: all that takes part in predicting the next token; the MTP module is apart.
    active: those that a token is multiplied with: of the routed experts the chosen ones, and no
      embedding that is only looked up. A tied embedding counts, for it is the output head.
    mtp: those of the multi-token prediction module, without the shared embedding and head.
    embedding: those of the token embedding, contained in `total`.
  """

  total: int
  active: int
  mtp: int
  embedding: int


def _deepseek_rope(mscale: float) -> Rope:
  """Returns the extension from 4,096 to 163,840 positions that DeepSeek-V2 and V3 share."""
  yarn = Yarn(factor=40.0, original_positions=4096, mscale=mscale, mscale_all_dim=mscale)
  return Rope(theta=10_000.0, scaling=yarn, interleaved=True)


def _qwen(
  num_layers: int,
  model_dim: int,
  mlp_dim: int,
  heads: tuple[int, int],
  *,
  vocab_size: int,
  max_positions: int,
  norm_epsilon: float = 1e-6,
  tied: bool = False,
  theta: float = 1_000_000.0,
) -> ModelConfig:
  """Returns a Qwen2.5 base model; `heads` are query heads and key-value heads."""
  num_heads, num_kv_heads = heads
  return ModelConfig(
    vocab_size=vocab_size,
    num_layers=num_layers,
    model_dim=model_dim,
    mlp_dim=mlp_dim,
    attention=GQA(num_heads, num_kv_heads, model_dim // num_heads, qkv_bias=True),
    rope=Rope(theta=theta),
    tied=tied,
    norm_epsilon=norm_epsilon,
    max_positions=max_positions,
  )


def _llama(num_layers: int, model_dim: int, mlp_dim: int, num_heads: int) -> ModelConfig:
  """Returns a model of Llama 3.1 or 3.3."""
  scaling = Llama3Scaling(factor=8.0, original_positions=8192)
  return ModelConfig(
    vocab_size=128_256,
    num_layers=num_layers,
    model_dim=model_dim,
    mlp_dim=mlp_dim,
    attention=GQA(num_heads, num_kv_heads=8, head_dim=128),
    rope=Rope(theta=500_000.0, scaling=scaling),
    norm_epsilon=1e-5,
    max_positions=131_072,
  )


SIZES: dict[str, ModelConfig] = {
  # DeepSeek-V3 in the small: every part of it is there, but no rope extension.
  'tiny': ModelConfig(
    vocab_size=1024,
    num_layers=4,
    model_dim=128,
    mlp_dim=384,
    attention=MLA(num_heads=4, query_rank=96, kv_rank=64, nope_dim=32, rope_dim=16, value_dim=32),
    rope=Rope(interleaved=True),
    moe=MoE(
      num_experts=16,
      top_k=4,
      width=64,
      num_shared=1,
      scaling=2.5,
      num_groups=4,
      num_groups_kept=2,
      dispatch='dense',
    ),
    num_dense_layers=1,
    num_mtp=1,
    max_positions=1024,
  ),
  'deepseek-v2-lite': ModelConfig(
    vocab_size=102_400,
    num_layers=27,
    model_dim=2048,
    mlp_dim=10_944,
    attention=MLA(
      num_heads=16, query_rank=None, kv_rank=512, nope_dim=128, rope_dim=64, value_dim=128
    ),
    rope=_deepseek_rope(mscale=0.707),
    moe=MoE(
      num_experts=64,
      top_k=6,
      width=1408,
      num_shared=2,
      scores='softmax',
      normalise=False,
      group_score_size=1,
      selection_bias=False,
    ),
    num_dense_layers=1,
    init_std=DEEPSEEK_INIT_STD,
    max_positions=163_840,
  ),
  'deepseek-v3': ModelConfig(
    vocab_size=129_280,
    num_layers=61,
    model_dim=7168,
    mlp_dim=18_432,
    attention=MLA(
      num_heads=128, query_rank=1536, kv_rank=512, nope_dim=128, rope_dim=64, value_dim=128
    ),
    rope=_deepseek_rope(mscale=1.0),
    moe=MoE(
      num_experts=256,
      top_k=8,
      width=2048,
      num_shared=1,
      scaling=2.5,
      num_groups=8,
      num_groups_kept=4,
    ),
    num_dense_layers=3,
    num_mtp=1,
    init_std=DEEPSEEK_INIT_STD,
    max_positions=163_840,
  ),
  'qwen2.5-0.5b': _qwen(
    24, 896, 4864, (14, 2), vocab_size=151_936, max_positions=32_768, tied=True
  ),
  'qwen2.5-1.5b': _qwen(
    28, 1536, 8960, (12, 2), vocab_size=151_936, max_positions=131_072, tied=True
  ),
  'qwen2.5-3b': _qwen(
    36, 2048, 11_008, (16, 2), vocab_size=151_936, max_positions=32_768, tied=True
  ),
  'qwen2.5-7b': _qwen(28, 3584, 18_944, (28, 4), vocab_size=152_064, max_positions=131_072),
  'qwen2.5-14b': _qwen(
    48, 5120, 13_824, (40, 8), vocab_size=152_064, max_positions=131_072, norm_epsilon=1e-5
  ),
  'qwen2.5-32b': _qwen(
    64, 5120, 27_648, (40, 8), vocab_size=152_064, max_positions=131_072, norm_epsilon=1e-5
  ),
  'deepseek-r1-distill-qwen-1.5b': _qwen(
    28, 1536, 8960, (12, 2), vocab_size=151_936, max_positions=131_072, theta=10_000.0
  ),
  'llama-3.1-8b': _llama(32, 4096, 14_336, num_heads=32),
  'llama-3.3-70b': _llama(80, 8192, 28_672, num_heads=64),
}


def named(size: str) -> ModelConfig:
  """Returns the published model of that name; raises ValueError that lists the names."""
  if size not in SIZES:
    raise ValueError(f'model size is {size!r}, allowed are {", ".join(map(repr, SIZES))}')
  return SIZES[size]


def count_parameters(config: ModelConfig) -> Counts:
  """Counts parameters from their shapes; no array is made, so any size fits."""
  tokens_BL = jax.ShapeDtypeStruct((1, 2), jnp.int32)
  key = jax.eval_shape(lambda: jax.random.key(0))
  params = dict(jax.eval_shape(Transformer(config).init, key, tokens_BL)['params'])
  mtp = _sum(params.pop('mtp', {}))
  total, embedding = _sum(params), _sum(params['embedding'])
  idle = 0 if config.tied else embedding
  if config.moe is not None and 'expert_layers' in params:
    moe = params['expert_layers']['moe']
    routed = _sum([moe[name] for name in ('gate', 'up', 'down')])
    idle += routed * (config.moe.num_experts - config.moe.top_k) // config.moe.num_experts
  return Counts(total=total, active=total - idle, mtp=mtp, embedding=embedding)


def _sum(params) -> int:
  return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
