"""R1-Zero as it was, on DeepSeek-V3-Base and 512 chips or more; and on DeepSeek-V2-Lite, of 16B.

DeepSeek-R1 (arXiv:2501.12948), section 2.2; Nature 645, 633 (2025), Methods. The models are those
of arXiv:2412.19437 and arXiv:2405.04434. Fields that are not here are those of zero.py.

  python -m r1jax.main --config=configs/deepseek.py:v3 --workdir=runs/v3 \
    --config.init_from=models/DeepSeek-V3-Base \
    --config.rl.task.train_path=math/train.jsonl --config.rl.task.test_path=math/test.jsonl

`init_from` is the folder that `hf download deepseek-ai/DeepSeek-V3-Base --local-dir
models/DeepSeek-V3-Base` fills; its weights of 8 bits are decoded on the way in, and written so
again by `--config.export_dtype=float8_e4m3fn`. The problems are MATH's;
`--config.rl.task.name=gsm8k` (or `jsonl`) reads other files.

| recipe  | trains            | on              |
| ------- | ----------------- | --------------- |
| v2-lite | all               | 32 v5e chips    |
| v3-512  | all               | 512 v5p chips   |
| v3      | all               | 1,024 v5p chips |
| v3-2048 | all               | 2,048 v5p chips |
| v3-v6e  | a low-rank change | 256 v6e chips   |

The recipes of V3 ask as many questions as the paper's run: of MATH's 7,500 alone 44 epochs (paper:
1.6, of its own). Bring more problems, or set `rl.steps`.

What a recipe takes of its chips, without having them:
`python -m r1jax.aot --config=configs/deepseek.py:v3 --topology=v5p:8x8x16`.
"""

from ml_collections import ConfigDict

from configs import zero

_V3 = {
  'init_from': 'deepseek-ai/DeepSeek-V3-Base',
  # Answers of a group are the rows of a chip: without `context` those of 32,768 tokens would keep
  # 427 GiB for the backward pass.
  'mesh.context': 16,
  'rl.sampling.max_completion_tokens': 32_768,  # Paper: 32,768, later 65,536.
  'rl.optimizer.peak': 3e-6,  # Paper: 3e-6.
  'rl.cadence.evaluate_every': 100,  # 64 problems, 16 answers each: as many as a step of v3 has.
}
RECIPES = {
  'v2-lite': {
    'hardware': 'v5e:4x8',
    'name': 'v2_lite',
    'init_from': 'deepseek-ai/DeepSeek-V2-Lite',
    # Parameters, moments and gradients take 9.2 of 15.75 GiB: there is room for no sum of gradients
    # beside them, so that a step is one microbatch, of a question on each part of the mesh.
    'mesh.fsdp': 2,
    'mesh.expert': 4,
    'mesh.context': 4,
    'rl.sampling.max_completion_tokens': 1024,  # Paper: 32,768.
    'rl.settings.prompts_per_step': 8,  # Paper: 32 an update.
    'rl.settings.num_microbatches': 1,
    'rl.steps': 1500,  # Paper: 10,400.
  },
  'v3-512': _V3
  | {
    'hardware': 'v5p:8x8x8',
    'name': 'v3_512',
    'mesh.fsdp': 4,
    'mesh.expert': 8,
    'rl.settings.num_microbatches': 1,
    'rl.steps': 10_400,  # Paper: 10,400.
  },
  'v3': _V3
  | {
    'hardware': 'v5p:8x8x16',
    'name': 'v3',
    'mesh.fsdp': 4,
    'mesh.expert': 16,
    # Keeps 27 GiB for the backward pass, and spares it attention's last product: 89 of 95 GiB.
    'model.remat': 'residual',
    'rl.settings.prompts_per_step': 64,  # Paper: 32 an update. As many as are split over chips.
    'rl.settings.num_microbatches': 1,
    'rl.steps': 5200,  # Paper: 10,400. As many answers.
  },
  'v3-2048': _V3
  | {
    'hardware': 'v5p:8x16x16',
    'name': 'v3_2048',
    'mesh.fsdp': 8,
    'mesh.expert': 16,
    'model.remat': 'residual',
    'rl.settings.prompts_per_step': 128,  # Paper: 32 an update. As many as are split over chips.
    'rl.settings.num_microbatches': 1,
    'rl.steps': 2600,  # Paper: 10,400. As many answers.
  },
  # What samples and scores the model; the update is of adapters on everything but routed experts.
  'v3-v6e': _V3
  | {
    'hardware': 'v6e:16x16',
    'name': 'v3_v6e',
    'model.param_dtype': 'bfloat16',  # The base stays as it is, and is the reference.
    'rl.lora.rank': 32,
    'rl.lora.alpha': 64.0,
    'rl.optimizer.peak': 3e-5,  # Paper: 3e-6. Adapters take ten times what matrices do.
    'rl.replace_reference_every': 0,  # Paper: 400. The base cannot be replaced.
    # Of a group each chip has one answer: with two the update's temporaries took 38 of 31 GiB.
    'mesh.fsdp': 2,
    'mesh.expert': 8,
    'rl.sampling.max_completion_tokens': 8192,  # Paper: 32,768.
    'rl.settings.num_microbatches': 2,
    'rl.steps': 10_400,  # Paper: 10,400.
  },
}


def get_config(recipe: str = 'v2-lite') -> ConfigDict:
  """Returns the config of a recipe of the table above."""
  return zero.of_published(RECIPES, recipe)
