"""A step of reinforcement learning with verifiable rewards (arXiv:2402.03300; arXiv:2501.12948).

ask       draw prompts, sample a group of answers to each; if asked to, replace groups whose
          rewards do not differ by new prompts (DAPO's dynamic sampling, arXiv:2503.14476)
judge     reward every answer, compare it with its group: its advantage
score     log-probabilities of the answers under the reference
update    minibatches and inner epochs on the rollout
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from r1jax import hosts, sharding
from r1jax.algorithms import advantages, balance
from r1jax.algorithms.measures import Maximum, Mean, Measure
from r1jax.decoding import score
from r1jax.decoding.scoring import length_mask
from r1jax.evaluation.answering import Answering, Answers
from r1jax.evaluation.judging import Reader
from r1jax.model import Adapted, LoRA, Transformer
from r1jax.rewards.combine import Scorer, Scores, Show
from r1jax.stages import rl_batch, rl_metrics
from r1jax.stages.rl_batch import Batch
from r1jax.structs import Problem
from r1jax.tasks.stream import Stream
from r1jax.training.state import TrainState
from r1jax.training.step import Report, Step

Objective = Callable[..., tuple[jax.Array, dict[str, Measure]]]


@dataclasses.dataclass(frozen=True)
class Settings:
  """The numbers of the stage; what is a function is a field of `Reinforcement`.

  Attributes:
    prompts_per_step: questions of a rollout.
    num_minibatches: updates in which a rollout is used up; each takes its share of the prompts.
    num_inner_epochs: times a rollout is gone through.
    num_microbatches: parts of a minibatch whose gradients are summed; prompts are sorted into
      them by the length of their answers, so that short ones are not padded to the longest.
    drop_truncated: truncated answers take no part in the loss (their reward counts in the group).
    max_resamples: times that groups without variance are replaced by new prompts; 0 for never.
    chunk_tokens: completion tokens, of all answers of a microbatch together, whose logits exist at
      one time; None for all.
    balance_weight: of the sequence balance loss of the experts; 0 for none. An answer has in it
      the weight that its tokens have in the loss.
    seed: root of all random numbers of the stage.
  """

  prompts_per_step: int
  num_minibatches: int
  num_inner_epochs: int
  num_microbatches: int
  drop_truncated: bool
  max_resamples: int
  chunk_tokens: int | None
  balance_weight: float
  seed: int

  def __post_init__(self):
    counts = ('prompts_per_step', 'num_minibatches', 'num_inner_epochs', 'num_microbatches')
    for name, least in (*((name, 1) for name in counts), ('max_resamples', 0), ('seed', 0)):
      if getattr(self, name) < least:
        raise ValueError(f'{name} is {getattr(self, name)}; it must be at least {least}')
    if self.chunk_tokens is not None and self.chunk_tokens < 1:
      raise ValueError(f'chunk_tokens is {self.chunk_tokens}; it must be at least 1, or None')
    if self.balance_weight < 0:
      raise ValueError(f'balance_weight is {self.balance_weight}; it must be at least 0')


def loss(
  params: Any,
  batch: Batch,
  *,
  model: Transformer,
  objective: Objective,
  temperature: float,
  chunk_tokens: int | None,
  balance_weight: float,
) -> tuple[jax.Array, Report]:
  """Returns the loss of a part of a minibatch in nats; gradients reach prompts through the prefix.

  Args:
    params: tree of parameters, or `Adapted`.
    batch: the part.
    model: whose `config` is that of `params`.
    objective: e.g. `grpo.loss` with its choices bound.
    temperature: at which the answers were sampled.
    chunk_tokens: as in `Settings`.
    balance_weight: as in `Settings`.
  """
  scores = score(
    model,
    params,
    batch.prompts,
    batch.tokens_PGT,
    batch.length_PG,
    temperature=temperature,
    experts=batch.experts,
    chunk_tokens=chunk_tokens,
  )
  value, found = objective(
    scores.logp_PGT,
    batch.old_logp_PGT,
    batch.ref_logp_PGT,
    batch.advantage_PG,
    batch.mask_PGT,
    weight_PGT=batch.weight_PGT,
  )
  sampled_PGT = length_mask(batch.length_PG, batch.tokens_PGT.shape[-1])
  found['entropy'] = Mean.over(scores.entropy_PGT, sampled_PGT)
  found['mismatch'] = Maximum.over(jnp.abs(scores.logp_PGT - batch.old_logp_PGT), sampled_PGT)
  load: dict[str, jax.Array] = {}
  suffix, prefix = scores.suffix_routing, scores.prefix_routing
  if suffix is not None and prefix is not None:
    choices = jnp.sum(suffix.load_PGE, axis=-1)
    found['expert_flips'] = Mean(jnp.sum(suffix.flips_PG), jnp.sum(choices))
    load['expert_layers'] = jnp.sum(suffix.load_PGE, axis=(1, 2)) + jnp.sum(
      prefix.load_PGE, axis=(1, 2)
    )
    found['balance_loss'], of_batch = balance.sequence_balance(
      suffix.load_PGE, suffix.affinity_PGE, jnp.sum(batch.weight_PGT, axis=-1)
    )
    value += balance_weight * of_batch
  return value, Report(found, load)


@dataclasses.dataclass(frozen=True)
class Judged:
  """Answers and what they are worth.

  Attributes:
    answers: of a step, those that it learns from; of several processes, what this one has of them.
    scores: rewards of all.
    length_PG: tokens of all.
    truncated_PG: True where the limit ended an answer, of all.
    draws: prompts drawn from the stream so far in the run.
    seconds: of sampling and of judging.
    sampled: all that was sampled for it, groups that were replaced among it.
  """

  answers: Answers
  scores: Scores
  length_PG: np.ndarray
  truncated_PG: np.ndarray
  draws: int
  seconds: Mapping[str, float]
  sampled: Sequence[rl_metrics.Sampled]


@dataclasses.dataclass(frozen=True)
class Reinforcement:
  """One step of RL, joined of its parts.

  Attributes:
    settings: numbers.
    answering: how prompts are asked.
    problems: stream of what is asked.
    reward: of problems, groups of responses and their lengths.
    advantage: of what the answers of a group are worth; `[P, G]`.
    objective: the loss on arrays.
    reduction: weights of tokens from the mask of a minibatch.
    optimizer: moves the parameters.
    bias_speed: of the balance rule; 0 leaves the experts' selection bias.
    use_reference: False if the objective needs no reference.
    reader: tells the style of an answer, so that lengths are recorded by style; or None.
    mesh: devices, or None for one.
    lora: how the policy is adapted while its base stays as it is; None if all of it is trained.
  """

  settings: Settings
  answering: Answering
  problems: Stream[Problem]
  reward: Scorer
  advantage: Callable[[Scores], jax.Array]
  objective: Objective
  reduction: Callable[[jax.Array], jax.Array]
  optimizer: optax.GradientTransformation
  bias_speed: float
  use_reference: bool
  reader: Reader | None = None
  mesh: Mesh | None = None
  lora: LoRA | None = None

  @functools.cached_property
  def update(self) -> Step:
    """The jitted update."""
    of_policy = functools.partial(
      loss,
      model=self.answering.model,
      objective=self.objective,
      temperature=self.answering.sampler.temperature,
      chunk_tokens=self.settings.chunk_tokens,
      balance_weight=self.settings.balance_weight,
    )

    def of_trained(trained: Any, part: tuple[Any, Batch]) -> tuple[jax.Array, Report]:
      base, batch = part
      return of_policy(self.policy(trained, base), batch)

    return Step(of_trained, self.optimizer, bias_speed=self.bias_speed)

  def policy(self, trained: Any, base: Any) -> Any:
    """Returns the policy's parameters: what is trained, with the base that it adapts, if any."""
    return trained if self.lora is None else Adapted(base, trained, self.lora.scale)

  def __call__(
    self,
    state: TrainState,
    base: Any,
    reference: Any,
    *,
    step: int,
    draws: int,
    show: Show | None = None,
  ) -> tuple[TrainState, Judged, dict[str, Any]]:
    """Takes step number `step` (from 1).

    Args:
      state: of what is trained; is used up.
      base: parameters that are adapted, or None if all are trained.
      reference: parameters of the reference; not read if `use_reference` is False.
      step: its number, part of the address of all random numbers.
      draws: prompts drawn before.
      show: told how many answers are judged, and of how many.

    Returns:
      The new state, the judged answers and the step's metrics.
    """
    judged = self.ask(self.policy(state.params, base), step=step, draws=draws, show=show)
    start = time.perf_counter()
    batch = self.batch(judged, reference)
    scored = time.perf_counter()
    state, updates = self.take_updates(state, base, batch, judged, step=step)
    updates = jax.device_get(updates)
    seconds = dict(judged.seconds) | {
      'score': scored - start,
      'update': time.perf_counter() - scored,
    }
    metrics = rl_metrics.of_step(
      judged.sampled,
      updates,
      seconds,
      resampled=self.settings.max_resamples > 0,
    )
    return state, judged, metrics

  def ask(self, params: Any, *, step: int, draws: int, show: Show | None = None) -> Judged:
    """Samples and judges the answers of a step."""
    key = jax.random.fold_in(jax.random.key(self.settings.seed), step)
    count, first = self.settings.prompts_per_step, draws
    judged = self._attempt(params, jax.random.fold_in(key, 0), first, count, show)
    for attempt in range(1, self.settings.max_resamples + 1):
      dull_P = ~advantages.varies(judged.scores.reward_PG)
      if not dull_P.any():
        break
      # A whole batch is drawn, so that its shapes are those of the first attempt.
      fresh = self._attempt(params, jax.random.fold_in(key, attempt), judged.draws, count, show)
      judged = self._replace_groups(judged, fresh, dull_P)
    return judged

  def _attempt(
    self, params: Any, key: jax.Array, draws: int, count: int, show: Show | None
  ) -> Judged:
    start = time.perf_counter()
    answers = self.answering(params, self.problems.batch(draws, count), key)
    asked = time.perf_counter()

    def judge() -> tuple[np.ndarray, rl_metrics.Sampled]:
      length_PG, asked = answers.length_PG, answers.problems
      scores = self.reward(asked, answers.texts, length_PG, show=show)
      return answers.number_P, rl_metrics.sampled(
        asked, answers.texts, length_PG, answers.truncated_PG, scores, self.reader
      )

    # Rewards are few bytes, and every process goes by all of them.
    sampled = rl_metrics.joined(hosts.everyone(judge))
    seconds = {'sample': asked - start, 'reward': time.perf_counter() - asked}
    return Judged(
      answers,
      sampled.scores,
      sampled.length_PG,
      sampled.truncated_PG,
      draws + count,
      seconds,
      [sampled],
    )

  def batch(self, judged: Judged, reference: Any) -> Batch:
    """Returns the answers as the loss takes them; weights are still to be normalised."""
    rollouts = judged.answers.rollouts
    mask_PGT = self._mask(judged)
    own = judged.answers.division.rows(len(mask_PGT))
    return Batch(
      prompts=rollouts.prompts,
      tokens_PGT=rollouts.tokens_PGT,
      length_PG=judged.length_PG[own],
      old_logp_PGT=rollouts.logp_PGT,
      ref_logp_PGT=self._reference_logp(reference, judged) if self.use_reference else None,
      advantage_PG=np.asarray(self.advantage(judged.scores))[own],
      mask_PGT=mask_PGT[own],
      weight_PGT=np.zeros(mask_PGT[own].shape, np.float32),
      experts=rollouts.experts,
    )

  def _mask(self, judged: Judged) -> np.ndarray:
    """Returns True where a token takes part in the loss, for all answers of all processes."""
    num_tokens = judged.answers.rollouts.tokens_PGT.shape[-1]
    mask_PGT = np.arange(num_tokens) < judged.length_PG[..., None]
    if self.settings.drop_truncated:
      mask_PGT = mask_PGT & ~judged.truncated_PG[..., None]
    return mask_PGT

  def _reference_logp(self, reference: Any, judged: Judged) -> np.ndarray:
    """Scores under the reference, which routes by itself; in parts like those of the update."""
    rollouts = judged.answers.rollouts
    logp_PGT = np.zeros(rollouts.tokens_PGT.shape, np.float32)
    count = self.settings.num_minibatches * self.settings.num_microbatches
    for rows, width in self._parts(judged.length_PG, count):
      part = (rollouts.prompts, rollouts.tokens_PGT, rollouts.length_PG)
      prompts, tokens_PGT, length_PG = rl_batch.take(part, rows)
      scored = reference_score(
        self.answering.model,
        reference,
        *sharding.place((prompts, tokens_PGT[..., :width], length_PG), self.mesh),
        temperature=self.answering.sampler.temperature,
        chunk_tokens=self.settings.chunk_tokens,
      )
      logp_PGT[rows, :, :width] = sharding.fetch(scored, self.mesh)
    return logp_PGT

  def take_updates(self, state: TrainState, base: Any, batch: Batch, judged: Judged, *, step: int):
    """Takes the updates of a rollout; returns the new state and the metrics of each.

    Args:
      state: of what is trained; is used up.
      base: as in `__call__`.
      batch: the rollout, as `self.batch` makes it of `judged`.
      judged: the rollout.
      step: its number.
    """
    mask_PGT, division = self._mask(judged), judged.answers.division
    own = division.rows(len(mask_PGT))
    found = []
    for epoch in range(self.settings.num_inner_epochs):
      address = [self.settings.seed, step, epoch]
      for numbers in rl_batch.minibatches(len(mask_PGT), self.settings.num_minibatches, address):
        # Normalised over the prompts of all processes, of which this one then takes its own.
        weight_PGT = np.asarray(self.reduction(jnp.asarray(mask_PGT[numbers])))
        here = np.isin(numbers, own)
        minibatch = rl_batch.take(batch, np.searchsorted(own, numbers[here]))
        minibatch = dataclasses.replace(minibatch, weight_PGT=weight_PGT[here])
        parts = self._microbatches(minibatch, judged.length_PG[numbers])
        state, metrics = self.update(state, ((base, part) for part in parts))
        found.append(metrics)
    return state, found

  def _microbatches(self, batch: Batch, length_PG: np.ndarray) -> Iterator[Batch]:
    """Yields the parts of a minibatch, whose answers have these lengths in all processes.

    Each is placed when it is asked for. An answer's token is 17 bytes, and two more for each choice
    of an expert in a layer, of which DeepSeek-V3 has 464: of 16 answers of 32,768 tokens 0.5 GB,
    on every device that has a share of their prompt.
    """
    for rows, width in self._parts(length_PG, self.settings.num_microbatches):
      yield rl_batch.placed(rl_batch.narrowed(rl_batch.take(batch, rows), width), self.mesh)

  def _parts(self, length_PG, count: int) -> list[tuple[np.ndarray, int]]:
    return rl_batch.parts_by_length(
      length_PG, count, self.answering.max_completion_tokens, sharding.division(self.mesh)
    )

  def _replace_groups(self, judged: Judged, fresh: Judged, dull_P: np.ndarray) -> Judged:
    """Puts fresh groups with variance in the place of groups without; the rest is unused."""
    lively = np.flatnonzero(advantages.varies(fresh.scores.reward_PG))
    places = np.flatnonzero(dull_P)[: len(lively)]
    source = lively[: len(places)]
    division = judged.answers.division
    own = division.rows(len(dull_P))
    here = np.isin(places, own)
    # Numbers of the fresh groups, in the order of the groups whose places they take.
    order = np.arange(len(dull_P))
    order[places] = source
    moved = rl_batch.moved(fresh.answers.rollouts, order, self.mesh)

    def put(old, new):
      merged = np.array(old)
      merged[places] = np.asarray(new)[source]
      return merged

    at = np.searchsorted(own, places[here])
    rollouts = rl_batch.put(judged.answers.rollouts, moved, at)
    answers = judged.answers
    problems, texts = list(answers.problems), list(answers.texts)
    for row, number in enumerate(answers.number_P):
      if number in places:
        drawn = fresh.draws - len(dull_P) + int(order[number])
        (problems[row],) = self.problems.batch(drawn, 1)
        (texts[row],) = self.answering.texts(rollouts, np.searchsorted(own, [number]))
    return Judged(
      Answers(problems, rollouts, texts, division),
      _merged(judged.scores, fresh.scores, put),
      put(judged.length_PG, fresh.length_PG),
      put(judged.truncated_PG, fresh.truncated_PG),
      fresh.draws,
      {phase: value + fresh.seconds[phase] for phase, value in judged.seconds.items()},
      [*judged.sampled, *fresh.sampled],
    )


@functools.partial(jax.jit, static_argnames=('model', 'temperature', 'chunk_tokens'))
def reference_score(model, params, prompts, tokens_PGT, length_PG, *, temperature, chunk_tokens):
  """Returns log-probabilities of answers, `[P, G, T]`; arguments are those of `decoding.score`."""
  return score(
    model,
    params,
    prompts,
    tokens_PGT,
    length_PG,
    temperature=temperature,
    chunk_tokens=chunk_tokens,
  ).logp_PGT


def _merged(old: Scores, new: Scores, put: Callable) -> Scores:
  """Returns the scores with groups replaced; seconds and faults stay those of the old."""
  by_name = {
    field: {
      name: put(value, getattr(new, field)[name]) for name, value in getattr(old, field).items()
    }
    for field in ('terms', 'counted', 'shaping')
  }
  return dataclasses.replace(old, reward_PG=put(old.reward_PG, new.reward_PG), **by_name)
