import numpy as np
import pytest

from r1jax.structs import Problem
from r1jax.tasks import batching


def letters(question):
  """Returns a token for each character, by its code."""
  return [ord(character) for character in question]


def problems(*questions):
  return [Problem(id=f'id{n}', question=q, gold='1') for n, q in enumerate(questions)]


def prompts(*questions, prompt=lambda question: letters(question + ':'), **options):
  address_P = np.arange(len(questions))
  options = {'prompt': prompt, 'pad_id': 0, 'max_tokens': 4, 'address_P': address_P} | options
  return batching.prompts(problems(*questions), **options)


def test_prompts_are_left_aligned_with_lengths_and_addresses():
  batch = prompts('ab', 'c', address_P=np.array([5, 6]))
  np.testing.assert_array_equal(batch.tokens_PS, [[97, 98, 58, 0], [99, 58, 0, 0]])
  np.testing.assert_array_equal(batch.length_P, [3, 2])
  np.testing.assert_array_equal(batch.address_P, [5, 6])
  assert batch.tokens_PS.dtype == batch.length_P.dtype == batch.address_P.dtype == np.int32


def test_a_prompt_of_just_the_limit_passes_and_one_more_token_is_an_error():
  np.testing.assert_array_equal(prompts('abc').length_P, [4])
  with pytest.raises(ValueError) as caught:
    prompts('a', 'abcd', 'abcdef')
  assert str(caught.value) == (
    "2 of 3 prompts are longer than the limit of 4 tokens: 'id1' (5 tokens), 'id2' (7 tokens); "
    'raise max_prompt_tokens to 7 or more, or remove these problems'
  )


def test_a_prompt_without_tokens_is_an_error():
  with pytest.raises(ValueError, match='prompt of id1 has no tokens; check template and tokenizer'):
    prompts('a', '', prompt=letters)


def test_a_whole_set_can_be_checked_before_a_run():
  options = {'prompt': letters, 'max_tokens': 3}
  assert batching.encode(problems('abc', 'd'), **options) == [[97, 98, 99], [100]]
  with pytest.raises(ValueError, match=r'10 of 10 .* and 5 more; .*max_prompt_tokens to 4'):
    batching.encode(problems(*['abcd'] * 10), **options)
