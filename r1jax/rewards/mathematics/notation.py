r"""One spelling for answers: what LaTeX, Unicode and habit write in many ways, written in one.

  ' $\left( 3,\ \tfrac12\right) $.'  becomes  r'( 3, \frac{1}{2})'

Only what looks different and means the same is made the same; nothing is computed.
"""

import re
import unicodedata

from r1jax.text import tags

# Layers such as `$\text{5}$.` around an answer; more of them are no answer but an attack.
MAX_WRAPPERS = 8

# A formula in a text, by what stands around it; one of the groups holds it.
FORMULA = re.compile(
  r'\$\$((?:[^$\\]|\\.)++)\$\$'
  r'|\$((?:[^$\\]|\\.)++)\$'
  r'|\\\(((?:(?!\\[()]).)+)\\\)'
  r'|\\\[((?:(?!\\[\[\]]).)+)\\\]',
  re.DOTALL,
)
# Words within a formula.
TEXT = re.compile(r'\\text\{([^{}]*)\}')
_WRAPPERS = re.compile(
  rf'{FORMULA.pattern}'
  r'|\\text\{([^{}]+)\}'
  r'|\\(?:underline|fbox|boldsymbol|mathbf|bm)'
  r'\{((?:[^{}]|\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})+)\}'
  r'|\*\*([^*]+)\*\*'
  r'|(.*[^.。])[.。]',
  re.DOTALL,
)
_CHARACTERS = {ord(minus): '-' for minus in tags.MINUS}
_CHARACTERS |= {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}  # Full-width ASCII.
_CHARACTERS |= {
  ord(character): macro
  for character, macro in {
    '×': r'\times ', '·': r'\cdot ', '⋅': r'\cdot ', '÷': r'\div ', 'π': r'\pi ', '∞': r'\infty ',
    '≤': r'\le ', '⩽': r'\le ', '≥': r'\ge ', '⩾': r'\ge ', '≠': r'\ne ', '∪': r'\cup ',
    '∩': r'\cap ', '∈': r'\in ', '∅': r'\emptyset ', '±': r'\pm ', '∓': r'\mp ', '°': r'^\circ ',
    '℃': '°C', '￥': '¥', '￡': '£', '、': ',', '⟨': r'\langle ', '⟩': r'\rangle ',
    'ℝ': r'\mathbb{R} ', 'ℤ': r'\mathbb{Z} ', 'ℚ': r'\mathbb{Q} ', 'ℕ': r'\mathbb{N} ',
    'ℂ': r'\mathbb{C} ', '％': '%', '\N{PRIME}': "'",
    '\N{FRACTION SLASH}': '/', '\N{DIVISION SLASH}': '/',
  }.items()
}  # fmt: skip
_SCRIPTS = {'^': '⁰¹²³⁴⁵⁶⁷⁸⁹', '_': '₀₁₂₃₄₅₆₇₈₉'}
_SCRIPT_DIGITS = {
  ord(digit): str(value) for digits in _SCRIPTS.values() for value, digit in enumerate(digits)
} | {ord('⁻'): '-', ord('₋'): '-'}
_SUPERSCRIPT = re.compile('[⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]++')
_SUBSCRIPT = re.compile('[₀₁₂₃₄₅₆₇₈₉]++')
_ROOT = re.compile(
  r'(?:√|\\sqrt(?![A-Za-z])|(?<![\\A-Za-z])sqrt)\s*+([0-9]++|[A-Za-z](?![A-Za-z]))'
)
_CUBE_ROOT = re.compile(r'∛ ?(?:([0-9]++|[A-Za-z](?![A-Za-z]))|\(([^()]*)\))')
_ROOT_OF = re.compile(r'(?:√|\\sqrt(?![A-Za-z])|(?<![\\A-Za-z])sqrt)\s*+\(([^()]*)\)')
_NOTHING = re.compile(
  r'\\!|\\(?:left|right)\.'
  r'|\\(?:left|right|middle|[bB]igg?[lrm]?|displaystyle|textstyle|limits|rm|bf|it)(?![A-Za-z])'
)
# `$\text{(B) }$` before a value: the letter of a choice whose value is the answer.
_CHOICE = re.compile(r'(?:\\text\{ ?\([A-H]\) ?\}|\([A-H]\) ) ?(?=[^ ])')
# `B)` and `B.`.
_LETTERED = re.compile(r'([A-H])[).]')
# A condition in brackets behind a formula.
_CONDITION = re.compile(r' ?\(([a-z] ?\\in ?[^()]+)\)$')
# A set of numbers; after a sign of membership its letter may stand bare.
_MEMBER = re.compile(r'\\in ?(?:\\mathbb ?\{?)?([NZQRC])\}?(?![A-Za-z])')
# A name for all whole numbers, of a normalised text.
_INTEGER = re.compile(r'(?<![A-Za-z\\])([a-zA-Z]) ?\\in ?\\mathbb\{Z\}')
_LINE = re.compile(r'\\overline\{([A-Z]{2})\}')
_CIRCLES = re.compile(r'([①-⑳]) ?(?=[①-⑳])')
# Numbers of blanks, as in `①5；②10`.
_NUMBERED = re.compile('[①-⑳] ?')
_NUMBERED_LIST = re.compile('① ?[^①-⑳,;]+[;,] ?②')
# `\,` between groups of digits is a separator of thousands and stays.
_SPACE = re.compile(
  r'(?<![0-9\\])\\,|(?<!\\)\\,(?![0-9]{3})|(?<!\\)\\[;:> ]'
  r'|~|\\(?:q?quad|thinspace)(?![A-Za-z])'
)
_SYNONYMS = {
  r'[cdt]frac': r'\\frac',
  '[dt]binom': r'\\binom',
  'leq(?:slant|q)?': r'\\le',
  'geq(?:slant|q)?': r'\\ge',
  'neq': r'\\ne',
  'lbrace': r'\\{',
  'rbrace': r'\\}',
  'lbrack': '[',
  'rbrack': ']',
  'mid|vert': '|',
  '[lr]vert': '|',
  '(?:text)?degree': r'^{\\circ}',
  'lor|vee': r'\\text{ or }',
  'land|wedge': r'\\text{ and }',
  'varnothing': r'\\emptyset',
  '[lc]?dots': r'\\dots',
  'mathds|Bbb': r'\\mathbb',
  'text(?:rm|bf|it|sf|tt|normal|up)|mbox|hbox|textnormal|operatorname': r'\\text',
}  # fmt: skip
_MACROS = [(re.compile(rf'\\(?:{name})(?![A-Za-z])'), to) for name, to in _SYNONYMS.items()]
# A separator that is set as text.
_SEPARATED = re.compile(r'\\text\{ ?([;,]) ?\}')
_TEXT = re.compile(r'\\text\s++(?=\{)')
_LETTER = re.compile(r'\\(?:math(?:rm|bf|it|sf|tt|normal)|boldsymbol|bm)\s*+\{\s*([A-Za-z])\s*\}')
_UPRIGHT = re.compile(r'\\(?:mathrm|mathbf|mathit|mathsf|mathtt|mathnormal)(?![A-Za-z])')
_RAISED = re.compile(r'([\^_])\s*+([0-9]++|[A-Za-z]|\\circ(?![A-Za-z]))')
_ARGUMENT = r'(?:\{([^{}]*)\}|([0-9A-Za-z]|\\pi(?![A-Za-z])))'
_OF_TWO = re.compile(rf'(\\frac|\\binom)\s*+{_ARGUMENT}\s*+{_ARGUMENT}')
# The imaginary unit, set upright; a word has no number before it.
_UPRIGHT_I = re.compile(r'(?<=[-+0-9)}]) ?\\text\{ ?i ?\}|^\\text\{i\}$')
_CIRCLED = re.compile(r'\\textcircled\{([1-9])\}')
_PI = re.compile(r'(?<![\\A-Za-z])pi(?![A-Za-z])')
# `2 1/2`, within a formula too; `{1 \over 2}`.
_MIXED = re.compile(r'(?<![0-9.,/])([0-9]{1,9}) ([0-9]{1,9}) ?/ ?([0-9]{1,9})(?![0-9.])')
_OVER = re.compile(r'\{([^{}\\]*)\\over(?![A-Za-z])([^{}]*)\}')
# What only colours or sizes, and the space between rows.
_LOOKS = re.compile(
  r'\\(?:textcolor|color)\{[a-z]+\}|\\(?:large|Large|LARGE|huge|normalsize|small)(?![A-Za-z])'
)
_ROW_END = re.compile(r'\\\\ ?\[[0-9.]{1,6} ?[a-z]{2}\]')
_FUNCTION = re.compile(
  r'\\text\{ ?(arcsin|arccos|arctan|sinh|cosh|tanh|gcd|lcm|max|min|cot|sec|csc|lg) ?\}'
  r'(?= ?[({\\0-9A-Za-z])'
)
_WORDLESS_SPACE = re.compile(
  r'(?<![0-9A-Za-z]) | (?![0-9A-Za-z])|(?<=[0-9]) (?=[A-Za-z](?![A-Za-z]))'
)


