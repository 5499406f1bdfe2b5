"""Lenient accuracy: does the last number of the response equal the gold answer?

For measurement, not for training: it ignores tags and reasoning, so that learning the format is not
mistaken for learning to reason. It reads numbers only; for a gold answer that is none it is 0.
"""

from r1jax import structs
from r1jax.rewards import equivalence
from r1jax.text import tags


def reward(problem: structs.Problem, response: str) -> float:
  """Returns 1 if the last number anywhere in the response equals the gold answer, else 0."""
  answer = extract_answer(response)
  return float(answer is not None and equivalence.math_equal(answer, problem.gold))


def extract_answer(response: str) -> str | None:
  """Returns the last number of the response as written, or None if it has none."""
  return tags.last_number(response)
