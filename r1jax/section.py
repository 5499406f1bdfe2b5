"""A section of a config that remembers which of its fields were read, and names what is wrong.

`build` reads configs through it: a field that is unknown, missing, not allowed or of no effect is
an error with the field's path.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any

import ml_collections


class Section:
  """A section of the config that remembers what was read; fields are its attributes."""

  def __init__(self, config: ml_collections.ConfigDict, path: str = 'config'):
    self._config, self._path = config, path
    self._read: dict[str, Any] = {}

  def __getattr__(self, name: str) -> Any:
    if name not in self._config:
      raise self.error(f'{name} is missing; {self._path} has {", ".join(self._config)}')
    if name not in self._read:
      value = self._config[name]
      is_section = isinstance(value, ml_collections.ConfigDict)
      self._read[name] = Section(value, f'{self._path}.{name}') if is_section else value
    return self._read[name]

  def __contains__(self, name: str) -> bool:
    return name in self._config

  def error(self, text: str) -> ValueError:
    """Returns an error about a field of the section, with which `text` begins."""
    return ValueError(f'{self._path}.{text}')

  @contextlib.contextmanager
  def blamed(self) -> Iterator[None]:
    """Names the section in every ValueError that is raised within."""
    try:
      yield
    except ValueError as error:
      raise ValueError(f'{self._path}: {error}') from error

  def to_dict(self) -> dict[str, Any]:
    """Reads the whole section."""
    self._read = dict(self._config)
    return self._config.to_dict()

  def make(self, kind: Callable, **more: Any) -> Any:
    """Calls a dataclass (or function) with the fields that nothing has read yet, and with `more`.

    Raises:
      ValueError: a field is unknown to it, or missing, or has a value that it refuses.
    """
    values = {name: self._config[name] for name in self._config if name not in self._read}
    self._check_names(kind, values.keys(), more.keys())
    self._read |= values
    try:
      return kind(**{name: _plain(value) for name, value in values.items()}, **more)
    except (TypeError, ValueError) as error:
      raise ValueError(f'{self._path}: {error}') from error

  def _check_names(self, kind: Callable, given: Set[str], more: Set[str]) -> None:
    """Raises an error for a name that a function does not take, or takes and has not got."""
    taken = {
      name: parameter.default is parameter.empty
      for name, parameter in inspect.signature(kind).parameters.items()
      if name not in more
    }
    for name in given:
      if name not in taken:
        raise self.error(f'{name} is unknown; {self._path} may have {", ".join(taken)}')
    if missing := [name for name, needed in taken.items() if needed and name not in given]:
      raise self.error(f'{missing[0]} is missing; {self._path} must have it')

  def choose(self, name: str, table: Mapping[str, Any]) -> Any:
    """Reads a name and returns what the table has for it."""
    found = getattr(self, name)
    if found not in table:
      allowed = ', '.join(map(repr, table))
      raise self.error(f'{name} is {found!r}, allowed are {allowed}')
    return table[found]

  def unread(self) -> list[str]:
    """Returns the paths of fields that nothing has read."""
    paths = []
    for name in self._config:
      value = self._read.get(name)
      if name not in self._read:
        paths.append(f'{self._path}.{name}')
      elif isinstance(value, Section):
        paths += value.unread()
    return paths


def _plain(value: Any) -> Any:
  return value.to_dict() if isinstance(value, ml_collections.ConfigDict) else value
