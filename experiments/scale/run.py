"""What the recipes take of the chips that they are for, compiled without them.

  python experiments/scale/run.py [--recipes=qwen:0.5b,deepseek:v3] [--programs=decode,update]

Each recipe adds a line to `results.jsonl` beside this file, as `python -m r1jax.aot` gives it, with
date, commit and versions; then `table.md` is written anew, of the last line of each recipe and
program. Large programs take many minutes, and libtpu lets one process compile at a time.
"""

import datetime
import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from absl import app, flags

from r1jax import runner
from r1jax.aot import topologies

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))  # For the configs.
GIB = 1 << 30
# What the table is to tell, from the smallest; `family:recipe`.
RECIPES = (
  'qwen:0.5b',
  'qwen:1.5b-lora',
  'qwen:7b',
  'deepseek:v2-lite',
  'qwen:32b',
  'qwen:32b-v6e',
  'deepseek:v3-v6e',
  'deepseek:v3-512',
  'deepseek:v3',
  'deepseek:v3-2048',
)


def hardware_of(recipe: str) -> str:
  """Returns the chips that a recipe is for, as 'v5p:8x8x16'."""
  family, _, name = recipe.partition(':')
  return importlib.import_module(f'configs.{family}').RECIPES[name]['hardware']


def compile_recipe(recipe: str, programs: list[str]) -> dict[str, Any]:
  """Compiles programs of a recipe in a process of its own; returns what `--output` gives."""
  family, _, name = recipe.partition(':')
  with tempfile.TemporaryDirectory() as folder:
    output = Path(folder) / 'out.jsonl'
    command = [sys.executable, '-m', 'r1jax.aot', f'--config=configs/{family}.py:{name}']
    command += [f'--topology={hardware_of(recipe)}', f'--output={output}']
    command += [f'--programs={",".join(programs)}'] if programs else []
    subprocess.run(command, cwd=ROOT, check=True)
    return json.loads(output.read_text('utf-8'))


def table(rows: Iterable[Mapping[str, Any]]) -> str:
  """Returns a Markdown table: of each recipe and program its memory, operations and bytes moved.

  Args:
    rows: lines of `results.jsonl`; of a program that stands in several the last counts.
  """
  last: dict[tuple[str, str], tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
  for row in rows:
    for program in row['programs']:
      last[row['recipe'], program['name']] = row, program
  lines = [
    "| Recipe | Chips | Program | GiB a chip | of | Temporaries | Over the model's | GiB moved |",
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
  ]
  for (recipe, name), (row, program) in sorted(last.items(), key=_place):
    of = topologies.CHIPS[row['devices'].partition(':')[0]].memory_bytes / GIB
    memory, ratio = program['memory'], program['ratio']
    cells = (
      recipe,
      row['devices'],
      name,
      f'{program["total_bytes"] / GIB:.1f}' if memory else f'does not fit: {program["fault"]}',
      f'{of:.0f}',
      f'{memory["temporaries"] / GIB:.1f}' if memory else '',
      f'{ratio:.2f}' if ratio else '',
      f'{sum(program["cost"]["collective_bytes"].values()) / GIB:.1f}' if program['cost'] else '',
    )
    lines.append(f'| {" | ".join(cells)} |')
  return '\n'.join(lines) + '\n'


def _place(item: tuple[tuple[str, str], Any]) -> tuple[int, str]:
  """Recipes in their order, programs as they stand."""
  recipe = item[0][0]
  return (RECIPES.index(recipe) if recipe in RECIPES else len(RECIPES), recipe)


def main(_: list[str]) -> None:
  """Compiles the recipes one after the other."""
  results = HERE / 'results.jsonl'
  for recipe in flags.FLAGS.recipes:
    found = compile_recipe(recipe, flags.FLAGS.programs)
    row = {
      'date': datetime.date.today().isoformat(),
      'recipe': recipe,
      'versions': runner.versions(),
      **found,
    }
    with results.open('a', encoding='utf-8') as file:
      file.write(json.dumps(row) + '\n')
    rows = [json.loads(line) for line in results.read_text('utf-8').splitlines()]
    (HERE / 'table.md').write_text(
      '# Recipes on their chips\n\nWritten by `run.py`.\n\n' + table(rows)
    )


if __name__ == '__main__':
  flags.DEFINE_list('recipes', list(RECIPES), 'Which recipes.')
  flags.DEFINE_list('programs', [], 'Which of their programs; all if none is named.')
  app.run(main)
