"""The composition root: turns a config into stages, joining packages that do not know each other.

The only reader of ConfigDict. Names in configs become functions by plain tables; each field is read
once, and one that nothing reads is an error that names it. `planning` reads a config as a whole,
`reinforcement` and `pretraining` a stage of their kind; `problems`, `rewards` and `terms`,
`objectives` and `models` the parts of one.
"""

from r1jax.build.objectives import ADVANTAGES, KL_ESTIMATORS, RATIOS, REDUCTIONS, SURROGATES
from r1jax.build.planning import Outline, Plan, folder_of, outline, plan
from r1jax.build.problems import SETS
from r1jax.build.terms import KINDS, REWARDS, reward_term

__all__ = [
  'ADVANTAGES',
  'KINDS',
  'KL_ESTIMATORS',
  'RATIOS',
  'REDUCTIONS',
  'REWARDS',
  'SETS',
  'SURROGATES',
  'Outline',
  'Plan',
  'folder_of',
  'outline',
  'plan',
  'reward_term',
]
