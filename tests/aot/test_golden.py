"""Collectives of two recipes on the chips that they are for, as libtpu compiles them.

One more of them in a loop over layers is a step that waits more often, which no other test would
see. The counts are those of one libtpu: another one may split programs in other ways.
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
# Of one device; of those in loops, as often as they run.
GOLDEN = {
  ('qwen:7b', 'encode prompts'): {
    'collective-permute': 421,
    'all-gather': 227,
    'all-reduce': 57,
    'all-to-all': 1,
  },
  ('qwen:7b', 'decode'): {
    'collective-permute': 7_682,
    'all-gather': 35_328,
    'all-reduce': 49_665,
    'all-to-all': 58_880,
    'reduce-scatter': 43_520,
  },
  ('qwen:7b', 'score'): {
    'collective-permute': 422,
    'all-gather': 486,
    'all-reduce': 137,
    'all-to-all': 2,
  },
  ('qwen:7b', 'gradient'): {
    'collective-permute': 1_515,
    'all-gather': 1_335,
    'all-reduce': 445,
    'all-to-all': 5,
    'reduce-scatter': 148,
  },
  ('deepseek:v2-lite', 'encode prompts'): {
    'collective-permute': 28,
    'all-gather': 619,
    'all-to-all': 2,
    'reduce-scatter': 26,
  },
  ('deepseek:v2-lite', 'decode'): {
    'collective-permute': 1_024,
    'all-gather': 135_680,
    'all-to-all': 111_104,
    'all-reduce': 41_985,
    'reduce-scatter': 40_960,
  },
  ('deepseek:v2-lite', 'score'): {
    'collective-permute': 56,
    'all-gather': 1_358,
    'all-to-all': 4,
    'reduce-scatter': 52,
  },
}
HARDWARE = {
  'qwen:7b': qwen.RECIPES['7b']['hardware'],
  'deepseek:v2-lite': deepseek.RECIPES['v2-lite']['hardware'],
}


def installed():
  try:
    return importlib.metadata.version('libtpu')
  except importlib.metadata.PackageNotFoundError:
    return None


@pytest.mark.skipif(installed() != LIBTPU, reason=f'counts are those of libtpu {LIBTPU}')
def test_collectives_are_as_many_as_they_were(tmp_path):
  """In one test, since libtpu is for one process at a time."""
  found = {}
  for recipe, hardware in HARDWARE.items():
    family, _, name = recipe.partition(':')
    output = tmp_path / f'{name}.jsonl'
    programs = ','.join(program for of, program in GOLDEN if of == recipe)
    done = subprocess.run(
      [
        *(sys.executable, '-m', 'r1jax.aot', f'--config=configs/{family}.py:{name}'),
        *(f'--topology={hardware}', f'--programs={programs}', f'--output={output}'),
      ],
      cwd=ROOT,
      # Without the flags by which tests compile quickly.
      env={key: value for key, value in os.environ.items() if key != 'XLA_FLAGS'},
      capture_output=True,
      text=True,
    )
    assert done.returncode == 0, done.stderr
    for program in json.loads(output.read_text())['programs']:
      found[recipe, program['name']] = program['cost']['collectives']
  assert found == GOLDEN
