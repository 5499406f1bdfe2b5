"""Hugging Face tokenizers: any `tokenizer.json`, through the `tokenizers` library."""

import io
import itertools
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Self

import tokenizers
from absl import logging

FILE = 'tokenizer.json'
CONFIG = 'tokenizer_config.json'
# How a conversation becomes a text, in Jinja; older folders have it in `tokenizer_config.json`.
CHAT_TEMPLATE = 'chat_template.jinja'
OTHER_TEMPLATES = 'additional_chat_templates'  # A folder of such; they go along, and are not asked.
# Where older folders have names of control tokens, and ids of added ones.
SPECIAL_TOKENS, ADDED_TOKENS = 'special_tokens_map.json', 'added_tokens.json'
# Where the ids of control tokens stand, if the tokenizer's own configuration has none.
MODEL_CONFIGS = ('generation_config.json', 'config.json')


class HuggingFace:
  """A `tokenizer.json` as a tokenizer; see `tokenizer.Tokenizer`.

  Special tokens such as `<eos>` are never read out of a text: a question cannot end itself.
  Padding and truncation that the file asks for are switched off.

  Attributes:
    vocab_size, eos_id, stop_ids, pad_id, bos_id: as in `tokenizer.Tokenizer`.
    chat_template: how a conversation becomes a text (see `chat`), or None.
    special_tokens: names of control tokens by their roles, as chat templates know them.
  """

  def __init__(
    self,
    tokenizer: tokenizers.Tokenizer,
    config: Mapping[str, Any],
    stop_ids: Sequence[int] = (),
    companions: Mapping[str, bytes] | None = None,
  ):
    """Wraps a tokenizer.

    Args:
      tokenizer: is changed: see above.
      config: what stands in `tokenizer_config.json`; `eos_token` must be in the vocabulary.
      stop_ids: that end a completion, beside `eos_token`.
      companions: files that are saved with the tokenizer as they are, by their paths in the folder;
        `chat_template.jinja` among them goes before the configuration's.
    """
    tokenizer.no_padding()
    tokenizer.no_truncation()
    begins = _begins(tokenizer)
    tokenizer.encode_special_tokens = True
    self._tokenizer = tokenizer
    self._config, self._companions = dict(config), dict(companions or {})
    template = self._companions.get(CHAT_TEMPLATE, b'').decode()
    template = io.StringIO(template, newline=None).read()  # Line ends as in a file that is text.
    self.chat_template = template or _default(config.get('chat_template'))
    roles = {role: _name(token) for role, token in config.items() if role.endswith('_token')}
    self.special_tokens = {role: name for role, name in roles.items() if name is not None}
    self.vocab_size = 1 + max(tokenizer.get_vocab(with_added_tokens=True).values())
    eos = self._special('eos_token')
    if eos is None:
      raise ValueError(f'eos_token is {config.get("eos_token")!r}, which is not in the vocabulary.')
    self.eos_id = eos
    self.stop_ids = tuple(dict.fromkeys((eos, *stop_ids)))
    pad = self._special('pad_token')
    self.pad_id = eos if pad is None else pad
    bos = self._special('bos_token')
    # A model may name such a token and yet have been trained without it, as Qwen2.5.
    added = config.get('add_bos_token')
    self.bos_id = bos if (bos == begins if added is None else added) else None

  @classmethod
  def load(cls, folder: str | os.PathLike) -> 'HuggingFace':
    """Loads `tokenizer.json` of a folder, and the names of its control tokens.

    Raises:
      ValueError: if a file is damaged, or none names the end-of-text token.
    """
    path = pathlib.Path(folder)
    try:
      text = (path / FILE).read_text(encoding='utf-8')
      tokenizer = tokenizers.Tokenizer.from_str(_without_merged_names(text))
    except Exception as error:  # The library raises bare Exceptions.
      raise ValueError(f'{path / FILE} is not a tokenizer ({error}); fetch it again.') from error
    return cls.completed(path, tokenizer, read_config(path), companions(path))

  @classmethod
  def completed(
    cls,
    path: pathlib.Path,
    tokenizer: tokenizers.Tokenizer,
    config: dict[str, Any],
    companions: Mapping[str, bytes],
  ) -> Self:
    """Wraps the tokenizer of a folder, with what the model's own files say of control tokens.

    Raises:
      ValueError: if a file is damaged, or none names the end-of-text token.
    """
    config, stop_ids = dict(config), list[int]()
    for name in MODEL_CONFIGS:
      ids = read(path / name)
      stop_ids = stop_ids or _known_ids(tokenizer, ids.get('eos_token_id'), path / name)
      for role in ('eos_token', 'pad_token', 'bos_token'):
        known = _known_ids(tokenizer, ids.get(f'{role}_id'), path / name)
        # "No such token" is said of the first token alone: every text ends.
        told = role in config if role == 'bos_token' else config.get(role) is not None
        if known and not told:
          config[role] = tokenizer.id_to_token(known[0])
    if config.get('eos_token') is None:
      looked = ', '.join(
        (
          *(f'{name} (eos_token)' for name in (CONFIG, SPECIAL_TOKENS)),
          *(f'{name} (eos_token_id)' for name in MODEL_CONFIGS),
        )
      )
      raise ValueError(f'{path} names no end-of-text token; looked in {looked}.')
    return cls(tokenizer, config, stop_ids, companions)

  def encode(self, text: str) -> list[int]:
    """Returns the ids of a text, nothing added."""
    return self._tokenizer.encode(text, add_special_tokens=False).ids

  def encode_controls(self, text: str) -> list[int]:
    """Returns the ids of a text in which the names of control tokens stand for these."""
    self._tokenizer.encode_special_tokens = False
    try:
      return self.encode(text)
    finally:
      self._tokenizer.encode_special_tokens = True

  def control_tokens(self, text: str) -> list[str]:
    """Returns the names of control tokens: special ones, and added ones that a text has."""
    added = self._tokenizer.get_added_tokens_decoder().values()
    return [token.content for token in added if token.special or token.content in text]

  def decode(self, ids: Sequence[int]) -> str:
    """Returns the text of ids, special tokens by their names; U+FFFD for those beyond them."""
    runs = itertools.groupby(map(int, ids), lambda id: self._tokenizer.id_to_token(id) is not None)
    return ''.join(
      self._tokenizer.decode(list(run), skip_special_tokens=False)
      if known
      else '\ufffd' * len([*run])
      for known, run in runs
    )

  def piece(self, id: int) -> str:
    """Returns how the vocabulary writes an id; raises IndexError for one beyond it."""
    token = self._tokenizer.id_to_token(int(id))
    if token is None:
      raise IndexError(f'id {id} is not in the vocabulary of {self.vocab_size}')
    return token

  def save(self, folder: str | os.PathLike) -> None:
    """Writes the tokenizer's files, for `load` and for transformers."""
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for name, content in (self._own_files() | self._companions).items():
      (path / name).parent.mkdir(exist_ok=True)
      (path / name).write_bytes(content)

  def _own_files(self) -> dict[str, bytes]:
    """Returns the files that are written anew."""
    defaults = {
      'tokenizer_class': 'PreTrainedTokenizerFast',
      'clean_up_tokenization_spaces': False,
    }
    text = json.dumps(defaults | self._config, indent=2, ensure_ascii=False)
    return {FILE: self._tokenizer.to_str(pretty=True).encode(), CONFIG: f'{text}\n'.encode()}

  def _special(self, role: str) -> int | None:
    text = _name(self._config.get(role))
    return None if text is None else self._tokenizer.token_to_id(text)


