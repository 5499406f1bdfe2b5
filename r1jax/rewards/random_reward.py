"""Random reward: the control that shows what training does without any signal.

It says nothing about the answer, so what a policy gains on it comes from the procedure; some models
do gain (arXiv:2506.10947), and only what the real reward adds beyond that is the reward's.
"""

import hashlib

from r1jax import structs


def reward(problem: structs.Problem, response: str) -> float:
  """Returns 0 or 1 by a fair coin that problem and response alone decide.

  The coin is a bit of a hash, so the term is pure: the same response to the same problem scores the
  same in every run, and another response, however near, is another toss.

  Args:
    problem: only its id is read.
    response: any text.
  """
  toss = f'{len(problem.id)}:{problem.id}:{response}'.encode('utf-8', 'surrogatepass')
  return float(hashlib.blake2b(toss, digest_size=1).digest()[0] & 1)
