"""GRPO steps without problems: random prompts, answers of full length, random rewards."""

import time

import jax
import jax.numpy as jnp
import numpy as np

from r1jax import sharding
from r1jax.decoding import generate
from r1jax.evaluation.answering import Answers
from r1jax.rewards.combine import Scores
from r1jax.stages.rl_step import Judged, Reinforcement
from r1jax.structs import Prompts
from r1jax.training.state import TrainState

PHASES = ('sample', 'score', 'update')


def take(
  learning: Reinforcement, train: TrainState, reference, step: int
) -> tuple[TrainState, tuple[float, ...]]:
  """Takes a step.

  Args:
    learning: the step; its problems, rewards and tokenizer are not needed.
    train: is used up.
    reference: parameters of the reference.
    step: its number, of which prompts, samples and rewards depend.

  Returns:
    The new state, and the seconds of each phase.
  """
  times = [time.perf_counter()]
  judged = ask(learning, train.params, step)
  times.append(time.perf_counter())
  batch = learning.batch(judged, reference)
  times.append(time.perf_counter())
  train, found = learning.take_updates(train, None, batch, judged, step=step)
  jax.block_until_ready((train.params, train.optimizer, found))
  times.append(time.perf_counter())
  return train, tuple(np.diff(times))


def ask(learning: Reinforcement, params, step: int) -> Judged:
  """Samples answers to random prompts, all of full length, and rewards them at random."""
  rng, ask = np.random.default_rng(step), learning.answering
  P, S, G = learning.settings.prompts_per_step, ask.max_prompt_tokens, ask.group_size
  prompts = Prompts(
    jnp.asarray(rng.integers(3, ask.model.config.vocab_size, (P, S)), jnp.int32),
    jnp.full(P, S, jnp.int32),
    jnp.arange(P, dtype=jnp.int32),
  )
  rollouts = generate(
    ask.model,
    params,
    sharding.place(prompts, learning.mesh),
    group_size=G,
    max_tokens=ask.max_completion_tokens,
    sampler=ask.sampler,
    stop_tokens=(),
    key=jax.random.key(step),
    segment_tokens=ask.segment_tokens,
    prompt_chunk_tokens=ask.prompt_chunk_tokens,
    mesh=learning.mesh,
  )
  return Judged(
    Answers([], rollouts, [[''] * G] * P),
    scores=Scores(rng.integers(0, 7, (P, G)).astype(np.float32), {}, {}, {}, {}, {}),
    length_PG=rollouts.length_PG,
    truncated_PG=~rollouts.stopped_PG,
    draws=0,
    seconds={},
    sampled=[],
  )
