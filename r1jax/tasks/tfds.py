r"""Tasks as TensorFlow Datasets on disk (array_record files), without TensorFlow.

`prepare({'train': gsm8k.load('train.jsonl'), 'test': gsm8k.load('test.jsonl')}, data_dir, 'gsm8k')`
writes `<data_dir>/gsm8k/<version>/`, which every user of TensorFlow Datasets can read;
`load(data_dir, 'gsm8k', 'train')` gives the same problems in the same order, read from disk one by
one. An example is the problem as four strings, metadata as JSON:

  {"id": "gsm8k/train:1", "question": "Natalia sold clips to ...", "gold": "72",
   "metadata": "{\"answer\": \"Natalia sold 48/2 = ...\"}"}
"""

import dataclasses
import json
import operator
import os
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from r1jax import structs
from r1jax.tasks import jsonl, stream

# Goes up when the features change, so that older files are not misread.
VERSION = '1.0.0'
FEATURES = ('id', 'question', 'gold', 'metadata')
FILE_FORMAT = 'array_record'


def prepare(
  tasks: Mapping[str, stream.Source[structs.Problem]], data_dir: str | os.PathLike[str], name: str
) -> pathlib.Path:
  """Writes the splits of a set, unless they are there already, and returns their folder.

  The writer of TensorFlow Datasets holds a split in memory, up to 1 GB; larger ones it would sort
  on disk, which needs TensorFlow.

  Args:
    tasks: problems by split, such as `jsonl.load` returns them.
    data_dir: folder for data sets.
    name: of the set, in lower_snake_case.

  Raises:
    ValueError: metadata that JSON cannot keep, or a folder that holds other problems or splits.
  """
  if not re.fullmatch('[a-z][a-z0-9_]*', name):
    raise ValueError(f'a set cannot be named {name!r}; use lower-case letters, digits and "_"')
  tfds.disable_progress_bar()
  builder = _Builder(tasks, data_dir=data_dir, name=name)
  builder.download_and_prepare()
  folder = pathlib.Path(builder.data_path)
  # TFDS keeps a prepared folder as it is, whatever is to be written into it.
  if set(builder.info.splits) != set(tasks) or not all(
    _equal(load(data_dir, name, split), task) for split, task in tasks.items()
  ):
    raise ValueError(
      f'{folder} holds other problems or splits than those to be prepared; '
      'delete it, or choose another name'
    )
  return folder


def load(
  data_dir: str | os.PathLike[str],
  name: str,
  split: str,
  *,
  check_problem: jsonl.Check | None = None,
) -> 'Prepared':
  """Returns a split that `prepare` has written.

  Args:
    data_dir: folder for data sets.
    name: of the set.
    split: of the set.
    check_problem: raises ValueError for a problem that the reward cannot judge; when given, the
      whole split is read to check it.

  Raises:
    ValueError: there is no such set or split, or a problem is rejected.
  """
  folder = pathlib.Path(data_dir) / name / VERSION
  if not (folder / 'dataset_info.json').is_file():
    raise ValueError(f'{folder}: no prepared set; write it with r1jax.tasks.tfds.prepare')
  builder = tfds.builder_from_directory(folder)
  features = tuple(builder.info.features or ())
  if set(features) != set(FEATURES) or builder.info.file_format.value != FILE_FORMAT:
    raise ValueError(
      f'{folder} holds {", ".join(features)} as {builder.info.file_format.value}; it must hold '
      f'{", ".join(FEATURES)} as {FILE_FORMAT}, as r1jax.tasks.tfds.prepare writes them'
    )
  if split not in builder.info.splits:
    raise ValueError(f'{folder} has no split {split!r}; it has {sorted(builder.info.splits)}')
  task = Prepared(builder.as_data_source(split=split))
  if check_problem is not None:
    for problem in task:
      _check(problem, check_problem, f'{folder} ({split})')
  return task


@dataclasses.dataclass(frozen=True)
class Prepared:
  """The problems of a prepared split.

  Attributes:
    examples: random-access source of examples, as TensorFlow Datasets gives it.
  """

  examples: Any

  def __len__(self) -> int:
    return len(self.examples)

  def __getitem__(self, index: int) -> structs.Problem:
    number = operator.index(index)
    if not 0 <= number < len(self):
      raise IndexError(f'problem {number} of a split of {len(self)}')
    text = {key: value.decode() for key, value in self.examples[number].items()}
    return structs.Problem(
      id=text['id'],
      question=text['question'],
      gold=text['gold'],
      metadata=json.loads(text['metadata']),
    )

  def __iter__(self) -> Iterator[structs.Problem]:
    return (self[number] for number in range(len(self)))


class _Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
  """Writes tasks as they are: in their order, as array_record files."""

  VERSION = tfds.core.Version(VERSION)
  # Nothing is downloaded, so there are no checksums to look for (a search that would import
  # importlib_resources, which TFDS 4.9.10 does not install).
  url_infos = None

  def __init__(self, tasks: Mapping[str, stream.Source[structs.Problem]], *, data_dir, name: str):
    self._tasks = tasks
    self.name = name
    super().__init__(data_dir=data_dir, file_format=FILE_FORMAT)

  def _info(self) -> tfds.core.DatasetInfo:
    strings = dict.fromkeys(FEATURES, np.str_)
    return tfds.core.DatasetInfo(
      builder=self,
      description='Problems with gold answers, written by r1jax.',
      features=tfds.features.FeaturesDict(strings),
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager):
    del dl_manager
    return {split: self._generate_examples(task) for split, task in self._tasks.items()}

  def _generate_examples(self, task: stream.Source[structs.Problem]):
    for number in range(len(task)):
      yield number, _example(task[number])


def _example(problem: structs.Problem) -> dict[str, str]:
  return {
    'id': problem.id,
    'question': problem.question,
    'gold': problem.gold,
    'metadata': _metadata(problem),
  }


def _metadata(problem: structs.Problem) -> str:
  try:
    text = json.dumps(dict(problem.metadata))
    if json.loads(text) != problem.metadata:
      raise TypeError('tuples and keys that are no strings would come back changed')
  except TypeError as error:
    raise ValueError(f'problem {problem.id!r}: metadata must be plain JSON: {error}') from error
  return text


def _equal(task: stream.Source[structs.Problem], other: stream.Source[structs.Problem]) -> bool:
  return len(task) == len(other) and all(task[i] == other[i] for i in range(len(task)))


def _check(problem: structs.Problem, check_problem: jsonl.Check, place: str) -> None:
  try:
    check_problem(problem)
  except ValueError as error:
    raise ValueError(f'{place}, problem {problem.id!r}: {error}') from error
