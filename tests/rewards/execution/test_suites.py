import json

import pytest

from r1jax.rewards.execution import suites

STDIN = {'kind': 'stdin', 'tests': [{'input': '1 2\n', 'output': '3\n'}]}
ASSERTS = {
  'kind': 'asserts',
  'names': {'candidate': 'add'},
  'setup': 'import math',
  'tests': ['assert candidate(1, 2) == 3', 'x = math.pi', 'assert True', 'assert x < 4'],
}
CALLS = {
  'kind': 'calls',
  'function': 'Solution.add',
  'tests': [{'input': [1, 2], 'output': 3}, {'input': [], 'output': None}],
}


def read(gold, **fields):
  return suites.read(json.dumps(gold | fields))


def test_a_program_that_reads_and_writes():
  suite = read(STDIN)
  assert suite.cases == ((b'1 2\n', b'3\n'),)
  assert (suite.by_token, suite.tolerance, suite.num_tests) == (False, 0.0, 1)
  assert suite.resources == suites.Resources(('python',), 10.0, None, 512 << 20, '')


def test_a_function_with_asserts():
  suite = read(ASSERTS)
  assert suite.names == {'candidate': 'add'}
  assert suite.setup == 'import math'
  # What asserts nothing, or what is always true, is no test.
  assert [counts for _, counts in suite.steps] == [True, False, False, True]
  assert suite.num_tests == 2
  assert not suite.objects
  assert read(ASSERTS, objects=True).objects


@pytest.mark.parametrize(
  ('code', 'counts'),
  [
    ('for x in y:\n  assert x', True),
    ('assert (x, "always")', False),
    ('def check(x):\n  assert x', False),
    ('class Check:\n  def check(self, x):\n    assert x', False),
    ('def check(x):\n  assert x\ncheck(y)', True),
    ('check(y)', False),
  ],
)
def test_what_asserts_something_is_a_test(code, counts):
  assert suites.step(code)[1] is counts


def test_calls():
  suite = read(CALLS)
  assert suite.function == 'Solution.add'
  assert suite.cases == (((1, 2), 3), ((), None))
  assert suite.tolerance is None


def test_what_may_be_given_to_all():
  fields = {'cpu_seconds': 2, 'wall_seconds': 3.5, 'memory_mib': 64}
  suite = read(STDIN, languages=['cpp', 'python'], compare='tokens', tolerance=1e-6, **fields)
  assert suite.resources == suites.Resources(('cpp', 'python'), 2.0, 3.5, 64 << 20, '')
  assert (suite.by_token, suite.tolerance) == (True, 1e-6)
  assert read(CALLS, tolerance=0, preamble='import math').tolerance == 0
  assert read(ASSERTS, preamble='import math').resources.preamble == 'import math'


def test_big_numbers_and_nested_values_are_kept():
  value = [10**30, {'a': [True, 1.5]}]
  suite = read(CALLS, tests=[{'input': [value], 'output': value}])
  assert suite.cases == (((value,), value),)


@pytest.mark.parametrize(
  ('gold', 'message'),
  [
    (None, 'must be JSON text'),
    ('', 'must be JSON text'),
    ('72', r'must be a JSON object \{...\}, found 72'),
    ('[' * 100_000, 'must be JSON text'),
    ('{}', "has no 'kind'"),
    ('{"kind": "unit"}', "kind is 'unit'; it must be one of stdin, asserts, calls"),
    ('{"kind": 3}', 'kind must be of type str, found 3'),
  ],
)
def test_what_is_no_gold_is_an_error(gold, message):
  with pytest.raises(ValueError, match=message):
    suites.read(gold)


