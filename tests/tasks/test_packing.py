import itertools

import grain
import numpy as np
import pytest

from r1jax.tasks import packing, stream

BOS, EOS = 1, 2


class Letters:
  """One token a character, by its code."""

  eos_id = EOS

  def __init__(self, bos_id=None):
    self.bos_id = bos_id

  def encode(self, text):
    return [ord(character) for character in text]


def in_order(texts):
  return stream.Stream(grain.MapDataset.source(texts).repeat())


def documents(seed=0):
  """Texts of 1 to 40 characters, each document of one letter."""
  lengths = np.random.default_rng(seed).integers(1, 41, size=2000)
  return [chr(100 + n) * int(length) for n, length in enumerate(lengths)]


def packed(texts=None, bos_id=None, num_columns=16, rows_per_block=32):
  texts = stream.shuffled(documents() if texts is None else texts, seed=0)
  return packing.Packed(
    texts, Letters(bos_id), num_columns=num_columns, rows_per_block=rows_per_block
  )


def test_documents_follow_each_other_with_their_ends():
  # Documents have 2 tokens: a block of 2 rows of 5 tokens takes 5 documents.
  rows = packing.Packed(
    in_order(['a', 'b', 'c', 'd', 'e', 'f']), Letters(), num_columns=5, rows_per_block=2
  )
  a, b, c, d, e, f = (ord(letter) for letter in 'abcdef')
  assert rows.documents_per_block == 5
  np.testing.assert_array_equal(
    rows.rows(0, 4),
    [[a, EOS, b, EOS, c], [EOS, d, EOS, e, EOS], [f, EOS, a, EOS, b], [EOS, c, EOS, d, EOS]],
  )
  assert rows.rows(0, 4).dtype == np.int32
  assert rows.waste(2) == (0, 0)


def test_documents_begin_with_the_token_of_the_beginning_if_there_is_one():
  rows = packing.Packed(in_order(['a']), Letters(BOS), num_columns=6, rows_per_block=1)
  np.testing.assert_array_equal(rows.rows(0, 1), [[BOS, ord('a'), EOS] * 2])


def test_a_block_that_is_short_reads_on_and_one_that_is_long_drops_its_end():
  # 4 tokens on average, so that 3 documents make a block of 12 tokens; the first three hold 6,
  # the next three 18.
  texts = ['a', 'b', 'c', 'ddddd', 'eeeee', 'fffff']
  rows = packing.Packed(in_order(texts), Letters(), num_columns=12, rows_per_block=1)
  assert rows.documents_per_block == 3
  text = [''.join('.' if id == EOS else chr(id) for id in row) for row in rows.rows(0, 3)]
  assert text == ['a.b.c.ddddd.', 'ddddd.eeeee.', 'a.b.c.ddddd.']
  assert rows.waste(2) == pytest.approx((6 / 24, 6 / 24))


def test_a_row_is_a_function_of_its_number_alone():
  whole = packed().rows(0, 200)
  np.testing.assert_array_equal(
    np.concatenate([packed().rows(n, 1) for n in range(90, 100)]), whole[90:100]
  )
  resumed = packed()
  later = [resumed.rows(number, 12) for number in range(24, 144, 12)]
  np.testing.assert_array_equal(np.concatenate(later), whole[24:144])


def test_every_token_is_accounted_for():
  """Blocks, cut the slow way: their documents, then what is missing; nothing else is lost."""
  texts, num_blocks, size = documents(), 12, 16 * 32
  order = stream.shuffled(texts, seed=0).batch(0, 4000)
  rows = packed()
  dropped = repeated = 0
  for block in range(num_blocks):
    first = block * rows.documents_per_block
    own = [[*map(ord, text), EOS] for text in order[first : first + rows.documents_per_block]]
    own = list(itertools.chain(*own))
    tokens = rows.rows(32 * block, 32).ravel().tolist()
    assert tokens[: len(own)] == own[:size]
    dropped += max(len(own) - size, 0)
    repeated += max(size - len(own), 0)
  assert rows.waste(num_blocks) == pytest.approx(
    (dropped / (num_blocks * size), repeated / (num_blocks * size))
  )


def test_larger_blocks_waste_less():
  # Lengths have a mean of 21.5 tokens and a deviation of 11.5, so that d documents deviate from
  # their mean by 0.54 / sqrt(d): 0.4 times that is dropped and as much repeated on average.
  small, large = packed(rows_per_block=32), packed(rows_per_block=1024)
  assert small.documents_per_block == pytest.approx(32 * 16 / 21.5, abs=2)
  assert sum(large.waste(4)) < sum(small.waste(64)) / 2
  assert sum(small.waste(64)) < 0.15
