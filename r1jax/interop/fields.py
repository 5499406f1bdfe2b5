"""Reading config.json so that nothing in it goes unnoticed."""

from collections.abc import Iterable, Mapping
from typing import Any

# Fields that do not change the function from tokens to logits.
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
    'label2id',
    'model_type',
    'name_or_path',
    'output_router_logits',
    'pad_token_id',
    'pretraining_tp',
    'return_dict',
    'router_aux_loss_coef',
    'seq_aux',
    'tokenizer_class',
    'torch_dtype',
    'transformers_version',
    'unsloth_fixed',
    'unsloth_version',
    'use_cache',
  }
)


class Fields:
  """The fields of config.json, or of a dict within it, while a family reads them.

  A field that no one asks for must be inert, empty, 0 or off: what we do not know may change the
  model.
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

  def allow(self, name: str, *supported: Any) -> None:
    """Notes a problem unless the field is absent, null or one of `supported`."""
    value = self.get(name)
    if value is not None and value not in supported:
      allowed = ' or '.join(map(repr, supported)) or 'null'
      self._problems.append(f'{self._within}{name} is {value!r}, supported: {allowed}')

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

  def _all_problems(self) -> list[str]:
    unknown = [
      f'{self._within}{name} is {value!r}: unknown field'
      for name, value in self._raw.items()
      if value and name not in self._known and not name.startswith('_')
    ]
    return self._problems + unknown + [p for inner in self._inner for p in inner._all_problems()]


def refuse_unless(family: str, conditions: Iterable[tuple[bool, str]]) -> None:
  """Raises ValueError with the requirements that do not hold: what a format cannot express."""
  broken = [requirement for holds, requirement in conditions if not holds]
  if broken:
    raise ValueError('\n  '.join([f'a {family} folder cannot hold this model; it needs:', *broken]))
