"""Trains what a config says: `python -m r1jax.main --config=configs/zero.py`."""

import sys
from pathlib import Path
from typing import NoReturn

import jax
from absl import app, flags, logging
from ml_collections import config_flags

from r1jax import hosts, runner
from r1jax.command import parse
from r1jax.training.allocator import keep_pages
from r1jax.training.interrupt import Stopped

_CONFIG = config_flags.DEFINE_config_file('config', None, 'File of the config.', lock_config=True)
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run; runs/<config.name> by default.')
_CACHE = flags.DEFINE_string(
  'compilation_cache',
  str(Path.home() / '.cache' / 'r1jax'),
  'Folder where compiled programs are kept for the next run; empty for none.',
)
_COORDINATOR = flags.DEFINE_string(
  'coordinator',
  None,
  "Of a run of several processes, HOST:PORT of the first; 'auto' on Slurm, TPU VMs and GKE.",
)
_NUM_PROCESSES = flags.DEFINE_integer('num_processes', None, 'How many processes there are.')
_PROCESS_ID = flags.DEFINE_integer('process_id', None, 'Which of them this is, from 0.')
flags.mark_flag_as_required('config')


def train(argv: list[str]) -> None:
  """Runs the config; what a user can mend is said in a line, not in a traceback."""
  if len(argv) > 1:
    raise app.UsageError(f'unknown arguments: {" ".join(argv[1:])}')
  keep_pages()
  if not flags.FLAGS['verbosity'].present:
    logging.set_verbosity(logging.WARNING)
  jax.config.update('jax_compilation_cache_dir', _CACHE.value or None)
  try:
    hosts.connect(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
    config = _CONFIG.value
    runner.run(config, _WORKDIR.value or Path('runs') / config.name)
  except Stopped as stopped:
    sys.exit(128 + stopped.number)  # As the shell names a process that the signal ended.
  except (ValueError, OSError, FloatingPointError, hosts.OtherProcessError) as error:
    _end(error)
  except jax.errors.JaxRuntimeError as error:
    if hosts.is_alone():
      raise
    _end(
      error,
      'Another process of the run may have ended: start all again, and they go on from '
      'the last checkpoint',
    )


def _end(error: Exception, hint: str = '') -> NoReturn:
  """Ends the process with a line."""
  if logging.get_verbosity() > logging.INFO:
    raise error
  told = f'{type(error).__name__}: {error}{f". {hint}" if hint else ""}'
  sys.exit(f'{told} (--verbosity=1 shows where it was raised)')


if __name__ == '__main__':
  app.run(train, flags_parser=parse)
