r"""R1's tags in a response, and the boxes and numbers that hold its answer.

A response in R1's format reads `<think>reasoning</think><answer>answer</answer>`
(arXiv:2501.12948, table 1). Tags are matched exactly, case included. Every function takes time
linear in the text, whatever the text, and none raises on malformed text: what is not there is None
or empty.
"""

import dataclasses
import re
import unicodedata

TAGS = ('<think>', '</think>', '<answer>', '</answer>')

_TAG = re.compile(f'({"|".join(TAGS)})')
# The brace that opens a box, an escaped character (so that `\{` is no brace), or a brace.
_BRACE = re.compile(r'(?P<box>\\boxed\s*+\{)|\\.|(?P<open>\{)|(?P<close>\})', re.DOTALL)
# What stands before a brace within which a box is still an answer: text, a font, a colour.
_PLAIN_GROUP = re.compile(
  r'(?:^|[^\\A-Za-z}\]^_ ]|\\(?:text|math|bold|under|large|Large|huge|display|bf|bm)[a-z]*'
  r'|\\color(?:box)?\{[a-z]+\}) *$'
)
_GROUP_WINDOW = 32

# Letters and symbols that are drawn as nothing, or stand for text that could not be decoded:
# fillers of Hangul, the blank of Braille, the replacement character.
_BLANKS = frozenset('\u115f\u1160\u3164\uffa0\u2800\ufffd')

# Minus signs and what is written for them: hyphen, minus, en dash, full-width and small hyphen.
MINUS = '-−–－﹣'
SEPARATOR = re.compile(r',\\!|,|\{,\}|\\,')
# Thousands that are separated: their groups are bounded, so that a search takes linear time.
_GROUPS = rf'(?:(?:{SEPARATOR.pattern})[0-9]{{3}}){{1,40}}+'
INTEGER = rf'(?:[1-9][0-9]{{0,2}}{_GROUPS}(?!(?:{SEPARATOR.pattern})?[0-9]{{3}}|[0-9])|[0-9]++)'
_TEX_PART = rf'(?:\{{\s*+([{MINUS}+]?{INTEGER})\s*+\}}|([0-9]))'
# Groups: sign; numerator and denominator in LaTeX, each in braces or as a digit; the same with a
# slash; decimal. A digit within a word (`x2`), an exponent or a root starts no number, and a hyphen
# after a digit or a word (`5-3`) is no sign.
NUMBER = re.compile(
  r'(?<![A-Za-z0-9_^])(?<!\^\{)(?<!\\sqrt\{)'
  rf'((?<![)\]}}])[{MINUS}+])?'
  rf'(?:\\[cdt]?frac\s*+{_TEX_PART}\s*+{_TEX_PART}(?![0-9])'
  rf'|({INTEGER}) ?/ ?({INTEGER})(?!\.?[0-9])'
  rf'|({INTEGER}(?:\.[0-9]++)?|(?<!\.)\.[0-9]++))'
)


def split_at_tags(text: str) -> list[str]:
  """Returns text and tags in turn: the odd entries are the tags, in the order of the text."""
  return _TAG.split(text)


def is_visible(text: str) -> bool:
  """Returns whether the text has a character that is seen: a letter, digit, sign or symbol."""
  return any(
    character not in _BLANKS and unicodedata.category(character)[0] in 'LNPS' for character in text
  )


def find_blocks(text: str, name: str) -> list[str]:
  """Returns the contents of every `<name>...</name>` in order; of nested blocks the innermost.

  Args:
    text: any text.
    name: of the tag, without its brackets, e.g. 'answer'.
  """
  blocks, start = [], None
  for tag in re.finditer(f'<(/?){re.escape(name)}>', text):
    if not tag.group(1):
      start = tag.end()
    elif start is not None:
      blocks.append(text[start : tag.start()])
      start = None
  return blocks


def strip_reasoning(text: str) -> str:
  """Returns what follows the last `</think>`, or '' if a block of reasoning is still open there.

  A text without think tags holds no reasoning and comes back whole.
  """
  final = text.rpartition('</think>')[2]
  return '' if '<think>' in final else final


def reasoning(text: str) -> str:
  """Returns the chain of thought without its think tags: what `strip_reasoning` strips.

  So it holds a block that the prompt's template opened, one that was never closed, and what stands
  before and between blocks. A text without think tags is a chain of thought up to `<answer>`.
  """
  if '<think>' not in text and '</think>' not in text:
    return text.partition('<answer>')[0].strip()
  thought = text.removesuffix(strip_reasoning(text))
  return thought.replace('<think>', '\n').replace('</think>', '\n').strip()


def without_comments(text: str) -> str:
  """Returns a text without the comments of HTML, which no reader sees.

  Without one that is not closed and all that follows it, too.
  """
  before, *after = text.split('<!--')
  return before + ''.join(part.partition('-->')[2] for part in after)


def answer_block(text: str) -> str | None:
  """Returns the content of the last `<answer>...</answer>`, or None if there is none."""
  blocks = find_blocks(text, 'answer')
  return blocks[-1] if blocks else None


@dataclasses.dataclass(frozen=True)
class Box:
  r"""A `\boxed{...}` that stands in no other.

  Attributes:
    start: where it begins in its text, in characters.
    stop: where it ends.
    content: what stands within its braces.
    is_part: whether it stands within a formula's braces, as in `\frac{\boxed{1}}{2}`.
  """

  start: int
  stop: int
  content: str
  is_part: bool


def boxes(text: str) -> list[Box]:
  r"""Returns every `\boxed{...}` whose braces balance, of nested boxes the outermost, in order.

  Escaped braces, as in `\boxed{\{1\}}`, do not count; space before the brace is allowed.
  """
  found: list[tuple[int, int, int, int]] = []
  opened: list[tuple[int, int, int]] = []
  closed = set[int]()
  for brace in _BRACE.finditer(text):
    kind = brace.lastgroup
    if kind == 'box' or kind == 'open':
      # Where the formula's brace around it opens, if there is one.
      around = opened[-1][2] if opened else -1
      if kind == 'open' and not _is_plain_group(text, brace.start()):
        around = brace.start()
      opened.append((brace.start(), brace.end() if kind == 'box' else -1, around))
    elif kind == 'close' and opened:
      start, content, around = opened.pop()
      closed.add(start)
      if content >= 0:
        while found and found[-1][0] > start:
          found.pop()
        found.append((start, content, brace.end(), around))
  return [
    Box(start, stop, text[content : stop - 1], around in closed)
    for start, content, stop, around in found
  ]


def _is_plain_group(text: str, start: int) -> bool:
  if start == 0 or text[start - 1] in '\n{$':
    return True
  return _PLAIN_GROUP.search(text[max(0, start - _GROUP_WINDOW) : start]) is not None


def last_boxed(text: str) -> str | None:
  r"""Returns the content of the last of `boxes`, or None."""
  found = boxes(text)
  return found[-1].content if found else None


def last_number(text: str) -> str | None:
  r"""Returns the last number of the text as written there, or None.

  A number is an integer (with thousands separators or without), a decimal, a fraction `a/b` or a
  `\frac{a}{b}` of integers, each with or without a sign: what `rewards.math_equal` reads as number.
  """
  last = None
  for match in NUMBER.finditer(text):
    last = match
  return last.group() if last else None
