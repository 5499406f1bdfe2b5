"""A folder that is not what it should be is named, with what was found in it."""

import json
import shutil

import interop_models as models
import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from r1jax.interop import load_config, load_pretrained, save_pretrained

V3 = models.CONFIGS['v3']
LLAMA = models.CONFIGS['llama']


@pytest.fixture(scope='module')
def good(tmp_path_factory):
  folder = tmp_path_factory.mktemp('good')
  save_pretrained(folder / 'v3', V3, models.random_params(V3))
  save_pretrained(folder / 'llama', LLAMA, models.random_params(LLAMA))
  return folder


@pytest.fixture
def folder(good, tmp_path):
  """Returns a copy of a folder that a test may damage."""
  return shutil.copytree(good / 'v3', tmp_path / 'v3')


@pytest.fixture
def llama_folder(good, tmp_path):
  return shutil.copytree(good / 'llama', tmp_path / 'llama')


def change_tensors(folder, change):
  file = folder / 'model.safetensors'
  tensors = load_file(file)
  change(tensors)
  save_file(tensors, file, metadata={'format': 'pt'})


def message_of(error, call, *args, **kwargs):
  with pytest.raises(error) as caught:
    call(*args, **kwargs)
  return str(caught.value)


def test_missing_folder(tmp_path):
  message = message_of(FileNotFoundError, load_pretrained, tmp_path / 'nowhere')
  assert 'nowhere lacks config.json; there is no such folder' in message


def test_missing_config(folder):
  (folder / 'config.json').unlink()
  message = message_of(FileNotFoundError, load_pretrained, folder)
  assert 'lacks config.json; found: model.safetensors' in message


def test_missing_weights(folder):
  (folder / 'model.safetensors').rename(folder / 'pytorch_model.bin')
  message = message_of(FileNotFoundError, load_pretrained, folder)
  assert (
    'lacks model.safetensors or model.safetensors.index.json; found: config.json, py' in message
  )


def test_missing_shard(tmp_path):
  save_pretrained(tmp_path, LLAMA, models.random_params(LLAMA), max_shard_bytes=20_000)
  lost = sorted(tmp_path.glob('model-*'))[1]
  lost.unlink()
  message = message_of(FileNotFoundError, load_pretrained, tmp_path)
  assert f'lacks {lost.name}; found: config.json, model-00001' in message


@pytest.mark.parametrize(
  'index', [{}, {'weight_map': {}}, {'weight_map': ['model.safetensors']}, {'weight_map': {'a': 3}}]
)
def test_index_without_map(folder, index):
  (folder / 'model.safetensors').rename(folder / 'model-00001.safetensors')
  (folder / 'model.safetensors.index.json').write_text(json.dumps(index))
  message = message_of(ValueError, load_pretrained, folder)
  assert 'index.json has no weight_map from names of tensors to names of files' in message


def test_an_index_that_an_earlier_model_left_is_not_read(llama_folder, tmp_path):
  """As transformers saves and loads: one file beside the index of what was in several."""
  params = models.random_params(LLAMA)
  halves = jax.tree.map(lambda leaf: leaf / 2, params)
  save_pretrained(tmp_path / 'earlier', LLAMA, halves, max_shard_bytes=20_000)
  for left in (tmp_path / 'earlier').glob('model*'):
    shutil.copy(left, llama_folder)
  jax.tree.map(np.testing.assert_array_equal, load_pretrained(llama_folder)[1], params)
  theirs, _ = models.load_torch(llama_folder)
  embedding_VD = theirs.model.embed_tokens.weight.detach().numpy()
  np.testing.assert_array_equal(embedding_VD, params['embedding'])


def test_tensors_that_are_in_two_files_are_named(tmp_path):
  save_pretrained(tmp_path, LLAMA, models.random_params(LLAMA), max_shard_bytes=20_000)
  first, second = sorted(tmp_path.glob('model-*'))[:2]
  save_file(load_file(first) | load_file(second), second, metadata={'format': 'pt'})
  message = message_of(ValueError, load_pretrained, tmp_path)
  listed = [f'  {name}, in {first.name} and {second.name}' for name in load_file(first)]
  assert sorted(message.splitlines()[1:]) == sorted(listed)


def test_an_adapter_beside_a_model_is_refused(llama_folder):
  """transformers adds it to the model: what we load or write would not compute the same."""
  (llama_folder / 'adapter_config.json').write_text('{}')
  message = message_of(ValueError, load_pretrained, llama_folder)
  assert 'has an adapter (adapter_config.json)' in message and 'merge_and_unload()' in message
  assert 'merge_and_unload()' in message_of(ValueError, load_config, llama_folder)
  before = sorted(file.name for file in llama_folder.iterdir())
  params = models.random_params(LLAMA)
  message = message_of(ValueError, save_pretrained, llama_folder, LLAMA, params)
  assert message.endswith('save elsewhere, or remove it')
  assert sorted(file.name for file in llama_folder.iterdir()) == before


