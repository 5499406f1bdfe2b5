"""What flows down the map: problems, prompts, rollouts.

The legend of shape letters, used as suffixes of names everywhere:

  P  prompts (questions) of a step          B  sequences
  G  samples of a prompt's group            L  tokens of a sequence
  S  tokens of a prompt                     D  model width
  T  completion tokens                      H  query heads
  V  vocabulary                             K  key-value heads
  E  experts                                F  feed-forward width
  C  rank of the key-value latent

A module that needs more letters says so in its docstring. Log-probabilities are in nats.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from flax import struct

Array = Any  # jax.Array on devices and inside jit, np.ndarray on the host.


@dataclasses.dataclass(frozen=True)
class Problem:
  """A question with a verifiable answer.

  Attributes:
    id: unique within its task and split; names the row in errors and records.
    question: what is asked, without any prompt template.
    gold: the right answer as text; the reward parses it.
    metadata: what a reward needs to know of the problem besides, such as the options of multiple
      choice and the language to think in (`lang`), and facts that evaluation groups by, such as
      depth, family, level and subject.
  """

  id: str
  question: str
  gold: str
  metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@struct.dataclass
class Prompts:
  """Questions as tokens, left-aligned.

  Attributes:
    tokens_PS: int32 token ids; what stands at or after a prompt's length has no effect.
    length_P: int32 number of tokens of each prompt, at least 1.
    address_P: int32 number of the prompt within its step: part of the address of every random
      number drawn for it, so a prompt's samples do not depend on the batch it is decoded in.
  """

  tokens_PS: Array
  length_P: Array
  address_P: Array


@struct.dataclass
class Experts:
  """The experts that each token chose, in order of choice; for replay (Q choices a token).

  Attributes:
    prefix_NPSQ: for prompt tokens but the last (so max(S - 1, 1) of them), in each of N expert
      layers; content at and after that has no meaning.
    suffix_NPGTQ: for the tokens that are inputs of the suffix: entry t routed the token whose
      output predicts completion token t; content at and after the length has no meaning.
  """

  prefix_NPSQ: Array
  suffix_NPGTQ: Array


@struct.dataclass
class Rollouts:
  """Groups of sampled completions.

  Attributes:
    prompts: what was asked.
    tokens_PGT: int32 sampled token ids, the stop token included.
    length_PG: int32 number of sampled tokens.
    logp_PGT: log-probability of each token under the temperature-scaled distribution, before
      top-k or top-p cut it; 0 at and after the length.
    margin_PGT: distance of each draw's uniform number from the nearest boundary at which
      another token would have been drawn; below about 1e-4 rounding may decide.
    stopped_PG: True if a stop token ended the completion, False if the limit truncated it.
    experts: the experts chosen while sampling, or None for a model without experts.
  """

  prompts: Prompts
  tokens_PGT: Array
  length_PG: Array
  logp_PGT: Array
  margin_PGT: Array
  stopped_PG: Array
  experts: Experts | None
