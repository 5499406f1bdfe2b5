"""Small models of every family and option, with random weights, exchanged with transformers."""

import dataclasses
import pathlib
from typing import Any

import jax
import numpy as np
import torch
import transformers
from flax import traverse_util

from r1jax.interop import save_pretrained
from r1jax.interop.tables import parameter_shapes
from r1jax.model import GQA, MLA, Llama3Scaling, ModelConfig, MoE, Rope, Transformer, Yarn

V3_YARN = Yarn(factor=8.0, original_positions=32, mscale=1.0, mscale_all_dim=0.9)
V2_YARN = Yarn(factor=8.0, original_positions=32, mscale=0.707, mscale_all_dim=0.707)
LATENT = MLA(num_heads=4, query_rank=12, kv_rank=10, nope_dim=8, rope_dim=6, value_dim=5)
DIRECT = dataclasses.replace(LATENT, query_rank=None)
V2_MOE = MoE(
  num_experts=8,
  top_k=3,
  width=12,
  num_shared=2,
  scores='softmax',
  normalise=False,
  selection_bias=False,
  group_score_size=1,
)


def decoder(attention, **options) -> ModelConfig:
  """Returns a small model; sizes differ from each other, so that no mix-up goes unnoticed."""
  sizes = {'vocab_size': 61, 'num_layers': 3, 'model_dim': 32, 'mlp_dim': 40, 'max_positions': 256}
  return ModelConfig(attention=attention, **(sizes | options))


CONFIGS = {
  'v3': decoder(
    LATENT,
    rope=Rope(scaling=V3_YARN, interleaved=True),
    moe=MoE(8, top_k=3, width=12, num_shared=2, scaling=2.5, num_groups=4, num_groups_kept=2),
    num_dense_layers=1,
    num_mtp=1,
  ),
  'v3-plain': decoder(
    DIRECT,
    rope=Rope(theta=500.0),
    moe=MoE(8, top_k=2, width=12, num_shared=0, normalise=False),
    tied=True,
    norm_epsilon=1e-3,
  ),
  'v3-dense': decoder(DIRECT, rope=Rope(interleaved=True), num_mtp=1),
  'v2-lite': decoder(
    DIRECT, rope=Rope(scaling=V2_YARN, interleaved=True), moe=V2_MOE, num_dense_layers=1
  ),
  'v2': decoder(
    LATENT,
    rope=Rope(interleaved=True),
    moe=dataclasses.replace(V2_MOE, scaling=16.0, num_groups=4, num_groups_kept=2),
    num_dense_layers=2,
  ),
  'qwen': decoder(GQA(4, 2, 8, qkv_bias=True), rope=Rope(theta=1e6), tied=True),
  'qwen-yarn': decoder(
    GQA(6, 3, 6, qkv_bias=True), rope=Rope(scaling=Yarn(4.0, original_positions=64))
  ),
  'qwen3': decoder(GQA(4, 2, 10, qk_norm=True), rope=Rope(theta=1e6), tied=True),
  'qwen3-moe': decoder(
    GQA(4, 2, 10, qk_norm=True),
    rope=Rope(theta=1e6),
    moe=MoE(8, top_k=3, width=12, scores='softmax', selection_bias=False, group_score_size=1),
    num_dense_layers=1,
  ),
  'llama': decoder(
    GQA(4, 2, 8),
    rope=Rope(theta=5e5, scaling=Llama3Scaling(8.0, original_positions=32)),
    norm_epsilon=1e-3,
  ),
  'llama-wide-heads': decoder(GQA(4, 1, 12), tied=True),
}
EXPERTS = [name for name, config in CONFIGS.items() if config.moe is not None]


def random_params(config: ModelConfig) -> dict[str, Any]:
  """Returns parameters of which none is neutral: no bias is 0, no scale 1."""
  rng = np.random.default_rng(7)
  flat = {}
  for path, shape in parameter_shapes(config).items():
    noise = 0.3 * rng.standard_normal(shape)
    if path.endswith('selection_bias'):
      noise -= 1.5  # Biased scores below 0: a group left out must not win with 0.
    flat[path] = np.float32(1 + noise if path.endswith('scale') else noise)
  return traverse_util.unflatten_dict(flat, sep='/')


def quick(config: ModelConfig) -> ModelConfig:
  """Returns the same function in the form that compiles in the least time."""
  if config.moe is None:
    return config
  return dataclasses.replace(config, moe=dataclasses.replace(config.moe, dispatch='dense'))


@dataclasses.dataclass
class Exchanged:
  """A model, the folder we wrote of it, and what transformers makes of that folder."""

  config: ModelConfig
  params: dict[str, Any]
  folder: pathlib.Path
  torch_model: Any
  loading: dict[str, Any]

  def __post_init__(self):
    self.apply = jax.jit(Transformer(quick(self.config)).apply)

  def ours(self, tokens_BL):
    """Returns our `Output`."""
    return self.apply({'params': self.params}, tokens_BL)

  def theirs(self, tokens_BL) -> np.ndarray:
    """Returns the logits of transformers."""
    with torch.no_grad():
      return self.torch_model(torch.tensor(tokens_BL)).logits.numpy()


def exchange(name: str, folder: pathlib.Path) -> Exchanged:
  """Saves a model of `CONFIGS` with us and loads it with transformers."""
  config = CONFIGS[name]
  params = random_params(config)
  save_pretrained(folder, config, params)
  torch_model, loading = load_torch(folder)
  return Exchanged(config, params, folder, torch_model, loading)


def load_torch(folder: pathlib.Path):
  """Loads a folder with transformers."""
  torch.set_num_threads(1)
  return transformers.AutoModelForCausalLM.from_pretrained(
    folder,
    dtype=torch.float32,
    attn_implementation='eager',
    experts_implementation='eager',  # The others want widths of whole 16 bytes.
    output_loading_info=True,
  )


def without_mtp(config: ModelConfig) -> ModelConfig:
  """Returns the model that is left when transformers has ignored the MTP module."""
  return dataclasses.replace(config, num_mtp=0)
