"""The stage around the step: which parameters are on the devices."""

import jax
from closed_loop import host_params, params, reinforcement

from r1jax.stages import loop, rl
from r1jax.stages.policy import Policy
from r1jax.training.clock import Clock
from r1jax.training.interrupt import StopRequest


def run(workdir):
  """Three steps, after each of which the policy becomes the reference."""
  learning = reinforcement(kl_weight=0.3)
  stage = rl.Stage(
    learning=learning,
    cadence=loop.Cadence(
      3, checkpoint_every=2, evaluate_every=0, completions_every=0, max_skipped=1
    ),
    benchmarks=(),
    final=frozenset(),
    replace_reference_every=1,
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
