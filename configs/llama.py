"""R1-Zero on Llama-3.1-8B, and the same on the instructed model, which is asked in its chat.

DeepSeek-R1 (arXiv:2501.12948), section 2.2; the models are those of arXiv:2407.21783. Fields that
are not here are those of zero.py.

  python -m r1jax.main --config=configs/llama.py:8b --workdir=runs/llama-8b \
    --config.init_from=models/Llama-3.1-8B \
    --config.rl.task.train_path=math/train.jsonl --config.rl.task.test_path=math/test.jsonl

`init_from` is the folder that `hf download meta-llama/Llama-3.1-8B --local-dir models/Llama-3.1-8B`
fills. The problems are MATH's; `--config.rl.task.name=gsm8k` (or `jsonl`) reads other files.

| recipe      | begins with           | on           |
| ----------- | --------------------- | ------------ |
| 8b          | Llama-3.1-8B          | 16 v6e chips |
| 8b-instruct | Llama-3.1-8B-Instruct | 16 v6e chips |
"""

from ml_collections import ConfigDict

from configs import zero

_BASE = {
  'hardware': 'v6e:4x4',
  'name': 'llama_8b',
  'init_from': 'meta-llama/Llama-3.1-8B',
  # 8 key-value heads; the cache of half a group of 4,096 tokens is 1 GiB a chip, of 4 groups.
  'mesh.fsdp': 2,
  'mesh.tensor': 4,
  'mesh.context': 2,
  'rl.sampling.max_completion_tokens': 4096,  # Paper: 32,768.
  'rl.settings.prompts_per_step': 8,  # Paper: 32 an update.
  'rl.settings.num_microbatches': 4,
  'rl.steps': 1500,  # Of 8 questions: 1.6 epochs, as in the paper. Paper: 10,400.
}
RECIPES = {
  '8b': _BASE,
  '8b-instruct': _BASE
  | {
    'name': 'llama_8b_instruct',
    'init_from': 'meta-llama/Llama-3.1-8B-Instruct',
    'rl.task.chat': True,  # Paper: a base model, which has no turns.
    'rl.evaluation.generation_config': True,  # Temperature 0.6, top-p 0.9.
  },
}


def get_config(recipe: str = '8b') -> ConfigDict:
  """Returns the config of a recipe of the table above."""
  return zero.of_published(RECIPES, recipe)
