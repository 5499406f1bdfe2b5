"""R1-Zero: reinforcement learning with verifiable rewards on a base model, nothing else.

DeepSeek-R1 (arXiv:2501.12948), section 2.2; Nature 645, 633 (2025), Methods. Paper values stand
beside each field; a tiny model on the built-in world departs where it says so.

  python -m r1jax.main --config=configs/zero.py

A step here is a rollout and the updates made of it. The paper's steps are updates of 512 answers,
16 of them a rollout; its numbers are given in our steps, with its own in brackets.

With another problem set (its fields then take the place of the world's):

  python -m r1jax.main --config=configs/zero.py:gsm8k \
    --config.rl.task.train_path=train.jsonl --config.rl.task.test_path=test.jsonl
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

# Enough for the longest question of a set in the tokens of the base model that ships; other
# tokenizers need other numbers.
PROMPT_TOKENS = {
  'world': 208,
  'gsm8k': 832,
  'math': 2752,
  'humaneval': 1344,
  'mbpp': 1792,
  'contest': 8192,
  'ifeval': 1664,
}


def get_config(problems: str = 'world') -> ConfigDict:
  """Returns the config of R1-Zero on a set of problems.

  Args:
    problems: 'world', or a set in files: 'gsm8k', 'math', 'jsonl', 'tfds', 'choice' (MMLU, GPQA),
      'humaneval', 'mbpp', 'contest' (programs), 'ifeval' (instructions).
  """
  config = ConfigDict()
  config.name = 'r1_zero'
  config.seed = 0
  config.stages = ('rl',)
  # A Hugging Face folder, or 'assets:NAME' for a model that ships. Paper: DeepSeek-V3-Base.
  config.init_from = 'assets:base'
  config.model = ConfigDict(
    {
      'dtype': 'float32',  # Of computation. 'bfloat16' on accelerators.
      'param_dtype': 'float32',  # Of what is stored; 'bfloat16' for a base under rl.lora alone.
      # Or what to keep for the backward pass: 'dots', 'attention', 'residual', 'full' (least).
      'remat': 'none',
      'unroll': 4,  # Layers that are compiled one after the other; 1 for deep models.
    }
  )
  # Of the trained model's weights; or 'bfloat16', or, of DeepSeek-V3, 'float8_e4m3fn': 8 bits with
  # a scale a block, as it is published.
  config.export_dtype = 'float32'
  # Devices along each axis; -1 is what is left.
  config.mesh = ConfigDict({'data': -1, 'fsdp': 1, 'tensor': 1, 'expert': 1, 'context': 1})
  config.rl = _rl(problems)
  return config


# What R1-Zero on a published model has in common, whichever it is. The recipes of a family
# (qwen.py, llama.py, deepseek.py) add to it; all their fields are named as flags name them.
PUBLISHED = {
  'export_dtype': 'bfloat16',
  'model.dtype': 'bfloat16',
  'model.remat': 'full',
  'model.unroll': 1,
  'mesh.data': 1,
  'rl.steps': 375,  # Of 32 questions: 1.6 epochs of MATH's 7,500, as in the paper. Paper: 10,400.
  'rl.task.max_prompt_tokens': 2048,
  'rl.sampling.segment_tokens': 512,
  # Paper: 3e-6, for a model of 671B; here that of DeepSeekMath (arXiv:2402.03300), of 7B.
  'rl.optimizer.peak': 1e-6,
  'rl.settings.prompts_per_step': 32,  # Paper: 32 an update, and 16 updates of a rollout.
  'rl.settings.num_minibatches': 1,  # Paper: 16. Here every answer is of the policy as it is.
  'rl.replace_reference_every': 400,  # Paper: 400 updates, which are steps here.
}


def of_published(recipes: dict[str, dict], recipe: str) -> ConfigDict:
  """Returns R1-Zero on a published model, on the problems of MATH.

  Args:
    recipes: of a family, by name: fields in which each differs, and its `hardware`.
    recipe: name of one.

  Raises:
    ValueError: there is none of that name.
  """
  if recipe not in recipes:
    raise ValueError(f'there is no recipe {recipe!r}; there are {", ".join(map(repr, recipes))}')
  fields = PUBLISHED | recipes[recipe]
  chips = 1
  for size in fields.pop('hardware').partition(':')[2].split('x'):
    chips *= int(size)
  # Logits of 1,024 tokens a chip, or of more of them and a share of the vocabulary: with fewer the
  # head is gathered the more often.
  fields.setdefault('rl.settings.chunk_tokens', 1024 * chips // fields.get('mesh.tensor', 1))
  config = get_config('math')
  config.update_from_flattened_dict(fields)
  return config


def _rl(problems: str) -> ConfigDict:
  rl = ConfigDict()
  rl.kind = 'rl'
  rl.steps = 120  # Paper: 650 (10,400 updates).
  rl.task = _task(problems)
  rl.reward = ConfigDict({'accuracy': 1.0, 'format': 1.0})  # Weights. Paper: equal.
  rl.gates = ConfigDict({})  # Terms by which others are multiplied, as {'accuracy': 'format'}.
  # What is added by length: sections 'length' (weight, term), 'cosine' (weight, term, correct,
  # wrong, exceeded) and 'overlong' (weight, cache_length). Paper: nothing.
  rl.shaping = ConfigDict({})
  rl.reward_workers = placeholder(int)  # Answers scored at a time; None for one a CPU.
  rl.sampling = ConfigDict(
    {
      'group_size': 16,  # Answers to a question. Paper: 16.
      'max_completion_tokens': 160,  # Paper: 32,768, later 65,536.
      'sampler': {'temperature': 1.0, 'top_k': placeholder(int), 'top_p': 1.0},  # Paper: 1; none.
      'segment_tokens': 40,  # Between two compactions of the batch.
      # Of each prompt, read at one time: bounds activations of long prompts. None for all.
      'prompt_chunk_tokens': placeholder(int),
    }
  )
  rl.algorithm = ConfigDict(
    {
      # Paper: eq. 3. Or 'mean_only', 'leave_one_out'; 'decoupled' for each term by itself (GDPO).
      'advantage': 'group_normalised',
      'ratio': 'token',  # Paper: prints 'sequence'; DeepSeekMath eq. 3, and practice: 'token'.
      'surrogate': 'clipped',  # Paper: eq. 1. Or 'cispo'.
      # How far a ratio may go below and above 1. Paper: 10. With one update of a rollout ratios
      # are 1; PPO and DeepSeekMath take 0.2 where there are more.
      'clip_low': 10.0,
      'clip_high': 10.0,
      'kl': 'k3',  # Paper: eq. 2. Or 'k1', 'k2', 'k3_per_output'.
      'kl_weight': 0.001,  # Paper: 0.001.
      'reduction': 'sample_mean',  # Or 'token_mean' (DAPO), 'constant_length' (Dr. GRPO).
      'reduction_length': placeholder(int),  # Tokens; for 'constant_length' alone.
    }
  )
  rl.optimizer = ConfigDict(
    {
      'kind': 'adamw',  # Paper's DeepSeek-V3: AdamW.
      'peak': 1e-4,  # Learning rate. Paper: 3e-6, for a model of 671B.
      'final': placeholder(float),  # Learning rate at the end of a cosine; None for a constant.
      'warmup': 5,  # Updates.
      'b1': 0.9,  # V3: 0.9.
      'b2': 0.95,  # V3: 0.95.
      'epsilon': 1e-8,
      'weight_decay': 0.0,  # V3: 0.1, in pre-training.
      'max_norm': 1.0,  # Of the gradient. V3: 1.0.
    }
  )
  # Trains a low-rank change of the weights, `alpha / rank` times the product of its factors, while
  # the base stays as it is. Targets: pattern found in paths of weights; None for all of the layers
  # but routed experts. Rank None: all parameters are trained. Paper: all.
  rl.lora = ConfigDict(
    {'rank': placeholder(int), 'alpha': placeholder(float), 'targets': placeholder(str)}
  )
  rl.bias_speed = 0.0  # Of the experts' balance rule. DeepSeek-V3 ends pre-training with 0.
  rl.replace_reference_every = 25  # Steps; 0 for never. Paper: 25 (400 updates).
  rl.settings = ConfigDict(
    {
      'prompts_per_step': 8,  # What two cores sample in seconds. Paper: 512 (8,192 answers).
      'num_minibatches': 1,  # Updates of a rollout, here of 128 answers. Paper: 16, of 512 each.
      'num_inner_epochs': 1,  # Paper: 1.
      'num_microbatches': 4,  # Parts of an update, by length, to save memory and padding.
      'drop_truncated': False,  # True leaves truncated answers out of the loss. Paper: no word.
      'max_resamples': 0,  # Attempts to replace groups without variance (DAPO); paper: none.
      'chunk_tokens': placeholder(
        int
      ),  # Of a microbatch: those whose logits exist at once; None for all.
      'balance_weight': 0.0,  # Of the experts' sequence balance loss.
    }
  )
  rl.cadence = ConfigDict(
    {
      'checkpoint_every': 20,  # Steps.
      'evaluate_every': 20,
      'completions_every': 5,
      'max_skipped': 5,  # Updates in a row that may not be finite.
    }
  )
  rl.evaluation = _evaluation(problems)
  rl.num_completions = 32  # Answers written down of a step.
  return rl


def _evaluation(problems: str) -> ConfigDict:
  # Problems held out, each with a group of answers; 'test' at start and end. HumanEval has 164.
  validation, test = (16, 64) if problems == 'humaneval' else (64, 256)
  return ConfigDict(
    {
      'validation_problems': validation,
      'test_problems': test,
      # Paper: temperature 0.6, top-p 0.95. Here the distribution that is trained.
      'sampler': {'temperature': 1.0, 'top_k': placeholder(int), 'top_p': 1.0},
      # Whether what the model's generation_config.json says of these comes first.
      'generation_config': False,
    }
  )


def _task(problems: str) -> ConfigDict:
  task = ConfigDict(
    {
      'name': problems,
      'template': 'r1_zero',  # Paper: table 1. Or 'question' alone, 'boxed', 'question_answer'.
      # Whether that is said as a user, in the tokenizer's chat template. Paper: no, a base model.
      'chat': False,
      'prefill': '',  # How every answer is made to begin.
      'max_prompt_tokens': PROMPT_TOKENS.get(problems, 1024),  # A longer prompt is an error.
    }
  )
  if problems == 'world':
    # Steps of a problem; weights of its families; share of stories with sentences to ignore.
    families = {'expression_en': 1.0, 'expression_zh': 1.0, 'story_en': 1.0, 'story_zh': 1.0}
    task.world = ConfigDict({'depths': (2, 10), 'families': families, 'distractors': 0.3})
  elif problems == 'tfds':
    task.data_dir, task.dataset = '', ''
  else:
    # The same file twice: evaluation.test_problems of it are held out for the test.
    task.train_path, task.test_path = '', ''
    task.test_name = ''  # Of the set to test on if it is another: 'humaneval' after 'mbpp'.
  return task
