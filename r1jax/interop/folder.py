"""What the files of a Hugging Face folder are called, and what may be in them."""

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

CONFIG = 'config.json'
GENERATION = 'generation_config.json'
WEIGHTS = 'model.safetensors'
INDEX = 'model.safetensors.index.json'
DTYPES = ('float32', 'bfloat16')


def checked_dtype(dtype: DTypeLike) -> np.dtype:
  """Returns the dtype of parameters or tensors; raises ValueError unless it is one of `DTYPES`."""
  kind = jnp.dtype(dtype)
  if kind.name not in DTYPES:
    raise ValueError(f'dtype is {kind.name!r}, allowed are {", ".join(map(repr, DTYPES))}')
  return kind
