"""What the files of a Hugging Face folder are called, and what may be in them."""

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

CONFIG = 'config.json'
GENERATION = 'generation_config.json'
WEIGHTS = 'model.safetensors'
INDEX = 'model.safetensors.index.json'
DTYPES = ('float32', 'bfloat16')
# Of exported weights; the last with a scale a block, where the family is published so.
EXPORT_DTYPES = (*DTYPES, 'float8_e4m3fn')


def checked_dtype(dtype: DTypeLike, allowed: tuple[str, ...] = DTYPES) -> np.dtype:
  """Returns the dtype of parameters or tensors; raises ValueError unless it is allowed."""
  kind = jnp.dtype(dtype)
  if kind.name not in allowed:
    raise ValueError(f'dtype is {kind.name!r}, allowed are {", ".join(map(repr, allowed))}')
  return kind
