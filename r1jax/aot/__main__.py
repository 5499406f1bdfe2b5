"""Compiles a recipe for chips that need not be at hand, and says what its programs take.

  python -m r1jax.aot --config=configs/zero.py --topology=v5e:4x4

Without a topology, for the devices that there are. Needs neither weights nor data: the shape of the
model is that of the config.json in `init_from`, or of the published model of that name.
"""

import json
import sys
from pathlib import Path

import jax
from absl import app, flags
from ml_collections import config_flags
from rich.console import Console
from rich.table import Table

from r1jax.aot import recipe, report, topologies
from r1jax.command import parse

_CONFIG = config_flags.DEFINE_config_file('config', None, 'File of the recipe.', lock_config=True)
_TOPOLOGY = flags.DEFINE_string('topology', None, "Chips, such as 'v5p:8x16x16'.")
_PROGRAMS = flags.DEFINE_list('programs', [], "Names of those to compile, as 'update'; else all.")
_OUTPUT = flags.DEFINE_string('output', None, 'File that gets the numbers, as a line of JSON.')

_WIDEST = 1000  # Characters of a table.


def compile_recipe(argv: list[str]) -> None:
  """Prints a table; what a user can mend is said in a line."""
  if len(argv) > 1:
    raise app.UsageError(f'unknown arguments: {" ".join(argv[1:])}')
  try:
    if _TOPOLOGY.value:
      chip, devices = topologies.describe(_TOPOLOGY.value)
      memory_bytes: int | None = chip.memory_bytes
    else:
      devices = jax.devices()
      memory_bytes = topologies.memory_of(devices[0])
    stages = [(one, one.programs) for one in recipe.read(_CONFIG.value, devices)]
    _check_names([program.name for _, programs in stages for program in programs])
    for stage, programs in stages:
      # Some programs are there with some settings alone.
      chosen = [one for one in programs if one.name in (_PROGRAMS.value or report.HELP)]
      if not chosen:
        continue
      where, found = _TOPOLOGY.value or f'{len(devices)} x {devices[0].device_kind}', []
      try:
        for one in report.compile_all(iter(chosen), stage.config, stage.mesh):
          # A large program takes minutes.
          done = 'does not fit' if one.fault else 'is compiled'
          print(f'{stage.name}: {one.name} {done}, after {one.seconds:.0f} s', file=sys.stderr)
          found.append(one)
      finally:  # What was compiled until then is told, whatever ended it.
        if found:
          _tell(found, memory_bytes, stage.name, where)
  except (ValueError, OSError, RuntimeError) as error:
    sys.exit(f'{type(error).__name__}: {error}')


def _tell(found: list[report.Compiled], memory_bytes: int | None, stage: str, where: str) -> None:
  """Prints what was compiled, and adds it to the file."""
  _print(report.table(found, memory_bytes=memory_bytes, title=f'{stage} on {where}'))
  print('\n'.join(report.notes(found, memory_bytes=memory_bytes)))
  if _OUTPUT.value:
    row = {'stage': stage, 'devices': where, 'programs': [one.to_dict() for one in found]}
    with Path(_OUTPUT.value).open('a') as file:
      file.write(json.dumps(row) + '\n')


def _check_names(names: list[str]) -> None:
  """Raises an error for programs that no stage can have, or if no stage has one of them."""
  asked = set(_PROGRAMS.value)
  if asked - report.HELP.keys() or (asked and not asked & set(names)):
    there_are = ', '.join(dict.fromkeys(names))
    raise ValueError(
      f'--programs={",".join(_PROGRAMS.value)}; those of this recipe are {there_are}'
    )


def _print(table: Table) -> None:
  """Prints a table whole: on a narrow terminal, or where there is none, lines are long."""
  width = Console(width=_WIDEST).measure(table).maximum
  Console(width=width).print(table)


if __name__ == '__main__':
  flags.mark_flag_as_required('config')
  app.run(compile_recipe, flags_parser=parse)
