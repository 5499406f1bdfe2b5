"""The program rewards, end to end: a response in, a share of tests out."""

import ast
import concurrent.futures
import json
import pathlib
import sys

import pytest

from r1jax import structs
from r1jax.rewards import programs, sandbox
from r1jax.rewards.execution import compilers, examiner, suites
from r1jax.tasks import contest, humaneval, mbpp

DATA = pathlib.Path(__file__).parents[3] / 'shared' / 'data'
# Of HumanEval and MBPP, every so manieth row; the experiments judge them all.
EVERY = 20

STDIN = {
  'kind': 'stdin',
  'tests': [{'input': f'{a} 2\n', 'output': f'{a + 2}\n'} for a in (1, 5, -2, 10**20)],
}
ASSERTS = {
  'kind': 'asserts',
  'names': {'candidate': 'add'},
  'setup': 'import math',
  'tests': ['assert candidate(1, 2) == 3', 'x = math.pi', 'assert candidate(x, 0) == x'],
}
CALLS = {
  'kind': 'calls',
  'function': 'Solution.add',
  'tests': [{'input': [1, 2], 'output': 3}, {'input': ['a', 'b'], 'output': 'ab'}],
}
SUM = 'a, b = map(int, input().split())\nprint(a + b)'
ADD = 'def add(a, b):\n  return a + b'
METHOD = 'class Solution:\n  def add(self, a, b):\n    return a + b'


@pytest.fixture(scope='module', autouse=True)
def available():
  try:
    sandbox.default_backend()
  except sandbox.UnavailableError as error:
    pytest.skip(f'programs cannot be run safely here: {error}')


def problem(gold, **fields):
  return structs.Problem(id='p', question='?', gold=json.dumps(gold | fields))


def check_problem(problem):
  programs.check_gold(problem.gold)


def answered(code, info='python'):
  return f'<think>hm</think>\n<answer>\n```{info}\n{code}\n```\n</answer>'


def judge(gold, code, info='python', **fields):
  return programs.judge(problem(gold, **fields), answered(code, info))


@pytest.mark.parametrize(
  ('gold', 'code'),
  [(STDIN, SUM), (ASSERTS, ADD), (CALLS, METHOD)],
  ids=['stdin', 'asserts', 'calls'],
)
def test_a_right_program_earns_all(gold, code):
  one = problem(gold)
  assert programs.reward(one, answered(code)) == 1.0
  assert programs.all_passed(one, answered(code)) == 1.0
  assert programs.judge(one, answered(code)).reason == 'ok'


@pytest.mark.parametrize(
  ('gold', 'code', 'share'),
  [
    (STDIN, 'a, b = map(int, input().split())\nprint(abs(a) + b)', 3 / 4),
    (STDIN, 'a, b = map(int, input().split())\nprint(float(a) + b)', 0),
    (STDIN, SUM + '\nassert a > 0', 3 / 4),
    (ASSERTS, 'def add(a, b):\n  return int(a + b)', 1 / 2),
    (ASSERTS, 'def add(a, b):\n  assert type(a) is int\n  return a + b', 1 / 2),
    (CALLS, 'class Solution:\n  def add(self, a, b):\n    return sum([a, b])', 1 / 2),
  ],
)
def test_a_program_that_is_right_at_times_earns_its_share(gold, code, share):
  one = problem(gold)
  assert programs.reward(one, answered(code)) == share
  assert programs.all_passed(one, answered(code)) == 0.0


@pytest.mark.parametrize(
  'response',
  [
    '',
    SUM,
    f'<think>\n```python\n{SUM}\n```',
    f'```python\n{SUM}',
    answered(SUM, 'java'),
    answered(SUM, 'cpp'),
    answered('#' * 70_000 + '\n' + SUM),
    answered(SUM + '  # \ud800'),
    answered(''),
    answered('a, b ='),
    answered(SUM) + '<think>',
    answered(SUM).replace('</answer>', '') + '<answer>42</answer>',
  ],
)
def test_what_is_no_program_earns_nothing(response):
  assert programs.reward(problem(STDIN), response) == 0.0
  assert programs.all_passed(problem(STDIN), response) == 0.0


def test_why_a_program_was_not_run():
  assert judge(STDIN, SUM, 'java') == programs.Verdict((False,) * 4, 'no program')
  assert programs.judge(problem(STDIN), 'none').reason == 'no program'


