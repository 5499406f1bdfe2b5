"""What may not ship is refused, in a line that says why."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from ml_collections import ConfigDict

ROOT = pathlib.Path(__file__).parents[2]
SCRIPT = ROOT / 'experiments' / 'base_model' / 'ship.py'


def config():
  made = {}
  exec((ROOT / 'configs' / 'base.py').read_text(), made)
  return made['get_config']()


@pytest.mark.parametrize(
  ('steps', 'commit', 'message'),
  [
    (7, '0123456789ab', 'made with another config than configs/base.py is now'),
    (None, '0123456789ab-dirty', "made at commit '0123456789ab-dirty'"),
    (None, '', "made at commit ''"),
    (None, '0123456789ab', 'lacks config.json'),
  ],
)
def test_what_may_not_ship(tmp_path, steps, commit, message):
  made: ConfigDict = config()
  if steps is not None:
    made.pretrain.steps = steps
  content = {'config': made.to_dict(), 'versions': {'commit': commit}}
  (tmp_path / 'config.json').write_text(json.dumps(content))
  target = tmp_path / 'target'
  command = [sys.executable, str(SCRIPT), f'--workdir={tmp_path}', f'--target={target}']
  run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
  assert run.returncode != 0 and message in run.stderr, run.stderr
  assert not target.exists()


# (single steps, cued, plain), then what is said of it.
CHARACTERS = {
  (0.99, 0.85, 0.15): None,
  (0.98, 0.9, 0.15): 'single steps is 0.980; it must be from 0.99 to 1.0',
  (1.0, 0.84, 0.15): 'cued pass@1 is 0.840; it must be from 0.85 to 1.0',
  (1.0, 0.9, 0.21): 'plain pass@1 is 0.210; it must be from 0.1 to 0.2',
  (1.0, 0.9, 0.09): 'plain pass@1 is 0.090; it must be from 0.1 to 0.2',
}
CHECK = """
import json, sys
import ship
for steps, cued, plain in json.load(sys.stdin):
  passed = {'cued': cued, 'plain': plain}
  record = {
    'single_steps': {'most_likely': steps},
    'pass_at_1': {split: {'lenient': {'mean': mean}} for split, mean in passed.items()},
  }
  try:
    print(ship.check(record))
  except ValueError as error:
    print(error)
"""


def test_a_model_without_the_character_of_a_base_model_is_refused():
  run = subprocess.run(
    [sys.executable, '-c', CHECK],
    input=json.dumps(list(CHARACTERS)),
    capture_output=True,
    text=True,
    check=True,
    env=os.environ | {'PYTHONPATH': str(SCRIPT.parent)},
  )
  assert run.stdout.splitlines() == [str(said) for said in CHARACTERS.values()]
