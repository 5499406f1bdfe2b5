"""r1jax: the DeepSeek-R1 system in JAX and Flax (arXiv:2501.12948)."""

__version__ = '0.1.0'