@pytest.mark.parametrize(
  ('gold', 'code', 'passed', 'reason'),
  [
    (STDIN, f'{SUM}\nwhile a == 5: pass', (True, False, False, False), 'timeout'),
    (STDIN, f'{SUM}\nwhile a == 5: print(a)', (True, False, False, False), 'output'),
    (ASSERTS, f'{ADD} if type(a) is int else add(a, b)', (True, False), 'ok'),
    (ASSERTS, 'def add(a, b):\n  while a > 3: pass\n  return a + b', (True, False), 'timeout'),
    (
      ASSERTS,
      'import os\ndef add(a, b):\n  a > 3 and os.kill(os.getpid(), 9)\n  return a + b',
      (True, False),
      'died',
    ),
    (CALLS, f'{METHOD} if a == 1 else exit()', (True, False), 'ok'),
  ],
)
def test_a_program_that_is_ended_keeps_what_it_passed_before(gold, code, passed, reason):
  verdict = judge(gold, code, cpu_seconds=0.5)
  assert verdict == programs.Verdict(passed, reason)


def test_the_verdict_is_the_same_every_time():
  code = 'def add(a, b):\n  return list({"x", "y", "z"})[0] == "z" and a + b'
  verdicts = set()
  for _ in range(3):
    programs._judge.cache_clear()
    verdicts.add(judge(ASSERTS, code))
  assert len(verdicts) == 1


def test_a_verdict_is_remembered_for_its_gold_and_program_only():
  programs._judge.cache_clear()
  for gold in (ASSERTS, {**ASSERTS, 'tests': ['assert candidate(1, 2) == 4']}):
    for code in (ADD, ADD + ' + 1', ADD):
      judge(gold, code)
  assert programs._judge.cache_info().misses == 4


def test_output_is_compared_as_the_gold_says():
  tests = [{'input': '', 'output': '0.5 x\n'}]
  spaced = 'print("0.5", end="\\n\\n")\nprint("x")'
  assert judge(STDIN, spaced, tests=tests).passed == (False,)
  assert judge(STDIN, spaced, tests=tests, compare='tokens').passed == (True,)
  near = 'print("0.50000001", "x")'
  assert judge(STDIN, near, tests=tests, compare='tokens').passed == (False,)
  assert judge(STDIN, near, tests=tests, compare='tokens', tolerance=1e-6).passed == (True,)
  assert judge(CALLS, METHOD, tests=[{'input': [0.1, 0.2], 'output': 0.3}]).passed == (False,)
  one = judge(CALLS, METHOD, tests=[{'input': [0.1, 0.2], 'output': 0.3}], tolerance=1e-9)
  assert one.passed == (True,)


def test_of_integers_only_the_nearest_is_within_the_tolerance():
  tests = [{'input': '', 'output': '1000000007\n'}]
  for code in ('print(10**9)', 'print(1e9)', 'print(10**9 + 6.4)'):
    assert judge(STDIN, code, tests=tests, compare='tokens', tolerance=1e-6).passed == (False,)
  tests = [{'input': [10**9, 0], 'output': 10**9 + 7}, {'input': [10**9, 7.1], 'output': 10**9 + 7}]
  assert judge(CALLS, METHOD, tests=tests, tolerance=1e-6).passed == (False, True)


def test_methods_take_arguments_if_the_gold_says_so():
  code = 'class add:\n  def __init__(self, *a): pass\n  def startswith(self, text): return True'
  tests = ['assert candidate(1, 2).startswith("3")']
  assert judge(ASSERTS, code, tests=tests).passed == (False,)
  assert judge(ASSERTS, code, tests=tests, objects=True).passed == (True,)
  assert judge(ASSERTS, 'def add(a, b): return str(a + b)', tests=tests).passed == (True,)


def test_what_follows_a_program_in_another_language_is_no_program():
  text = f'```python\n{SUM}\n```\nIt prints\n```text\n3\n```'
  assert programs.reward(problem(STDIN), text) == 1.0
  assert programs.reward(problem(STDIN), text.replace('text', 'py')) == 0.0


def test_memory_is_limited_as_the_gold_says():
  code = SUM + '\nx = bytearray(100 << 20)'
  assert judge(STDIN, code, memory_mib=64).passed == (False,) * 4
  assert judge(STDIN, code, memory_mib=256).passed == (True,) * 4


