"""Multiple choice: MMLU, GPQA, the Gaokao's questions, and sets of their form.

  {"id": "mmlu-stem-0", "problem": "Find the degree for the given field extension Q(sqrt(2),
   sqrt(3), sqrt(18)) over Q.", "options": ["0", "4", "2", "6"], "answer": "B",
   "topic": "abstract_algebra"}

or, as MMLU has it on Hugging Face, with the place of the right choice, from 0 on:

  {"question": "What is the embryological origin of the hyoid bone?", "subject": "anatomy",
   "choices": ["The first pharyngeal arch", "The first and second pharyngeal arches", "The second
   pharyngeal arch", "The second and third pharyngeal arches"], "answer": 3}

MMLU: Hendrycks et al. 2020, https://arxiv.org/abs/2009.03300. GPQA: Rein et al. 2023,
https://arxiv.org/abs/2311.12022. Gaokao: AGIEval, https://arxiv.org/abs/2304.06364; its options are
an object from letters to texts, and some of its answers several letters, such as "A B D".

The question shown is that of the row with its options below, a line each:

  Find the degree for the given field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.
  A. 0
  B. 4
  C. 2
  D. 6

Gold is the letters in their order without anything between ("ABD"), and metadata['options'] maps
every letter to its text: what `rewards.choice` reads an answer by.
"""

import os
import re
import string
from collections.abc import Mapping

from r1jax import structs
from r1jax.tasks import jsonl

# Names of the fields of problem and options.
_FORMS = (('problem', 'options'), ('question', 'choices'))
_WANTED = (
  'a row is of the form {"problem": "6*7?", "options": ["41", "42"], "answer": "B"} or '
  '{"question": "6*7?", "choices": ["41", "42"], "answer": 1}'
)


def load(
  path: str | os.PathLike[str], *, check_problem: jsonl.Check | None = None
) -> tuple[structs.Problem, ...]:
  """Reads one split of such a set; arguments and errors as in `jsonl.load`."""
  return jsonl.load(
    path,
    question=question,
    gold=gold,
    id=lambda row: row.get('id'),
    name='choice',
    metadata=lambda row: {'options': options_of(row)},
    check_problem=check_problem,
  )


def question(row: jsonl.Row) -> str:
  """Returns the problem of a row with its options below it."""
  name, _ = _fields(row)
  lines = [f'{letter}. {text.strip()}' for letter, text in options_of(row).items()]
  return '\n'.join([jsonl.field(row, name).rstrip(), *lines])


def gold(row: jsonl.Row) -> str:
  """Returns the letters of the right options, in their order."""
  options, answer = options_of(row), row.get('answer')
  if 'choices' in row and type(answer) is int:
    return _letter_at(answer, options)
  if not isinstance(answer, str):
    raise ValueError(f"field 'answer' is {answer!r}; {_WANTED}")
  letters = re.sub(r'[\s,，、;]', '', answer)
  if not letters:
    raise ValueError("field 'answer' is empty; fill it in or delete the row")
  unknown = sorted(set(letters) - options.keys())
  if unknown or len(set(letters)) < len(letters):
    raise ValueError(
      f"field 'answer' is {answer!r}; it must be the letter of an option, or the letters of "
      f'several, each once; the options are {", ".join(options)}'
    )
  return ''.join(sorted(letters))


def _letter_at(place: int, options: Mapping[str, str]) -> str:
  if not 0 <= place < len(options):
    raise ValueError(
      f"field 'answer' is {place}; a number is the place of the right choice, from 0 to "
      f'{len(options) - 1}'
    )
  return list(options)[place]


def _fields(row: jsonl.Row) -> tuple[str, str]:
  """Returns the names of the fields that hold a row's problem and options."""
  for names in _FORMS:
    if all(name in row for name in names):
      return names
  raise ValueError(f'the row has the fields {", ".join(map(repr, row))}; {_WANTED}')


def options_of(row: jsonl.Row) -> dict[str, str]:
  """Returns the options of a row by letter; a list's have the letters from A on."""
  _, name = _fields(row)
  options = row[name]
  if isinstance(options, list):
    options = dict(zip(string.ascii_uppercase, options)) if len(options) <= 26 else None
  if not (
    isinstance(options, Mapping)
    and len(options) > 1
    and all(len(letter) == 1 and letter in string.ascii_uppercase for letter in options)
    and all(isinstance(text, str) and text.strip() for text in options.values())
  ):
    raise ValueError(
      f'field {name!r} must be a list of 2 to 26 texts, or an object from letters (A to Z) to '
      f'texts, none of them blank; found {row[name]!r}'
    )
  return dict(options)


def shown_too(check_problem: jsonl.Check | None) -> jsonl.Check:
  """Returns a check that refuses options which a question does not show, beside another check.

  For sets of other forms, of which the question is one field.
  """

  def check(problem: structs.Problem) -> None:
    for name in ('options', 'choices'):
      options = problem.metadata.get(name)
      texts = list(options.values()) if isinstance(options, Mapping) else options
      if isinstance(texts, list) and not all(
        text.strip() in problem.question for text in texts if isinstance(text, str)
      ):
        raise ValueError(
          f'field {name!r} has {options!r}, which the question does not show; for multiple choice '
          'take --config=configs/zero.py:choice, or write the options into the question'
        )
    if check_problem is not None:
      check_problem(problem)

  return check
