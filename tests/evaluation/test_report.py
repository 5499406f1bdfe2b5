import html.parser
import json
import re
import shutil
import subprocess

import pytest
import synthetic_run

from r1jax.evaluation import report
from r1jax.training import metrics as metrics_log

TITLE = 'R1-Zero on the built-in world'
VOID = {'meta', 'input', 'br', 'link', 'img'}


class Page(html.parser.HTMLParser):
  """Reads a page as a browser does: elements, texts, scripts, and what is still open."""

  def __init__(self, text):
    super().__init__(convert_charrefs=True)
    self.open, self.elements, self.texts, self.scripts = [], [], [], []
    self.feed(text)
    self.close()

  def handle_starttag(self, tag, attrs):
    self.elements.append((tag, dict(attrs)))
    if tag == 'script':
      self.scripts.append('')
    if tag not in VOID:
      self.open.append(tag)

  def handle_startendtag(self, tag, attrs):
    self.elements.append((tag, dict(attrs)))

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    if self.open and self.open[-1] == 'script':
      self.scripts[-1] += data
    elif self.open and self.open[-1] != 'style':
      self.texts.append(data)

  def attributes(self, name):
    return [attrs[name] for _, attrs in self.elements if name in attrs]

  @property
  def text(self):
    return ' '.join(' '.join(self.texts).split())


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('run')
  synthetic_run.write(folder)
  return folder


@pytest.fixture(scope='module')
def page(workdir):
  return Page(report.write(workdir, title=TITLE).read_text('utf-8'))


def rows_of(page):
  (content,) = [s for s, a in zip(page.scripts, scripts(page)) if a.get('id') == 'completions-data']
  return json.loads(content)


def scripts(page):
  return [attrs for tag, attrs in page.elements if tag == 'script']


def numbers(value):
  if isinstance(value, dict):
    return [n for inner in value.values() for n in numbers(inner)]
  return [value]


def test_the_page_is_whole(page):
  assert page.open == []
  ids = page.attributes('id')
  assert len(ids) == len(set(ids))
  references = re.findall(r'url\(#([^)]+)\)', ' '.join(page.attributes('clip-path')))
  references += [link.removeprefix('#') for link in page.attributes('xlink:href')]
  assert references and set(references) <= set(ids)


def test_every_number_of_the_summary_is_on_the_page(page):
  summary = synthetic_run.summary()
  for model in ('base', 'trained'):
    for how in ('strict', 'lenient'):
      for estimate in summary[model][how].values():
        assert f'{100 * estimate["mean"]:.1f}%' in page.text
        assert f'({100 * estimate["low"]:.1f} to {100 * estimate["high"]:.1f})' in page.text
    for share in ('checks_itself', 'check_wrong_to_right', 'check_right_to_wrong'):
      assert f'{100 * summary[model][share]:.1f}%' in page.text
    assert f'{summary[model]["length"]["mean"]:.1f}' in page.text
  assert '100 steps, 2,096,128 tokens, 8 min 21 s' in page.text
  assert '256 problems, 16 samples each' in page.text
  assert TITLE in page.text


def test_curves_config_and_versions_are_on_the_page(page):
  for title in ('Accuracy', 'Average response length', 'By depth of the problem', 'share of right'):
    assert title in page.text
  assert sum(tag == 'svg' for tag, _ in page.elements) == 8
  assert '"learning_rate": 0.0003' in page.text and '"jax": "0.10.2"' in page.text


def test_nothing_is_fetched_from_anywhere(workdir):
  text = (workdir / 'report.html').read_text('utf-8')
  page = Page(text)
  for name in ('src', 'href', 'xlink:href', 'action', 'srcset', 'data', 'poster'):
    assert all(link.startswith('#') for link in page.attributes(name))
  assert not re.search(r'https?:|@import|url\((?!#)', text)
  assert "default-src 'none'" in text  # a browser holds the page to it


def test_all_completions_are_there_to_leaf_through(page):
  rows = rows_of(page)
  assert len(rows) == 20 * 16
  expected = [row for step in range(5, 101, 5) for row in synthetic_run.completions(step)]
  assert [row['completion'] for row in rows] == [row['completion'] for row in expected]
  assert [row['right'] for row in rows] == [row['terms']['accuracy'] == 1 for row in expected]
  assert [row['checks_itself'] for row in rows] == [row['checks_itself'] for row in expected]
  assert rows[-1]['step'] == 100
  assert '320 completions from 20 of 20 recorded steps' in page.text


HOSTILE = (
  '</script><script>document.title="broken"</script><!-- <script> --> <img src=x onerror=alert(1)>'
  '&lt;b&gt; {{title}} {data} \u2028 \ud800 ]]> \\u003c "quoted" \'single\' 答案'
)


def hostile_row(**fields):
  return {
    'question': HOSTILE,
    'gold': HOSTILE,
    'completion': HOSTILE,
    'id': HOSTILE,
    'terms': {HOSTILE: 1.0, 'accuracy': 0.0},
    **fields,
  }


@pytest.fixture
def hostile_workdir(tmp_path):
  metrics_log.CompletionsLog(tmp_path, restored_step=0).write(1, [hostile_row(reward=float('nan'))])
  config = {'config': {HOSTILE: HOSTILE}, 'versions': {'jax': HOSTILE}}
  (tmp_path / 'config.json').write_text(json.dumps(config))
  return tmp_path


