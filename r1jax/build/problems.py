"""Reads what is asked."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from r1jax.build.terms import KINDS, Kind, check_of, compares_text
from r1jax.evaluation.judging import Reader
from r1jax.section import Section
from r1jax.structs import Problem
from r1jax.tasks import choice, contest, generic, gsm8k, humaneval, ifeval, math, mbpp, tfds
from r1jax.tasks.jsonl import Check
from r1jax.tasks.splits import check_disjoint, hold_out
from r1jax.tasks.world import World, reading

# Problem sets in files: what loads one, and of which kind its answers are.
SETS: dict[str, tuple[Callable, str]] = {
  'gsm8k': (gsm8k.load, 'math'),
  'math': (math.load, 'math'),
  'jsonl': (generic.load, 'math'),
  'choice': (choice.load, 'choice'),
  'ifeval': (ifeval.load, 'instructions'),
  'humaneval': (humaneval.load, 'programs'),
  'mbpp': (mbpp.load, 'programs'),
  'contest': (contest.load, 'programs'),
}
# Sets whose answers may be text that is no formula.
OWN = ('jsonl', 'tfds')


class Source(Protocol):
  """Problems by number: a list, or what makes or reads one when asked."""

  def __len__(self) -> int: ...

  def __getitem__(self, index: int, /) -> Problem: ...


@dataclasses.dataclass(frozen=True)
class Problems:
  """What a stage asks.

  Attributes:
    train: the training problems.
    held_out: a function from a split to its held-out problems.
    listed: problems that are read and not made, so that all of them can be checked.
    kind: of the answers.
    reader: tells the style of an answer, where the task knows styles.
  """

  train: Source
  held_out: Callable[[str], Source]
  listed: Sequence[Source]
  kind: Kind
  reader: Reader | None


def read(section: Section, evaluation: Section, reward: Section, seed: int) -> Problems:
  """Reads the section of a task.

  Of a set in files, the problems for validation are held out of those for training, and those for
  testing too if both are in one file. Every problem is one that all terms of the reward and the
  judges of evaluations can judge.
  """
  name = section.take('name', str)
  if name == 'world':
    world = section.world.make(World, split='train', seed=seed)
    # What is held out is the same for every seed.
    held_out = lambda split: dataclasses.replace(world, split=split, seed=0)  # noqa: E731
    with reward.blamed():
      check_of(list(reward), KINDS['math'])(world[0])  # The others are like it.
    return Problems(world, held_out, (), KINDS['math'], reading)
  kind = _kind(section, name, list(reward))
  check = check_of(list(reward), kind)
  if name == 'tfds':
    train, test = _read_prepared(section, check)
  else:
    train, test = _read_files(section, evaluation, check)
  with section.blamed():
    check_disjoint(train, test)
  rest, validation = _hold_out(evaluation, 'validation', train)
  splits = {'validation': validation, 'test': test}
  return Problems(rest, splits.__getitem__, (train, test), kind, None)


def _kind(section: Section, name: str, terms: Sequence[str]) -> Kind:
  """Returns the kind of a set's answers, for a reward of those terms."""
  _, kind_name = section.choose('name', SETS | {'world': None, 'tfds': (tfds.load, 'math')})
  kind = KINDS[kind_name]
  if name in OWN:
    kind = KINDS['text'] if compares_text(terms) else _with_advice(kind)
  try:
    kind.check_machine()
  except RuntimeError as error:
    raise section.error(f'name is {name!r}: {error}') from error
  return kind


def _with_advice(kind: Kind) -> Kind:
  """Returns a kind of which the check says what to do with answers that are text."""

  def check(problem: Problem) -> None:
    try:
      kind.check(problem)
    except ValueError as error:
      raise ValueError(
        f'{error}. To compare answers as text, in evaluations too, config.rl.reward must have '
        'exact_match, if with weight 0, and no accuracy, strict or lenient'
      ) from error

  return dataclasses.replace(kind, check=check)


def _read_prepared(section: Section, check: Check) -> tuple[Source, Source]:
  """Returns the problems for training and for testing, of a prepared set."""
  data_dir, dataset = _filled(section, 'data_dir', 'dataset')
  load = functools.partial(tfds.load, data_dir, dataset, check_problem=check)
  return load('train'), load('test')


def _read_files(section: Section, evaluation: Section, check: Check) -> tuple[Source, Source]:
  """Returns the problems for training and for testing, of two files or of one."""
  name, other = section.take('name', str), section.take('test_name', str)
  train_path, test_path = _filled(section, 'train_path', 'test_path')
  load, kind = SETS[name]
  if other and other != name:
    load_test, test_kind = section.choose('test_name', SETS)
    if test_kind != kind:
      same = [name for name, (_, found) in SETS.items() if found == kind]
      raise section.error(
        f'test_name is {other!r}, whose answers are not judged as those of {name!r} are; it may be '
        f'one of {", ".join(same)}, or empty for {name!r}'
      )
    return load(train_path, check_problem=check), load_test(test_path, check_problem=check)
  train = load(train_path, check_problem=check)
  if Path(test_path).resolve() == Path(train_path).resolve():
    return _hold_out(evaluation, 'test', train)
  return train, load(test_path, check_problem=check)


def _hold_out(evaluation: Section, split: str, source: Source) -> tuple[Source, Source]:
  """Returns the rest of the problems, and as many as a split should have."""
  count = evaluation.take(f'{split}_problems', int)
  if count >= len(source):
    raise evaluation.error(
      f'{split}_problems is {count}; it must be less than {len(source)}, the number of training '
      'problems, of which they are held out'
    )
  with evaluation.blamed():
    return hold_out(source, count)


def _filled(section: Section, *names: str) -> list[str]:
  texts = [section.take(name, str) for name in names]
  for name, text in zip(names, texts):
    if not text:
      one = '; test_path may be train_path again: of one file, some problems are held out'
      hint = one if name == 'test_path' else ''
      raise section.error(f'{name} is empty; say where the problems are{hint}')
  return texts
