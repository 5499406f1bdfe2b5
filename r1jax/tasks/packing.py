"""Documents packed into full rows for pre-training, addressed by the number of the row.

Documents follow each other, each with its end-of-text token, and rows are cut from them without
padding; attention is not masked between the documents of a row (as in DeepSeek-V3,
arXiv:2412.19437, section 4.1). To make row r a function of r alone, without counting the tokens of
all rows before it, rows come in blocks:

  documents   0 ... d-1 | d ... 2d-1 | 2d ... 3d-1 |
  rows        0 ... n-1 | n ... 2n-1 | 2n ... 3n-1 |

Block b is cut from the documents from number b*d on, where d is chosen so that d documents hold
the n rows' tokens on average. If they hold more, the rest is dropped; if less, the block reads on
into documents of the next block, which occur twice. Both shares fall with the square root of d;
`waste` reports them.
"""

import functools
from typing import NamedTuple

import numpy as np

from r1jax.tasks import stream
from r1jax.text.tokenizer import Tokenizer

# Documents whose mean length decides how many a block takes.
_NUM_MEASURED = 4000


class Waste(NamedTuple):
  """What block boundaries cost, as fractions of the tokens trained on."""

  dropped_fraction: float
  repeated_fraction: float


class Packed:
  """Rows of tokens; row r depends on the documents, the tokenizer, the sizes and r alone.

  Attributes:
    documents_per_block: how many documents a block is meant to take (d).
  """

  def __init__(
    self,
    documents: stream.Stream[str],
    tokenizer: Tokenizer,
    *,
    num_columns: int,
    rows_per_block: int,
  ):
    """Encodes the first documents to learn their mean length.

    Args:
      documents: texts by number.
      tokenizer: every document gets its token for the beginning of a text, if it has one, and
        its token for the end.
      num_columns: tokens of a row (L).
      rows_per_block: rows cut at a time (n); more of them waste less and take longer to come.
    """
    self._documents = documents
    self._tokenizer = tokenizer
    self._rows_per_block = rows_per_block
    self._tokens_per_block = rows_per_block * num_columns
    mean_tokens = len(self._encode(0, _NUM_MEASURED)) / _NUM_MEASURED
    self.documents_per_block = max(1, round(self._tokens_per_block / mean_tokens))
    # Two are kept: a batch may span a boundary, and the next one begins where it ended.
    self._block = functools.lru_cache(maxsize=2)(self._cut)

  def rows(self, first: int, count: int) -> np.ndarray:
    """Returns int32 tokens_BL of `count` rows, the first of them number `first` (from 0)."""
    assert first >= 0 and count > 0, f'no such rows: {count} from number {first} on'
    first_block, skipped = divmod(first, self._rows_per_block)
    last_block = (first + count - 1) // self._rows_per_block
    blocks = [self._block(number) for number in range(first_block, last_block + 1)]
    return np.concatenate(blocks)[skipped : skipped + count]

  def waste(self, num_blocks: int) -> Waste:
    """Returns what boundaries cost in the first blocks; encodes their documents to count."""
    excess = [
      len(self._encode(number * self.documents_per_block, self.documents_per_block))
      - self._tokens_per_block
      for number in range(num_blocks)
    ]
    num_tokens = self._tokens_per_block * num_blocks
    return Waste(
      dropped_fraction=sum(max(tokens, 0) for tokens in excess) / num_tokens,
      repeated_fraction=sum(max(-tokens, 0) for tokens in excess) / num_tokens,
    )

  def _cut(self, number: int) -> np.ndarray:
    """Returns the rows of a block."""
    first, end = (n * self.documents_per_block for n in (number, number + 1))
    tokens = self._encode(first, end - first)
    while len(tokens) < self._tokens_per_block:
      tokens += self._encode(end, 1)
      end += 1
    return np.array(tokens[: self._tokens_per_block], np.int32).reshape(self._rows_per_block, -1)

  def _encode(self, first: int, count: int) -> list[int]:
    tokens: list[int] = []
    for text in self._documents.batch(first, count):
      if self._tokenizer.bos_id is not None:
        tokens.append(self._tokenizer.bos_id)
      tokens.extend(self._tokenizer.encode(text))
      tokens.append(self._tokenizer.eos_id)
    return tokens
