import jax
import pytest

from r1jax.model import GQA
from r1jax.model.sizes import SIZES, count_parameters, named

# The integers are what the published safetensors hold (V3: without MTP module and FP8 scales), the
# rounded ones what papers and model cards print.
PUBLISHED = {
  'deepseek-v2-lite': (15_706_484_224, 15.7e9),
  'deepseek-v3': (671_026_419_200, 671e9),
  'qwen2.5-0.5b': (494_032_768, 0.49e9),
  'qwen2.5-1.5b': (1_543_714_304, 1.54e9),
  'qwen2.5-3b': (3_085_938_688, 3.09e9),
  'qwen2.5-7b': (7_615_616_512, 7.61e9),
  'qwen2.5-14b': (14_770_033_664, 14.7e9),
  'qwen2.5-32b': (32_763_876_352, 32.5e9),
  'deepseek-r1-distill-qwen-1.5b': (1_777_088_000, 1.78e9),
  'llama-3.1-8b': (8_030_261_248, 8.03e9),
  'llama-3.3-70b': (70_553_706_496, 70.6e9),
}


@pytest.mark.parametrize('name', PUBLISHED)
def test_total_is_the_published_number(name):
  exact, printed = PUBLISHED[name]
  counts = count_parameters(SIZES[name])
  assert counts.total == exact
  assert counts.total == pytest.approx(printed, rel=0.01)


def test_every_size_is_tested():
  assert set(SIZES) == {*PUBLISHED, 'tiny'}


def test_active_parameters():
  # By hand: all but 248 of V3's 256 experts in 58 layers and the looked-up embedding.
  expert, embedding = 3 * 7168 * 2048, 129_280 * 7168
  v3 = count_parameters(SIZES['deepseek-v3'])
  assert v3.active == v3.total - 58 * 248 * expert - embedding
  assert round(v3.active / 1e9) == 37
  v2 = count_parameters(SIZES['deepseek-v2-lite'])
  assert v2.active == v2.total - 26 * 58 * (3 * 2048 * 1408) - 102_400 * 2048
  assert int(v2.active / 1e8) / 10 == 2.4


def test_active_parameters_of_dense_models():
  tied, untied = (count_parameters(SIZES[name]) for name in ('qwen2.5-3b', 'qwen2.5-7b'))
  assert tied.active == tied.total  # The embedding is the head, which multiplies every token.
  assert untied.embedding == 152_064 * 3584
  assert untied.active == untied.total - untied.embedding


def test_mtp_module_is_apart():
  """One layer of V3 with its router and biases, the projection of 2 D to D, and three norms."""
  d, heads, query_rank, kv_rank = 7168, 128, 1536, 512
  query = d * query_rank + query_rank + query_rank * heads * 192
  key_value = d * (kv_rank + 64) + kv_rank + kv_rank * heads * 256
  attention = query + key_value + heads * 128 * d
  experts = 257 * 3 * d * 2048 + d * 256 + 256
  expected = attention + experts + 2 * d + 2 * d * d + 3 * d
  counts = count_parameters(SIZES['deepseek-v3'])
  assert counts.mtp == expected == 11_610_068_224
  assert count_parameters(SIZES['deepseek-v2-lite']).mtp == 0


def test_tiny_is_v3_in_the_small():
  config, counts = SIZES['tiny'], count_parameters(SIZES['tiny'])
  assert 1.5e6 < counts.total < 2.5e6
  assert config.moe.num_groups_kept < config.moe.num_groups
  assert config.num_mtp
  assert config.num_dense_layers
  assert config.attention.query_rank


def test_head_widths_fill_the_residual_stream():
  for name, config in SIZES.items():
    if isinstance(config.attention, GQA):
      assert config.attention.num_heads * config.attention.head_dim == config.model_dim, name


def test_counting_makes_no_array():
  before = sum(array.nbytes for array in jax.live_arrays())
  count_parameters(SIZES['llama-3.3-70b'])
  assert sum(array.nbytes for array in jax.live_arrays()) - before < 1000


def test_unknown_size_is_named_with_the_known():
  with pytest.raises(ValueError, match=r"'qwen3' *, allowed are 'tiny', 'deepseek-v2-lite'"):
    named('qwen3')
  assert named('tiny') is SIZES['tiny']