@pytest.mark.parametrize(
  ('gold', 'fields', 'message'),
  [
    (STDIN, {'tests': []}, 'does nothing'),
    (STDIN, {'tests': 3}, 'tests must be of type list, found 3'),
    (STDIN, {'tests': [3]}, "must have 'input' and 'output', found 3"),
    (STDIN, {'tests': [{'input': ''}]}, "must have 'input' and 'output'"),
    (STDIN, {'tests': [{'input': '', 'output': '', 'x': 1}]}, "must have 'input' and 'output'"),
    (STDIN, {'tests': [{'input': '', 'output': 3}]}, 'output must be of type str, found 3'),
    (STDIN, {'tests': [{'input': '', 'output': ' \n'}]}, 'does nothing passes'),
    (STDIN, {'tests': [{'input': '\ud800', 'output': '1'}]}, 'not Unicode text'),
    (STDIN, {'compare': 'prefix'}, "'prefix'; it must be 'lines' or 'tokens'"),
    (STDIN, {'tolerance': 1e-6}, "set compare to 'tokens'"),
    (STDIN, {'compare': 'tokens', 'tolerance': 2}, 'tolerance is 2.0; it must be from 0 to 1'),
    (STDIN, {'compare': 'tokens', 'tolerance': float('nan')}, 'NaN is equal to nothing'),
    (CALLS, {'tests': [{'input': [1], 'output': [float('nan')]}]}, 'NaN is equal to nothing'),
    (STDIN, {'languages': ['java']}, r"\['java'\]; of its kind may be \['python', 'cpp'\]"),
    (STDIN, {'languages': []}, 'of its kind may be'),
    (STDIN, {'cpu_seconds': 0}, 'cpu_seconds is 0.0; it must be from 0.1 to 600'),
    (STDIN, {'cpu_seconds': True}, 'cpu_seconds must be of type float, found True'),
    (STDIN, {'cpu_seconds': 5, 'wall_seconds': 4}, 'wall_seconds is 4.0; it must be from 5.0'),
    (STDIN, {'memory_mib': 1.5}, 'memory_mib must be of type int, found 1.5'),
    (STDIN, {'memory_mib': True}, 'memory_mib must be of type int, found True'),
    (STDIN, {'memory_mib': 8}, 'memory_mib is 8; it must be from 64'),
    (STDIN, {'preamble': 'x = 1'}, 'fields without effect for its kind: preamble'),
    (STDIN, {'timeout': 3}, 'fields without effect for its kind: timeout'),
    (ASSERTS, {'names': {}}, 'names are empty'),
    (ASSERTS, {'names': {'f': 'a b'}}, "names 'a b' as 'f'; both must be names"),
    (ASSERTS, {'names': {'if': 'f'}}, "names 'f' as 'if'"),
    (ASSERTS, {'names': {'f': 3}}, "names 3 as 'f'"),
    (ASSERTS, {'objects': 1}, 'objects must be of type bool, found 1'),
    (CALLS, {'objects': True}, 'fields without effect for its kind: objects'),
    (ASSERTS, {'setup': 'x ='}, 'setup is no Python'),
    (ASSERTS, {'setup': 'return 3'}, 'setup is no Python'),
    (ASSERTS, {'preamble': 'x ='}, 'preamble is no Python'),
    (ASSERTS, {'tests': ['assert f(']}, 'tests is no Python'),
    # Python 3.13 reads what is ten times as deep as others do.
    (ASSERTS, {'tests': ['assert ' + 'x + ' * 20_000 + 'x']}, 'tests is nested too deeply: '),
    (ASSERTS, {'tests': [3]}, 'tests must be Python code, found 3'),
    (ASSERTS, {'tests': ['x = 1', 'assert True']}, 'has no test'),
    (ASSERTS, {'languages': ['cpp']}, r"of its kind may be \['python'\]"),
    (CALLS, {'function': 'a.b.c'}, "'a.b.c'; it must be a name, or Class.method"),
    (CALLS, {'function': '__import__("os")'}, 'must be a name'),
    (CALLS, {'tests': [{'input': 1, 'output': 3}]}, 'input must be of type list, found 1'),
    (CALLS, {'tests': []}, 'has no test'),
    (CALLS, {'tolerance': -1}, 'tolerance is -1.0'),
  ],
)
def test_errors_say_what_was_found_and_what_is_allowed(gold, fields, message):
  with pytest.raises(ValueError, match=message):
    read(gold, **fields)


@pytest.mark.parametrize('name', ['kind', 'tests'])
@pytest.mark.parametrize('gold', [STDIN, ASSERTS, CALLS], ids=lambda gold: gold['kind'])
def test_a_field_that_is_missing_is_named(gold, name):
  with pytest.raises(ValueError, match=f"the gold has no '{name}'"):
    suites.read(json.dumps({key: value for key, value in gold.items() if key != name}))
