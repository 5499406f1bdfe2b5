"""Reads a pre-training stage."""

import functools
from collections.abc import Sequence

from jax.sharding import Mesh

from r1jax import interop
from r1jax.build import devices, models, objectives
from r1jax.build.terms import KINDS
from r1jax.decoding import Sampler
from r1jax.evaluation.answering import Answering
from r1jax.evaluation.benchmark import Benchmark
from r1jax.section import Section
from r1jax.stages import loop, pretrain
from r1jax.stages.policy import Policy
from r1jax.structs import Problem
from r1jax.tasks.world import Corpus, Mixture, World, reading
from r1jax.text.templates import TEMPLATES


def stage(section: Section, seed: int, mesh: Mesh | None):
  """Reads a pre-training stage; returns its maker."""
  steps = section.take('steps', int, least=1)
  model = models.read_model(section.model)
  try:
    interop.check_exportable(model)  # Now, and not when hours of training are to be saved.
  except ValueError as error:
    raise section.error(f'model: {error}') from error
  mixture = section.mixture.make(Mixture)
  optimiser = objectives.read_optimizer(section.optimizer, steps)
  settings = section.settings.make(pretrain.Settings, seed=seed)
  if settings.mtp_weight and not model.num_mtp:
    raise section.settings.error(
      f'mtp_weight is {settings.mtp_weight}, but the model has no MTP module (num_mtp is 0)'
    )
  devices.check_parts(section.settings, 'rows_per_step', ('num_microbatches',), mesh)
  made = pretrain.Stage(
    config=model,
    corpus=Corpus(seed=seed, mixture=mixture),
    vocabulary_documents=section.take('vocabulary_documents', int, least=1),
    settings=settings,
    optimizer=optimiser,
    cadence=section.cadence.make(loop.Cadence, steps=steps),
    probes=functools.partial(
      _probes,
      seed=seed,
      num_problems=section.evaluation.take('num_problems', int, least=1),
      num_samples=section.evaluation.take('num_samples', int, least=1),
    ),
    mesh=mesh,
  )
  return lambda policy: made


def _probes(policy: Policy, *, seed: int, num_problems: int, num_samples: int) -> list[Benchmark]:
  """Returns what tells a base model's character: single steps, cued and plain questions."""

  def probe(split: str, problems: Sequence[Problem], template: str, limit: int) -> Benchmark:
    answering = Answering(
      policy.model,
      policy.tokenizer,
      TEMPLATES[template],
      prefill='',
      group_size=num_samples,
      max_prompt_tokens=256,
      max_completion_tokens=limit,
      sampler=Sampler(),
      segment_tokens=limit // 4,
    )
    return Benchmark(
      split,
      problems,
      answering,
      min(16, len(problems)),
      KINDS['math'].judges,
      seed,
      reading,
    )

  world = World('test')
  problems = [world[i] for i in range(num_problems)]
  return [
    probe('plain', problems, 'r1_zero', 160),
    probe('cued', problems, 'r1_zero_cued', 160),
  ]
