"""A model folder that cannot be used is an error that names what is wrong in it.

Through `runner.run`, as a user meets it.
"""

import json
import shutil

import miniature
import pytest
from miniature import fails
from safetensors.numpy import load_file, save_file

from r1jax import runner


@pytest.fixture
def model(tiny_base, tmp_path):
  """Returns a copy of the base model, to be spoilt."""
  return shutil.copytree(tiny_base, tmp_path / 'model')


@pytest.mark.parametrize('name', ['config.json', 'model.safetensors'])
def test_a_model_without_a_file_is_named(model, workdir, name):
  (model / name).unlink()
  with fails(f"config.init_from is '{model}'", 'lacks', name, 'found: '):
    runner.run(miniature.reinforcement(model), workdir)


def test_a_model_without_a_tokenizer_is_named(model, workdir):
  for name in ('tokenizer.json', 'tokenizer.model'):
    (model / name).unlink()
  with fails(f"config.init_from is '{model}'", 'no tokenizer in', 'tokenizer.json', 'Copy'):
    runner.run(miniature.reinforcement(model), workdir)


def test_a_model_that_is_not_there_is_named(tmp_path, workdir):
  here = 'it must be a folder that has the model on this machine'
  with fails("config.init_from is '", 'nowhere', 'there is no such folder', here):
    runner.run(miniature.reinforcement(tmp_path / 'nowhere'), workdir)
  with fails("config.init_from is 'assets:nowhere'", 'there is no such folder'):
    runner.run(miniature.reinforcement('assets:nowhere'), workdir)


def spoilt(model, change):
  tensors = load_file(model / 'model.safetensors')
  change(tensors)
  save_file(tensors, model / 'model.safetensors', metadata={'format': 'pt'})
  return miniature.reinforcement(model)


NORM = 'model.norm.weight'


def test_tensors_that_do_not_fit_are_all_named(model, workdir):
  def change(tensors):
    tensors[NORM] = tensors[NORM][:-1].copy()
    tensors['surplus'] = tensors.pop('model.embed_tokens.weight')

  config = spoilt(model, change)
  with fails(f"config.init_from is '{model}'", 'misshapen: ', NORM) as error:
    runner.run(config, workdir)
  for text in ('missing: model.embed_tokens.weight', 'surplus: surplus', '(15,), expected (16,)'):
    assert text in str(error.value)


def test_a_torn_file_of_weights_is_named(model, workdir):
  file = model / 'model.safetensors'
  file.write_bytes(file.read_bytes()[:1000])
  with fails('config.init_from is', 'model.safetensors is no safetensors file', 'fetch it again'):
    runner.run(miniature.reinforcement(model), workdir)


def test_a_tokenizer_with_more_ids_than_the_model_is_named(model, workdir):
  fields = json.loads((model / 'config.json').read_text())
  (model / 'config.json').write_text(json.dumps(fields | {'vocab_size': 1000}))

  def change(tensors):
    for name in ('model.embed_tokens.weight', 'lm_head.weight'):
      tensors[name] = tensors[name][:1000].copy()
    for name in [
      n for n in tensors if n.endswith(('embed_tokens.weight', 'shared_head.head.weight'))
    ]:
      tensors[name] = tensors[name][:1000].copy()

  config = spoilt(model, change)
  with fails('config.init_from is', '1024 ids', '1000', 'do not belong together'):
    runner.run(config, workdir)


def test_a_dtype_that_is_none_is_named(config, workdir):
  config.model.dtype = 'float16'
  with fails("model.dtype is 'float16', allowed are 'float32', 'bfloat16'"):
    runner.run(config, workdir)
