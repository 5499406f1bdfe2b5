"""What goes from stage to stage: a model, its parameters and its tokenizer, as a folder."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from r1jax import interop, sharding
from r1jax.model import Transformer
from r1jax.text import tokenizer as tokenizers
from r1jax.text.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class Policy:
  """A model that can be asked, trained and exported.

  Attributes:
    model: whose `config` is that of the parameters.
    params: tree of parameters; float32 where they are trained.
    tokenizer: of the model.
    generation: defaults of generation that came with the model, and go with it.
  """

  model: Transformer
  params: Any
  tokenizer: Tokenizer
  generation: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  @classmethod
  def load(
    cls,
    folder: str | Path,
    *,
    mesh: Mesh | None = None,
    param_dtype: str = 'float32',
    **changes: Any,
  ) -> 'Policy':
    """Reads a Hugging Face folder.

    Args:
      folder: as `interop.load_pretrained` reads it.
      mesh: devices over which the parameters are split, or None for one.
      param_dtype: of the parameters, 'float32' or 'bfloat16'.
      **changes: fields of `ModelConfig` that are no property of the weights: `dtype`, `remat`,
        `unroll`.

    Raises:
      FileNotFoundError: the folder lacks a file.
      ValueError: its files are damaged, or do not fit each other.
    """
    split = None if mesh is None else functools.partial(sharding.parameter_shardings, mesh=mesh)
    config, params = interop.load_pretrained(folder, dtype=param_dtype, split=split)
    tokenizer = tokenizers.load(folder)
    if tokenizer.vocab_size > config.vocab_size:
      raise ValueError(
        f'the tokenizer in {folder} has {tokenizer.vocab_size} ids, the model has embeddings for '
        f'{config.vocab_size}: they do not belong together'
      )
    model = Transformer(dataclasses.replace(config, **changes))
    return cls(model, params, tokenizer, interop.load_generation(folder))

  def save(self, folder: str | Path, *, dtype: str = 'float32') -> None:
    """Writes a Hugging Face folder that `load` and transformers read.

    Args:
      folder: written as a whole, or not at all.
      dtype: of the tensors, as `interop.save_pretrained` takes it.
    """
    interop.save_pretrained(
      folder,
      self.model.config,
      self.params,
      tokenizer=self.tokenizer,
      dtype=dtype,
      generation=self.generation,
    )

  @property
  def num_parameters(self) -> int:
    """Number of parameters, the MTP module among them."""
    return sum(array.size for array in jax.tree.leaves(self.params))
