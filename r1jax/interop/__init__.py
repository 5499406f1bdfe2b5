"""Weights in and out: Hugging Face folders, with one name table a family."""

from r1jax.interop.loading import load_pretrained
from r1jax.interop.saving import save_pretrained

__all__ = ['load_pretrained', 'save_pretrained']
