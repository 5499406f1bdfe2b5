"""The composition root: turns a config into stages, joining packages that do not know each other.

The only reader of ConfigDict. Names in configs become functions by the plain tables below; each
field is read once, and one that nothing reads is an error that names it.
"""

import dataclasses
import functools
import importlib
import operator
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import ml_collections
import optax
from absl import logging
from jax.sharding import Mesh

from r1jax import interop
from r1jax.algorithms import advantages, grpo, kl, ratios, reductions, surrogate
from r1jax.decoding import Sampler
from r1jax.evaluation.answering import Answering
from r1jax.evaluation.benchmark import Benchmark
from r1jax.model import GQA, MLA, Llama3Scaling, ModelConfig, MoE, Rope, Yarn
from r1jax.rewards import accuracy, combine, format, lenient, random_reward, strict
from r1jax.section import Section
from r1jax.sharding import MeshShape, make_mesh, prompt_parts
from r1jax.stages import loop, pretrain, rl, rl_step
from r1jax.stages.policy import Policy
from r1jax.structs import Problem
from r1jax.tasks import generic, gsm8k, math, stream, tfds
from r1jax.tasks.splits import check_disjoint, hold_out
from r1jax.tasks.world import Corpus, Mixture, World, reading
from r1jax.text.templates import TEMPLATES
from r1jax.training import optimizer

ADVANTAGES: dict[str, Callable] = {
  'group_normalised': functools.partial(advantages.group_normalised, epsilon=1e-6),
  'mean_only': advantages.mean_only,
  'leave_one_out': advantages.leave_one_out,
}
RATIOS = {
  'token': ratios.token,
  'sequence': ratios.sequence,
  'normalised_sequence': ratios.normalised_sequence,
}
SURROGATES: dict[str, Callable] = {'clipped': surrogate.clipped, 'cispo': surrogate.cispo}
KL_ESTIMATORS = {'k1': kl.k1, 'k2': kl.k2, 'k3': kl.k3, 'k3_per_output': kl.per_output(kl.k3)}
ATTENTIONS: dict[str, Callable] = {'mla': MLA, 'gqa': GQA}
ROPE_SCALINGS: dict[str, Callable] = {'yarn': Yarn, 'llama3': Llama3Scaling}
OPTIMIZERS: dict[str, tuple[Callable, Callable]] = {
  'adamw': (optimizer.AdamW, optimizer.adamw),
  'muon': (optimizer.Muon, optimizer.muon),
}
REDUCTIONS: dict[str, Callable] = {
  'sample_mean': reductions.sample_mean,
  'token_mean': reductions.token_mean,
  'constant_length': reductions.constant_length,
}
REWARDS: dict[str, Callable[[Problem, str], float]] = {
  'accuracy': accuracy.reward,
  'format': format.reward,
  'lenient': lenient.reward,
  'random': random_reward.reward,
  'strict': strict.reward,
}
# Between the seeds of the stages of a run; large, so that seeds of other runs are not met.
SEED_STRIDE = 1_000_003
LARGEST_SEED = 2**31 - 1
# Questions of a run whose length is checked before it begins; of sets that are read, all are.
MOST_CHECKED = 10_000
EXPORT_DTYPES = {name: name for name in interop.DTYPES}
JSONL_SETS: dict[str, Callable] = {
  'gsm8k': gsm8k.load,
  'math': math.load,
  'jsonl': generic.load,
}
JUDGES = {
  'strict': (strict.reward, strict.vote),
  'lenient': (lenient.reward, lenient.vote),
}


@dataclasses.dataclass(frozen=True)
class Plan:
  """What a config asks for.

  Attributes:
    name: of the run.
    mesh: devices, or None for one.
    policy: loads what the first stage starts from; None if that stage starts from nothing.
    load: loads what a stage has left behind for the next one.
    export_dtype: of the weights in the models that stages leave behind.
    stages: name and maker of each stage, in order; a maker takes the policy that it will train.
  """

  name: str
  mesh: Mesh | None
  policy: Callable[[], Policy] | None
  load: Callable[[Path], Policy]
  export_dtype: str
  stages: Sequence[tuple[str, Callable[[Policy | None], Any]]]


