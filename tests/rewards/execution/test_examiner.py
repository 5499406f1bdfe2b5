import marshal
import os
import socket
import threading
import types

import pytest

from r1jax.rewards.execution import candidate, examiner, plain_data, suites


@pytest.fixture
def lend():
  """Returns a function that serves a program's source to an examiner, from a thread."""
  sockets, threads = [], []

  def start(source, **options):
    ours, theirs = socket.socketpair()
    sockets.extend((ours, theirs))
    module = types.ModuleType('program')
    exec(source, module.__dict__)

    def serve():
      objects = candidate.Objects(module)
      try:
        while True:
          request = plain_data.receive(theirs.fileno())
          plain_data.send(theirs.fileno(), candidate.reply(request, objects))
      except (plain_data.ClosedError, OSError):
        return

    threads.append(threading.Thread(target=serve))
    threads[-1].start()
    return examiner.Program(ours.fileno(), **options)

  yield start
  for one in sockets:
    one.shutdown(socket.SHUT_RDWR)
  for thread in threads:
    thread.join()
  for one in sockets:
    one.close()


def script(program, *steps, setup='', names=('f',)):
  suite = {'setup': setup, 'names': {name: name for name in names}}
  suite['steps'] = tuple(map(suites.step, steps))
  return [*examiner.run_script(suite, program)]


def test_each_assert_is_a_test_and_steps_share_their_variables(lend):
  program = lend('def f(x): return x + 1')
  steps = ('assert f(1) == 2', 'y = f(5)', 'assert y == 6', 'assert y == 7', 'assert f(y) == 7')
  assert script(program, *steps) == [True, True, False, True]


def test_plain_data_goes_both_ways(lend):
  program = lend('def f(*a, **k): return a, k')
  value = "[1, 'x', b'y', 2.5, 1j, None, True, {1: {2}}, frozenset([3]), range(4), int]"
  assert script(program, f'assert f({value}, k={value}) == (({value},), dict(k={value}))') == [True]


def test_a_test_holds_handles_of_what_is_no_plain_data(lend):
  source = """
class Node:
  def __init__(self, value): self.value, self.next = value, None
  def total(self): return self.value + (self.next.total() if self.next else 0)
  def __len__(self): return 3
  def __bool__(self): return self.value > 0
  def __str__(self): return f'<{self.value}>'
  def __getitem__(self, key): return key * 2
  def __iter__(self): return iter([1, self])
def f(nodes): return sum(node.total() for node in nodes)
def count():
  yield 1
  yield 2
"""
  program = lend(source, objects=True)
  steps = (
    'a, b = Node(3), Node(4)\na.next = b',
    'assert a.value == 3 and a.next.value == 4',
    'assert a.total() == 7',
    'assert f([a, b]) == 11',
    'assert len(a) == 3 and a[5] == 10 and str(a) == "<3>"',
    'assert a and not Node(-1)',
    'assert [*a][0] == 1 and [*a][1] is a',
    'assert 1 in a and 5 not in a',
    'assert a.next is b and a.next == b and a != b',
    'assert list(count()) == [1, 2]',
    'assert next(count()) == 1',
    'c = count()\nassert next(c) == 1 and next(c) == 2 and next(c, 3) == 3',
  )
  assert script(program, *steps, names=('Node', 'f', 'count')) == [True] * 11


@pytest.mark.parametrize(
  'statement',
  ['f() == 5', '5 == f()', 'f() != 5', 'f() > 4', 'abs(f() - 5) < 1', '5 in f()', 'f() in [5]'],
)
def test_what_is_expected_is_never_passed_on(lend, statement):
  program = lend("""
seen = []
class Equal:
  __eq__ = __ne__ = __gt__ = __sub__ = __contains__ = lambda self, other: seen.append(other) or True
  __hash__ = None
def f(): return Equal()
""")
  # `!=` is true of different objects, whatever they say.
  assert script(program, f'assert {statement}') == [statement == 'f() != 5']
  assert program.find('seen') == []


# Should the program return an object where a text, a set or a dict is expected, it would learn from
# the arguments of its methods what that is, or be asked for its own opinion.
TELLING = [
  'f().startswith("secret")',
  'f().count("secret") + 1',
  'f().get(key="secret")',
  'f().issubset({"secret"})',
  'f().text.startswith("secret")',
  'f().copy().startswith("secret")',
  'f()["secret"]',
  'f().type("secret")',
  'any(item.startswith("secret") for item in f())',
]
ANYTHING = """
seen = []
def take(*arguments, **named):
  seen.extend([*arguments, *named.values()])
  return Anything()
class Anything:
  type = bool
  text = property(lambda self: self)
  def __getattr__(self, name): return take
  def __getitem__(self, key): return take(key)
  def __iter__(self): return iter([self])
def f(): return Anything()
"""


@pytest.mark.parametrize('statement', TELLING)
def test_what_is_expected_is_passed_to_methods_and_items_only_if_the_gold_says_so(lend, statement):
  program = lend(ANYTHING)
  assert script(program, f'assert {statement}') == [False]
  assert program.find('seen') == []
  if '.type' not in statement and '+' not in statement:
    program = lend(ANYTHING, objects=True)
    assert script(program, f'assert {statement}') == [True]
    assert 'secret' in program.find('seen') or {'secret'} in program.find('seen')


