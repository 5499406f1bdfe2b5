import errno
import os
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from absl import logging

from r1jax.training import checkpoint, state
from r1jax.training.checkpoint import Checkpoints


def tree(step):
  """Returns a state as training has it, with every kind of array, different at every step."""
  params = {'layer': {'kernel': jnp.arange(6.0).reshape(2, 3) + step}, 'scale': jnp.ones(3)}
  train = state.create(params, optax.adam(1e-3))
  train = train.replace(updates=jnp.int32(step), skipped=jnp.int32(1))
  return {'train': train, 'reference': jax.tree.map(lambda x: x.astype(jnp.bfloat16), params)}


def assert_same(found, expected):
  assert jax.tree.structure(found) == jax.tree.structure(expected)
  for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
    assert one.dtype == other.dtype
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.fixture
def saved(tmp_path):
  """Returns a folder with the checkpoints of steps 2 and 4."""
  checkpoints = Checkpoints(tmp_path)
  for step in (2, 4):
    checkpoints.save(step, tree(step), {'draws': 10 * step})
  checkpoints.close()
  return tmp_path


def largest_file(folder):
  return max((path for path in folder.rglob('*') if path.is_file()), key=os.path.getsize)


def names(workdir):
  return sorted(path.name for path in (workdir / 'checkpoints').iterdir())


def test_nothing_is_restored_where_nothing_was_saved(tmp_path):
  assert Checkpoints(tmp_path).restore(tree(0)) is None


def test_the_newest_comes_back_as_it_was(saved):
  restored = Checkpoints(saved).restore(tree(0))
  assert (restored.step, restored.record, restored.damaged) == (4, {'draws': 40}, ())
  assert_same(restored.tree, tree(4))


def test_it_comes_back_where_the_like_lies(saved):
  mesh = jax.make_mesh((1,), ('data',), axis_types=(jax.sharding.AxisType.Auto,))
  place = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec('data'))
  like = jax.tree.map(lambda x: jax.device_put(x, place) if x.ndim == 2 else x, tree(0))
  restored = Checkpoints(saved).restore(like).tree
  assert restored['train'].params['layer']['kernel'].sharding == place


def test_two_are_kept_and_none_is_half_deleted(saved):
  checkpoints = Checkpoints(saved)
  for step in (6, 8):
    checkpoints.save(step, tree(step), {})
    assert names(saved) == [str(step - 2), str(step)]


def test_a_step_is_saved_once(saved):
  checkpoints = Checkpoints(saved)
  checkpoints.save(4, tree(99), {'draws': 0})
  assert_same(checkpoints.restore(tree(0)).tree, tree(4))


def truncate(file):
  file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def flip_a_bit(file):
  content = bytearray(file.read_bytes())
  content[len(content) // 2] ^= 4
  file.write_bytes(content)


@pytest.mark.parametrize('damage', [truncate, flip_a_bit, lambda file: file.unlink()])
def test_a_damaged_checkpoint_is_named_and_set_aside_and_the_one_before_is_used(saved, damage):
  damage(largest_file(saved / 'checkpoints' / '4' / 'tree'))
  checkpoints = Checkpoints(saved)
  restored = checkpoints.restore(tree(0))
  assert (restored.step, restored.record) == (2, {'draws': 20})
  assert_same(restored.tree, tree(2))
  (fault,) = restored.damaged
  assert fault.startswith(f'{saved / "checkpoints" / "4"}: ') and len(fault) < 500
  assert names(saved) == ['2']
  assert any((saved / 'damaged_checkpoints' / '4').rglob('*')), 'nothing is deleted'
  # The run comes to the step again: what it writes there must be kept.
  checkpoints.save(4, tree(4), {'draws': 40})
  assert_same(Checkpoints(saved).restore(tree(0)).tree, tree(4))


def test_what_is_given_is_used_up_so_that_memory_never_holds_both(saved):
  like = tree(0)
  restored = Checkpoints(saved).restore(like)
  assert all(leaf.is_deleted() for leaf in jax.tree.leaves(like))
  assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(restored.tree))


def test_nothing_is_used_up_where_there_is_no_checkpoint(tmp_path):
  like = tree(0)
  Checkpoints(tmp_path).restore(like)
  assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(like))


@pytest.mark.parametrize(
  'error',
  [
    OSError(errno.EMFILE, 'Too many open files'),
    MemoryError(),
    RuntimeError('RESOURCE_EXHAUSTED: out of memory'),
  ],
)
def test_a_fault_of_the_machine_is_no_damage(saved, monkeypatch, error):
  def fail(*args):
    raise error

  checkpoints = Checkpoints(saved)
  monkeypatch.setattr(checkpoints, '_read', fail)
  with pytest.raises(type(error)):
    checkpoints.restore(tree(0))
  assert names(saved) == ['2', '4']


