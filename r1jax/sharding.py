"""Sharding as a table: parameter path -> logical axes -> mesh axes.

Model code is single-device code; this module says where its arrays live. Every parameter of every
family matches exactly one row of `PARAMETERS`, and every logical axis has a row in `MESH_AXES`.

Mesh axes: `data` copies parameters and splits the batch; `fsdp` splits both; `tensor` splits heads,
feed-forward widths and the vocabulary; `expert` splits experts, and the batch elsewhere; `context`
splits the samples of a group, or where these do not divide the tokens of each; and parameters as
`fsdp` does: where it is large, little else is left to do so.
"""

import dataclasses
import functools
import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from r1jax import hosts

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
  r'attention/(query|key|value)_up': ('rank', 'heads', None),
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
  'embed': ('fsdp', 'context'),
  'rank': ('fsdp', 'context'),
  'vocab': 'tensor',
  'heads': 'tensor',
  'kv_heads': 'tensor',
  'mlp': 'tensor',
  'experts': 'expert',
  'expert_mlp': 'tensor',
  'prompts': ('data', 'fsdp', 'expert'),
  'samples': 'context',
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
  sizes, kinds = shape.resolve(len(devices)), (AxisType.Auto,) * len(AXES)
  try:
    return jax.make_mesh(sizes, AXES, axis_types=kinds, devices=devices)
  except NotImplementedError:
    # The sizes are no products of those of the chips' network: its axes are cut.
    placed = mesh_utils.create_device_mesh(sizes, devices, allow_split_physical_axes=True)
    return Mesh(placed, AXES, axis_types=kinds)


def acquaint(mesh: Mesh) -> None:
  """Lets all groups of devices that a mesh may reduce over find each other.

  On CPUs of several processes a group has half a minute for that, from when its first device asks
  for it, and compiling may set processes apart by more; here they are together.
  """
  if hosts.is_alone() or mesh.devices.flat[0].platform != 'cpu':
    return
  split = tuple(axis for axis in AXES if mesh.shape[axis] > 1)
  groups = [g for size in range(len(split)) for g in itertools.combinations(split, size + 1)]

  def sums(one: jax.Array) -> list[jax.Array]:
    return [jax.lax.psum(one, group) for group in groups]

  # Another number on each device, lest the compiler know the sums.
  split_all = PartitionSpec(AXES)
  asked = jax.shard_map(sums, mesh=mesh, in_specs=split_all, out_specs=split_all, check_vma=False)
  jax.block_until_ready(jax.jit(asked)(np.arange(mesh.size)))


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
  names: list[Any] = []
  for axes in spec:
    kept = tuple(n for n in ((axes,) if isinstance(axes, str) else axes or ()) if mesh.shape[n] > 1)
    names.append(kept if len(kept) > 1 else kept[0] if kept else None)
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


def names_of(
  entries: Iterable[str | tuple[str, ...] | None], mesh: Mesh | AbstractMesh
) -> tuple[str, ...]:
  """Returns the mesh axes, of more than one device, that a spec or entries of one name."""
  several = ((entry,) if isinstance(entry, str) else entry or () for entry in entries)
  return tuple(name for entry in several for name in entry if mesh.shape[name] > 1)


def prompt_parts(mesh: Mesh | None) -> int:
  """Returns into how many parts the prompts of a batch are split."""
  return 1 if mesh is None else num_parts(mesh, MESH_AXES['prompts'])


def division(mesh: Mesh | None) -> hosts.Division:
  """Returns which prompts of a batch lie in which process.

  Raises:
    ValueError: processes hold some of each other's prompts, and not all.
  """
  if mesh is None or hosts.is_alone():
    return hosts.Division(prompt_parts(mesh), (tuple(range(prompt_parts(mesh))),))
  held: list[set[int]] = [set() for _ in range(jax.process_count())]
  device: Any
  parts = NamedSharding(mesh, _prompts_at(0)).devices_indices_map((prompt_parts(mesh),))
  for device, (part,) in parts.items():
    held[device.process_index].add(part.indices(prompt_parts(mesh))[0])
  return hosts.divided(held, jax.process_index())


def _prompts_at(axis: int) -> PartitionSpec:
  return PartitionSpec(*([None] * axis), MESH_AXES['prompts'])


def place(tree: Any, mesh: Mesh | None, axis: int = 0) -> Any:
  """Puts arrays on the mesh, split along the prompts at `axis`; without a mesh, on the device.

  Args:
    tree: arrays with the prompts of this process, those of its `division`.
    mesh: devices, or None for one.
    axis: of the prompts.

  Raises:
    ValueError: if the prompts cannot be split evenly.
  """
  if mesh is None:
    return jax.device_put(tree)
  divided = division(mesh)
  for array in jax.tree.leaves(tree):
    count = array.shape[axis] * len(divided.blocks)
    if count % prompt_parts(mesh):
      raise ValueError(
        f'a batch of {count} prompts (or rows) cannot be split into '
        f'{prompt_parts(mesh)} parts over the mesh axes {", ".join(MESH_AXES["prompts"] or ())}: '
        'change config.mesh, or the prompts of a step, minibatch or microbatch to a multiple of it'
      )
  split = NamedSharding(mesh, _prompts_at(axis))
  if hosts.is_alone():
    return jax.device_put(tree, split)
  return jax.tree.map(lambda array: _place_own(np.asarray(array), split, divided, axis), tree)


