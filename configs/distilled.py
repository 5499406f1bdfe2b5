"""Reasoning RL on R1-Distill-Qwen-1.5B, asked in its chat template, which opens `<think>`.

DeepSeek-R1 (arXiv:2501.12948), section 2.4, distils, and leaves RL on top of it to others. Here it
is that of section 2.3.2, without the reward for one language. Fields that are not here are those of
zero.py.

  python -m r1jax.main --config=configs/distilled.py:1.5b --workdir=runs/distilled-1.5b \
    --config.init_from=models/DeepSeek-R1-Distill-Qwen-1.5B \
    --config.rl.task.train_path=math/train.jsonl --config.rl.task.test_path=math/test.jsonl

`init_from` is the folder that `hf download deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B --local-dir
models/DeepSeek-R1-Distill-Qwen-1.5B` fills. The problems are MATH's;
`--config.rl.task.name=gsm8k` (or `jsonl`) reads other files.

| recipe | begins with                   | on          |
| ------ | ----------------------------- | ----------- |
| 1.5b   | DeepSeek-R1-Distill-Qwen-1.5B | 8 v5p chips |
"""

from ml_collections import ConfigDict

from configs import zero

RECIPES = {
  '1.5b': {
    'hardware': 'v5p:2x2x2',
    'name': 'distilled_1.5b',
    'init_from': 'deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B',
    'rl.task.template': 'boxed',  # Paper: so the distilled models were measured.
    'rl.task.chat': True,
    'rl.evaluation.generation_config': True,  # Temperature 0.6, top-p 0.95, as in the paper.
    # Paper: 1.0. The distilled models write no <answer> tags, and think within <think> by training.
    'rl.reward.format': 0.0,
    'mesh.fsdp': 2,
    'mesh.tensor': 2,  # 2 key-value heads.
    'mesh.context': 2,
    'rl.sampling.max_completion_tokens': 32_768,  # Paper: 32,768.
    'rl.settings.prompts_per_step': 8,  # Paper: 32 an update.
    'rl.settings.num_microbatches': 4,
    'rl.steps': 1500,  # Of 8 questions: 1.6 epochs, as in the paper. Paper: 10,400.
  },
}


def get_config(recipe: str = '1.5b') -> ConfigDict:
  """Returns the config of a recipe of the table above."""
  return zero.of_published(RECIPES, recipe)
