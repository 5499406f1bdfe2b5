"""SentencePiece tokenizers that are trained here, on the world's text.

A tokenizer trained here is *plain*: text is taken as it is (no normalisation, a space is a space,
no piece spans a space but at its start), characters beyond the vocabulary fall back to bytes, so
that `decode(encode(text)) == text` for any text that UTF-8 can say, and a text cut before a space
or a line break is tokenized like the beginning of the whole. It is also written as a Hugging Face
`tokenizer.json` that encodes alike. Models of others are read by `spm_llama`.
"""

import io
import itertools
import os
import pathlib
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any

import sentencepiece
import tokenizers
from google.protobuf.message import DecodeError
from sentencepiece import sentencepiece_model_pb2 as spm_pb2

from r1jax.text import hf
from r1jax.text.tags import TAGS

Proto = Any  # A `spm_pb2.ModelProto`, which is made at import, without types.

FILE = 'tokenizer.model'
SPACE = '\u2581'  # How SentencePiece writes a space while it trains.
PAD, EOS, UNK = '<pad>', '<eos>', '<unk>'
NUMBERS = tuple(str(number) for number in range(100))
# Single pieces, whatever the text says of them; a number is one piece with a space before it, too.
WHOLE = (*TAGS, *NUMBERS, *(SPACE + number for number in NUMBERS), '\n')
PRINTABLE = ''.join(chr(code) for code in range(33, 127))
# Their score beats that of any other way to cut the same text, and one piece beats two.
WHOLE_SCORE = -0.5
# Scores are multiples of 1/64, whose sums are exact in float32 (here) and float64 (tokenizers):
# both find the same best path, ties included.
SCORE_STEPS = 64
# Control and byte pieces are in the trie of `tokenizers` as if they were text; this keeps them out.
NEVER = -1e4
# Pieces of scripts without spaces: words, not sentences.
LONGEST_UNSPACED = 4


class SentencePiece:
  """A SentencePiece model by itself as a tokenizer; see `tokenizer.Tokenizer`.

  Attributes:
    model: the serialised model.
    vocab_size, eos_id, stop_ids, pad_id, bos_id: as in `tokenizer.Tokenizer`.
  """

  def __init__(self, model: bytes):
    self.model = model
    self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    self.vocab_size = len(self._processor)
    self.eos_id = self._processor.eos_id()
    if self.eos_id < 0:
      raise ValueError('the SentencePiece model has no end-of-text piece; train it with an eos_id.')
    self.stop_ids: tuple[int, ...] = (self.eos_id,)
    pad, bos = self._processor.pad_id(), self._processor.bos_id()
    self.pad_id = pad if pad >= 0 else self.eos_id
    self.bos_id = bos if bos >= 0 else None

  @classmethod
  def load(cls, path: str | os.PathLike) -> 'SentencePiece':
    """Loads a `tokenizer.model`; raises ValueError if it is none of SentencePiece's."""
    return cls(_checked(path))

  def encode(self, text: str) -> list[int]:
    """Returns the ids of a text, nothing added."""
    return self._processor.encode(text)

  def decode(self, ids: Sequence[int]) -> str:
    """Returns the text of ids, control pieces by their names; U+FFFD for those beyond them."""
    runs = itertools.groupby(map(int, ids), self._has_text)
    return ''.join(
      self._processor.decode(list(run)) if has_text else ''.join(map(self._name, run))
      for has_text, run in runs
    )

  def _has_text(self, id: int) -> bool:
    within = 0 <= id < self.vocab_size
    return within and not (self._processor.is_control(id) or self._processor.is_unused(id))

  def _name(self, id: int) -> str:
    return self.piece(id) if 0 <= id < self.vocab_size else '\ufffd'

  def piece(self, id: int) -> str:
    """Returns how the vocabulary writes an id."""
    return self._processor.id_to_piece(int(id))

  def save(self, folder: str | os.PathLike) -> None:
    """Writes `tokenizer.model` and, of a plain model, the same tokenizer for Hugging Face."""
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    (path / FILE).write_bytes(self.model)
    proto = _parse(self.model)
    if proto is not None and _is_plain(proto):
      exported = _to_hugging_face(proto)
      hf.HuggingFace(exported, {'eos_token': EOS, 'pad_token': PAD, 'unk_token': UNK}).save(path)


def is_plain(path: str | os.PathLike) -> bool:
  """Returns whether a file is a model trained here, for which `tokenizer.json` is the same."""
  proto = _parse(pathlib.Path(path).read_bytes())
  return proto is not None and _is_plain(proto)


def read(path: str | os.PathLike) -> Proto:
  """Returns what stands in a `tokenizer.model`; raises ValueError as `SentencePiece.load`."""
  return _parse(_checked(path))


def _checked(path: str | os.PathLike) -> bytes:
  model = pathlib.Path(path).read_bytes()
  try:
    sentencepiece.SentencePieceProcessor(model_proto=model)
  except RuntimeError as error:
    raise ValueError(f'{path} is not a SentencePiece model ({error}); fetch it again.') from error
  return model


