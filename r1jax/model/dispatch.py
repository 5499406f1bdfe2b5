"""How tokens reach their experts on a mesh, and what experts make of them comes back.

Each device keeps its experts, and all tokens of its group along the mesh axis `expert` come to it:
they are gathered, the device computes the choices that are of its experts, and the sums go back to
where the tokens are (reduce-scatter). A token has Q choices, so with up to about Q devices in a
group it has to reach most of them anyhow, and an exchange of single rows would move as much.

Tokens come in chunks, so that what a group sends to one device stays small however long answers
are. No choice is dropped, though shapes are fixed: rows are computed in trips of an even share and
some more. One trip is the rule; a device whose experts are in demand takes as many as it needs.

Where matrices are split along the model's width too they are gathered, but for few tokens, as in
decoding: these then come to all devices of their experts, and each multiplies its part of the width
(`stationary`).

Letters: N tokens, Q experts chosen by a token.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from r1jax import sharding
from r1jax.model import experts as products
from r1jax.model import stationary
from r1jax.model.experts import Matrices, Rows

# Tokens of a group that are at one device at a time: 2^16 of width 7,168 take 0.9 GiB, and several
# times that beside each other in the derivative.
GROUP_TOKENS = 2**16
# Rows of a trip over a device's even share of its group's choices.
ROOM = 1.25
# They are a multiple of this.
ROW_MULTIPLE = 128


@dataclasses.dataclass(frozen=True)
class _Layout:
  """Which axes of a mesh, of more than one device, split what.

  Attributes:
    tokens, gate, down: of tokens `[P, G, T, ...]` and of matrices, for `shard_map`.
    of_tokens: axes that split tokens.
    of_experts: axes that split experts.
    embed: how the model's width is split in matrices.
    of_width: axes that split the experts' width.
    met: axes along which tokens come to experts: those that split both.
    parts: devices that share the experts.
  """

  tokens: PartitionSpec
  gate: PartitionSpec
  down: PartitionSpec
  of_tokens: tuple[str, ...]
  of_experts: tuple[str, ...]
  embed: stationary.Split
  of_width: tuple[str, ...]
  met: tuple[str, ...]
  parts: int


def _layout(x_PGTD, matrices: Matrices) -> _Layout:
  """Returns how the mesh of the scope splits tokens and experts."""
  mesh = jax.sharding.get_abstract_mesh()

  def split(array, *axes):
    return sharding.fitting(array.shape, axes, mesh.shape)

  tokens = split(x_PGTD, 'prompts', 'samples', 'tokens', None)
  gate = split(matrices[0], 'experts', 'embed', 'expert_mlp')
  down = split(matrices[2], 'experts', 'expert_mlp', 'embed')
  of_tokens = sharding.names_of(tokens, mesh)
  of_experts, of_embed, of_width = (sharding.names_of([entry], mesh) for entry in gate)
  met = tuple(name for name in of_experts if name in of_tokens)
  parts = sharding.num_parts(mesh, of_experts)
  embed = stationary.Split.of(of_embed, of_tokens)
  return _Layout(tokens, gate, down, of_tokens, of_experts, embed, of_width, met, parts)


def to_experts(x_PGTD, chosen_PGTQ, weight_PGTQ, matrices: Matrices):
  """Returns the weighted sum of each token's chosen experts, `[P, G, T, D]`.

  Args:
    x_PGTD: tokens.
    chosen_PGTQ: experts of each.
    weight_PGTQ: of their outputs, in the dtype of computation.
    matrices: `gate [E, D, F]`, `up [E, D, F]` and `down [E, F, D]` of the experts.
  """
  mesh = jax.sharding.get_abstract_mesh()
  if mesh.empty or mesh.size == 1:
    y_ND = products.grouped(_flat(x_PGTD), _flat(chosen_PGTQ), _flat(weight_PGTQ), matrices)
    return y_ND.reshape(x_PGTD.shape)
  return _on_mesh(x_PGTD, chosen_PGTQ, weight_PGTQ, matrices)


@jax.custom_vjp
def _on_mesh(x_PGTD, chosen_PGTQ, weight_PGTQ, matrices: Matrices):
  layout = _layout(x_PGTD, matrices)
  of_matrices = (layout.gate, layout.gate, layout.down)
  mesh = jax.sharding.get_abstract_mesh()
  tokens = math.prod(x_PGTD.shape[:3]) // sharding.num_parts(mesh, layout.of_tokens)
  are_few = layout.embed.is_for(mesh, tokens=tokens, width=x_PGTD.shape[-1])
  return jax.shard_map(
    functools.partial(_forward_of_few if are_few else _forward, layout),
    in_specs=(layout.tokens, layout.tokens, layout.tokens, of_matrices),
    out_specs=layout.tokens,
    check_vma=False,
  )(x_PGTD, chosen_PGTQ, weight_PGTQ, matrices)


def _save(x_PGTD, chosen_PGTQ, weight_PGTQ, matrices: Matrices):
  saved = (x_PGTD, chosen_PGTQ, weight_PGTQ, matrices)
  return _on_mesh(*saved), saved


def _derivative(saved, dy_PGTD):
  """What comes in between is computed again: so no more than a trip of it exists at a time."""
  x_PGTD, chosen_PGTQ, weight_PGTQ, matrices = saved
  layout = _layout(x_PGTD, matrices)
  of_matrices = (layout.gate, layout.gate, layout.down)
  dx, dweight, dmatrices = jax.shard_map(
    functools.partial(_backward, layout),
    in_specs=(layout.tokens, layout.tokens, layout.tokens, of_matrices, layout.tokens),
    out_specs=(layout.tokens, layout.tokens, of_matrices),
    check_vma=False,
  )(x_PGTD, chosen_PGTQ, weight_PGTQ, matrices, dy_PGTD)
  return dx, None, dweight, dmatrices


_on_mesh.defvjp(_save, _derivative)


def _forward(layout: _Layout, x_PGTD, chosen_PGTQ, weight_PGTQ, matrices: Matrices):
  """What a device does of `_on_mesh`."""
  matrices = _gathered(layout, matrices)

  def compute(_, tokens):
    x_ND, chosen_NQ, weight_NQ = _arrived(layout, *tokens)
    chosen_NQ = _own(layout, chosen_NQ, matrices)

    def add(y_ND, one):
      return y_ND + one(x_ND, weight_NQ, matrices)

    y_ND = _over_trips(layout, chosen_NQ, matrices, add, jnp.zeros_like(x_ND))
    return None, _returned(layout, y_ND)

  _, y_PGTD = _in_chunks(layout, compute, None, (x_PGTD, chosen_PGTQ, weight_PGTQ))
  return y_PGTD.reshape(x_PGTD.shape)


def _forward_of_few(layout: _Layout, x_PGTD, chosen_PGTQ, weight_PGTQ, matrices: Matrices):
  """What a device does of `_on_mesh` where tokens come to matrices that are parts of the width."""
  embed = layout.embed
  x_ND, chosen_NQ, weight_NQ = map(_flat, (x_PGTD, chosen_PGTQ, weight_PGTQ))
  moved = (embed.share(x_ND), embed.gather(chosen_NQ), embed.gather(weight_NQ))
  x_ND, chosen_NQ, weight_NQ = _arrived(layout, *moved)
  chosen_NQ = _own(layout, chosen_NQ, matrices)

  def whole(part):
    return jax.lax.psum(part.astype(jnp.float32), embed.names).astype(part.dtype)

  def add(y_ND, one):
    return y_ND + one(x_ND, weight_NQ, matrices)

  y_ND = _over_trips(layout, chosen_NQ, matrices, add, jnp.zeros_like(x_ND), whole)
  return embed.unshare(_returned(layout, y_ND)).reshape(x_PGTD.shape)


def _backward(layout: _Layout, x_PGTD, chosen_PGTQ, weight_PGTQ, matrices: Matrices, dy_PGTD):
  """What a device does of the derivative."""
  whole = _gathered(layout, matrices)

  def compute(sums, tokens):
    x_ND, chosen_NQ, weight_NQ, dy_ND = _arrived(layout, *tokens)
    chosen_NQ = _own(layout, chosen_NQ, whole)
    primals = (x_ND, weight_NQ, whole)

    def add(sums, one):
      _, pull = jax.vjp(one, *primals)
      return jax.tree.map(jnp.add, sums, pull(dy_ND))

    zeros = jax.tree.map(jnp.zeros_like, primals)
    dx_ND, dweight_NQ, dmatrices = _over_trips(layout, chosen_NQ, whole, add, zeros)
    return (
      jax.tree.map(jnp.add, sums, dmatrices),
      (_returned(layout, dx_ND), _returned(layout, dweight_NQ)),
    )

  # In float32: in chunks there may be many sums.
  zeros = jax.tree.map(lambda matrix: jnp.zeros(matrix.shape, jnp.float32), whole)
  tokens = (x_PGTD, chosen_PGTQ, weight_PGTQ, dy_PGTD)
  sums, (dx, dweight) = _in_chunks(layout, compute, zeros, tokens)
  dmatrices = jax.tree.map(lambda total, matrix: total.astype(matrix.dtype), sums, whole)
  return (
    dx.reshape(x_PGTD.shape),
    dweight.reshape(weight_PGTQ.shape),
    _scattered(layout, dmatrices),
  )


def _in_chunks(layout: _Layout, compute: Callable, sums: Any, tokens: tuple[jax.Array, ...]):
  """Returns what computing all tokens gives, no more than `GROUP_TOKENS` of a group at a time.

  Args:
    layout: of the mesh.
    compute: of sums and some of the tokens, `[N, ...]`, the new sums and what these tokens give.
    sums: to begin with.
    tokens: arrays of a device's tokens, `[P, G, T, ...]`.
  """
  flat = tuple(map(_flat, tokens))
  number = flat[0].shape[0]
  most = max(GROUP_TOKENS // math.prod(map(jax.lax.axis_size, layout.met)), 1)
  if number <= most:
    return compute(sums, flat)
  count = math.ceil(number / most)
  size = math.ceil(number / count)

  def split(array):
    # What is behind the last token has the weight 0.
    padded = jnp.pad(array, [(0, count * size - number), (0, 0)])
    return padded.reshape(count, size, array.shape[-1])

  sums, parts = jax.lax.scan(compute, sums, jax.tree.map(split, flat))
  return sums, jax.tree.map(lambda array: _flat(array)[:number], parts)


def _over_trips(
  layout: _Layout,
  chosen_NQ,
  matrices: Matrices,
  add: Callable[[Any, Callable[..., jax.Array]], Any],
  sums: Any,
  whole: Callable[[jax.Array], jax.Array] = products.as_it_is,
) -> Any:
  """Returns sums to which each trip was added.

  Args:
    layout: of the mesh.
    chosen_NQ: experts of each token, by their number on the device.
    matrices: of the device's experts.
    add: of the sums and a function of tokens, weights and matrices that computes a trip's share.
    sums: to begin with.
    whole: of what a device has of products of tokens with `gate` or `up`, the products.
  """
  num_experts, num_tokens = matrices[0].shape[0], chosen_NQ.shape[0]
  share = math.ceil(chosen_NQ.size / layout.parts)
  size = chosen_NQ.size
  if layout.parts > 1:
    size = min(size, math.ceil(share * ROOM / ROW_MULTIPLE) * ROW_MULTIPLE)
  if products.is_dense(num_tokens, size, num_experts):
    return add(sums, lambda x, weight, own: products.dense(x, chosen_NQ, weight, own, whole))
  rows = products.sort(chosen_NQ, num_experts)

  def trip(number, sums):
    part = _part(rows, number * size, size)
    return add(sums, lambda x, weight, own: products.weighted_sum(x, weight, own, part, whole))

  # For whoever counts operations (`aot.hlo`): choices are even but for a little.
  with jax.named_scope(f'expected_rows_{share}'), jax.named_scope('expected_trips_1'):
    if size == chosen_NQ.size:
      return trip(0, sums)
    trips = (jnp.sum(rows.size_E) + size - 1) // size
    return jax.lax.fori_loop(0, trips, trip, sums)


def _part(rows: Rows, first, size: int) -> Rows:
  """Returns so many rows from the first one on."""
  none = rows.choice_M.size
  choice_M = rows.choice_M.at[first + jnp.arange(size)].get(mode='fill', fill_value=none)
  ends_E = jnp.cumsum(rows.size_E)
  within = [jnp.clip(limit - first, 0, size) for limit in (ends_E - rows.size_E, ends_E)]
  return Rows(choice_M, within[1] - within[0])


def _own(layout: _Layout, chosen_NQ, matrices: Matrices):
  """Returns experts by their number on the device; those of others have none."""
  if not layout.of_experts:
    return chosen_NQ
  return chosen_NQ - jax.lax.axis_index(layout.of_experts) * matrices[0].shape[0]


def _flat(array):
  return array.reshape(-1, array.shape[-1])


def _arrived(layout: _Layout, *arrays):
  """Returns the tokens of the group, `[N, ...]`."""
  if not layout.met:
    return arrays
  return tuple(jax.lax.all_gather(array, layout.met, tiled=True) for array in arrays)


def _returned(layout: _Layout, sums):
  """Returns each token's sum over the group to where the token is; the opposite of `_arrived`."""
  if layout.met:
    sums = jax.lax.psum_scatter(sums, layout.met, tiled=True)
  shared = tuple(name for name in layout.of_experts if name not in layout.met)
  others = shared + layout.of_width
  return jax.lax.psum(sums, others) if others else sums