@pytest.mark.parametrize('kind', ['set', 'frozenset'])
def test_a_type_is_no_value_unless_the_gold_says_so(lend, kind):
  source = f'def f(): return {kind}\ndef g(): return [{kind}]\nh = {kind}'
  steps = (f'assert f().union({kind}([7])) == {{7}}', f'assert f() is {kind}')
  steps += (f'assert g() == [{kind}]', 'assert h([7]) == {7}')
  names = ('f', 'g', 'h')
  assert script(lend(source), *steps, names=names) == [False, False, True, True]
  assert script(lend(source, objects=True), *steps, names=names) == [True] * 4


def test_a_function_of_the_programs_is_no_way_round(lend):
  """As an attribute of what it returns, a function under test takes no arguments either."""
  program = lend('def f(x): return f\nf.startswith = f')
  assert script(program, 'assert f(1).startswith("secret")') == [False]


def test_without_arguments_methods_are_called(lend):
  source = 'class Node:\n  def value(self): return 3\ndef f(): return lambda x: x + 1'
  steps = ('assert Node().value() == 3', 'assert f()(2) == 3')
  assert script(lend(source), *steps, names=('Node', 'f')) == [True, True]


EMPTY = [
  'for one, other in zip(f(3), [1, 2, 3]):\n  assert one == other',
  'if f(3):\n  assert f(3) == [7]',
  'while f(3):\n  assert f(3) == [7]',
  'try:\n  g(3)\n  assert f(3) == 7\nexcept ValueError:\n  pass',
  'def check(found):\n  assert found == 7\nfor one in f(3):\n  check(one)',
]


@pytest.mark.parametrize('step', EMPTY)
def test_a_test_that_comes_to_no_assert_is_not_passed(lend, step):
  program = lend('def f(x): return []\ndef g(x): raise ValueError')
  assert script(program, 'assert f(3) == []', step, names=('f', 'g')) == [True, False]


def test_a_test_that_comes_to_some_of_its_asserts_is_passed(lend):
  steps = (
    'def check(found):\n  assert found == 7\ncheck(f(7))',
    'if f(3) < 0:\n  assert f(3) == 0\nelse:\n  assert f(3) == 3',
    'try:\n  f(g)\nexcept NameError:\n  assert f(1) == 1\nelse:\n  assert f(1) == 0',
    'match f(2):\n  case 2:\n    assert f(3) == 3',
    'class Check:\n  assert f(1) == 1\nx = 1',
    'for x in range(3):\n  if x == f(1):\n    assert f(x) == x',
  )
  assert script(lend('def f(x): return x'), *steps) == [True] * 6


def test_exceptions_of_the_program_have_their_builtin_names(lend):
  program = lend("""
class Own(Exception): pass
def f(name):
  if name == 'UnicodeDecodeError': b'\\xff'.decode()
  raise {**__builtins__, 'Own': Own}[name] if isinstance(__builtins__, dict) else Own
""")
  for name in ('ValueError', 'KeyError', 'UnicodeDecodeError', 'AssertionError'):
    step = f"try:\n  f('{name}')\nexcept {name} as error:\n  assert error != 0"
    assert script(program, step) == [True]
  for name in ('Own', 'SystemExit', 'KeyboardInterrupt', 'GeneratorExit', 'StopIteration'):
    step = f"try:\n  f('{name}')\nexcept Exception as error:\n  assert 'Program' in repr(error)"
    assert script(program, step) == [True]


def test_an_exception_does_not_end_a_loop(lend):
  program = lend('def f(x): raise StopIteration')
  steps = ('assert all(map(f, [1]))', 'assert list(map(f, [1])) == []', 'assert not [*map(f, [1])]')
  assert script(program, *steps) == [False] * 3


def test_a_test_with_random_numbers_is_the_same_every_time(lend):
  program = lend('seen = []\ndef f(x): seen.append(x)')
  steps = (
    'import random',
    'assert f(random.random()) is None',
    'assert f(random.random()) is None',
  )
  script(program, *steps)
  script(program, *steps)
  seen = program.find('seen')
  assert len(seen) == 4 and len(set(seen)) == 1


def test_setup_may_use_names_of_the_program_and_may_not_hide_them(lend):
  program = lend('class Node:\n  value = 3\ndef f(x): return x.value')
  assert script(program, 'assert f(x) == 3', setup='x = Node()', names=('Node', 'f')) == [True]
  assert script(program, 'assert f(Node) == 3', setup='def f(x): pass', names=('Node', 'f')) == [
    True
  ]


@pytest.mark.parametrize('setup', ['1 / 0', 'raise SystemExit', 'x = missing'])
def test_a_setup_that_fails_fails_all_tests(lend, setup):
  assert script(lend('def f(): pass'), 'x = 1', 'assert x == 1', setup=setup) == [False]


