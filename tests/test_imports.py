"""Holds the map's rule: imports go down only, and packages on one level do not know each other."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LEVELS = (
  {'main', 'evaluate', 'chat', 'aot'},
  {'runner', 'command'},
  {'build'},
  {'section'},
  {'stages'},
  {'evaluation'},
  {'tasks', 'rewards', 'decoding', 'training', 'interop'},
  {'text', 'algorithms', 'model'},
  {'structs', 'sharding'},
  {'hosts'},
)
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}
OUTSIDE = {'configs', 'experiments', 'tests', 'colab'}


def imported(path: Path) -> set[str]:
  """Returns full dotted names of what a file imports."""
  names = set()
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      names |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f'{path}: relative import'
      names |= {f'{node.module}.{alias.name}' for alias in node.names}
  return names


def package(path: Path) -> str:
  part = path.relative_to(ROOT / 'r1jax').parts[0]
  return part.removesuffix('.py')


FILES = sorted(p for p in (ROOT / 'r1jax').rglob('*.py') if p != ROOT / 'r1jax/__init__.py')


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path):
  here = package(path)
  for name in imported(path):
    top, *rest = name.split('.')
    assert top not in OUTSIDE, f'{path} imports {name}: the package knows nothing above it'
    assert not name.startswith('jax._src'), f'{path} imports {name}'
    if top != 'r1jax' or not rest or rest[0] == '__version__':
      continue
    there = rest[0]
    assert there in LEVEL, f'{path} imports {name}: {there!r} is not on the map of docs/design.md'
    if there != here:
      assert LEVEL[here] < LEVEL[there], f'{path} imports {name}: imports go down only'


@pytest.mark.parametrize('path', sorted((ROOT / 'configs').rglob('*.py')), ids=lambda p: p.name)
def test_configs_import_ml_collections_and_each_other_only(path):
  assert {name.split('.')[0] for name in imported(path)} <= {'ml_collections', 'configs'}


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_has_the_name_of_a_function_it_holds(path):
  names = {
    node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
  }
  assert path.stem not in names


def test_no_drawer_for_everything():
  assert not [p for p in FILES if p.stem in ('utils', 'common', 'helpers', 'misc')]
