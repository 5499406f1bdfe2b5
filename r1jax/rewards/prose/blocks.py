r"""Formulas, code and markup, told from the prose around them.

A block that is opened and never closed hides nothing, and a formula ends before a blank line, so a
stray dollar sign or fence takes nothing with it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from r1jax.rewards.prose import speech

# Environments without prose; others (`itemize`, `proof`) hold some.
_ENVIRONMENTS = (
  'align|aligned|alignedat|alignat|array|asy|[bBpvV]?matrix|cases|displaymath|eqnarray|equation'
  '|flalign|gather|gathered|lstlisting|math|multline|smallmatrix|split|tabular|tikzpicture|verbatim'
)
# A backslash may be doubled, as in text taken out of JSON; an escaped dollar opens nothing.
_OPENING = re.compile(
  r'^[ \t>]*+(?P<fence>`{3,}+|~{3,}+)[^`\n]*+$'
  r'|(?P<ticks>`++)'
  r'|\\\$|(?P<dollars>\${1,2})'
  r'|\\{1,2}+(?P<bracket>[(\[])'
  rf'|\\{{1,2}}+begin\{{(?P<environment>(?:{_ENVIRONMENTS})\*?)\}}'
  r'|(?P<asy>\[asy\])',
  re.MULTILINE,
)
_LONGEST_FENCE = 6
# Kinds of openings that `find` passes over; None is an escaped dollar.
_LITERAL = ('ticks', 'dollars', 'environment', None)
# What may stand between blocks that are side by side.
_BESIDE = re.compile(r'\s*+(?:[^A-Za-z\s]\s*+){0,3}')
_BLANK_LINE = r'\n[ \t]*+$|\Z'
# What a formula has that words between two signs of money have not.
_SIGN = re.compile(r'[-+*/=<>^_|\\{}()0-9]|(?<!\w)[A-Za-z](?!\w)')

# Markup outside of blocks. What a command or a tag encloses is prose, and stays.
_MARKUP = re.compile(
  # An address ends at a hyphen: words joined by hyphens are words.
  r'(?<![A-Za-z])(?:https?://|www\.)(?P<address>[!-,.-~]{1,100}+)'
  r'|</?(?:think|answer|a|b|i|u|p|em|br|hr|li|ol|ul|td|th|tr|sub|sup|div|pre|code|span|table'
  r'|strong|h[1-6]|details|summary)\b[ /]*+>'
  r'|\\{1,2}+(?:begin|end|label|ref|eqref|cite|usepackage|documentclass|includegraphics|[hv]space)'
  r'\*?(?P<argument>(?:\[[^\[\]\n]{0,60}+\])?\{[^{}\n]{0,60}+\})'
  r'|\\{1,2}+(?P<command>[A-Za-z]++)'
  r'|(?:`{3,}+|~{3,}+)[A-Za-z0-9+#.-]{0,20}+'
  r'|\[/?asy\]'
)


class Prose(NamedTuple):
  """What is left of a text without its blocks.

  Attributes:
    text: the prose, with the language that formulas and code hold in its place.
    names: the long words of names in formulas, code, addresses and arguments of commands.
  """

  text: str
  names: list[str]


def remove(text: str) -> Prose:
  """Returns a folded text without formulas, code, markup and addresses, and their names.

  What is language in them stays: see `speech`.
  """
  parts: list[str] = []
  found: list[str] = []
  blocks: list[str] = []

  def hear(block: str) -> str:
    heard = speech.hear(block)
    found.extend(heard.names)
    return heard.language

  def unmark(markup: re.Match[str]) -> str:
    command = markup['command']
    if command:  # A backslash makes no word a command.
      return ' ' if command in speech.COMMANDS else f' {command} '
    return f' {hear(markup["address"] or markup["argument"] or "")} '

  for prose, block in split(text):
    # Blocks side by side are heard as one: a sentence may be cut up into formulas.
    if blocks and not _BESIDE.fullmatch(prose):
      parts.append(hear(' '.join(blocks)))
      blocks = []
    parts.append(prose)
    blocks += [',', block] if blocks and prose.strip() else [block]
  parts.append(hear(' '.join(blocks)))
  return Prose(_MARKUP.sub(unmark, ' '.join(parts)), found)


def split(text: str) -> Iterator[tuple[str, str]]:
  """Yields prose, and the content of the formula or code that follows it, in turn.

  What stands behind an opening fence is content too, a colon after it. The last block is '' if the
  text does not end with one.
  """
  start = 0
  for opening, closing in _find(text):
    if closing:
      content = text[opening.end() : closing.start()]
      info = text[opening.end('fence') : opening.end()].strip() if opening['fence'] else ''
      yield text[start : opening.start()], f'{info}:{content}' if info else content
      start = closing.end()
  yield text[start:], ''


class Found(NamedTuple):
  r"""Blocks that make a text hard to read.

  Attributes:
    fenced: the content of every block of code between fences.
    unclosed: what opens a block and is never closed: fences, `$$`, `\[`, `\(`. A single dollar or
      backquote is none, because it may stand for itself; environments are left to the caller,
      because some hold prose.
  """

  fenced: list[str]
  unclosed: list[str]


def find(text: str) -> Found:
  """Returns the blocks of a text that make it hard to read."""
  found = Found([], [])
  for opening, closing in _find(text):
    if closing and opening['fence']:
      found.fenced.append(text[opening.end() : closing.start()])
    if not closing and (opening.lastgroup not in _LITERAL or opening['dollars'] == '$$'):
      found.unclosed.append(opening.group().strip())
  return found


def _find(text: str) -> Iterator[tuple[re.Match[str], re.Match[str] | None]]:
  """Yields what may open a block outside of others, and what closes it, or None."""
  closings = _Closings(text)
  position = 0
  while opening := _OPENING.search(text, position):
    closing = closings.of(opening)
    position = (closing or opening).end()
    yield opening, closing


class _Closings:
  """Finds where the blocks of a text close.

  Openings are asked for in the order of the text; then a closing that was found and lies ahead need
  not be looked for again, so all the searches together take linear time.
  """

  def __init__(self, text: str):
    self._text = text
    self._found: dict[str, re.Match[str] | None] = {}

  def of(self, opening: re.Match[str]) -> re.Match[str] | None:
    """Returns what closes a block; None if nothing does, or if it is no block."""
    kind = opening.lastgroup
    if kind is None:
      return None  # An escaped dollar.
    mark, start = opening[kind], opening.end()
    if kind == 'dollars':
      return self._of_dollars(opening)
    if kind == 'ticks':
      return self._in_paragraph(rf'(?<!`)`{{{min(len(mark), _LONGEST_FENCE)}}}(?!`)', start)
    if kind == 'bracket':
      return self._in_paragraph(r'\\\)' if mark == '(' else r'\\\]', start)
    if kind == 'environment':
      return self._next(rf'\\end\{{{re.escape(mark)}\}}', start)
    if kind == 'asy':
      return self._next(r'\[/asy\]', start)
    return self._next(rf'^[ \t>]*+{mark[0]}{{{min(len(mark), _LONGEST_FENCE)},}}+[ \t]*+$', start)

  def _of_dollars(self, opening: re.Match[str]) -> re.Match[str] | None:
    if opening['dollars'] == '$$':
      return self._in_paragraph(r'(?<!\\)\$\$', opening.end())
    closing = self._in_paragraph(r'(?<!\\)\$', opening.end())
    if closing is None:
      return None
    before = self._text[max(opening.start() - 1, 0) : opening.start()]
    after = self._text[closing.end() : closing.end() + 1]
    formula = self._text[opening.end() : closing.start()]
    return closing if _is_formula(before, formula, after) else None

  def _in_paragraph(self, pattern: str, start: int) -> re.Match[str] | None:
    closing = self._next(pattern, start)
    end = closing and self._next(_BLANK_LINE, start)
    return closing if end and closing and closing.start() <= end.start() else None

  def _next(self, pattern: str, start: int) -> re.Match[str] | None:
    found = self._found.get(pattern)
    if pattern not in self._found or (found and found.start() < start):
      found = re.compile(pattern, re.MULTILINE).search(self._text, start)
      self._found[pattern] = found
    return found


def _is_formula(before: str, content: str, after: str) -> bool:
  """Returns whether two dollars enclose a formula, and are not two amounts of money.

  Args:
    before: the character before the first dollar, or ''.
    content: what is between.
    after: the character after the second dollar, or ''.
  """
  bare = content.strip()
  if not bare or (bare != content and not _SIGN.search(bare)):
    return False  # `$ or $`
  if content[0].isdigit() and (after.isdigit() or content[-1].isspace()):
    return False  # `$5 and $10`
  if before.isdigit() and not content[0].isalnum() and content[0] not in '\\{(':
    return False  # `5$ and 10$`
  return not speech.has_phrase(content)
