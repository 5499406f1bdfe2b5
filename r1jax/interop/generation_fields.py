"""How answers are sampled, in generation_config.json."""

import math
import sys
from collections.abc import Mapping
from typing import Any

# What our samplers have: kinds of numbers, the least and the largest, and how that is said.
_RANGES: Mapping[str, tuple[Any, float, float, str]] = {
  'temperature': ((float, int), 0.0, sys.float_info.max, 'a number of 0 or more'),
  'top_k': ((int,), -1, math.inf, 'a whole number of -1 or more'),
  'top_p': ((float, int), sys.float_info.min, 1.0, 'a number above 0 and up to 1'),
}
# What they do not have, and the values with which it changes no answer.
_NEUTRAL: Mapping[str, Any] = {
  'bad_words_ids': [],
  'begin_suppress_tokens': [],
  'constraints': [],
  'diversity_penalty': 0,
  'encoder_no_repeat_ngram_size': 0,
  'encoder_repetition_penalty': 1,
  'exponential_decay_length_penalty': None,
  'force_words_ids': [],
  'forced_bos_token_id': None,
  'forced_eos_token_id': None,
  'guidance_scale': 1,
  'min_length': 0,
  'min_new_tokens': 0,
  'no_repeat_ngram_size': 0,
  'num_beams': 1,
  'penalty_alpha': 0,
  'repetition_penalty': 1,
  'sequence_bias': {},
  'stop_strings': [],
  'suppress_tokens': [],
  'token_healing': False,
  'watermarking_config': None,
}
# The same of what greedy answers are not changed by.
_NEUTRAL_TO_DRAWS: Mapping[str, Any] = {
  'epsilon_cutoff': 0,
  'eta_cutoff': 0,
  'min_p': 0,
  'top_h': None,
  'typical_p': 1,
}


def sampling_defaults(defaults: Mapping[str, Any]) -> dict[str, Any]:
  """Returns what a model's defaults of generation say of sampling.

  Args:
    defaults: the fields of generation_config.json. What it does not name is left out, whatever
      engines take for it; `do_sample` false is temperature 0, `top_k` 0 or -1 keeps all tokens.

  Returns:
    Those of `temperature`, `top_k` (None for all tokens) and `top_p` that it names.

  Raises:
    ValueError: it asks for what samplers here do not have, such as a repetition penalty, or a field
      is no number, or none that there can be.
  """
  given = {name: value for name, value in defaults.items() if value is not None}
  greedy = given.get('do_sample') is False
  neutral = dict(_NEUTRAL if greedy else {**_NEUTRAL, **_NEUTRAL_TO_DRAWS})
  wanted = [
    f'{name} {given[name]!r}' for name in neutral if name in given and given[name] != neutral[name]
  ]
  if wanted:
    raise ValueError(
      f'generation_config.json asks for {", ".join(wanted)}; samplers have temperature, top_k and '
      'top_p alone: set these yourself, or remove the others from the file'
    )
  found: dict[str, Any] = {name: given[name] for name in _RANGES if name in given}
  for name, value in found.items():
    kinds, least, largest, allowed = _RANGES[name]
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= largest:
      raise ValueError(f'generation_config.json: {name} is {value!r}, it must be {allowed}')
  if found.get('top_k') in (0, -1):
    found['top_k'] = None
  if greedy:
    found['temperature'] = 0.0
  return found