def test_functions_may_count_on_the_preamble():
  code = 'def add(a: List[int], b) -> float:\n  return math.fsum([a, b])'
  assert judge(ASSERTS, code).passed == (False, False)
  assert judge(ASSERTS, code, preamble='import math\nfrom typing import *').passed == (True, True)
  future = 'from __future__ import annotations\ndef add(a: X, b: Y): return a + b'
  assert judge(ASSERTS, future, preamble='import math').passed == (True, True)


def test_the_main_part_of_a_program_with_functions_does_not_run():
  code = f"{ADD}\nif __name__ == '__main__':\n  raise SystemExit(input())"
  assert judge(ASSERTS, code).passed == (True, True)


@pytest.mark.parametrize('code', ['1 / 0', 'pass', 'print(".111")', 'print("11")', 'print(".1x")'])
def test_an_examiner_that_fails_is_an_error_and_no_verdict(code, monkeypatch):
  broken = compile(code.replace(')', ', end="", flush=True)'), 'examiner.py', 'exec')
  right = programs._compiled
  monkeypatch.setattr(
    programs, '_compiled', lambda name: broken if name == 'examiner.py' else right(name)
  )
  with pytest.raises(RuntimeError, match='the examiner failed: '):
    judge(ASSERTS, f'{ADD}  # {code}')


@pytest.mark.parametrize('gold', ['', '72', '{}'])
def test_a_gold_that_describes_no_tests_is_an_error(gold):
  with pytest.raises(ValueError, match='the gold'):
    programs.check_gold(gold)
  with pytest.raises(ValueError, match='the gold'):
    programs.reward(structs.Problem(id='p', question='?', gold=gold), answered(SUM))


def test_a_gold_that_asks_for_a_compiler_that_is_not_there_is_an_error(monkeypatch):
  gold = json.dumps(STDIN | {'languages': ['cpp']})
  monkeypatch.setattr(compilers, 'compiler', lambda: None)
  with pytest.raises(ValueError, match=r'no g\+\+ or clang\+\+ .* install one'):
    programs.check_gold(gold)
  programs.check_gold(json.dumps(STDIN))
  with pytest.raises(RuntimeError, match='no C\\+\\+ compiler here'):
    judge(STDIN, 'int main() {}', 'cpp', languages=['cpp'])


CPP_SUM = (
  '#include <iostream>\nint main() { __int128 a; long long x, b; std::string s; {} }'.replace(
    '{}', 'std::cin >> x >> b; std::cout << x + b << std::endl;'
  )
)


@pytest.fixture
def cpp():
  if compilers.compiler() is None:
    pytest.skip('there is no C++ compiler here')
  return {'languages': ['python', 'cpp'], 'tests': STDIN['tests'][:3]}


def test_programs_in_cpp(cpp):
  programs.check_gold(json.dumps(STDIN | cpp))
  assert judge(STDIN, CPP_SUM, 'cpp', **cpp) == programs.Verdict((True,) * 3, 'ok')
  assert judge(STDIN, CPP_SUM.replace('+ b', '- b'), 'c++', **cpp).passed == (False,) * 3
  # The name of the language decides; without one, it is the first.
  assert judge(STDIN, SUM, **cpp).passed == judge(STDIN, SUM, '', **cpp).passed == (True,) * 3
  assert judge(STDIN, CPP_SUM, '', **cpp).passed == (False,) * 3
  assert judge(STDIN, SUM, 'cpp', **cpp) == programs.Verdict((False,) * 3, 'not compiled')


@pytest.mark.parametrize(
  'code',
  [
    '#include "/dev/zero"\nint main() {}',
    '#include "/etc/shadow"\nint main() {}',
    'static char x[1ul << 33] = {1};\nint main() { return x[0]; }',
    'int main() { for (;;); }',
    'int main() { int *x = nullptr; return *x; }',
    'int main() { return main(); }',
  ],
)
def test_hostile_programs_in_cpp(cpp, code, monkeypatch):
  quick = sandbox.Limits(cpu_seconds=3, memory_bytes=1 << 30, output_bytes=32 << 20)
  monkeypatch.setattr(compilers, 'COMPILE_LIMITS', quick)
  assert judge(STDIN, code, 'cpp', cpu_seconds=0.5, **cpp).passed == (False,) * 3


def test_deep_recursion_in_cpp(cpp):
  code = """
#include <iostream>
int depth(int n) { volatile char x[64]; x[0] = 1; return n ? depth(n - 1) + x[0] : 0; }
int main() { int a, b; std::cin >> a >> b; std::cout << a + b + (depth(1000000) - 1000000); }
"""
  assert judge(STDIN, code, 'cpp', **cpp).passed == (True,) * 3