def normalise(text: str) -> str:
  """Returns an answer in the one spelling that the readers of answers know.

  What may stand around it (LaTeX's wrappers, bold print, one full stop) is taken off.
  """
  if not text.isascii():
    text = to_ascii(text)
  text = trim(text)
  text = _ROW_END.sub(r'\\\\', _LOOKS.sub('', text))
  text = _SPACE.sub(' ', _NOTHING.sub('', text)).replace(r'\%', '%').replace('^°', '°')
  text = _UPRIGHT.sub(r'\\text', _LETTER.sub(r'\1', text))
  for macro, to in _MACROS:
    text = macro.sub(to, text)
  text = _SEPARATED.sub(r'\1', text).replace('{:}', ':')
  text = _FUNCTION.sub(r'\\\1 ', _TEXT.sub(r'\\text', text))
  text = _ROOT_OF.sub(r'\\sqrt{\1}', _ROOT.sub(r'\\sqrt{\1}', _PI.sub(r'\\pi', text)))
  text = _CUBE_ROOT.sub(lambda m: rf'\sqrt[3]{{{m[1] or m[2]}}}', text)
  text = _UPRIGHT_I.sub('i', text)
  text = _CIRCLED.sub(lambda m: chr(ord('①') + int(m[1]) - 1), text)
  text = _MEMBER.sub(r'\\in \\mathbb{\1}', _CIRCLES.sub(r'\1,', text))
  text = _NUMBERED.sub('', text) if _NUMBERED_LIST.match(text) else text
  text = _RAISED.sub(r'\1{\2}', text)
  text = _OVER.sub(r'\\frac{\1}{\2}', _OF_TWO.sub(_braced, text))
  text = _MIXED.sub(r'\1\\frac{\2}{\3}', text)
  text = _CONDITION.sub(r', \1', text)
  choice = _CHOICE.match(text)
  text = trim(text[choice.end() :] if choice else text)
  text = text.removeprefix('=').lstrip()  # `= 5`, after what was asked for.
  return lettered[1] if (lettered := _LETTERED.fullmatch(text)) else text


