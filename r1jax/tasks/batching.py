"""Problems as arrays of prompt tokens.

A prompt is the tokenizer's token for the beginning of a text, if it has one, and the template
filled with the question. Prompts are left-aligned; one that is too long is an error, never cut:
a question without its end has another answer.
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np

from r1jax import structs
from r1jax.text.tokenizer import Tokenizer

_MAX_SHOWN = 5


def prompts(
  problems: Sequence[structs.Problem],
  *,
  template: Callable[[str], str],
  tokenizer: Tokenizer,
  max_tokens: int,
  pad_to: int | None = None,
  first_address: int = 0,
) -> structs.Prompts:
  """Returns the problems as prompts, in their order.

  Args:
    problems: at least one.
    template: makes the prompt's text of a question.
    tokenizer: its `encode` adds no special tokens.
    max_tokens: longest prompt allowed, in tokens.
    pad_to: number of columns S, at least the longest prompt here; without it, just that.
      A fixed number, such as `max_tokens`, spares recompilation.
    first_address: address of the first prompt within its step; the others follow.

  Raises:
    ValueError: a prompt is longer than `max_tokens`, or has no token at all; names the problems.
  """
  encoded = _encode(problems, template=template, tokenizer=tokenizer, max_tokens=max_tokens)
  length_P = np.array([len(tokens) for tokens in encoded], np.int32)
  num_columns = int(length_P.max()) if pad_to is None else pad_to
  assert num_columns >= length_P.max(), f'{length_P.max()} prompt tokens in {num_columns} columns'
  tokens_PS = np.full((len(encoded), num_columns), tokenizer.pad_id, np.int32)
  for row_S, tokens in zip(tokens_PS, encoded):
    row_S[: len(tokens)] = tokens
  return structs.Prompts(
    tokens_PS=jnp.asarray(tokens_PS),
    length_P=jnp.asarray(length_P),
    address_P=jnp.arange(first_address, first_address + len(encoded), dtype=jnp.int32),
  )


def check_lengths(
  problems: Sequence[structs.Problem],
  *,
  template: Callable[[str], str],
  tokenizer: Tokenizer,
  max_tokens: int,
) -> None:
  """Raises the errors of `prompts` for all problems at once: before a run, not in its midst."""
  _encode(problems, template=template, tokenizer=tokenizer, max_tokens=max_tokens)


def _encode(
  problems: Sequence[structs.Problem],
  *,
  template: Callable[[str], str],
  tokenizer: Tokenizer,
  max_tokens: int,
) -> list[list[int]]:
  start = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
  encoded = [start + tokenizer.encode(template(problem.question)) for problem in problems]
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
