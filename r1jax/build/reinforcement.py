"""Reads a stage of reinforcement learning."""

import dataclasses
import functools
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from absl import logging
from jax.sharding import Mesh

from r1jax import interop
from r1jax.build import devices, objectives, problems, rewards
from r1jax.decoding import Sampler
from r1jax.evaluation.answering import Answering
from r1jax.evaluation.benchmark import Benchmark
from r1jax.model import LoRA, Transformer
from r1jax.model.lora import create as adapt
from r1jax.section import Section
from r1jax.stages import loop, rl, rl_step
from r1jax.stages.policy import Policy
from r1jax.tasks import stream
from r1jax.text.templates import TEMPLATES

# Questions of a run whose length is checked before it begins; of sets that are read, all are.
MOST_CHECKED = 10_000


def learner(section: Section, seed: int, mesh: Mesh | None) -> Callable[..., rl_step.Reinforcement]:
  """Reads what a step of RL is made of but its problems and rewards; returns its maker.

  The maker takes the model, its tokenizer, the dtype of its parameters, and the fields of
  `Reinforcement` that are left.
  """
  sampler = section.sampling.sampler.make(Sampler)
  if not sampler.temperature:
    raise section.sampling.sampler.error('temperature is 0; the answers of a group must differ')
  answering = dict(
    template=section.task.choose('template', TEMPLATES),
    prefill=section.task.take('prefill', str),
    chat=section.task.take('chat', bool),
    group_size=section.sampling.take('group_size', int, least=2),
    max_prompt_tokens=section.task.take('max_prompt_tokens', int, least=1),
    max_completion_tokens=section.sampling.take('max_completion_tokens', int, least=1),
    sampler=sampler,
    segment_tokens=section.sampling.take('segment_tokens', int, least=1),
    prompt_chunk_tokens=section.sampling.take('prompt_chunk_tokens', int | None, least=1),
    mesh=mesh,
  )
  devices.warn_of_group(answering['group_size'], mesh)
  settings = section.settings.make(rl_step.Settings, seed=seed)
  devices.check_parts(
    section.settings, 'prompts_per_step', ('num_minibatches', 'num_microbatches'), mesh
  )
  objective, kl_weight = objectives.objective(section.algorithm)
  updates = section.take('steps', int, least=1) * settings.num_minibatches
  bias_speed = section.take('bias_speed', float, least=0)
  lora = _lora(section.lora)
  if lora is not None and section.optimizer.take('kind', str) == 'muon':
    raise section.error(
      "optimizer.kind is 'muon', which is for whole matrices: with lora take 'adamw'"
    )
  if lora is not None and bias_speed:
    raise section.error(
      f'bias_speed is {bias_speed}; it must be 0 with lora.rank, which leaves biases as they are'
    )
  parts = dict(
    settings=settings,
    advantage=objectives.advantage(section.algorithm, section.reward, section.shaping),
    objective=objective,
    reduction=objectives.reduction(section.algorithm),
    # Answers say nothing of the MTP module; weight decay alone would move it.
    optimizer=objectives.read_optimizer(
      section.optimizer, updates * settings.num_inner_epochs, frozen='mtp'
    ),
    bias_speed=bias_speed,
    use_reference=kl_weight > 0,
    mesh=mesh,
    lora=lora,
  )

  def make(
    model: Transformer, tokenizer: Any, *, param_dtype: str, **others: Any
  ) -> rl_step.Reinforcement:
    if lora is None and param_dtype != 'float32':
      raise ValueError(
        f'config.model.param_dtype is {param_dtype!r}, in which small updates are lost: only a '
        'base that stays as it is, under config.rl.lora.rank, can have another than float32'
      )
    ask = Answering(model=model, tokenizer=tokenizer, **answering)
    return rl_step.Reinforcement(answering=ask, **parts, **others)

  return make


