"""From problems to answers as text: prompt, group decoder, tokenizer."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from r1jax import sharding
from r1jax.decoding import Sampler, generate
from r1jax.hosts import ALONE, Division
from r1jax.model import Transformer
from r1jax.structs import Problem, Rollouts
from r1jax.tasks import batching
from r1jax.text.prompting import Chat, Plain, Prompting
from r1jax.text.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class Answers:
  """A group of answers to each of some problems; of several processes, what this one has of them.

  Attributes:
    problems: what was asked.
    rollouts: the answers as tokens. Where processes have the same prompts (`hosts.Division`), of
      all these; the others are of those that this process reads.
    texts: the same as `[P][G]` text, with what the prompt began of it, without the stop token.
    division: which process has what.
  """

  problems: Sequence[Problem]
  rollouts: Rollouts
  texts: list[list[str]]
  division: Division = ALONE

  @property
  def number_P(self) -> np.ndarray:
    """The number in the batch of each of `problems`."""
    rows = self.division.rows(self.num_prompts)
    return rows[self.division.read(self.num_prompts)]

  @property
  def num_prompts(self) -> int:
    """Of the batch, in all processes."""
    return len(self.rollouts.length_PG) * len(self.division.blocks)

  @property
  def length_PG(self) -> np.ndarray:
    """Tokens of the answers to `problems`."""
    return np.asarray(self.rollouts.length_PG)[self.division.read(self.num_prompts)]

  @property
  def truncated_PG(self) -> np.ndarray:
    """True where the limit of tokens ended the answer to one of `problems`."""
    return ~np.asarray(self.rollouts.stopped_PG)[self.division.read(self.num_prompts)]


@dataclasses.dataclass(frozen=True)
class Answering:
  """How problems are asked and answers sampled.

  Attributes:
    model: whose `config` is that of the parameters.
    tokenizer: of the model.
    template: makes a prompt's text of a question; in a chat, what the user says.
    prefill: how every answer is made to begin, such as '<think>'; part of the response.
    group_size: answers to each problem.
    max_prompt_tokens: a longer prompt is an error.
    max_completion_tokens: an answer is truncated there.
    sampler: how tokens are chosen.
    segment_tokens: tokens between two compactions of the batch.
    prompt_chunk_tokens: tokens of each prompt that are read at one time; None for all.
    mesh: devices to decode on, or None for one.
    chat: whether a prompt is a user's turn in the tokenizer's chat template.
  """

  model: Transformer
  tokenizer: Tokenizer
  template: Callable[[str], str]
  prefill: str
  group_size: int
  max_prompt_tokens: int
  max_completion_tokens: int
  sampler: Sampler
  segment_tokens: int
  prompt_chunk_tokens: int | None = None
  mesh: Mesh | None = None
  chat: bool = False

  def __call__(
    self, params: Any, problems: Sequence[Problem], key: jax.Array, *, first_address: int = 0
  ) -> Answers:
    """Samples the groups of answers.

    Args:
      params: tree of parameters.
      problems: what to ask, in all processes; only those of this one are read. Their number must
        be a multiple of the mesh's parts.
      key: root of the random numbers of this step and attempt.
      first_address: number of the first problem within the step.
    """
    division, count = sharding.division(self.mesh), len(problems)
    own = division.rows(count)
    prompts = batching.prompts(
      [problems[number] for number in own],
      prompt=self._prompting,
      pad_id=self.tokenizer.pad_id,
      max_tokens=self.max_prompt_tokens,
      address_P=first_address + own,
    )
    rollouts = generate(
      self.model,
      params,
      sharding.place(prompts, self.mesh),
      group_size=self.group_size,
      max_tokens=self.max_completion_tokens,
      sampler=self.sampler,
      stop_tokens=self.tokenizer.stop_ids,
      key=key,
      segment_tokens=self.segment_tokens,
      prompt_chunk_tokens=self.prompt_chunk_tokens,
      mesh=self.mesh,
    )
    read = division.read(count)
    asked = [problems[number] for number in own[read]]
    return Answers(asked, rollouts, self.texts(rollouts, read), division)

  def prompts(self, problems: Sequence[Problem]) -> list[list[int]]:
    """Returns the tokens of the prompts, before a run and not in its midst.

    Raises:
      ValueError: prompts are too long, or have no token; names their problems. Or the tokenizer's
        chat template is missing, or cannot be used.
    """
    return batching.encode(problems, prompt=self._prompting, max_tokens=self.max_prompt_tokens)

  @functools.cached_property
  def _prompting(self) -> Prompting:
    kind = Chat if self.chat else Plain
    return kind(self.tokenizer, self.template, self.prefill)

  def texts(self, rollouts: Rollouts, rows: np.ndarray) -> list[list[str]]:
    """Returns the answers to some of the prompts as text."""
    tokens_PGT, length_PG, stopped_PG = (
      np.asarray(array)[rows]
      for array in (rollouts.tokens_PGT, rollouts.length_PG, rollouts.stopped_PG)
    )
    length_PG = length_PG - stopped_PG
    begun = self._prompting.begun
    return [
      [
        begun + self.tokenizer.decode(tokens[:length].tolist())
        for tokens, length in zip(group, lengths)
      ]
      for group, lengths in zip(tokens_PGT, length_PG)
    ]
