"""Weights in and out: Hugging Face folders, with one name table a family."""

from r1jax.interop.folder import DTYPES, EXPORT_DTYPES
from r1jax.interop.generation_fields import sampling_defaults
from r1jax.interop.loading import load_config, load_generation, load_pretrained
from r1jax.interop.saving import check_exportable, save_pretrained

__all__ = [
  'DTYPES',
  'EXPORT_DTYPES',
  'check_exportable',
  'load_config',
  'load_generation',
  'load_pretrained',
  'sampling_defaults',
  'save_pretrained',
]
