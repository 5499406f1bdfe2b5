"""How parameters move: losses and update rules on arrays, each with the equation it implements.

A policy loss is put together from four functions, one a module:

  ratios      whose probability ratio: a token's, an output's, an output's per token
  surrogate   what the ratio does to the advantage: PPO's clip, CISPO
  kl          how the divergence from the reference is estimated
  reductions  how much each token weighs

`grpo.loss` joins them. `advantages` turns rewards into advantages; `sft` is the supervised loss;
`balance` keeps the load of experts even; `measures` are metrics that microbatches add up right.
"""

from r1jax.algorithms import grpo

__all__ = ['grpo']
