"""What is saved comes back: parameters bit for bit, architecture, tokenizer."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import interop_models as models
import jax
import ml_dtypes
import numpy as np
import pytest
import transformers
from flax import traverse_util
from safetensors import safe_open

from r1jax.interop import load_pretrained, save_pretrained, streaming
from r1jax.text.spm import train_sentencepiece
from r1jax.text.tokenizer import load as load_tokenizer


def flatten(params):
  return traverse_util.flatten_dict(params, sep='/')


def dtypes(folder):
  with safe_open(folder / 'model.safetensors', framework='numpy') as file:
    return {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118


def check_round_trip(config, folder):
  params = models.random_params(config)
  save_pretrained(folder, config, params)
  loaded_config, loaded = load_pretrained(folder)
  assert loaded_config == config
  assert jax.tree.structure(loaded) == jax.tree.structure(params)
  jax.tree.map(np.testing.assert_array_equal, loaded, params)


@pytest.mark.parametrize('name', models.CONFIGS)
def test_float32_is_bit_exact(name, tmp_path):
  check_round_trip(models.CONFIGS[name], tmp_path / 'model')


def test_experts_in_the_mtp_module_alone(tmp_path):
  check_round_trip(dataclasses.replace(models.CONFIGS['v3'], num_dense_layers=3), tmp_path)


def test_embedding_and_head_are_repeated_for_the_mtp_module_alone(v3, tmp_path):
  _, params, folder = v3
  with safe_open(folder / 'model.safetensors', framework='numpy') as file:
    copies = [f'model.layers.3.{name}.weight' for name in ('embed_tokens', 'shared_head.head')]
    embedding, head_VD = (file.get_tensor(name) for name in copies)
  np.testing.assert_array_equal(embedding, params['embedding'])
  np.testing.assert_array_equal(head_VD, params['head'].T)
  tied = models.CONFIGS['qwen']
  save_pretrained(tmp_path, tied, models.random_params(tied))
  assert 'lm_head.weight' not in dtypes(tmp_path)


@pytest.fixture(scope='module')
def v3(tmp_path_factory):
  """Returns a model and its folder."""
  config = models.CONFIGS['v3']
  params, folder = models.random_params(config), tmp_path_factory.mktemp('v3') / 'model'
  save_pretrained(folder, config, params)
  return config, params, folder


def test_bfloat16_keeps_selection_biases_in_float32(v3, tmp_path):
  config, params, _ = v3
  save_pretrained(tmp_path, config, params, dtype='bfloat16')
  narrow = {name for name, dtype in dtypes(tmp_path).items() if dtype == 'F32'}
  assert narrow == {f'model.layers.{n}.mlp.gate.e_score_correction_bias' for n in (1, 2, 3)}
  _, loaded = load_pretrained(tmp_path)
  for path, array in flatten(loaded).items():
    exact = flatten(params)[path]
    stored = exact if path.endswith('selection_bias') else exact.astype(ml_dtypes.bfloat16)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, stored.astype(np.float32))


def test_parameters_load_in_bfloat16(v3):
  _, params, folder = v3
  _, loaded = load_pretrained(folder, dtype='bfloat16')
  for path, array in flatten(loaded).items():
    wide = path.endswith('selection_bias')
    assert array.dtype == ('float32' if wide else 'bfloat16')
    np.testing.assert_array_equal(array, flatten(params)[path].astype(array.dtype))


def test_shards_hold_what_one_file_holds(v3, tmp_path):
  config, params, folder = v3
  save_pretrained(tmp_path, config, params, max_shard_bytes=20_000)
  shards = sorted(tmp_path.glob('*.safetensors'))
  index = json.loads((tmp_path / 'model.safetensors.index.json').read_text())
  assert shards[0].name == f'model-00001-of-{len(shards):05}.safetensors'
  assert sorted(set(index['weight_map'].values())) == [shard.name for shard in shards]
  assert max(shard.stat().st_size for shard in shards) < 25_000  # Headers come on top.
  assert index['weight_map'].keys() == dtypes(folder).keys()
  jax.tree.map(np.testing.assert_array_equal, load_pretrained(tmp_path)[1], params)
  transformers.AutoModelForCausalLM.from_pretrained(tmp_path)


def test_saving_again_replaces_the_model_alone(v3, tmp_path):
  config, params, _ = v3
  save_pretrained(tmp_path, config, params, max_shard_bytes=20_000)
  (tmp_path / 'README.md').write_text('mine')
  save_pretrained(tmp_path, models.CONFIGS['llama'], models.random_params(models.CONFIGS['llama']))
  assert load_pretrained(tmp_path)[0] == models.CONFIGS['llama']
  names = sorted(file.name for file in tmp_path.iterdir())
  assert names == ['README.md', 'config.json', 'model.safetensors']
  modes = {file.stat().st_mode for file in tmp_path.iterdir()}
  assert len(modes) == 1  # Who may read README.md may read the weights.


def test_a_save_that_fails_leaves_the_earlier_model(v3, tmp_path, monkeypatch):
  config, params, _ = v3
  save_pretrained(tmp_path / 'model', config, params)

  def full_disk(*args, **kwargs):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr('r1jax.interop.saving.save_file', full_disk)
  with pytest.raises(OSError, match='No space left'):
    save_pretrained(tmp_path / 'model', config, jax.tree.map(lambda leaf: leaf + 1, params))
  assert [file.name for file in tmp_path.iterdir()] == ['model']
  jax.tree.map(np.testing.assert_array_equal, load_pretrained(tmp_path / 'model')[1], params)


LOAD = """
import re, sys, threading
import jax.numpy as jnp
from r1jax.interop import load_pretrained

