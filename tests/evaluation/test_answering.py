"""Asking with a fake decoder: what the prompt is, and what of the answer becomes text."""

import numpy as np
import pytest

from r1jax.decoding import Sampler
from r1jax.evaluation import answering
from r1jax.evaluation.answering import Answering
from r1jax.structs import Problem, Rollouts


class Letters:
  """One token a letter, by its code; 0 fills up, 1 and 2 end."""

  pad_id, eos_id, stop_ids, bos_id = 0, 1, (1, 2), None

  def encode(self, text):
    return [ord(letter) for letter in text]

  def decode(self, ids):
    return ''.join(map(chr, ids))


PROBLEMS = [Problem('a', '1+1', '2'), Problem('b', '2+2=', '4')]
# One answer ends by itself, one is cut off.
SAMPLED = ['so 2\x01', 'so it']


@pytest.fixture
def ask(monkeypatch):
  """Returns the asking, and what the decoder was called with."""
  calls = {}

  def generate(model, params, prompts, **options):
    calls.update(options, prompts=prompts, params=params)
    tokens_GT = np.array([[ord(letter) for letter in text] for text in SAMPLED])
    tokens_PGT = np.stack([tokens_GT] * len(PROBLEMS))
    count = tokens_PGT.shape[:2]
    return Rollouts(
      prompts=prompts,
      tokens_PGT=tokens_PGT,
      length_PG=np.full(count, 5),
      logp_PGT=np.zeros(tokens_PGT.shape),
      margin_PGT=np.ones(tokens_PGT.shape),
      stopped_PG=np.broadcast_to([True, False], count),
      experts=None,
    )

  monkeypatch.setattr(answering, 'generate', generate)
  asking = Answering(
    model=None,
    tokenizer=Letters(),
    template='Q: {} A: '.format,
    prefill='<think>',
    group_size=2,
    max_prompt_tokens=20,
    max_completion_tokens=5,
    sampler=Sampler(),
    segment_tokens=5,
  )
  return asking, calls


def test_a_prefill_ends_the_prompt_and_begins_the_answer(ask):
  asking, calls = ask
  answers = asking('parameters', PROBLEMS, 'key', first_address=3)
  prompts = calls['prompts']
  texts = [
    Letters().decode(np.asarray(tokens)[:length])
    for tokens, length in zip(prompts.tokens_PS, prompts.length_P)
  ]
  assert texts == ['Q: 1+1 A: <think>', 'Q: 2+2= A: <think>']
  assert prompts.tokens_PS.shape == (2, 20)
  np.testing.assert_array_equal(prompts.address_P, [3, 4])
  assert answers.texts == [['<think>so 2', '<think>so it']] * 2, 'the stop token is no text'
  np.testing.assert_array_equal(answers.truncated_PG, [[False, True]] * 2)


def test_every_token_that_ends_a_completion_stops_the_decoder(ask):
  asking, calls = ask
  asking('parameters', PROBLEMS, 'key')
  assert calls['stop_tokens'] == (1, 2)
  assert calls['group_size'] == 2 and calls['max_tokens'] == calls['segment_tokens'] == 5


def test_the_prefill_counts_in_the_length_of_a_prompt(ask):
  asking, _ = ask
  assert [len(prompt) for prompt in asking.prompts(PROBLEMS)] == [17, 18]
  with pytest.raises(ValueError, match=r"limit of 20 tokens: 'long' \(22 tokens\)"):
    asking.prompts([*PROBLEMS, Problem('long', '1234+567', '5801')])
