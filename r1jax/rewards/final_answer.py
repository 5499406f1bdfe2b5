r"""Where a response says its final answer: in a block, in a box, or announced in words.

The last `<answer>` block counts; within it, or else in the whole response, the last `\boxed{}`; and
where there is no box, what the last line announces: after `####` (as in GSM8K), "the answer is"
(few-shot prompts of arXiv:2201.11903), "答案是" or the heading of an answer. Only what follows the
reasoning counts, and only what is said plainly: a box with a sign or a factor beside it, one box or
another, two different boxes within a block, or an announcement with something after it, give none.
What a later sentence says of a box is not read.
"""

import re

from r1jax.rewards import equivalence
from r1jax.rewards.mathematics import notation
from r1jax.text import tags

_COMMENT_LINE = re.compile(r'^[ \t]*+%.*+$', re.MULTILINE)

# What makes another answer of a box beside it, on its left and on its right: a sign, a factor, a
# digit, a denial, another answer.
_WINDOW = 48
_BEFORE = re.compile(
  r'(?:[-+/^*0-9±×]|~~|[<>|/] *|[0-9](?:\.|\\[,!]) *|\\(?:frac|sqrt)|[A-Za-z]\('
  r'|(?:\\(?:ne|neq|not|pm|mp|times|cdot|div|neg|log|ln|sin|cos|tan|lt|gt|over|lor|vee|to)'
  r'|[=(,] *[-+]) *'
  r"|(?:\b(?:not|never|isn't|wasn't|than|cannot be|can't be|anything but|except|negative"
  r'|minus|half of|twice|double(?: of)?)|(?:wrong|incorrect) answer (?:is|of)'
  r"|(?:n['’]t|\bnot) (?:equal|be)(?: to)?)\s*\}?\s*"
  r'|(?:不是|不为|不等于|并非|不可能[是为]?|不会是|[大小高低多少]于|超过|负'
  r'|(?:错误|不正确)的?(?:答案|结果)[是为]?[:：]?)\s*'
  r'|(?:^|[ (=])(?:-?[0-9.]+ *|[A-Za-z] +)(?:or|或者?) *|[0-9] *(?:to|至|到) *'
  r'|[(\[][^()\[\]]*, *)\Z',
  re.IGNORECASE,
)
_AFTER = re.compile(
  r'[0-9_!|]|~~|k(?![A-Za-z])|e-?[0-9]|(?:[.,]|\{,\})[0-9]|\^(?! *(?:\\circ|\{ *\\circ))|[-+/*]'
  r'|\\(?:pi|sqrt|[cdt]?frac(?! *\{ *\\text)|[,!] ?[0-9]|times|cdot|div|pm|mp|ne|neq)(?![a-z])'
  r'| *(?:[-+/*]|\\(?:times|cdot|div|pm|mp|ne|neq)(?![a-z])) *(?:[0-9(\\]|[a-z](?![a-z]))'
  r'| *\\(?:over|bmod|lor|vee|to|rightarrow|sim)(?![a-z])|, *-?[0-9.]++(?![A-Za-z])'
  r'| *(?::(?= *[0-9])|(?:\\text\{)? *(?:dozen|hundred|thousand|[mb]illion|trillion|[百千万亿]))'
  r'|,? *(?:\\text\{)? *(?:or|and|to|或者?|和|至|到) *(?:maybe |perhaps |possibly )?\}? *[-\\0-9(]'
  r"| *(?:is|was) (?:wrong|incorrect|false|not )| *(?:isn|wasn)['’]t\b| *(?:是错|不对|不是|错误)",
  re.IGNORECASE,
)
# A digit or a bracket before a box in one formula is a factor.
_FACTOR = re.compile(r'[0-9)] *\Z')
_FORMULA_SIGN = re.compile(r'(?<!\\)\$|\\[()\[\]]')
_BOLD = re.compile(r'\*\*|__|(?<![\\A-Za-z0-9}])_|_(?=[\s.,]|\Z)')
_PERCENT = re.compile(r'(?:\\[,! ]| )*(?:\\?%|(?:\\text\{ *)?per ?cent\b)', re.IGNORECASE)
_FACTORIAL = re.compile(r'! *(?:\$|\\[)\]])')
_OR = re.compile(r'[\s,]*(?:\\text\{)?\s*(?:or|或者?|/)[\s}]*', re.IGNORECASE)
# Between two boxes that are an answer together, as in `$x = \boxed{1}$, $y = \boxed{2}$`.
_LISTED = re.compile(
  r'\s*(?:[,，、;；]\s*(?:and|和)?|and|和)\s*(?:[^\s=.。,，;；][^=\n.。,，;；]{0,60}=)?\s*'
)
# A line that is quoted in Markdown, with a box.
_QUOTED_LINE = re.compile(r'^[ \t]*> ?(?=.*\\boxed)', re.MULTILINE)
# Boxes in one block that write the same in other ways.
_MOST_SPELLINGS = 3