def plan(config: ml_collections.ConfigDict) -> Plan:
  """Reads the config and returns what to do.

  Raises:
    ValueError: names the field that is missing, wrong or without effect.
  """
  fields = Section(config)
  mesh = _mesh(fields)
  makers: list[tuple[str, Callable]] = []
  for name, section in _stages(fields):
    # A seed for each stage, so that later ones do not draw what earlier ones drew.
    seed = fields.take('seed', int, least=0, most=LARGEST_SEED) + SEED_STRIDE * len(makers)
    makers.append((name, section.choose('kind', STAGES)(section, seed, mesh)))
  kinds = [section.take('kind', str) for _, section in _stages(fields)]
  if 'pretrain' in kinds[1:]:
    raise fields.error("stages: one of kind 'pretrain' starts from nothing, so it comes first")
  policy, load = None, functools.partial(Policy.load, mesh=mesh)
  if set(kinds) != {'pretrain'}:
    computed = {
      name: fields.model.take(name, kind)
      for name, kind in (('dtype', str), ('remat', str), ('unroll', int))
    }
    load = functools.partial(load, **computed)
  if kinds[0] != 'pretrain':
    policy = functools.partial(_initial_policy, load, fields.take('init_from', str))
  export_dtype = fields.choose('export_dtype', EXPORT_DTYPES)
  result = Plan(fields.take('name', str), mesh, policy, load, export_dtype, makers)
  if unread := fields.unread():
    raise ValueError(f'these config fields have no effect, remove them: {", ".join(unread)}')
  return result


def _stages(fields: Section) -> list[tuple[str, Section]]:
  names = fields.take('stages', tuple[str, ...])
  if not names or len(set(names)) < len(names):
    raise fields.error(f"stages is {names!r}; it names sections, each once, in order, as ('rl',)")
  try:
    return [(name, getattr(fields, name)) for name in names]
  except ValueError as error:
    raise fields.error(f'stages is {names!r}: {error}') from error


def _mesh(fields: Section) -> Mesh | None:
  shape = fields.mesh.make(MeshShape)
  mesh = make_mesh(shape)
  return None if mesh.size == 1 else mesh


def _initial_policy(load: Callable[[Path], Policy], init_from: str) -> Policy:
  """Loads the base; 'assets:NAME' is a model that ships in the package."""
  folder = Path(init_from)
  if init_from.startswith('assets:'):
    folder = Path(__file__).parent / 'assets' / init_from.removeprefix('assets:')
  try:
    return load(folder)
  except (OSError, ValueError) as error:
    raise ValueError(f'config.init_from is {init_from!r}: {error}') from error


def _reinforcement(section: Section, seed: int, mesh: Mesh | None):
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
  train, held_out, listed = _task(section.task, section.evaluation, seed)
  reader = reading if section.task.take('name', str) == 'world' else None
  reward = _reward(section.reward)
  settings = section.settings.make(rl_step.Settings, seed=seed)
  _check_parts(section.settings, 'prompts_per_step', ('num_minibatches', 'num_microbatches'), mesh)
  objective, kl_weight = _objective(section.algorithm)
  advantage = section.algorithm.choose('advantage', ADVANTAGES)
  reduction = _reduction(section.algorithm)
  drawn = steps * settings.prompts_per_step * (1 + settings.max_resamples)
  updates = steps * settings.num_minibatches * settings.num_inner_epochs
  # Answers say nothing of the MTP module; weight decay alone would move it.
  optimiser = _optimizer(section.optimizer, updates, frozen='mtp')
  benchmarks = _benchmarks(sizes, held_out, answering, group_size, settings, seed, reader)
  cadence = section.cadence.make(loop.Cadence, steps=steps)
  bias_speed = section.take('bias_speed', float, least=0)
  replace_reference_every = section.take('replace_reference_every', int, least=0)
  num_completions = section.take('num_completions', int, least=0)

  def make(policy: Policy | None) -> rl.Stage:
    assert policy is not None, 'RL starts from a policy'
    known = dict(answering, model=policy.model, tokenizer=policy.tokenizer)
    ask = Answering(**known, group_size=group_size, sampler=sampler)
    measures = [benchmark(policy) for benchmark in benchmarks]
    problems = stream.shuffled(train, seed=seed)
    # That no prompt is too long shows now, and not in the midst of a run.
    asked = listed or [problems.batch(0, min(drawn, MOST_CHECKED))]
    prompts = [ask.prompts(some) for some in [*asked, *(m.problems for m in measures)]]
    _warn_of_length(prompts, ask.max_completion_tokens, policy.model.config.max_positions)
    learning = rl_step.Reinforcement(
      settings=settings,
      answering=ask,
      problems=problems,
      reward=reward,
      advantage=advantage,
      objective=objective,
      reduction=reduction,
      optimizer=optimiser,
      bias_speed=bias_speed,
      use_reference=kl_weight > 0,
      reader=reader,
      mesh=mesh,
    )
    return rl.Stage(
      learning=learning,
      cadence=cadence,
      benchmarks=measures,
      final=frozenset({'test'}),
      replace_reference_every=replace_reference_every,
      num_completions=num_completions,
      fingerprint=_fingerprint(asked, prompts),
      title=_title(policy),
    )

  return make


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


