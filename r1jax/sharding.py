"""Sharding as a table: parameter path -> logical axes -> mesh axes.

Model code is single-device code; this module says where its arrays live. Every parameter of every
family matches exactly one row of `PARAMETERS`, and every logical axis has a row in `MESH_AXES`.

Mesh axes: `data` copies parameters and splits the batch; `fsdp` splits both; `tensor` splits heads,
feed-forward widths and the vocabulary; `expert` splits experts, and the batch elsewhere; `context`
splits tokens.
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

AXES = ('data', 'fsdp', 'tensor', 'expert', 'context')

# Row: pattern of the path's end -> logical axes of the last dimensions. A scanned stack has one
# dimension more in front, its layers, which is never split.
PARAMETERS: dict[str, tuple[str | None, ...]] = {
  r'embedding': ('vocab', 'embed'),
  r'head': ('embed', 'vocab'),
  r'attention/query': ('embed', 'heads', None),
  r'attention/(key|value)': ('embed', 'kv_heads', None),
  r'attention/query_bias': ('heads', None),
  r'attention/(key|value)_bias': ('kv_heads', None),
  r'attention/(query|kv)_down': ('embed', None),
  r'attention/(query|key|value)_up': (None, 'heads', None),
  r'attention/out': ('heads', None, 'embed'),
  r'(mlp|shared)/(gate|up)': ('embed', 'mlp'),
  r'(mlp|shared)/down': ('mlp', 'embed'),
  r'moe/router': ('embed', None),
  r'moe/selection_bias': (None,),
  r'moe/(gate|up)': ('experts', 'embed', 'expert_mlp'),
  r'moe/down': ('experts', 'expert_mlp', 'embed'),
  r'mtp/projection': (None, 'embed'),
  r'\w*norm/scale': (None,),
  r'(value|reward)_head/kernel': ('embed',),
  r'(value|reward)_head/bias': (),
}

# Ends of the paths of low-rank factors (`model.lora`), which are small: every device has them.
ADAPTERS = ('/a', '/b')

# Entry of a cache -> logical axes of its dimensions behind the tokens.
CACHE: dict[str, tuple[str | None, ...]] = {
  'key': ('kv_heads', None),
  'value': ('kv_heads', None),
  'latent': (None,),
  'rope_key': (None,),
}

MESH_AXES: dict[str, str | tuple[str, ...] | None] = {
  'embed': 'fsdp',
  'vocab': 'tensor',
  'heads': 'tensor',
  'kv_heads': 'tensor',
  'mlp': 'tensor',
  'experts': 'expert',
  'expert_mlp': 'tensor',
  'prompts': ('data', 'fsdp', 'expert'),
  'samples': None,
  'tokens': 'context',
}


@dataclasses.dataclass(frozen=True)
class MeshShape:
  """Number of devices along each mesh axis; one may be -1: what is left.

  The product must be the number of devices.
  """

  data: int = -1
  fsdp: int = 1
  tensor: int = 1
  expert: int = 1
  context: int = 1

  def resolve(self, num_devices: int) -> tuple[int, ...]:
    """Returns the sizes with -1 filled in.

    Raises:
      ValueError: if they do not multiply to the number of devices.
    """
    sizes = [getattr(self, axis) for axis in AXES]
    known = math.prod(size for size in sizes if size != -1)
    if sizes.count(-1) > 1 or min(sizes) < -1 or 0 in sizes:
      raise ValueError(f'mesh is {self}: sizes are at least 1, and at most one may be -1')
    if -1 in sizes and num_devices % known == 0:
      sizes[sizes.index(-1)] = num_devices // known
    if math.prod(sizes) != num_devices:
      raise ValueError(
        f'mesh is {self}, but there are {num_devices} devices: change config.mesh so that its '
        'sizes multiply to that (one may be -1)'
      )
    return tuple(sizes)


def make_mesh(shape: MeshShape, devices: list[Any] | None = None) -> Mesh:
  """Returns the mesh of all (or the given) devices."""
  devices = jax.devices() if devices is None else devices
  sizes = shape.resolve(len(devices))
  return jax.make_mesh(sizes, AXES, axis_types=(AxisType.Auto,) * len(AXES), devices=devices)


def path_of(keys: tuple[Any, ...]) -> str:
  """Returns a parameter's path with '/' between names."""
  return '/'.join(key.key for key in keys)


def logical_axes(path: str, ndim: int) -> tuple[str | None, ...]:
  """Returns the logical axis of each dimension of a parameter.

  Raises:
    ValueError: if not exactly one row of the table matches, or the row is too long.
  """
  if path.endswith(ADAPTERS):
    return (None,) * ndim
  rows = [row for row in PARAMETERS if re.search(rf'(^|/){row}$', path)]
  if len(rows) != 1:
    raise ValueError(f'{len(rows)} rows of sharding.PARAMETERS match {path!r}, not 1: {rows}')
  axes = PARAMETERS[rows[0]]
  stacked = ndim - len(axes)
  if stacked not in (0, 1):
    raise ValueError(f'{path!r} has {ndim} dimensions, its row {rows[0]!r} names {axes}')
  return (None,) * stacked + axes


def partition_spec(axes: tuple[str | None, ...]) -> PartitionSpec:
  """Returns where dimensions with these logical axes are split."""
  return PartitionSpec(*(None if axis is None else MESH_AXES[axis] for axis in axes))


