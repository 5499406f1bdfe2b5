"""Which family a folder or a model belongs to."""

from collections.abc import Mapping
from typing import Any

from r1jax.interop import deepseek_v3, llama, qwen
from r1jax.interop.decoder import Family
from r1jax.interop.fields import Fields
from r1jax.model import GQA, ModelConfig

FAMILIES = (
  deepseek_v3.V3,
  deepseek_v3.V2,
  qwen.QWEN_2,
  qwen.QWEN_3,
  qwen.QWEN_3_MOE,
  llama.FAMILY,
)


def read(config_json: Mapping[str, Any]) -> tuple[Family, ModelConfig]:
  """Returns the family and the model that the fields of a config.json describe.

  Raises:
    ValueError: if the architecture is none of ours, a needed field is missing, or a field asks for
      what we lack; all such fields are listed.
  """
  family = _named(config_json)
  fields = Fields(config_json)
  try:
    config = family.read(fields)
  except (TypeError, ZeroDivisionError, AttributeError) as error:
    raise ValueError(
      f'config.json has a field of another type or size than {family.architecture} has: {error}'
    ) from error
  except ValueError as error:
    raise fields.complete(error) from error
  fields.check()
  return family, config


def _named(config_json: Mapping[str, Any]) -> Family:
  architectures = config_json.get('architectures') or []
  if not isinstance(architectures, list):
    raise ValueError(f'config.json: architectures is {architectures!r}, it must be a list')
  model_type = config_json.get('model_type')
  by_type = [family for family in FAMILIES if family.model_type == model_type]
  for family in FAMILIES:
    if family.architecture in architectures:
      if by_type and family not in by_type:  # Some have names of their own for an architecture.
        raise ValueError(
          f'config.json contradicts itself: architectures is {architectures}, model_type '
          f'{model_type!r} ({by_type[0].architecture}); correct the wrong one'
        )
      return family
  if by_type and not architectures:
    return by_type[0]
  supported = ', '.join(family.architecture for family in FAMILIES)
  raise ValueError(
    f'the architecture in config.json is {architectures or model_type}, supported: {supported}'
  )


def write(config: ModelConfig) -> tuple[Family, dict[str, Any]]:
  """Returns the family that a model can be stored as, and its config.json.

  Raises:
    ValueError: if no family's format can express the model; says what it would need.
  """
  family = _fitting(config)
  names = {'architectures': [family.architecture], 'model_type': family.model_type}
  return family, names | family.write(config)


def _fitting(config: ModelConfig) -> Family:
  if isinstance(config.attention, GQA):
    if config.attention.qkv_bias:
      return qwen.QWEN_2
    if config.attention.qk_norm:
      return qwen.QWEN_3 if config.moe is None else qwen.QWEN_3_MOE
    return llama.FAMILY
  softmax = config.moe is not None and config.moe.scores == 'softmax'
  return deepseek_v3.V2 if softmax else deepseek_v3.V3
