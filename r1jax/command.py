"""What the commands share: flags that are wrong are said in a line, with what to do."""

import re
import shlex
import sys
import traceback

from absl import flags
from ml_collections.config_flags import config_path


def parse(argv: list[str]) -> list[str]:
  """Parses flags; an override of a field that the config has not is said in a line.

  So is what a config file says of its argument, the part behind the colon.
  """
  overrides = [flag for flag in argv if flag.startswith('--config.')]
  for flag in overrides:
    _check_path(flag)
  try:
    return flags.FLAGS(argv)
  except flags.Error as error:
    refused = _REFUSED.search(str(error))
    sys.exit(f'the config: {refused[1]}' if refused else f'the flags cannot be read: {error}')
  except (AttributeError, KeyError) as error:
    if 'get_config' in (frame.name for frame in traceback.extract_tb(error.__traceback__)):
      raise  # A fault of the file itself.
    (found,) = error.args
    hint = ' '.join(str(found.args[0] if isinstance(found, KeyError) else found).split())
    sys.exit(f'the config has no such field: {hint} ({_blamed(hint, overrides)})')
  except OSError as error:
    sys.exit(f'the config cannot be read: {" ".join(str(error).split())}')


# The end of a traceback that a file itself meant.
_REFUSED = re.compile(r'\n +raise .*\nValueError: (.*)\n*\Z')
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
