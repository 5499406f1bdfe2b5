"""What may not ship is refused, in a line that says why."""

import json
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
