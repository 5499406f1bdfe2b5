"""Text to tokens and back: what every tokenizer offers, and how a folder's tokenizer is found."""

import os
import pathlib
from collections.abc import Sequence
from typing import Protocol

from r1jax.text import hf, spm, spm_llama

# All that a tokenizer may leave in a folder, and the folder within it.
FILES = (spm.FILE, hf.FILE, hf.CONFIG, hf.CHAT_TEMPLATE, hf.SPECIAL_TOKENS, hf.ADDED_TOKENS)
FOLDER = hf.OTHER_TEMPLATES


class Tokenizer(Protocol):
  """What the system asks of a tokenizer.

  Attributes:
    vocab_size: ids are less than this.
    eos_id: ends a text.
    stop_ids: that end a completion; `eos_id` is the first.
    pad_id: fills up arrays; masks come from lengths, so any id will do.
    bos_id: begins a text, or None for tokenizers without one; `encode` never adds it.
  """

  vocab_size: int
  eos_id: int
  stop_ids: tuple[int, ...]
  pad_id: int
  bos_id: int | None

  def encode(self, text: str) -> list[int]:
    """Returns the ids of a text, nothing added; the names of control tokens are mere text."""
    ...

  def decode(self, ids: Sequence[int]) -> str:
    """Returns the text of ids, in which nothing is hidden.

    Control tokens stand there by their names; broken bytes, and ids beyond the vocabulary, become
    U+FFFD.
    """
    ...

  def piece(self, id: int) -> str:
    """Returns how the vocabulary writes an id."""
    ...

  def save(self, folder: str | os.PathLike) -> None:
    """Writes the tokenizer's files into a folder from which `load` gets it back."""
    ...


def load(folder: str | os.PathLike) -> Tokenizer:
  """Loads the tokenizer of a model folder.

  Args:
    folder: holds `tokenizer.json` (Hugging Face) or, where that is missing, `tokenizer.model`
      (SentencePiece).

  Returns:
    The tokenizer. A folder written by `SentencePiece.save` holds both files, which encode alike;
    its SentencePiece model is preferred, so that saving it again keeps both, unless control tokens
    or a chat template were added to the other file since.

  Raises:
    FileNotFoundError: if the folder holds neither file.
    ValueError: if a file is damaged, names no end-of-text token, or is a SentencePiece model that
      cannot be read in one way only.
  """
  path = pathlib.Path(folder)
  model, fast = path / spm.FILE, path / hf.FILE
  trained = spm.SentencePiece.load(model) if model.is_file() and spm.is_plain(model) else None
  if fast.is_file():
    loaded = hf.HuggingFace.load(path)
    return loaded if trained is None or _says_more(loaded, trained) else trained
  if trained is not None:
    return trained
  if model.is_file():
    return spm_llama.load(path)
  found = ', '.join(sorted(entry.name for entry in path.iterdir())) if path.is_dir() else None
  state = f'it holds: {found or "nothing"}' if found is not None else 'it is no folder'
  raise FileNotFoundError(
    f'no tokenizer in {path}: looked for {hf.FILE} (Hugging Face) and {spm.FILE} (SentencePiece); '
    f'{state}. Copy the tokenizer files of the model there, or name the folder that has them.'
  )


def _says_more(loaded: hf.HuggingFace, trained: spm.SentencePiece) -> bool:
  """Returns whether a `tokenizer.json` is no longer the one that was written with its model."""
  names = ('vocab_size', 'stop_ids', 'pad_id', 'bos_id')
  changed = any(getattr(loaded, name) != getattr(trained, name) for name in names)
  return changed or loaded.chat_template is not None
