"""What is trained: a transformer that is DeepSeek-V3, Qwen2.5 or Llama 3 by config."""

from r1jax.model.config import GQA, MLA, Llama3Scaling, ModelConfig, MoE, Rope, Yarn
from r1jax.model.lora import Adapted, LoRA
from r1jax.model.transformer import Output, Transformer, as_computed, call

__all__ = [
  'GQA',
  'MLA',
  'Adapted',
  'Llama3Scaling',
  'LoRA',
  'MoE',
  'ModelConfig',
  'Output',
  'Rope',
  'Transformer',
  'Yarn',
  'as_computed',
  'call',
]
