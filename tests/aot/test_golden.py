"""Collectives of two recipes on the chips that they are for, as libtpu compiles them.

One more of them in a loop over layers is a step that waits more often, which no other test would
see. Numbers are of the libtpu that stands here: another one may split programs in other ways.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from configs import deepseek, qwen

ROOT = Path(__file__).parents[2]
LIBTPU = '0.0.42.1'
# Of one device; in loops as often as they run.
GOLDEN = {
  ('qwen', '7b', 'score'): {},
  ('qwen', '7b', 'gradient'): {},
  ('deepseek', 'v2-lite', 'score'): {},
}
HARDWARE = {'qwen': qwen.RECIPES, 'deepseek': deepseek.RECIPES}


def libtpu():
  try:
    return importlib.metadata.version('libtpu')
  except importlib.metadata.PackageNotFoundError:
    return None


@pytest.mark.skipif(libtpu() != LIBTPU, reason=f'counts are those of libtpu {LIBTPU}')
def test_collectives_are_as_many_as_they_were(tmp_path):
  """In one test, since libtpu is for one process at a time."""
  found = {}
  for family, name in dict.fromkeys((family, name) for family, name, _ in GOLDEN):
    programs = [program for *recipe, program in GOLDEN if recipe == [family, name]]
    output = tmp_path / f'{name}.jsonl'
    command = [sys.executable, '-m', 'r1jax.aot', f'--config=configs/{family}.py:{name}']
    command += [f'--topology={HARDWARE[family][name]["hardware"]}', f'--output={output}']
    done = subprocess.run(
      [*command, f'--programs={",".join(programs)}'],
      cwd=ROOT,
      env=os.environ | {'JAX_PLATFORMS': 'cpu'},
      capture_output=True,
      text=True,
    )
    assert done.returncode == 0, done.stderr
    for program in json.loads(output.read_text())['programs']:
      found[family, name, program['name']] = program['cost']['collectives']
  assert found == GOLDEN