def train_sentencepiece(texts: Iterable[str], *, vocab_size: int = 1024) -> SentencePiece:
  """Trains a plain unigram tokenizer; the same texts give the same tokenizer.

  Its pieces are <pad>, <eos>, <unk>, the control tags, the numbers 0 to 99 with and without a
  space before them, the line break, all 256 bytes, all characters of the texts and of ASCII, the
  words that make the texts shortest, and where those run out reserved pieces without text.

  Args:
    texts: documents.
    vocab_size: number of pieces.

  Raises:
    ValueError: if there is no text, or it has more characters than the vocabulary takes.
  """
  documents = list(texts)
  if not any(documents):
    raise ValueError('there is no text to train a tokenizer on.')
  # Unigram's own search for candidates wants a piece to recur in several words, which the words
  # of a small world do not; merges of byte pairs propose them by how often they occur.
  candidates = _train(documents, model_type='bpe', vocab_size=4 * vocab_size)
  with tempfile.TemporaryDirectory() as folder:
    seeds = pathlib.Path(folder) / 'seeds.tsv'
    seeds.write_text(_seeds(candidates, documents), encoding='utf-8')
    model = _train(documents, model_type='unigram', vocab_size=vocab_size, seeds=str(seeds))
  _reserve(model, vocab_size)
  return SentencePiece(_plain(model).SerializeToString(deterministic=True))


def _train(documents: Sequence[str], *, model_type: str, vocab_size: int, seeds: str = '') -> Proto:
  out = io.BytesIO()
  try:
    sentencepiece.SentencePieceTrainer.train(
      sentence_iterator=iter(documents),
      model_writer=out,
      model_type=model_type,
      vocab_size=vocab_size,
      hard_vocab_limit=False,
      seed_sentencepieces_file=seeds,
      byte_fallback=True,
      normalization_rule_name='identity',
      add_dummy_prefix=False,
      remove_extra_whitespaces=False,
      character_coverage=1.0,
      required_chars=''.join(c for c in PRINTABLE if c not in NUMBERS),
      user_defined_symbols=list(WHOLE),
      pad_id=0,
      eos_id=1,
      unk_id=2,
      bos_id=-1,
      pad_piece=PAD,
      eos_piece=EOS,
      unk_piece=UNK,
      max_sentence_length=16 + max(len(document.encode()) for document in documents),
      shuffle_input_sentence=False,
      num_threads=1,
      minloglevel=2,
    )
  except RuntimeError as error:
    raise ValueError(
      f'no vocabulary of {vocab_size} pieces from {len(documents)} texts: {error}. '
      'Change vocab_size or give more text.'
    ) from error
  return _parse(out.getvalue())


def _seeds(candidates: Proto, documents: Sequence[str]) -> str:
  text = '\n'.join(documents[:4096])
  lines = []
  for piece in candidates.pieces:
    unspaced = sum(not character.isascii() for character in piece.piece.lstrip(SPACE))
    if piece.type == piece.NORMAL and unspaced <= LONGEST_UNSPACED:
      lines.append(f'{piece.piece}\t{1 + text.count(piece.piece.replace(SPACE, " "))}\n')
  return ''.join(lines)


def _reserve(model: Proto, vocab_size: int) -> None:
  for number in range(vocab_size - len(model.pieces)):
    model.pieces.add(piece=f'<reserved_{number}>', score=0.0, type=model.SentencePiece.CONTROL)
  model.trainer_spec.vocab_size = vocab_size


def _plain(model: Proto) -> Proto:
  """Turns the escaped spaces into spaces, and rounds the scores."""
  model.normalizer_spec.escape_whitespaces = False
  model.trainer_spec.seed_sentencepieces_file = ''  # The name of a temporary file.
  for piece in model.pieces:
    if piece.piece in WHOLE:
      piece.type, piece.score = piece.NORMAL, WHOLE_SCORE
    elif piece.type == piece.NORMAL:
      # Below WHOLE_SCORE, so that no two pieces are as good as a whole one.
      piece.score = min(round(piece.score * SCORE_STEPS) / SCORE_STEPS, -1.0)
    piece.piece = piece.piece.replace(SPACE, ' ')
  return model


def _is_plain(proto: Proto) -> bool:
  spec = proto.normalizer_spec
  unigram = proto.trainer_spec.model_type == proto.trainer_spec.UNIGRAM
  return unigram and not spec.escape_whitespaces and not spec.precompiled_charsmap


def _parse(model: bytes) -> Proto | None:
  try:
    return spm_pb2.ModelProto.FromString(model)  # type: ignore[attr-defined]
  except DecodeError:
    return None


def _to_hugging_face(proto: Proto) -> tokenizers.Tokenizer:
  vocabulary = [
    (piece.piece, piece.score if piece.type == piece.NORMAL else NEVER) for piece in proto.pieces
  ]
  unk_id = proto.trainer_spec.unk_id
  tokenizer = tokenizers.Tokenizer(
    tokenizers.models.Unigram(vocabulary, unk_id=unk_id, byte_fallback=True)
  )
  tokenizer.decoder = tokenizers.decoders.Sequence(
    [tokenizers.decoders.ByteFallback(), tokenizers.decoders.Fuse()]
  )
  special = (proto.SentencePiece.CONTROL, proto.SentencePiece.UNKNOWN)
  tokenizer.add_special_tokens([piece.piece for piece in proto.pieces if piece.type in special])
  return tokenizer
