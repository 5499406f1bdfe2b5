"""Format reward: reasoning and answer within their tags (arXiv:2501.12948, section 2.2.2)."""

from r1jax import structs
from r1jax.text import tags


def reward(problem: structs.Problem, response: str) -> float:
  """Returns 1 if the response is one think block, one answer block and nothing else, else 0.

  White space may stand before, between and after the blocks. Neither block may be empty or blank,
  and no tag of either kind may occur a second time or out of order, so nothing is nested.

  Args:
    problem: not read; the format is the same for all.
    response: all that the assistant said, with what the prompt's template began for it.
  """
  del problem
  segments = tags.split_at_tags(response)
  if tuple(segments[1::2]) != tags.TAGS:
    return 0.0
  before, thought, between, answer, after = (segment.strip() for segment in segments[::2])
  return float(bool(thought and answer) and not (before or between or after))
