"""Seconds a GRPO step takes, by phase, on the workloads that rivals were measured on.

A 4.2M-parameter Qwen2-shaped model with random weights, random prompts of fixed length, completions
forced to full length, KL to a reference, float32: what the rivals' scripts do.

  python experiments/throughput/grpo_step.py --prompts=16 --group=16 --prompt_tokens=32 \
    --completion_tokens=64
"""

import contextlib
import functools
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags, logging
from jax.sharding import Mesh

from r1jax import sharding
from r1jax.algorithms import advantages, grpo, kl, ratios, reductions, surrogate
from r1jax.decoding import Sampler
from r1jax.evaluation.answering import Answering
from r1jax.model import GQA, ModelConfig, Transformer
from r1jax.stages.rl_step import Reinforcement, Settings
from r1jax.training import optimizer, state
from r1jax.training.allocator import keep_pages
from r1jax.training.clock import peak_bytes

sys.path.insert(0, str(Path(__file__).parent))

import steps

_PROMPTS = flags.DEFINE_integer('prompts', 16, 'Prompts of a step.')
_GROUP = flags.DEFINE_integer('group', 16, 'Completions of a prompt.')
_PROMPT_TOKENS = flags.DEFINE_integer('prompt_tokens', 32, 'Tokens of a prompt.')
_COMPLETION_TOKENS = flags.DEFINE_integer('completion_tokens', 64, 'Tokens of a completion.')
_STEPS = flags.DEFINE_integer('steps', 6, 'Steps; the first compiles and is not counted.')
_MICROBATCHES = flags.DEFINE_integer('microbatches', 1, 'Parts of an update.')
_CHUNK = flags.DEFINE_integer(
  'chunk_tokens', None, 'Tokens of a microbatch whose logits exist at once.'
)
_DEVICES = flags.DEFINE_integer('cpu_devices', 1, 'CPU devices; the prompts are split over them.')
_SEGMENT = flags.DEFINE_integer('segment_tokens', 64, 'Tokens between two compactions.')

MODEL = ModelConfig(
  vocab_size=512,
  num_layers=4,
  model_dim=256,
  mlp_dim=1024,
  attention=GQA(num_heads=8, num_kv_heads=4, head_dim=32, qkv_bias=True),
  unroll=4,
)


def reinforcement(model: Transformer, mesh: Mesh | None) -> Reinforcement:
  """Returns the step; asking is done here, with random prompts, and judging by random rewards."""
  answering = Answering(
    model,
    tokenizer=None,
    template=None,
    prefill='',
    group_size=_GROUP.value,
    max_prompt_tokens=_PROMPT_TOKENS.value,
    max_completion_tokens=_COMPLETION_TOKENS.value,
    sampler=Sampler(),
    segment_tokens=_SEGMENT.value,
    mesh=mesh,
  )
  objective = functools.partial(
    grpo.loss,
    ratio=ratios.token,
    surrogate=functools.partial(surrogate.clipped, low=0.2, high=0.2),
    kl=kl.k3,
    kl_weight=0.04,
  )
  settings = Settings(
    prompts_per_step=_PROMPTS.value,
    num_minibatches=1,
    num_inner_epochs=1,
    num_microbatches=_MICROBATCHES.value,
    drop_truncated=False,
    max_resamples=0,
    chunk_tokens=_CHUNK.value,
    balance_weight=0.0,
    seed=0,
  )
  return Reinforcement(
    settings=settings,
    answering=answering,
    problems=None,
    reward=None,
    advantage=lambda scores: advantages.group_normalised(scores.reward_PG, epsilon=1e-6),
    objective=objective,
    reduction=reductions.sample_mean,
    optimizer=optimizer.adamw(optimizer.AdamW(), lambda count: 1e-4),
    bias_speed=0.0,
    use_reference=True,
    mesh=mesh,
  )


def main(argv: list[str]) -> None:
  """Prints the seconds of each step by phase, and medians."""
  del argv
  logging.set_verbosity(logging.WARNING)
  keep_pages()
  jax.config.update('jax_num_cpu_devices', _DEVICES.value)
  mesh = sharding.make_mesh(sharding.MeshShape()) if _DEVICES.value > 1 else None
  with jax.set_mesh(mesh) if mesh is not None else contextlib.nullcontext():
    measure(mesh)


def measure(mesh: Mesh | None) -> None:
  """Takes the steps."""
  model = Transformer(MODEL)
  params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 8), jnp.int32))['params']
  params = sharding.place_parameters(params, mesh)
  print('parameters', sum(array.size for array in jax.tree.leaves(params)))
  learning = reinforcement(model, mesh)
  reference = jax.tree.map(jnp.copy, params)
  train = state.create(params, learning.optimizer)
  rows = []
  for step in range(_STEPS.value):
    train, seconds = steps.take(learning, train, reference, step)
    rows.append((sum(seconds), *seconds))
    print('step {:.2f}s sample {:.2f}s score {:.2f}s update {:.2f}s'.format(*rows[-1]), flush=True)
  middle = np.median(np.array(rows[1:]), axis=0)
  print('median {:.2f}s sample {:.2f}s score {:.2f}s update {:.2f}s'.format(*middle))
  print(f'peak memory {peak_bytes() / 1e9:.2f} GB')


if __name__ == '__main__':
  app.run(main)
