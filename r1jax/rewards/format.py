"""Format reward: reasoning and answer within their tags (arXiv:2501.12948, section 2.2.2)."""

from r1jax import structs
from r1jax.text import tags


def reward(problem: structs.Problem, response: str) -> float:
  """Returns 1 if the response is one think block, one answer block and nothing else, else 0.

  White space may stand before, between and after the blocks. Neither block may be empty or hold
  nothing that can be seen, and no tag of either kind may occur a second time or out of order, so
  nothing is nested.

  Args:
    problem: not read; the format is the same for all.
    response: all that the assistant said, with what the prompt's template began for it.
  """
  del problem
  return float(is_well_formed(response))


def is_well_formed(response: str) -> bool:
  """Returns whether the response is in the format."""
  segments = tags.split_at_tags(response)
  if tuple(segments[1::2]) != tags.TAGS:
    return False
  before, thought, between, answer, after = segments[::2]
  empty = not (before.strip() or between.strip() or after.strip())
  return empty and tags.is_visible(thought) and tags.is_visible(answer)
