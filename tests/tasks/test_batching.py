import numpy as np
import pytest

from r1jax.structs import Problem
from r1jax.tasks import batching


class Letters:
  """One token a character, by its code; 0 pads."""

  pad_id = 0

  def __init__(self, bos_id=None):
    self.bos_id = bos_id

  def encode(self, text):
    return [ord(character) for character in text]


def problems(*questions):
  return [Problem(id=f'id{n}', question=q, gold='1') for n, q in enumerate(questions)]


def prompts(*questions, tokenizer=None, template=lambda question: question + ':', **options):
  return batching.prompts(
    problems(*questions),
    **{
      'template': template,
      'tokenizer': tokenizer or Letters(),
      'max_tokens': 4,
      'address_P': np.arange(len(questions)),
      **options,
    },
  )


def test_prompts_are_left_aligned_with_lengths_and_addresses():
  batch = prompts('ab', 'c', address_P=np.array([5, 6]))
  np.testing.assert_array_equal(batch.tokens_PS, [[97, 98, 58, 0], [99, 58, 0, 0]])
  np.testing.assert_array_equal(batch.length_P, [3, 2])
  np.testing.assert_array_equal(batch.address_P, [5, 6])
  assert batch.tokens_PS.dtype == batch.length_P.dtype == batch.address_P.dtype == np.int32


def test_the_beginning_of_text_token_comes_first_and_counts():
  batch = prompts('ab', tokenizer=Letters(bos_id=1))
  np.testing.assert_array_equal(batch.tokens_PS, [[1, 97, 98, 58]])
  np.testing.assert_array_equal(batch.length_P, [4])
  with pytest.raises(ValueError, match=r"'id0' \(5 tokens\)"):
    prompts('abc', tokenizer=Letters(bos_id=1))


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
    prompts('a', '', template=lambda question: question)


def test_a_whole_set_can_be_checked_before_a_run():
  options = {'template': str, 'tokenizer': Letters(), 'max_tokens': 3}
  assert batching.encode(problems('abc', 'd'), **options) == [[97, 98, 99], [100]]
  with pytest.raises(ValueError, match=r'10 of 10 .* and 5 more; .*max_prompt_tokens to 4'):
    batching.encode(problems(*['abcd'] * 10), **options)
