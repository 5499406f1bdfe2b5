"""What goes wrong in a workdir or in the midst of a run is named, and nothing is lost by it.

Through `runner.run` or the command, as a user meets it. A full disk is met in `test_interruptions`.
"""

import functools
import json
import re
import sys

import jax
import jax.numpy as jnp
import miniature
import pytest
from absl import flags
from miniature import fails
from ml_collections import ConfigDict

from r1jax import build, main, runner
from r1jax.command import parse
from r1jax.rewards.combine import TermError
from r1jax.rewards.workers import WorkerError
from r1jax.training import records

# --- Workdir ---


def test_a_workdir_of_another_config_is_refused_with_the_fields_that_differ(finished, tiny_base):
  before = (finished / 'config.json').read_bytes()
  config = miniature.reinforcement(tiny_base, steps=9)
  config.seed = 3
  with fails(str(finished), 'written by another config', 'choose another --workdir') as error:
    runner.run(config, finished)
  assert 'config.rl.steps: 8 there, 9 now; config.seed: 0 there, 3 now' in str(error.value)
  assert (finished / 'config.json').read_bytes() == before


@pytest.mark.parametrize('content', ['{"config": ', '[]', '{}'])
def test_a_damaged_config_in_the_workdir_is_named(config, tmp_path, content):
  (tmp_path / 'config.json').write_text(content)
  with fails(str(tmp_path / 'config.json'), 'is damaged', 'choose another --workdir'):
    runner.run(config, tmp_path)


def test_a_damaged_summary_is_named(config, tmp_path):
  (tmp_path / 'summary.json').write_text('{')
  with fails(str(tmp_path / 'summary.json'), 'is damaged', 'remove it, and the stage ends anew'):
    runner.run(config, tmp_path)


# --- In the midst of a run ---


def test_a_loss_that_is_not_finite_is_skipped_counted_and_then_stops_the_run(
  tiny_base, tmp_path, monkeypatch
):
  not_finite = functools.partial(jnp.full_like, fill_value=jnp.nan)
  monkeypatch.setitem(build.ADVANTAGES, 'group_normalised', not_finite)
  config = miniature.reinforcement(tiny_base, cadence={'max_skipped': 3, 'checkpoint_every': 0})
  with pytest.raises(FloatingPointError, match='3 updates in a row was not finite') as error:
    runner.run(config, tmp_path)
  assert f'saved in {tmp_path / "checkpoints" / "3"}' in str(error.value)
  rows = records.read(tmp_path / 'metrics.jsonl')
  assert [row['skipped'] for row in rows] == [1, 1, 1]
  assert all(row['loss'] is None and 'loss' in row['non_finite'] for row in rows)
  assert all(row['kl'] == 0 for row in rows), 'a skipped update has moved the model'
  assert (tmp_path / 'checkpoints' / '3').is_dir()
  assert not (tmp_path / 'summary.json').exists()
  # Mended, the same command goes on; the count begins anew.
  monkeypatch.undo()
  runner.run(config, tmp_path)
  rows = records.read(tmp_path / 'metrics.jsonl')
  assert [row['skipped'] for row in rows] == [1, 1, 1, 0, 0, 0, 0, 0]


def raise_on_sevens(problem, response):
  """Is a reward term with a fault."""
  raise ZeroDivisionError('no seven')


def test_a_reward_term_that_raises_is_named_and_what_it_was_given_is_saved(
  tiny_base, tmp_path, monkeypatch
):
  monkeypatch.setitem(build.REWARDS, 'sevens', raise_on_sevens)
  config = miniature.reinforcement(tiny_base, reward={'sevens': 1.0})
  with pytest.raises(TermError, match=r"reward term 'sevens' raised ZeroDivisionError") as error:
    runner.run(config, tmp_path)
  assert 'world/train/0/' in str(error.value) and 'with response' in str(error.value)
  saved = tmp_path / 'reward_error.json'
  assert str(saved) in error.value.__notes__[0]
  found = json.loads(saved.read_text())
  assert found['term'] == 'sevens' and 'ZeroDivisionError' in found['fault']
  assert found['id'] == error.value.problem.id and found['response'] == error.value.response
  assert found['gold'] == error.value.problem.gold and 'depth' in found['metadata']


def unverdict(problem, response):
  """Is a reward term whose checker never gives a verdict."""
  raise WorkerError('timeout', 'no reply at the deadline')


def test_answers_without_verdict_are_worth_0_counted_and_shown(
  tiny_base, tmp_path, monkeypatch, capsys
):
  monkeypatch.setitem(build.REWARDS, 'unverdict', unverdict)
  config = miniature.reinforcement(tiny_base, steps=1, reward={'unverdict': 1.0})
  runner.run(config, tmp_path)
  (row,) = records.read(tmp_path / 'metrics.jsonl')
  assert row['reward/unverdict'] == 0
  assert row['faults/unverdict/timeout'] == 16
  assert row['seconds/reward/unverdict'] > 0
  told = 'Step 1: answers worth 0 because their checker gave no verdict: unverdict/timeout: 16'
  assert told in ' '.join(capsys.readouterr().out.split())


# --- The command ---


