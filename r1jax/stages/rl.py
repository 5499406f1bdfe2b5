"""Reinforcement learning with verifiable rewards: from a policy to a better one.

R1-Zero, reasoning RL and RL for all scenarios (arXiv:2501.12948) are this stage under different
settings; a step of it is `r1jax.stages.rl_step`.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from r1jax import hosts, sharding
from r1jax.evaluation.behaviour import checks_itself
from r1jax.evaluation.benchmark import Benchmark
from r1jax.model import Adapted, as_computed, lora
from r1jax.stages import loop
from r1jax.stages.policy import Policy
from r1jax.stages.rl_step import Judged, Reinforcement
from r1jax.training import state as states
from r1jax.training.clock import Clock
from r1jax.training.interrupt import StopRequest

# Takes the place of a step in the address of the adapters' random numbers; no run has so many.
ADAPTERS = 2**32 - 1


@dataclasses.dataclass(frozen=True)
class Fixed:
  """Parameters that no step changes, and that checkpoints therefore do not hold.

  Attributes:
    base: what is adapted, or None if all parameters are trained.
    reference: the reference, or None if there is none or if it is replaced now and then.
  """

  base: Any = None
  reference: Any = None


@dataclasses.dataclass(frozen=True)
class Stage:
  """RL from a policy to a policy.

  Attributes:
    learning: one step.
    cadence: when what is done.
    benchmarks: evaluations during training; those of `final` only before and after it.
    final: names of the splits evaluated only before the first and after the last step.
    replace_reference_every: steps after which the policy becomes the reference (R1-Zero: 400);
      0 for never.
    num_completions: answers of a step that are written down.
    fingerprint: of the problems and of how they are asked.
    title: heads the progress view.
  """

  learning: Reinforcement
  cadence: loop.Cadence
  benchmarks: Sequence[Benchmark]
  final: frozenset[str]
  replace_reference_every: int
  num_completions: int
  fingerprint: int
  title: str

  def __call__(
    self, policy: Policy, workdir: Path, clock: Clock, stop: StopRequest
  ) -> tuple[Policy, dict[str, Any]]:
    """Trains `policy` in `workdir`; returns it trained, and the evaluations of both.

    The parameters of `policy` are used up.
    """
    params = sharding.place_parameters(policy.params, self.learning.mesh)
    begun = states.fingerprint(params) ^ self.fingerprint
    trained, fixed = params, Fixed()
    if self.learning.lora is not None:
      trained, fixed = self._adapters(params), Fixed(base=params)
    tree = {'train': states.create(trained, self.learning.optimizer)}
    if self.learning.use_reference:
      # What began stays the reference unless it is replaced: then checkpoints need not hold it.
      if 0 < self.replace_reference_every < self.cadence.steps:
        tree['reference'] = _copied(self.learning, trained)
      elif self.learning.lora is not None:
        fixed = dataclasses.replace(fixed, reference=params)
      else:
        fixed = dataclasses.replace(fixed, reference=_copied(self.learning, params))
    tree, summary = loop.run(
      functools.partial(self._advance, fixed),
      tree,
      {'draws': 0, 'begun': begun},
      cadence=self.cadence,
      workdir=workdir,
      title=self.title,
      evaluations=functools.partial(self._evaluations, fixed, stop),
      clock=clock,
      stop=stop,
    )
    params = self.learning.policy(tree['train'].params, fixed.base)
    if isinstance(params, Adapted):
      params = lora.merged(params)
    return dataclasses.replace(policy, params=params), summary

  def _adapters(self, params: Any) -> Any:
    """Returns new adapters, placed."""
    assert self.learning.lora is not None
    key = jax.random.fold_in(jax.random.key(self.learning.settings.seed), ADAPTERS)
    adapters = lora.create(key, params, self.learning.lora)
    return sharding.place_parameters(adapters, self.learning.mesh)

  def _advance(
    self, fixed: 'Fixed', tree: Any, record: dict[str, Any], step: int, show: loop.Show
  ) -> loop.Progressed:
    reference = fixed.reference
    if 'reference' in tree:
      reference = self.learning.policy(tree['reference'], fixed.base)
    state, judged, metrics = self.learning(
      tree['train'],
      fixed.base,
      reference,
      step=step,
      draws=record['draws'],
      show=functools.partial(show, 'answers judged'),
    )
    tree = tree | {'train': state}
    if 'reference' in tree and step % self.replace_reference_every == 0:
      # Callers still hold the old one, which would be a third copy of the parameters.
      jax.tree.map(lambda array: array.delete(), tree['reference'])
      tree['reference'] = _copied(self.learning, state.params)
    return loop.Progressed(
      tree,
      record | {'draws': judged.draws},
      metrics,
      functools.partial(_rows_of, judged, self.num_completions),
      int(state.skipped),
    )

  def _evaluations(
    self, fixed: 'Fixed', stop: StopRequest, tree: Any, step: int
  ) -> dict[str, Callable]:
    ends = step in (0, self.cadence.steps)
    params = self.learning.policy(tree['train'].params, fixed.base)
    return {
      benchmark.split: functools.partial(benchmark, params, step=step, check=stop.check)
      for benchmark in self.benchmarks
      if ends or benchmark.split not in self.final
    }


def _copied(learning: Reinforcement, trained: Any) -> Any:
  """Returns a copy of what is trained, as a reference."""
  if learning.lora is not None:
    return _copy(trained)
  return _copy_to_compute(trained, learning.answering.model.config)


# One program, not one for each shape of a parameter.
_copy = jax.jit(lambda tree: jax.tree.map(jnp.copy, tree))
_copy_to_compute = jax.jit(as_computed, static_argnums=1)


def _rows_of(judged: Judged, limit: int) -> list[Mapping[str, Any]]:
  """Returns up to `limit` answers of a step, evenly spread, as rows of the completions log."""
  P, G = judged.scores.reward_PG.shape
  count = min(limit, P * G)
  cells = [divmod(i * P * G // count, G) for i in range(count)]
  answers = judged.answers
  place = {number: row for row, number in enumerate(answers.number_P.tolist())}

  def row_of(p: int, g: int) -> Mapping[str, Any]:
    problem, text = answers.problems[place[p]], answers.texts[place[p]][g]
    return {
      'id': problem.id,
      'question': problem.question,
      'gold': problem.gold,
      'completion': text,
      'reward': float(judged.scores.reward_PG[p, g]),
      'terms': {name: float(value[p, g]) for name, value in judged.scores.terms.items()},
      'length': int(judged.length_PG[p, g]),
      'truncated': bool(judged.truncated_PG[p, g]),
      'checks_itself': checks_itself(text),
    }

  # Each process knows the texts of its own prompts.
  parts = hosts.gather({cell: row_of(*cell) for cell in cells if cell[0] in place})
  rows = {cell: row for part in parts for cell, row in part.items()}
  return [rows[cell] for cell in cells]
