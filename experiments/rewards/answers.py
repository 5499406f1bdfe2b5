"""The accuracy reward on real sets: gold answers, each other's gold, and the question's formulas.

Part of `run.py`.
"""

import dataclasses
import itertools
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from r1jax.rewards import accuracy, choice, workers
from r1jax.rewards.mathematics import notation
from r1jax.structs import Problem
from r1jax.tasks import choice as choices
from r1jax.tasks import gsm8k, math

# Sets, by folder; MATH's and GSM8K's training parts as well.
SETS: dict[str, Callable] = {
  'gsm8k/test': gsm8k.load,
  'gsm8k/train': gsm8k.load,
  **dict.fromkeys(
    (
      'math/test',
      'math/train',
      'aime24/test',
      'aime25/test',
      'amc23/test',
      'svamp/test',
      'cmath/test',
      'cmath/train',
      'mgsm_zh/test',
      'gaokao_cloze/test',
    ),
    math.load,
  ),
  'gaokao_qa/test': choices.load,
}
PAIRS = 4000
# What a lazy policy may do to a formula of the question.
REWRITINGS = {
  'as it stands': '{}',
  'in brackets': '({})',
  'plus 0': '{}+0',
  'times 1': r'1\cdot {}',
  'to the power 1': '({})^{{1}}',
  'minus minus': '-(-({}))',
  'twice its half': r'\frac{{2({})}}{{2}}',
}
# The same where it has an x.
WITH_X = {
  'x taken out': r'x\cdot\frac{{{}}}{{x}}',
  'x in a fraction': r'\frac{{x({})}}{{x}}',
}
# The same to an equation, of two sides.
OF_EQUATIONS = {
  'all on one side': '{}-({})=0',
  'doubled': '2({})=2({})',
  'negated': '-({})=-({})',
  'plus 1': '{}+1={}+1',
}


@dataclasses.dataclass(frozen=True)
class Row:
  """A problem with its solution, if the set has one."""

  problem: Problem
  solution: str | None


def load(data: Path, name: str) -> list[Row]:
  """Reads a set."""
  problems = SETS[name](data / f'{name}.jsonl')
  return [Row(problem, problem.metadata.get('solution')) for problem in problems]


def term(name: str) -> Callable[[Problem, str], float]:
  """Returns what rewards answers of a set."""
  return choice.reward if name == 'gaokao_qa/test' else accuracy.reward


def against_itself(name: str, rows: Sequence[Row]) -> list[str]:
  """Returns the golds that do not score 1 against themselves, boxed and in an answer block."""
  reward = term(name)
  forms = ('<think>t</think><answer>{}</answer>', r'<think>t</think>So $\boxed{{{}}}$.')
  return [
    row.problem.gold
    for row in rows
    if not all(reward(row.problem, form.format(row.problem.gold)) == 1 for form in forms)
  ]


def against_others(name: str, rows: Sequence[Row], *, seed: int) -> tuple[int, list[tuple]]:
  """Returns how many pairs of golds that are written differently were drawn, and those accepted."""
  rng, reward = random.Random(seed), term(name)
  pairs = []
  for _ in range(20 * PAIRS):
    row, other = rng.choice(rows), rng.choice(rows).problem.gold
    if _squeezed(row.problem.gold) != _squeezed(other):
      pairs.append((row.problem, other))
    if len(pairs) == PAIRS:
      break
  scores = _map(lambda p: reward(p[0], f'<think>t</think><answer>{p[1]}</answer>'), pairs)
  accepted = {(other, p.gold) for (p, other), score in zip(pairs, scores) if score}
  return len(pairs), sorted(accepted)


def solutions_missed(rows: Sequence[Row]) -> list[str]:
  """Returns the problems whose worked solution does not score 1."""
  solved = [row for row in rows if row.solution and has_box(row.solution)]
  scores = _map(lambda row: accuracy.reward(row.problem, row.solution), solved)
  return [row.problem.id for row, score in zip(solved, scores) if not score]


def has_box(solution: str) -> bool:
  """Returns whether a solution gives its answer in a box, as MATH's do."""
  return r'\boxed' in solution


