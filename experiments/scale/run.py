"""What the recipes take of the chips that they are for, compiled without them.

  python experiments/scale/run.py [--recipes=qwen:0.5b,deepseek:v3] [--programs=decode,update]
  python experiments/scale/run.py --largest=answers,trained,batch,microbatch [--recipes=qwen:0.5b]

Each compilation adds a line to `results.jsonl` beside this file, as `python -m r1jax.aot` gives it,
with date, commit and versions; then `table.md` is written anew, of the last line of each recipe and
program. Large programs take many minutes, and libtpu lets one process compile at a time.

With `--largest` it is asked how far a number of a recipe can be doubled before its programs fit the
chips no longer (`QUESTIONS`).
"""

import collections
import dataclasses
import datetime
import functools
import importlib
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from absl import app, flags
from ml_collections import ConfigDict

from r1jax import runner
from r1jax.aot import report, topologies

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


@dataclasses.dataclass(frozen=True)
class Question:
  """How far a number of a recipe can be doubled.

  Attributes:
    asks: what the number is.
    programs: that must fit.
    number: of a recipe as it stands.
    fields: of a recipe, for another number.
    limit: the largest that is tried; None if there is none.
  """

  asks: str
  programs: tuple[str, ...]
  number: Callable[[ConfigDict], int]
  fields: Callable[[ConfigDict, int], dict[str, int]]
  limit: int | None = None


def answer_tokens(config: ConfigDict) -> int:
  """Returns the tokens of the longest answer."""
  return config.rl.sampling.max_completion_tokens


def microbatch(config: ConfigDict) -> int:
  """Returns the questions of a microbatch."""
  settings = config.rl.settings
  return settings.prompts_per_step // (settings.num_minibatches * settings.num_microbatches)


def smallest_batch(config: ConfigDict) -> int:
  """Returns how many questions a batch has at least, one for each part of the mesh."""
  return config.mesh.data * config.mesh.fsdp * config.mesh.expert


_ROLLOUT = ('encode prompts', 'shrink batch', 'decode')
_BACKWARD = ('gradient', 'update')
_LONGEST = 32_768  # The paper's, of its first 8,200 steps.
QUESTIONS: Mapping[str, Question] = {
  'answers': Question(
    'tokens of an answer, sampled and scored (one question on each part of the mesh)',
    (*_ROLLOUT, 'score'),
    answer_tokens,
    lambda config, tokens: {
      'rl.sampling.max_completion_tokens': tokens,
      'rl.settings.prompts_per_step': smallest_batch(config),
      'rl.settings.num_microbatches': 1,
    },
    _LONGEST,
  ),
  'trained': Question(
    "tokens of an answer, trained on (the recipe's microbatch)",
    _BACKWARD,
    answer_tokens,
    lambda config, tokens: {'rl.sampling.max_completion_tokens': tokens},
    _LONGEST,
  ),
  'batch': Question(
    'questions, sampled at once',
    _ROLLOUT,
    lambda config: config.rl.settings.prompts_per_step,
    lambda config, questions: {
      'rl.settings.prompts_per_step': questions,
      'rl.settings.num_microbatches': questions // microbatch(config),
    },
  ),
  'microbatch': Question(
    'questions of a microbatch',
    _BACKWARD,
    microbatch,
    lambda config, questions: {
      'rl.settings.prompts_per_step': questions * config.rl.settings.num_microbatches
    },
  ),
}


def read(recipe: str) -> tuple[str, ConfigDict]:
  """Returns the chips that a recipe is for, as 'v5p:8x8x16', and the recipe."""
  family, _, name = recipe.partition(':')
  module = importlib.import_module(f'configs.{family}')
  return module.RECIPES[name]['hardware'], module.get_config(name)


def memory_of(chips: str) -> int:
  """Returns the bytes of one of these chips."""
  return topologies.CHIPS[chips.partition(':')[0]].memory_bytes


def compile_recipe(recipe: str, programs: Iterable[str], fields: Mapping[str, int]) -> dict:
  """Compiles programs of a recipe in a process of its own; returns what `--output` gives.

  Args:
    recipe: as 'deepseek:v3'.
    programs: names of them; all of them if there are none.
    fields: what is not as the recipe has it.
  """
  family, _, name = recipe.partition(':')
  with tempfile.TemporaryDirectory() as folder:
    output = Path(folder) / 'out.jsonl'
    command = [sys.executable, '-m', 'r1jax.aot', f'--config=configs/{family}.py:{name}']
    command += [f'--topology={read(recipe)[0]}', f'--output={output}']
    command += [f'--config.{field}={number}' for field, number in fields.items()]
    command += [f'--programs={",".join(programs)}'] if programs else []
    subprocess.run(command, cwd=ROOT, check=True)
    return json.loads(output.read_text('utf-8'))


def largest(recipe: str, asked: str, add: Callable[[dict[str, Any]], None]) -> None:
  """Doubles a number of a recipe until its programs do not fit, or its limit is reached.

  Args:
    recipe: as 'deepseek:v3'.
    asked: name of the question.
    add: takes what each compilation gives.
  """
  question, (chips, config) = QUESTIONS[asked], read(recipe)
  number = 2 * question.number(config)
  while number <= (question.limit or math.inf):
    row = compile_recipe(recipe, question.programs, question.fields(config, number))
    add({'asked': asked, 'number': number, **row})
    if not fits(row, memory_of(chips)):
      return
    number *= 2


