"""The stage around the step: which parameters are on the devices."""

import dataclasses

import jax
import numpy as np
from closed_loop import CONFIG, host_params, params, reinforcement

from r1jax.model import LoRA
from r1jax.stages import loop, rl
from r1jax.stages.policy import Policy
from r1jax.training.clock import Clock
from r1jax.training.interrupt import StopRequest


def run(workdir, *, lora=None, replace_every=1):
  """Three steps, after each of which the policy becomes the reference, or what is said of it."""
  learning = dataclasses.replace(reinforcement(kl_weight=0.3), lora=lora)
  stage = rl.Stage(
    learning=learning,
    cadence=loop.Cadence(
      3, checkpoint_every=2, evaluate_every=0, completions_every=0, max_skipped=1
    ),
    benchmarks=(),
    final=frozenset(),
    replace_reference_every=replace_every,
    num_completions=0,
    fingerprint=0,
    title='',
  )
  policy = Policy(learning.answering.model, params(), learning.answering.tokenizer)
  return stage(policy, workdir, Clock(workdir), StopRequest())


def test_a_reference_that_is_replaced_leaves_the_devices(tmp_path, monkeypatch):
  """When the new one is there the old one is not, whoever still has its name."""
  shape = host_params()['embedding'].shape

  def count():
    """Counts the copies of the parameters, by one of them that nothing else is shaped as."""
    return sum(array.shape == shape for array in jax.live_arrays())

  elsewhere, copied, counts = count(), rl._copied, []

  def watch(*arguments):
    made = copied(*arguments)
    counts.append(count() - elsewhere)
    return made

  monkeypatch.setattr(rl, '_copied', watch)
  run(tmp_path)
  assert counts == [2, 2, 2, 2]  # The policy and its reference, at the start and after each step.


def test_the_base_of_adapters_is_the_reference(tmp_path, monkeypatch):
  """Without a second copy."""
  seen, ask = [], type(reinforcement()).__call__

  def watch(learning, state, base, reference, **options):
    seen.append(reference is base and base is not None)
    return ask(learning, state, base, reference, **options)

  monkeypatch.setattr(type(reinforcement()), '__call__', watch)
  run(tmp_path, lora=LoRA(2, 4.0), replace_every=0)
  assert seen == [True] * 3


def test_a_reference_takes_no_more_memory_than_it_is_computed_with():
  """But for adapters, whose product is added before it is rounded."""
  half = dataclasses.replace(CONFIG, dtype='bfloat16')
  in_float32 = {'scale', 'router', 'selection_bias'}
  for lora, kept in ((None, in_float32), (LoRA(2, 4.0), in_float32 | {'query', 'embedding'})):
    learning = dataclasses.replace(reinforcement(config=half), lora=lora)
    leaves = jax.tree.leaves_with_path(rl._copied(learning, params()))
    wide = {keys[-1].key for keys, leaf in leaves if leaf.dtype == np.float32}
    assert kept <= wide and (lora is not None or kept == wide)
