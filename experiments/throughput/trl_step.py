"""Seconds a GRPO step of TRL takes on the workload of `grpo_step.py`: what `compare.py` runs.

pip install torch==2.13.0 trl==1.16.0 transformers datasets
python experiments/throughput/trl_step.py PROMPTS GROUP PROMPT_TOKENS COMPLETION_TOKENS STEPS
"""

import os
import random
import sys
import tempfile
import time

os.environ['HF_HUB_OFFLINE'] = '1'

import datasets
import tokenizers
import torch
import transformers
import trl

VOCABULARY = ['<pad>', '<eos>', '<unk>', *(f't{i}' for i in range(3, 512))]


def policy() -> transformers.Qwen2ForCausalLM:
  """Returns the model of `grpo_step.py` with random weights."""
  config = transformers.Qwen2Config(
    vocab_size=len(VOCABULARY),
    hidden_size=256,
    num_hidden_layers=4,
    num_attention_heads=8,
    num_key_value_heads=4,
    intermediate_size=1024,
    tie_word_embeddings=False,
    bos_token_id=0,
    eos_token_id=1,
    pad_token_id=0,
  )
  return transformers.Qwen2ForCausalLM(config)


def words() -> transformers.PreTrainedTokenizerFast:
  """Returns a tokenizer of words between blanks."""
  ids = {word: i for i, word in enumerate(VOCABULARY)}
  inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(ids, unk_token='<unk>'))
  inner.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
  return transformers.PreTrainedTokenizerFast(
    tokenizer_object=inner,
    pad_token='<pad>',
    eos_token='<eos>',
    unk_token='<unk>',
    padding_side='left',
  )


class Clock(transformers.TrainerCallback):
  """Prints the seconds of every step, from its beginning to the end of its update."""

  def __init__(self):
    self.sampled = 0.0

  def reward(self, completions, **columns):
    """A random reward; is called when sampling has ended."""
    del columns
    self.sampled = time.perf_counter()
    return [float(random.randrange(7)) for _ in completions]

  def on_step_begin(self, *args, **kwargs):
    """Starts the clock."""
    self.start = time.perf_counter()

  def on_step_end(self, *args, **kwargs):
    """Stops it."""
    end = time.perf_counter()
    print(f'step {end - self.start:.3f}s sample {self.sampled - self.start:.3f}s', flush=True)


def main() -> None:
  """Takes the steps."""
  num_prompts, group, prompt_tokens, completion_tokens, steps = map(int, sys.argv[1:])
  torch.set_num_threads(os.cpu_count())
  torch.manual_seed(0)
  random.seed(0)
  prompts = [
    {'prompt': ' '.join(random.choices(VOCABULARY[3:], k=prompt_tokens))}
    for _ in range(num_prompts * steps)
  ]
  model, clock = policy(), Clock()
  with tempfile.TemporaryDirectory() as folder:
    model.save_pretrained(folder)
    words().save_pretrained(folder)
    # Read back, so that the trainer finds the folder that its reference is loaded from.
    model = transformers.Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32)
    args = trl.GRPOConfig(
      output_dir=folder,
      per_device_train_batch_size=num_prompts * group,
      num_generations=group,
      max_completion_length=completion_tokens,
      generation_kwargs={'min_new_tokens': completion_tokens},
      temperature=1.0,
      max_steps=steps,
      beta=0.04,
      learning_rate=1e-4,
      use_cpu=True,
      bf16=False,
      gradient_checkpointing=False,
      save_strategy='no',
      report_to=[],
      logging_steps=1000,
      disable_tqdm=True,
    )
    trainer = trl.GRPOTrainer(
      model=model,
      reward_funcs=clock.reward,
      args=args,
      train_dataset=datasets.Dataset.from_list(prompts),
      processing_class=words(),
    )
    trainer.add_callback(clock)
    trainer.train()
  print('parameters', sum(array.numel() for array in model.parameters()))


if __name__ == '__main__':
  main()
