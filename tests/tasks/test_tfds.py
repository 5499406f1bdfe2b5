import json
import subprocess
import sys

import pytest

from r1jax.structs import Problem
from r1jax.tasks import gsm8k, math, stream, tfds

TRAIN = [
  Problem('a', 'Fünf\u2028+ 五?', '10', {'level': 1, 'steps': [['+', 5]], 'note': None}),
  Problem('b', '2+2?', '4', {}),
  Problem('c', '3+3?', '6', {'kind': 'é'}),
]
TEST = [Problem('a', '4+4?', '8', {})]

WITHOUT_TENSORFLOW = """
import importlib.machinery, sys
find_spec = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = (
  lambda name, *args: None if name == 'tensorflow' else find_spec(name, *args))
from r1jax.structs import Problem
from r1jax.tasks import tfds
task = [Problem('a', '1+1?', '2', {}), Problem('b', '1+2?', '3', {})]
tfds.prepare({'train': task}, sys.argv[1], 'sums')
assert list(tfds.load(sys.argv[1], 'sums', 'train')) == task
assert 'tensorflow' not in sys.modules
"""


def test_splits_come_back_as_they_were_in_order(tmp_path):
  folder = tfds.prepare({'train': TRAIN, 'test': TEST}, tmp_path, 'sums')
  assert folder == tmp_path / 'sums' / '1.0.0'
  assert list(tfds.load(tmp_path, 'sums', 'train')) == TRAIN
  assert list(tfds.load(tmp_path, 'sums', 'test')) == TEST
  train = tfds.load(tmp_path, 'sums', 'train')
  assert (len(train), train[2]) == (3, TRAIN[2])
  with pytest.raises(IndexError, match='problem 3 of a split of 3'):
    train[3]


def test_problems_stay_in_their_order(tmp_path):
  # TensorFlow Datasets sorts by a hash unless told otherwise.
  task = [Problem(str(n), f'{n}+1?', str(n + 1), {}) for n in range(50)]
  tfds.prepare({'train': task}, tmp_path, 'sums')
  assert list(tfds.load(tmp_path, 'sums', 'train')) == task


def test_files_are_array_records_that_tensorflow_datasets_knows(tmp_path):
  folder = tfds.prepare({'train': TRAIN}, tmp_path, 'sums')
  info = json.loads((folder / 'dataset_info.json').read_text())
  assert (info['name'], info['fileFormat']) == ('sums', 'array_record')
  assert (folder / 'sums-train.array_record-00000-of-00001').is_file()


def test_tensorflow_is_neither_needed_nor_imported(tmp_path):
  subprocess.run([sys.executable, '-c', WITHOUT_TENSORFLOW, str(tmp_path)], check=True)


@pytest.mark.parametrize(('reader', 'name'), [(gsm8k, 'gsm8k'), (math, 'math')])
def test_a_real_set_equals_its_jsonl_rows(data, tmp_path, reader, name):
  splits = {split: reader.load(data / name / f'{split}.jsonl')[:300] for split in ('train', 'test')}
  tfds.prepare(splits, tmp_path, name)
  for split, problems in splits.items():
    assert tuple(tfds.load(tmp_path, name, split)) == problems


def test_a_prepared_set_is_streamed_by_number(tmp_path):
  """Draws go on where others stopped, and are those of the same problems in a list."""
  tfds.prepare({'train': TRAIN}, tmp_path, 'sums')
  draws = stream.shuffled(tfds.load(tmp_path, 'sums', 'train'), seed=3)
  whole = draws.batch(0, 3 * len(TRAIN))
  again = stream.shuffled(tfds.load(tmp_path, 'sums', 'train'), seed=3)
  assert again.batch(0, 4) + again.batch(4, 3 * len(TRAIN) - 4) == whole
  assert whole == stream.shuffled(TRAIN, seed=3).batch(0, 3 * len(TRAIN))
  assert sorted(problem.id for problem in whole) == sorted(3 * [p.id for p in TRAIN])


def test_preparing_again_is_harmless_and_preparing_something_else_an_error(tmp_path):
  folder = tfds.prepare({'train': TRAIN}, tmp_path, 'sums')
  assert tfds.prepare({'train': TRAIN}, tmp_path, 'sums') == folder
  for other in ({'train': TRAIN[:2]}, {'train': TRAIN[::-1]}, {'train': TRAIN, 'test': TEST}):
    with pytest.raises(ValueError, match=r'sums/1\.0\.0 holds other problems or splits .* delete'):
      tfds.prepare(other, tmp_path, 'sums')
  assert list(tfds.load(tmp_path, 'sums', 'train')) == TRAIN


@pytest.mark.parametrize('metadata', [{'steps': (1, 2)}, {1: 'one'}, {'kind': {'a'}}])
def test_metadata_that_would_come_back_changed_is_an_error(tmp_path, metadata):
  with pytest.raises(ValueError, match="problem 'x': metadata must be plain JSON"):
    tfds.prepare({'train': [Problem('x', 'q', '1', metadata)]}, tmp_path, 'sums')


def test_what_is_not_there_is_named(tmp_path):
  with pytest.raises(ValueError, match=r'sums/1\.0\.0: no prepared set; write it with .*prepare'):
    tfds.load(tmp_path, 'sums', 'train')
  tfds.prepare({'train': TRAIN, 'test': TEST}, tmp_path, 'sums')
  with pytest.raises(ValueError, match=r"no split 'dev'; it has \['test', 'train'\]"):
    tfds.load(tmp_path, 'sums', 'dev')
  with pytest.raises(ValueError, match="cannot be named 'My-Set'; use lower-case letters"):
    tfds.prepare({'train': TRAIN}, tmp_path, 'My-Set')


def test_a_set_that_is_not_ours_is_named(tmp_path):
  folder = tfds.prepare({'train': TRAIN}, tmp_path, 'sums')
  features = folder / 'features.json'
  features.write_text(features.read_text().replace('"gold"', '"answer"'))
  with pytest.raises(ValueError, match=r'holds .*answer.*; it must hold id, question, gold, meta'):
    tfds.load(tmp_path, 'sums', 'train')


def test_a_problem_that_the_reward_rejects_is_named(tmp_path):
  def check(problem):
    if problem.gold == '4':
      raise ValueError('4 is unlucky')

  tfds.prepare({'train': TRAIN}, tmp_path, 'sums')
  with pytest.raises(ValueError, match=r"sums/1\.0\.0 \(train\), problem 'b': 4 is unlucky"):
    tfds.load(tmp_path, 'sums', 'train', check_problem=check)
