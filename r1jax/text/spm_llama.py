"""A `tokenizer.model` of others, as transformers' `LlamaTokenizer` reads it, with what was added.

SentencePiece knows nothing of tokens that were added to a model later, and it and the releases of
transformers cut some texts differently. Meant here are the tokens of transformers 5: the model is
converted for `tokenizers` by its rules. A folder that leaves open how it is to be read is refused;
one that is read is saved as it was found.
"""

import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import tokenizers
from tokenizers import AddedToken, decoders, pre_tokenizers

from r1jax.text import hf, spm

CLASS = 'LlamaTokenizer'
DEFAULTS = {'bos_token': '<s>', 'eos_token': '</s>', 'unk_token': '<unk>'}
# Lists of special tokens that have no role, in transformers 5 and before.
EXTRA = ('extra_special_tokens', 'additional_special_tokens')
# Said or not, the releases of transformers differ in what they make of it.
CONTESTED = ('add_bos_token', 'legacy')
UNREAD = ('auto_map', 'sp_model_kwargs', 'split_special_tokens')


class Llama(hf.HuggingFace):
  """A foreign SentencePiece model as a tokenizer; its files are its companions."""

  def _own_files(self) -> dict[str, bytes]:
    return {}


def load(folder: str | os.PathLike) -> Llama:
  """Loads `tokenizer.model` of a folder, and what else the folder says of its tokens.

  Raises:
    ValueError: if a file is damaged, or cannot be read in one way only.
  """
  path = pathlib.Path(folder)
  proto = spm.read(path / spm.FILE)
  config = DEFAULTS | hf.read_config(path)
  _check(path, [*_faults(proto, config), *_config_faults(path, config)])
  declared, special = _declared_tokens(path, config)
  added = _added_tokens(declared, special, _symbols(proto, config))
  tokenizer = _converted(proto, config)
  tokenizer.add_tokens(list(added.values()))
  _check(path, _id_faults(tokenizer, proto, declared, added))
  companions = hf.companions(path)
  for name in (spm.FILE, hf.CONFIG):
    companions[name] = (path / name).read_bytes()
  return Llama.completed(path, tokenizer, config, companions)


def _check(path: pathlib.Path, faults: list[str]) -> None:
  if faults:
    raise ValueError(
      f'{path} has a {spm.FILE}, but no {hf.FILE}, and this is not clear: {"; ".join(faults)}. '
      'Have transformers write what it makes of them, which is then read as it stands: '
      'AutoTokenizer.from_pretrained(folder).save_pretrained(folder)'
    )


def _faults(proto: spm.Proto, config: Mapping[str, Any]) -> Iterator[str]:
  """Yields what of a model SentencePiece and transformers read differently."""
  trainer, normalizer, kinds = proto.trainer_spec, proto.normalizer_spec, proto.SentencePiece
  found = [piece.type for piece in proto.pieces]
  if trainer.model_type != trainer.BPE:
    yield 'the model is not of kind BPE'
  if not trainer.byte_fallback or found.count(kinds.BYTE) != 256:
    yield 'the model has no pieces for all bytes (byte_fallback)'
  if kinds.UNUSED in found or trainer.treat_whitespace_as_suffix:
    yield 'the model has unused pieces, or spaces at the end of pieces'
  if (
    normalizer.precompiled_charsmap
    or normalizer.remove_extra_whitespaces
    or not normalizer.escape_whitespaces
  ):
    yield (
      f'the model normalises text ({normalizer.name or "rules of its own"}, '
      f'remove_extra_whitespaces {normalizer.remove_extra_whitespaces}), {CLASS} does not'
    )
  if _adds_prefix(config) and not normalizer.add_dummy_prefix:
    yield f'the model puts no space before a text, {CLASS} does unless add_prefix_space is false'


def _config_faults(path: pathlib.Path, config: Mapping[str, Any]) -> Iterator[str]:
  """Yields what of the configurations does not tell how the model is to be read."""
  name = config.get('tokenizer_class')
  if str(name).removesuffix('Fast') != CLASS:
    yield f'tokenizer_class in {hf.CONFIG} is {name!r}, not {CLASS!r}'
  if (kind := hf.read(path / 'config.json').get('model_type')) == 'qwen2':
    yield f'transformers has another tokenizer than {CLASS} for model_type {kind!r}'
  for field in CONTESTED:
    if not isinstance(config.get(field), bool):
      yield f'{field} in {hf.CONFIG} is {config.get(field)}, not true or false'
  for field in UNREAD:
    if config.get(field):
      yield f'{field} in {hf.CONFIG} is {config[field]!r}'