def parameter_shardings(params: Any, mesh: Mesh | None) -> Any:
  """Returns the `NamedSharding` of each parameter (arrays or shapes); None without a mesh.

  Raises:
    ValueError: if a dimension cannot be split as the table says; all such parameters are named.
  """
  if mesh is None:
    return None
  problems: list[str] = []

  def one(keys, array):
    path = path_of(keys)
    spec = partition_spec(logical_axes(path, len(array.shape)))
    for size, axes in zip(array.shape, spec, strict=True):
      parts = num_parts(mesh, axes)
      if size % parts:
        problems.append(f'{path} {tuple(array.shape)}: {size} into {parts} parts along {axes!r}')
    return NamedSharding(mesh, _canonical(spec, mesh))

  shardings = jax.tree.map_with_path(one, params)
  if problems:
    raise ValueError(
      'these parameters cannot be split over the mesh; change config.mesh:\n' + '\n'.join(problems)
    )
  return shardings


def _canonical(spec: PartitionSpec, mesh: Mesh) -> PartitionSpec:
  """Returns the spec as JAX writes that of a result, or the second update would compile anew."""
  names = [axes if num_parts(mesh, axes) > 1 else None for axes in spec]
  while names and names[-1] is None:
    names.pop()
  return PartitionSpec(*names)


def constrain_parameters(tree: Any) -> Any:
  """Asks the compiler to split a tree like that of parameters as the table says.

  For gradients, which it would rather have whole on every device; nothing without a mesh.
  """
  mesh = jax.sharding.get_abstract_mesh()
  if mesh.empty or mesh.size == 1:
    return tree
  return jax.tree.map_with_path(
    lambda keys, array: constrain(array, *logical_axes(path_of(keys), array.ndim)), tree
  )


def place_parameters(params: Any, mesh: Mesh | None) -> Any:
  """Puts parameters where the table says; without a mesh, on the device."""
  return jax.device_put(params, parameter_shardings(params, mesh))


def num_parts(mesh: Mesh | AbstractMesh, axes: str | tuple[str, ...] | None) -> int:
  """Returns into how many parts a dimension along these mesh axes is split."""
  names = (axes,) if isinstance(axes, str) else axes or ()
  return math.prod(mesh.shape[name] for name in names)


def prompt_parts(mesh: Mesh | None) -> int:
  """Returns into how many parts the prompts of a batch are split."""
  return 1 if mesh is None else num_parts(mesh, MESH_AXES['prompts'])


def place(tree: Any, mesh: Mesh | None, axis: int = 0) -> Any:
  """Puts arrays on the mesh, split along the prompts at `axis`; without a mesh, on the device.

  Raises:
    ValueError: if the prompts cannot be split evenly.
  """
  if mesh is None:
    return jax.device_put(tree)
  for array in jax.tree.leaves(tree):
    if array.shape[axis] % prompt_parts(mesh):
      raise ValueError(
        f'a batch of {array.shape[axis]} prompts (or rows) cannot be split into '
        f'{prompt_parts(mesh)} parts over the mesh axes {", ".join(MESH_AXES["prompts"] or ())}: '
        'change config.mesh, or the prompts of a step, minibatch or microbatch to a multiple of it'
      )
  spec = PartitionSpec(*([None] * axis), MESH_AXES['prompts'])
  return jax.device_put(tree, NamedSharding(mesh, spec))


def splits_tokens() -> bool:
  """Returns True inside a mesh that splits the tokens of a sequence."""
  mesh = jax.sharding.get_abstract_mesh()
  return not mesh.empty and mesh.shape.get('context', 1) > 1


def abstract(tree: Any, mesh: Mesh | None, *axes: str | None) -> Any:
  """Returns shapes of arrays as they lie on a mesh, for what is compiled without them.

  Args:
    tree: of arrays or shapes.
    mesh: devices, or None for one.
    *axes: logical axes of the first dimensions; an axis is left out where it does not divide.
  """

  def one(array: Any) -> jax.ShapeDtypeStruct:
    if mesh is None:
      return jax.ShapeDtypeStruct(array.shape, array.dtype)
    named = (*axes, *(None,) * len(array.shape))[: len(array.shape)]
    spec = _canonical(fitting(array.shape, named, mesh.shape), mesh)
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=NamedSharding(mesh, spec))

  return jax.tree.map(one, tree)


def fitting(
  sizes: Sequence[int], axes: Sequence[str | None], shape: Mapping[str, int]
) -> PartitionSpec:
  """Returns where dimensions are split: by the axes that the mesh has, if they divide.

  Args:
    sizes: of the dimensions.
    axes: their logical axes.
    shape: of the mesh.
  """
  spec = []
  for size, axis in zip(sizes, axes, strict=True):
    names = None if axis is None else MESH_AXES[axis]
    known = tuple(n for n in ((names,) if isinstance(names, str) else names or ()) if n in shape)
    parts = math.prod(shape[n] for n in known)
    spec.append(known if known and size % parts == 0 else None)
  return PartitionSpec(*spec)


def constrain(array: jax.Array, *axes: str | None) -> jax.Array:
  """Asks the compiler to split an activation as the table says; nothing without a mesh.

  Axes that the mesh has not are left out, so that models run within a mesh of one's own.

  Args:
    array: inside a jitted function.
    axes: logical axis of each dimension.
  """
  mesh = jax.sharding.get_abstract_mesh()
  if mesh.empty or mesh.size == 1:
    return array
  spec = fitting(array.shape, axes, mesh.shape)
  return jax.lax.with_sharding_constraint(array, spec)


def constrain_cache(cache: Any, *axes: str | None) -> Any:
  """Asks the compiler to split a cache as the table says; nothing without a mesh.

  Args:
    cache: stack name -> entry name -> array, its first axis the layers of the stack.
    axes: logical axes of the dimensions from behind the layers up to the tokens.
  """
  return {
    stack: {name: constrain(array, None, *axes, *CACHE[name]) for name, array in entries.items()}
    for stack, entries in cache.items()
  }
