"""Chips that are not at hand, as libtpu describes them to the compiler."""

import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any

import jax

GIB = 1 << 30


@dataclasses.dataclass(frozen=True)
class Chip:
  """A kind of TPU (https://cloud.google.com/tpu/docs/system-architecture-tpu-vm).

  Attributes:
    memory_bytes: that programs can have of a chip, as the compiler says when it is not enough.
    dimensions: of its network.
  """

  memory_bytes: int
  dimensions: int


CHIPS: Mapping[str, Chip] = {
  'v5e': Chip(int(15.75 * GIB), 2),
  'v5p': Chip(int(95.74 * GIB), 3),
  'v6e': Chip(int(31.25 * GIB), 2),
}


def describe(topology: str) -> tuple[Chip, list[Any]]:
  """Returns the kind of chip and the devices of a topology such as 'v5p:8x16x16'.

  Raises:
    ValueError: there is no such topology; says what can be asked for.
    RuntimeError: libtpu, which knows them, is not installed.
  """
  kind, _, sizes = topology.partition(':')
  chip = CHIPS.get(kind)
  if chip is None or not re.fullmatch(r'\d+(x\d+)*', sizes):
    raise ValueError(
      f'topology is {topology!r}; it is a kind of chip ({", ".join(CHIPS)}) and the sizes of its '
      "network, such as 'v5e:4x4' or 'v5p:8x16x16'"
    )
  if sizes.count('x') + 1 != chip.dimensions:
    raise ValueError(f'topology is {topology!r}, but the network of {kind} is {chip.dimensions}D')
  # What libtpu would ask a TPU's host for.
  os.environ.setdefault('TPU_SKIP_MDS_QUERY', '1')
  from jax.experimental import topologies

  # A host has several chips, unless there are fewer in all.
  bounds = {'chips_per_host_bounds': [1, 1, 1]} if set(sizes.split('x')) == {'1'} else {}
  try:
    description = topologies.get_topology_desc(platform='tpu', topology_name=topology, **bounds)
  except (RuntimeError, ValueError) as error:
    if not isinstance(error, jax.errors.JaxRuntimeError) and 'not installed' in str(error):
      raise RuntimeError(
        "topologies are described by libtpu, which is not installed: pip install -e '.[aot]'"
      ) from error
    raise ValueError(f'topology is {topology!r}: {str(error).splitlines()[0]}') from error
  return chip, list(description.devices)


def memory_of(device: jax.Device) -> int | None:
  """Returns the bytes that programs have of a device at hand; None where it does not say."""
  return (device.memory_stats() or {}).get('bytes_limit')
