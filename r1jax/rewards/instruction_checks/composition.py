"""What a response is composed of: a repeated request, two responses, its beginning and its end."""

import functools
import re

from r1jax.rewards.instruction_checks import disguises, wording

# Exactly six: seven are another mark.
_SEPARATOR = re.compile(r'(?<!\*)\*{6}(?!\*)')
# Opening and closing marks of a quotation.
_QUOTES = {'"': '"', '“': '”'}
_OPENING_MARKS = frozenset('([{<*_“"')


def repeat_prompt(text: str, *, prompt_to_repeat: str) -> bool:
  """Returns whether a response begins with the request, word for word, and then answers.

  Paper: nothing needs to follow; here: something must, because the instruction is to repeat the
  request and then to answer it.
  """
  answer = answer_after(text, prompt_to_repeat)
  return answer is not None and wording.says_something(answer)


def answer_after(text: str, prompt: str) -> str | None:
  """Returns what follows a request that a text begins with, or None if it does not.

  Case, the amount of white space and the form of quotation marks do not matter. Paper: the last
  word may go on, as `Say hi` does in `Say high`; here: it has to end.
  """
  request = wording.straighten(prompt.strip())
  repeated = _request(request).match(wording.straighten(text))
  if not repeated or wording.continues(request[-1], text[repeated.end() : repeated.end() + 1]):
    return None
  return text[repeated.end() :]


def two_responses(text: str) -> bool:
  """Returns whether six asterisks part two responses, both with words and not the same words.

  A separator before the first or after the second is allowed. Paper: a full stop more makes another
  response; here: their words have to differ.
  """
  parts = _SEPARATOR.split(text)
  if not parts[0].strip():
    parts = parts[1:]
  if parts and not parts[-1].strip():
    parts = parts[:-1]
  if len(parts) != 2:
    return False
  first, second = (wording.words(disguises.fold(part)) for part in parts)
  return bool(first and second) and first != second


def end_checker(text: str, *, end_phrase: str) -> bool:
  """Returns whether a response ends with the phrase, quotes and emphasis aside, in either case.

  Paper: the phrase alone will do, as will one that ends a longer word, but not `**Peace!**` or one
  with a curly apostrophe; here: it begins with a word, an answer stands before it, and how it is
  printed does not matter.
  """
  text, phrase = _unprinted(text), _unprinted(end_phrase)
  if not text.endswith(phrase):
    return False
  answer = text[: len(text) - len(phrase)]
  return not (phrase[:1].isalnum() and answer[-1:].isalnum()) and wording.says_something(answer)


def quotation(text: str) -> bool:
  """Returns whether one pair of double quotation marks wraps all of a response.

  Paper: only straight marks count, and `"Yes" and "no"` is wrapped; here: curly ones count as well,
  and the pair has to be one, because two quotations do not wrap what stands between them, nor does
  one that another mark follows, as in `"x" "`.
  """
  text = text.strip()
  if _QUOTES.get(text[:1]) != text[-1:] or not wording.says_something(text):
    return False
  depth = end = 1
  for mark in re.finditer('["“”]', text[:-1]):
    if mark.start() == 0:
      continue
    end = mark.end()
    if not _opens(text, mark.start()):
      depth = max(depth - 1, 0)
    elif depth == 0:
      return False
    else:
      depth += 1
  rest = text[end:-1]
  return depth > 0 or not rest[:1].isspace() or wording.says_something(rest)


def _unprinted(text: str) -> str:
  """Returns a text in small letters, without asterisks, and without quotes at its end."""
  text = wording.straighten(text).replace('*', '').strip()
  return text.rstrip('"_').rstrip().lower()


def _opens(text: str, at: int) -> bool:
  """Returns whether a quotation mark opens a quotation, by what stands around it."""
  if text[at] in '“”':
    return text[at] == '“'
  before, after = text[at - 1], text[at + 1]
  return (before.isspace() or before in _OPENING_MARKS) and not after.isspace()


@functools.lru_cache(maxsize=1024)
def _request(prompt: str) -> re.Pattern[str]:
  words = map(re.escape, prompt.split())
  return re.compile(r'\s*+' + r'\s++'.join(words), re.IGNORECASE)