def stage(section: Section, seed: int, mesh: Mesh | None):
  """Reads an RL stage; returns its maker."""
  steps = section.take('steps', int, least=1)
  make_learner = learner(section, seed, mesh)
  sizes = {
    split: section.evaluation.take(f'{split}_problems', int, least=0)
    for split in ('test', 'validation')
  }
  sampler = section.evaluation.sampler.make(Sampler)
  by_model = section.evaluation.take('generation_config', bool)
  asked = problems.read(section.task, section.evaluation, section.reward, seed)
  reward = rewards.scorer(
    section.reward,
    asked.kind,
    gates=section.gates,
    shaping=section.shaping,
    max_length=section.sampling.take('max_completion_tokens', int),
    num_workers=section.take('reward_workers', int | None, least=1),
  )
  cadence = section.cadence.make(loop.Cadence, steps=steps)
  replace_reference_every = section.take('replace_reference_every', int, least=0)
  num_completions = section.take('num_completions', int, least=0)

  def make(policy: Policy | None) -> rl.Stage:
    assert policy is not None, 'RL starts from a policy'
    drawn = stream.shuffled(asked.train, seed=seed)
    learning = make_learner(
      policy.model,
      policy.tokenizer,
      param_dtype=str(jnp.result_type(policy.params['embedding'])),
      problems=drawn,
      reward=reward,
      reader=asked.reader,
    )
    with section.lora.blamed():
      title = _title(policy, learning.lora)
    chosen = sampler
    if by_model:
      with section.evaluation.blamed():
        chosen = dataclasses.replace(sampler, **interop.sampling_defaults(policy.generation))
      logging.info('Evaluations sample as the model wants it: %s.', chosen)
    measures = _benchmarks(sizes, asked, learning, chosen, seed)
    # That no prompt is too long shows now, and not in the midst of a run.
    attempts = 1 + learning.settings.max_resamples
    num_drawn = steps * learning.settings.prompts_per_step * attempts
    checked = asked.listed or [drawn.batch(0, min(num_drawn, MOST_CHECKED))]
    ask = learning.answering
    sets: list[Any] = [*checked, *(measure.problems for measure in measures)]
    with section.task.blamed():
      prompts = [ask.prompts(some) for some in sets]
    _warn_of_length(prompts, ask.max_completion_tokens, policy.model.config.max_positions)
    return rl.Stage(
      learning=learning,
      cadence=cadence,
      benchmarks=measures,
      final=frozenset({'test'}),
      replace_reference_every=replace_reference_every,
      num_completions=num_completions,
      fingerprint=_fingerprint(checked, prompts),
      title=title,
    )

  return make


def _lora(section: Section) -> LoRA | None:
  """Reads how the policy is adapted; None if all of its parameters are trained."""
  kinds = {'rank': int, 'alpha': float, 'targets': str}
  chosen = {name: section.take(name, kind | None) for name, kind in kinds.items()}
  given = {name: value for name, value in chosen.items() if value is not None}
  if not given:
    return None
  for name in ('rank', 'alpha'):
    if name not in given:
      raise section.error(f'{name} is None, but {", ".join(given)} is set: set {name} too, or none')
  with section.blamed():
    return LoRA(**given)


def _benchmarks(
  sizes: Mapping[str, int],
  asked: problems.Problems,
  learning: rl_step.Reinforcement,
  sampler: Sampler,
  seed: int,
) -> list[Benchmark]:
  """Returns the benchmarks, that of the test split first."""
  found = []
  for split, size in sizes.items():
    if not size:
      continue
    source = asked.held_out(split)
    found.append(
      Benchmark(
        split=split,
        problems=[source[i] for i in range(min(size, len(source)))],
        answering=dataclasses.replace(learning.answering, sampler=sampler),
        batch_size=learning.settings.prompts_per_step,
        judges=asked.kind.judges_of(learning.answering.template('')),
        seed=seed,
        reader=asked.reader,
      )
    )
  return found


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


def _title(policy: Policy, lora: LoRA | None) -> str:
  device = jax.devices()[0]
  count = f'{jax.device_count()} x ' if jax.device_count() > 1 else ''
  size = f'{policy.num_parameters / 1e6:,.1f}M parameters'
  if lora is not None:
    adapters = jax.eval_shape(functools.partial(adapt, lora=lora), jax.random.key(0), policy.params)
    number = sum(math.prod(array.shape) for array in jax.tree.leaves(adapters))
    size = f'{number / 1e6:,.2f}M trained beside {size}'
  return f'{size} on {count}{device.device_kind}'
