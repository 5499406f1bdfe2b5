"""What a run shows while it trains: a live view on a terminal, plain lines anywhere else."""

import collections
import itertools
import math
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from r1jax import hosts
from r1jax.training import outcome
from r1jax.training.diagnosis import Diagnosis

WHY_LOSS_IS_NEAR_ZERO = (
  'Why the loss sits near 0: with one update per rollout the probability ratio is 1 when the loss '
  'is taken, and the advantages of a group sum to 0, so its value is about 0, save for the small '
  'KL term (with other reductions than sample_mean it is some number that means as little). Its '
  'gradient is not 0: right answers are pushed up and wrong ones down. Watch reward, accuracy and '
  'response length instead.'
)

# The metric's key, its name in the live view, its name in a plain line, and how it is written. A
# stage shows those of them that its metrics have.
_Write = Callable[[float], str]
_SHOWN: tuple[tuple[str, str, str, _Write], ...] = (
  ('reward', 'reward', 'reward', '{:.3f}'.format),
  ('accuracy', 'accuracy', 'accuracy', outcome.percent),
  ('format', 'format', 'format', outcome.percent),
  ('length', 'response length, tokens', 'length', '{:.1f}'.format),
  ('kl', 'KL to the reference, nats', 'kl', '{:z.4f}'.format),
  ('zero_variance_fraction', 'groups without variance', 'no-variance', outcome.percent),
  ('truncated_fraction', 'truncated answers', 'truncated', outcome.percent),
  ('nll', 'loss of the next token, nats', 'nll', '{:.4f}'.format),
  ('mtp_nll', 'loss of the one after it, nats', 'mtp', '{:.4f}'.format),
  ('tokens_per_second', 'tokens/s', 'tokens/s', '{:,.0f}'.format),
)
_TREND_WIDTH = 24
_STEPS_TIMED = 20  # the time left is judged by this many of the last steps
_PLAIN_LINES = 50
_QUIET_SECONDS = 30.0  # a plain line says how far a step is, if none was printed for so long
_ONE_UPDATE = 1.001  # the largest ratio of a step whose rollout is used for one update
_SAMPLE_CHARACTERS = 600
_SAMPLE_LINES = 8


