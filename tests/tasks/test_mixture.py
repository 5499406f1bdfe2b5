import collections

import pytest

from r1jax.tasks import mixture

SOURCES = {name: [f'{name}{n}' for n in range(100)] for name in 'abc'}
WEIGHTS = {'a': 1, 'b': 2, 'c': 5}


def count(items):
  return collections.Counter(item[0] for item in items)


def test_any_stretch_has_the_proportions_of_the_weights():
  draws = mixture.mix(SOURCES, WEIGHTS, seed=0)
  assert count(draws.batch(0, 800)) == {'a': 100, 'b': 200, 'c': 500}
  for first in (0, 13, 1000):
    drawn = count(draws.batch(first, 64))
    assert all(abs(drawn[name] - 8 * weight) <= 2 for name, weight in WEIGHTS.items())


def test_weights_of_any_sum_are_kept_to_one_percent():
  draws = mixture.mix({'a': SOURCES['a'], 'b': SOURCES['b']}, {'a': 0.1, 'b': 0.3}, seed=0)
  assert count(draws.batch(0, 1000))['a'] == pytest.approx(250, abs=2.5)


def test_each_source_is_exhausted_before_any_item_of_it_comes_again():
  drawn = mixture.mix(SOURCES, WEIGHTS, seed=0).batch(0, 800)
  for name, source in SOURCES.items():
    own = [item for item in drawn if item[0] == name]
    epochs = [own[start : start + 100] for start in range(0, len(own), 100)]
    assert all(sorted(epoch) == sorted(source) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs)


def test_sources_of_one_size_have_orders_of_their_own():
  drawn = mixture.mix(SOURCES, WEIGHTS, seed=0).batch(0, 800)
  orders = {name: [item[1:] for item in drawn if item[0] == name][:100] for name in SOURCES}
  assert orders['a'] != orders['b'] != orders['c'] != orders['a']


def test_the_number_of_draws_is_all_that_resuming_needs():
  whole = mixture.mix(SOURCES, WEIGHTS, seed=1).batch(0, 60)
  assert mixture.mix(SOURCES, WEIGHTS, seed=1).batch(24, 36) == whole[24:]
  assert mixture.mix(SOURCES, WEIGHTS, seed=2).batch(0, 60) != whole


def test_the_order_in_which_a_config_names_sources_has_no_effect():
  backwards = dict(reversed(SOURCES.items())), dict(reversed(WEIGHTS.items()))
  drawn = mixture.mix(*backwards, seed=0).batch(0, 50)
  assert drawn == mixture.mix(SOURCES, WEIGHTS, seed=0).batch(0, 50)


@pytest.mark.parametrize(
  ('weights', 'fault'),
  [
    ({'a': 1, 'b': 2}, r"mixture of \['a', 'b', 'c'\] has weights for \['a', 'b'\]"),
    ({**WEIGHTS, 'd': 1}, r"has weights for \['a', 'b', 'c', 'd'\]"),
    ({**WEIGHTS, 'b': 0}, "weight of 'b' is 0; it must be positive"),
    ({**WEIGHTS, 'b': float('nan')}, "weight of 'b' is nan"),
  ],
)
def test_wrong_weights_are_errors(weights, fault):
  with pytest.raises(ValueError, match=fault):
    mixture.mix(SOURCES, weights, seed=0)
