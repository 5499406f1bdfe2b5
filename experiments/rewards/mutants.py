"""Mutants of programs that are right, and what is to be said of those that pass.

Part of `run.py`. A mutant that passes either computes what the program computes, or its tests are
weak: then there is a call that tells the two apart. Each is decided, by a call that was found or by
a reason that is written here.
"""

import ast
import dataclasses
import difflib
import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from r1jax.rewards import sandbox, workers
from r1jax.rewards.execution import surroundings
from r1jax.structs import Problem

_TELLER = 'telling_apart.py'
_LIMITS = sandbox.Limits(cpu_seconds=60.0)

# Calls that chance does not find.
_CALLS = {
  'mbpp/123': 'amicable_numbers_sum(219)',
  'mbpp/159': "month_season('September', 22)",
  'mbpp/164': 'areEquivalent(6, 25)',
  'mbpp/198': 'largest_triangle(1, 0.5)',
  'mbpp/407': 'rearrange_bigger(132)',
  'mbpp/822': "pass_validity('aA1$bc')",
}
# Why a mutant computes the same, by problem and changed line.
_SAME = {
  ('HumanEval/18', 'len(string) + len'): 'what is cut from beyond the end matches nothing',
  ('HumanEval/25', 'n > 2'): 'a factor of 2 is divided out before',
  ('HumanEval/50', 'return None'): 'a function that is not asked for',
  (
    'HumanEval/75',
    'range(2, 102)',
  ): 'differs only for products beyond 100, which are not asked for',
  ('HumanEval/89', '2 + 2'): '2 + 2 is 2 * 2',
  ('HumanEval/139', 'range(2, n'): 'leaves out a factor of 1',
  ('HumanEval/145', 'n < 1'): 'minus zero is zero',
  ('mbpp/1', 'R = 4'): 'a row that is not read',
  ('mbpp/18', '257'): 'a place that is not read',
  ('mbpp/20', 'x == 2'): '2 is even and returned before; the rest finds 1 to be one, too',
  ('mbpp/101', 'n - i - 2'): 'the loop compares and changes nothing',
  ('mbpp/239', 'm + 2'): 'a row that is not read',
  ('mbpp/291', 'n + 2'): 'a place that is not read',
  ('mbpp/326', '+= 2'): 'counts in twos and compares the counts',
  ('mbpp/380', '[[1'): 'overwritten before it is read',
  ('mbpp/382', 'mid - 1 - len'): 'the same modulo the length',
  ('mbpp/395', '+= 2'): 'asks which count is 1',
  ('mbpp/416', '1000001'): 'a constant that is not read',
  ('mbpp/469', 'k + 2'): 'a row that is not read',
  ('mbpp/480', 'max = -2'): 'counts are greater than both',
  ('mbpp/483', 'range(2'): 'leaves out a factor of 1',
  ('mbpp/628', '1001'): 'differs only for texts of a thousand letters',
  ('mbpp/631', 'return None'): 'after another return',
  ('mbpp/692', 'range(2'): 'leaves out a factor of 1',
  ('mbpp/711', 'n < 11'): '1 and 0 are not alike',
  ('mbpp/721', 'M = 101'): 'a place that is not read',
  ('mbpp/781', '+ 3'): 'a divisor past the root counts twice, which leaves the parity',
  ('mbpp/826', 'sqa - sqb'): 'both hold for a side of 0 alone',
  ('mbpp/928', 'return None'): 'after another return',
  ('mbpp/511', 'i + i'): 'what is left without a divisor up to its root has none up to its half',
}


@dataclasses.dataclass(frozen=True)
class Mutant:
  """A changed program.

  Attributes:
    problem: whose tests it is to fail.
    reference: the program that is right.
    code: the changed one.
  """

  problem: Problem
  reference: str
  code: str

  @property
  def change(self) -> str:
    """The line that was changed, without what stands around it."""
    before = ast.unparse(ast.parse(self.reference)).splitlines()
    changed = [line for line in difflib.ndiff(before, self.code.splitlines()) if line[:2] == '+ ']
    return ' '.join(changed[0][2:].split())


