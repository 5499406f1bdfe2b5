"""What the rewards accept, what attacks on them earn, and how fast they are.

  python experiments/rewards/run.py --data=../shared/data [--parts=answers,echoes,...]

Each part adds a line to `results.jsonl` beside this file; `attacks` and `programs` write what they
found to `attacks.md` and `mutants.md` as well. `speed` wants an otherwise idle machine.
"""

import datetime
import itertools
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import app, flags

from r1jax import runner
from r1jax.rewards import accuracy, format, sandbox, workers

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import answer_attacks  # noqa: E402
import answers  # noqa: E402
import mutants  # noqa: E402
import prose_samples  # noqa: E402
import reference_programs  # noqa: E402
import sandbox_attacks  # noqa: E402
import speed  # noqa: E402

# Sets whose questions are searched for formulas.
ECHOED = (
  'math/test',
  'math/train',
  'aime24/test',
  'aime25/test',
  'amc23/test',
  'gaokao_cloze/test',
)

# Sets whose questions' numbers are combined.
SUMMED = ('svamp/test', 'cmath/test', 'gsm8k/test', 'math/test')


def run_answers(data: Path) -> dict[str, Any]:
  """Gold against itself, against other golds of its set, and solutions in full."""
  found = {}
  for name in answers.SETS:
    rows = answers.load(data, name)
    pairs, accepted = answers.against_others(name, rows, seed=0)
    found[name] = {
      'rows': len(rows),
      'not_itself': answers.against_itself(name, rows),
      'pairs': pairs,
      'pairs_accepted': accepted,
      'solutions_missed': answers.solutions_missed(rows),
    }
    print(name, answers.shown(found[name]), flush=True)
  return found


def run_echoes(data: Path) -> dict[str, Any]:
  """Formulas of the questions as answers, and sums of two of their numbers."""
  rows = [row for name in ECHOED for row in answers.load(data, name)]
  tried, accepted, faults = answers.echoes(rows)
  for name, which in accepted.items():
    print(f'{name}: {len(which)}')
  sums_tried, sums_accepted = answers.sums(
    [row for name in SUMMED for row in answers.load(data, name)]
  )
  print(f'sums: {len(sums_accepted)} of {sums_tried}')
  return {
    'problems': len(rows),
    'tried': tried,
    'accepted': accepted,
    'faults': dict(faults),
    'sums_tried': sums_tried,
    'sums_accepted': sums_accepted,
  }


def run_attacks(data: Path) -> dict[str, Any]:
  """Attacks on accuracy, format, the sandbox and the judge of programs."""
  del data
  terms = {'accuracy': accuracy.reward, 'format': format.reward}
  table, earned = [], 0
  for attack in answer_attacks.ATTACKS:
    start = time.monotonic()
    with workers.recorded() as faults:
      value = terms[attack.target](attack.problem, attack.response)
    earned += value > 0
    what = ', '.join(fault.reason for fault in faults) or 'refused'
    row = (attack.target, f'{attack.group}: {attack.name}', value, what, time.monotonic() - start)
    table.append(row)
  host = sandbox_attacks.Host()
  for attack in sandbox_attacks.attacks():
    start = time.monotonic()
    verdict, harm = sandbox_attacks.run(attack, host), host.harm()
    earned += any(verdict.passed) or bool(harm)
    value = sum(verdict.passed) / len(verdict.passed)
    what = '; '.join(harm) or verdict.reason
    table.append((attack.target, attack.name, value, what, time.monotonic() - start))
  host.close()
  _write_table(table)
  counts = Counter(row[0] for row in table)
  print(f'{len(table)} attacks {dict(counts)}, {earned} earned or harmed')
  slowest = max(table, key=lambda row: row[-1])
  return {
    'attacks': dict(counts),
    'earned_or_harmed': earned,
    'slowest': {'name': slowest[1], 'seconds': slowest[-1]},
    'sandbox': sandbox.default_backend(),
  }