def anonymous_bytes():
  with open('/proc/self/status') as status:
    return 1024 * int(re.search('RssAnon:[^0-9]*([0-9]+)', status.read()).group(1))

jnp.zeros(3).block_until_ready()
before = most = anonymous_bytes()
done = threading.Event()

def watch():
  global most
  while not done.wait(0.001):
    most = max(most, anonymous_bytes())

watcher = threading.Thread(target=watch)
watcher.start()
config, params = load_pretrained(sys.argv[1])
done.set()
watcher.join()
print(most - before)
"""


@pytest.mark.skipif(not pathlib.Path('/proc/self/status').exists(), reason='needs Linux')
def test_loading_does_not_hold_the_model_twice(tmp_path):
  """Memory of a process of its own, JAX's arrays among it: the weights, and a few tensors."""
  config = models.decoder(models.GQA(4, 2, 8), num_layers=8, model_dim=256, mlp_dim=16_000)
  params = models.random_params(config)
  save_pretrained(tmp_path, config, params)
  largest = 4 * config.model_dim * config.mlp_dim
  total = sum(leaf.nbytes for leaf in jax.tree.leaves(params))
  del params
  command = [sys.executable, '-c', LOAD, str(tmp_path)]
  peak = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
  assert total > 23 * largest > 3e8
  assert total < peak < total + streaming.SMALL_BYTES + 3 * largest


def test_tokenizer_comes_along(v3, tmp_path):
  tokenizer = train_sentencepiece(['The answer is 42. <think>So 6*7=42.</think> 答案是42。\n'] * 9)
  config = models.decoder(models.DIRECT, vocab_size=tokenizer.vocab_size)
  save_pretrained(tmp_path, config, models.random_params(config), tokenizer)
  theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
  for text in ('So the answer is 41+1?\n\n', ' <think> 100 答案 ☃ </think>', ''):
    ids = tokenizer.encode(text)
    assert theirs.encode(text, add_special_tokens=False) == ids
    assert theirs.decode(ids) == load_tokenizer(tmp_path).decode(ids) == text
  assert (theirs.eos_token_id, theirs.pad_token_id) == (tokenizer.eos_id, tokenizer.pad_id)
  generation = transformers.GenerationConfig.from_pretrained(tmp_path)
  assert generation.eos_token_id == tokenizer.eos_id
  assert transformers.AutoConfig.from_pretrained(tmp_path).eos_token_id == tokenizer.eos_id


def test_the_tokenizer_of_an_earlier_model_goes(tmp_path):
  tokenizer = train_sentencepiece(['ab'] * 9)
  config = models.decoder(models.DIRECT, vocab_size=tokenizer.vocab_size)
  save_pretrained(tmp_path, config, models.random_params(config), tokenizer)
  earlier = {'tokenizer.model', 'tokenizer.json', 'tokenizer_config.json'}
  assert earlier < {file.name for file in tmp_path.iterdir()}
  save_pretrained(tmp_path, config, models.random_params(config))
  assert not earlier & {file.name for file in tmp_path.iterdir()}


def test_all_tokens_that_end_a_completion_come_along(tmp_path):
  tokenizer = train_sentencepiece(['ab'] * 9)
  tokenizer.stop_ids = (tokenizer.eos_id, 7)
  config = models.decoder(models.DIRECT, vocab_size=tokenizer.vocab_size)
  save_pretrained(tmp_path, config, models.random_params(config), tokenizer)
  assert transformers.GenerationConfig.from_pretrained(tmp_path).eos_token_id == [1, 7]
  (tmp_path / 'tokenizer.model').unlink()
  assert load_tokenizer(tmp_path).stop_ids == (1, 7)


def test_tokenizer_larger_than_the_embedding_is_refused(v3, tmp_path):
  config, params, _ = v3
  tokenizer = train_sentencepiece(['ab'] * 9)
  with pytest.raises(ValueError, match='has 1024 ids, the embedding 61 rows'):
    save_pretrained(tmp_path / 'model', config, params, tokenizer)
  assert not (tmp_path / 'model').exists()