def _place_own(
  array: np.ndarray, split: NamedSharding, divided: hosts.Division, axis: int
) -> jax.Array:
  """Returns the array of all processes, of which this one gives its own prompts."""
  count = array.shape[axis] * len(divided.blocks)
  shape = (*array.shape[:axis], count, *array.shape[axis + 1 :])
  own = divided.rows(count)

  def part(index: tuple[slice, ...] | None) -> np.ndarray:
    assert index is not None
    start, stop, _ = index[axis].indices(count)
    first = int(np.searchsorted(own, start))  # The rows of a device follow each other.
    return array[(*index[:axis], slice(first, first + stop - start), *index[axis + 1 :])]

  return jax.make_array_from_callback(shape, split, part, dtype=array.dtype)


def fetch(tree: Any, mesh: Mesh | None, axis: int = 0) -> Any:
  """Returns arrays on the host: of several processes, the prompts of this one; undoes `place`."""
  if mesh is None or hosts.is_alone():
    return jax.device_get(tree)
  return jax.tree.map(functools.partial(_own, axis=axis), _laid(tree, mesh, _prompts_at(axis)))


def _own(array: jax.Array, axis: int) -> np.ndarray:
  """Returns the parts along an axis that the devices of this process hold, joined in order."""
  parts = {shard.index[axis].start or 0: shard.data for shard in array.addressable_shards}
  return np.concatenate([np.asarray(parts[start]) for start in sorted(parts)], axis=axis)


def whole(tree: Any, mesh: Mesh | None) -> Any:
  """Returns arrays on the host, all of them in every process; for what is small."""
  if mesh is None or hosts.is_alone():
    return jax.device_get(tree)
  return jax.device_get(_laid(tree, mesh, PartitionSpec()))


def reader(array: Any) -> Callable[[tuple[int, ...]], np.ndarray]:
  """Returns what reads parts of an array onto the host, by their index along the leading axes.

  Of an array that lies in several processes, a part at a time is put together, in all of them.
  """
  if isinstance(array, jax.Array) and not array.is_fully_addressable:
    assert isinstance(array.sharding, NamedSharding)
    part = _part(array.sharding.mesh)
    return lambda place: np.asarray(part(array, place))
  found = np.asarray(array)
  return lambda place: found[place]


@functools.lru_cache
def _part(mesh: Mesh) -> Callable[..., jax.Array]:
  everywhere = NamedSharding(mesh, PartitionSpec())
  return jax.jit(lambda array, place: array[place], out_shardings=everywhere)


@functools.lru_cache
def _layer(mesh: Mesh, spec: PartitionSpec) -> Callable[[Any], Any]:
  return jax.jit(lambda tree: tree, out_shardings=NamedSharding(mesh, spec))


def _laid(tree: Any, mesh: Mesh, spec: PartitionSpec) -> Any:
  """Returns arrays as they lie when they are split so."""
  return _layer(mesh, spec)(tree)


def context_parts() -> int:
  """Returns how many devices of the mesh that one is inside of share the answers to a prompt."""
  mesh = jax.sharding.get_abstract_mesh()
  return 1 if mesh.empty else mesh.shape.get('context', 1)


def sample_parts(num_samples: int) -> int:
  """Returns into how many parts the mesh that one is inside of splits the samples of a group.

  Whole samples need nothing of each other, so that tokens are split where samples cannot be.
  """
  return context_parts() if num_samples % context_parts() == 0 else 1


def token_parts(num_samples: int) -> int:
  """Returns into how many parts the mesh splits the tokens of each of so many samples."""
  return context_parts() // sample_parts(num_samples)


def on_each_device(function: Callable, inputs: Sequence[tuple[jax.Array, tuple]]) -> jax.Array:
  """Returns what a function gives for each device's share of its inputs, put together.

  For kernels that the compiler cannot split by itself; without a mesh, just the function's result.

  Args:
    function: of arrays; what it returns is split as its first argument is.
    inputs: arrays, each with the logical axes of its dimensions.
  """
  arrays = [array for array, _ in inputs]
  mesh = jax.sharding.get_abstract_mesh()
  if mesh.empty or mesh.size == 1:
    return function(*arrays)
  specs = tuple(fitting(array.shape, axes, mesh.shape) for array, axes in inputs)
  # The kernel does not say over which axes its results vary.
  return jax.shard_map(function, in_specs=specs, out_specs=specs[0], check_vma=False)(*arrays)


def platform() -> str:
  """Returns what is traced is to run on, as 'tpu': that of the mesh, or of this process."""
  mesh = jax.sharding.get_abstract_mesh()
  device = None if mesh.empty else mesh.abstract_device
  return jax.default_backend() if device is None else device.platform


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

  An axis of the mesh splits the first dimension that it can.

  Args:
    sizes: of the dimensions.
    axes: their logical axes.
    shape: of the mesh.
  """
  spec: list[tuple[str, ...] | None] = []
  for size, axis in zip(sizes, axes, strict=True):
    names = None if axis is None else MESH_AXES[axis]
    known = tuple(n for n in ((names,) if isinstance(names, str) else names or ()) if n in shape)
    parts = math.prod(shape[n] for n in known)
    taken = any(set(known) & set(other) for other in spec if other)
    spec.append(known if known and not taken and size % parts == 0 else None)
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
  return over_cache(constrain, cache, *axes)


def over_cache(change: Callable[..., Any], cache: Any, *axes: str | None) -> Any:
  """Returns a cache whose arrays are changed.

  Args:
    change: of an array and the logical axes of its dimensions.
    cache: as in `constrain_cache`.
    axes: as in `constrain_cache`.
  """
  return {
    stack: {name: change(array, None, *axes, *CACHE[name]) for name, array in entries.items()}
    for stack, entries in cache.items()
  }
