"""What the files of a Hugging Face folder are called, and what may be in them."""

import pathlib

import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

CONFIG = 'config.json'
GENERATION = 'generation_config.json'
WEIGHTS = 'model.safetensors'
INDEX = 'model.safetensors.index.json'
ADAPTER = 'adapter_config.json'  # Of peft.
DTYPES = ('float32', 'bfloat16')
# Of exported weights; the last with a scale a block, where the family is published so.
EXPORT_DTYPES = (*DTYPES, 'float8_e4m3fn')


def check_no_adapter(folder: pathlib.Path, remedy: str) -> None:
  """Raises ValueError if there is an adapter, which transformers adds to the model there."""
  if (folder / ADAPTER).is_file():
    raise ValueError(
      f'{folder} has an adapter ({ADAPTER}), which transformers adds to the model there: {remedy}'
    )


def checked_dtype(dtype: DTypeLike, allowed: tuple[str, ...] = DTYPES) -> np.dtype:
  """Returns the dtype of parameters or tensors; raises ValueError unless it is allowed."""
  kind = jnp.dtype(dtype)
  if kind.name not in allowed:
    raise ValueError(f'dtype is {kind.name!r}, allowed are {", ".join(map(repr, allowed))}')
  return kind
