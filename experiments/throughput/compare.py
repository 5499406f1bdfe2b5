"""GRPO steps of r1jax, TRL and Tunix in turn on the same machine, round after round.

  python experiments/throughput/compare.py --trl=<venv>/bin/python --tunix=<venv>/bin/python

Each round runs every system in a process of its own; steps that compile are not counted. Results go
to `compare.jsonl` beside this file, a line a process, and the table of medians to the terminal. The
machine must be idle.
"""

import collections
import datetime
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from absl import app, flags

from r1jax import runner
from r1jax.training import records

HERE = Path(__file__).parent
RESULTS = HERE / 'compare.jsonl'
_TRL = flags.DEFINE_string('trl', None, 'Python that has TRL; without it TRL is left out.')
_TUNIX = flags.DEFINE_string('tunix', None, 'Python that has Tunix; without it Tunix is left out.')
_ROUNDS = flags.DEFINE_integer('rounds', 2, 'Rounds.')
_STEPS = flags.DEFINE_integer('steps', 5, 'Steps of a process that count.')
_ONLY = flags.DEFINE_list('only', None, 'Workloads; all by default.')

# Prompts, group, prompt tokens, completion tokens; then what our step does with them.
WORKLOADS = {
  'short': ((16, 16, 32, 64), ('--microbatches=4', '--cpu_devices=2')),
  'long': ((8, 16, 256, 128), ('--microbatches=4', '--cpu_devices=2')),
}
# Steps of a process that compile.
WARM_UP = {'r1jax': 1, 'trl': 1, 'tunix': 2}


def command(system: str, workload: str, steps: int) -> list[str]:
  """Returns the command line of a process."""
  sizes, options = WORKLOADS[workload]
  if system == 'r1jax':
    names = ('prompts', 'group', 'prompt_tokens', 'completion_tokens', 'steps')
    given = [f'--{name}={value}' for name, value in zip(names, (*sizes, steps), strict=True)]
    return [sys.executable, str(HERE / 'grpo_step.py'), *given, *options]
  python = {'trl': _TRL.value, 'tunix': _TUNIX.value}[system]
  return [python, str(HERE / f'{system}_step.py'), *map(str, (*sizes, steps))]


def measure(system: str, workload: str) -> list[float]:
  """Runs one process; returns the seconds of the steps that count."""
  line = command(system, workload, WARM_UP[system] + _STEPS.value)
  shown = subprocess.run(line, capture_output=True, text=True)
  seconds = [float(found) for found in re.findall(r'^step ([\d.]+)s', shown.stdout, re.MULTILINE)]
  if shown.returncode or len(seconds) != WARM_UP[system] + _STEPS.value:
    raise RuntimeError(f'{" ".join(line)} failed:\n{shown.stdout}{shown.stderr}')
  return seconds[WARM_UP[system] :]


def matrix_rate() -> float:
  """Returns the GFLOP/s that a float32 product of 1024 x 1024 reaches: what the machine can do."""
  square = np.ones((1024, 1024), np.float32)
  seconds = []
  for _ in range(20):
    start = time.perf_counter()
    square @ square
    seconds.append(time.perf_counter() - start)
  return 2 * 1024**3 / float(np.median(seconds)) / 1e9


def table(rows: list[dict[str, Any]]) -> str:
  """Returns medians with ranges over all rounds, and how many of our steps each takes."""
  seconds = collections.defaultdict(list)
  for row in rows:
    seconds[row['workload'], row['system']] += row['seconds']
  lines = ['| Workload | System | Seconds a step | Times r1jax |', '| --- | --- | --- | --- |']
  for (workload, system), found in seconds.items():
    middle = float(np.median(found))
    times = middle / float(np.median(seconds[workload, 'r1jax']))
    shown = f'{middle:.2f} ({min(found):.2f} to {max(found):.2f})'
    lines.append(f'| {workload} | {system} | {shown} | {times:.2f} |')
  return '\n'.join(lines)


def main(argv: list[str]) -> None:
  """Measures and tells."""
  del argv
  systems = ['r1jax', *(name for name in ('trl', 'tunix') if flags.FLAGS[name].value)]
  versions = runner.versions()
  made = {key: versions[key] for key in ('device', 'cpu_threads', 'commit', 'jax')}
  rows: list[dict[str, Any]] = []
  for round_ in range(_ROUNDS.value):
    for workload in _ONLY.value or WORKLOADS:
      for system in systems:
        row = {
          'date': datetime.date.today().isoformat(),
          'round': round_,
          'workload': workload,
          'system': system,
          'matrix_gflops': round(matrix_rate(), 1),
          'seconds': measure(system, workload),
          **made,
        }
        rows.append(row)
        records.replace_file(RESULTS, b''.join(map(records.encode, rows)))
        print(workload, system, *(f'{s:.2f}' for s in row['seconds']), flush=True)
  print(table(rows))


if __name__ == '__main__':
  app.run(main)
