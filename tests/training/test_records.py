import errno
import json
import math
import re

import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.training import records


def steps(path):
  return [record['step'] for record in records.read(path)]


def written_log(path, *, last):
  log = records.StepLog(path, restored_step=0)
  for step in range(1, last + 1):
    log.append({'step': step, 'reward': step / 10})
  log.close()


def test_records_come_back_as_they_were(tmp_path):
  path = tmp_path / 'log.jsonl'
  log = records.StepLog(path, restored_step=0)
  log.append({'step': 1, 'text': '你好\u2028</b>', 'nested': {'3': [1, 2.5, None, True]}})
  assert records.read(path) == [
    {'step': 1, 'text': '你好\u2028</b>', 'nested': {'3': [1, 2.5, None, True]}}
  ]
  assert len(path.read_bytes().split(b'\n')) == 2


def test_a_line_is_on_the_disk_when_append_returns(tmp_path):
  path = tmp_path / 'log.jsonl'
  log = records.StepLog(path, restored_step=0)
  log.append({'step': 1})
  assert path.read_bytes() == b'{"step": 1}\n'  # the log is still open


def test_reopening_cuts_the_steps_past_the_restored_one(tmp_path):
  path = tmp_path / 'log.jsonl'
  written_log(path, last=7)
  log = records.StepLog(path, restored_step=4)
  assert steps(path) == [1, 2, 3, 4]
  log.append({'step': 5})
  assert steps(path) == [1, 2, 3, 4, 5]


def test_a_fresh_run_starts_an_empty_log(tmp_path):
  path = tmp_path / 'log.jsonl'
  written_log(path, last=3)
  records.StepLog(path, restored_step=0)
  assert path.read_bytes() == b''


@pytest.mark.parametrize(
  'torn', [b'{"step": 4, "rew', b'{"step": 4}', b'\x00\x00\x00', b'\xe4\xbd']
)
def test_a_torn_last_line_is_left_out_and_cut(tmp_path, torn):
  path = tmp_path / 'log.jsonl'
  written_log(path, last=3)
  whole = path.read_bytes()
  path.write_bytes(whole + torn)
  assert steps(path) == [1, 2, 3]
  records.StepLog(path, restored_step=9)
  assert path.read_bytes() == whole


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
  path = tmp_path / 'log.jsonl'
  path.write_bytes(b'{"step": 1}\n{"step": \n{"step": 3}\n')
  with pytest.raises(ValueError, match=r'log\.jsonl, line 2: not JSON'):
    records.read(path)
  path.write_bytes(b'{"step": 1}\n[2]\n')
  with pytest.raises(ValueError, match=r'log\.jsonl, line 2: not a JSON object'):
    records.read(path)


def test_a_record_without_a_step_is_named(tmp_path):
  path = tmp_path / 'log.jsonl'
  path.write_bytes(b'{"step": 1}\n{"reward": 2}\n')
  with pytest.raises(ValueError, match=r'log\.jsonl, line 2: no field "step"'):
    records.StepLog(path, restored_step=1)


def test_steps_may_repeat_but_not_go_back(tmp_path):
  log = records.StepLog(tmp_path / 'log.jsonl', restored_step=3)
  log.append({'step': 3, 'split': 'a'})
  log.append({'step': 3, 'split': 'b'})
  with pytest.raises(ValueError, match='at step 3; step 2 comes too late'):
    log.append({'step': 2})


def test_numbers_that_json_cannot_say_become_null_and_are_named():
  record = {
    'step': 1,
    'kl': math.nan,
    'reward': 0.5,
    'strict': {'mean': -math.inf},
    'list': [1, math.inf],
  }
  line = records.encode(record)
  assert json.loads(line, parse_constant=pytest.fail) == {
    'step': 1,
    'kl': None,
    'reward': 0.5,
    'strict': {'mean': None},
    'list': [1, None],
    'non_finite': ['kl', 'strict/mean', 'list/1'],
  }


def test_a_finite_record_names_nothing():
  assert json.loads(records.encode({'step': 1, 'kl': 0.0})) == {'step': 1, 'kl': 0.0}


