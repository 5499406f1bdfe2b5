r"""Multiple choice: is the option that a response chose the right one?

For sets such as MMLU (arXiv:2009.03300), GPQA (arXiv:2311.12022) and the Gaokao questions of
AGIEval (arXiv:2304.06364), whose gold answer is a letter, or several where several options are
right. `metadata['options']` of a problem maps each letter to its option's text, as `tasks.choice`
loads it. The final answer is what `accuracy` extracts. The reward is 0 or 1: some of several right
letters earn nothing. These are read as choices, in English or Chinese:

  a letter           B, (B), B., B), 'B', \text{B}, **B**, option B, B is correct, 选B, 答案是B, B项
  with its own text  B: Paris; B. Paris; (B) Paris; B - Paris; B (Paris); Paris (B)
  a text             Paris, if exactly one option says so
  several letters    AC; A, C; A and C; A和C; (A)(C): right only if all of them are

All of an answer must be read so, which closes what a search for a letter leaves open: `A or B`, a
list of all letters, `not B`, `B is wrong` and `B, I guess` are no answers, nor is a letter with the
text of another option. A small letter counts alone (`b`), but never `a`, which is a word, unless in
brackets; and not where an option's own text is that letter. A capital is always the option's
letter, even if it is another one's text (of options L, R, 1/C and C, `C` is the third).
"""

import functools
import re
from collections.abc import Mapping

from r1jax import structs
from r1jax.rewards import accuracy
from r1jax.rewards.mathematics import notation
from r1jax.text import tags

Options = Mapping[str, str]

# Characters by which an answer may be longer than the longest option.
_EXTRA = 100

# Full-width letters, digits and signs to ASCII.
_NARROW = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)} | str.maketrans(
  '、【】', ',[]'
)
# Emphasis begins or ends at the edge of a word; that in `2**3` is none.
_BOLD = re.compile(r'(?<![A-Za-z0-9)])\*\*|\*\*(?![A-Za-z0-9(])')
_DOLLAR = re.compile(r'(?<!\\)\$')
# What may stand around letters: quotes, LaTeX's wrappers and spaces; `B项` is option B.
_DRESS = re.compile(r'[\s$`"“”{}]|\\(?:text|math)[a-z]{0,6}\s*+\{~?|\\[()\[\],;! ]|选?项$')
_LEAD = re.compile(
  r'(?:'
  r'(?:(?:so|thus|hence|therefore),? )?'
  r'(?:(?:the|my) )?(?:(?:final|correct|right|best) )?(?:answer|option|choice)s?(?: (?:is|are))?'
  r'(?![A-Za-z])'
  r'|(?:(?:故|因此|所以),?)?(?:本题|我)?(?:应该|应)?选(?:择|项)?(?:为|是)?'
  r'|(?:(?:故|因此|所以),?)?(?:最终|正确)?的?(?:答案|选项)(?:应该|应)?(?:是|为|选)?'
  r'|\[(?:正确)?答案\]'
  r')\s*+:?\s*+',
  re.IGNORECASE,
)
# What may be said of one letter: `B is the correct answer`.
_PRAISE = re.compile(
  r' (?:is|are) (?:the )?(?:correct|right|best)(?: (?:answer|option|choice)s?)?$', re.IGNORECASE
)
# Quotes around all of an answer; one at an end is a prime.
_QUOTED = re.compile(r"""['‘"“]([^'‘’"“”]+)['’"”]""")
_LETTER = re.compile(r'([(\[] ?)?([A-Za-z])(?(1) ?[)\]]|(\))?)[.:]?')
# A text and its letter in brackets.
_LABEL_LAST = re.compile(r'(?P<text>.+?) ?[(\[](?:[Oo]ption |选项 ?)?(?P<letter>[A-Z])[)\]]')
# A dash between a letter and a text has space on both sides, as a sign has not.
_DASH = re.compile(r'(?<=\s)[-–—−]\s+')
# A letter, which may be wrapped by itself, and a text.
_LABEL = re.compile(
  r'(?P<open>\$|\\(?:text|math)[a-z]{0,6}\{)?(?P<bracket>[(\[])?(?P<letter>[A-Z])(?![A-Za-z0-9])'
  r'(?(bracket)[)\]])(?:选?项)?(?(open)[.:)]?[$}])\s*+[.:,)]?\s*+(?P<text>.+)',
  re.DOTALL,
)
_BETWEEN = re.compile(r'[ ,;&()\[\]和与及]|\band\b')


def reward(problem: structs.Problem, response: str) -> float:
  """Returns 1 if the response's final answer chose the right options and no others, else 0.

  Args:
    problem: one that `check_problem` accepts.
    response: all that the assistant said, with what the prompt's template began for it.

  Raises:
    ValueError: the problem is not one of multiple choice.
  """
  check_problem(problem)
  answer = accuracy.extract_answer(response)
  return float(
    answer is not None and read(answer, problem.metadata['options']) == set(problem.gold)
  )


def vote(problem: structs.Problem, response: str) -> str | None:
  """Returns the letters that a response chose, in their order, or None if it made no choice."""
  answer = accuracy.extract_answer(response)
  letters = None if answer is None else read(answer, problem.metadata['options'])
  return ''.join(sorted(letters)) if letters else None


