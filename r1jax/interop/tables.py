"""Name tables: which tensor of a Hugging Face folder holds which part of our parameters.

A family's table is a tuple of rows, read in both directions. Hugging Face stores every layer and
expert by itself; ours are stacked along leading axes. A row therefore stands for many tensors. Its
placeholders:

  {layer}   number of a layer in the folder; the MTP module counts as one more layer
  {block}   where our blocks are: 'dense_layers', 'expert_layers' or 'mtp/layer'
  {expert}  number of a routed expert
  {mtp}     the layer number that is the MTP module's

A row applies if the tree of parameters has its paths, so one table covers a family's options.
"""

import dataclasses
import functools
import itertools
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from r1jax.interop.layouts import Layout, Shape
from r1jax.model import ModelConfig, Transformer

Place = tuple[int, ...]  # Of a tensor in the leading axes of an array.
Layer = tuple[int | None, Place]  # Its number in a folder, and its place in its stack.

_NO_BLOCK: dict[str, list[Layer]] = {'': [(None, ())]}

EMBEDDING = 'model.embed_tokens.weight'
HEAD = 'lm_head.weight'


@dataclasses.dataclass(frozen=True)
class Row:
  """A line of a table.

  Attributes:
    name: pattern of tensor names.
    paths: pattern of where their numbers are in our tree; more than one where a tensor joins them.
    layout: how the numbers are laid out.
    wide: True if the tensor stays float32 whatever dtype the others have.
    scaled: True if the tensor may be stored in 8 bits with a scale a block: the weights of
      attention, feed-forward layers and experts, as DeepSeek does.
  """

  name: str
  paths: tuple[str, ...]
  layout: Layout
  wide: bool = False
  scaled: bool = False


@dataclasses.dataclass(frozen=True)
class Entry:
  """A row applied to one stack of blocks: whole arrays of ours, and the tensors they consist of.

  Attributes:
    row: the line of the table.
    paths: of the arrays.
    shapes: of the arrays.
    index: of each tensor by name, its place in the leading axes of every array.
  """

  row: Row
  paths: list[str]
  shapes: list[Shape]
  index: dict[str, Place]

  def part_shapes(self) -> list[Shape]:
    """Returns the shapes of the parts of the arrays that one tensor holds."""
    num_leading = len(next(iter(self.index.values())))
    return [shape[num_leading:] for shape in self.shapes]

  def tensor_shape(self) -> Shape:
    """Returns the shape of each tensor in a folder."""
    weightless = [np.broadcast_to(np.int8(0), shape) for shape in self.part_shapes()]
    return self.row.layout.to_theirs(*weightless).shape


@functools.cache
def parameter_shapes(config: ModelConfig) -> Mapping[str, Shape]:
  """Returns the shape of every parameter by its path; no array is made."""
  tokens_BL = jax.ShapeDtypeStruct((1, 2), jnp.int32)
  tree = jax.eval_shape(Transformer(config).init, jax.random.key(0), tokens_BL)['params']
  return {path: leaf.shape for path, leaf in traverse_util.flatten_dict(tree, sep='/').items()}


def entries(rows: tuple[Row, ...], config: ModelConfig) -> list[Entry]:
  """Applies a table to a model; every parameter lands in exactly one entry."""
  shapes = parameter_shapes(config)
  found = []
  blocks = _blocks(config)
  for row in rows:
    for block, layers in blocks.items() if '{block}' in row.paths[0] else _NO_BLOCK.items():
      paths = [path.format(block=block) for path in row.paths]
      if all(path in shapes for path in paths):
        index = _index(row.name, layers, config)
        found.append(Entry(row, paths, [shapes[path] for path in paths], index))
  placed = sorted(path for entry in found for path in entry.paths)
  assert placed == sorted(shapes), f'not in one row each: {set(placed) ^ set(shapes) or placed}'
  return found


def _blocks(config: ModelConfig) -> dict[str, list[Layer]]:
  """Returns of each of our blocks the layer numbers in a folder, with their place in the stack."""
  blocks: dict[str, list[Layer]] = {}
  first = 0
  for stack, size in config.stacks.items():
    blocks[stack] = [(first + offset, (offset,)) for offset in range(size)]
    first += size
  blocks['mtp/layer'] = [(config.num_layers, ())]
  return blocks


def _index(name: str, layers: list[Layer], config: ModelConfig) -> dict[str, Place]:
  """Returns the place of each tensor of the pattern `name`."""
  experts: list[Place] = [()]
  if '{expert}' in name and config.moe is not None:
    experts = [(number,) for number in range(config.moe.num_experts)]
  return {
    name.format(layer=layer, mtp=config.num_layers, expert=expert[0] if expert else None): (
      place + expert
    )
    for (layer, place), expert in itertools.product(layers, experts)
  }


def copies(config: ModelConfig) -> dict[str, str]:
  """Returns the names of tensors that may repeat another one, with the name of that one.

  The MTP module shares embedding and head; published folders hold them again under its layer.
  """
  head = EMBEDDING if config.tied else HEAD
  found = {HEAD: EMBEDDING} if config.tied else {}
  if config.num_mtp:
    module = f'model.layers.{config.num_layers}'
    found[f'{module}.embed_tokens.weight'] = EMBEDDING
    found[f'{module}.shared_head.head.weight'] = head
  return found


def check_parameters(config: ModelConfig, flat: Mapping[str, jax.Array]) -> None:
  """Raises ValueError that lists every parameter that is missing, surplus or misshapen."""
  expected = parameter_shapes(config)
  problems = [f'missing: {path} {expected[path]}' for path in expected if path not in flat]
  for path, array in flat.items():
    if path not in expected:
      problems.append(f'surplus: {path} {array.shape}')
    elif array.shape != expected[path]:
      problems.append(f'misshapen: {path} is {array.shape}, expected {expected[path]}')
  if problems:
    raise ValueError('\n  '.join(['the parameters are not those of the model config:', *problems]))