def _fingerprint(asked: Sequence[Sequence[Problem]], prompts: Any) -> int:
  """Returns a number that changes with problems, golds, template and tokenizer."""
  told = [(problem.id, problem.gold) for problems in asked for problem in problems]
  return zlib.crc32(repr((told, prompts)).encode())


def _title(policy: Policy) -> str:
  device = jax.devices()[0]
  count = f'{jax.device_count()} x ' if jax.device_count() > 1 else ''
  return f'{policy.num_parameters / 1e6:,.1f}M parameters on {count}{device.device_kind}'


def _check_parts(section: Section, count: str, parts: Sequence[str], mesh: Mesh | None) -> None:
  """Raises an error unless a batch can be cut into its parts, and each of them over the mesh.

  Args:
    section: settings of the stage.
    count: field with the rows of the batch.
    parts: fields with numbers of parts.
    mesh: devices.
  """
  devices = prompt_parts(mesh)
  rows, *cuts = [section.take(name, int, least=1) for name in (count, *parts)]
  needed = functools.reduce(operator.mul, cuts, devices)
  if rows % needed:
    raise section.error(
      f'{count} is {rows}; it must be a multiple of {needed} = '
      f'{" x ".join(parts)} x {devices} devices (mesh axes data, fsdp and expert)'
    )


def _reward(section: Section) -> combine.Scorer:
  weights = section.to_dict(float)
  with section.blamed():
    return combine.weighted({name: reward_term(name) for name in weights}, weights)


def reward_term(name: str) -> Callable[[Problem, str], float]:
  """Returns a reward term: one of `REWARDS`, or the function at a dotted path `package.function`.

  Raises:
    ValueError: if there is none of that name.
  """
  if name in REWARDS:
    return REWARDS[name]
  module, _, function = name.rpartition('.')
  if not module:
    raise ValueError(
      f'reward term {name!r} is neither one of {", ".join(REWARDS)} nor a function named with its '
      "module, as 'my_rewards.whole_number'"
    )
  try:
    term = getattr(importlib.import_module(module), function)
  except (ImportError, AttributeError, ValueError) as error:
    raise ValueError(
      f'reward term {name!r} is neither one of {", ".join(REWARDS)} nor a function that can be '
      f'imported: {error}'
    ) from error
  if not callable(term):
    raise ValueError(f'reward term {name!r} is {term!r}; it must be a function')
  return term


def _objective(section: Section) -> tuple[Callable, float]:
  clip = functools.partial(
    section.choose('surrogate', SURROGATES),
    low=section.take('clip_low', float, least=0),
    high=section.take('clip_high', float, least=0),
  )
  kl_weight = section.take('kl_weight', float, least=0)
  objective = functools.partial(
    grpo.loss,
    ratio=section.choose('ratio', RATIOS),
    surrogate=clip,
    kl=section.choose('kl', KL_ESTIMATORS),
    kl_weight=kl_weight,
  )
  return objective, kl_weight


def _reduction(section: Section) -> Callable:
  reduction, name = section.choose('reduction', REDUCTIONS), section.take('reduction', str)
  length = section.take('reduction_length', int | None)
  needs_length = name == 'constant_length'
  if needs_length != (length is not None) or (needs_length and length < 1):
    raise section.error(
      f'reduction_length is {length} with reduction {name!r}; it is a number of '
      "tokens, at least 1, with 'constant_length', and None with all others"
    )
  return functools.partial(reduction, length=length) if needs_length else reduction


def _optimizer(
  section: Section, updates: int, *, frozen: str | None = None
) -> optax.GradientTransformation:
  kind, make = section.choose('kind', OPTIMIZERS)
  peak = section.take('peak', float, least=0)
  warmup = section.take('warmup', int, least=0)
  final = section.take('final', float | None, least=0)
  with section.blamed():
    if final is None:
      schedule = optimizer.warmup_constant(peak=peak, warmup=warmup)
    else:
      schedule = optimizer.warmup_cosine(peak=peak, warmup=warmup, total=updates, final=final)
  return make(section.make(kind), schedule, frozen=frozen)