def test_a_hostile_completion_cannot_break_out(hostile_workdir):
  path = report.write(hostile_workdir, title=HOSTILE)
  page = Page(path.read_text('utf-8'))
  assert page.open == []
  assert scripts(page) == [{'type': 'application/json', 'id': 'completions-data'}, {}]
  assert not [tag for tag, _ in page.elements if tag == 'img']
  assert page.attributes('onerror') == []
  (row,) = rows_of(page)
  for field in ('question', 'gold', 'completion', 'id'):
    assert row[field] == HOSTILE.replace('\ud800', '\ufffd')
  assert 1.0 in row['terms'].values() and row['reward'] is None
  assert '</script><script>document.title="broken"' in page.text  # as text, in title and config
  assert '<' not in page.scripts[0]


def browsed(path):
  """Returns a page as it stands when a browser has run its scripts."""
  command = ['chromium', '--headless', '--no-sandbox', '--disable-gpu', '--dump-dom', path.as_uri()]
  return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


needs_browser = pytest.mark.skipif(
  not shutil.which('chromium'), reason='needs the browser chromium to run the script of the page'
)


@needs_browser
@pytest.mark.parametrize(
  ('control', 'choice', 'holds'),
  [
    ('step', '50', lambda row: row['step'] == 50),
    ('outcome', 'wrong', lambda row: row['terms']['accuracy'] == 0),
    ('behaviour', 'checks', lambda row: row['checks_itself']),
    ('search', 'LET ME', lambda row: 'let me' in row['completion']),
  ],
)
def test_a_browser_leafs_through_what_is_asked_for(workdir, tmp_path, control, choice, holds):
  reader = (
    f'<script>const control = document.getElementById("{control}"); control.value = "{choice}";'
    'control.dispatchEvent(new Event("input")); document.getElementById("next").click();</script>'
  )
  (tmp_path / 'page.html').write_text(report.render(workdir, title=TITLE) + reader)
  page = Page(browsed(tmp_path / 'page.html'))
  expected = [
    row
    for step in range(5, 101, 5)
    for completion in synthetic_run.completions(step)
    if holds(row := {**completion, 'step': step})
  ]
  assert f'2 of {len(expected)}' in page.text
  assert expected[1]['id'] in page.text


@needs_browser
def test_a_browser_shows_a_hostile_completion_as_text(hostile_workdir):
  dom = browsed(report.write(hostile_workdir, title='safe'))
  page = Page(dom)
  assert '<title>safe</title>' in dom
  assert len(scripts(page)) == 2 and 'img' not in [tag for tag, _ in page.elements]
  assert page.text.count('onerror=alert(1)') >= 4  # question, completion, gold, and a term's name
  assert '1 of 1' in page.text and 'wrong' in page.text and 'reward not finite' in page.text


def test_long_runs_and_long_answers_are_sampled_and_clipped(tmp_path):
  log = metrics_log.CompletionsLog(tmp_path, restored_step=0)
  for step in range(1, 151):
    completion = f'begin{step}' + 'x' * 20_000 + f'end{step}'
    log.write(step, [hostile_row(completion=completion, id=str(i)) for i in range(20)])
  page = Page(report.render(tmp_path, title=TITLE))
  rows = rows_of(page)
  assert len(rows) == 600
  steps = list(dict.fromkeys(row['step'] for row in rows))
  assert len(steps) == 60 and steps[0] == 1 and steps[-1] == 150
  assert {row['id'] for row in rows if row['step'] == 1} >= {'0', '19'}
  assert '600 completions from 60 of 150 recorded steps' in page.text
  assert rows[0]['completion'].startswith('begin1x') and rows[0]['completion'].endswith('xend1')
  assert '[... 12,010 characters left out ...]' in rows[0]['completion']


def test_a_run_that_has_just_begun_has_a_page(tmp_path):
  page = Page(report.write(tmp_path / 'new', title=TITLE).read_text('utf-8'))
  assert page.open == [] and page.text.startswith(TITLE)
  assert not [tag for tag, _ in page.elements if tag in ('svg', 'table')]


def test_before_the_summary_the_last_evaluation_of_the_split_stands_in(workdir, tmp_path):
  lines = (workdir / 'evaluations.jsonl').read_text().splitlines()
  other = json.dumps({**json.loads(lines[3]), 'split': 'other'})
  (tmp_path / 'evaluations.jsonl').write_text('\n'.join([*lines[:3], other, '']))
  page = Page(report.render(tmp_path, title=TITLE))
  third = synthetic_run.evaluation(20)
  assert '20 steps' in page.text
  assert f'{100 * third["strict"]["pass_at_1"]["mean"]:.1f}%' in page.text


def test_without_an_accuracy_term_an_answer_is_neither_right_nor_wrong(tmp_path):
  row = {'question': 'q', 'gold': '', 'completion': 'c', 'terms': {'preference': 0.5}}
  metrics_log.CompletionsLog(tmp_path, restored_step=0).write(1, [row])
  assert rows_of(Page(report.render(tmp_path, title=TITLE)))[0]['right'] is None