class Progress:
  """Shows a training run; a context manager.

  On a terminal: a bar, the current numbers with their trend, and the last sampled completion. Where
  the output is a file, a pipe or a notebook: a plain line now and then. Either way it explains the
  loss of RL once, warns once of each failure that `Diagnosis` knows, and ends with the outcome.

  Args:
    total_steps: steps of the whole run.
    title: what runs: name, model size, device.
    start_step: the step that a resumed run goes on from.
    plain_every: steps from one plain line to the next; None for about fifty lines a run.
    console: where to write; None for standard output.
  """

  def __init__(
    self,
    total_steps: int,
    title: str,
    *,
    start_step: int = 0,
    plain_every: int | None = None,
    console: Console | None = None,
  ):
    self._total_steps = total_steps
    self._title = title
    self._start_step = start_step
    self._step = start_step
    self._plain_every = plain_every or max(1, math.ceil(total_steps / _PLAIN_LINES))
    self._console = console or _standard_output()
    self._metrics: Mapping[str, Any] = {}
    self._history: dict[str, list[float]] = {key: [] for key, *_ in _SHOWN}
    self._times: collections.deque[float] = collections.deque(maxlen=_STEPS_TIMED + 1)
    self._sample: RenderableType | None = None
    self._part: tuple[str, int, int] | None = None
    self._printed = time.perf_counter()
    self._diagnosis = Diagnosis()
    self._live: Live | None = None

  def __enter__(self) -> 'Progress':
    if self._console.is_interactive:
      self._live = Live(console=self._console, get_renderable=self._view, refresh_per_second=2)
      self._live.start()
    else:
      self._plain(self._title)
    return self

  def __exit__(
    self,
    kind: type[BaseException] | None,
    error: BaseException | None,
    trace: TracebackType | None,
  ) -> None:
    self._stop()

  def update(self, step: int, metrics: Mapping[str, Any]) -> None:
    """Shows the metrics of a step that is done."""
    self._step, self._metrics, self._part = step, metrics, None
    self._times.append(time.monotonic())
    for key, values in self._history.items():
      values.append(_number(metrics.get(key)))
    # With several updates of a rollout, later ones meet other ratios, and a loss that says more.
    if step == 1 and 'reward' in metrics and _number(metrics.get('ratio_max', 1.0)) < _ONE_UPDATE:
      self.message(WHY_LOSS_IS_NEAR_ZERO)
    if not self._live and self._is_due(step):
      self._plain(self._line())
    if faults := _faults(metrics):
      self._console.print(Text(f'Step {step}: {faults}', style='yellow'))
    for warning in self._diagnosis.update(metrics):
      self._console.print(Text(f'Warning, step {step}: {warning}', style='yellow'))

  def part(self, what: str, done: int, total: int) -> None:
    """Shows how far a part of a step is, such as the answers that are judged."""
    self._part = (what, done, total) if done < total else None
    if self._part and not self._live and time.perf_counter() - self._printed > _QUIET_SECONDS:
      self._plain(f'step {self._step + 1}/{self._total_steps}  {what} {done:,}/{total:,}')

  def sample(self, question: str, completion: str, terms: Mapping[str, float]) -> None:
    """Shows a sampled completion with its reward terms."""
    self._sample = _sample_panel(self._step, question, completion, terms)
    if not self._live:
      self._console.print(self._sample)

  def message(self, text: str) -> None:
    """Prints a text above the live view, or as it comes."""
    self._console.print(Text(printable(text)))

  def seconds_left(self) -> float | None:
    """Returns the time that the remaining steps will take, judged by the last ones."""
    if len(self._times) < 2:
      return None
    # Of the time from the end of a step to the end of the next the median: steps that compile are
    # few and slow, and the first is left out.
    seconds = [after - before for before, after in itertools.pairwise(self._times)]
    return statistics.median(seconds) * (self._total_steps - self._step)

  def _stop(self) -> None:
    if self._live:
      self._live.stop()
      self._live = None

  def _is_due(self, step: int) -> bool:
    first, last = step == self._start_step + 1, step == self._total_steps
    return first or last or step % self._plain_every == 0

  def _plain(self, text: str) -> None:
    self._printed = time.perf_counter()
    self._console.print(Text(text), soft_wrap=True)

  def _line(self) -> str:
    parts = [f'step {self._step}/{self._total_steps}']
    for key, _, name, write in _SHOWN:
      if key in self._metrics:
        parts.append(f'{name} {_written(self._metrics[key], write)}')
    return '  '.join([*parts, self._time_left()])

  def _time_left(self) -> str:
    seconds = self.seconds_left()
    return 'time left: not known yet' if seconds is None else f'{outcome.duration(seconds)} left'

  def _view(self) -> RenderableType:
    bar = Table.grid(padding=(0, 2), expand=True)
    bar.add_column(ratio=1)
    bar.add_row(
      ProgressBar(total=self._total_steps, completed=self._step),
      f'step {self._step}/{self._total_steps}',
      self._time_left(),
    )
    if self._part:
      what, done, total = self._part
      bar.add_row(ProgressBar(total=total, completed=done), f'{what} {done:,}/{total:,}', '')
    panel = Panel(
      Group(bar, '', self._numbers()),
      title=Text(self._title, style='bold'),
      title_align='left',
      border_style='blue',
    )
    return Group(panel, self._sample) if self._sample else panel

  def _numbers(self) -> Table:
    table = Table.grid(padding=(0, 3))
    table.add_column(style='dim')
    table.add_column(justify='right', min_width=8)
    table.add_column(style='cyan', no_wrap=True)
    for key, name, _, write in _SHOWN:
      if key in self._metrics:
        trend = sparkline(self._history[key], _TREND_WIDTH)
        table.add_row(name, _written(self._metrics[key], write), trend)
    return table


def print_outcome(
  summary: Mapping[str, Any], paths: Mapping[str, str | Path], *, console: Console | None = None
) -> None:
  """Prints the outcome of a run: base against trained, if measured, and where everything lies.

  Args:
    summary: what `summary.json` holds.
    paths: what was written, by name: the report, plots, exported model.
    console: where to write; None for standard output.
  """
  console = console or _standard_output()
  if 'trained' in summary:
    console.print(_outcome_table(summary))
  for name, path in paths.items():
    console.print(Text(f'{name:<10} {path}'), soft_wrap=True)


