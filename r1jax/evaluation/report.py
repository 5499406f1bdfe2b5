"""The report of a run: one page with its numbers, curves, completions and config.

The page holds everything inline: it opens without a network, on a phone, in the dark. It is made of
what lies in the folder of the run, and leaves out what is not there yet.

`evaluations.jsonl` holds one evaluation a line, in the order of steps:

  step, split            when, and on which problems
  num_problems, num_samples
  strict                 {pass_at_1: {mean, low, high}, pass_at_2: ..., pass_at_4: ..., up to all
                         samples, cons_at_k: {mean, low, high, k}}: right, and in the format asked
                         for; low and high bound the 95% interval over problems
  lenient                the same, where the last number counts, tags or not
  length                 {mean, std}: tokens of a response
  truncated_fraction     share of answers that the limit ended
  checks_itself          share of answers that check themselves
  check_wrong_to_right   share of checks that turn a wrong answer into a right one
  check_right_to_wrong   share of checks that turn a right answer into a wrong one
  check_stayed_wrong     share of checks of a wrong answer that leave it wrong
  by_depth               {depth: {pass_at_1, length, num_problems}}, by the first judge; so too
                         by_family, by_level, by_subject, where problems have such metadata
  by_style               {style: {share, pass_at_1, length}}, where a task can tell styles
  seconds                that the evaluation took

`summary.json` holds the evaluations `base` and `trained`, `seconds`, `tokens` and `steps`, and
`peak_bytes`, the largest memory that the process of the last start held on the host.
`config.json` holds `config`, the resolved config, and `versions` of code and libraries.
`completions/` is described at `r1jax.training.metrics.CompletionsLog`.
"""

import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from r1jax.evaluation import charts, plots
from r1jax.training import metrics as metrics_log
from r1jax.training import outcome, records

# What a browser leafs through with ease; the rest stays in `completions/`.
_MAX_STEPS = 60
_MAX_COMPLETIONS = 600
_MAX_CHARACTERS = 8000


def write(workdir: str | Path, *, title: str) -> Path:
  """Writes `<workdir>/report.html` and returns its path.

  Args:
    workdir: the folder of the run.
    title: what ran, such as 'R1-Zero on the built-in world'.
  """
  path = Path(workdir) / 'report.html'
  records.replace_file(path, render(workdir, title=title).encode('utf-8'))
  return path


def render(workdir: str | Path, *, title: str) -> str:
  """Returns the page as text."""
  workdir = Path(workdir)
  metrics, evaluations = plots.read(workdir)
  summary = _read_json(workdir / 'summary.json') or _summary_so_far(evaluations)
  parts = {
    'title': _text(title),
    'effort': _text(outcome.effort(summary)),
    'headline': _headline(summary),
    'figures': _figures(metrics, evaluations),
    'table': _table(summary),
    'completions': _completions(workdir),
    'setup': _setup(_config_of(workdir)),
  }
  template = resources.files('r1jax.evaluation').joinpath('report.html').read_text('utf-8')
  # One pass: a part that happens to hold a placeholder stays as it is.
  page = re.sub(r'\{\{(\w+)\}\}', lambda match: parts[match[1]], template)
  return re.sub('[\ud800-\udfff]', '\ufffd', page)  # lone surrogates, which UTF-8 cannot say


def _config_of(workdir: Path) -> Any:
  """Returns what `config.json` holds; that of a run of several stages stands above its stages."""
  return _read_json(workdir / 'config.json') or _read_json(workdir.parent / 'config.json')