def _write_table(table: list[tuple[str, str, float, str, float]]) -> None:
  lines = ['| # | On | Attack | Earned | What happened | Seconds |', '| --- ' * 6 + '|']
  for number, (target, name, value, what, seconds) in enumerate(table, start=1):
    lines.append(f'| {number} | {target} | {name} | {value:g} | {what} | {seconds:.2f} |')
  text = '# Attacks\n\nWritten by `run.py`; what they are stands in `answer_attacks.py`, '
  text += '`host_attacks.py` and `cheating_programs.py`.\n\n'
  (HERE / 'attacks.md').write_text(text + '\n'.join(lines) + '\n', 'utf-8')


def run_programs(data: Path) -> dict[str, Any]:
  """Reference solutions, stubs and mutants of HumanEval and MBPP."""
  asked = reference_programs.rows(data)
  verdicts = reference_programs.judge(asked)
  failing = [
    (problem.id, reference_programs.shown(verdict))
    for (problem, _), verdict in zip(asked, verdicts)
    if not all(verdict.passed)
  ]
  stubs = reference_programs.judge([(p, reference_programs.stub(code)) for p, code in asked])
  changed = mutants.draw(asked, each=2)
  judged = reference_programs.judge([(mutant.problem, mutant.code) for mutant in changed])
  passing = [mutant for mutant, verdict in zip(changed, judged) if all(verdict.passed)]
  decisions = mutants.decide(passing)
  text = '# Mutants that pass\n\nWritten by `run.py`; the reasons stand in `mutants.py`.\n\n'
  (HERE / 'mutants.md').write_text(text + mutants.table(decisions), 'utf-8')
  found = {
    'programs': len(asked),
    'failing': failing,
    'stubs_passing': [p.id for (p, _), v in zip(asked, stubs) if all(v.passed)],
    'mutants': len(changed),
    'mutants_passing': len(passing),
    'mutants_told_apart': sum(one.call is not None for one in decisions),
    'mutants_alike': sum(one.reason is not None for one in decisions),
  }
  print(answers.shown(found))
  return found


def run_languages(data: Path) -> dict[str, Any]:
  """Language consistency on labelled texts and on mixtures of them."""
  found = prose_samples.measure(data)
  print(answers.shown(found))
  return found


def run_speed(data: Path) -> dict[str, Any]:
  """Answers and programs a second."""
  pairs = answers.speed_pairs(data, count=1500, seed=0)
  rows = [row for name in ('math/test', 'math/train') for row in answers.load(data, name)]
  golds = [row.problem.gold for row in rows]
  formulas = speed.formulas([*itertools.pairwise(golds), *((f'{g} + 0', g) for g in golds)])[:600]
  found = {
    'mixed_answers_per_second': speed.median(speed.mixed(pairs)),
    'formulas_per_second': speed.median(speed.equal_work(formulas)),
    'delay_seconds': speed.delay(formulas[:200]),
    'programs_per_second': speed.median(speed.programs_a_second(200)),
    'rollout': speed.rollout(
      [(row.problem, row.solution or '') for row in rows[:512]], group_size=16
    ),
  }
  print(answers.shown(found))
  return found


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
  'answers': run_answers,
  'echoes': run_echoes,
  'attacks': run_attacks,
  'programs': run_programs,
  'languages': run_languages,
  'speed': run_speed,
}
_DATA = flags.DEFINE_string('data', '../shared/data', 'Folder of the problem sets.')
_PARTS = flags.DEFINE_list('parts', list(PARTS), 'What to measure.')


def main(_: list[str]) -> None:
  """Measures the parts, and writes down a line each."""
  for part in _PARTS.value:
    start = time.monotonic()
    found = PARTS[part](Path(_DATA.value))
    versions = runner.versions()
    record = {
      'part': part,
      'date': datetime.date.today().isoformat(),
      'commit': versions['commit'],
      'python': versions['python'],
      'device': versions['device'],
      'seconds': round(time.monotonic() - start),
      'found': found,
    }
    with (HERE / 'results.jsonl').open('a', encoding='utf-8') as file:
      file.write(json.dumps(record, ensure_ascii=False) + '\n')


if __name__ == '__main__':
  app.run(main)