def _gathered(layout: _Layout, matrices: Matrices) -> Matrices:
  """Returns the matrices of the device's experts with all of the model's width."""
  if not layout.embed.axes:
    return matrices
  gather = functools.partial(jax.lax.all_gather, axis_name=layout.embed.names, tiled=True)
  gate, up, down = matrices
  return gather(gate, axis=1), gather(up, axis=1), gather(down, axis=2)


def _scattered(layout: _Layout, sums: Matrices) -> Matrices:
  """Returns gradients of matrices, summed over all tokens; the opposite of `_gathered`."""
  # Devices along other axes computed the same, or other experts or widths.
  axes = tuple(name for name in layout.of_tokens if name not in layout.met)
  summed = tuple(name for name in axes if name not in layout.embed.names)

  def one(array, axis):
    # From the axis that cuts the largest parts to that which cuts the smallest.
    for name in layout.embed.names:
      if name in axes:
        array = jax.lax.psum_scatter(array, name, scatter_dimension=axis, tiled=True)
      else:
        size = array.shape[axis] // jax.lax.axis_size(name)
        first = jax.lax.axis_index(name) * size
        array = jax.lax.dynamic_slice_in_dim(array, first, size, axis)
    return jax.lax.psum(array, summed) if summed else array

  gate, up, down = sums
  return one(gate, 1), one(up, 1), one(down, 2)
