"""Trains what a config says: `python -m r1jax.main --config=configs/zero.py`."""

import re
import shlex
import sys
import traceback
from pathlib import Path

import jax
from absl import app, flags, logging
from ml_collections import config_flags
from ml_collections.config_flags import config_path

from r1jax import runner
from r1jax.training.allocator import keep_pages
from r1jax.training.interrupt import Stopped

_CONFIG = config_flags.DEFINE_config_file('config', None, 'File of the config.', lock_config=True)
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run; runs/<config.name> by default.')
_CACHE = flags.DEFINE_string(
  'compilation_cache',
  str(Path.home() / '.cache' / 'r1jax'),
  'Folder where compiled programs are kept for the next run; empty for none.',
)
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
    config = _CONFIG.value
    runner.run(config, _WORKDIR.value or Path('runs') / config.name)
  except Stopped as stopped:
    sys.exit(128 + stopped.number)  # As the shell names a process that the signal ended.
  except (ValueError, OSError, FloatingPointError) as error:
    if logging.get_verbosity() > logging.INFO:
      raise
    sys.exit(f'{type(error).__name__}: {error} (--verbosity=1 shows where it was raised)')


def parse(argv: list[str]) -> list[str]:
  """Parses flags; an override of a field that the config has not is said in a line."""
  overrides = [flag for flag in argv if flag.startswith('--config.')]
  for flag in overrides:
    _check_path(flag)
  try:
    return app.parse_flags_with_usage(argv)
  except (AttributeError, KeyError) as error:
    if 'get_config' in (frame.name for frame in traceback.extract_tb(error.__traceback__)):
      raise  # A fault of the file itself.
    (found,) = error.args
    hint = ' '.join(str(found.args[0] if isinstance(found, KeyError) else found).split())
    sys.exit(f'the config has no such field: {hint} ({_blamed(hint, overrides)})')
  except OSError as error:
    sys.exit(f'the config cannot be read: {" ".join(str(error).split())}')


# A flag of a section whose fields have names of the user's choice.
_CHOSEN = re.compile(r'(--config\.\w+\.(?:reward|gates))\.([^=]+)(=.*)?', re.DOTALL)

_IN_BRACKETS = """'--config.rl.reward["my_rewards.py:short"]=0'"""


def _check_path(flag: str) -> None:
  """Exits if the path of a flag cannot be read, such as that of a reward term in a file."""
  try:
    _path(flag)
  except ValueError:
    sys.exit(
      f'{flag} cannot be read; a name that is no plain word stands in brackets and quotes: '
      f'{_in_brackets(flag) or _IN_BRACKETS}'
    )


def _path(flag: str) -> tuple:
  return config_path.split(flag.partition('=')[0].removeprefix('--'))


def _in_brackets(flag: str) -> str | None:
  """Returns a flag with the chosen name in brackets, quoted for the shell."""
  chosen = _CHOSEN.fullmatch(flag)
  return chosen and shlex.quote('{}["{}"]{}'.format(*chosen.groups(default='')))


def _blamed(hint: str, overrides: list[str]) -> str:
  """Returns the flags that name the field of an error's hint, and what to do."""
  named = re.search(r"(?<=^')[^']+|\w+(?= does not exist)", hint)
  faulty = [flag for flag in overrides if named and named[0] in _path(flag)] or overrides
  text = f'in {" ".join(faulty)}'
  if chosen := _CHOSEN.fullmatch(faulty[0]):
    text += '; a flag sets what there is: add terms in a config file of your own'
    if '.' in chosen[2]:
      text += f', and write {_in_brackets(faulty[0])} for what is there'
  return text


if __name__ == '__main__':
  app.run(train, flags_parser=parse)
