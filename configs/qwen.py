"""R1-Zero on the base models of Qwen2.5, from 0.5B on one chip to 32B on 64.

DeepSeek-R1 (arXiv:2501.12948), section 4.1, trains Qwen2.5-32B so (R1-Zero-Qwen-32B); the models
are those of arXiv:2412.15115. Fields that are not here are those of zero.py.

  python -m r1jax.main --config=configs/qwen.py:0.5b --workdir=runs/qwen-0.5b \
    --config.init_from=models/Qwen2.5-0.5B \
    --config.rl.task.train_path=math/train.jsonl --config.rl.task.test_path=math/test.jsonl

`init_from` is the folder that `hf download Qwen/Qwen2.5-0.5B --local-dir models/Qwen2.5-0.5B`
fills. The problems are MATH's; `--config.rl.task.name=gsm8k` (or `jsonl`) reads other files.

| recipe    | trains             | on                                 |
| --------- | ------------------ | ---------------------------------- |
| 0.5b      | all                | one v5e chip, as Colab has it      |
| 0.5b-gpu  | all                | one GPU of 80 GB                   |
| 1.5b-lora | a low-rank change  | one v5e chip                       |
| 7b        | all                | 16 v5e chips                       |
| 32b       | all                | 64 v5p chips                       |
| 32b-v6e   | all                | 64 v6e chips                       |

On other hardware change `mesh` until its sizes multiply to the number of devices. What a recipe
takes of them: `python -m r1jax.aot --config=configs/qwen.py:7b --topology=v5e:4x4`.
"""

from ml_collections import ConfigDict

from configs import zero

RECIPES = {
  '0.5b': {
    'hardware': 'v5e:1x1',
    'name': 'qwen_0.5b',
    'init_from': 'Qwen/Qwen2.5-0.5B',
    # Of 15.75 GiB, parameters, moments, reference and gradients take 8.3.
    'rl.sampling.max_completion_tokens': 1024,  # Paper: 32,768.
    'rl.settings.prompts_per_step': 8,  # Paper: 32 an update.
    'rl.settings.num_microbatches': 8,  # One question each.
    'rl.steps': 1500,  # Paper: 10,400. 1.6 epochs, as everywhere here.
  },
  '0.5b-gpu': {
    'hardware': 'gpu:1',
    'name': 'qwen_0.5b_gpu',
    'init_from': 'Qwen/Qwen2.5-0.5B',
    'rl.sampling.max_completion_tokens': 4096,  # Paper: 32,768.
    'rl.settings.num_microbatches': 16,
  },
  '1.5b-lora': {
    'hardware': 'v5e:1x1',
    'name': 'qwen_1.5b_lora',
    'init_from': 'Qwen/Qwen2.5-1.5B',
    'model.param_dtype': 'bfloat16',  # The base stays as it is, and is the reference.
    'rl.lora.rank': 32,
    'rl.lora.alpha': 64.0,
    'rl.optimizer.peak': 1e-5,  # Paper: 3e-6. Adapters take ten times what matrices do.
    'rl.replace_reference_every': 0,  # Paper: 400. The base cannot be replaced.
    'rl.sampling.max_completion_tokens': 1024,  # Paper: 32,768.
    'rl.settings.prompts_per_step': 8,  # Paper: 32 an update.
    'rl.settings.num_microbatches': 8,
    'rl.steps': 1500,  # Paper: 10,400.
  },
  '7b': {
    'hardware': 'v5e:4x4',
    'name': 'qwen_7b',
    'init_from': 'Qwen/Qwen2.5-7B',
    # 4 key-value heads, so that caches are split by 4; the answers of a group by 4 as well. The
    # gradient takes 13.2 of 15.75 GiB.
    'mesh.fsdp': 1,
    'mesh.tensor': 4,
    'mesh.context': 4,
    'rl.sampling.max_completion_tokens': 2048,  # Paper: 32,768.
    'rl.settings.prompts_per_step': 16,  # Paper: 32 an update.
    'rl.settings.num_microbatches': 16,
    'rl.steps': 750,  # Paper: 10,400.
  },
  '32b': {
    'hardware': 'v5p:4x4x4',
    'name': 'qwen_32b',
    'init_from': 'Qwen/Qwen2.5-32B',
    # 8 key-value heads: two answers' caches of 32,768 tokens are 2 GiB a chip, of 16 groups.
    'mesh.fsdp': 1,
    'mesh.tensor': 8,
    'mesh.context': 8,
    'rl.sampling.max_completion_tokens': 32_768,  # Paper: 32,768.
    'rl.settings.prompts_per_step': 16,  # Paper: 32 an update.
    'rl.settings.num_microbatches': 16,
    'rl.steps': 750,  # Paper: 10,400.
  },
  '32b-v6e': {
    'hardware': 'v6e:8x8',
    'name': 'qwen_32b_v6e',
    'init_from': 'Qwen/Qwen2.5-32B',
    'mesh.fsdp': 1,
    'mesh.tensor': 8,
    'mesh.context': 8,
    'rl.sampling.max_completion_tokens': 8192,  # Paper: 32,768.
    'rl.settings.prompts_per_step': 8,  # Paper: 32 an update.
    'rl.settings.num_microbatches': 8,
    'rl.steps': 1500,  # Paper: 10,400.
  },
}


def get_config(recipe: str = '0.5b') -> ConfigDict:
  """Returns the config of a recipe of the table above."""
  return zero.of_published(RECIPES, recipe)
