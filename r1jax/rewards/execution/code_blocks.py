"""The program in a response: its last fenced code block (CommonMark, section 4.5).

A fence is a line of three or more backticks or tildes, perhaps with the name of a language; it is
closed by a line of as many or more of the same and nothing else. So a block may hold shorter
fences, those of the other kind, and those that are indented more deeply. A fence with a language
cannot close, so it opens: of nested blocks the innermost counts, as of tags. A block that is never
closed was cut off, and is none. Blocks may stand in lists. One that names another language than
those asked for is no program, such as what the program prints.
"""

import dataclasses
import itertools
import operator
import re
from collections.abc import Sequence

from r1jax.text import tags

# Names of languages after a fence, without versions; '' is for none.
LANGUAGES = {
  'python': 'python',
  'py': 'python',
  'pypy': 'python',
  'cpp': 'cpp',
  'c++': 'cpp',
  'cc': 'cpp',
  'cxx': 'cpp',
  '': '',
}
# Characters of a program; a longer one is none.
MAX_LENGTH = 1 << 16
# Indentation and marks of lists, the fence, and what is said of the block.
_FENCE = re.compile(
  r'([ \t]*+(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]++)*+)(`{3,}+|~{3,}+)[ \t]*+([^`\n]*+)'
)
# As in `python3.11`, `{.python}`, `python:main.py` and `language-c++17`, but not `python-repl`.
_LANGUAGE = re.compile(r'[{.]*+(?:language-)?([a-z]++(?:\+\+)?+|$)[0-9.]*+(?![\w-])')
# A fence may be so much deeper than what it stands in.
_MAX_INDENT = 3


@dataclasses.dataclass(frozen=True)
class Block:
  """A fenced block.

  Attributes:
    language: that is named, one of those asked for; '' if none is.
    code: what stands in it.
  """

  language: str
  code: str


def find_program(response: str, languages: Sequence[str]) -> Block | None:
  """Returns the last code block after the reasoning, within the answer block if there is one.

  Args:
    response: any text.
    languages: values of LANGUAGES; blocks that name another language do not count.
  """
  final = tags.strip_reasoning(response)
  answer = tags.answer_block(final)
  return last_block(final if answer is None else answer, languages)


def last_block(text: str, languages: Sequence[str]) -> Block | None:
  """Returns the last block of a text that is opened and closed, or None; as `find_program`."""
  last, opened, start = None, None, 0
  lines = text.replace('\r\n', '\n').split('\n')
  for number, line in enumerate(lines):
    fence = _FENCE.fullmatch(line)
    if not fence or (opened and not _may_end(opened, fence)):
      continue
    if fence[3].strip() or not opened:
      opened, start = fence, number + 1
      continue
    language = _language(opened[3])
    if language in ('', *languages):
      last = (language, _indent(opened), lines[start:number])
    opened = None
  return _block(*last) if last else None


def _may_end(opened: re.Match[str], fence: re.Match[str]) -> bool:
  """Returns whether a fence is none of the content of an open block."""
  if not fence[2].startswith(opened[2]) or fence[1].strip():
    return False
  return len(_indent(fence).expandtabs(4)) <= len(_indent(opened).expandtabs(4)) + _MAX_INDENT


def _indent(fence: re.Match[str]) -> str:
  """Returns the white space before a fence; marks of lists are white space for what follows."""
  return re.sub(r'[^ \t]', ' ', fence[1])


def _language(info: str) -> str | None:
  """Returns the language that is named, '' if there is none, or None if it is not known."""
  name = _LANGUAGE.match(info.strip().lower())
  return LANGUAGES.get(name[1]) if name else None


def _block(language: str, indent: str, lines: list[str]) -> Block | None:
  code = '\n'.join(line[_shared(line, indent) :] for line in lines)
  return Block(language, code + '\n') if len(code) <= MAX_LENGTH else None


def _shared(line: str, indent: str) -> int:
  """Returns how many characters a line and its block begin with alike."""
  return sum(itertools.takewhile(bool, map(operator.eq, line, indent)))