def test_cpp20_and_what_compiles_as_cpp17_only(cpp):
  bits = CPP_SUM.replace('int main', '#include <bit>\nint one = std::popcount(4u);\nint main')
  assert judge(STDIN, bits.replace('+ b', '+ b * one'), 'cpp', **cpp).passed == (True,) * 3
  # C++20 makes this a keyword.
  old = CPP_SUM.replace('long long x', 'long long concept').replace(' x', ' concept')
  assert old.count('concept') == 3
  assert judge(STDIN, old, 'cpp', **cpp).passed == (True,) * 3


DEEP = """
import functools, sys
sys.setrecursionlimit(10**7)
@functools.lru_cache(None)
def depth(n): return n and 1 + depth(n - 1)
assert depth(100_000) == 100_000
"""


@pytest.mark.parametrize(
  ('gold', 'code'),
  [(STDIN, SUM), (ASSERTS, ADD), (CALLS, METHOD)],
  ids=lambda g: g['kind'] if isinstance(g, dict) else '',
)
def test_deep_recursion_in_python(gold, code):
  if sys.version_info[:2] in ((3, 12), (3, 13)):
    pytest.skip('this Python limits such recursion itself, to 10,000 calls')
  assert all(judge(gold, DEEP + code).passed)


def test_threads_in_python():
  code = """
import threading
barrier = threading.Barrier(13)
for _ in range(12): threading.Thread(target=barrier.wait, daemon=True).start()
barrier.wait()
threading.stack_size(1 << 27)
main = threading.Thread(target=exec, args=({},))
main.start()
main.join()
"""
  assert judge(STDIN, code.format(repr(SUM))).passed == (True,) * 4


def test_a_program_in_python_runs_as_if_named():
  code = f"""
# -*- coding: latin-1 -*-
'''What it does.'''
from __future__ import annotations
import __main__
assert set(globals()) - {{'annotations'}} <= set(
  '__annotations__ __builtins__ __cached__ __doc__ __file__ __loader__ __main__ __name__ '
  '__package__ __spec__ __warningregistry__'.split()
), globals()
import os, pickle, sys
class Box: pass
assert __doc__ == 'What it does.' and __name__ == '__main__' and __main__.Box is Box
assert type(pickle.loads(pickle.dumps(Box()))) is Box
assert sys.argv == ['main.py'] and os.path.samefile(__file__, 'main.py')
assert len('\u00e4') == 2
{SUM}
exit()
"""
  assert judge(STDIN, code.strip()).passed == (True,) * 4


REVERSORT = """
for case in range(int(input())):
  input()
  items = [*map(int, input().split())]
  cost = 0
  for i in range(len(items) - 1):
    j = items.index(min(items[i:]))
    items[i : j + 1] = items[i : j + 1][::-1]
    cost += j - i + 1
  print(f'Case #{case + 1}: {cost}')
"""
NESTING = """
for case in range(int(input())):
  depth, text = 0, ''
  for digit in map(int, input().strip()):
    text += '(' * (digit - depth) + ')' * (depth - digit) + str(digit)
    depth = digit
  print(f'Case #{case + 1}: {text}{")" * depth}')
"""
RULERS = """
for case in range(int(input())):
  name = input().strip()
  last = name[-1].lower()
  ruler = 'nobody' if last == 'y' else 'Alice' if last in 'aeiou' else 'Bob'
  print(f'Case #{case + 1}: {name} is ruled by {ruler}.')
"""
GOODNESS = """
for case in range(int(input())):
  n, k = map(int, input().split())
  s = input().strip()
  score = sum(s[i] != s[n - 1 - i] for i in range(n // 2))
  print(f'Case #{case + 1}: {abs(score - k)}')
"""
CONTEST = {
  'codejam/2021/qualification_round/reversort': REVERSORT,
  'codejam/2020/qualification_round/nesting_depth': NESTING,
  'kickstart/2022/coding_practice_with_kick_start_session_1/centauri_prime': RULERS,
  'kickstart/2021/round_a/k-goodness_string': GOODNESS,
}
# Each does something else to the output of the right program, `out`, a list of lines.
SPOILING = {
  'the first line only': 'out[:1]',
  'all but the last line': 'out[:-1]',
  'a line more': '[*out, "Case #0: 0"]',
  'a line twice': '[*out, out[-1]]',
  'the first line twice': '[out[0], *out]',
  'in another order': 'out[::-1]',
  'the last character missing': '[*out[:-1], out[-1][:-1]]',
  'a character more': '[*out[:-1], out[-1] + "0"]',
  'without the numbers of the cases': '[line.partition(": ")[2] for line in out]',
  'on one line': '[" ".join(out)]',
  'nothing': '[]',
}
RIGHTLY = {'spaced at the ends': '[line + "  " for line in out] + ["", ""]', 'as it is': 'out'}


