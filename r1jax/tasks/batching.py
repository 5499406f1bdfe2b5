"""Problems as arrays of prompt tokens.

Prompts are left-aligned; one that is too long is an error, never cut: a question without its end
has another answer.
"""

from collections.abc import Callable, Sequence

import numpy as np

from r1jax import structs

_MAX_SHOWN = 5


def prompts(
  problems: Sequence[structs.Problem],
  *,
  prompt: Callable[[str], list[int]],
  pad_id: int,
  max_tokens: int,
  address_P: np.ndarray,
) -> structs.Prompts:
  """Returns the problems as prompts on the host, in their order.

  Args:
    problems: at least one.
    prompt: makes the tokens of a prompt of a question, as `text.prompting` does.
    pad_id: stands behind the tokens.
    max_tokens: longest prompt allowed, and number of columns S: the same for all batches, so that
      they share a compiled program.
    address_P: number of each prompt within its step.

  Raises:
    ValueError: a prompt is longer than `max_tokens`, or has no token at all; names the problems.
  """
  encoded = encode(problems, prompt=prompt, max_tokens=max_tokens)
  length_P = np.array([len(tokens) for tokens in encoded], np.int32)
  tokens_PS = np.full((len(encoded), max_tokens), pad_id, np.int32)
  for row_S, tokens in zip(tokens_PS, encoded):
    row_S[: len(tokens)] = tokens
  return structs.Prompts(
    tokens_PS=tokens_PS,
    length_P=length_P,
    address_P=np.asarray(address_P, np.int32),
  )


def encode(
  problems: Sequence[structs.Problem],
  *,
  prompt: Callable[[str], list[int]],
  max_tokens: int,
) -> list[list[int]]:
  """Returns the tokens of the prompts; arguments and errors are those of `prompts`."""
  encoded = [prompt(problem.question) for problem in problems]
  sizes = [(problem.id, len(tokens)) for problem, tokens in zip(problems, encoded)]
  if empty := [id for id, size in sizes if not size]:
    raise ValueError(f'the prompt of {_listed(empty)} has no tokens; check template and tokenizer')
  if long := [f'{id!r} ({size} tokens)' for id, size in sizes if size > max_tokens]:
    raise ValueError(
      f'{len(long)} of {len(sizes)} prompts are longer than the limit of {max_tokens} tokens: '
      f'{_listed(long)}; raise max_prompt_tokens to {max(size for _, size in sizes)} or more, '
      'or remove these problems'
    )
  return encoded


def _listed(items: list[str]) -> str:
  shown = ', '.join(items[:_MAX_SHOWN])
  return shown if len(items) <= _MAX_SHOWN else f'{shown} and {len(items) - _MAX_SHOWN} more'
