"""Chat templates: a conversation as the text that its model was trained on.

A chat template is a program in Jinja that comes with a tokenizer, from whoever published the model.
It runs in Jinja's sandbox and has what transformers gives it: the conversation, the names of the
control tokens, `raise_exception`, `strftime_now`, `tojson`, loop controls, blocks of `generation`
(https://huggingface.co/docs/transformers/chat_templating_writing).
"""

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import jinja2
import jinja2.ext
import jinja2.sandbox
import jinja2.utils

# transformers: today. Here one day, that which Llama's templates take where there is no clock, so
# that a run asks tomorrow what it asked today.
TODAY = datetime.datetime(2024, 7, 26)


class ChatTemplate:
  """A chat template that is ready to be filled."""

  def __init__(self, source: str, variables: Mapping[str, str]):
    """Compiles a template.

    Args:
      source: the template.
      variables: names of control tokens by their roles, such as `bos_token`.

    Raises:
      ValueError: it is no template.
    """
    self._variables = dict(variables)
    try:
      self._template = _environment().from_string(source)
    except jinja2.TemplateError as error:
      raise ValueError(f'the chat template is damaged: {error}') from error

  def render(self, messages: Sequence[Mapping[str, str]], *, opens_reply: bool) -> str:
    """Returns a conversation as text.

    Args:
      messages: turns, each with `role` and `content`.
      opens_reply: whether the assistant's next turn is begun.

    Raises:
      ValueError: the template refuses the conversation, or is at fault.
    """
    # Tools and documents there are none, which templates ask for.
    given = {'tools': None, 'documents': None, 'add_generation_prompt': opens_reply}
    turns = [dict(message) for message in messages]
    try:
      return self._template.render(messages=turns, **self._variables, **given)
    except Exception as error:  # A program of somebody's may raise anything.
      raise ValueError(f'the chat template cannot be filled: {error}') from error


def _environment() -> jinja2.sandbox.ImmutableSandboxedEnvironment:
  made = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
  )
  made.filters['tojson'] = _to_json
  made.globals |= {
    'raise_exception': _refuse,
    'strftime_now': TODAY.strftime,
    'namespace': _Namespace,
    # Not the class, whose methods would change what the sandbox keeps.
    'dict': lambda *pairs, **fields: dict(*pairs, **fields),
  }
  return made


class _Generation(jinja2.ext.Extension):
  """Blocks that mark what the assistant says; here their content and no more."""

  tags = {'generation'}  # noqa: RUF012

  def parse(self, parser: Any) -> Any:
    next(parser.stream)
    return parser.parse_statements(('name:endgeneration',), drop_needle=True)


class _Namespace(jinja2.utils.Namespace):
  """What a template may write to: nothing that Python itself reads."""

  def __init__(*args: Any, **fields: Any):
    self, *pairs = args
    named = dict(*pairs, **fields)
    for name in named:
      _check_name(name)
    jinja2.utils.Namespace.__init__(self, named)

  def __setitem__(self, name: str, value: Any) -> None:
    _check_name(name)
    super().__setitem__(name, value)


def _check_name(name: str) -> None:
  if name.startswith('_'):
    raise jinja2.sandbox.SecurityError(f'a namespace cannot have {name!r}')


def _refuse(message: str) -> NoReturn:
  raise jinja2.TemplateError(message)


def _to_json(
  value: Any,
  ensure_ascii: bool = False,
  indent: int | None = None,
  separators: tuple[str, str] | None = None,
  sort_keys: bool = False,
) -> str:
  """As `json.dumps`: Jinja's own escapes what HTML would read."""
  return json.dumps(
    value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
  )
