"""Reads a stage of reinforcement learning."""

import functools
import zlib
from collections.abc import Sequence
from typing import Any

import jax
from absl import logging
from jax.sharding import Mesh

from r1jax.build import devices, objectives, problems, rewards
from r1jax.decoding import Sampler
from r1jax.evaluation.answering import Answering
from r1jax.evaluation.benchmark import Benchmark
from r1jax.section import Section
from r1jax.stages import loop, rl, rl_step
from r1jax.stages.policy import Policy
from r1jax.tasks import stream
from r1jax.text.templates import TEMPLATES

# Questions of a run whose length is checked before it begins; of sets that are read, all are.
MOST_CHECKED = 10_000


def stage(section: Section, seed: int, mesh: Mesh | None):
  """Reads an RL stage; returns its maker."""
  steps = section.take('steps', int, least=1)
  sampler = section.sampling.sampler.make(Sampler)
  if not sampler.temperature:
    raise section.sampling.sampler.error('temperature is 0; the answers of a group must differ')
  answering = dict(
    template=section.task.choose('template', TEMPLATES),
    prefill=section.task.take('prefill', str),
    max_prompt_tokens=section.task.take('max_prompt_tokens', int, least=1),
    max_completion_tokens=section.sampling.take('max_completion_tokens', int, least=1),
    segment_tokens=section.sampling.take('segment_tokens', int, least=1),
    mesh=mesh,
  )
  group_size = section.sampling.take('group_size', int, least=2)
  sizes = {
    split: section.evaluation.take(f'{split}_problems', int, least=0)
    for split in ('test', 'validation')
  }
  asked = problems.read(section.task, section.evaluation, section.reward, seed)
  reward = rewards.scorer(
    section.reward,
    asked.kind,
    gates=section.gates,
    shaping=section.shaping,
    max_length=answering['max_completion_tokens'],
    num_workers=section.take('reward_workers', int | None, least=1),
  )
  settings = section.settings.make(rl_step.Settings, seed=seed)
  devices.check_parts(
    section.settings, 'prompts_per_step', ('num_minibatches', 'num_microbatches'), mesh
  )
  objective, kl_weight = objectives.objective(section.algorithm)
  advantage = objectives.advantage(section.algorithm, section.reward, section.shaping)
  reduction = objectives.reduction(section.algorithm)
  num_drawn = steps * settings.prompts_per_step * (1 + settings.max_resamples)
  updates = steps * settings.num_minibatches * settings.num_inner_epochs
  # Answers say nothing of the MTP module; weight decay alone would move it.
  optimiser = objectives.read_optimizer(section.optimizer, updates, frozen='mtp')
  benchmarks = _benchmarks(sizes, asked, answering, group_size, settings, seed)
  cadence = section.cadence.make(loop.Cadence, steps=steps)
  bias_speed = section.take('bias_speed', float, least=0)
  replace_reference_every = section.take('replace_reference_every', int, least=0)
  num_completions = section.take('num_completions', int, least=0)

  def make(policy: Policy | None) -> rl.Stage:
    assert policy is not None, 'RL starts from a policy'
    known = dict(answering, model=policy.model, tokenizer=policy.tokenizer)
    ask = Answering(**known, group_size=group_size, sampler=sampler)
    measures = [benchmark(policy) for benchmark in benchmarks]
    drawn = stream.shuffled(asked.train, seed=seed)
    # That no prompt is too long shows now, and not in the midst of a run.
    checked = asked.listed or [drawn.batch(0, min(num_drawn, MOST_CHECKED))]
    prompts = [ask.prompts(some) for some in [*checked, *(m.problems for m in measures)]]
    _warn_of_length(prompts, ask.max_completion_tokens, policy.model.config.max_positions)
    learning = rl_step.Reinforcement(
      settings=settings,
      answering=ask,
      problems=drawn,
      reward=reward,
      advantage=advantage,
      objective=objective,
      reduction=reduction,
      optimizer=optimiser,
      bias_speed=bias_speed,
      use_reference=kl_weight > 0,
      reader=asked.reader,
      mesh=mesh,
    )
    return rl.Stage(
      learning=learning,
      cadence=cadence,
      benchmarks=measures,
      final=frozenset({'test'}),
      replace_reference_every=replace_reference_every,
      num_completions=num_completions,
      fingerprint=_fingerprint(checked, prompts),
      title=_title(policy),
    )

  return make


def _benchmarks(sizes, asked: problems.Problems, answering, group_size, settings, seed):
  """Returns the makers of the benchmarks, that of the test split first."""

  def benchmark(policy: Policy, split: str) -> Benchmark:
    source = asked.held_out(split)
    count = min(sizes[split], len(source))
    known = dict(answering, model=policy.model, tokenizer=policy.tokenizer)
    return Benchmark(
      split=split,
      problems=[source[i] for i in range(count)],
      answering=Answering(**known, group_size=group_size, sampler=Sampler()),
      batch_size=settings.prompts_per_step,
      judges=asked.kind.judges,
      seed=seed,
      reader=asked.reader,
    )

  return [functools.partial(benchmark, split=split) for split, size in sizes.items() if size]


def _warn_of_length(
  prompts: Sequence[list[list[int]]], max_completion_tokens: int, known: int
) -> None:
  """Warns of prompts and answers that may reach positions which the model was not trained on."""
  longest = max(len(tokens) for some in prompts for tokens in some)
  if longest + max_completion_tokens > known:
    logging.warning(
      'The longest prompt has %d tokens and its answers up to %d: more than the %d positions that '
      'the model was trained on, beyond which it may answer badly.',
      longest,
      max_completion_tokens,
      known,
    )


def _fingerprint(asked: Sequence[problems.Source], prompts: Any) -> int:
  """Returns a number that changes with problems, golds, template and tokenizer."""
  told = [
    (problem.id, problem.gold) for some in asked for problem in (some[i] for i in range(len(some)))
  ]
  return zlib.crc32(repr((told, prompts)).encode())


def _title(policy: Policy) -> str:
  device = jax.devices()[0]
  count = f'{jax.device_count()} x ' if jax.device_count() > 1 else ''
  return f'{policy.num_parameters / 1e6:,.1f}M parameters on {count}{device.device_kind}'
