"""From parameters to a Hugging Face folder."""

import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax.typing import DTypeLike
from safetensors.numpy import save_file

from r1jax import hosts, sharding
from r1jax.interop import families, float8, tables
from r1jax.interop.decoder import Family
from r1jax.interop.folder import (
  CONFIG,
  DTYPES,
  EXPORT_DTYPES,
  GENERATION,
  INDEX,
  WEIGHTS,
  check_no_adapter,
  checked_dtype,
)
from r1jax.model import ModelConfig
from r1jax.text.tokenizer import FILES as TOKENIZER_FILES
from r1jax.text.tokenizer import FOLDER as TOKENIZER_FOLDER
from r1jax.text.tokenizer import Tokenizer


def check_exportable(config: ModelConfig, dtype: DTypeLike = 'float32') -> None:
  """Raises ValueError if no family's format can hold such a model, or not in the given dtype."""
  _format(config, checked_dtype(dtype, EXPORT_DTYPES))


def _format(config: ModelConfig, dtype: np.dtype) -> tuple[Family, dict[str, Any]]:
  """Returns the family and the fields of config.json; raises ValueError if there are none."""
  family, fields = families.write(config)
  if dtype == float8.DTYPE and not family.scaled:
    scaled = ', '.join(each.architecture for each in families.FAMILIES if each.scaled)
    raise ValueError(
      f'{family.architecture} is not kept in {dtype.name} ({scaled} is), allowed are '
      f'{", ".join(map(repr, DTYPES))}'
    )
  return family, fields | _dtype_fields(dtype)


def save_pretrained(
  path: str | os.PathLike,
  config: ModelConfig,
  params: Any,
  tokenizer: Tokenizer | None = None,
  *,
  dtype: DTypeLike = 'float32',
  generation: Mapping[str, Any] | None = None,
  max_shard_bytes: int = 5_000_000_000,
) -> None:
  """Writes a model as a Hugging Face folder that transformers loads.

  All files are written beside the folder and then moved into it, config.json last: a save that
  fails while writing leaves an earlier model in the folder as it was. Of several processes the
  first writes, and all have to call it.

  Args:
    path: folder; made where missing. A model and tokenizer in it are replaced, other files stay.
    config: architecture.
    params: tree of parameters.
    tokenizer: whose files and special ids go along, or None.
    dtype: of the tensors, 'float32' or 'bfloat16', or, of DeepSeek-V3, 'float8_e4m3fn' for weights
      in 8 bits with a scale a block, as it is published (what else there is is bfloat16 then);
      experts' selection biases stay float32. transformers can dequantise such weights where their
      sizes are multiples of 128.
    generation: defaults of generation for `generation_config.json`, such as a temperature; on
      control tokens the tokenizer has the say.
    max_shard_bytes: files of weights are no larger, unless a single tensor is.

  Raises:
    ValueError: if no family can hold the model, or not in that dtype, the parameters do not fit the
      architecture, the tokenizer has more ids than the embedding has rows, or the folder has an
      adapter, of another model.
  """
  kind = checked_dtype(dtype, EXPORT_DTYPES)
  family, fields = _format(config, kind)
  flat = traverse_util.flatten_dict(params, sep='/')
  tables.check_parameters(config, flat)
  _check_vocabulary(config, tokenizer)
  check_no_adapter(pathlib.Path(path), 'save elsewhere, or remove it')
  tensors = _tensors(tables.entries(family.rows, config), flat, config, kind)
  fault = None
  if hosts.is_first():
    try:
      _write(
        pathlib.Path(path).absolute(),
        tensors,
        fields,
        tokenizer,
        generation,
        max_shard_bytes,
      )
    except Exception as error:
      fault = error
  for _ in tensors:  # Every process takes part in putting a tensor together.
    pass
  hosts.first(lambda: _raise(fault))


def _raise(fault: Exception | None) -> None:
  if fault is not None:
    raise fault


def _write(
  folder: pathlib.Path,
  tensors: Iterator[tuple[str, np.ndarray]],
  fields: Mapping[str, Any],
  tokenizer: Tokenizer | None,
  generation: Mapping[str, Any] | None,
  max_shard_bytes: int,
) -> None:
  """Writes the files of a folder."""
  # Of one name, so that a save makes away with what a kill left of the one before.
  partial = folder.with_name(f'.{folder.name}.partial')
  shutil.rmtree(partial, ignore_errors=True)
  partial.mkdir(parents=True)
  try:
    _write_tensors(partial, tensors, max_shard_bytes)
    ids = _special_ids(tokenizer)
    if tokenizer is not None:
      tokenizer.save(partial)
    if tokenizer is not None or generation:
      known = {name: id for name, id in ids.items() if id is not None}
      _write_json(partial / GENERATION, dict(generation or {}) | known)
    _write_json(partial / CONFIG, {**fields, **ids})
    _move(partial, folder)
  finally:
    shutil.rmtree(partial, ignore_errors=True)


