"""How it is measured: pass@k and cons@k with intervals, and how a response behaves."""

from r1jax.evaluation.estimators import majority_at_k, pass_at_k

__all__ = ['majority_at_k', 'pass_at_k']
