"""The figures of a run: the paper's figures 2 and 3 in our data, and what else to watch.

Each function draws plain data: metrics (a mapping per step, as in `metrics.jsonl`) and evaluations
(as `r1jax.evaluation.report` describes them). arXiv:2501.12948, figures 2 and 3.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from r1jax.evaluation import charts
from r1jax.evaluation.judging import number_first
from r1jax.training import outcome, records

Records = Sequence[Mapping[str, Any]]


def accuracy(metrics: Records, evaluations: Records) -> Figure:
  """Draws pass@1 and cons@k of the evaluations, and the accuracy in training, over steps."""
  training = charts.points(metrics, 'accuracy')
  k = next((e['strict']['cons_at_k']['k'] for e in evaluations if 'cons_at_k' in e['strict']), None)
  fig = charts.figure(
    'Accuracy',
    f'On {_problems(evaluations)}, strict or lenient; in training, any format. Shaded: 95%.',
  )
  ax = charts.axes(fig, ylabel='share of right answers')
  labels = []
  if training:
    charts.noisy(ax, training, charts.GREEN, width=1.4)
    labels.append(_end(charts.smooth(training), 'training', charts.GREEN))
  for name, key, color, dashed in (
    (f'cons@{k}', 'strict/cons_at_k', charts.ORANGE, False),
    ('pass@1 lenient', 'lenient/pass_at_1', charts.PURPLE, True),
    ('pass@1', 'strict/pass_at_1', charts.BLUE, False),
  ):
    labels += _estimate(ax, evaluations, name, key, color, dashed=dashed)
  charts.from_zero(ax, at_least=1.0)
  charts.as_percent(ax)
  charts.label_ends(ax, labels)
  return fig


def response_length(metrics: Records, evaluations: Records) -> Figure:
  """Draws the average response length over steps, in training and on held-out problems.

  Fields of the metrics named `length/<style>` are drawn as lines of their own, and `length_std` as
  a band.
  """
  training, held_out = charts.points(metrics, 'length'), charts.points(evaluations, 'length/mean')
  spread = charts.points(metrics, 'length_std')
  note = f'Tokens per answer, in training and to {_problems(evaluations)}.'
  if spread:
    note += ' Shaded: ±1 std.'
  fig = charts.figure('Average response length', note)
  ax = charts.axes(fig, ylabel='tokens')
  labels = []
  for style, color in zip(_inside(metrics, 'length/'), itertools.cycle(charts.CYCLE[2:])):
    series = charts.points(metrics, f'length/{style}')
    charts.noisy(ax, series, color, width=1.2)
    labels.append(_length_end(charts.smooth(series), style, color))
  if training:
    if spread:
      _spread(ax, training, spread)
    charts.noisy(ax, training, charts.BLUE)
    labels.append(_length_end(charts.smooth(training), 'training', charts.BLUE))
  if held_out:
    charts.measured(ax, held_out, charts.ORANGE)
    labels.append(_length_end(held_out, 'held out', charts.ORANGE))
  charts.from_zero(ax)
  charts.label_ends(ax, labels)
  return fig


def rewards(metrics: Records) -> Figure:
  """Draws the reward and its terms over steps: accuracy, format and every `reward/<term>`."""
  terms = ['accuracy', 'format', *(f'reward/{term}' for term in _inside(metrics, 'reward/'))]
  fig = charts.figure('Reward and its terms', 'Mean over the sampled answers of each step.')
  ax = charts.axes(fig, ylabel='reward')
  labels = []
  for key, color in zip(['reward', *terms], itertools.cycle(charts.CYCLE)):
    if series := charts.points(metrics, key):
      charts.noisy(ax, series, color, width=2.0 if key == 'reward' else 1.4)
      last = charts.smooth(series).values[-1]
      labels.append(charts.Label(last, f'{_short(key.removeprefix("reward/"))} {last:.2f}', color))
  charts.from_zero(ax)
  charts.label_ends(ax, labels)
  return fig


def self_checking(evaluations: Records) -> Figure:
  """Draws the share of answers that check themselves, and what their checks turn out to do."""
  fig = charts.figure(
    'Answers that check themselves',
    f'Share of answers to {_problems(evaluations)}; share of checks that mend or harm.',
  )
  ax = charts.axes(fig, ylabel='share')
  labels = []
  for name, key, color in (
    ('check', 'checks_itself', charts.BLUE),
    ('wrong to right', 'check_wrong_to_right', charts.GREEN),
    ('right to wrong', 'check_right_to_wrong', charts.ORANGE),
  ):
    if series := charts.points(evaluations, key):
      charts.measured(ax, series, color)
      labels.append(_end(series, name, color))
  charts.from_zero(ax, at_least=0.1)
  charts.as_percent(ax)
  charts.label_ends(ax, labels)
  return fig


def without_signal(metrics: Records) -> Figure:
  """Draws the shares of samples that teach nothing: groups without variance, truncated answers."""
  fig = charts.figure(
    'Samples that teach little', 'Groups whose rewards are all equal; answers cut at the limit.'
  )
  ax = charts.axes(fig, ylabel='share')
  labels = []
  for name, key, color in (
    ('no variance', 'zero_variance_fraction', charts.ORANGE),
    ('truncated', 'truncated_fraction', charts.PURPLE),
  ):
    if series := charts.points(metrics, key):
      charts.noisy(ax, series, color)
      labels.append(_end(charts.smooth(series), name, color))
  charts.from_zero(ax, at_least=0.05)
  charts.as_percent(ax)
  charts.label_ends(ax, labels)
  return fig


_HEALTH = (
  ('kl', 'KL to the reference, nats', charts.BLUE),
  ('entropy', 'entropy of a token, nats', charts.PURPLE),
  ('clip_fraction', 'clipped tokens', charts.ORANGE),
  ('mismatch', 'largest sampling mismatch, nats', charts.GREEN),
)


def health(metrics: Records) -> Figure:
  """Draws the signs that the policy moves soundly, each over steps in a panel of its own."""
  fig = charts.figure(
    'How the policy moves', 'Means over the tokens of a step; of the mismatch the maximum.'
  )
  height = fig.get_size_inches()[1]
  grid = fig.add_gridspec(
    2,
    2,
    left=0.1,
    right=0.97,
    top=1 - 0.85 / height,
    bottom=0.3 / height,
    hspace=0.6,
    wspace=0.3,
  )
  for place, (key, title, color) in enumerate(_HEALTH):
    ax = fig.add_subplot(grid[divmod(place, 2)])
    charts.style(ax, xlabel='', ylabel='', size=9)
    ax.set_title(title, loc='left', size=9, color=charts.INK)
    if series := charts.points(metrics, key):
      charts.noisy(ax, series, color, width=1.4)
    charts.from_zero(ax, at_least=0.01 if key == 'clip_fraction' else 0.0)
    if key == 'clip_fraction':
      charts.as_percent(ax)
  return fig


def seconds(metrics: Records) -> Figure:
  """Draws the seconds of a step by phase, stacked; a phase that a step has not takes none."""
  phases = _inside(metrics, 'seconds/')
  steps = np.asarray([record['step'] for record in metrics], float)
  fig = charts.figure('Where the time goes', 'Seconds of a step by phase; at the right the mean.')
  ax = charts.axes(fig, ylabel='seconds')
  labels, below = [], np.zeros(len(steps))
  for phase, color in zip(phases, itertools.cycle(charts.CYCLE)):
    taken = np.asarray([record.get(f'seconds/{phase}') or 0 for record in metrics], float)
    above = below + charts.smooth(charts.Points(steps, taken)).values
    ax.fill_between(steps, below, above, color=color, alpha=0.75, linewidth=0)
    middle = (below[-1] + above[-1]) / 2
    labels.append(charts.Label(middle, f'{phase} {taken.mean():.2f} s', color))
    below = above
  charts.from_zero(ax)
  charts.label_ends(ax, labels)
  return fig


def by_depth(base: Mapping[str, Any], trained: Mapping[str, Any]) -> Figure:
  """Draws pass@1 and response length of two evaluations by the depth of the problems."""
  fig = charts.figure('By depth of the problem', f'Base against trained, on {_problems([base])}.')
  height = fig.get_size_inches()[1]
  grid = fig.add_gridspec(
    1, 2, left=0.1, right=0.98, top=1 - 0.95 / height, bottom=0.54 / height, wspace=0.28
  )
  for place, (key, title) in enumerate((('pass_at_1', 'pass@1'), ('length', 'tokens'))):
    ax = fig.add_subplot(grid[place])
    charts.style(ax, xlabel='depth', ylabel='', size=9)
    ax.set_title(title, loc='left', size=9, color=charts.INK)
    _bars(ax, base['by_depth'], trained['by_depth'], key)
    charts.from_zero(ax, at_least=1.0)
    if key == 'pass_at_1':
      charts.as_percent(ax)
  for x, name, color in ((0.72, 'base', charts.GREY), (0.82, 'trained', charts.BLUE)):
    fig.text(x, 1 - 0.33 / height, name, va='top', size=9, weight='bold', color=color)
  return fig


def figures(metrics: Records, evaluations: Records) -> dict[str, Figure]:
  """Returns the figures that the data supports, by name; more splits than one are told apart."""
  found: dict[str, Figure] = {}
  for number, (split, group) in enumerate(_splits(evaluations).items()):
    suffix = f'_{re.sub(r"[^0-9A-Za-z]+", "_", split)}' if number else ''
    found |= {f'{name}{suffix}': fig for name, fig in _of_split(metrics, group).items()}
  if metrics and not evaluations:
    found = _of_split(metrics, [])
  if metrics:
    found |= {
      'rewards': rewards(metrics),
      'without_signal': without_signal(metrics),
      'health': health(metrics),
    }
  if _inside(metrics, 'seconds/'):
    found['seconds'] = seconds(metrics)
  return found


def read(workdir: str | Path) -> tuple[Records, Records]:
  """Returns the metrics and evaluations of a run; what is not there is empty."""
  files = (Path(workdir) / 'metrics.jsonl', Path(workdir) / 'evaluations.jsonl')
  metrics, evaluations = (records.read(file) if file.exists() else [] for file in files)
  return metrics, evaluations


def save_all(workdir: str | Path) -> dict[str, Path]:
  """Draws the figures of a run into `<workdir>/plots` and returns their paths by name."""
  folder = Path(workdir) / 'plots'
  paths = {}
  for name, fig in figures(*read(workdir)).items():
    paths[name] = folder / f'{name}.png'
    records.replace_file(paths[name], charts.png(fig))
  return paths


def _of_split(metrics: Records, evaluations: Records) -> dict[str, Figure]:
  found = {
    'accuracy': accuracy(metrics, evaluations),
    'response_length': response_length(metrics, evaluations),
  }
  if charts.points(evaluations, 'checks_itself'):
    found['self_checking'] = self_checking(evaluations)
  if len(evaluations) > 1 and evaluations[0].get('by_depth') and evaluations[-1].get('by_depth'):
    found['by_depth'] = by_depth(evaluations[0], evaluations[-1])
  return found


def _estimate(
  ax: Axes, evaluations: Records, name: str, key: str, color: str, *, dashed: bool
) -> list[charts.Label]:
  """Draws an estimate with its interval; returns its label, if there is anything to draw."""
  mean = charts.points(evaluations, f'{key}/mean')
  if not mean:
    return []
  if not dashed:
    low, high = (charts.points(evaluations, f'{key}/{bound}') for bound in ('low', 'high'))
    charts.band(ax, low, high, color)
  charts.measured(ax, mean, color, dashed=dashed)
  return [_end(mean, name, color)]


def _end(series: charts.Points, name: str, color: str) -> charts.Label:
  last = series.values[-1]
  return charts.Label(last, f'{name} {outcome.percent(last)}', color)


def _length_end(series: charts.Points, name: str, color: str) -> charts.Label:
  last = series.values[-1]
  return charts.Label(last, f'{name} {last:.1f}', color)


def _spread(ax: Axes, mean: charts.Points, std: charts.Points) -> None:
  steps, centre = charts.smooth(mean)
  reach = np.interp(steps, *charts.smooth(std))
  low = charts.Points(steps, (centre - reach).clip(0))
  charts.band(ax, low, charts.Points(steps, centre + reach), charts.BLUE)


def _bars(ax: Axes, base: Mapping[str, Any], trained: Mapping[str, Any], key: str) -> None:
  depths = sorted({*base, *trained}, key=number_first)
  for shift, values, color in ((-0.2, base, charts.GREY), (0.2, trained, charts.BLUE)):
    known = {place: values[d][key] for place, d in enumerate(depths) if d in values}
    bars = {place + shift: height for place, height in known.items() if height is not None}
    ax.bar(list(bars), list(bars.values()), width=0.38, color=color)
  ax.set_xticks(range(len(depths)), labels=[str(depth) for depth in depths])


def _short(name: str) -> str:
  """Returns the end of a long name, such as the path of a reward term."""
  return name if len(name) <= 24 else f'…{name[-23:]}'


def _inside(metrics: Records, prefix: str) -> list[str]:
  """Returns what follows a prefix in the names of metrics, in order of first appearance."""
  names = dict.fromkeys(key for record in metrics for key in record if key.startswith(prefix))
  return [name.removeprefix(prefix) for name in names]


def _problems(evaluations: Records) -> str:
  """Returns which problems were asked, such as '256 test problems'."""
  first = evaluations[0] if evaluations else {}
  words = (str(first.get('num_problems', '')), first.get('split', 'held-out'), 'problems')
  return ' '.join(word for word in words if word)


def _splits(evaluations: Records) -> dict[str, list[Mapping[str, Any]]]:
  splits: dict[str, list[Mapping[str, Any]]] = {}
  for evaluation in evaluations:
    splits.setdefault(evaluation['split'], []).append(evaluation)
  return splits