def test_config_that_is_no_json(folder):
  (folder / 'config.json').write_text('{"hidden_size": ')
  assert 'config.json is no JSON: Expecting value' in message_of(
    ValueError, load_pretrained, folder
  )


def test_pointer_in_place_of_weights(folder):
  (folder / 'model.safetensors').write_text('version https://git-lfs.github.com/spec/v1\n')
  message = message_of(ValueError, load_pretrained, folder)
  assert 'model.safetensors is no safetensors file' in message
  assert 'not as a link' in message


def test_all_tensors_at_fault_are_listed(folder):
  def change(tensors):
    del tensors['model.norm.weight']
    del tensors['model.layers.2.mlp.experts.7.up_proj.weight']
    tensors['score.weight'] = np.zeros((1, 32), np.float32)
    tensors['lm_head.weight'] = tensors['lm_head.weight'][:60]
    name = 'model.layers.0.self_attn.kv_b_proj.weight'
    tensors[name] = np.ascontiguousarray(tensors[name].T)
    tensors['model.layers.3.enorm.weight'] = np.ones(32, np.int32)

  change_tensors(folder, change)
  message = message_of(ValueError, load_pretrained, folder)
  assert sorted(message.splitlines()[1:]) == [
    '  dtype: model.layers.3.enorm.weight, found I32, '
    'expected F32 or BF16 or F16, or a matrix in F8_E4M3',
    '  misshapen: lm_head.weight, found (60, 32), expected (61, 32)',
    '  misshapen: model.layers.0.self_attn.kv_b_proj.weight, found (10, 52), expected (52, 10)',
    '  missing: model.layers.2.mlp.experts.7.up_proj.weight, expected (12, 32)',
    '  missing: model.norm.weight, expected (32,)',
    '  surplus: score.weight, found (1, 32)',
  ]


def test_layers_beyond_those_of_the_config_are_surplus(folder):
  fields = json.loads((folder / 'config.json').read_text())
  (folder / 'config.json').write_text(json.dumps(fields | {'num_nextn_predict_layers': 0}))
  message = message_of(ValueError, load_pretrained, folder)
  assert 'surplus: model.layers.3.eh_proj.weight, found (32, 64)' in message
  assert 'missing' not in message


def test_mtp_module_with_its_own_embedding_is_refused(folder):
  def change(tensors):
    tensors['model.layers.3.embed_tokens.weight'] += 1

  change_tensors(folder, change)
  message = message_of(ValueError, load_pretrained, folder)
  assert message.splitlines()[1:] == [
    '  differs: model.layers.3.embed_tokens.weight, expected to repeat '
    'model.embed_tokens.weight, for the model shares them'
  ]


def test_mtp_module_without_its_copies_loads(folder):
  def change(tensors):
    del tensors['model.layers.3.embed_tokens.weight']
    del tensors['model.layers.3.shared_head.head.weight']

  change_tensors(folder, change)
  assert load_pretrained(folder)[0].num_mtp == 1


def test_old_rotary_buffers_are_no_surplus(llama_folder):
  def change(tensors):
    tensors['model.layers.0.self_attn.rotary_emb.inv_freq'] = np.ones(4, np.float32)

  change_tensors(llama_folder, change)
  assert load_pretrained(llama_folder)[0] == LLAMA


def test_tied_head_may_be_present_if_it_is_the_embedding(tmp_path):
  config = models.CONFIGS['qwen']
  save_pretrained(tmp_path, config, models.random_params(config))

  def add(tensors):
    tensors['lm_head.weight'] = tensors['model.embed_tokens.weight'].copy()

  change_tensors(tmp_path, add)
  assert load_pretrained(tmp_path)[0] == config

  def change(tensors):
    tensors['lm_head.weight'][0] = 0

  change_tensors(tmp_path, change)
  assert 'differs: lm_head.weight' in message_of(ValueError, load_pretrained, tmp_path)


def test_parameters_of_another_model_are_not_saved(tmp_path):
  params = models.random_params(LLAMA)
  params['value_head'] = {'kernel': np.zeros(32, np.float32)}
  params['final_norm']['scale'] = np.ones(31, np.float32)
  del params['head']
  message = message_of(ValueError, save_pretrained, tmp_path / 'model', LLAMA, params)
  assert sorted(message.splitlines()[1:]) == [
    '  misshapen: final_norm/scale is (31,), expected (32,)',
    '  missing: head (32, 61)',
    '  surplus: value_head/kernel (32,)',
  ]
  assert not (tmp_path / 'model').exists()


@pytest.mark.parametrize('call', ['load', 'save'])
def test_dtype_is_checked(call, folder):
  allowed = "'float32', 'bfloat16'"
  if call == 'load':
    message = message_of(ValueError, load_pretrained, folder, dtype='float16')
  else:
    allowed += ", 'float8_e4m3fn'"
    message = message_of(ValueError, save_pretrained, folder, V3, {}, dtype='float16')
  assert message == f"dtype is 'float16', allowed are {allowed}"
