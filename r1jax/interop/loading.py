"""From a Hugging Face folder to parameters, tensor by tensor."""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from flax import traverse_util
from jax.sharding import Sharding
from jax.typing import DTypeLike
from safetensors import SafetensorError, safe_open

from r1jax import hosts
from r1jax.interop import families, float8, streaming, tables
from r1jax.interop.decoder import Family
from r1jax.interop.folder import (
  CONFIG,
  GENERATION,
  INDEX,
  WEIGHTS,
  check_no_adapter,
  checked_dtype,
)
from r1jax.interop.layouts import Ranges
from r1jax.model import ModelConfig

STORED_DTYPES = ('F32', 'BF16', 'F16')


def load_pretrained(
  path: str | os.PathLike,
  *,
  dtype: DTypeLike = 'float32',
  split: Callable[[Mapping[str, jax.ShapeDtypeStruct]], Mapping[str, Sharding]] | None = None,
) -> tuple[ModelConfig, Any]:
  """Loads the model of a Hugging Face folder.

  Tensors are read one by one and written to their devices, so that the host holds little more than
  the largest tensor, or an array of up to 64 MiB (`streaming.SMALL_BYTES`). Weights in 8 bits with
  a scale a block, as DeepSeek publishes them, are decoded. Of several processes each reads what its
  own devices hold, and all have to call it; the first alone compares tensors that repeat others.

  Args:
    path: folder with config.json and safetensors, of DeepSeek-V3 or V2, Qwen2.5, Qwen3 or Llama 3.
    dtype: of the parameters, 'float32' or 'bfloat16'; experts' selection biases stay float32.
    split: says of all parameters, by their paths with '/' between names, how they are split over
      devices; by default they are on the default device.

  Returns:
    The architecture and the tree of parameters. What a folder does not tell has its default: dtype
    of computation, remat, dispatch of experts. A DeepSeek folder without the tensors of its MTP
    module, as transformers writes it, gives a model without one.

  Raises:
    FileNotFoundError: if the folder lacks a file; names it, and those found.
    ValueError: if the architecture or a field of config.json is not supported, if tensors are
      missing, surplus, misshapen or there twice, all of which are listed, or if an adapter lies
      beside them.
  """
  kind = checked_dtype(dtype)
  folder = pathlib.Path(path)
  family, config = _described(folder)
  with contextlib.ExitStack() as stack:
    tensors = _open(folder, stack)
    module = f'model.layers.{config.num_layers}.'
    if config.num_mtp and not any(name.startswith(module) for name in tensors):
      config = _without_mtp(config)
    entries = tables.entries(family.rows, config)
    _check_tensors(folder, tensors, entries, tables.copies(config))
    flat: dict[str, jax.Array] = {}
    shardings = split(_shapes(entries, kind)) if split else {}
    for entry in entries:
      flat |= _read_entry(entry, tensors, kind, shardings)
  return config, traverse_util.unflatten_dict(flat, sep='/')


def load_config(path: str | os.PathLike) -> ModelConfig:
  """Returns the architecture that the config.json of a Hugging Face folder describes.

  Args:
    path: the folder; no other file of it is read.

  Raises:
    FileNotFoundError: as in `load_pretrained`.
    ValueError: as in `load_pretrained`.
  """
  _, config = _described(pathlib.Path(path))
  return config


def _described(folder: pathlib.Path) -> tuple[Family, ModelConfig]:
  """Returns the family and the architecture of a folder's model."""
  check_no_adapter(
    folder,
    'load a folder without it, or one that has both merged, as '
    'peft.AutoPeftModelForCausalLM.from_pretrained(...).merge_and_unload().save_pretrained(...) '
    'makes it',
  )
  return families.read(_read_json(folder, CONFIG))


def load_generation(path: str | os.PathLike) -> dict[str, Any]:
  """Returns the defaults of generation of a Hugging Face folder; none if it has no such file.

  Raises:
    ValueError: the file is no JSON object.
  """
  folder = pathlib.Path(path)
  return _read_json(folder, GENERATION) if (folder / GENERATION).is_file() else {}


