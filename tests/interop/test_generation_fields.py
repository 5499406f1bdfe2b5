"""What published defaults of generation say of sampling, and what of them is refused."""

import pytest

from r1jax.interop import sampling_defaults

R1_DISTILL = {
  '_from_model_config': True,
  'bos_token_id': 151646,
  'eos_token_id': 151643,
  'do_sample': True,
  'temperature': 0.6,
  'top_p': 0.95,
  'transformers_version': '4.39.3',
}
QWEN3 = {
  'bos_token_id': 151643,
  'do_sample': True,
  'eos_token_id': [151645, 151643],
  'pad_token_id': 151643,
  'temperature': 0.6,
  'top_k': 20,
  'top_p': 0.95,
  'transformers_version': '4.51.0',
}
QWEN25_BASE = {
  'bos_token_id': 151643,
  'do_sample': False,
  'eos_token_id': 151643,
  'max_new_tokens': 2048,
  'transformers_version': '4.37.0',
}


@pytest.mark.parametrize(
  'defaults, expected',
  [
    (R1_DISTILL, {'temperature': 0.6, 'top_p': 0.95}),
    (QWEN3, {'temperature': 0.6, 'top_k': 20, 'top_p': 0.95}),
    (QWEN25_BASE, {'temperature': 0.0}),
    (QWEN25_BASE | {'min_p': 0.1, 'typical_p': 0.9}, {'temperature': 0.0}),
    ({'do_sample': True, 'top_k': 0, 'repetition_penalty': 1.0}, {'top_k': None}),
    ({'top_k': -1, 'top_p': None, 'num_beams': 1}, {'top_k': None}),
    ({}, {}),
  ],
)
def test_published_defaults(defaults, expected):
  assert sampling_defaults(defaults) == expected


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'repetition_penalty': 1.05}, 'asks for repetition_penalty 1.05; samplers have'),
    ({'repetition_penalty': 1.05}, 'top_p alone: set these yourself, or remove the others from'),
    ({'stop_strings': ['.']}, r"asks for stop_strings \['.'\]; samplers have"),
    ({'do_sample': False, 'repetition_penalty': 1.1}, 'asks for repetition_penalty 1.1; samplers'),
    ({'min_p': 0.1, 'num_beams': 4}, 'asks for num_beams 4, min_p 0.1; samplers have'),
    ({'temperature': '0.6'}, "temperature is '0.6', it must be a number"),
    ({'top_k': 20.5}, 'top_k is 20.5, it must be a whole number'),
    ({'top_p': True}, 'top_p is True, it must be a number'),
    ({'top_p': 1.5}, 'top_p is 1.5, it must be a number above 0 and up to 1'),
    ({'top_k': -5}, 'top_k is -5, it must be a whole number of -1 or more'),
    ({'temperature': float('nan')}, 'temperature is nan, it must be a number of 0 or more'),
  ],
)
def test_what_samplers_lack_is_named(changes, message):
  with pytest.raises(ValueError, match=message):
    sampling_defaults(QWEN3 | changes)