def test_a_changed_record_is_damage(saved):
  file = saved / 'checkpoints' / '4' / 'record' / 'metadata'
  changed = file.read_text().replace('40', '41')
  assert changed != file.read_text()
  file.write_text(changed)
  restored = Checkpoints(saved).restore(tree(0))
  assert restored.step == 2 and 'the checksum differs' in restored.damaged[0]


def test_without_a_whole_checkpoint_all_are_named_and_none_is_removed(saved):
  for step in ('2', '4'):
    truncate(largest_file(saved / 'checkpoints' / step / 'tree'))
  with pytest.raises(ValueError, match='remove the folder to start anew') as error:
    Checkpoints(saved).restore(tree(0))
  for step in ('2', '4'):
    assert f'{saved / "checkpoints" / step}: ' in str(error.value)
  assert names(saved) == ['2', '4']


class Killed(BaseException):
  pass


def test_a_kill_within_a_save_leaves_the_one_before_and_no_litter(saved, monkeypatch):
  def rename(*args, **kwargs):
    raise Killed

  with monkeypatch.context() as patch, pytest.raises(Killed):
    patch.setattr('os.rename', rename)
    patch.setattr('os.replace', rename)
    Checkpoints(saved).save(6, tree(6), {'draws': 60})
  assert any('tmp' in name for name in names(saved)), 'the kill did not come within the save'
  checkpoints = Checkpoints(saved)
  assert checkpoints.restore(tree(0)).step == 4
  checkpoints.save(6, tree(6), {'draws': 60})
  assert names(saved) == ['4', '6']
  assert checkpoints.restore(tree(0)).step == 6


def test_a_kill_within_a_deletion_leaves_no_half_checkpoint(saved, monkeypatch):
  def rmtree(*args, **kwargs):
    raise Killed

  checkpoints = Checkpoints(saved)
  with monkeypatch.context() as patch, pytest.raises(Killed):
    patch.setattr(checkpoint.shutil, 'rmtree', rmtree)
    checkpoints.save(6, tree(6), {})
  assert names(saved) == ['4', '6', 'removed']
  checkpoints = Checkpoints(saved)
  assert names(saved) == ['4', '6']
  assert checkpoints.restore(tree(0)).step == 6


@pytest.mark.parametrize(
  'fault',
  [
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'd/1f'),
    ValueError("RESOURCE_EXHAUSTED: Failed to write 9 bytes: No space left on device [code='28']"),
  ],
)
def test_a_full_disk_is_said_and_nothing_is_lost(saved, monkeypatch, fault):
  checkpoints = Checkpoints(saved)

  def save(*args, **kwargs):
    raise fault

  with monkeypatch.context() as patch:
    patch.setattr(checkpoints._manager, 'save', save)
    with pytest.raises(OSError, match=r'the disk is full .* Free some space') as error:
      checkpoints.save(6, tree(6), {})
  assert error.value.errno == errno.ENOSPC
  assert error.value.filename == str(saved / 'checkpoints')
  assert checkpoints.restore(tree(0)).step == 4
  checkpoints.save(6, tree(6), {})
  assert checkpoints.restore(tree(0)).step == 6


def test_another_fault_of_a_save_is_not_taken_for_a_full_disk(saved, monkeypatch):
  checkpoints = Checkpoints(saved)

  def save(*args, **kwargs):
    raise PermissionError(errno.EACCES, 'denied')

  monkeypatch.setattr(checkpoints._manager, 'save', save)
  with pytest.raises(PermissionError):
    checkpoints.save(6, tree(6), {})


def test_orbax_says_nothing(saved, caplog, capfd):
  before = logging.get_verbosity()
  logging.set_verbosity(logging.INFO)
  try:
    with caplog.at_level('INFO'):
      checkpoints = Checkpoints(saved)
      checkpoints.save(6, tree(6), {})
      checkpoints.restore(tree(0))
      checkpoints.close()
    assert logging.get_verbosity() == logging.INFO
  finally:
    logging.set_verbosity(before)
  assert caplog.records == [] and capfd.readouterr() == ('', '')


def test_a_copy_of_the_folder_goes_on(saved, tmp_path_factory):
  copy = tmp_path_factory.mktemp('copy')
  shutil.copytree(saved / 'checkpoints', copy / 'checkpoints')
  assert_same(Checkpoints(copy).restore(tree(0)).tree, tree(4))
