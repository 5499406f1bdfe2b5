import json
import math
import os
import signal
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from tensorboardX.proto import event_pb2

from r1jax.training import metrics, records


def events(workdir):
  """Returns the events of all files in TensorBoard's order (TFRecord: length, crc, data, crc)."""
  found = []
  for path in sorted((workdir / 'tensorboard').iterdir()):
    content = path.read_bytes()
    while content:
      (size,) = struct.unpack('<Q', content[:8])
      found.append(event_pb2.Event.FromString(content[12 : 12 + size]))
      content = content[16 + size :]
  return found


def shown(workdir, tag):
  """Returns the (step, value) pairs that TensorBoard shows: a restart drops what it repeats."""
  points = []
  for event in events(workdir):
    if event.HasField('session_log'):
      points = [(step, value) for step, value in points if step < event.step]
    points += [(event.step, v.simple_value) for v in event.summary.value if v.tag == tag]
  return points


def write_steps(log, first, last, *, scale=1.0):
  for step in range(first, last + 1):
    log.write(step, {'reward': scale * step})


def test_every_step_is_recorded_in_both_places(tmp_path):
  log = metrics.MetricsLog(tmp_path, restored_step=0)
  log.write(1, {'reward': np.float32(0.5), 'seconds/sample': 1.25})
  log.write(2, {'reward': 0.75, 'seconds/sample': 1})
  assert records.read(tmp_path / 'metrics.jsonl') == [
    {'step': 1, 'reward': 0.5, 'seconds/sample': 1.25},
    {'step': 2, 'reward': 0.75, 'seconds/sample': 1},
  ]
  # The log is still open: what a kill would leave is already all of it.
  assert shown(tmp_path, 'reward') == [(1, 0.5), (2, 0.75)]
  assert shown(tmp_path, 'seconds/sample') == [(1, 1.25), (2, 1.0)]


def test_a_resumed_run_has_every_step_once(tmp_path):
  killed = metrics.MetricsLog(tmp_path, restored_step=0)
  write_steps(killed, 1, 5)
  resumed = metrics.MetricsLog(tmp_path, restored_step=3)
  write_steps(resumed, 4, 6, scale=10)
  expected = [(1, 1.0), (2, 2.0), (3, 3.0), (4, 40.0), (5, 50.0), (6, 60.0)]
  rows = records.read(tmp_path / 'metrics.jsonl')
  assert [(row['step'], row['reward']) for row in rows] == expected
  assert shown(tmp_path, 'reward') == expected


def test_a_step_is_not_recorded_twice(tmp_path):
  log = metrics.MetricsLog(tmp_path, restored_step=2)
  with pytest.raises(ValueError, match='step 2 is recorded already'):
    log.write(2, {'reward': 1.0})
  log.write(3, {'reward': 1.0})
  with pytest.raises(ValueError, match='step 3 is recorded already'):
    log.write(3, {'reward': 1.0})


def test_a_non_finite_metric_is_null_in_json_and_itself_in_tensorboard(tmp_path):
  metrics.MetricsLog(tmp_path, restored_step=0).write(1, {'kl': math.nan, 'reward': 1.0})
  line = (tmp_path / 'metrics.jsonl').read_text()
  assert json.loads(line, parse_constant=pytest.fail) == {
    'step': 1, 'kl': None, 'reward': 1.0, 'non_finite': ['kl']
  }  # fmt: skip
  assert math.isnan(shown(tmp_path, 'kl')[0][1])


@pytest.mark.parametrize('value', [np.zeros(2), 'high', None])
def test_a_metric_that_is_no_number_is_refused_before_anything_is_written(tmp_path, value):
  log = metrics.MetricsLog(tmp_path, restored_step=0)
  with pytest.raises(TypeError, match=r'metric "loads" is .*; a metric is one number'):
    log.write(1, {'reward': 1.0, 'loads': value})
  assert records.read(tmp_path / 'metrics.jsonl') == []


def test_kill_9_leaves_whole_steps_and_the_run_goes_on(tmp_path):
  program = (
    'import itertools, sys\n'
    'from r1jax.training import metrics\n'
    'log = metrics.MetricsLog(sys.argv[1], restored_step=0)\n'
    'for step in itertools.count(1):\n'
    '  log.write(step, {"reward": step})\n'
  )
  process = subprocess.Popen([sys.executable, '-c', program, str(tmp_path)])
  path = tmp_path / 'metrics.jsonl'
  deadline = time.monotonic() + 60
  while not (path.exists() and path.stat().st_size > 500):
    assert process.poll() is None and time.monotonic() < deadline
    time.sleep(0.01)
  os.kill(process.pid, signal.SIGKILL)
  process.wait()
  last = records.read(path)[-1]['step']
  log = metrics.MetricsLog(tmp_path, restored_step=last - 2)
  write_steps(log, last - 1, last + 1)
  assert [row['step'] for row in records.read(path)] == list(range(1, last + 2))
  assert shown(tmp_path, 'reward') == [(step, float(step)) for step in range(1, last + 2)]


ROW = {'question': '1+1=?', 'gold': '2', 'completion': '</script>', 'terms': {'accuracy': 0.0}}


def test_completions_of_a_step_are_a_file(tmp_path):
  log = metrics.CompletionsLog(tmp_path, restored_step=0)
  path = log.write(123, [ROW, {**ROW, 'completion': '答案'}])
  assert path == tmp_path / 'completions' / 'step_000123.jsonl'
  assert records.read(path) == [{'step': 123, **ROW}, {'step': 123, **ROW, 'completion': '答案'}]


def test_completions_past_the_restored_step_are_removed(tmp_path):
  log = metrics.CompletionsLog(tmp_path, restored_step=0)
  for step in (5, 10, 15):
    log.write(step, [ROW])
  metrics.CompletionsLog(tmp_path, restored_step=10)
  assert list(metrics.completion_files(tmp_path)) == [5, 10]


def test_completion_files_are_in_the_order_of_steps(tmp_path):
  log = metrics.CompletionsLog(tmp_path, restored_step=0)
  for step in (1_000_000, 999_999, 7):
    log.write(step, [ROW])
  assert list(metrics.completion_files(tmp_path)) == [7, 999_999, 1_000_000]
  assert metrics.completion_files(tmp_path / 'nowhere') == {}