def _id_faults(
  tokenizer: tokenizers.Tokenizer,
  proto: spm.Proto,
  declared: Mapping[int, AddedToken],
  added: Mapping[str, AddedToken],
) -> list[str]:
  """Returns which tokens have not the id that the folder gives them, or none."""
  ids = {piece.piece: id for id, piece in enumerate(proto.pieces)}
  ids |= {token.content: id for id, token in declared.items()}
  symbols = {piece.piece for piece in proto.pieces if piece.type == piece.USER_DEFINED}
  return [
    *(
      f'{name!r} would get the id {found}, and the folder gives it {ids.get(name, "none")}'
      for name in added
      if (found := tokenizer.token_to_id(name)) != ids.get(name)
    ),
    *(f'{name!r} is a symbol to the model alone' for name in sorted(symbols - added.keys())),
  ]


def _declared_tokens(
  path: pathlib.Path, config: Mapping[str, Any]
) -> tuple[dict[int, AddedToken], list[AddedToken]]:
  """Returns the tokens that were added to the model, by their ids, and the special ones."""
  if 'added_tokens_decoder' in config:
    listed = {int(id): _token(value) for id, value in config['added_tokens_decoder'].items()}
    fields = config
  else:
    listed = {id: _token(name) for name, id in hf.read(path / hf.ADDED_TOKENS).items()}
    fields = {**config, **hf.read(path / hf.SPECIAL_TOKENS)}
  # Not such as `add_bos_token`.
  roles = [
    value
    for role, value in fields.items()
    if role.endswith('_token') and isinstance(value, str | Mapping)
  ]
  extra: Any = next((fields[name] for name in EXTRA if fields.get(name)), [])
  others = extra.values() if isinstance(extra, Mapping) else extra
  return dict(sorted(listed.items())), [_token(value) for value in (*roles, *others)]


def _symbols(proto: spm.Proto, config: Mapping[str, Any]) -> list[AddedToken]:
  """Returns the model's own tokens that no text is cut within."""
  if any(name in config for name in EXTRA):
    return []
  return [
    AddedToken(piece.piece, special=piece.type == piece.CONTROL, normalized=False)
    for piece in proto.pieces
    if piece.type in (piece.CONTROL, piece.USER_DEFINED)
  ]


def _added_tokens(
  declared: Mapping[int, AddedToken], special: list[AddedToken], symbols: list[AddedToken]
) -> dict[str, AddedToken]:
  """Returns the tokens that are found in a text before the model reads it, by their names."""
  added = {token.content: token for token in declared.values()}
  for token in symbols:
    added.setdefault(token.content, token)
  for token in special:
    added.setdefault(token.content, token).special = True
  return added


def _token(value: str | Mapping[str, Any]) -> AddedToken:
  """Returns a token as Hugging Face's files have it: its name, or an object of its properties."""
  if isinstance(value, str):
    return AddedToken(value, normalized=False)
  return AddedToken(**{name: flag for name, flag in value.items() if not name.startswith('__')})


def _adds_prefix(config: Mapping[str, Any]) -> bool:
  return config.get('add_prefix_space') in (None, True)


def _converted(proto: spm.Proto, config: Mapping[str, Any]) -> tokenizers.Tokenizer:
  """Returns the model for `tokenizers`: pieces merge in the order of their ids."""
  vocabulary = {piece.piece: id for id, piece in enumerate(proto.pieces)}
  # No text becomes a control token or a byte because it has its name.
  words = {piece.piece: None for piece in proto.pieces if piece.type == piece.NORMAL}
  merges = [
    (word[:at], word[at:])
    for word in words
    for at in range(1, len(word))
    if word[:at] in words and word[at:] in words
  ]
  model = tokenizers.models.BPE(vocabulary, merges, fuse_unk=True, byte_fallback=True)
  tokenizer = tokenizers.Tokenizer(model)
  prefixed = _adds_prefix(config)
  scheme = ('always' if config['legacy'] else 'first') if prefixed else 'never'
  tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(spm.SPACE, scheme, split=False)
  steps = [decoders.Replace(spm.SPACE, ' '), decoders.ByteFallback(), decoders.Fuse()]
  if prefixed:
    steps.append(decoders.Strip(' ', left=1))
  tokenizer.decoder = decoders.Sequence(steps)
  return tokenizer
