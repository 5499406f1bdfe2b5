"""The base model that ships, as transformers sees it."""

import pathlib

import interop_models as models
import jax
import numpy as np
import pytest
import torch
import transformers

from r1jax import interop
from r1jax.interop import load_pretrained
from r1jax.model import Transformer
from r1jax.text.tokenizer import load as load_tokenizer

ASSETS = pathlib.Path(interop.__file__).parents[1] / 'assets'
TEXTS = ('37*3+8*2-5=?', 'Think step by step: 1+2*3=? <think>', '请一步一步计算：4*5+6=？')
NEW = 24


@pytest.fixture(scope='module')
def folder():
  return ASSETS / 'base'


def test_tokenizer_equals(folder):
  ours, theirs = load_tokenizer(folder), transformers.AutoTokenizer.from_pretrained(folder)
  for text in TEXTS:
    assert theirs.encode(text, add_special_tokens=False) == ours.encode(text)
  assert theirs.eos_token_id == ours.eos_id


def test_logits_and_greedy_answers_equal(folder):
  config, params = load_pretrained(folder)
  torch_model, loading = models.load_torch(folder)
  assert not loading['missing_keys']
  apply = jax.jit(Transformer(config).apply)
  for text in TEXTS:
    prompt = load_tokenizer(folder).encode(text)
    with torch.no_grad():
      theirs_L = torch_model.generate(
        torch.tensor([prompt]), do_sample=False, max_new_tokens=NEW, min_new_tokens=NEW
      )[0].numpy()
      theirs_LV = torch_model(torch.tensor(theirs_L[None])).logits[0].numpy()
    ours_LV = np.array(apply({'params': params}, theirs_L[None]).logits_BLV[0])
    np.testing.assert_allclose(ours_LV, theirs_LV, atol=1e-4, rtol=0)
    ours_LV[:, load_tokenizer(folder).eos_id] = -np.inf  # As `min_new_tokens` has it.
    greedy = ours_LV.argmax(axis=-1)[len(prompt) - 1 : -1]
    np.testing.assert_array_equal(greedy, theirs_L[len(prompt) :])