def fits(row: Mapping[str, Any], memory_bytes: int) -> bool:
  """Returns whether all programs of a line fit."""
  return not any(one['fault'] or one['total_bytes'] > memory_bytes for one in row['programs'])


def tables(rows: Iterable[Mapping[str, Any]]) -> str:
  """Returns two Markdown tables of lines of `results.jsonl`; of what recurs the last counts.

  Lines of a recipe for other chips than it has now do not count.
  """
  plain, asked = [], collections.defaultdict(dict)
  for row in rows:
    if row['devices'] != read(row['recipe'])[0]:
      continue
    if 'asked' in row:
      asked[row['recipe'], row['asked']][row['number']] = row
    else:
      plain.append(row)
  last = {(row['recipe'], one['name']): (row, one) for row in plain for one in row['programs']}
  text = '# Recipes on their chips\n\nWritten by `run.py`.\n\n' + programs_table(last)
  if asked:
    text += '\n## How far they go\n\n' + largest_table(last, asked)
  return text


def programs_table(last: Mapping[tuple[str, str], Any]) -> str:
  """Returns a table: of each recipe and program its memory, operations and bytes moved."""
  lines = [
    "| Recipe | Chips | Program | GiB a chip | of | Temporaries | Over the model's | GiB moved "
    '| Commit |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
  ]
  order = [*report.HELP]  # As a step runs them.
  in_order = sorted(last.items(), key=lambda item: (_place(item), order.index(item[0][1])))
  for (recipe, name), (row, program) in in_order:
    memory, ratio = program['memory'], program['ratio']
    cells = (
      recipe,
      row['devices'],
      name,
      f'{program["total_bytes"] / GIB:.1f}' if memory else f'does not fit: {program["fault"]}',
      f'{memory_of(row["devices"]) / GIB:.2f}',
      f'{memory["temporaries"] / GIB:.1f}' if memory else '',
      f'{ratio:.2f}' if ratio else '',
      f'{sum(program["cost"]["collective_bytes"].values()) / GIB:.1f}' if program['cost'] else '',
      row['versions']['commit'][:7],
    )
    lines.append(f'| {" | ".join(cells)} |')
  return '\n'.join(lines) + '\n'


def largest_table(
  last: Mapping[tuple[str, str], Any], asked: Mapping[tuple[str, str], Mapping[int, Any]]
) -> str:
  """Returns a table: of each recipe and question the largest number that fits.

  It is below all that do not fit; none if the recipe as it stands does not, or was not compiled.
  """
  lines = [
    '| Recipe | Chips | What | In the recipe | Largest that fits | GiB a chip | Too large |',
    '| --- | --- | --- | --- | --- | --- | --- |',
  ]
  in_order = sorted(asked.items(), key=lambda item: (_place(item), [*QUESTIONS].index(item[0][1])))
  for (recipe, name), found in in_order:
    question, (chips, config) = QUESTIONS[name], read(recipe)
    memory_bytes, number = memory_of(chips), question.number(config)
    own = [last[recipe, program][1] for program in question.programs if (recipe, program) in last]
    tried = {n: row['programs'] for n, row in found.items()} | ({number: own} if own else {})
    failing = [n for n, programs in tried.items() if not fits({'programs': programs}, memory_bytes)]
    too_large = min(failing, default=None)
    most = max((n for n in tried if too_large is None or n < too_large), default=None)
    cells = (
      recipe,
      chips,
      question.asks,
      f'{number:,}',
      f'{most:,}' if most and number in tried else '',
      f'{max(one["total_bytes"] for one in tried[most]) / GIB:.1f}' if most else '',
      f'{too_large:,}' if too_large else '',
    )
    lines.append(f'| {" | ".join(cells)} |')
  return '\n'.join(lines) + '\n'


def _place(item: tuple[tuple[str, str], Any]) -> int:
  """Recipes in their order, and what is of one as it stands."""
  recipe = item[0][0]
  return RECIPES.index(recipe) if recipe in RECIPES else len(RECIPES)


def add(recipe: str, found: Mapping[str, Any]) -> None:
  """Adds a line to the results, and writes the tables."""
  results = HERE / 'results.jsonl'
  row = {
    'date': datetime.date.today().isoformat(),
    'recipe': recipe,
    'versions': runner.versions(),
    **found,
  }
  with results.open('a', encoding='utf-8') as file:
    file.write(json.dumps(row) + '\n')
  rows = [json.loads(line) for line in results.read_text('utf-8').splitlines()]
  (HERE / 'table.md').write_text(tables(rows), 'utf-8')


def main(_: list[str]) -> None:
  """Compiles the recipes one after the other."""
  for recipe in flags.FLAGS.recipes:
    if not flags.FLAGS.largest:
      add(recipe, compile_recipe(recipe, flags.FLAGS.programs, {}))
    for asked in flags.FLAGS.largest:
      largest(recipe, asked, functools.partial(add, recipe))


if __name__ == '__main__':
  flags.DEFINE_list('recipes', list(RECIPES), 'Which recipes.')
  flags.DEFINE_list('programs', [], 'Which of their programs; all if none is named.')
  flags.DEFINE_list('largest', [], f'Which of {", ".join(QUESTIONS)} to double while it fits.')
  app.run(main)
