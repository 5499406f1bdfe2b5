"""The program rewards on HumanEval, MBPP and Code Jam: right programs and stubs.

Part of `run.py`.
"""

import ast
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from r1jax.rewards import programs, workers
from r1jax.structs import Problem
from r1jax.tasks import humaneval, mbpp

MBPP = ('prompt', 'test', 'train', 'validation')
FORM = '<think>t</think>\n```python\n{}\n```'


def rows(data: Path) -> list[tuple[Problem, str]]:
  """Returns all problems of HumanEval and MBPP with their reference solutions."""
  asked = [
    (problem, problem.metadata['prompt'] + problem.metadata['canonical_solution'])
    for problem in humaneval.load(data / 'humaneval' / 'test.jsonl')
  ]
  for split in MBPP:
    asked += [
      (problem, problem.metadata['code']) for problem in mbpp.load(data / 'mbpp' / f'{split}.jsonl')
    ]
  return asked


def judge(asked: Sequence[tuple[Problem, str]]) -> list[programs.Verdict]:
  """Returns the verdicts on programs, judged in parallel."""
  with ThreadPoolExecutor(workers.usable_cpus()) as pool:
    return list(pool.map(lambda one: programs.judge(one[0], FORM.format(one[1])), asked))


def stub(code: str) -> str:
  """Returns a program whose functions do nothing."""
  tree = ast.parse(code)
  for node in ast.walk(tree):
    if isinstance(node, ast.FunctionDef):
      node.body = [ast.Pass()]
  return ast.unparse(tree)


def shown(verdict: programs.Verdict) -> str:
  """Returns a verdict as it stands in a table."""
  return f'{sum(verdict.passed)}/{len(verdict.passed)} ({verdict.reason})'
