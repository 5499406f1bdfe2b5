"""The form of a response: bullets, titles, highlights, sections, JSON, a choice."""

import json
import re

from r1jax.rewards.instruction_checks import disguises, wording

OPTIONS = ('My answer is yes.', 'My answer is no.', 'My answer is maybe.')

_BULLET = re.compile(r'^[^\S\n]*+[*+-](?:[^\S\n]++([^\n]*+))?$', re.MULTILINE)
# A line of these is a divider: `* * *`, `- - -`.
_DIVIDER = re.compile(r'(?:[*-][^\S\n]*+){3,}+')
_TITLE = re.compile(r'<<([^<>\n]++)>>')
# What a shift operator stands between: `cout << x`, `cin >> y`.
_OPERAND_BEFORE = re.compile(r'[\w)\]"\'][^\S\n]?\Z')
_OPERAND_AFTER = re.compile(r'[^\S\n]?[\w("\']')
_HIGHLIGHT = re.compile(r'(?<!\*)(\*{1,3})(?![\s*])([^*\n]++)(?<!\s)\1(?!\*)')
_FENCE, _INFO = '```', ('', 'json')
# Objects and arrays within each other: fewer than the parser takes, whose limit is the stack's.
_DEEPEST = 100


def number_bullet_lists(text: str, *, num_bullets: int) -> bool:
  """Returns whether there are exactly so many bullets `* ...`, all with something to say.

  Paper: a line that begins with `*emphasis*` or `---` is a bullet, one that begins with `+` is not;
  here: as in Markdown, a space parts marker and text, and there are three markers.
  """
  bullets = [
    bullet[1] or '' for bullet in _BULLET.finditer(text) if not _is_divider(bullet.group())
  ]
  return len(bullets) == num_bullets and all(map(wording.says_something, bullets))


def title(text: str) -> bool:
  """Returns whether there is a title `<<title>>` that says something.

  Paper: `cout << x; cin >> y` holds one; here: none, because its brackets are operators.
  """
  return any(
    wording.says_something(found[1]) and not _is_shift(text, found)
    for found in _TITLE.finditer(text)
  )


def number_highlighted_sections(text: str, *, num_highlights: int) -> bool:
  """Returns whether at least so many parts are highlighted: `*so*`, `**so**` or `***so***`.

  Paper: whatever stands between two asterisks of a line is highlighted, as in `2 * 3 * 4` or
  between two bullets; here: as in Markdown, the asterisks touch what they highlight.
  """
  highlighted = (found[2] for found in _HIGHLIGHT.finditer(text))
  return sum(map(wording.says_something, highlighted)) >= num_highlights


def multiple_sections(text: str, *, section_spliter: str, num_sections: int) -> bool:
  """Returns whether sections with the numbers 1 to `num_sections` begin, each with some content.

  There may be more. Paper: `SECTION 1 SECTION 1` in one sentence are two sections; here: the marker
  begins a line (marks such as `#` or `**` aside) and is numbered, and something follows before the
  next, because a section that is only named was not written.
  """
  label = rf'{re.escape(section_spliter)}[^\S\n]?([0-9]{{1,6}})'
  marker = re.compile(rf'^(?:[^\w\n]|_)*+{label}', re.MULTILINE)
  begun = list(marker.finditer(text))
  ends = [later.start() for later in begun[1:]] + [len(text)]
  written = {
    int(mark[1]) for mark, end in zip(begun, ends) if wording.says_something(text[mark.end() : end])
  }
  return written.issuperset(range(1, num_sections + 1))


def json_format(text: str) -> bool:
  """Returns whether all of a response is one JSON object or array, alone or in one fenced block.

  Paper: `5` and `{}` are JSON in this sense, as is half of a fence; here: neither, because an
  answer that is wrapped in JSON has a structure and something within.
  """
  try:
    # Numbers stay text, so that long ones cost nothing.
    value = json.loads(
      _unfenced(text.strip()), parse_int=str, parse_float=str, parse_constant=_reject
    )
  except (ValueError, RecursionError):
    return False
  return isinstance(value, dict | list) and _holds_something(value)


def constrained_response(text: str) -> bool:
  """Returns whether a response gives exactly one of the options, in its exact words.

  Paper: all options at once pass; here: another option mentioned anywhere, in whatever case, is a
  second answer.
  """
  given = [option for option in OPTIONS if option in text]
  mentioned = [option for option in OPTIONS if disguises.count_word(text, option.rstrip('.'))]
  return len(given) == 1 and mentioned == given


def _is_shift(text: str, found: re.Match[str]) -> bool:
  """Returns whether double brackets are operators: between operands, and apart from what they hold.

  A semicolon between them will do for the latter.
  """
  inner = found[1]
  is_apart = (inner[0].isspace() and inner[-1].isspace()) or ';' in inner
  before = text[max(0, found.start() - 2) : found.start()]
  return (
    is_apart
    and _OPERAND_BEFORE.search(before) is not None
    and _OPERAND_AFTER.match(text, found.end()) is not None
  )


def _is_divider(line: str) -> bool:
  return _DIVIDER.fullmatch(line.strip()) is not None


def _unfenced(text: str) -> str:
  """Returns the content of a fenced block that is all of a text, or the text as it is."""
  if not (text.startswith(_FENCE) and text.endswith(_FENCE)):
    return text
  info, _, content = text[len(_FENCE) : -len(_FENCE)].partition('\n')
  return content if info.strip().lower() in _INFO else text


def _holds_something(value: dict | list) -> bool:
  """Returns whether a key or a value says something, and none is nested too deeply."""
  level: list = [value]
  depth = 0
  something = False
  while level:
    inner: list = []
    for part in level:
      if isinstance(part, dict):
        inner += [*part, *part.values()]
      elif isinstance(part, list):
        inner += part
      else:
        something = something or (part is not None and wording.says_something(str(part)))
    level, depth = inner, depth + bool(inner)
  return something and depth <= _DEEPEST


def _reject(constant: str) -> None:
  raise ValueError(f'{constant} is not JSON')