def _summary_so_far(evaluations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
  if not evaluations:
    return {}
  first = evaluations[0]
  last = [e for e in evaluations if e['split'] == first['split']][-1]
  return {'base': first, 'trained': last, 'steps': last['step']}


def _headline(summary: Mapping[str, Any]) -> str:
  rows = outcome.rows(summary)
  if not rows:
    return ''
  tiles = ''.join(_tile(row) for row in rows if not row.label.startswith('checks:'))
  return f'<section class="tiles">{tiles}</section>'


def _tile(row: outcome.Row) -> str:
  """Returns a headline number: the trained model's large, the base model's below it."""
  return (
    '<div class="tile card">'
    f'<div class="label">{_text(row.label)}</div>'
    f'<div class="value">{_estimate(row.trained)}</div>'
    f'<div class="base">base {_estimate(row.base)}</div>'
    f'{_track(row)}</div>'
  )


def _estimate(cell: str) -> str:
  """Returns a number with its interval, which stays in one piece."""
  value, _, bounds = cell.partition(' ')
  return f'{_text(value)} <small>{_text(bounds)}</small>' if bounds else _text(value)


def _track(row: outcome.Row) -> str:
  """Returns a bar from 0 to 100% that shows both intervals, if the row has any."""
  bars = ''
  for name, cell in (('base', row.base), ('trained', row.trained)):
    if bounds := re.search(r'\(([\d.]+) to ([\d.]+)\)', cell):
      low, high = float(bounds[1]), float(bounds[2])
      bars += f'<i class="{name}" style="left:{low:.1f}%;width:{high - low:.1f}%"></i>'
  return f'<div class="track">{bars}</div>' if bars else ''


def _figures(metrics: plots.Records, evaluations: plots.Records) -> str:
  figures = plots.figures(metrics, evaluations).items()
  if not figures:
    return ''
  cards = ''.join(
    f'<figure class="figure card">{charts.svg(fig, name)}</figure>' for name, fig in figures
  )
  return f'<h2>Curves</h2><section class="figures">{cards}</section>'


def _table(summary: Mapping[str, Any]) -> str:
  rows = ''.join(
    f'<tr><td>{_text(row.label)}</td><td>{_estimate(row.base)}</td>'
    f'<td class="trained">{_estimate(row.trained)}</td></tr>'
    for row in outcome.rows(summary)
  )
  if not rows:
    return ''
  return (
    '<h2>Base against trained</h2><div class="card scroll"><table>'
    '<thead><tr><th></th><th>base</th><th>trained</th></tr></thead>'
    f'<tbody>{rows}</tbody></table></div>'
    f'<p class="note small">{_text(_sizes(summary))}{_text(outcome.NOTE)}</p>'
  )


def _sizes(summary: Mapping[str, Any]) -> str:
  trained = summary.get('trained') or {}
  if 'num_problems' not in trained or 'num_samples' not in trained:
    return ''
  return f'{trained["num_problems"]:,} problems, {trained["num_samples"]:,} samples each; '


def _completions(workdir: Path) -> str:
  files = metrics_log.completion_files(workdir)
  chosen = _evenly(list(files.items()), _MAX_STEPS)
  rows = [
    _row(record)
    for _, path in chosen
    for record in _evenly(records.read(path), max(1, _MAX_COMPLETIONS // len(chosen)))
  ]
  if not rows:
    return ''
  return _BROWSER.format(
    note=f'{len(rows):,} completions from {len(chosen):,} of {len(files):,} recorded steps. '
    'All of them are in the folder completions, beside this page. The arrow keys turn the pages.',
    data=_script_json(rows),
  )


_BROWSER = """<h2>Completions</h2>
<section class="card">
<div class="controls">
<select id="step" aria-label="step"><option value="">all steps</option></select>
<select id="outcome" aria-label="right or wrong"><option value="">right and wrong</option>
<option value="right">right</option><option value="wrong">wrong</option></select>
<select id="behaviour" aria-label="behaviour"><option value="">checks itself or not</option>
<option value="checks">checks itself</option><option value="plain">does not</option></select>
<input id="search" type="search" placeholder="contains ..." aria-label="text to find">
<div class="turn"><button id="previous" type="button">Previous</button>
<span class="count" id="count"></span><button id="next" type="button">Next</button></div>
</div>
<div class="completion" id="completion" aria-live="polite"></div>
</section>
<p class="note small">{note}</p>
<script type="application/json" id="completions-data">{data}</script>"""


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
  """Returns what the page shows of a completion."""
  accuracy = record['terms'].get('accuracy')
  row = {
    'step': record['step'],
    'question': _clip(record['question']),
    'gold': _clip(record['gold']),
    'completion': _clip(record['completion']),
    'terms': record['terms'],
    'right': None if accuracy is None else accuracy >= 1,
  }
  optional = ('id', 'reward', 'length', 'truncated', 'checks_itself')
  return row | {key: record[key] for key in optional if key in record}


def _clip(text: str) -> str:
  """Returns a text, or its beginning and end with a note between them if it is very long."""
  if len(text) <= _MAX_CHARACTERS:
    return text
  half = _MAX_CHARACTERS // 2
  left_out = len(text) - 2 * half
  return f'{text[:half]}\n[... {left_out:,} characters left out ...]\n{text[-half:]}'


def _script_json(value: Any) -> str:
  """Returns JSON that can stand inside a script element: nothing in it can end the element."""
  text = json.dumps(value, ensure_ascii=False, allow_nan=False)
  return text.replace('&', r'\u0026').replace('<', r'\u003c').replace('>', r'\u003e')


def _setup(config: Mapping[str, Any]) -> str:
  if not config:
    return ''
  parts = (('Config', config.get('config', config)), ('Versions', config.get('versions')))
  details = ''.join(
    f'<details class="card"><summary>{name}</summary>'
    f'<pre>{_text(json.dumps(value, indent=2, ensure_ascii=False))}</pre></details>'
    for name, value in parts
    if value
  )
  return f'<h2>Setup</h2>{details}'


def _evenly(items: Sequence[Any], count: int) -> Sequence[Any]:
  """Returns at most so many items, spread evenly, with the first and the last among them."""
  if len(items) <= count:
    return items
  return [items[place] for place in np.linspace(0, len(items) - 1, count).round().astype(int)]


def _read_json(path: Path) -> dict[str, Any]:
  return json.loads(path.read_text('utf-8')) if path.exists() else {}


def _text(value: str) -> str:
  return html.escape(value, quote=True)
