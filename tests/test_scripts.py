"""Scripts for clusters can be read by what runs them, and name flags and fields that there are."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from absl import flags

from r1jax import main  # noqa: F401 - defines the flags

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / 'scripts').iterdir())
GUIDE = ROOT / 'docs' / 'clusters.md'


def config():
  names = {}
  exec((ROOT / 'configs' / 'zero.py').read_text(), names)
  return names['get_config']()


def arguments(text):
  """Returns the flags that follow the command."""
  code = '\n'.join(line for line in text.splitlines() if not line.lstrip().startswith('#'))
  found = re.findall(r'(?<![\w-])--(\w[\w.]*)(?==|\b)', code[code.index('r1jax.main') :])
  return [name for name in found if name not in ('zone', 'worker', 'command')]  # Of gcloud.


@pytest.mark.parametrize('path', [*SCRIPTS, GUIDE], ids=lambda path: path.name)
def test_flags_exist(path):
  found = arguments(path.read_text())
  assert 'coordinator' in found
  for name in found:
    if name.startswith('config.'):
      place = config()
      for field in name.split('.')[1:]:
        place = place[field]
    elif not name.startswith('xla_') and name != 'requeue':
      assert name in flags.FLAGS, f'{path}: --{name}'


@pytest.mark.parametrize('path', sorted(ROOT.glob('scripts/*.sh')), ids=lambda path: path.name)
def test_shells_can_read_them(path):
  bash = shutil.which('bash')
  if bash is None:
    pytest.skip('there is no bash')
  found = subprocess.run([bash, '-n', path], capture_output=True, text=True)
  assert found.returncode == 0, found.stderr
  assert path.stat().st_mode & 0o111, 'it can be run'


def test_kubernetes_can_read_it():
  service, job = yaml.safe_load_all((ROOT / 'scripts' / 'gke.yaml').read_text())
  assert (service['kind'], job['kind']) == ('Service', 'Job')
  template = job['spec']['template']['spec']
  assert template['subdomain'] == service['metadata']['name']
  assert service['spec']['selector'] == {'job-name': job['metadata']['name']}
  assert job['spec']['completions'] == job['spec']['parallelism']
  chips = [
    int(size) for size in template['nodeSelector']['cloud.google.com/gke-tpu-topology'].split('x')
  ]
  (container,) = template['containers']
  on_host = container['resources']['limits']['google.com/tpu']
  assert chips[0] * chips[1] == on_host * job['spec']['completions']
  assert all(isinstance(word, str) for word in container['command'])


def test_the_guide_names_all_scripts():
  assert SCRIPTS and all(f'scripts/{path.name}' in GUIDE.read_text() for path in SCRIPTS)
