"""How answers are made: sampling of groups, and the log-probabilities of given completions."""

from r1jax.decoding.generation import generate
from r1jax.decoding.sampling import Sampler
from r1jax.decoding.scoring import score

__all__ = ['Sampler', 'generate', 'score']