@dataclasses.dataclass(frozen=True)
class Decision:
  """What is to be said of a mutant that passes.

  Attributes:
    mutant: the changed program.
    call: one that tells it from the reference: the tests are weak. Or None.
    reason: why it computes the same; None if there is a call, or if nobody has decided it.
  """

  mutant: Mutant
  call: str | None
  reason: str | None


def draw(asked: Sequence[tuple[Problem, str]], each: int) -> list[Mutant]:
  """Returns up to so many mutants of each program, evenly spread."""
  found = []
  for problem, code in asked:
    reference = textwrap.dedent(code)
    all_of_one = [Mutant(problem, reference, mutant) for mutant in of_program(reference)]
    found += all_of_one[:: max(1, len(all_of_one) // each)][:each]
  return found


def of_program(code: str) -> Iterator[str]:
  """Yields programs with one comparison, operation, number or result changed."""
  for place in range(len(list(ast.walk(ast.parse(code))))):
    tree = ast.parse(code)
    node = list(ast.walk(tree))[place]
    change = _CHANGES.get(type(node), lambda node: False)
    if change(node):
      yield ast.unparse(tree)


def _other_comparison(node: ast.Compare) -> bool:
  turned = {ast.Lt: ast.GtE, ast.Gt: ast.LtE, ast.Eq: ast.NotEq, ast.LtE: ast.Gt, ast.GtE: ast.Lt}
  kind = turned.get(type(node.ops[0]))
  if kind:
    node.ops[0] = kind()
  return kind is not None


def _other_operation(node: ast.BinOp) -> bool:
  kind = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add}.get(type(node.op))
  if kind:
    node.op = kind()
  return kind is not None


def _other_number(node: ast.Constant) -> bool:
  is_number = type(node.value) in (int, float)
  if is_number:
    node.value += 1
  return is_number


def _nothing_returned(node: ast.Return) -> bool:
  returns = node.value is not None and ast.unparse(node.value) != 'None'
  node.value = ast.Constant(None)
  return returns


_CHANGES: dict[type, Callable] = {
  ast.Compare: _other_comparison,
  ast.BinOp: _other_operation,
  ast.Constant: _other_number,
  ast.Return: _nothing_returned,
}


def decide(passing: Sequence[Mutant]) -> list[Decision]:
  """Returns what is to be said of mutants that pass."""
  with ThreadPoolExecutor(workers.usable_cpus()) as pool:
    return list(pool.map(_decide, passing))


def _decide(mutant: Mutant) -> Decision:
  name, change = mutant.problem.id, mutant.change
  reason = next((why for (id, part), why in _SAME.items() if id == name and part in change), None)
  gold = json.loads(mutant.problem.gold)
  task = {
    'preamble': gold.get('preamble', ''),
    'setup': gold['setup'],
    'names': gold['names'],
    'tests': gold['tests'],
    'calls': [_CALLS[name]] if name in _CALLS else [],
    'reference': mutant.reference,
    'mutant': mutant.code,
  }
  files = {
    _TELLER: Path(__file__).with_name(_TELLER).read_bytes(),
    'task.json': json.dumps(task).encode(),
  }
  result = sandbox.run([surroundings.PYTHON, _TELLER], files=files, limits=_LIMITS)
  if result.reason != 'ok':
    raise RuntimeError(f'{name}: telling a mutant apart failed: {result}')
  call = json.loads(result.stdout)['told']
  return Decision(mutant, call, None if call else reason)


def table(decisions: Sequence[Decision]) -> str:
  """Returns Markdown that says of each mutant what was decided."""
  lines = ['| Problem | Changed line | Told apart by, or why it is the same |', '| --- ' * 3 + '|']
  for one in decisions:
    said = f'`{one.call}`' if one.call else one.reason or 'undecided'
    cells = (one.mutant.problem.id, f'`{one.mutant.change}`', said)
    lines.append('| ' + ' | '.join(cell.replace('|', '\\|') for cell in cells) + ' |')
  return '\n'.join(lines) + '\n'
