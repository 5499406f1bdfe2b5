"""Weights in 8 bits with a scale a block, as DeepSeek-V3 is published."""

import dataclasses
import json

import interop_models as models
import jax
import numpy as np
import pytest
import torch
import transformers
from flax import traverse_util
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from r1jax.interop import float8, load_config, load_pretrained, save_pretrained
from r1jax.model import MLA

# Large enough for several blocks along both axes, the last of them cut off.
WIDE = dataclasses.replace(
  models.CONFIGS['v3'],
  model_dim=144,
  mlp_dim=272,
  moe=dataclasses.replace(models.CONFIGS['v3'].moe, width=136),
)


def value(code: int) -> float:
  """Returns the number of a byte: a sign, four bits of exponent, three of fraction (OCP's E4M3)."""
  sign, exponent, fraction = -1.0 if code >> 7 else 1.0, code >> 3 & 15, code & 7
  if exponent == 15 and fraction == 7:
    return float('nan')
  if exponent == 0:
    return sign * fraction / 8 * 2.0**-6
  return sign * (1 + fraction / 8) * 2.0 ** (exponent - 7)


NUMBERS = np.array([value(code) for code in range(256)])


@pytest.mark.parametrize('shape', [(128, 128), (1, 1), (130, 257), (256, 100)])
def test_decoding_equals_the_format_written_out(shape):
  rng = np.random.default_rng(0)
  codes = rng.choice(np.flatnonzero(np.isfinite(NUMBERS)), shape).astype(np.uint8)
  scale = rng.uniform(0.1, 2, float8.scale_shape(shape)).astype(np.float32)
  expected = np.empty(shape, np.float32)
  for row, column in np.ndindex(shape):
    factor = scale[row // 128, column // 128]
    expected[row, column] = np.float32(NUMBERS[codes[row, column]]) * factor
  np.testing.assert_array_equal(float8.decode(codes.view(float8.DTYPE), scale), expected)


@pytest.mark.parametrize(
  'part', [((0, 130), (0, 257)), ((5, 130), (127, 129)), ((128, 129), (3, 4))]
)
def test_a_part_is_decoded_as_in_the_whole(part):
  rng = np.random.default_rng(0)
  codes = rng.standard_normal((130, 257)).astype(float8.DTYPE)
  scale = rng.uniform(0.1, 2, float8.scale_shape(codes.shape)).astype(np.float32)
  index = tuple(slice(*each) for each in part)
  found = float8.decode(codes[index], scale, [start for start, _ in part])
  np.testing.assert_array_equal(found, float8.decode(codes, scale)[index])


@given(
  st.integers(1, 300), st.integers(1, 300), st.integers(0, 99), st.sampled_from([1e-6, 1.0, 1e4])
)
def test_encoding_takes_the_nearest_number_of_each_block(rows, columns, seed, size):
  weight = np.float32(size * np.random.default_rng(seed).standard_normal((rows, columns)))
  codes, scale = float8.encode(weight)
  assert codes.dtype == float8.DTYPE
  assert scale.shape == (-(-rows // 128), -(-columns // 128))
  each = np.kron(scale, np.ones((128, 128)))[:rows, :columns]
  numbers = NUMBERS[np.isfinite(NUMBERS)]
  sample = np.random.default_rng(seed).integers(0, rows * columns, 50)
  wanted = (weight / each).ravel()[sample]
  distance = np.abs(wanted[:, None] - numbers).min(axis=1)
  found = np.abs(wanted - codes.astype(np.float64).ravel()[sample])
  np.testing.assert_allclose(found, distance, atol=1e-4, rtol=1e-5)
  # The largest of a block uses the whole range.
  assert np.abs(codes[:128, :128].astype(np.float32)).max() == 448


def test_a_block_of_zeros_stays_zero():
  codes, scale = float8.encode(np.zeros((3, 3), np.float32))
  np.testing.assert_array_equal(float8.decode(codes, scale), np.zeros((3, 3)))
  assert scale[0, 0] == 1


@pytest.fixture(scope='module')
def stored(tmp_path_factory):
  """Returns parameters and the folder that holds them in 8 bits."""
  params, folder = models.random_params(WIDE), tmp_path_factory.mktemp('float8')
  save_pretrained(folder, WIDE, params, dtype='float8_e4m3fn')
  return params, folder


def test_a_folder_has_what_the_published_one_has(stored):
  _, folder = stored
  fields = json.loads((folder / 'config.json').read_text())
  assert fields['quantization_config'] == {
    'activation_scheme': 'dynamic',
    'fmt': 'e4m3',
    'quant_method': 'fp8',
    'weight_block_size': [128, 128],
  }
  with safe_open(folder / 'model.safetensors', framework='numpy') as file:
    names = set(file.keys())
    dtypes = {name: file.get_slice(name).get_dtype() for name in names}
  layer, expert = 'model.layers.1.self_attn', 'model.layers.1.mlp.experts.0'
  for name in (f'{layer}.kv_b_proj', f'{layer}.kv_a_proj_with_mqa', f'{expert}.down_proj'):
    assert dtypes[f'{name}.weight'] == 'F8_E4M3'
    assert dtypes[f'{name}.weight_scale_inv'] == 'F32'
  for name in ('model.embed_tokens', 'lm_head', 'model.norm', 'model.layers.1.mlp.gate'):
    assert dtypes[f'{name}.weight'] == 'BF16'
    assert f'{name}.weight_scale_inv' not in names
  assert dtypes['model.layers.1.mlp.gate.e_score_correction_bias'] == 'F32'


def test_a_folder_loads_to_the_nearest_weights(stored):
  params, folder = stored
  config, loaded = load_pretrained(folder)
  assert config == WIDE
  exact = traverse_util.flatten_dict(params, sep='/')
  for path, array in traverse_util.flatten_dict(loaded, sep='/').items():
    assert array.dtype == np.float32
    # Half of the last of four bits; bfloat16 has eight.
    np.testing.assert_allclose(array, exact[path], rtol=2**-4, atol=2e-3)


def test_what_was_in_8_bits_stays_the_same(stored, tmp_path):
  _, folder = stored
  config, loaded = load_pretrained(folder)
  save_pretrained(tmp_path, config, loaded, dtype='float8_e4m3fn')
  _, again = load_pretrained(tmp_path)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=0), again, loaded)


def test_a_weight_without_its_scales_is_missing_them(tmp_path):
  params = models.random_params(WIDE)
  save_pretrained(tmp_path, WIDE, params)
  file, name = tmp_path / 'model.safetensors', 'model.layers.0.self_attn.o_proj.weight'
  with safe_open(file, framework='numpy') as opened:
    tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
  tensors[name], scale = float8.encode(tensors[name])
  save_file(tensors, file)
  with pytest.raises(ValueError, match=rf'missing: {name}_scale_inv, expected \(2, 1\)'):
    load_pretrained(tmp_path)
  save_file(tensors | {f'{name}_scale_inv': scale}, file)
  _, loaded = load_pretrained(tmp_path)
  kept, exact = loaded['dense_layers']['attention'], params['dense_layers']['attention']
  np.testing.assert_allclose(kept['out'], exact['out'], rtol=2**-4, atol=2e-3)
  np.testing.assert_array_equal(kept['kv_down'], exact['kv_down'])


def test_transformers_dequantises_what_is_written(tmp_path):
  """Where sizes are multiples of 128, or a single block: so transformers tells blocks' sizes."""
  config = dataclasses.replace(
    models.CONFIGS['v3'],
    model_dim=256,
    mlp_dim=384,
    num_layers=2,
    attention=MLA(16, query_rank=128, kv_rank=112, nope_dim=8, rope_dim=16, value_dim=16),
    moe=dataclasses.replace(models.CONFIGS['v3'].moe, width=128),
  )
  params = jax.tree.map(lambda leaf: leaf * np.float32(0.3), models.random_params(config))
  save_pretrained(tmp_path, config, params, dtype='float8_e4m3fn')
  theirs = transformers.AutoModelForCausalLM.from_pretrained(
    tmp_path,
    dtype=torch.bfloat16,
    attn_implementation='eager',
    experts_implementation='eager',
    quantization_config=transformers.FineGrainedFP8Config(dequantize=True),
    device_map='cpu',
  ).float()
  # As theirs, decoded in float32 and rounded.
  _, loaded = load_pretrained(tmp_path, dtype='bfloat16')
  loaded = jax.tree.map(lambda leaf: leaf.astype(np.float32), loaded)
  model = models.Exchanged(config, loaded, tmp_path, theirs, {})
  tokens_BL = np.random.default_rng(0).integers(0, 61, (2, 12))
  ours = model.ours(tokens_BL).logits_BLV
  np.testing.assert_allclose(ours, model.theirs(tokens_BL), atol=1e-4, rtol=0)


def test_what_transformers_says_of_such_weights_is_read(stored, tmp_path):
  _, folder = stored
  said = transformers.FineGrainedFP8Config().to_dict()
  fields = json.loads((folder / 'config.json').read_text()) | {'quantization_config': said}
  (tmp_path / 'config.json').write_text(json.dumps(fields))
  assert load_config(tmp_path) == load_config(folder)


def test_a_family_that_is_not_published_so_is_refused(tmp_path):
  config = models.CONFIGS['qwen']
  with pytest.raises(ValueError, match='Qwen2ForCausalLM is not kept in float8_e4m3fn'):
    save_pretrained(tmp_path / 'model', config, models.random_params(config), dtype='float8_e4m3fn')
  assert not (tmp_path / 'model').exists()


def test_blocks_of_another_size_are_refused(stored, tmp_path):
  _, folder = stored
  fields = json.loads((folder / 'config.json').read_text())
  fields['quantization_config']['weight_block_size'] = [64, 64]
  (tmp_path / 'config.json').write_text(json.dumps(fields))
  with pytest.raises(ValueError, match=r'weight_block_size is \[64, 64\], supported: \[128, 128\]'):
    load_pretrained(tmp_path)
