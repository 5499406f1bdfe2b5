"""From a question to the tokens of a prompt, and what the prompt says of the answer already."""

import re
from collections.abc import Callable
from typing import Protocol

from r1jax.text import hf
from r1jax.text.chat import ChatTemplate
from r1jax.text.tokenizer import Tokenizer


class Prompting(Protocol):
  """How questions are put to a model.

  Attributes:
    begun: how every answer begins, as the prompt's end says; part of the response.
  """

  begun: str

  def __call__(self, question: str) -> list[int]:
    """Returns the tokens of a prompt."""
    ...


class Plain:
  """A prompt is a text that a base model continues; see `Prompting`.

  It begins with the tokenizer's token for the beginning of a text, if it has one; names of control
  tokens are mere text.
  """

  def __init__(self, tokenizer: Tokenizer, template: Callable[[str], str], prefill: str):
    """Takes a tokenizer, what makes a text of a question, and how every answer is to begin."""
    self._tokenizer, self._template, self.begun = tokenizer, template, prefill

  def __call__(self, question: str) -> list[int]:
    """Returns the tokens of a prompt."""
    start = [] if self._tokenizer.bos_id is None else [self._tokenizer.bos_id]
    return start + self._tokenizer.encode(self._template(question) + self.begun)


# Stand for turns where only what is around them matters; private, so that no template has them.
_USER, _ASSISTANT = '\ue000', '\ue001'
_THOUGHT = re.compile('</?think>')


class Chat:
  """A prompt is the user's turn in the tokenizer's chat template; see `Prompting`.

  The template writes all control tokens, that for the beginning among them; in the question their
  names are mere text. Where it opens the assistant's reasoning, as R1's distilled models have it
  with `<think>`, the response begins there.
  """

  def __init__(self, tokenizer: Tokenizer, template: Callable[[str], str], prefill: str):
    """Takes a tokenizer, what makes a turn of a question, and how every answer is to begin.

    Raises:
      ValueError: there is no chat template, or it is damaged, leaves out what the user says, or
        ends the assistant's turn with a token that ends no completion.
    """
    if not isinstance(tokenizer, hf.HuggingFace) or tokenizer.chat_template is None:
      raise ValueError(
        'the tokenizer has no chat template: its folder needs chat_template.jinja, or the field '
        "chat_template in tokenizer_config.json; of several, one is named 'default'"
      )
    self._tokenizer, self._turn = tokenizer, template
    self._prefill = prefill
    self._template = ChatTemplate(tokenizer.chat_template, tokenizer.special_tokens)
    self._controls = _any_of(tokenizer.control_tokens(tokenizer.chat_template))
    self.begun = self._opened() + prefill
    self._check_end()

  def __call__(self, question: str) -> list[int]:
    """Returns the tokens of a prompt."""
    turn = self._turn(question)
    # Names of control tokens are broken in two, so that a question can neither end its turn nor
    # speak for another.
    mark = next(chr(code) for code in range(0xE000, 0xF900) if chr(code) not in turn)
    broken = self._controls.sub(lambda name: f'{name[0][0]}{mark}{name[0][1:]}', turn)
    text = self._asked(broken) + self._prefill
    return [id for part in text.split(mark) for id in self._tokenizer.encode_controls(part)]

  def _asked(self, turn: str, *, opens_reply: bool = True) -> str:
    return self._template.render([{'role': 'user', 'content': turn}], opens_reply=opens_reply)

  def _opened(self) -> str:
    """Returns what the template says of the assistant's reasoning: a tag, or nothing."""
    closed, asked = (self._asked(_USER, opens_reply=opens) for opens in (False, True))
    if asked.count(_USER) != 1:
      raise ValueError(
        f"the chat template has the user's turn {asked.count(_USER)} times in the prompt, not once"
      )
    after = asked.partition(_USER)[2]
    reply = after.removeprefix(closed.partition(_USER)[2]) or after
    tag = _THOUGHT.search(reply)
    return reply[tag.start() :] if tag else ''

  def _check_end(self) -> None:
    """Raises ValueError if answers that end as the template has it would run on."""
    turns = [('user', _USER), ('assistant', _ASSISTANT)]
    messages = [{'role': role, 'content': content} for role, content in turns]
    text = self._template.render(messages, opens_reply=False)
    end = self._controls.search(text.rpartition(_ASSISTANT)[2])
    stops = [self._tokenizer.piece(id) for id in self._tokenizer.stop_ids]
    if end and end[0] not in stops:
      raise ValueError(
        f"the chat template ends the assistant's turn with {end[0]!r}, which ends no completion: "
        f'those that do are {", ".join(map(repr, stops))}. If the model was trained on the '
        'template, add its id to eos_token_id in generation_config.json'
      )


def _any_of(names: list[str]) -> re.Pattern[str]:
  """Returns what finds any of the names, the longest first; without names nothing."""
  longest = sorted(names, key=len, reverse=True)
  return re.compile('|'.join(map(re.escape, longest)) or '(?!)')
