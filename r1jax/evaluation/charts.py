"""How our figures look: axes, lines with bands, labels where the lines end.

Colours are those of Okabe and Ito, which stay apart for colour-blind readers
(https://jfly.uni-koeln.de/color/). Figures are built without pyplot, so that drawing them leaves no
state behind.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

INK, MUTED, GRID = '#1f2430', '#5b6472', '#d8dce3'
BLUE, ORANGE, GREEN = '#0072b2', '#d55e00', '#009e73'
PURPLE, GREY, AMBER = '#aa4499', '#98a1b0', '#b97f00'
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, AMBER, GREY)

_WIDTH_INCHES, _DPI = 5.4, 200
_FONT_POINTS = 10
_SMALL_POINTS = 9.0
_LEFT = 0.13  # where axes begin, as a share of the figure's width


class Points(NamedTuple):
  """Values over steps."""

  steps: np.ndarray
  values: np.ndarray

  def __bool__(self) -> bool:
    return len(self.steps) > 0


class Label(NamedTuple):
  """A text for the end of a line that ends at a height."""

  height: float
  text: str
  color: str


def points(records: Sequence[Mapping[str, Any]], key: str) -> Points:
  """Returns the finite values of a field over steps.

  Args:
    records: metrics or evaluations, each with its `step`.
    key: the field; `a/b` also finds b inside a.
  """
  found = [(record['step'], _field(record, key)) for record in records]
  finite = [(step, value) for step, value in found if value is not None and np.isfinite(value)]
  array = np.asarray(finite, float).reshape(-1, 2)
  return Points(array[:, 0], array[:, 1])


def smooth(series: Points) -> Points:
  """Returns the mean over the twentieth of the run around each step, to tell trend from noise."""
  reach = len(series.values) // 40
  total = np.concatenate([[0.0], np.cumsum(series.values)])
  index = np.arange(len(series.values))
  start, end = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(index))
  return Points(series.steps, (total[end] - total[start]) / (end - start))


def figure(title: str, note: str, *, height: float = 3.5) -> Figure:
  """Returns an empty figure that says in its title what it shows, and in a note how to read it."""
  fig = Figure(figsize=(_WIDTH_INCHES, height), dpi=_DPI, facecolor='white')
  fig.text(0.02, 1 - 0.10 / height, title, va='top', size=12, weight='bold', color=INK)
  fig.text(0.02, 1 - 0.33 / height, note, va='top', size=_SMALL_POINTS, color=MUTED)
  return fig


def axes(fig: Figure, *, ylabel: str, xlabel: str = 'step') -> Axes:
  """Returns the only axes of a figure."""
  height = fig.get_size_inches()[1]
  ax = fig.add_axes((_LEFT, 0.54 / height, 0.97 - _LEFT, 1 - 1.18 / height))
  style(ax, xlabel=xlabel, ylabel=ylabel)
  return ax


def style(ax: Axes, *, xlabel: str, ylabel: str, size: float = _FONT_POINTS) -> None:
  """Gives axes our look: no box, a light grid, whole numbers of steps."""
  ax.spines[['top', 'right', 'left']].set_visible(False)
  ax.spines['bottom'].set_color(MUTED)
  ax.grid(axis='y', color=GRID, linewidth=0.8)
  ax.set_axisbelow(True)
  ax.tick_params(colors=MUTED, labelsize=size - 1, length=0)
  ax.set_xlabel(xlabel, color=MUTED, size=size)
  ax.set_ylabel(ylabel, color=MUTED, size=size)
  ax.margins(x=0.02)
  ticks = 6 if size == _FONT_POINTS else 4
  ax.xaxis.set_major_locator(MaxNLocator(ticks, integer=True, steps=[1, 2, 5, 10]))
  ax.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f'{step:,.0f}'))
  ax.yaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]))
  ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:,.4g}'))


def from_zero(ax: Axes, *, at_least: float = 0.0) -> None:
  """Lets the vertical axis begin at 0, unless values are negative, and reach a height."""
  low, high = ax.dataLim.y0, ax.dataLim.y1
  if low >= 0:
    ax.set_ylim(0, max(1.05 * high, at_least) or 1)


def as_percent(ax: Axes) -> None:
  """Shows the shares on the vertical axis as percent."""
  ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f'{100 * share:.3g}%'))


def measured(ax: Axes, series: Points, color: str, *, dashed: bool = False) -> None:
  """Draws a series whose few points were measured with care: a line with markers.

  Start and end alone are joined by dots: what lies between was not measured.
  """
  width, marker, dash = (1.4, 3.0, (4.0, 2.0)) if dashed else (2.0, 4.5, (None, None))
  if ends_alone(series):
    width, dash = 1.0, (1.0, 3.0)
  (line,) = ax.plot(*series, color=color, linewidth=width, marker='o', markersize=marker)
  line.set_dashes(dash)
  line.set_clip_on(False)  # a marker on the edge of the axes is seen in full


def ends_alone(series: Points) -> bool:
  """Returns True if nothing was measured between start and end."""
  return len(series.steps) < 3


def noisy(ax: Axes, series: Points, color: str, *, width: float = 2.0) -> None:
  """Draws a series that jumps from step to step: faint as it is, and its trend in full."""
  ax.plot(series.steps, series.values, color=color, linewidth=0.8, alpha=0.35)
  ax.plot(*smooth(series), color=color, linewidth=width)


def band(ax: Axes, low: Points, high: Points, color: str) -> None:
  """Draws an interval around a line; where there are ends alone, a bar at each of them."""
  if ends_alone(low):
    bars = ax.vlines(low.steps, low.values, high.values, color=color, alpha=0.35, linewidth=4)
    bars.set_clip_on(False)
  else:
    ax.fill_between(low.steps, low.values, high.values, color=color, alpha=0.16, linewidth=0)


def label_ends(ax: Axes, labels: Sequence[Label]) -> None:
  """Writes labels to the right of where lines end, without overlap."""
  if not labels:
    return
  _make_room(ax, max(len(label.text) for label in labels))
  low, high = ax.get_ylim()
  wanted = np.asarray([(label.height - low) / (high - low) for label in labels])
  places = _apart(wanted, _line_height(ax))
  for place, label in zip(places, labels):
    ax.annotate(
      label.text,
      (1, place),
      xycoords='axes fraction',
      xytext=(6, 0),
      textcoords='offset points',
      va='center',
      size=_FONT_POINTS - 0.5,
      color=label.color,
      annotation_clip=False,
    )


def png(fig: Figure) -> bytes:
  """Returns a figure as a PNG file."""
  buffer = io.BytesIO()
  fig.savefig(buffer, format='png')
  return buffer.getvalue()


def svg(fig: Figure, name: str) -> str:
  """Returns a figure as an SVG element to stand inside a page.

  Its inks become the page's custom properties (`--ink`, `--blue`, ...), so that the figure is as
  dark or light as the page, and its texts the page's font; its ids begin with the name, so that
  figures of one page do not meddle with each other.
  """
  buffer = io.StringIO()
  with matplotlib.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': name}):
    fig.savefig(
      buffer,
      format='svg',
      transparent=True,
      metadata=dict.fromkeys(('Creator', 'Date', 'Format', 'Type')),
    )
  text = re.sub(r'^.*?(?=<svg)', '', buffer.getvalue(), flags=re.DOTALL)
  text = re.sub(r'<metadata>.*?</metadata>', '', text, flags=re.DOTALL)
  text = re.sub(r' xmlns(:\w+)?="[^"]*"', '', text)
  text = re.sub(r'\bid="', f'id="{name}-', text)
  text = re.sub(r'(url\(|href=")#', rf'\1#{name}-', text)
  return re.sub(r'#[0-9a-f]{6}\b', lambda match: _PROPERTIES.get(match[0], match[0]), text)


_PROPERTIES = {
  INK: 'var(--ink)', MUTED: 'var(--muted)', GRID: 'var(--grid)',
  BLUE: 'var(--blue)', ORANGE: 'var(--orange)', GREEN: 'var(--green)',
  PURPLE: 'var(--purple)', GREY: 'var(--grey)', AMBER: 'var(--amber)',
}  # fmt: skip


def _field(record: Mapping[str, Any], key: str) -> Any:
  if key in record:
    return record[key]
  outer, _, inner = key.partition('/')
  inside = record.get(outer)
  return _field(inside, inner) if inner and isinstance(inside, Mapping) else None


def _make_room(ax: Axes, characters: int) -> None:
  """Narrows the axes so that labels of so many characters stand at their right."""
  place = ax.get_position()
  text_inches = 0.6 * characters * _FONT_POINTS / 72
  right = 0.98 - (text_inches + 0.1) / _WIDTH_INCHES
  ax.set_position((place.x0, place.y0, right - place.x0, place.height))


def _line_height(ax: Axes) -> float:
  """Returns the height of a line of label text as a fraction of the axes' height."""
  height_pixels = ax.get_window_extent().height
  return 1.25 * _FONT_POINTS / 72 * _DPI / height_pixels


def _apart(wanted: np.ndarray, gap: float) -> np.ndarray:
  """Returns heights at least a gap apart, in the same order, as near to the wanted as they can be.

  Labels that touch form a block, centred on the mean of what its members wanted.
  """
  blocks: list[list[int]] = []
  for index in np.argsort(wanted, kind='stable'):
    blocks.append([int(index)])
    while len(blocks) > 1 and _overlap(wanted, blocks[-2], blocks[-1], gap):
      blocks[-2:] = [blocks[-2] + blocks[-1]]
  places = np.empty(len(wanted))
  for block in blocks:
    places[block] = np.mean(wanted[block]) + gap * (np.arange(len(block)) - (len(block) - 1) / 2)
  return places


def _overlap(wanted: np.ndarray, lower: list[int], upper: list[int], gap: float) -> bool:
  top = np.mean(wanted[lower]) + gap * (len(lower) - 1) / 2
  bottom = np.mean(wanted[upper]) - gap * (len(upper) - 1) / 2
  return bool(bottom - top < gap)
