"""Weights in 8 bits with a scale a block, as DeepSeek-V3 and R1 are published.

A weight `[out, in]` is stored as float8_e4m3fn; beside it stands, as `<name>_scale_inv`, a float32
factor for each block of 128 x 128 of its numbers, the last blocks cut off at the edges
(arXiv:2412.19437, section 3.3.2; the published config.json and inference code).
"""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from r1jax.interop.fields import Fields
from r1jax.interop.layouts import Ranges

STORED = 'F8_E4M3'  # Its name in safetensors files.
DTYPE = np.dtype(jnp.float8_e4m3fn)
BLOCK = 128
LARGEST = float(jnp.finfo(DTYPE).max)
_SCALE = '_scale_inv'


def scale_name(name: str) -> str:
  """Returns the name of the tensor that holds the factors of a weight."""
  return name + _SCALE


def scale_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
  """Returns the number of blocks along each axis of a weight."""
  return tuple(-(-size // BLOCK) for size in shape)


def decode(weight: np.ndarray, scale: np.ndarray, starts: Sequence[int] = (0, 0)) -> np.ndarray:
  """Returns a weight as float32: each number times the factor of its block.

  Args:
    weight: `[out, in]`, or a part of it.
    scale: factors of all blocks of the whole weight.
    starts: where the part begins along either axis.
  """
  wide = weight.astype(np.float32)
  (first, column), (num_rows, num_columns) = starts, weight.shape
  of_columns = np.arange(column, column + num_columns) // BLOCK
  for row in range(first // BLOCK, -(-(first + num_rows) // BLOCK)):
    own = slice(max(row * BLOCK - first, 0), (row + 1) * BLOCK - first)
    wide[own] *= scale[row, of_columns]
  return wide


def encode(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns the nearest 8-bit numbers of a weight `[out, in]`, and the factors of its blocks.

  A block's largest number becomes the largest that 8 bits hold, 448; a block of zeros keeps 1.
  """
  wide = weight.astype(np.float32)
  scale = np.ones(scale_shape(weight.shape), np.float32)
  for row, column in np.ndindex(scale.shape):
    block = wide[_block(row), _block(column)]
    largest = np.abs(block).max()
    if largest > 0:
      scale[row, column] = largest / np.float32(LARGEST)
      block /= scale[row, column]
  return np.clip(wide, -LARGEST, LARGEST).astype(DTYPE), scale


def _block(index: int) -> slice:
  return slice(index * BLOCK, (index + 1) * BLOCK)


def read(file: pathlib.Path, name: str, ranges: Ranges) -> np.ndarray:
  """Returns a part of a matrix in a safetensors file, which the library does not read into numpy.

  See safetensors/safetensors#682.

  Args:
    file: the file.
    name: of the tensor.
    ranges: of the part along either axis.
  """
  (first, last), columns = ranges
  with file.open('rb') as opened:
    header_size = int.from_bytes(opened.read(8), 'little')
    entry = json.loads(opened.read(header_size))[name]
    width = entry['shape'][1]
    opened.seek(8 + header_size + entry['data_offsets'][0] + first * width)
    raw = opened.read((last - first) * width)
  return np.frombuffer(raw, DTYPE).reshape(last - first, width)[:, slice(*columns)]


def allow(fields: Fields) -> None:
  """Notes a problem if config.json asks for quantised weights of another kind."""
  quantised = fields.inner('quantization_config')
  quantised.allow('quant_method', 'fp8')
  quantised.allow('fmt', 'e4m3')
  quantised.allow('weight_block_size', [BLOCK, BLOCK])
  quantised.allow('expert_dtype', 'fp8')
  # How activations are cast while computing; which modules are left out, and of what dtype the
  # scales are, the files tell.
  left_out = ('modules_to_not_convert', 'modules_to_convert', 'ignored_layers')
  for inert in ('activation_scheme', 'scale_fmt', 'dequantize', *left_out):
    quantised.get(inert)


def field() -> dict[str, Any]:
  """Returns the field of config.json of a folder with such weights."""
  return {
    'quantization_config': {
      'quant_method': 'fp8',
      'fmt': 'e4m3',
      'activation_scheme': 'dynamic',
      'weight_block_size': [BLOCK, BLOCK],
    }
  }