def companions(path: pathlib.Path) -> dict[str, bytes]:
  """Returns the files that go with a folder's tokenizer as they are, by their paths in it."""
  files = [path / name for name in (CHAT_TEMPLATE, SPECIAL_TOKENS, ADDED_TOKENS)]
  files += sorted((path / OTHER_TEMPLATES).glob('*.jinja'))
  return {file.relative_to(path).as_posix(): file.read_bytes() for file in files if file.is_file()}


def read_config(path: pathlib.Path) -> dict[str, Any]:
  """Returns a folder's `tokenizer_config.json`, with control tokens of `special_tokens_map.json`.

  As in transformers the latter, which is of old, goes before a configuration that does not list
  the added tokens; here it also says what else nothing does.
  """
  config = read(path / CONFIG)
  for role, token in read(path / SPECIAL_TOKENS).items():
    unknown = role != 'bos_token' and config.get(role) is None
    name = _name(token) if role.endswith('_token') else None
    if name is not None and (unknown or 'added_tokens_decoder' not in config):
      config[role] = name
  return config


def _name(token: Any) -> str | None:
  """Returns a token's text, which Hugging Face writes as it is, or as an object's content."""
  text = token.get('content') if isinstance(token, Mapping) else token
  return text if isinstance(text, str) else None


def _default(templates: Any) -> str | None:
  """Returns the chat template of a configuration, which may have several by name."""
  if isinstance(templates, list):
    templates = {one.get('name'): one.get('template') for one in templates}
  if isinstance(templates, Mapping):
    templates = templates.get('default')
  return templates if isinstance(templates, str) else None


def _without_merged_names(text: str) -> str:
  """Returns a `tokenizer.json` of which no pieces of text merge into a special token.

  Those that transformers makes of SentencePiece models have merges for all that is in the
  vocabulary, `</s>` too.
  """
  state = json.loads(text)
  special = {token['content'] for token in state.get('added_tokens', []) if token['special']}
  merges = state.get('model', {}).get('merges', [])
  kept = [pair for pair in merges if _merged(pair) not in special]
  if len(kept) == len(merges):
    return text
  state['model']['merges'] = kept
  return json.dumps(state, ensure_ascii=False)


def _merged(pair: str | Sequence[str]) -> str:
  """Returns what a merge makes: of two pieces in a list or, of old, with a space between."""
  return pair.replace(' ', '', 1) if isinstance(pair, str) else ''.join(pair)


def _begins(tokenizer: tokenizers.Tokenizer) -> int | None:
  """Returns the id that the tokenizer by itself puts before every text, or None."""
  encoding = tokenizer.encode('a')
  added = ''.join(map(str, encoding.special_tokens_mask))
  return encoding.ids[0] if added.startswith('1') and '0' in added else None


def _known_ids(tokenizer: tokenizers.Tokenizer, ids: Any, file: pathlib.Path) -> list[int]:
  """Returns those of an id, or of a list of ids, that the tokenizer has; warns of others."""
  listed = ids if isinstance(ids, list) else [ids] * (ids is not None)
  whole = [id for id in listed if type(id) is int and 0 <= id < 1 << 32]
  known = [id for id in whole if tokenizer.id_to_token(id) is not None]
  if len(known) < len(listed):
    logging.warning('%s: ids of control tokens are %r; the tokenizer has %r', file, ids, known)
  return known


def read(path: pathlib.Path) -> dict[str, Any]:
  """Returns a file's JSON object, an empty one if there is no file; raises ValueError."""
  if not path.is_file():
    return {}
  try:
    content = json.loads(path.read_text(encoding='utf-8'))
  except ValueError as error:
    raise ValueError(f'{path} is not JSON: {error}') from error
  if not isinstance(content, dict):
    raise ValueError(f'{path} holds no JSON object.')
  return content
