"""Checks that batches and groups can be cut over their devices."""

import functools
import operator
from collections.abc import Sequence

from absl import logging
from jax.sharding import Mesh

from r1jax.section import Section
from r1jax.sharding import MESH_AXES, num_parts, prompt_parts


def check_parts(section: Section, count: str, parts: Sequence[str], mesh: Mesh | None) -> None:
  """Raises an error unless a batch can be cut into its parts, and each of them over the mesh.

  Args:
    section: settings of the stage.
    count: field with the rows of the batch.
    parts: fields with numbers of parts.
    mesh: devices.
  """
  devices = prompt_parts(mesh)
  rows, *cuts = [section.take(name, int, least=1) for name in (count, *parts)]
  needed = functools.reduce(operator.mul, cuts, devices)
  if rows % needed:
    raise section.error(
      f'{count} is {rows}; it must be a multiple of {needed} = '
      f'{" x ".join(parts)} x {devices} devices (mesh axes data, fsdp and expert)'
    )


def warn_of_group(group_size: int, mesh: Mesh | None) -> None:
  """Warns of a group that the devices cannot share while its answers are sampled."""
  parts = 1 if mesh is None else num_parts(mesh, MESH_AXES['samples'])
  if group_size % parts:
    logging.warning(
      'config.rl.sampling.group_size is %d, no multiple of the %d devices along mesh.context: each '
      'of them samples the whole group. Trained on, answers are split by their tokens.',
      group_size,
      parts,
    )
