"""The rotary embedding in config.json, in both dialects.

The older one has `rope_theta` beside a dict `rope_scaling`, the newer one a dict `rope_parameters`
with everything. Both are read; the older is written, since all versions of all engines know it.
"""

import dataclasses
import math
from typing import Any

from absl import logging

from r1jax.interop.fields import Fields
from r1jax.model import Llama3Scaling, Rope, Yarn
from r1jax.model.rope import amplitude

DEFAULT_THETA = 10_000.0


def read(fields: Fields, *, interleaved: bool, max_positions: int) -> Rope:
  """Reads the rotary embedding.

  Args:
    fields: of config.json.
    interleaved: how the family's weights pair dimensions.
    max_positions: context length before extension, where the dict does not say.

  Returns:
    The embedding. Whether YaRN's mscale terms make sense is for the family to say.

  Raises:
    ValueError: for a kind of extension we do not have, or a number that makes none.
  """
  theta = fields.number('rope_theta', DEFAULT_THETA, above=1)
  fields.allow('partial_rotary_factor', 1.0)
  inner = {name: fields.inner(name) for name in ('rope_parameters', 'rope_scaling')}
  given = [name for name in inner if fields.get(name)]
  found = [_dialect(inner[name], theta, interleaved, max_positions) for name in given or inner]
  if found[0] != found[-1]:
    fields.refuse('rope_parameters and rope_scaling contradict each other; remove the wrong one')
  return found[0]


def _dialect(fields: Fields, theta: float, interleaved: bool, max_positions: int) -> Rope:
  theta = fields.number('rope_theta', theta, above=1)
  fields.allow('partial_rotary_factor', 1.0)
  kind = fields.get('rope_type', fields.get('type', 'default'))
  fields.get('type')
  if kind not in _READERS:
    allowed = ', '.join(map(repr, _READERS))
    raise ValueError(f'config.json: the type of rope scaling is {kind!r}, supported: {allowed}')
  return _with_factor(
    fields, Rope(float(theta), _READERS[kind](fields, max_positions), interleaved)
  )


def _default(fields: Fields, max_positions: int) -> None:
  """Reads no extension."""


def _yarn(fields: Fields, max_positions: int) -> Yarn:
  fields.allow_on('truncate')
  all_dim = fields.number('mscale_all_dim', 0)
  return Yarn(
    factor=float(fields.number('factor', above=0)),
    original_positions=fields.size('original_max_position_embeddings', max_positions),
    beta_fast=float(fields.number('beta_fast', 32, above=0)),
    beta_slow=float(fields.number('beta_slow', 1, above=0)),
    # DeepSeek's code takes 1 for one that is missing, others ignore the other then: with 0,
    # `agrees_on_mscale` refuses it.
    mscale=float(fields.number('mscale', 0 if all_dim else 1)),
    mscale_all_dim=float(all_dim),
  )


def _llama3(fields: Fields, max_positions: int) -> Llama3Scaling:
  low = fields.number('low_freq_factor', above=0)
  return Llama3Scaling(
    factor=float(fields.number('factor', above=0)),
    original_positions=fields.size('original_max_position_embeddings', max_positions),
    low_frequency_factor=float(low),
    high_frequency_factor=float(fields.number('high_freq_factor', above=low)),
  )


_READERS = {'default': _default, 'yarn': _yarn, 'llama3': _llama3}


def _with_factor(fields: Fields, rope: Rope) -> Rope:
  """Reads an explicit factor on the rotated vectors, which only YaRN has.

  `attention_factor` is transformers' name of the factor itself, `attn_factor` that of other engines
  for its ratio to what YaRN implies. transformers ignores the latter; the authors of
  DeepSeek-R1-0528-Qwen3-8B, whose 0.878 makes the factor 1, mean it.
  """
  implied = amplitude(rope)
  relative = fields.number('attn_factor', 1, above=0)
  factor = fields.number('attention_factor', relative * implied, above=0)
  if math.isclose(factor, implied, rel_tol=1e-6) and relative == 1:
    return rope
  if not isinstance(rope.scaling, Yarn):
    fields.refuse(f'rope attention_factor is {factor}, supported: with YaRN only')
    return rope
  if not math.isclose(factor, relative * implied, rel_tol=1e-6) and fields.get('attn_factor'):
    fields.refuse(
      f'rope attention_factor is {factor}, attn_factor {relative}: these must be the same but for '
      f"YaRN's {implied}; remove the wrong one"
    )
  elif not fields.get('attention_factor'):
    logging.warning(
      'config.json has a rope attn_factor of %g, which transformers ignores: rotated vectors are '
      "multiplied by it and by YaRN's %g here, as by other engines. For what transformers computes "
      'remove it. What is exported has attention_factor, which transformers reads.',
      relative,
      implied,
    )
  return dataclasses.replace(
    rope, scaling=dataclasses.replace(rope.scaling, attention_factor=float(factor))
  )


def write(rope: Rope) -> dict[str, Any]:
  """Returns the fields of config.json that say how positions are embedded."""
  return {'rope_theta': rope.theta, 'rope_scaling': _scaling(rope.scaling)}


def _scaling(scaling: Yarn | Llama3Scaling | None) -> dict[str, Any] | None:
  if scaling is None:
    return None
  kind = 'yarn' if isinstance(scaling, Yarn) else 'llama3'
  shared = {
    'type': kind,  # DeepSeek's own modeling code reads this name, newer engines the next.
    'rope_type': kind,
    'factor': scaling.factor,
    'original_max_position_embeddings': scaling.original_positions,
  }
  if isinstance(scaling, Llama3Scaling):
    low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
    return shared | {'low_freq_factor': low, 'high_freq_factor': high}
  yarn = shared | {'beta_fast': scaling.beta_fast, 'beta_slow': scaling.beta_slow}
  if scaling.mscale_all_dim:
    yarn |= {'mscale': scaling.mscale, 'mscale_all_dim': scaling.mscale_all_dim}
  if scaling.attention_factor is not None:
    implied = amplitude(Rope(scaling=dataclasses.replace(scaling, attention_factor=None)))
    factor = scaling.attention_factor
    yarn |= {'attention_factor': factor, 'attn_factor': factor / implied}
  return yarn


def agrees_on_mscale(rope: Rope) -> bool:
  """Returns whether DeepSeek's own code and other engines read the mscale terms alike.

  Where `mscale_all_dim` is 0, some ignore `mscale` and some use it; at 1 there is no difference.
  """
  yarn = rope.scaling
  if not isinstance(yarn, Yarn):
    return True
  return bool(yarn.mscale and yarn.mscale_all_dim) or (yarn.mscale, yarn.mscale_all_dim) == (1, 0)


def without_mscale(rope: Rope) -> bool:
  """Returns whether the mscale terms have their neutral values."""
  yarn = rope.scaling
  return not isinstance(yarn, Yarn) or (yarn.mscale, yarn.mscale_all_dim) == (1, 0)


def without_factor(rope: Rope) -> bool:
  """Returns whether the factor on rotated vectors is that which YaRN implies."""
  return not isinstance(rope.scaling, Yarn) or rope.scaling.attention_factor is None