_WORD = re.compile(
  r'answers?|答案|(?<![\u4e00-\u9fff])答(?=[：:])|\bans(?=\.?[:：])|\b(?:option|choice)|选项'
  r'|(?P<chosen>选)[：:]? *(?=[A-H](?![A-Za-z])|[A-H]{2,4}(?![A-Za-z]))',
  re.IGNORECASE,
)
# A formula on lines of its own; without the line breaks it is one with what announces it.
_DISPLAYED = re.compile(r'(\$\$|\\\[)((?:(?!\$\$|\\[\[\]]).){0,500}+)(\$\$|\\\])', re.DOTALL)
# What may stand between the beginning of a sentence and the word.
_LEAD = re.compile(
  r'(?:(?:so|thus|therefore|hence|finally|then|and|now|consequently|i\.e\.|which means|meaning'
  r'|that is|this means|it follows that|we conclude that|in conclusion|that)\b[ ,:]*+){0,3}'
  r'(?:(?:the|my|our|this)\b *)?(?:(?:final|correct|right|best|required|exact)\b *)?'
  r'|(?:所以|因此|故|因而|于是|综上|综上所述|最终|最后|那么|则|即|本题|正确|的|，|,){0,6}',
  re.IGNORECASE,
)
_IS = re.compile(
  r' *(?:to (?:the|this) (?:question|problem|exercise) *)?'
  r'(?:(?:is|are|equals|是|为|等于|应为|应该是)(?: equal to| therefore| thus| then)? *[:：]?'
  r'|[.】]?[:：=】]) *',
  re.IGNORECASE,
)
_SENTENCE_END = re.compile(r'[。！]|(?<!\\)!|\.(?=\s|$)')
_SENTENCE_BEGIN = re.compile(
  r'.*(?:[.!?。！？;；,，:：](?=[ \u4e00-\u9fff])|[。！？；，：])', re.DOTALL
)
_HEADING = re.compile(
  r'(?:the )?(?:final |correct )?answers?(?P<verb> is| are)?(?P<colon> *:)?|(?:最终)?答案 *[：:]?',
  re.IGNORECASE,
)
_MARKS = ' \t*_#>-'
# Where a sentence is looked for, before its word.
_LONGEST_LEAD = 80
# How published prompts end an announced answer (arXiv:2206.14858, appendix D.2).
_HOPE = re.compile(r'\bI hope (?:it|this) (?:is correct|helps)[.!]?\s*$')


def extract(response: str, *, is_several: bool = False) -> str | None:
  r"""Returns the final answer of a response as written, or None if it gives none.

  What follows a block has no effect: that nothing should is the format's to say.

  Args:
    response: all that the assistant said.
    is_several: whether several values are asked for, so that boxes that are listed, with nothing
      but commas and labels between, are one answer together: `$x = \boxed{1}$, $y = \boxed{2}$`.
  """
  # Without what a reader of HTML or LaTeX does not see.
  final = _COMMENT_LINE.sub('', tags.without_comments(tags.strip_reasoning(response)))
  final = _QUOTED_LINE.sub('', final)
  block = tags.answer_block(final)
  text = final if block is None else block
  if found := tags.boxes(text):
    listed = _listed(text, found) if is_several else found[-1:]
    answer = _boxed(text, found, listed, is_block=block is not None)
  else:
    answer = _announced(text) or ('' if block is None else block)
  return answer.strip() or None


