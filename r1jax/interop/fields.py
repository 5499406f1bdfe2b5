"""Reading config.json so that nothing in it goes unnoticed."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

# Fields that do not change the function from tokens to logits, whatever they hold.
INERT = frozenset(
  {
    'architectures',
    'auto_map',
    'aux_loss_alpha',
    'bos_token_id',
    'chunk_size_feed_forward',
    'dtype',
    'eos_token_id',
    'ep_size',
    'id2label',
    'is_decoder',
    'label2id',
    'model_type',
    'name_or_path',
    'output_attentions',
    'output_hidden_states',
    'output_router_logits',
    'pad_token_id',
    'pretraining_tp',
    'problem_type',
    'return_dict',
    'router_aux_loss_coef',
    'seq_aux',
    'tokenizer_class',
    'torch_dtype',
    'torchscript',
    'transformers_version',
    'unsloth_fixed',
    'unsloth_version',
    'use_bfloat16',
    'use_cache',
  }
)


class Fields:
  """The fields of config.json, or of a dict within it, while a family reads them.

  A field that no one asks for must be inert, null, empty or 0: what we do not know may change the
  model. `false` changes it where a switch is on by default.
  Problems are gathered, so that `check` can tell of all of them at once.
  """

  def __init__(self, raw: Mapping[str, Any], *, within: str = ''):
    self._raw = raw
    self._within = within
    self._known = set(INERT)
    self._problems: list[str] = []
    self._inner: list[Fields] = []

  def need(self, name: str) -> Any:
    """Returns a field; raises ValueError if it is absent or null."""
    value = self.get(name)
    if value is None:
      raise ValueError(f'config.json: {self._within}{name} is missing')
    return value

  def get(self, name: str, default: Any = None) -> Any:
    """Returns a field, or `default` if it is absent or null."""
    self._known.add(name)
    value = self._raw.get(name)
    return default if value is None else value

  def size(self, name: str, default: int | None = None, *, least: int = 1) -> int:
    """Returns a whole number, or `default` if the field is absent or null.

    Raises:
      ValueError: if it is missing, or anything but a whole number of at least `least`.
    """
    value = self.need(name) if default is None else self.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
      raise self._error(name, value, f'a whole number of at least {least}')
    return value

  def number(self, name: str, default: float | None = None, *, above: float = -math.inf) -> float:
    """Returns a number, or `default` if the field is absent or null.

    Raises:
      ValueError: if it is missing, or anything but a finite number above `above`.
    """
    value = self.need(name) if default is None else self.get(name, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not above < value < math.inf:
      bound = f' above {above:g}' if above > -math.inf else ''
      raise self._error(name, value, f'a finite number{bound}')
    return value

  def flag(self, name: str, default: bool) -> bool:
    """Returns a switch, or `default` if the field is absent.

    Raises:
      ValueError: if it is neither true nor false; null, which others read as off, passes only where
        absence means the same.
    """
    self._known.add(name)
    value = self._raw.get(name, default)
    if value is None and not default:
      return False
    if not isinstance(value, bool):
      raise self._error(name, value, 'true or false')
    return value

  def _error(self, name: str, value: Any, allowed: str) -> ValueError:
    return ValueError(f'config.json: {self._within}{name} is {value!r}, it must be {allowed}')

  def allow(self, name: str, *supported: Any) -> None:
    """Notes a problem unless the field is absent, null or one of `supported`."""
    value = self.get(name)
    if value is not None and value not in supported:
      allowed = ' or '.join(map(repr, supported)) or 'null'
      self._problems.append(f'{self._within}{name} is {value!r}, supported: {allowed}')

  def allow_on(self, name: str) -> None:
    """Notes a problem unless a switch is on that is on by default; others read null as off."""
    self._known.add(name)
    value = self._raw.get(name, True)
    if value is not True:
      self._problems.append(f'{self._within}{name} is {value!r}, supported: True')

  def refuse(self, problem: str) -> None:
    """Notes a problem."""
    self._problems.append(problem)

  def inner(self, name: str) -> 'Fields':
    """Returns the dict that a field holds, empty if it is absent; it is checked with this one."""
    value = self.get(name, {})
    if not isinstance(value, Mapping):
      self.refuse(f'{self._within}{name} is {value!r}, supported: an object')
      value = {}
    self._inner.append(Fields(value, within=f'{self._within}{name}.'))
    return self._inner[-1]

  def check(self) -> None:
    """Raises ValueError that lists all problems noted and all fields that no one asked for."""
    problems = self._all_problems()
    if problems:
      raise ValueError('\n  '.join(['config.json asks for what is not supported:', *problems]))

  def complete(self, error: ValueError) -> ValueError:
    """Returns an error of reading, together with the problems noted until then."""
    text = str(error)
    if not text.startswith('config.json'):  # It is a model's, whose numbers do not go together.
      text = f'config.json makes no model, by our names of its fields: {text}'
    return ValueError('\n  '.join([text, *self._noted()]))

  def _noted(self) -> list[str]:
    return self._problems + [problem for inner in self._inner for problem in inner._noted()]

  def _all_problems(self) -> list[str]:
    unknown = [
      f'{self._within}{name} is {value!r}: unknown field; remove it if it changes nothing'
      for name, value in self._raw.items()
      if (value or value is False) and name not in self._known and not name.startswith('_')
    ]
    return self._problems + unknown + [p for inner in self._inner for p in inner._all_problems()]


def refuse_unless(family: str, conditions: Iterable[tuple[bool, str]]) -> None:
  """Raises ValueError with the requirements that do not hold: what a format cannot express."""
  broken = [requirement for holds, requirement in conditions if not holds]
  if broken:
    raise ValueError('\n  '.join([f'a {family} folder cannot hold this model; it needs:', *broken]))
