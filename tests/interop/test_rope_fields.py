"""Angular frequencies and amplitudes against those that transformers reads from the same fields."""

import numpy as np
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from r1jax.interop import rope_fields
from r1jax.interop.fields import Fields
from r1jax.model import rope

DIM, MAX_POSITIONS = 16, 4096
# Among them ramps whose ends swap: few original positions, small theta, betas the wrong way round.
YARNS = st.fixed_dictionaries(
  {
    'rope_type': st.just('yarn'),
    'rope_theta': st.sampled_from([3.0, 100.0, 10_000.0, 1e6]),
    'factor': st.sampled_from([0.5, 1.0, 4.0, 40.0]),
    'original_max_position_embeddings': st.sampled_from([2, 4, 8, 64, 4096, 100_000]),
  },
  optional={
    'beta_fast': st.sampled_from([0.25, 1.0, 32.0, 200.0]),
    'beta_slow': st.sampled_from([0.1, 1.0, 4.0]),
    'attention_factor': st.sampled_from([0.5, 1.0, 1.2]),
  },
)
LLAMA3S = st.fixed_dictionaries(
  {
    'rope_type': st.just('llama3'),
    'rope_theta': st.sampled_from([100.0, 500_000.0]),
    'factor': st.sampled_from([0.5, 8.0]),
    'original_max_position_embeddings': st.sampled_from([4, 8192]),
    'low_freq_factor': st.sampled_from([0.5, 1.0]),
    'high_freq_factor': st.sampled_from([1.5, 4.0]),
  }
)


@settings(max_examples=200)
@given(YARNS | LLAMA3S)
def test_frequencies_equal(fields):
  theirs = transformers.Qwen3Config(
    head_dim=DIM, max_position_embeddings=MAX_POSITIONS, rope_parameters=dict(fields)
  )
  expected, amplitude = ROPE_INIT_FUNCTIONS[fields['rope_type']](theirs, 'cpu')
  read = Fields({'rope_parameters': fields})
  found = rope_fields.read(read, interleaved=False, max_positions=MAX_POSITIONS)
  read.check()
  np.testing.assert_allclose(rope.frequencies(found, DIM), expected, rtol=1e-5)
  np.testing.assert_allclose(rope.amplitude(found), amplitude, rtol=1e-6)


# Of DeepSeek-R1-0528-Qwen3-8B, as published.
R1_0528_QWEN3 = {
  'attn_factor': 0.8782488562869419,
  'factor': 4.0,
  'original_max_position_embeddings': 32768,
  'rope_type': 'yarn',
}


def test_attn_factor_is_relative_to_what_yarn_implies(caplog):
  found = read(R1_0528_QWEN3)
  assert rope.amplitude(found) == pytest.approx(1.0, rel=1e-12)  # 0.878 of 0.1 ln 4 + 1.
  assert 'transformers ignores' in caplog.text
  caplog.clear()
  written = rope_fields.write(found)['rope_scaling']
  assert written['attention_factor'] == pytest.approx(1.0, rel=1e-12)
  assert written['attn_factor'] == pytest.approx(R1_0528_QWEN3['attn_factor'], rel=1e-12)
  assert read(written) == found
  assert not caplog.text


def test_factors_that_contradict_each_other_are_refused():
  with pytest.raises(ValueError, match=r'attention_factor is 1\.1, attn_factor 0\.878.*1\.13862'):
    read(R1_0528_QWEN3 | {'attention_factor': 1.1})


def test_factor_without_yarn_is_refused():
  with pytest.raises(ValueError, match=r'attention_factor is 0\.5, supported: with YaRN only'):
    read({'rope_type': 'default', 'attention_factor': 0.5})


def read(scaling):
  fields = Fields({'rope_scaling': scaling})
  found = rope_fields.read(fields, interleaved=False, max_positions=MAX_POSITIONS)
  fields.check()
  return found


def test_both_dialects_at_once_have_to_agree():
  both = Fields({'rope_scaling': R1_0528_QWEN3, 'rope_parameters': R1_0528_QWEN3})
  found = rope_fields.read(both, interleaved=False, max_positions=MAX_POSITIONS)
  both.check()
  assert found == read(R1_0528_QWEN3)
  both = Fields({'rope_scaling': R1_0528_QWEN3, 'rope_parameters': R1_0528_QWEN3 | {'factor': 2.0}})
  rope_fields.read(both, interleaved=False, max_positions=MAX_POSITIONS)
  with pytest.raises(ValueError, match='rope_parameters and rope_scaling contradict each other'):
    both.check()
