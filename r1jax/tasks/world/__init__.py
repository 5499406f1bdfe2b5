"""The built-in world: problems with gold answers, and the text that a base model reads."""

from r1jax.tasks.world.corpus import Corpus, Mixture
from r1jax.tasks.world.problems import World

__all__ = ['Corpus', 'Mixture', 'World']