def _task(section: Section, evaluation: Section, seed: int):
  """Returns the training problems, a function from a split to its held-out problems, and lists.

  The lists are problems that are read and not made, so that all of them can be checked. Of a set
  with two splits, the problems for validation are held out of those for training.
  """
  name = section.take('name', str)
  if name == 'world':
    world = section.world.make(World, split='train', seed=seed)
    # What is held out is the same for every seed.
    return world, lambda split: dataclasses.replace(world, split=split, seed=0), ()
  if name == 'tfds':
    data_dir, dataset = _filled(section, 'data_dir', 'dataset')
    load = functools.partial(tfds.load, data_dir, dataset)
    splits = [load(split, check_gold=accuracy.check_gold) for split in ('train', 'test')]
  else:
    load = section.choose('name', JSONL_SETS | {'world': None, 'tfds': None})
    paths = _filled(section, 'train_path', 'test_path')
    splits = [load(path, check_gold=accuracy.check_gold) for path in paths]
  train, test = splits
  with section.blamed():
    check_disjoint(train, test)
  count = evaluation.take('validation_problems', int)
  if count >= len(train):
    raise evaluation.error(
      f'validation_problems is {count}; it must be less than {len(train)}, the number of training '
      'problems, of which they are held out'
    )
  rest, validation = hold_out(train, count)
  return rest, {'validation': validation, 'test': test}.__getitem__, splits


def _filled(section: Section, *names: str) -> list[str]:
  texts = [section.take(name, str) for name in names]
  for name, text in zip(names, texts):
    if not text:
      raise section.error(f'{name} is empty; say where the problems are')
  return texts


def _benchmarks(sizes, held_out, answering, group_size, settings, seed, reader):
  """Returns the makers of the benchmarks, that of the test split first."""

  def benchmark(policy: Policy, split: str) -> Benchmark:
    source = held_out(split)
    count = min(sizes[split], len(source))
    known = dict(answering, model=policy.model, tokenizer=policy.tokenizer)
    return Benchmark(
      split=split,
      problems=[source[i] for i in range(count)],
      answering=Answering(**known, group_size=group_size, sampler=Sampler()),
      batch_size=settings.prompts_per_step,
      judges=JUDGES,
      seed=seed,
      reader=reader,
    )

  return [functools.partial(benchmark, split=split) for split, size in sizes.items() if size]


def _pretraining(section: Section, seed: int, mesh: Mesh | None):
  """Reads a pre-training stage; returns its maker."""
  steps = section.take('steps', int, least=1)
  model = _model(section.model)
  try:
    interop.check_exportable(model)  # Now, and not when hours of training are to be saved.
  except ValueError as error:
    raise section.error(f'model: {error}') from error
  mixture = section.mixture.make(Mixture)
  optimiser = _optimizer(section.optimizer, steps)
  settings = section.settings.make(pretrain.Settings, seed=seed)
  if settings.mtp_weight and not model.num_mtp:
    raise section.settings.error(
      f'mtp_weight is {settings.mtp_weight}, but the model has no MTP module (num_mtp is 0)'
    )
  _check_parts(section.settings, 'rows_per_step', ('num_microbatches',), mesh)
  stage = pretrain.Stage(
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
  return lambda policy: stage


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
    return Benchmark(split, problems, answering, min(16, len(problems)), JUDGES, seed, reading)

  world = World('test')
  problems = [world[i] for i in range(num_problems)]
  return [
    probe('plain', problems, 'r1_zero', 160),
    probe('cued', problems, 'r1_zero_cued', 160),
  ]


def _model(section: Section) -> ModelConfig:
  attention = section.attention.choose('kind', ATTENTIONS)
  experts = {'moe': section.moe.make(MoE)} if 'moe' in section else {}
  return section.make(
    ModelConfig,
    attention=section.attention.make(attention),
    rope=_rope(section.rope),
    **experts,
  )


def _rope(section: Section) -> Rope:
  if 'scaling' not in section:
    return section.make(Rope)
  scaling = section.scaling.choose('kind', ROPE_SCALINGS)
  return section.make(Rope, scaling=section.scaling.make(scaling))


STAGES: dict[str, Callable] = {'rl': _reinforcement, 'pretrain': _pretraining}
