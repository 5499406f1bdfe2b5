"""Attacks on program rewards; `experiments/rewards/sandbox_attacks.py` runs them all."""

import dataclasses
import importlib
import os
import sys
from pathlib import Path

import pytest

from r1jax.rewards import sandbox
from r1jax.rewards.execution import surroundings

FOLDER = Path(__file__).parents[2] / 'experiments' / 'rewards'
sys.path.insert(0, str(FOLDER))
sandbox_attacks = importlib.import_module('sandbox_attacks')
sys.path.remove(str(FOLDER))

ATTACKS = [*sandbox_attacks.attacks()]
# Of those on tests, each against one of the two kinds; the experiment runs them against both.
CHOSEN = [attack for number, attack in enumerate(ATTACKS) if attack.target in ('host', 'asserts')]
CHOSEN += [attack for attack in ATTACKS if attack.target == 'calls'][::4]


@pytest.fixture(scope='module')
def host():
  try:
    sandbox.default_backend()
  except sandbox.UnavailableError as error:
    pytest.skip(f'programs cannot be run safely here: {error}')
  host = sandbox_attacks.Host()
  yield host
  host.close()


def test_there_are_enough():
  targets = [attack.target for attack in ATTACKS]
  assert targets.count('host') >= 60
  assert targets.count('asserts') == targets.count('calls') >= 60
  names = [(attack.target, attack.name) for attack in ATTACKS]
  assert len(set(names)) == len(names)


@pytest.mark.parametrize('attack', CHOSEN, ids=lambda attack: f'{attack.target}: {attack.name}')
def test_an_attack_earns_nothing_and_leaves_no_trace(attack, host):
  verdict = sandbox_attacks.run(attack, host)
  assert not any(verdict.passed)
  assert host.harm() == []


# These are harmless, and run without a sandbox they succeed: so the attacks are real.
HARMLESS = [
  'reads secrets of the environment',
  'reads the home folders',
  'reads the repository, and what runs it',
  'reads a file that everyone may read',
  'imports installed packages',
  'connects by TCP',
  'sends by UDP',
  'connects to sockets of the host by path and by abstract name',
  'listens',
  'files in memory that no limit counts',
]


@pytest.mark.parametrize('name', HARMLESS)
def test_without_a_sandbox_an_attack_succeeds(name, monkeypatch):
  host = sandbox_attacks.Host()
  try:
    (attack,) = (attack for attack in ATTACKS if attack.name == name)
    monkeypatch.setattr(surroundings, 'ENVIRONMENT', dict(os.environ))
    surroundings.specification.cache_clear()
    result = sandbox.run(
      [sys.executable, 'main.py'],
      stdin=host.facts().encode() + b'\n',
      files={'main.py': attack.program.encode()},
      limits=sandbox.Limits(memory_bytes=8 << 30, num_processes=10_000, disk_bytes=1 << 40),
      backend='none',
    )
  finally:
    host.close()
  assert result.stdout == b'ESCAPED\n', result


WITHOUT_FILTER = [
  'enters new namespaces',
  'traces its parent',
  'keeps the warden from running',
  'System V shared memory, semaphores and queues',
  'files in memory that no limit counts',
  'reads keys of the kernel',
]


@pytest.mark.parametrize('name', WITHOUT_FILTER)
def test_without_the_filter_of_system_calls_an_attack_succeeds(name, host, monkeypatch):
  fixed = surroundings.specification() | {'filter': b''}
  monkeypatch.setattr(surroundings, 'specification', lambda: fixed)
  (attack,) = (attack for attack in ATTACKS if attack.name == name)
  again = dataclasses.replace(
    attack, program=attack.program + '\n# Not judged before, so no verdict is remembered.'
  )
  assert any(sandbox_attacks.run(again, host).passed)
