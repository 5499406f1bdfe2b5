"""What is rewarded: pure functions of a problem and a response.

A reward module holds one term, `reward(problem, response) -> float`, deterministic and from 0 to 1.
A response is all that the assistant said: what the prompt's template began for it (such as a
prefilled `<think>`) belongs to it, special tokens such as end-of-text do not. A malformed response
is worth 0; an exception is a bug, and `combine` lets it through with the response that caused it.
What may hang or harm runs in worker processes (`workers`, `sandbox`) that are killed at a deadline;
a response that they could not judge (`workers.WorkerError`) is worth 0, and counted.
"""

from r1jax.rewards.equivalence import math_equal

__all__ = ['math_equal']