def _read_json(folder: pathlib.Path, name: str) -> dict[str, Any]:
  try:
    content = json.loads(_existing(folder, name).read_text())
  except ValueError as error:  # Of JSON, or of UTF-8.
    raise ValueError(f'{folder / name} is no JSON: {error}') from error
  if not isinstance(content, dict):
    raise ValueError(f'{folder / name} holds no JSON object: fetch it again')
  return content


def _existing(folder: pathlib.Path, *names: str) -> pathlib.Path:
  """Returns the first of the files that exists; raises FileNotFoundError that lists what does."""
  for name in names:
    if (folder / name).is_file():
      return folder / name
  found = ', '.join(sorted(entry.name for entry in folder.iterdir())) if folder.is_dir() else None
  state = f'found: {found or "nothing"}' if found is not None else 'there is no such folder'
  raise FileNotFoundError(f'{folder} lacks {" or ".join(names)}; {state}')


def _without_mtp(config: ModelConfig) -> ModelConfig:
  """Returns the model without its MTP module, and without experts if no other layer has any."""
  if config.num_dense_layers == config.num_layers:
    return dataclasses.replace(config, num_mtp=0, moe=None, num_dense_layers=0)
  return dataclasses.replace(config, num_mtp=0)


@dataclasses.dataclass(frozen=True)
class _Stored:
  """A tensor in an open file.

  Attributes:
    name: of the tensor.
    path: of the file.
    opened: the file.
  """

  name: str
  path: pathlib.Path
  opened: Any

  @property
  def shape(self) -> tables.Shape:
    """Of the tensor; nothing else is read."""
    return tuple(self.opened.get_slice(self.name).get_shape())

  @property
  def whole(self) -> Ranges:
    """The ranges of all of it."""
    return [(0, size) for size in self.shape]

  @property
  def dtype(self) -> str:
    """Its name in safetensors files."""
    return self.opened.get_slice(self.name).get_dtype()

  def read(self, ranges: Ranges) -> np.ndarray:
    """Returns the numbers of a part as they are stored; nothing else is read."""
    if self.dtype == float8.STORED:
      return float8.read(self.path, self.name, ranges)
    if ranges == self.whole:
      return self.opened.get_tensor(self.name)  # Makes fewer copies.
    return self.opened.get_slice(self.name)[tuple(slice(*each) for each in ranges)]


def _open(folder: pathlib.Path, stack: contextlib.ExitStack) -> dict[str, _Stored]:
  """Opens the files of weights; returns their tensors by name."""
  # In this order, as transformers: what it saves in one file leaves an earlier index behind.
  files = [_existing(folder, WEIGHTS, INDEX)]
  if files[0].name == INDEX:
    files = [_existing(folder, name) for name in _shards(folder)]
  tensors: dict[str, _Stored] = {}
  twice: list[str] = []
  for file in files:
    try:
      opened = stack.enter_context(safe_open(file, framework='numpy'))
    except SafetensorError as error:
      raise ValueError(
        f'{file} is no safetensors file ({error}): fetch it again, in full and not as a link'
      ) from error
    found = {name: _Stored(name, file, opened) for name in opened.keys()}  # noqa: SIM118
    twice += [f'{n}, in {tensors[n].path.name} and {file.name}' for n in found if n in tensors]
    tensors |= found
  if twice:
    raise ValueError('\n  '.join([f'tensors of {folder} are in two files:', *twice]))
  return tensors


def _shards(folder: pathlib.Path) -> list[str]:
  """Returns the names of the files that the index names."""
  weight_map = _read_json(folder, INDEX).get('weight_map')
  names = list(weight_map.values()) if isinstance(weight_map, dict) else []
  if not names or not all(isinstance(name, str) for name in names):
    raise ValueError(
      f'{folder / INDEX} has no weight_map from names of tensors to names of files: fetch it again'
    )
  return sorted(set(names))


