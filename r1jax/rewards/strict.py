"""Strict accuracy: is the final answer right, and all of the response in the format asked for?

For measurement: the share of responses that earn all of R1-Zero's reward. `accuracy` alone does not
ask for the think block, nor mind what stands around the answer.
"""

from r1jax import structs
from r1jax.rewards import accuracy, format


def reward(problem: structs.Problem, response: str) -> float:
  """Returns 1 if the response earns both the accuracy and the format reward, else 0."""
  return accuracy.reward(problem, response) * format.reward(problem, response)


def vote(problem: structs.Problem, response: str) -> str | None:
  """Returns the final answer of a response that is in the format, or None."""
  del problem
  return accuracy.extract_answer(response) if format.is_well_formed(response) else None