def test_a_name_that_the_program_lacks_fails_all_tests(lend):
  assert script(lend('def g(): pass'), 'assert True != 1', 'x = 1') == [False]


def test_only_plain_data_and_handles_are_passed_to_the_program(lend):
  program = lend('def f(x): return 1')
  assert script(program, 'assert f(len) == 1', 'assert f(f) == 1') == [False, True]


@pytest.mark.parametrize('reply', [b'', b'N', b't1;N', b't2;u5;valueh', b't2;u5;otherN', b't3;NNN'])
def test_what_is_no_reply_fails_this_test_and_all_that_follow(reply):
  ours, theirs = socket.socketpair()
  with ours, theirs:
    program = examiner.Program(ours.fileno())
    plain_data.send(theirs.fileno(), b't2;u5;valueh1;')
    for _ in range(4):
      plain_data.send(theirs.fileno(), reply)
    plain_data.send(theirs.fileno(), b't2;u5;valueT')
    steps = ('try:\n  f()\nexcept Exception:\n  assert 1 == 1', 'assert 1 == 1')
    assert script(program, *steps) == [False, False]


def calls(program, *cases, function='f', tolerance=None):
  return [
    *examiner.run_calls({'function': function, 'cases': cases, 'tolerance': tolerance}, program)
  ]


def test_calls_are_compared_with_what_is_expected(lend):
  program = lend('def f(x, y): return [x + y]')
  assert calls(program, ((1, 2), [3]), ((1, 2), [4]), ((1,), [3]), (('a', 'b'), ['ab'])) == [
    True,
    False,
    False,
    True,
  ]


def test_every_call_of_a_method_has_an_object_of_its_own(lend):
  program = lend("""
class Solution:
  def __init__(self): self.count = 0
  def add(self): self.count += 1; return self.count
""")
  assert calls(program, ((), 1), ((), 1), ((), 2), function='Solution.add') == [True, True, False]


@pytest.mark.parametrize(
  ('found', 'expected', 'same'),
  [
    (3, 3, True),
    (3.0, 3, True),
    (3, 3.0, True),
    (10**30, 10**30, True),
    (10**30 + 1, 10**30, False),
    (True, 1, False),
    (1, True, False),
    (True, True, True),
    (None, None, True),
    (0, None, False),
    (None, False, False),
    ('3', 3, False),
    (3, '3', False),
    ('a', 'a', True),
    (b'a', 'a', False),
    ([1, 2], [1, 2], True),
    ((1, (2,)), [1, [2]], True),
    ([1], [1, 2], False),
    ([1, 2], [1], False),
    ([True], [1], False),
    ({1, 2}, [1, 2], False),
    ({'a': [1]}, {'a': [1]}, True),
    ({'a': 1, 'b': 2}, {'a': 1}, False),
    ({1: 1}, {'1': 1}, False),
    (float('nan'), float('nan'), False),
    (float('inf'), 1e308, False),
    (3 + 0j, 3, False),
    (0.1 + 0.2, 0.3, False),
    ([], {}, False),
  ],
)
def test_equal(found, expected, same):
  assert examiner.equal(found, expected, None) is same


@pytest.mark.parametrize(
  ('found', 'expected', 'same'),
  [
    (0.1 + 0.2, 0.3, True),
    (0.31, 0.3, False),
    (1e9 + 1, 1e9, True),
    ([1.0000001, (2,)], [1, [2]], True),
    # An integer is the nearest one.
    (1_000_000_000, 1_000_000_007, False),
    (1_000_000_000.0, 1_000_000_007, False),
    (1_000_000_007.4, 1_000_000_007, True),
    (1_000_000_007.6, 1_000_000_007, False),
    (1_000_000_000, 1_000_000_007.0, True),
    (1e18, 10**18 + 7, False),
    (10**18 + 6, 10**18 + 7, False),
    (7.01, 7, False),
    (float('inf'), 10**400, False),
    (float('nan'), 1, False),
    (float('nan'), 1.0, False),
    (float('inf'), 1.0, False),
    (True, 1.0, False),
    ('0.3', 0.3, False),
  ],
)
def test_equal_within_a_tolerance(found, expected, same):
  assert examiner.equal(found, expected, 1e-6) is same


def test_the_verdict_is_written_test_by_test(tmp_path, monkeypatch):
  """In a process of its own, with nobody at the other end of the wire."""
  steps = (suites.step('assert 1 == 1'), suites.step('assert 1 == 2'))
  suite = {'setup': '', 'names': {}, 'objects': False, 'steps': steps}
  (tmp_path / examiner.SUITE).write_bytes(marshal.dumps(suite))
  monkeypatch.chdir(tmp_path)
  reading, writing = os.pipe()
  saved = [os.dup(fd) for fd in (0, 1)]
  try:
    os.dup2(writing, 1)
    examiner.main()
  finally:
    for fd, copy in enumerate(saved):
      os.dup2(copy, fd)
      os.close(copy)
    os.close(writing)
  with os.fdopen(reading, 'rb') as file:
    os.set_blocking(reading, False)
    assert file.read(3) == b'.10'
