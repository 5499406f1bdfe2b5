import itertools

import pytest

from r1jax.tasks import stream


class Sized:
  """A source of any size without its items."""

  def __init__(self, size):
    self.size = size

  def __len__(self):
    return self.size

  def __getitem__(self, index):
    return index


def test_an_epoch_has_every_item_once_in_an_order_of_its_own():
  draws = stream.shuffled(range(50), seed=3)
  epochs = [draws.batch(50 * epoch, 50) for epoch in range(4)]
  assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
  assert len({tuple(epoch) for epoch in [*epochs, range(50)]}) == 5


def test_the_number_of_draws_is_all_that_resuming_needs():
  whole = stream.shuffled(range(10), seed=5).batch(0, 36)
  first = stream.shuffled(range(10), seed=5)
  done = [first.batch(0, 4), first.batch(4, 4), first.batch(8, 4)]
  resumed = stream.shuffled(range(10), seed=5)
  done += [resumed.batch(number, 4) for number in range(12, 36, 4)]
  assert list(itertools.chain(*done)) == whole


def test_processes_that_read_their_shares_read_the_batch():
  draws = stream.shuffled(range(100), seed=0)
  shares = [draws.batch(32 + process * 4, 4) for process in range(4)]
  assert list(itertools.chain(*shares)) == draws.batch(32, 16)


def test_a_seed_does_not_repeat_the_orders_of_the_seed_before():
  # Counting seeds up by epoch would make epoch 1 of seed 0 equal epoch 0 of seed 1.
  orders = [
    tuple(stream.shuffled(range(30), seed=seed).batch(30 * epoch, 30))
    for seed in range(3)
    for epoch in range(3)
  ]
  assert len(set(orders)) == 9


def test_a_source_of_a_single_item_comes_again_and_again():
  assert stream.shuffled(['a'], seed=0).batch(7, 3) == ['a', 'a', 'a']


@pytest.mark.parametrize('size', [0, 2**32 + 1])
def test_sources_that_cannot_be_shuffled_are_errors(size):
  with pytest.raises(ValueError, match=f'a source of {size} items; a stream needs 1 to 4294967296'):
    stream.shuffled(Sized(size), seed=0)


def test_large_sources_are_drawn_from_end_to_end():
  drawn = stream.shuffled(Sized(2**32), seed=0).batch(0, 64)
  assert min(drawn) < 2**29 and max(drawn) > 2**32 - 2**29


def test_a_negative_seed_is_an_error():
  with pytest.raises(ValueError, match='seed of the input stream is -1; it must be at least 0'):
    stream.shuffled(range(3), seed=-1)