def test_numpy_and_jax_numbers_are_numbers():
  line = records.encode(
    {
      'a': np.float32(0.5),
      'b': np.int64(3),
      'c': jnp.asarray(2.0),
      'd': jnp.asarray(jnp.nan),
      'e': np.bool_(True),
    }
  )
  assert json.loads(line) == {'a': 0.5, 'b': 3, 'c': 2.0, 'd': None, 'e': True, 'non_finite': ['d']}


def test_an_array_is_refused_by_name():
  with pytest.raises(TypeError, match=r'"loads/experts" is a ndarray of shape \(3,\).*its mean'):
    records.encode({'loads': {'experts': np.zeros(3)}})


def test_a_lone_surrogate_survives(tmp_path):
  log = records.StepLog(tmp_path / 'log.jsonl', restored_step=0)
  log.append({'step': 1, 'text': 'a\ud800b'})
  assert records.read(tmp_path / 'log.jsonl')[0]['text'] == 'a\ud800b'


class FullDisk:
  """A file of which the disk takes some bytes, and then no more."""

  def __init__(self, file, room):
    self.file, self.room = file, room

  def write(self, content):
    if not self.room:
      raise OSError(errno.ENOSPC, 'No space left on device')
    taken = self.file.write(content[: self.room])
    self.room -= taken
    return taken

  def __getattr__(self, name):
    return getattr(self.file, name)


@pytest.mark.parametrize('room', [0, 5])
def test_a_full_disk_is_explained_and_loses_nothing(tmp_path, room):
  path = tmp_path / 'log.jsonl'
  written_log(path, last=2)
  before = path.read_bytes()
  log = records.StepLog(path, restored_step=2)
  disk = log._file
  log._file = FullDisk(disk, room)
  with pytest.raises(OSError, match=r'disk is full.*Free some space and run the same') as raised:
    log.append({'step': 3, 'reward': 0.25})
  assert raised.value.errno == errno.ENOSPC
  assert raised.value.filename == str(path)
  assert path.read_bytes() == before
  log._file = disk  # space was freed
  log.append({'step': 3, 'reward': 0.25})
  assert steps(path) == [1, 2, 3]


def test_a_write_taken_in_parts_is_whole(tmp_path):
  log = records.StepLog(tmp_path / 'log.jsonl', restored_step=0)

  class InParts(FullDisk):
    def write(self, content):
      return self.file.write(content[:3])

  log._file = InParts(log._file, room=0)
  log.append({'step': 1, 'reward': 0.25})
  assert (tmp_path / 'log.jsonl').read_bytes() == b'{"step": 1, "reward": 0.25}\n'


@pytest.mark.parametrize('content', ['{', '[]', '5', '{"other": 1}', '\udc80'])
def test_a_damaged_object_is_named_with_its_remedy(tmp_path, content):
  path = tmp_path / 'config.json'
  path.write_bytes(content.encode(errors='surrogateescape'))
  with pytest.raises(ValueError, match=rf'{re.escape(str(path))} is damaged .*; mend it$'):
    records.read_object(path, 'mend it', needs='config')


def test_an_object_is_read(tmp_path):
  (tmp_path / 'clock.json').write_text('{"seconds": 2.5}')
  assert records.read_object(tmp_path / 'clock.json', 'mend it') == {'seconds': 2.5}


def test_a_replaced_file_is_the_old_or_the_new(tmp_path, monkeypatch):
  path = tmp_path / 'folder' / 'report.html'
  records.replace_file(path, b'old')

  def full(*_):
    raise OSError(errno.ENOSPC, 'No space left on device')

  with monkeypatch.context() as patch:
    patch.setattr(records.os, 'fsync', full)
    with pytest.raises(OSError, match='disk is full'):
      records.replace_file(path, b'new, and longer')
  assert path.read_bytes() == b'old'
  assert list(path.parent.iterdir()) == [path]
  records.replace_file(path, b'new')
  assert path.read_bytes() == b'new'


def test_other_errors_of_the_disk_keep_their_own_words(tmp_path):
  with pytest.raises(PermissionError, match=r'^.Errno 13. mine$'):  # noqa: SIM117
    with records.full_disk_explained(tmp_path):
      raise PermissionError(errno.EACCES, 'mine')
