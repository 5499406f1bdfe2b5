"""Tells the results of `run.py`: the paper's figures 2 and 3 on the built-in world, and tables.

  python experiments/r1_zero/plot.py --workdir=runs/r1_zero_claim

Pictures go beside this file: accuracy and response length of the three seeds and of the controls on
held-out problems. The tables of `results.jsonl` go to the terminal.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import app, flags
from matplotlib.figure import Figure

from r1jax.evaluation import charts
from r1jax.evaluation.judging import number_first
from r1jax.training import outcome, records

HERE = Path(__file__).parent
_WORKDIR = flags.DEFINE_string('workdir', 'runs/r1_zero_claim', 'Folder of the runs.')

PASS_AT_1, CONS_AT_16 = 'lenient/pass_at_1/mean', 'lenient/cons_at_k/mean'
SEEDS, ENDS = ('seed0', 'seed1', 'seed2'), ('base', 'trained')
GROUPS = {
  'R1-Zero (3 seeds)': (SEEDS, charts.BLUE),
  'accuracy alone': (('accuracy_only',), charts.GREEN),
  'format alone': (('format_only',), charts.ORANGE),
  'random reward': (('random_reward',), charts.GREY),
}
# The shallow half of the problems: 2 to 5 of 2 to 10 steps, and half of those with 6.
SHALLOW = {'2': 1.0, '3': 1.0, '4': 1.0, '5': 1.0, '6': 0.5}


def evaluations(workdir: Path, name: str) -> list[dict[str, Any]]:
  """Returns the validation evaluations of a run; raises ValueError if it was not made."""
  path = workdir / name / 'evaluations.jsonl'
  if not path.exists():
    raise ValueError(f'{path} is missing: run.py makes the runs')
  return [row for row in records.read(path) if row['split'] == 'validation']


def accuracy(workdir: Path) -> Figure:
  """Draws pass@1 over steps, a line a run, and cons@16 of the seeds."""
  note = '64 validation problems, 16 samples each at temperature 1; the last number counts.'
  fig = charts.figure('Accuracy on held-out problems', note)
  ax = charts.axes(fig, ylabel='pass@1')
  labels = curves(ax, workdir, PASS_AT_1)
  (names, color) = next(iter(GROUPS.values()))
  ends = []
  for name in names:
    series = charts.points(evaluations(workdir, name), CONS_AT_16)
    charts.measured(ax, series, color, dashed=True)
    ends.append(series.values[-1])
  labels.append(charts.Label(sum(ends) / len(ends), 'cons@16', color))
  charts.from_zero(ax, at_least=1.0)
  charts.as_percent(ax)
  charts.label_ends(ax, labels)
  return fig


def length(workdir: Path) -> Figure:
  """Draws the response length over steps, a line a run."""
  fig = charts.figure('Response length', 'The same answers; no reward on length.')
  ax = charts.axes(fig, ylabel='tokens')
  labels = curves(ax, workdir, 'length/mean')
  charts.from_zero(ax)
  charts.label_ends(ax, labels)
  return fig


def curves(ax: Any, workdir: Path, key: str) -> list[charts.Label]:
  """Draws a number of every run; returns a label a group, at the mean of its ends."""
  labels = []
  for label, (names, color) in GROUPS.items():
    ends = []
    for name in names:
      series = charts.points(evaluations(workdir, name), key)
      charts.measured(ax, series, color)
      ends.append(series.values[-1])
    labels.append(charts.Label(sum(ends) / len(ends), label, color))
  return labels


def table(rows: list[dict[str, Any]]) -> str:
  """Returns the test evaluations of the base model and of the trained ones, a line each."""
  lines = [
    '| Run | pass@1, lenient | pass@1, strict | shallow half | cons@16 | pass@64 '
    '| tokens | check themselves | wrong made right | right made wrong | minutes | GB |',
    '|' + ' --- |' * 12,
  ]
  for row in rows:
    if row['name'] == 'base_at_64':
      lines.append(line('base', row['base'], {}))
    else:
      lines.append(line(row['name'], row['trained'], row))
  return '\n'.join(lines)


def split_table(rows: list[dict[str, Any]], kind: str) -> str:
  """Returns base against trained, means over the three seeds, by 'depth' or by 'style'."""
  seeds = [row for row in rows if row['name'] in SEEDS]
  groups = sorted({g for row in seeds for g in row['trained'][f'by_{kind}']}, key=number_first)
  columns = ('share', 'pass_at_1', 'length') if kind == 'style' else ('pass_at_1', 'length')
  names = [f'{column.replace("_at_", "@")}, {end}' for column in columns for end in ENDS]
  lines = [f'| {" | ".join([kind, *names])} |', '|' + ' --- |' * (1 + len(names))]
  for group in groups:
    cells = [group]
    for column, end in itertools.product(columns, ENDS):
      cell = [row[end][f'by_{kind}'].get(group, {}).get(column) for row in seeds]
      found = [value for value in cell if value is not None]
      mean = sum(found) / len(found) if found else None
      is_length = column == 'length' and mean is not None
      cells.append(f'{mean:.1f}' if is_length else outcome.percent(mean))
    lines.append(f'| {" | ".join(cells)} |')
  return '\n'.join(lines)


def line(name: str, found: Mapping[str, Any], row: Mapping[str, Any]) -> str:
  """Returns a line of the table."""
  lenient = found['lenient']
  by_depth = {depth: found['by_depth'][depth] for depth in SHALLOW}
  weights = {depth: SHALLOW[depth] * cell['num_problems'] for depth, cell in by_depth.items()}
  right = sum(weights[depth] * cell['pass_at_1'] for depth, cell in by_depth.items())
  cells = [
    name,
    outcome.interval(lenient['pass_at_1']),
    outcome.interval(found['strict']['pass_at_1']),
    outcome.percent(right / sum(weights.values())),
    outcome.interval(lenient['cons_at_k']) if lenient['cons_at_k']['k'] == 16 else '',
    outcome.interval(lenient['pass_at_64']) if 'pass_at_64' in lenient else '',
    f'{found["length"]["mean"]:.1f}',
    *(outcome.percent(found[key]) for key in ('checks_itself', 'check_wrong_to_right')),
    outcome.percent(found['check_right_to_wrong']),
    f'{row["seconds"] / 60:.1f}' if row else '',
    f'{row["peak_bytes"] / 1e9:.2f}' if row else '',
  ]
  return f'| {" | ".join(cells)} |'


def main(argv: list[str]) -> None:
  """Writes the pictures and prints the table."""
  del argv
  workdir = Path(_WORKDIR.value)
  for name, draw in (('accuracy', accuracy), ('length', length)):
    (HERE / f'{name}.png').write_bytes(charts.png(draw(workdir)))
  rows = records.read(HERE / 'results.jsonl')
  print(table(rows), split_table(rows, 'depth'), split_table(rows, 'style'), sep='\n\n')


if __name__ == '__main__':
  app.run(main)
