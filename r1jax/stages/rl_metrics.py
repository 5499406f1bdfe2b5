"""The numbers of a step of reinforcement learning: of its answers, its updates and its time."""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from r1jax.algorithms import advantages, measures
from r1jax.algorithms.measures import Measure
from r1jax.evaluation.behaviour import checks_itself
from r1jax.evaluation.judging import Reader
from r1jax.rewards.combine import Scores
from r1jax.structs import Problem


@dataclasses.dataclass(frozen=True)
class Sampled:
  """Answers as they came: one attempt of a step, before groups are replaced.

  Attributes:
    length_PG: tokens.
    truncated_PG: True where the limit ended an answer.
    checks_itself_PG: True where an answer does.
    style_PG: styles of the answers; None without a reader.
    scores: what they are worth.
  """

  length_PG: np.ndarray
  truncated_PG: np.ndarray
  checks_itself_PG: np.ndarray
  style_PG: np.ndarray | None
  scores: Scores


def sampled(
  problems: Sequence[Problem],
  texts: Sequence[Sequence[str]],
  length_PG: np.ndarray,
  truncated_PG: np.ndarray,
  scores: Scores,
  reader: Reader | None,
) -> Sampled:
  """Returns what is told of answers.

  Args:
    problems: that were asked.
    texts: `[P][G]`.
    length_PG: tokens.
    truncated_PG: True where the limit ended an answer.
    scores: what they are worth.
    reader: tells styles, so that lengths are told by style; or None.
  """
  checks_PG = np.array([[checks_itself(text) for text in group] for group in texts])
  style_PG = None
  if reader is not None:
    styles = [
      [reader.style(problem, text) for text in group] for problem, group in zip(problems, texts)
    ]
    style_PG = np.array(styles, object)
  return Sampled(length_PG, truncated_PG, checks_PG, style_PG, scores)


def joined(parts: Sequence[tuple[np.ndarray, Sampled]]) -> Sampled:
  """Returns the answers to a batch from those of its parts.

  Args:
    parts: numbers in the batch of the prompts of a part, and what is told of them.
  """
  order_P = np.argsort(np.concatenate([number_P for number_P, _ in parts]))
  found = [part for _, part in parts]

  def whole(of_part: Callable[[Sampled], np.ndarray]) -> np.ndarray:
    return np.concatenate([of_part(part) for part in found])[order_P]

  scores = found[0].scores
  by_name = {
    field: {
      name: whole(lambda part, f=field, n=name: getattr(part.scores, f)[n])  # type: ignore[misc]
      for name in getattr(scores, field)
    }
    for field in ('terms', 'counted', 'shaping')
  }
  return Sampled(
    whole(lambda part: part.length_PG),
    whole(lambda part: part.truncated_PG),
    whole(lambda part: part.checks_itself_PG),
    None if found[0].style_PG is None else whole(lambda part: np.asarray(part.style_PG)),
    Scores(
      reward_PG=whole(lambda part: part.scores.reward_PG),
      **by_name,
      seconds=dict(_sum(part.scores.seconds for part in found)),
      faults=dict(_sum(part.scores.faults for part in found)),
    ),
  )


def of_step(
  sampled: Sequence[Sampled],
  updates: Sequence[Mapping[str, Measure]],
  seconds: Mapping[str, float],
  *,
  resampled: bool,
) -> dict[str, Any]:
  """Returns the metrics of a step.

  Those of answers are of all that were sampled, so that they tell of the policy and not of which
  groups were kept.

  Args:
    sampled: by attempt.
    updates: metrics of each.
    seconds: by phase.
    resampled: whether groups without variance are replaced; `replaced_groups` then says how many
      of the first attempt's were.
  """
  record = _of_answers(sampled)
  record['tokens_per_second'] = record['tokens'] / sum(seconds.values())
  if resampled:
    first, *others = (advantages.varies(attempt.scores.reward_PG) for attempt in sampled)
    record['replaced_groups'] = int(min((~first).sum(), sum(map(np.sum, others))))
  record |= _of_updates(updates)
  if sampled[0].style_PG is not None:
    record |= _length_by_style(sampled)
  return record | {f'seconds/{phase}': value for phase, value in seconds.items()}


def _of_answers(sampled: Sequence[Sampled]) -> dict[str, Any]:
  length_PG, truncated_PG, checks_itself_PG = (
    np.concatenate([getattr(attempt, name) for attempt in sampled])
    for name in ('length_PG', 'truncated_PG', 'checks_itself_PG')
  )
  scores = [attempt.scores for attempt in sampled]
  reward_PG = np.concatenate([of_attempt.reward_PG for of_attempt in scores])
  return {
    'reward': float(reward_PG.mean()),
    **{_term_key(name): value for name, value in _means(s.terms for s in scores).items()},
    **{f'shaping/{name}': value for name, value in _means(s.shaping for s in scores).items()},
    'length': float(length_PG.mean()),
    'length_std': float(length_PG.std()),
    'checks_itself': float(checks_itself_PG.mean()),
    'zero_variance_fraction': float(1 - advantages.varies(reward_PG).mean()),
    'truncated_fraction': float(truncated_PG.mean()),
    'tokens': int(length_PG.sum()),
    **{f'seconds/reward/{name}': value for name, value in _sum(s.seconds for s in scores).items()},
    **{f'faults/{name}': value for name, value in _sum(s.faults for s in scores).items()},
  }


def _means(attempts: Iterable[Mapping[str, np.ndarray]]) -> dict[str, float]:
  """Returns the means of arrays by name, over all answers of all attempts."""
  found = list(attempts)
  return {name: float(np.mean([values[name] for values in found])) for name in found[0]}


def _sum(attempts: Iterable[Mapping[str, Any]]) -> collections.Counter[str]:
  total = collections.Counter[str]()
  for values in attempts:
    total.update(values)
  return total


def _term_key(name: str) -> str:
  """Returns the metric of a reward term: R1-Zero's two by their names, others under `reward/`."""
  return name if name in ('accuracy', 'format') else f'reward/{name}'


def _of_updates(updates: Sequence[Mapping[str, Measure]]) -> dict[str, Any]:
  """Returns the metrics of what was learnt: of updates that were skipped, only if all were."""
  skipped = [int(update['skipped'].result()) for update in updates]
  taken = [update for update, skip in zip(updates, skipped) if not skip]
  whole = measures.results(measures.join(taken or updates))
  # Only the first update sees the parameters that sampled.
  start = measures.results(updates[0])
  whole |= {name: start[name] for name in ('mismatch', 'expert_flips') if name in start}
  return {name: float(value) for name, value in whole.items()} | {'skipped': sum(skipped)}


def _length_by_style(sampled: Sequence[Sampled]) -> dict[str, float]:
  lengths = collections.defaultdict(list)
  for attempt in sampled:
    for style, length in zip(np.asarray(attempt.style_PG).ravel(), attempt.length_PG.ravel()):
      lengths[style].append(int(length))
  return {f'length/{style}': float(np.mean(lengths[style])) for style in sorted(lengths)}
