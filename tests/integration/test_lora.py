"""R1-Zero through low-rank adaptation: little is trained and saved, and the whole is exported."""

import miniature
import numpy as np
import pytest
from flax import traverse_util

from r1jax import build, interop, runner
from r1jax.training import records
from r1jax.training.metrics import MetricsLog

LORA = {'rank': 2, 'alpha': 64.0, 'targets': 'attention/(query|out)'}


class Killed(BaseException):
  """Ends a run as a kill does."""


def config(base, **changes):
  return miniature.reinforcement(base, lora=LORA, **changes)


@pytest.fixture(scope='module')
def adapted(tiny_base, tmp_path_factory):
  """Returns the folder of a run whose reference is replaced now and then."""
  workdir = tmp_path_factory.mktemp('lora') / 'run'
  runner.run(config(tiny_base), workdir)
  return workdir


def flat(folder):
  return traverse_util.flatten_dict(interop.load_pretrained(folder)[1], sep='/')


def test_only_the_targets_differ_from_the_base(adapted, tiny_base):
  before, after = flat(tiny_base), flat(adapted / 'model')
  moved = {path for path in before if not np.array_equal(before[path], after[path])}
  names = ('attention/query', 'attention/query_down', 'attention/query_up', 'attention/out')
  assert moved == {path for path in before if path.endswith(names) and not path.startswith('mtp')}
  for path in moved:
    change = np.reshape(after[path] - before[path], (len(after[path]), -1))
    assert np.all(np.any(change, axis=-1)), f'a layer of {path} did not move'


def test_steps_are_those_of_a_run(adapted):
  rows = records.read(adapted / 'metrics.jsonl')
  assert [row['step'] for row in rows] == list(range(1, miniature.STEPS + 1))
  assert all(row['mismatch'] <= 1e-4 and row['skipped'] == 0 for row in rows)
  assert rows[0]['kl'] == pytest.approx(0, abs=1e-6), 'new adapters change nothing'
  assert max(row['kl'] for row in rows) > 1e-6


def test_checkpoints_hold_the_adapters_alone(adapted, finished):
  def size(folder):
    files = (folder / 'checkpoints' / str(miniature.STEPS)).rglob('*')
    return sum(file.stat().st_size for file in files if file.is_file())

  assert size(adapted) < size(finished) / 3


def test_what_was_sampled_is_what_is_exported(adapted):
  policy = build.plan(miniature.reinforcement(adapted / 'model')).policy()
  stage = build.plan(miniature.reinforcement(adapted / 'model')).stages[0][1](policy)
  test = next(benchmark for benchmark in stage.benchmarks if benchmark.split == 'test')
  found = test(policy.params, step=miniature.STEPS)
  *_, expected = (
    row for row in records.read(adapted / 'evaluations.jsonl') if row['split'] == 'test'
  )
  assert found['lenient'] == expected['lenient'] and found['length'] == expected['length']


@pytest.mark.parametrize('replace_every', [0, 3])
def test_a_run_that_is_killed_ends_in_the_same_model(
  replace_every, adapted, tiny_base, tmp_path, monkeypatch
):
  changed = config(tiny_base, replace_reference_every=replace_every)
  whole = adapted
  if not replace_every:  # The base is the reference, to the end.
    whole = tmp_path / 'whole'
    runner.run(changed, whole)
  write = MetricsLog.write

  def killing(log, step, found):
    if step == 6:
      raise Killed
    write(log, step, found)

  with monkeypatch.context() as patched:
    patched.setattr(MetricsLog, 'write', killing)
    with pytest.raises(Killed):
      runner.run(changed, tmp_path / 'run')
  runner.run(changed, tmp_path / 'run')
  found, expected = flat(tmp_path / 'run' / 'model'), flat(whole / 'model')
  for path, array in expected.items():
    np.testing.assert_array_equal(found[path], array, err_msg=path)


def test_a_base_in_bfloat16_can_be_adapted(tiny_base, tmp_path):
  changed = config(tiny_base, steps=2)
  changed.model.param_dtype = 'bfloat16'
  runner.run(changed, tmp_path / 'run')
  rows = records.read(tmp_path / 'run' / 'metrics.jsonl')
  assert len(rows) == 2 and all(row['mismatch'] <= 1e-4 for row in rows)


def test_a_policy_in_bfloat16_is_not_trained(tiny_base, tmp_path):
  changed = miniature.reinforcement(tiny_base)
  changed.model.param_dtype = 'bfloat16'
  with miniature.fails("config.model.param_dtype is 'bfloat16'", 'config.rl.lora.rank'):
    runner.run(changed, tmp_path / 'run')