def _check_vocabulary(config: ModelConfig, tokenizer: Tokenizer | None) -> None:
  if tokenizer is not None and tokenizer.vocab_size > config.vocab_size:
    raise ValueError(
      f'the tokenizer has {tokenizer.vocab_size} ids, the embedding {config.vocab_size} rows: '
      'raise model.vocab_size or save the tokenizer that the model was trained with'
    )


def _dtype_fields(kind: np.dtype) -> dict[str, Any]:
  """Returns what config.json says of the tensors' dtype."""
  if kind == float8.DTYPE:
    return {'torch_dtype': 'bfloat16'} | float8.field()
  return {'torch_dtype': kind.name}


def _tensors(
  entries: list[tables.Entry], flat: Mapping[str, Any], config: ModelConfig, dtype: np.dtype
) -> Iterator[tuple[str, np.ndarray]]:
  """Yields tensors with their names; of our arrays only one entry's are on the host at a time.

  Of arrays that lie in several processes, it is one tensor's part.
  """
  repeated: dict[str, list[str]] = {}
  for copy, name in tables.copies(config).items():
    if copy != tables.HEAD:  # A tied head is implied by config.json; other copies are customary.
      repeated.setdefault(name, []).append(copy)
  for entry in entries:
    is_scaled = dtype == float8.DTYPE and entry.row.scaled
    kind = np.dtype('float32') if entry.row.wide or is_scaled else dtype
    kind = np.dtype(jnp.bfloat16) if kind == float8.DTYPE else kind
    readers = [sharding.reader(flat[path]) for path in entry.paths]
    for name, place in entry.index.items():
      tensor = entry.row.layout.to_theirs(*(read(place) for read in readers))
      tensor = np.ascontiguousarray(tensor, dtype=kind)
      if is_scaled:
        tensor, scale = float8.encode(tensor)
        yield float8.scale_name(name), scale
      for each in [name, *repeated.get(name, [])]:
        yield each, tensor


def _write_tensors(
  folder: pathlib.Path, tensors: Iterator[tuple[str, np.ndarray]], max_shard_bytes: int
) -> None:
  """Writes one file, or several with an index; a shard is in memory at a time."""
  shard: dict[str, np.ndarray] = {}
  shards: list[list[str]] = []
  total, size = 0, 0
  for name, tensor in tensors:
    if shard and size + tensor.nbytes > max_shard_bytes:
      _write_shard(folder, shards, shard)
      shard, size = {}, 0
    shard[name] = tensor
    size += tensor.nbytes
    total += tensor.nbytes
  _write_shard(folder, shards, shard)
  if len(shards) == 1:
    (folder / _shard_name(0)).rename(folder / WEIGHTS)
    return
  weight_map: dict[str, str] = {}
  for number, names in enumerate(shards):
    final = f'model-{number + 1:05}-of-{len(shards):05}.safetensors'
    (folder / _shard_name(number)).rename(folder / final)
    weight_map |= dict.fromkeys(names, final)
  _write_json(folder / INDEX, {'metadata': {'total_size': total}, 'weight_map': weight_map})


def _write_shard(
  folder: pathlib.Path, shards: list[list[str]], shard: dict[str, np.ndarray]
) -> None:
  # transformers asks for the format in the metadata.
  save_file(shard, folder / _shard_name(len(shards)), metadata={'format': 'pt'})
  shards.append(list(shard))


def _shard_name(number: int) -> str:
  """Returns the name of a shard while the number of shards is unknown."""
  return f'shard-{number}.safetensors'


def _special_ids(tokenizer: Tokenizer | None) -> dict[str, int | list[int] | None]:
  """Returns the ids that generation needs; without a tokenizer none, lest a default be assumed."""
  ids: dict[str, int | list[int] | None] = {
    f'{name}_token_id': getattr(tokenizer, f'{name}_id', None) for name in ('bos', 'eos', 'pad')
  }
  if tokenizer is not None and len(tokenizer.stop_ids) > 1:
    ids['eos_token_id'] = list(tokenizer.stop_ids)
  return ids


def _write_json(file: pathlib.Path, content: Mapping[str, Any]) -> None:
  file.write_text(json.dumps(content, indent=2, sort_keys=True) + '\n')


def _move(partial: pathlib.Path, folder: pathlib.Path) -> None:
  """Moves files into the folder, in place of a model's, config.json last."""
  folder.mkdir(exist_ok=True)
  (folder / CONFIG).unlink(missing_ok=True)
  names = (INDEX, GENERATION, *TOKENIZER_FILES)
  for stale in [*folder.glob('model*.safetensors'), *(folder / name for name in names)]:
    stale.unlink(missing_ok=True)
  shutil.rmtree(folder / TOKENIZER_FOLDER, ignore_errors=True)
  written = [file for file in partial.rglob('*') if file.is_file()]
  for file in sorted(written, key=lambda file: file.name == CONFIG):
    shutil.copymode(partial / CONFIG, file)  # safetensors makes files that only their owner reads.
    place = folder / file.relative_to(partial)
    place.parent.mkdir(exist_ok=True)
    os.replace(file, place)
