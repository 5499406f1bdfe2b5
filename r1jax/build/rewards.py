"""Reads what is rewarded: terms, their weights and gates, and what goes by length."""

import functools
from collections.abc import Callable, Mapping

import numpy as np

from r1jax.build.terms import Kind, reward_term
from r1jax.rewards import combine, shaping
from r1jax.rewards.combine import Term
from r1jax.section import Section


def scorer(
  section: Section,
  kind: Kind,
  *,
  gates: Section,
  shaping: Section,
  max_length: int,
  num_workers: int | None,
) -> combine.Scorer:
  """Reads the terms of a reward and their weights.

  Args:
    section: weight of each term.
    kind: says what the terms `accuracy`, `strict` and `lenient` are.
    gates: by term, the term that it is multiplied by, which may have a gate itself.
    shaping: sections of what is added by length.
    max_length: of a response, in tokens.
    num_workers: responses scored at a time; None for one a CPU.
  """
  weights = section.to_dict(float)
  with section.blamed():
    terms = {name: reward_term(name, kind) for name in weights}
  added = {name: _shape(shaping, name, set(terms), max_length) for name in shaping}
  weigh = functools.partial(
    combine.weighted, terms, weights, shaping=added, num_workers=num_workers
  )
  with section.blamed():
    weigh()  # So that what is wrong without gates is not blamed on them.
  chosen = gates.to_dict(str)
  _check_names(gates, chosen, terms)
  with gates.blamed():
    return weigh(gates=chosen)


def _check_names(section: Section, gates: Mapping[str, str], terms: Mapping[str, Term]) -> None:
  """Raises ValueError for a gate, or what has one, that is no term of the reward."""
  for name, gate in gates.items():
    for term in (name, gate):
      if term not in terms:
        raise section.error(
          f'{name} is {gate!r}, but {term!r} is none of the terms {", ".join(terms)}; give it '
          'weight 0 in config.rl.reward to use it as a gate only'
        )


def _shape(section: Section, name: str, terms: set[str], max_length: int) -> combine.Shape:
  """Reads a shaping: its weight, and the term that says which answers are right."""
  if name not in SHAPING:
    raise section.error(f'{name} is unknown; shapings are {", ".join(SHAPING)}')
  fields = getattr(section, name)
  weight = fields.take('weight', float, least=0)
  if name == 'overlong':
    punish = functools.partial(
      shaping.overlong_punishment,
      max_length=max_length,
      cache_length=fields.take('cache_length', int, least=1),
    )
    _try(fields, punish)
    return lambda values, length_PG: weight * punish(length_PG)
  term = fields.take('term', str)
  if term not in terms:
    raise fields.error(f'term is {term!r}; it must be one of the rewards {", ".join(terms)}')
  by_length = shaping.length_reward
  if name == 'cosine':
    by_length = functools.partial(
      shaping.cosine_length,
      max_length=max_length,
      correct=fields.take('correct', tuple[float, float]),
      wrong=fields.take('wrong', tuple[float, float]),
      exceeded=fields.take('exceeded', float),
    )
  _try(fields, functools.partial(by_length, np.ones((1, 1), bool)))
  return lambda values, length_PG: weight * by_length(values[term] == 1, length_PG)


def _try(section: Section, shape: Callable) -> None:
  """Lets a shaping check its numbers now, and not after the first rollout."""
  with section.blamed():
    shape(np.ones((1, 1), int))


SHAPING = ('length', 'cosine', 'overlong')