def _boxed(text: str, found: list[tags.Box], listed: list[tags.Box], *, is_block: bool) -> str:
  """Returns the content of the last boxes, or '' if that is not the whole answer.

  Args:
    text: with boxes.
    found: the boxes, in order.
    listed: the last of them, which are the answer together.
    is_block: whether the text is an answer block: all its boxes are its answer, in spellings of
      their own. Elsewhere the last is, unless another may be as well.
  """
  first, last = listed[0], listed[-1]
  joined = found if is_block else [box for box in found[-2:-1] if _is_either(text, box, last)]
  others = {box.content.strip() for box in joined if box not in listed} - {last.content.strip()}
  if len(others) > _MOST_SPELLINGS or not all(
    equivalence.math_equal(last.content, other) for other in others
  ):
    return ''
  before = _strip(text[max(0, first.start - _WINDOW) : first.start])
  # With the brace that closes it, so that what follows is seen to be within a formula.
  after = _strip(text[last.stop - 1 : last.stop + _WINDOW])[1:]
  if before.endswith('{') and after.startswith('}'):
    before, after = before.rstrip('{ '), after.lstrip('} ')  # As `{\boxed{5}}^2`.
  is_factor = _FACTORIAL.match(text, last.stop) is not None or _has_factor(text, first)
  if last.is_part or is_factor or _BEFORE.search(before) or _AFTER.match(after):
    return ''
  contents = [_unboxed(box.content) for box in listed]
  is_percentage = _PERCENT.match(after) and '%' not in contents[-1]
  return ', '.join(contents) + ('%' if is_percentage else '')


def _listed(text: str, found: list[tags.Box]) -> list[tags.Box]:
  """Returns the last box, with those that are listed before it and say something else."""
  first = len(found) - 1
  while first and _LISTED.fullmatch(_strip(text[found[first - 1].stop : found[first].start])):
    first -= 1
  listed = found[first:]
  return listed if len({box.content.strip() for box in listed}) > 1 else found[-1:]


def _has_factor(text: str, box: tags.Box) -> bool:
  """Returns whether a number stands before a box within its formula."""
  before = text[text.rfind('\n', 0, box.start) + 1 : box.start]
  signs = _FORMULA_SIGN.findall(before)
  is_within = len(signs) % 2 == 1 and signs[-1] not in (r'\)', r'\]')
  return is_within and _FACTOR.search(before) is not None


def _unboxed(content: str) -> str:
  """Returns what a box holds, without a second box around all of it."""
  inner = tags.boxes(content)
  is_twice = len(inner) == 1 and len(content.strip()) == inner[0].stop - inner[0].start
  return inner[0].content if is_twice else content


def _is_either(text: str, box: tags.Box, other: tags.Box) -> bool:
  """Returns whether a text says one box or the other."""
  return _OR.fullmatch(_strip(text[box.stop : other.start][:_WINDOW])) is not None


def _strip(text: str) -> str:
  r"""Returns what stands beside a box without the marks of formulas and of bold print."""
  for mark in ('$', r'\(', r'\)', r'\[', r'\]'):
    text = text.replace(mark, '')
  return _BOLD.sub('', notation.to_ascii(text))


def _announced(text: str) -> str:
  """Returns what the last line announces as the answer, or ''."""
  text = _HOPE.sub('', text.rstrip()).replace('**', '')
  text = _DISPLAYED.sub(lambda match: match[1] + match[2].strip() + match[3], text)
  lines = [line for line in text.split('\n') if line.strip()]
  if not lines:
    return ''
  line = lines[-1].strip()
  if '####' in line:
    line = line.rpartition('####')[2].strip()
    return _after_word(line) or line
  heading = _HEADING.fullmatch(lines[-2].strip(_MARKS)) if len(lines) > 1 else None
  if heading and (heading['colon'] or not heading['verb'] or line.startswith(('$$', r'\['))):
    return line
  return _after_word(line.lstrip(_MARKS))


def _after_word(line: str) -> str:
  """Returns what the line's last sentence says after the word answer, or ''."""
  word = None
  for match in _WORD.finditer(line):
    word = match
  if word is None:
    return ''
  lead = line[max(0, word.start() - _LONGEST_LEAD) : word.start()]
  verb = _IS.match(line, word.end()) if word['chosen'] is None else word
  if not verb or not _LEAD.fullmatch(_SENTENCE_BEGIN.sub('', lead).strip(' *【')):
    return ''
  value, *rest = _SENTENCE_END.split(line[verb.end() :], maxsplit=1)
  return '' if rest and rest[0].strip(' *_') else value