@pytest.fixture
def command(tmp_path, compilation_cache, monkeypatch):
  """Returns a function that runs the command in this process; it returns what it exits with."""

  def run(config, *more):
    file = miniature.config_file(tmp_path / 'config.py', config)
    arguments = [f'--config={file}', f'--workdir={tmp_path / "run"}', *more]
    flags.FLAGS.unparse_flags()
    monkeypatch.setattr(sys, 'argv', ['main', *arguments])  # Overrides are read from there.
    with pytest.raises(SystemExit) as exited:
      parse(['main', f'--compilation_cache={compilation_cache}', *arguments])
      main.train(['main'])
    return exited.value.code

  yield run
  flags.FLAGS.unparse_flags()


def test_the_command_says_that_another_process_may_be_gone(command, config, monkeypatch):
  """As collectives then fail, in the words of whoever carries them."""

  def broken(*arguments):
    raise jax.errors.JaxRuntimeError('Connection closed by peer')

  monkeypatch.setattr(main.runner, 'run', broken)
  monkeypatch.setattr(main.hosts, 'is_alone', lambda: False)
  text = command(config)
  assert text.startswith('JaxRuntimeError: Connection closed by peer. Another process of the run')
  assert 'start all again' in text
  monkeypatch.setattr(main.hosts, 'is_alone', lambda: True)
  with pytest.raises(jax.errors.JaxRuntimeError):
    command(config)


def test_the_command_says_it_in_a_line(command, config):
  config.rl.task.template = 'zero'
  text = command(config)
  assert text.startswith("ValueError: config.rl.task.template is 'zero', allowed are 'r1_zero',")
  assert '\n' not in text


def test_an_override_of_a_field_that_is_not_there_is_said_in_a_line(command, config):
  text = command(config, '--config.rl.stepz=3')
  assert text == (
    'the config has no such field: \'stepz\' Did you mean "steps" instead of "stepz"? '
    '(in --config.rl.stepz=3)'
  )
  assert "no such field: 'foo' (in --config.rl" in command(config, '--config.rl.foo.bar=3')


@pytest.mark.parametrize(
  ('flag', 'text'),
  [
    (
      '--config.rl.reward.repetition=0.1',
      "the config has no such field: 'repetition' (in --config.rl.reward.repetition=0.1; a flag "
      'sets what there is: add terms in a config file of your own)',
    ),
    (
      '--config.rl.reward.miniature.slowly=0',
      "the config has no such field: 'miniature' (in --config.rl.reward.miniature.slowly=0; a flag "
      'sets what there is: add terms in a config file of your own, and write '
      """'--config.rl.reward["miniature.slowly"]=0' for what is there)""",
    ),
    (
      '--config.rl.reward.my_rewards.py:whole=0',
      '--config.rl.reward.my_rewards.py:whole=0 cannot be read; a name that is no plain word '
      """stands in brackets and quotes: '--config.rl.reward["my_rewards.py:whole"]=0'""",
    ),
    (
      '--config.rl.task.max-tokens=0',
      '--config.rl.task.max-tokens=0 cannot be read; a name that is no plain word stands in '
      """brackets and quotes: '--config.rl.reward["my_rewards.py:short"]=0'""",
    ),
    (
      '--config.rl.steps.foo=3',
      "the config has no such field: Attribute <class 'int'>.foo does not exist and the type does "
      'not support indexing. Attempting to lookup: rl.steps.foo (in --config.rl.steps.foo=3)',
    ),
  ],
)
def test_of_many_overrides_the_one_that_is_wrong_is_named(command, config, flag, text):
  assert (
    command(config, flag, '--config.rl.reward["miniature.slowly"]=0', '--config.seed=3') == text
  )


def test_a_fault_of_the_config_file_is_not_taken_for_an_override(tmp_path, monkeypatch):
  file = tmp_path / 'mine.py'
  file.write_text('import math\n\n\ndef get_config():\n  return math.pie\n')
  for path, fault in ((file, AttributeError), (tmp_path / 'typo.py', SystemExit)):
    flags.FLAGS.unparse_flags()
    arguments = ['main', f'--config={path}', '--config.rl.steps=3']
    monkeypatch.setattr(sys, 'argv', arguments)
    with pytest.raises(fault, match=r"'pie'|the config cannot be read: .*typo\.py"):
      parse(arguments)
  flags.FLAGS.unparse_flags()


def test_what_a_config_file_says_of_its_argument_is_said_in_a_line(monkeypatch):
  for argument, text in (
    (':9b', "the config: there is no recipe '9b'; there are '0.5b', '0.5b-gpu', '1.5b-lora', '7b'"),
    (':7b --config.rl.steps=many', 'the flags cannot be read: flag --config.rl.steps=many: '),
  ):
    flags.FLAGS.unparse_flags()
    arguments = ['main', *f'--config={miniature.ROOT}/configs/qwen.py{argument}'.split()]
    monkeypatch.setattr(sys, 'argv', arguments)
    with pytest.raises(SystemExit, match=f'^{re.escape(text)}') as exited:
      parse(arguments)
    assert '\n' not in str(exited.value)
  flags.FLAGS.unparse_flags()


def test_the_command_exits_with_the_number_of_the_signal(command, config, monkeypatch):
  def stopped(config, workdir):
    raise main.Stopped(15)

  monkeypatch.setattr(main.runner, 'run', stopped)
  assert command(config) == 143


def test_a_term_of_ones_own_is_named_by_its_path(tiny_base):
  config = miniature.reinforcement(tiny_base)
  terms = {'accuracy': 1.0, 'r1jax.rewards.lenient.reward': 0.5}
  config.rl.reward = ConfigDict(terms, allow_dotted_keys=True)
  build.plan(config)