def rewritten(code, change):
  """Returns a program that changes what another one prints."""
  body = code.replace('  print(', '  out.append(')
  assert body != code
  return f'out = []\n{body}\nprint("\\n".join({change}))'


@pytest.fixture(scope='module')
def contests():
  paths = [DATA / 'code_stdin' / f'{split}.jsonl' for split in ('train', 'test')]
  if not all(path.exists() for path in paths):
    pytest.skip(f'needs the problem set {DATA / "code_stdin"}')
  loaded = (contest.load(path, check_problem=check_problem) for path in paths)
  return {one.id: one for problems in loaded for one in problems}


@pytest.mark.parametrize('name', CONTEST)
def test_contest_problems(contests, name):
  right = {what: rewritten(CONTEST[name], change) for what, change in RIGHTLY.items()}
  wrong = {what: rewritten(CONTEST[name], change) for what, change in SPOILING.items()}
  for what, code in {**right, 'itself': CONTEST[name]}.items():
    verdict = programs.judge(contests[name], answered(code))
    assert all(verdict.passed) and verdict.reason == 'ok', what
  for what, code in wrong.items():
    verdict = programs.judge(contests[name], answered(code))
    assert not any(verdict.passed) and verdict.reason == 'ok', what


def spoiled(code, names):
  """Returns a program whose functions return something else than they should."""
  tails = []
  for name in names:
    tails.append(f"""
_right_{name} = {name}
def {name}(*arguments, **named):
  value = _right_{name}(*arguments, **named)
  if value is None or isinstance(value, bool):
    return 'spoiled' if value is None else not value
  if isinstance(value, (int, float, complex)):
    return value + 1
  if isinstance(value, (list, tuple, str)):
    return value + type(value)('?')
  return 'spoiled'
""")
  return code + ''.join(tails)


def rows(loaded, reference):
  return [(one, reference(one.metadata)) for one in loaded[::EVERY]]


@pytest.fixture(scope='module', params=['HumanEval', 'MBPP'])
def solved(request):
  """Problems and their reference solutions."""
  folder = DATA / request.param.lower()
  if not folder.is_dir():
    pytest.skip(f'needs the problem set {folder}')
  if request.param == 'HumanEval':
    loaded = humaneval.load(folder / 'test.jsonl', check_problem=check_problem)
    return [
      (one, one.metadata['prompt'] + one.metadata['canonical_solution']) for one in loaded[::EVERY]
    ]
  parts = [
    mbpp.load(folder / f'{part}.jsonl', check_problem=check_problem) for part in ('train', 'test')
  ]
  # The two whose set-up uses a class of the solution's, and the one whose tests do, are among them.
  named = [one for part in parts for one in part if one.id in ('mbpp/367', 'mbpp/601', 'mbpp/927')]
  assert len(named) == 3
  return [
    (one, one.metadata['code']) for one in [*named, *(o for part in parts for o in part[::EVERY])]
  ]


def functions(code):
  return [node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]


def test_reference_solutions_pass_and_stubs_and_spoiled_ones_fail(solved):
  def outcomes(pair):
    one, code = pair
    stubs = '\n'.join(f'def {name}(*arguments): return None' for name in functions(code))
    wrong = spoiled(code, functions(code)[-1:])
    form = '<think>t</think>\n~~~~~~python\n{}\n~~~~~~'
    judged = (programs.judge(one, form.format(c)) for c in (code, stubs, wrong))
    return one.id, *(all(verdict.passed) for verdict in judged)

  with concurrent.futures.ThreadPoolExecutor(2) as pool:
    results = [*pool.map(outcomes, solved)]
  assert len(results) >= 9
  assert [result for result in results if result[1:] != (True, False, False)] == []


def test_the_examiner_tells_as_many_tests_as_the_suite_has(solved):
  for one, _ in solved:
    suite = suites.read(one.gold)
    assert suite.num_tests == len(programs.judge(one, 'nothing').passed) >= 1
  assert examiner.PASSED != examiner.FAILED
