"""How a config is read: what is unread, unknown, missing or out of place is said with its path."""

import dataclasses
import re

import pytest
from ml_collections import ConfigDict

from r1jax.section import Section


@dataclasses.dataclass(frozen=True)
class Dials:
  low: int
  high: int = 10
  names: dict = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    if self.low > self.high:
      raise ValueError(f'low is {self.low}, above high, {self.high}')


def fields(**values):
  return Section(ConfigDict(values))


def fails(text):
  return pytest.raises(ValueError, match=re.escape(text))


def test_what_is_read_is_read():
  config = fields(a=1, b=None, section={'c': (1, 2), 'd': {'e': 'x'}})
  assert config.a == 1 and config.b is None
  assert config.section.c == (1, 2) and config.section.d.e == 'x'
  assert config.unread() == []


def test_what_is_not_read_is_named_in_full():
  config = fields(a=1, b=2, section={'c': 1, 'd': {'e': 1, 'f': 2}}, other={'g': 1})
  assert config.a == 1 and config.section.d.f == 2
  names = ['config.b', 'config.other', 'config.section.c', 'config.section.d.e']
  assert sorted(config.unread()) == names


def test_a_missing_field_is_named_with_those_that_are_there():
  with fails('config.section.c is missing; config.section has a, b'):
    _ = fields(section={'a': 1, 'b': 2}).section.c


def test_choose():
  table = {'one': 1, 'two': 2}
  assert fields(how='two').choose('how', table) == 2
  with fails("config.section.how is 'tow', allowed are 'one', 'two'"):
    fields(section={'how': 'tow'}).section.choose('how', table)


def test_to_dict_reads_everything():
  config = fields(section={'a': 1, 'b': {'c': 2}})
  assert config.section.to_dict() == {'a': 1, 'b': {'c': 2}}
  assert config.unread() == []


def test_make_hands_on_what_nothing_else_has_read():
  config = fields(section={'kind': 'x', 'low': 3, 'names': {'a': 1}})
  assert config.section.kind == 'x'
  assert config.section.make(Dials, high=4) == Dials(3, 4, {'a': 1})
  assert config.unread() == []


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