def sparkline(values: Sequence[float], width: int) -> str:
  """Returns a line of at most `width` characters, each as high as the mean of its share of values.

  The lowest mean is the lowest mark and the highest the highest; NaN leaves a gap.
  """
  buckets = min(width, len(values))
  edges = [round(i * len(values) / buckets) for i in range(buckets + 1)] if buckets else [0]
  means = [_mean(values[start:end]) for start, end in itertools.pairwise(edges)]
  finite = [mean for mean in means if math.isfinite(mean)]
  low, span = (min(finite), max(finite) - min(finite)) if finite else (0.0, 0.0)
  return ''.join(
    _mark((m - low) / span if span else 0.0) if math.isfinite(m) else ' ' for m in means
  )


def _faults(metrics: Mapping[str, Any]) -> str:
  """Returns what is to be said of answers that could not be checked; '' if all could be."""
  counts = {
    key.removeprefix('faults/'): int(value)
    for key, value in metrics.items()
    if key.startswith('faults/') and value
  }
  if not counts:
    return ''
  told = ', '.join(f'{name}: {count}' for name, count in sorted(counts.items()))
  return f'answers worth 0 because their checker gave no verdict: {told}'


def printable(text: str) -> str:
  """Returns a text whose control characters cannot reach the terminal, save line ends and tabs."""
  return re.sub(
    r'[\x00-\x08\x0b-\x1f\x7f-\x9f]',
    lambda match: chr(0x2400 + ord(match[0])) if match[0] < ' ' else '\ufffd',
    text,
  )


def _standard_output() -> Console:
  if not hosts.is_first():
    return Console(quiet=True, force_interactive=False)
  # A completion may hold what the terminal's encoding lacks: that must not end a training.
  if hasattr(sys.stdout, 'reconfigure'):
    sys.stdout.reconfigure(errors='replace')
  # Colours may be forced where nothing can be redrawn, as CI systems do: only a terminal is live.
  is_live = None if sys.stdout.isatty() else False
  return Console(force_interactive=is_live, force_jupyter=False)


def _sample_panel(step: int, question: str, completion: str, terms: Mapping[str, float]) -> Panel:
  rewards = '  '.join(f'{name} {value:.2f}' for name, value in terms.items())
  body = Text(printable(_shorten(completion)))
  body.highlight_regex(r'</?think>', 'bold magenta')
  body.highlight_regex(r'</?answer>', 'bold green')
  return Panel(
    Group(Text(printable(_shorten(question)), style='dim'), body, Text(rewards, style='cyan')),
    title=Text(f'a completion at step {step}'),
    title_align='left',
    border_style='dim',
  )


def _shorten(text: str) -> str:
  """Returns the text, or its beginning and end if it would push the numbers off the screen."""
  if len(text) > _SAMPLE_CHARACTERS:
    half = _SAMPLE_CHARACTERS // 2
    text = f'{text[:half]} [...] {text[-half:]}'
  lines = text.splitlines()
  if len(lines) > _SAMPLE_LINES:
    half = _SAMPLE_LINES // 2
    lines = [*lines[:half], '[...]', *lines[-half:]]
  return '\n'.join(lines)


def _outcome_table(summary: Mapping[str, Any]) -> Table:
  table = Table(
    title=Text(outcome.effort(summary)),
    title_justify='left',
    caption=Text(outcome.NOTE),
    caption_justify='left',
    box=box.SIMPLE_HEAD,
  )
  table.add_column('')
  table.add_column('base', justify='right')
  table.add_column('trained', justify='right', style='bold')
  for row in outcome.rows(summary):
    table.add_row(*row)
  return table


def _written(value: Any, write: _Write) -> str:
  number = _number(value)
  return write(number) if math.isfinite(number) else 'not finite'


def _number(value: Any) -> float:
  return math.nan if value is None else float(value)


def _mean(values: Sequence[float]) -> float:
  finite = [value for value in values if math.isfinite(value)]
  return sum(finite) / len(finite) if finite else math.nan


def _mark(height: float) -> str:
  return '▁▂▃▄▅▆▇█'[round(7 * height)]
