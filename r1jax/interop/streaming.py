"""Arrays that are filled on their devices, part by part, and never are whole on the host."""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Sharding, SingleDeviceSharding

from r1jax.interop.layouts import Ranges, Shape

# Arrays of so many bytes are put together on the host: each shape to be filled is compiled for.
SMALL_BYTES = 64 << 20


class Target:
  """An array in the making; every part of it that is held here is written once."""

  def __init__(self, shape: Shape, dtype: np.dtype, sharding: Sharding | None):
    """Takes memory on the devices of this process, or on the host for a small array.

    Args:
      shape: of the whole array.
      dtype: of its numbers.
      sharding: which device holds what; of several processes each fills what its devices hold.
        None for the default device.
    """
    self._shape, self._sharding = shape, sharding
    self._whole: np.ndarray | None = None
    self._pieces: dict[jax.Device, jax.Array] = {}
    if sharding is None:
      sharding = SingleDeviceSharding(jnp.zeros(()).device)
    self._ranges: dict[jax.Device, Ranges] = {
      device: [part.indices(size)[:2] for part, size in zip(index or (), shape)]
      for device, index in sharding.addressable_devices_indices_map(shape).items()
    }
    if math.prod(shape) * dtype.itemsize <= SMALL_BYTES:
      self._whole = np.empty(shape, dtype)
      return
    self._sharding = sharding
    for device, ranges in self._ranges.items():
      size = tuple(stop - start for start, stop in ranges)
      self._pieces[device] = _zeros(size, dtype, SingleDeviceSharding(device))

  def held(self, place: tuple[int, ...]) -> Ranges | None:
    """Returns which part of what stands at a place the devices of this process hold.

    Args:
      place: index along the leading axes.

    Returns:
      The least ranges along the other axes that have the parts of all devices; None without any.
    """
    return hull([ranges[len(place) :] for ranges in self._ranges.values() if _has(ranges, place)])

  def write(self, place: tuple[int, ...], part: np.ndarray, starts: Sequence[int] = ()) -> None:
    """Writes a part, and waits until it is where it belongs.

    Args:
      place: index of the part along the leading axes.
      part: what stands there, all along the other axes or at least all that `held` returns.
      starts: where it begins along the other axes; 0 by default.
    """
    starts = starts or [0] * part.ndim
    if self._whole is not None:
      own = self._whole[place]
      own[tuple(slice(at, at + size) for at, size in zip(starts, part.shape))] = part
      return
    leading = len(place)
    for device, ranges in self._ranges.items():
      if _has(ranges, place):
        own = part[tuple(slice(a - at, b - at) for at, (a, b) in zip(starts, ranges[leading:]))]
        start = [at - first for at, (first, _) in zip(place, ranges)] + [0] * own.ndim
        own = jax.device_put(own[(None,) * leading], device)
        self._pieces[device] = _update(self._pieces[device], own, start)
    jax.block_until_ready(list(self._pieces.values()))

  def finish(self) -> jax.Array:
    """Returns the array; the target is of no use any more."""
    whole = self._whole
    if self._sharding is None:
      return jax.device_put(whole)
    if whole is not None:
      return jax.make_array_from_callback(self._shape, self._sharding, lambda index: whole[index])
    pieces = list(self._pieces.values())
    return jax.make_array_from_single_device_arrays(self._shape, self._sharding, pieces)


def hull(found: Sequence[Ranges | None]) -> Ranges | None:
  """Returns the least ranges that have all of those given; None where none are."""
  given = [ranges for ranges in found if ranges is not None]
  if not given:
    return None
  return [(min(starts), max(stops)) for starts, stops in (zip(*axis) for axis in zip(*given))]


def _has(ranges: Ranges, place: tuple[int, ...]) -> bool:
  return all(start <= at < stop for at, (start, stop) in zip(place, ranges))


def _zeros(shape: Shape, dtype: np.dtype, sharding: SingleDeviceSharding) -> jax.Array:
  return jax.jit(lambda: jnp.zeros(shape, dtype), out_shardings=sharding)()


@functools.partial(jax.jit, donate_argnums=0)
def _update(whole: jax.Array, part: jax.Array, start: list[int]) -> jax.Array:
  return jax.lax.dynamic_update_slice(whole, part.astype(whole.dtype), start)