def echoes(rows: Sequence[Row]) -> tuple[int, dict[str, list[tuple[str, str, str]]], Counter]:
  """Returns how many answers were tried, formulas rewritten, which were accepted, and faults."""
  jobs = [
    (name, row.problem, rewritten)
    for row in rows
    for formula in formulas(row.problem.question)
    if _squeezed(formula) != _squeezed(row.problem.gold)
    for name, rewritten in rewritings(formula)
  ]

  def judge(job):
    with workers.recorded() as faults:
      score = accuracy.reward(job[1], f'<think>t</think><answer>{job[2]}</answer>')
    return score, [fault.reason for fault in faults]

  names = (*REWRITINGS, *WITH_X, *OF_EQUATIONS)
  accepted: dict[str, list[tuple[str, str, str]]] = {name: [] for name in names}
  faults: Counter = Counter()
  for (name, problem, answer), (score, reasons) in zip(jobs, _map(judge, jobs)):
    faults.update(reasons)
    if score:
      accepted[name].append((problem.id, answer, problem.gold))
  return len(jobs), accepted, faults


def rewritings(formula: str) -> Iterator[tuple[str, str]]:
  """Yields a formula rewritten without work, each with the name of the rewriting."""
  for name, form in REWRITINGS.items():
    yield name, form.format(formula)
  for name, form in WITH_X.items():
    if re.search(r'(?<![A-Za-z\\])x(?![A-Za-z])', formula) and '=' not in formula:
      yield name, form.format(formula)
  sides = formula.split('=')
  for name, form in OF_EQUATIONS.items():
    if len(sides) == 2 and all(side.strip() for side in sides):
      yield name, form.format(*(side.strip() for side in sides))


def formulas(question: str) -> list[str]:
  """Returns the formulas of a question, and the sides of its equations."""
  found = []
  for match in re.finditer(r'\$\$(.+?)\$\$|\$(.+?)\$|\\\[(.+?)\\\]', question, re.DOTALL):
    formula = next(text for text in match.groups() if text).strip()
    found += [formula, *(side.strip() for side in formula.split('=') if '=' in formula)]
  return [formula for formula in dict.fromkeys(found) if formula]


def sums(rows: Sequence[Row]) -> tuple[int, list[tuple[str, str, str]]]:
  """Returns how many sums of two numbers of a question were tried as answers, and which earned.

  Not among them are divisions by 1, and what is the gold answer to the letter.
  """
  asked = []
  for row in rows:
    numbers = list(dict.fromkeys(re.findall(r'[0-9]+(?:\.[0-9]+)?', row.problem.question)))[:8]
    for first, second in itertools.permutations(numbers, 2):
      for sign in ('/', '+', '-', r'\times '):
        written = f'{first}{sign}{second}'
        if written != row.problem.gold and (sign, second) != ('/', '1'):
          asked.append((row.problem, written))
  earned = _map(lambda pair: accuracy.reward(pair[0], f'<answer>{pair[1]}</answer>'), asked)
  accepted = [(p.id, text, p.gold) for (p, text), value in zip(asked, earned) if value]
  return len(asked), accepted


def speed_pairs(data: Path, *, count: int, seed: int) -> list[tuple[str, str]]:
  """Returns answers with golds, a mixed set: of all sets, right ones, otherwise written, wrong."""
  rng = random.Random(seed)
  golds = {
    name: [row.problem.gold for row in load(data, name)] for name in SETS if 'qa' not in name
  }
  writings = ('{}', 'x = {}', '${}$.', r'\left( {} \right)', '{} + 1')
  pairs = []
  for name, form in zip(itertools.cycle(golds), itertools.cycle(writings)):
    gold = rng.choice(golds[name])
    answer = rng.choice(golds[name]) if rng.random() < 0.5 else gold
    pairs.append((form.format(answer), gold))
    if len(pairs) == count:
      return pairs
  raise AssertionError


def _squeezed(text: str) -> str:
  return notation.squeeze(notation.normalise(text))


def _map(work: Callable, items: Sequence) -> Iterator:
  with ThreadPoolExecutor(workers.usable_cpus()) as pool:
    yield from pool.map(work, items)


def shown(value: object) -> str:
  """Returns a value as it stands in a table."""
  return json.dumps(value, ensure_ascii=False)
