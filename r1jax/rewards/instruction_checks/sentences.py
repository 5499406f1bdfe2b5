"""Where sentences end, by rules alone: nothing is trained, loaded or downloaded.

A sentence ends at a full stop, question or exclamation mark or an ellipsis that a space follows,
at the full stops of Chinese, Hindi or Urdu whatever follows, and where a paragraph or an item of a
list ends. It does not end

  - after an abbreviation or an initial: `Dr. No`, `e.g. this`, `No. 5`, `J. K. Rowling`; but it
    does before a word that begins sentences and no names: `at 5 p.m. We left`, `vitamin C. It is`,
  - within a number or a name: `3.14`, `example.com`,
  - at an ellipsis or a closing quote that a small letter follows: `"Stop!" he said`.
"""

import re

_BLANK_LINE = r'\n(?:[^\S\n]*+\n)++'
_MARKER = r'[^\S\n]*+(?:[*+•-]|\(?[0-9]{1,3}[.)])[^\S\n]'
_BLOCK_END = re.compile(rf'{_BLANK_LINE}|\n(?={_MARKER})')
_LIST_MARKER = re.compile(_MARKER)
_MARKS = re.compile(r'(?:[^\w\s]|_)+')
_SPACE = re.compile(r'\s*+')
_LETTER = re.compile(r'[^\W\d_]')
_TOKEN = re.compile(r'[^\W_]+(?:\.[^\W_]+)*\Z')
_DOTTED = re.compile(r'[^\W\d_]{1,2}(?:\.[^\W\d_]{1,2})+')

_STOPS = frozenset('.!?…‽')
# These end a sentence without a space after them.
_WIDE_STOPS = frozenset('。｡！？।॥۔؟')
_CLOSING = frozenset('"”’\'»)]')
# Never at the end; only before a number not at the end; at the end unless a small letter follows.
_BEFORE_NAME = re.compile(
  'al|approx|ca|capt|cf|col|dr|gen|gov|hon|lt|messrs|mme|mr|mrs|ms|mt|pres|prof|rep|rev|sen|sgt|'
  r'st|viz|vs|a\.k\.a|e\.g|i\.e|(?:p\.)+s|w\.r\.t'
)
_BEFORE_NUMBER = re.compile(
  'apr|art|aug|ch|dec|ed|eq|feb|fig|jan|jul|jun|mar|no|nov|oct|pp?|sec|sept?|vol'
)
_AFTER_NAME = re.compile('ave|blvd|co|corp|dept|est|etc|inc|jr|ltd|rd|sr|univ')
# What begins a sentence and is in no name.
_STARTER = re.compile(
  '["“‘\'(*_]{0,3}'
  '(?:The|This|That|These|Those|There|Then|He|She|It|We|They|You|His|Her|Its|Our|Their|My|Your|What'
  '|When|Where|Who|Why|How|If|But|And|Now|Here|However|After|Before|On|At|For|From|With|Because'
  r'|While|Although|Though)(?![^\W_])'
)
# One capital is a label after a small word, and else an initial or the head of an item.
_LABEL = re.compile(r'(?:^|\s)[a-z]+ [A-Z]\Z')
_SURE_LABEL = re.compile(
  r'(?:^|\s)(?:answer|appendix|block|case|choice|class|exhibit|grade|group|hepatitis|letter|level'
  r'|option|part|phase|plan|point|section|step|team|type|vitamin) [A-Z]\Z'
)
# Characters around a full stop among which an abbreviation and the next word are looked for.
_REACH = 16


def split_blocks(text: str) -> list[str]:
  """Returns paragraphs and items of lists, without the markers of the items."""
  return [block[_marker_end(block) :] for block in _BLOCK_END.split(text)]


def count_ended(block: str) -> tuple[int, int, str]:
  """Returns how many sentences end within a block, how many more may, and what is left over.

  What is left over follows the last sentence that ends for sure.
  """
  ended = may_end = start = 0
  for marks in _MARKS.finditer(block):
    if _ends(block, marks):
      # What has no letter, such as the `1.` of a list within the line, is no sentence.
      ended += _LETTER.search(block, start, marks.start()) is not None
      start = marks.end()
    else:
      may_end += _may_end(block, marks)
  return ended, may_end, block[start:]


def _marker_end(block: str) -> int:
  marker = _LIST_MARKER.match(block)
  return marker.end() if marker else 0


def _ends(block: str, marks: re.Match[str]) -> bool:
  """Returns whether a sentence ends at a run of marks."""
  run = set(marks.group())
  if run & _WIDE_STOPS:
    return True
  if not run & _STOPS:
    return False
  beside = block[marks.end() : marks.end() + 1]
  if beside and not beside.isspace():
    return _lacks_space(block, marks)
  following = _following(block, marks.end())
  after = following[:1]
  ellipsis = '…' in run or '..' in marks.group()
  if after.islower() and (ellipsis or run & _CLOSING):
    return False
  if not after or ellipsis or run & {'!', '?', '‽'} or not marks.group().startswith('.'):
    return True
  return not _abbreviates(_before(block, marks), following)


def _may_end(block: str, marks: re.Match[str]) -> bool:
  """Returns whether a sentence may end at a label, as it does in `This is plan B. Go now`."""
  return (
    marks.group() == '.'
    and block[marks.end() : marks.end() + 1].isspace()
    and _SURE_LABEL.search(_before(block, marks)) is not None
    and _following(block, marks.end())[:1].isupper()
  )


def _before(block: str, marks: re.Match[str]) -> str:
  """Returns the end of what stands before marks."""
  return block[max(0, marks.start() - _REACH) : marks.start()]


def _following(block: str, at: int) -> str:
  """Returns the beginning of what follows a place after white space."""
  space = _SPACE.match(block, at)
  start = space.end() if space else at
  return block[start : start + _REACH]


def _lacks_space(block: str, marks: re.Match[str]) -> bool:
  """Returns whether the space after a sentence was left out: `It ends.Then`, not `Node.js`."""
  before = block[max(0, marks.start() - 2) : marks.start()]
  after = block[marks.end() : marks.end() + 2]
  parted = len(before) == len(after) == 2 and (before + after).isalpha()
  return parted and before.islower() and after[0].isupper() and after[1].islower()


def _abbreviates(before: str, following: str) -> bool:
  """Returns whether the full stop between two texts is that of an abbreviation."""
  token = _TOKEN.search(before)
  if not token:
    return False
  word = token.group()
  lower, after = word.lower(), following[:1]
  if _BEFORE_NAME.fullmatch(lower):
    return True
  if len(word) == 1 and word.isupper():
    return word != 'I' and not (_LABEL.search(before) and _STARTER.match(following))
  if _DOTTED.fullmatch(word):
    return not _STARTER.match(following)
  return (after.isdigit() and _BEFORE_NUMBER.fullmatch(lower) is not None) or (
    after.islower() and _AFTER_NAME.fullmatch(lower) is not None
  )
