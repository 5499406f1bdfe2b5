"""How a config is read: what is unread, unknown, missing or out of place is said with its path."""

import dataclasses
import math
import re
from collections.abc import Mapping

import pytest
from ml_collections import ConfigDict

from r1jax.section import Section


@dataclasses.dataclass(frozen=True)
class Dials:
  low: int
  high: int = 10
  names: Mapping[str, float] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    if self.low > self.high:
      raise ValueError(f'low is {self.low}, above high, {self.high}')


def fields(**values):
  return Section(ConfigDict(values))


def fails(text):
  return pytest.raises(ValueError, match=re.escape(text))


def test_what_is_read_is_read():
  config = fields(a=1, b=None, section={'c': (1, 2), 'd': {'e': 'x'}})
  assert config.take('a', int) == 1 and config.take('b', int | None) is None
  assert config.section.take('c', tuple[int, int]) == (1, 2)
  assert config.section.d.take('e', str) == 'x'
  assert config.unread() == []


def test_what_is_not_read_is_named_in_full():
  config = fields(a=1, b=2, section={'c': 1, 'd': {'e': 1, 'f': 2}}, other={'g': 1})
  assert config.take('a', int) == 1 and config.section.d.take('f', int) == 2
  names = ['config.b', 'config.other', 'config.section.c', 'config.section.d.e']
  assert sorted(config.unread()) == names


@pytest.mark.parametrize(
  'kind, good, bad, words',
  [
    (int, [0, -3], [1.0, True, '1', None], 'a whole number'),
    (float, [0.5, 2, 10**400], [True, '1', None, math.nan, math.inf], 'a finite number'),
    (str, ['', 'x'], [1, None, True], 'text'),
    (bool, [True, False], [0, 1, 'True', None], 'True or False'),
    (int | None, [None, 3], ['', 2.5, False], 'a whole number or None'),
    (tuple[int, int], [(1, 2)], [(1,), (1, 2, 3), (1, 2.5), 3, '12'], 'a tuple (a whole number, a'),
    (tuple[str, ...], [(), ('a', 'b'), ['a']], ['ab', ('a', 1), 5], 'a tuple, each part text'),
    (Mapping[str, float], [{'a': 1}, {}], [{'a': 'x'}, 5, {'a': {'b': 1}}], 'a section whose'),
  ],
  ids=str,
)
def test_take_refuses_what_is_of_another_kind(kind, good, bad, words):
  for value in good:
    config = fields(section={'a': value})
    assert config.section.take('a', kind) == value
    assert config.unread() == []
  for value in bad:
    with fails(f'config.section.a is {value!r}; '):
      fields(section={'a': value}).section.take('a', kind)
    with fails(f'it must be {words}'):
      fields(section={'a': value}).section.take('a', kind)


def test_take_refuses_what_is_too_small():
  assert fields(a=1).take('a', int, least=1) == 1
  assert fields(a=None).take('a', float | None, least=1) is None
  with fails('config.a is 0; it must be a whole number, at least 1'):
    fields(a=0).take('a', int, least=1)


def test_a_value_is_no_section_and_a_section_no_value():
  with fails('config.a is 5; it must be a section, with fields of its own'):
    _ = fields(a=5).a
  with fails("config.a is {'b': 1}; it must be a whole number"):
    fields(a={'b': 1}).take('a', int)


def test_a_missing_field_is_named_with_those_that_are_there():
  with fails('config.section.c is missing; config.section has a, b'):
    _ = fields(section={'a': 1, 'b': 2}).section.c


def test_choose():
  table = {'one': 1, 'two': 2}
  assert fields(how='two').choose('how', table) == 2
  with fails("config.section.how is 'tow', allowed are 'one', 'two'"):
    fields(section={'how': 'tow'}).section.choose('how', table)
  with fails("config.how is ['one'], allowed are 'one', 'two'"):
    fields(how=['one']).choose('how', table)


def test_to_dict_reads_everything():
  config = fields(section={'a': 1, 'b': 2.5})
  assert config.section.to_dict(float) == {'a': 1, 'b': 2.5}
  assert config.unread() == []
  with fails("config.section.a is '1'; it must be a finite number"):
    fields(section={'a': '1'}).section.to_dict(float)


def test_make_hands_on_what_nothing_else_has_read():
  config = fields(section={'kind': 'x', 'low': 3, 'names': {'a': 1}})
  assert config.section.take('kind', str) == 'x'
  assert config.section.make(Dials, high=4) == Dials(3, 4, {'a': 1})
  assert config.unread() == []


def test_make_refuses_what_is_of_another_kind():
  with fails('config.section.low is 2.5; it must be a whole number'):
    fields(section={'low': 2.5}).section.make(Dials)
  with fails("config.section.names is {'a': 'x'}; it must be a section whose fields are each a f"):
    fields(section={'low': 2, 'names': {'a': 'x'}}).section.make(Dials)


def test_make_names_what_is_unknown_and_what_there_is():
  with fails('config.section.lwo is unknown; config.section may have low, high, names'):
    fields(section={'lwo': 3}).section.make(Dials)


def test_make_does_not_let_a_field_be_overridden_in_silence():
  with fails('config.section.high is unknown; config.section may have low, names'):
    fields(section={'low': 1, 'high': 3}).section.make(Dials, high=4)


def test_make_names_what_is_missing():
  with fails('config.section.low is missing; config.section must have it'):
    fields(section={'high': 3}).section.make(Dials)


def test_make_says_whose_value_was_refused():
  with fails('config.section: low is 5, above high, 3'):
    fields(section={'low': 5, 'high': 3}).section.make(Dials)