def _check_tensors(
  folder: pathlib.Path,
  tensors: Mapping[str, _Stored],
  entries: list[tables.Entry],
  copies: Mapping[str, str],
) -> None:
  """Raises ValueError that lists every tensor at fault; reads headers, and contents of copies."""
  expected = {name: entry.tensor_shape() for entry in entries for name in entry.index}
  expected |= {
    float8.scale_name(name): float8.scale_shape(shape)
    for name, shape in expected.items()
    if name in tensors and _is_scaled(tensors[name])
  }
  problems = [
    f'missing: {n}, expected {shape}' for n, shape in expected.items() if n not in tensors
  ]
  known = expected | {copy: expected[name] for copy, name in copies.items()}
  for name, tensor in tensors.items():
    shape, dtype = tensor.shape, tensor.dtype
    if name not in known:
      if not _says_nothing(name, shape):
        problems.append(f'surplus: {name}, found {shape}')
    elif shape != known[name]:
      problems.append(f'misshapen: {name}, found {shape}, expected {known[name]}')
    elif dtype not in STORED_DTYPES and not _is_scaled(tensor):
      allowed = ' or '.join(STORED_DTYPES)
      problems.append(
        f'dtype: {name}, found {dtype}, expected {allowed}, or a matrix in {float8.STORED}'
      )
  problems = problems or hosts.first(functools.partial(_differing, tensors, copies))
  if problems:
    raise ValueError('\n  '.join([f'the tensors in {folder} do not fit its {CONFIG}:', *problems]))


def _differing(tensors: Mapping[str, _Stored], copies: Mapping[str, str]) -> list[str]:
  return [
    f'differs: {copy}, expected to repeat {name}, for the model shares them'
    for copy, name in copies.items()
    if copy in tensors and not np.array_equal(_read(tensors, copy), _read(tensors, name))
  ]


def _says_nothing(name: str, shape: tables.Shape) -> bool:
  """Returns whether a tensor is empty, or one of old folders that config.json implies."""
  return 0 in shape or name.endswith('rotary_emb.inv_freq')


def _is_scaled(tensor: _Stored) -> bool:
  """Returns whether a tensor is a weight in 8 bits, whose scales are another tensor."""
  return tensor.dtype == float8.STORED and len(tensor.shape) == 2


def _read(tensors: Mapping[str, _Stored], name: str, ranges: Ranges | None = None) -> np.ndarray:
  """Returns a tensor, or a part of it, decoded where it is in 8 bits."""
  ranges = ranges or tensors[name].whole
  numbers = tensors[name].read(ranges)
  if _is_scaled(tensors[name]):
    scale = tensors[float8.scale_name(name)]
    return float8.decode(numbers, scale.read(scale.whole), [start for start, _ in ranges])
  return numbers


def _kind(entry: tables.Entry, dtype: np.dtype) -> np.dtype:
  return np.dtype('float32') if entry.row.wide else dtype


def _shapes(entries: list[tables.Entry], dtype: np.dtype) -> dict[str, jax.ShapeDtypeStruct]:
  return {
    path: jax.ShapeDtypeStruct(shape, _kind(entry, dtype))
    for entry in entries
    for path, shape in zip(entry.paths, entry.shapes)
  }


def _read_entry(
  entry: tables.Entry,
  tensors: Mapping[str, _Stored],
  dtype: np.dtype,
  shardings: Mapping[str, Sharding],
) -> dict[str, jax.Array]:
  """Reads the tensors of an entry, or what is held here of them, into its arrays, by path."""
  targets = {
    path: streaming.Target(shape, _kind(entry, dtype), shardings.get(path))
    for path, shape in zip(entry.paths, entry.shapes)
  }
  layout, shapes = entry.row.layout, entry.part_shapes()
  for name, place in entry.index.items():
    held = streaming.hull([target.held(place) for target in targets.values()])
    if held is None:
      continue
    window = layout.window(shapes, held)
    parts = layout.to_ours(_read(tensors, name, window.theirs), window.shapes)
    for target, part in zip(targets.values(), parts):
      target.write(place, part, window.starts)
  # Without waiting, copies of several entries would pile up.
  return jax.block_until_ready({path: target.finish() for path, target in targets.items()})
