"""Draws the curves of `run.py`: the paper's figures 2 and 3 on the built-in world.

Accuracy and response length of the three seeds and of the controls on held-out problems.
"""

from pathlib import Path

from absl import app, flags
from matplotlib.figure import Figure

from r1jax.evaluation import charts
from r1jax.training import records

HERE = Path(__file__).parent
_WORKDIR = flags.DEFINE_string('workdir', 'runs/r1_zero', 'Folder of the runs.')

GROUPS = {
  'accuracy + format (3 seeds)': (('seed0', 'seed1', 'seed2'), charts.BLUE),
  'accuracy alone': (('accuracy_only',), charts.GREEN),
  'format alone': (('format_only',), charts.ORANGE),
  'random reward': (('random_reward',), charts.GREY),
}


def curves(workdir: Path, key: str, title: str, note: str, ylabel: str) -> Figure:
  """Draws a number of the validation evaluations over steps, a line a run."""
  fig = charts.figure(title, note)
  ax = charts.axes(fig, ylabel=ylabel)
  labels = []
  for label, (names, color) in GROUPS.items():
    last = []
    for name in names:
      path = workdir / name / 'evaluations.jsonl'
      if path.exists():
        found = [row for row in records.read(path) if row['split'] == 'validation']
        series = charts.points(found, key)
        charts.measured(ax, series, color)
        last.append(series.values[-1])
    if last:
      labels.append(charts.Label(sum(last) / len(last), label, color))
  charts.from_zero(ax)
  if ylabel == 'pass@1':
    charts.as_percent(ax)
  charts.label_ends(ax, labels)
  return fig


def main(argv: list[str]) -> None:
  """Writes the pictures beside this file."""
  del argv
  workdir = Path(_WORKDIR.value)
  held_out = '64 validation problems, 16 samples each at temperature 1; the last number counts.'
  figures = {
    'accuracy': curves(
      workdir, 'lenient/pass_at_1/mean', 'Accuracy on held-out problems', held_out, 'pass@1'
    ),
    'length': curves(
      workdir, 'length/mean', 'Response length', 'The same answers; no reward on length.', 'tokens'
    ),
  }
  for name, fig in figures.items():
    (HERE / f'{name}.png').write_bytes(charts.png(fig))


if __name__ == '__main__':
  app.run(main)
