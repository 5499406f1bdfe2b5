"""Lenient accuracy: is the last number of the response the gold answer, tags or not?

For measurement, not for training: it ignores tags and reasoning, so that learning the format is not
mistaken for learning to reason. Where the gold answer is no number, the final answer counts as it
does for `accuracy`.
"""

from r1jax import structs
from r1jax.rewards import accuracy, equivalence
from r1jax.text import tags


def reward(problem: structs.Problem, response: str) -> float:
  """Returns 1 if what the response votes for equals the gold answer, else 0."""
  answer = vote(problem, response)
  return float(answer is not None and equivalence.math_equal(answer, problem.gold))


def vote(problem: structs.Problem, response: str) -> str | None:
  """Returns the last number of the response as written, or None if it has none.

  For a gold answer that is no number: the final answer, as `accuracy` extracts it.
  """
  if equivalence.number(problem.gold) is None:
    return accuracy.extract_answer(response)
  return tags.last_number(response)
