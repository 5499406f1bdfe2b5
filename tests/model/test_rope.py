import math

import jax.numpy as jnp
import numpy as np
import pytest
import slow_model

from r1jax.model import Llama3Scaling, Rope, Yarn, rope
from r1jax.model.sizes import SIZES


def rotated(x_TR, config, positions):
  """`rope.rotate` of one head of one sequence."""
  x = jnp.asarray(x_TR)[None, None, :, None]
  cos_sin = rope.angles(config, x.shape[-1], jnp.asarray(positions)[None])
  return rope.rotate(x, cos_sin, interleaved=config.interleaved)[0, 0, :, 0]


def test_quarter_turn_of_neighbours():
  config = Rope(theta=1.0, interleaved=True)  # Every pair turns one radian a token.
  out = rotated([[1.0, 0.0, 0.0, 2.0]], config, [math.pi / 2])
  np.testing.assert_allclose(out, [[0.0, 1.0, -2.0, 0.0]], atol=1e-6)


def test_quarter_turn_of_halves():
  out = rotated([[1.0, 0.0, 0.0, 2.0]], Rope(theta=1.0), [math.pi / 2])
  np.testing.assert_allclose(out, [[0.0, -2.0, 1.0, 0.0]], atol=1e-6)


@pytest.mark.parametrize('interleaved', [True, False])
@pytest.mark.parametrize(
  'scaling',
  [
    None,
    Yarn(factor=40.0, original_positions=64, beta_fast=8.0, mscale=1.0, mscale_all_dim=0.4),
    Llama3Scaling(factor=8.0, original_positions=64),
  ],
)
def test_rotation_against_complex_numbers(interleaved, scaling):
  config = Rope(theta=100.0, scaling=scaling, interleaved=interleaved)
  x_TR, positions = np.random.default_rng(0).normal(size=(4, 8)), [0, 1, 7, 300]
  expected = [slow_model.rotate(x, config, t) for x, t in zip(x_TR, positions)]
  np.testing.assert_allclose(rotated(x_TR, config, positions), expected, atol=2e-5)


def test_scores_depend_on_distance_alone():
  config = SIZES['deepseek-v3'].rope
  query, key = np.random.default_rng(0).normal(size=(2, 64))

  def score(t, s):
    q, k = rotated(np.stack([query, key]), config, [t, s])
    return float(q @ k)

  assert score(105, 98) == pytest.approx(score(7, 0), abs=1e-3)
  assert score(105, 98) != pytest.approx(score(8, 0), abs=1e-2)


def test_yarn_of_deepseek_v3_by_hand():
  """arXiv:2309.00071 sec. 3.2 with theta 1e4, width 64, 4,096 positions, factor 40, beta 32 and 1.

  Pair i turns 4096 / (2 pi) * 1e4^(-i/32) times: 32 times at i = 10.47, once at i = 22.51. So pairs
  up to 10 keep their frequency, pairs from 23 on are divided by 40, and pair 16, whose frequency is
  0.01, is 6/13 of the way: 0.01 * (7/13 + 6/13/40) = 0.0055.
  """
  config = SIZES['deepseek-v3'].rope
  found = rope.frequencies(config, 64)
  plain = 1e4 ** (-np.arange(32) / 32)
  np.testing.assert_allclose(found[:11], plain[:11], rtol=1e-12)
  assert found[11] < plain[11]
  assert found[16] == pytest.approx(0.0055, rel=1e-12)
  assert found[22] > plain[22] / 40
  np.testing.assert_allclose(found[23:], plain[23:] / 40, rtol=1e-12)


def test_yarn_temperatures_of_published_models():
  # 0.1 ln 40 + 1 = 1.3688879, squared 1.8738542, over sqrt(192) = 13.8564065.
  v3, v2 = SIZES['deepseek-v3'].rope, SIZES['deepseek-v2-lite'].rope
  assert rope.softmax_scale(v3, 192) == pytest.approx(0.1352338, rel=1e-6)
  assert rope.amplitude(v3) == 1.0
  # 0.0707 ln 40 + 1 = 1.2608037, squared 1.5896262.
  assert rope.softmax_scale(v2, 192) == pytest.approx(0.1147214, rel=1e-6)
  assert rope.amplitude(v2) == 1.0
  # Qwen's long-context setting: all of the temperature is in the rotated vectors, 0.1 ln 4 + 1.
  qwen = Rope(theta=1e6, scaling=Yarn(factor=4.0, original_positions=32_768))
  assert rope.amplitude(qwen) == pytest.approx(1.1386294, rel=1e-7)
  assert rope.softmax_scale(qwen, 64) == 0.125


def test_no_extension_no_temperature():
  scaling = Yarn(factor=1.0, original_positions=4096, mscale=0.5, mscale_all_dim=1.0)
  config = Rope(scaling=scaling)
  assert rope.amplitude(config) == 1.0
  assert rope.softmax_scale(config, 64) == 0.125
  np.testing.assert_allclose(rope.frequencies(config, 8), rope.frequencies(Rope(), 8), rtol=1e-12)


def test_llama3_frequencies_by_hand():
  """The published scaling of Llama 3.1: theta 5e5, width 128, factor 8, 8,192 positions.

  Pair 32 turns 8192 / (2 pi) / sqrt(5e5) = 1.8438478 times: of the way from 1 to 4 turns that is
  0.2812826, so its frequency is 5e5^-0.5 * (0.2812826 + 0.7187174 / 8) = 5.248462e-4.
  """
  found = rope.frequencies(SIZES['llama-3.1-8b'].rope, 128)
  plain = 5e5 ** (-np.arange(64) / 64)
  np.testing.assert_allclose(found[:29], plain[:29], rtol=1e-12)  # 4 turns at pair 28.2.
  assert found[32] == pytest.approx(5.248462e-4, rel=1e-6)
  np.testing.assert_allclose(found[35:], plain[35:] / 8, rtol=1e-12)  # One turn at pair 34.98.
