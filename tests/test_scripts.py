"""Scripts for clusters can be read by what runs them, and name flags and fields that there are."""

import os
import re
import shlex
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


def started(tmp_path, script, *arguments, after='', **environment):
  """Runs a script where its commands write down how they are called, a line an argument.

  `after` is what srun then does. scancel takes a while to return.
  """
  bash = shutil.which('bash')
  if bash is None:
    pytest.skip('there is no bash')
  for name in ('gcloud', 'srun', 'scontrol', 'scancel'):
    (tmp_path / name).write_text(
      f'#!{bash}\n'
      f'printf "%s\\n" "$@" "cpus ${{SRUN_CPUS_PER_TASK:-}}" > "{tmp_path}/{name}.txt"\n'
      + {'srun': after, 'scancel': 'sleep 1.5'}.get(name, '')
    )
    (tmp_path / name).chmod(0o755)
  run = subprocess.run(
    [bash, ROOT / 'scripts' / script, *arguments],
    env=os.environ | {'PATH': f'{tmp_path}:{os.environ["PATH"]}'} | environment,
    capture_output=True,
    text=True,
  )
  found = {path.stem: path.read_text().splitlines() for path in tmp_path.glob('*.txt')}
  return run.returncode, found


@pytest.mark.parametrize('given', [(), ('--config.seed=1', '--config.name=a b')])
def test_a_slice_is_told_the_flags_and_nothing_else(tmp_path, given):
  code, called = started(tmp_path, 'tpu_vm.sh', 'mine', 'zone', *given)
  assert code == 0
  (command,) = [line for line in called['gcloud'] if line.startswith('--command=')]
  read = shlex.split(command.removeprefix('--command='))
  assert read[read.index('--coordinator=auto') + 1 :] == list(given)


# Slurm's signal to the batch script, which srun is a child of here.
TIME_IS_UP = (
  'kill -USR1 $PPID; for _ in {1..50}; do [ -e scancel.txt ] && break; sleep 0.1; done; sleep 0.5; '
)


@pytest.mark.parametrize(
  ('after', 'code', 'again'),
  [
    ('exit 0', 0, False),
    ('exit 1', 1, False),
    ('exit 143', 143, False),  # One task failed, and srun ended the others.
    (TIME_IS_UP + 'exit 143', 143, True),
    (TIME_IS_UP + 'exit 1', 1, False),
  ],
)
def test_a_job_whose_time_is_up_goes_back_to_the_queue(tmp_path, monkeypatch, after, code, again):
  monkeypatch.chdir(tmp_path)
  job = dict(
    SLURM_CPUS_PER_TASK='12', SLURM_SUBMIT_DIR='/mine', SLURM_JOB_NAME='r1', SLURM_JOB_ID='7'
  )
  found, called = started(tmp_path, 'slurm.sh', '--config.seed=1', after=after, **job)
  assert found == code
  assert called['srun'][-2:] == ['--config.seed=1', 'cpus 12']
  assert ('scancel' in called) == after.startswith(TIME_IS_UP)
  assert called.get('scancel', ['--signal=TERM', '7'])[:2] == ['--signal=TERM', '7']
  assert called.get('scontrol', [])[:2] == (['requeue', '7'] if again else [])


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
