"""What is rewarded: pure functions of a problem and a response.

Every reward module holds one term, `reward(problem, response) -> float`, deterministic and from 0
to 1. A response is all that the assistant said: what the prompt's template began for it (such as a
prefilled `<think>`) belongs to it, special tokens such as end-of-text do not. A malformed response
is worth 0; an exception is a bug, and `combine` lets it through with the response that caused it.
"""

from r1jax.rewards import accuracy, combine, equivalence, format, lenient, random_reward, strict
from r1jax.rewards.equivalence import math_equal

__all__ = [
  'accuracy',
  'combine',
  'equivalence',
  'format',
  'lenient',
  'math_equal',
  'random_reward',
  'strict',
]
