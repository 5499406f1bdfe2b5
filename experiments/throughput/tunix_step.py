"""Seconds a GRPO step of Tunix takes on the workload of `grpo_step.py`: what `compare.py` runs.

Needs Tunix in an environment of its own:

  pip install google-tunix==0.1.7
  python experiments/throughput/tunix_step.py PROMPTS GROUP PROMPT_TOKENS COMPLETION_TOKENS STEPS

A step is timed from reward to reward: the update of one and the sampling of the next. Tunix puts a
BOS token before a prompt and pads it to a power of two, so prompts are one token shorter here.
"""

import os
import sys
import time

os.environ['JAX_PLATFORMS'] = 'cpu'

import jax
import numpy as np
import optax
from flax import nnx
from tunix.models.qwen2 import model as qwen2
from tunix.rl import rl_cluster
from tunix.rl.grpo import grpo_learner
from tunix.rl.rollout import base_rollout


class Words:
  """A tokenizer of the words t0 to t511."""

  def encode(self, text, **options):
    """Returns the numbers of the words."""
    return [int(word[1:]) for word in text.split()]

  def decode(self, ids, **options):
    """Returns the words of the numbers."""
    return ' '.join(f't{int(i)}' for i in ids)

  def bos_id(self):
    """Returns the token before every prompt."""
    return 2

  def eos_id(self):
    """Returns the end token."""
    return 1

  def pad_id(self):
    """Returns the token that fills up."""
    return 0

  def dedup_bos_ids(self, ids):
    """Returns the ids: none begin with a BOS."""
    return ids


class Clock:
  """Prints the seconds between rewards; the first two include compilation."""

  def __init__(self):
    self.last = time.perf_counter()
    self.rng = np.random.default_rng(0)

  def reward(self, prompts, completions, **columns):
    """A random reward."""
    now = time.perf_counter()
    print(f'step {now - self.last:.3f}s', flush=True)
    self.last = now
    return list(self.rng.integers(0, 7, len(completions)).astype(float))


def policy() -> qwen2.Qwen2:
  """Returns the model of `grpo_step.py` with random weights."""
  config = qwen2.ModelConfig(
    num_layers=4,
    vocab_size=512,
    embed_dim=256,
    hidden_dim=1024,
    num_heads=8,
    head_dim=32,
    num_kv_heads=4,
    rope_theta=10000,
    norm_eps=1e-6,
  )
  return qwen2.Qwen2(config, rngs=nnx.Rngs(0))


def main() -> None:
  """Takes the steps."""
  num_prompts, group, prompt_tokens, completion_tokens, steps = map(int, sys.argv[1:])
  mesh = jax.sharding.Mesh(np.array(jax.devices()[:1]).reshape(1, 1), ('fsdp', 'tp'))
  roles = (rl_cluster.Role.ACTOR, rl_cluster.Role.REFERENCE, rl_cluster.Role.ROLLOUT)
  cluster_config = rl_cluster.ClusterConfig(
    role_to_mesh=dict.fromkeys(roles, mesh),
    training_config=rl_cluster.RLTrainingConfig(
      actor_optimizer=optax.adamw(1e-4),
      eval_every_n_steps=1000,
      max_steps=steps,
      mini_batch_size=num_prompts,
      train_micro_batch_size=num_prompts,
    ),
    # An answer ends where it draws 511; sampling goes on until the last one has ended.
    rollout_config=base_rollout.RolloutConfig(
      max_tokens_to_generate=completion_tokens,
      max_prompt_length=prompt_tokens - 1,
      kv_cache_size=2 * (prompt_tokens + completion_tokens),
      temperature=1.0,
      eos_tokens=[511],
    ),
  )
  cluster = rl_cluster.RLCluster(
    actor=policy(), reference=policy(), tokenizer=Words(), cluster_config=cluster_config
  )
  rng = np.random.default_rng(0)
  batches = [
    {'prompts': np.array([' '.join(f't{i}' for i in row) for row in rows])}
    for rows in rng.integers(3, 511, (steps, num_prompts, prompt_tokens - 1))
  ]
  clock = Clock()
  learner = grpo_learner.GRPOLearner(
    rl_cluster=cluster,
    reward_fns=[clock.reward],
    algo_config=grpo_learner.GRPOConfig(
      num_generations=group, num_iterations=1, beta=0.04, epsilon=0.2
    ),
  )
  with mesh:
    learner.train(batches)


if __name__ == '__main__':
  main()