def without_line(text: str) -> str:
  r"""Returns the CD of `\overline{CD}`."""
  found = _LINE.fullmatch(text)
  return found[1] if found else text


def with_integer_of(answer: str, gold: str) -> str:
  r"""Returns `n\pi, n \in \mathbb{Z}` with the gold answer's name for whole numbers, as `k\pi`."""
  found, right = (set(_INTEGER.findall(text)) for text in (answer, gold))
  if len(found) != 1 or len(right) != 1 or found == right:
    return answer
  (old,), (new,) = found, right
  if re.search(rf'(?<![A-Za-z\\]){new}(?![A-Za-z])', answer):
    return answer
  return re.sub(rf'(?<![A-Za-z\\]){old}(?![A-Za-z])', new, answer)


def trim(text: str) -> str:
  """Returns the text without what may stand around an answer, runs of space made one."""
  text = ' '.join(text.split())
  for _ in range(MAX_WRAPPERS):
    wrapped = _WRAPPERS.fullmatch(text)
    if not wrapped:
      break
    text = wrapped[wrapped.lastindex or 0].strip()
  return text


def formulas(text: str) -> list[str]:
  """Returns what stands as a formula in a text."""
  return [match[match.lastindex or 0] for match in FORMULA.finditer(text)]


def squeeze(text: str) -> str:
  """Returns a normalised text without the spaces that separate no words."""
  return _WORDLESS_SPACE.sub('', text)


def to_ascii(text: str) -> str:
  """Returns the text with ASCII for what has the same meaning in Unicode."""
  text = _SUPERSCRIPT.sub(lambda m: f'^{{{m.group().translate(_SCRIPT_DIGITS)}}}', text)
  text = _SUBSCRIPT.sub(lambda m: f'_{{{m.group().translate(_SCRIPT_DIGITS)}}}', text)
  text = ''.join(_vulgar(c) if unicodedata.category(c) == 'No' else c for c in text)
  return text.translate(_CHARACTERS)


def _vulgar(character: str) -> str:
  """Returns `½` as ` 1/2`, so that `2½` is a mixed number; other characters as they are."""
  decomposed = unicodedata.normalize('NFKC', character)
  slash = '\N{FRACTION SLASH}'
  return ' ' + decomposed.replace(slash, '/') if slash in decomposed else character


def _braced(match: re.Match[str]) -> str:
  """Returns a macro with both its arguments in braces."""
  macro, first, second = (part for part in match.groups() if part is not None)
  return f'{macro}{{{first}}}{{{second}}}'