def read(answer: str, options: Options) -> set[str] | None:
  """Returns the letters of the options that an answer names, or None if it is no clear choice.

  Args:
    answer: what was answered, without tags or box.
    options: the text of each option by its letter.
  """
  if len(answer) > max(map(len, options.values())) + _EXTRA:
    return None
  answer = _unquoted(notation.trim(_BOLD.sub('', answer.translate(_NARROW))), options)
  said = _unquoted(_without_lead(answer), options)
  letter = _read_letter(said)
  if letter and letter in options:
    return {letter}
  readings = (
    _read_text(answer, options),
    _read_text(said, options),
    _read_label(said, options),
    _read_label_last(said, options),
  )
  named = {reading for reading in readings if reading}
  if named:
    return named if len(named) == 1 else None
  said = _PRAISE.sub('', said)
  letter = _read_letter(said)
  if letter and letter.upper() in options:
    return {letter.upper()}
  return _read_several(said, options)


def check_gold(gold: str) -> None:
  """Raises ValueError if a gold answer is not the letters of one or more options."""
  if not isinstance(gold, str) or not _is_letters(gold):
    raise ValueError(
      f'the gold answer is {gold!r}; for multiple choice it must be the capital letter of the '
      "right option, such as 'B', or those of several with nothing between, such as 'AC'"
    )


def check_problem(problem: structs.Problem) -> None:
  """Raises ValueError if a problem is not one of multiple choice: gold answer and options."""
  check_gold(problem.gold)
  options = problem.metadata.get('options')
  if (
    not isinstance(options, Mapping)
    or not all(isinstance(key, str) and re.fullmatch('[A-Z]', key) for key in options)
    or not all(isinstance(text, str) and tags.is_visible(text) for text in options.values())
  ):
    raise ValueError(
      f"problem {problem.id!r} has metadata['options'] = {options!r}; for multiple choice it must "
      "map letters to the texts of the options, as in {'A': 'red', 'B': 'blue'}; `tasks.choice` "
      'loads sets in this form'
    )
  if not set(problem.gold) <= options.keys():
    raise ValueError(
      f'problem {problem.id!r} has the gold answer {problem.gold!r}, but options '
      f'{", ".join(options)}; each letter of the answer must be one of them'
    )


def _is_letters(text: str) -> bool:
  return re.fullmatch('[A-Z]+', text) is not None and len(set(text)) == len(text)


def _without_lead(answer: str) -> str:
  """Returns the answer without words such as `The answer is option`."""
  for _ in range(2):
    if lead := _LEAD.match(answer):
      answer = answer[lead.end() :]
  return answer


def _unquoted(answer: str, options: Options) -> str:
  """Returns an answer without quotes around all of it, unless they are an option's."""
  quoted = _QUOTED.fullmatch(answer)
  return quoted[1].strip() if quoted and not _read_text(answer, options) else answer


def _undressed(text: str) -> str:
  return ' '.join(_DRESS.sub(' ', text).split())


def _read_letter(said: str) -> str | None:
  """Returns the letter that is all that was said, as it is written; None for a bare `a`."""
  found = _LETTER.fullmatch(_undressed(said))
  if not found:
    return None
  opening, letter, closing = found.groups()
  return letter if letter != 'a' or opening or closing else None


def _read_text(said: str, options: Options) -> str | None:
  """Returns the letter of the only option that says the same, in the same case or in any."""
  if not (key := _key(said)):
    return None
  keys = {letter: _key(text) for letter, text in options.items()}
  same = [letter for letter in keys if keys[letter] == key]
  if not same:
    same = [letter for letter in keys if keys[letter].casefold() == key.casefold()]
  return same[0] if len(same) == 1 else None


def _read_label(said: str, options: Options) -> str | None:
  """Returns the letter that was said together with its own option's text."""
  found = _LABEL.fullmatch(said)
  if not found or found['letter'] not in options:
    return None
  letter, text = found['letter'], found['text']
  dash = _DASH.match(said, found.start('text'))
  if dash and not _read_text(text, options):
    text = said[dash.end() :]
  if text.startswith('(') and text.endswith(')') and _key(text) != _key(options[letter]):
    text = text[1:-1]
  return letter if _says(text, letter, options) else None


def _read_label_last(said: str, options: Options) -> str | None:
  """Returns the letter that was said in brackets after its own option's text."""
  found = _LABEL_LAST.fullmatch(said)
  if not found or found['letter'] not in options or _read_letter(found['text']) in options:
    return None
  return found['letter'] if _says(found['text'], found['letter'], options) else None


def _says(text: str, letter: str, options: Options) -> bool:
  """Returns whether a text is that of an option, among options of equal texts too."""
  return _key(text) == _key(options[letter]) or _read_text(text, options) == letter


def _read_several(said: str, options: Options) -> set[str] | None:
  """Returns the letters that are all that was said: two or more, all options, each said once."""
  letters = _BETWEEN.sub('', _undressed(said))
  several = _is_letters(letters) and len(letters) > 1 and set(letters) <= options.keys()
  return set(letters) if several else None


@functools.lru_cache(maxsize=4096)
def _key(text: str) -> str:
  """Returns a text in the one spelling in which texts of options are compared."""
  return notation.squeeze(notation.normalise(_DOLLAR.sub(' ', text)))
