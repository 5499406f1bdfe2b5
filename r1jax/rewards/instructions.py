"""Instruction following: are the verifiable instructions of a prompt followed? (arXiv:2311.07911).

  gold  {"instructions": [{"id": "punctuation:no_comma"},
                          {"id": "length_constraints:number_words", "relation": "less than",
                           "num_words": 100}]}

What is checked is the final response: what follows the reasoning, or of that the last complete
`<answer>` block if there is one. One without a letter or a digit that can be seen follows nothing,
so that silence does not earn "no commas".
"""

import dataclasses
import functools
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from r1jax import structs
from r1jax.rewards.instruction_checks import (
  arguments,
  composition,
  content,
  formats,
  keywords,
  language,
  length,
  wording,
  writing,
)
from r1jax.rewards.instruction_checks.arguments import (
  CHARACTER,
  COUNT,
  LANGUAGE,
  RELATION,
  TEXT,
  TEXTS,
  WORD,
)
from r1jax.text import tags

Check = Callable[..., bool]

REPEAT = 'combination:repeat_prompt'

# Of each instruction its check, and the kinds of its arguments.
CHECKS: Mapping[str, tuple[Check, Mapping[str, arguments.Kind]]] = {
  'keywords:existence': (keywords.existence, dict(keywords=TEXTS)),
  'keywords:frequency': (
    keywords.frequency,
    dict(keyword=TEXT, relation=RELATION, frequency=COUNT),
  ),
  'keywords:forbidden_words': (keywords.forbidden_words, dict(forbidden_words=TEXTS)),
  'keywords:letter_frequency': (
    keywords.letter_frequency,
    dict(letter=CHARACTER, let_relation=RELATION, let_frequency=COUNT),
  ),
  'language:response_language': (language.response_language, dict(language=LANGUAGE)),
  'length_constraints:number_paragraphs': (length.number_paragraphs, dict(num_paragraphs=COUNT)),
  'length_constraints:number_words': (
    length.number_words,
    dict(relation=RELATION, num_words=COUNT),
  ),
  'length_constraints:number_sentences': (
    length.number_sentences,
    dict(relation=RELATION, num_sentences=COUNT),
  ),
  'length_constraints:nth_paragraph_first_word': (
    length.nth_paragraph_first_word,
    dict(num_paragraphs=COUNT, nth_paragraph=COUNT, first_word=WORD),
  ),
  'detectable_content:postscript': (content.postscript, dict(postscript_marker=TEXT)),
  'detectable_content:number_placeholders': (
    content.number_placeholders,
    dict(num_placeholders=COUNT),
  ),
  'detectable_format:number_bullet_lists': (formats.number_bullet_lists, dict(num_bullets=COUNT)),
  'detectable_format:title': (formats.title, {}),
  'detectable_format:constrained_response': (formats.constrained_response, {}),
  'detectable_format:number_highlighted_sections': (
    formats.number_highlighted_sections,
    dict(num_highlights=COUNT),
  ),
  'detectable_format:multiple_sections': (
    formats.multiple_sections,
    dict(section_spliter=TEXT, num_sections=COUNT),
  ),
  'detectable_format:json_format': (formats.json_format, {}),
  REPEAT: (composition.repeat_prompt, dict(prompt_to_repeat=TEXT)),
  'combination:two_responses': (composition.two_responses, {}),
  'startend:end_checker': (composition.end_checker, dict(end_phrase=TEXT)),
  'startend:quotation': (composition.quotation, {}),
  'change_case:capital_word_frequency': (
    writing.capital_word_frequency,
    dict(capital_relation=RELATION, capital_frequency=COUNT),
  ),
  'change_case:english_capital': (writing.english_capital, {}),
  'change_case:english_lowercase': (writing.english_lowercase, {}),
  'punctuation:no_comma': (writing.no_comma, {}),
}


@dataclasses.dataclass(frozen=True)
class Instruction:
  """One instruction of a prompt: its id, a key of `CHECKS`, and what it says, by name."""

  id: str
  arguments: Mapping[str, Any]


def reward(problem: structs.Problem, response: str) -> float:
  """Returns the share of the instructions that the response follows.

  Args:
    problem: with a gold that `check_gold` accepts.
    response: all that the assistant said, with what the prompt's template began for it.
  """
  verdicts = followed(problem, response)
  return sum(verdicts) / len(verdicts)


def all_followed(problem: structs.Problem, response: str) -> float:
  """Returns 1 if the response follows all instructions, else 0: IFEval's strict accuracy."""
  return float(all(followed(problem, response)))


def loose(problem: structs.Problem, response: str) -> float:
  """Returns 1 if every instruction is followed in some reading, else 0: IFEval's loose accuracy.

  A reading leaves out the first line, the last line, all asterisks, or some of these: an
  introduction, a closing remark, Markdown. For measurement: as a reward it pays for both.
  """
  instructions, text = _parse(problem.gold), final_response(response)
  verdicts = [_judge(instructions, reading) for reading in _readings(text)]
  return float(all(map(any, zip(*verdicts))))


def followed(problem: structs.Problem, response: str) -> tuple[bool, ...]:
  """Returns whether each instruction is followed, in the order of the gold."""
  return _judge(_parse(problem.gold), final_response(response))


def final_response(response: str) -> str:
  """Returns what a response says after its reasoning, without white space around it.

  That is the content of the last complete `<answer>` block, or all of it without such tags, or ''
  if there are tags but no complete block.
  """
  final = tags.strip_reasoning(response)
  block = tags.answer_block(final)
  if block is None:
    block = '' if '<answer>' in final or '</answer>' in final else final
  return block.replace('\r\n', '\n').replace('\r', '\n').strip()


def check_gold(gold: str) -> None:
  """Raises ValueError if the gold names no instructions, unknown ones, or misses what they say.

  The error says what was found and what is allowed; the caller, who knows it, adds the row.
  """
  if not isinstance(gold, str):
    raise ValueError(f'the gold is {gold!r}; it must be text that holds JSON')
  for instruction in _parse(gold):
    if instruction.id not in CHECKS:
      raise ValueError(f'unknown instruction {instruction.id!r}; known: {", ".join(CHECKS)}')
    try:
      arguments.check(instruction.arguments, CHECKS[instruction.id][1])
    except ValueError as error:
      raise ValueError(f'instruction {instruction.id!r}: {error}') from error
    paragraphs = instruction.arguments.get('num_paragraphs', 0)
    if instruction.arguments.get('nth_paragraph', 0) > paragraphs:
      raise ValueError(
        f'instruction {instruction.id!r}: its nth_paragraph is '
        f'{instruction.arguments["nth_paragraph"]}, beyond its {paragraphs} paragraphs'
      )


@functools.lru_cache(maxsize=1024)
def _parse(gold: str) -> tuple[Instruction, ...]:
  """Returns the instructions of a gold; raises ValueError if its form is another."""
  try:
    rows = json.loads(gold)['instructions']
    instructions = [
      Instruction(row['id'], {name: row[name] for name in row if name != 'id'}) for row in rows
    ]
  except (ValueError, TypeError, KeyError):
    instructions = []
  if not instructions or not all(isinstance(each.id, str) for each in instructions):
    raise ValueError(
      f'the gold is {gold!r}; it must be JSON of the form {{"instructions": [{{"id": "...", '
      '<argument>: <value>}]}, with at least one instruction'
    )
  return tuple(instructions)


def _judge(instructions: tuple[Instruction, ...], text: str) -> tuple[bool, ...]:
  """Returns whether a text follows each instruction."""
  if not wording.says_something(text):
    return (False,) * len(instructions)
  answer = _answer(instructions, text)
  return tuple(
    wording.says_something(answer)
    and CHECKS[each.id][0](text if _is_of_all(each) else answer, **each.arguments)
    for each in instructions
  )


def _answer(instructions: tuple[Instruction, ...], text: str) -> str:
  """Returns what a text says once it has repeated the request, if it was asked to and did.

  Paper: instructions are checked on the repeated request too; here: on what follows it, because a
  request to write a title `<<title>>` holds one, and one not to say a word says it.
  """
  for each in instructions:
    if each.id == REPEAT:
      answer = composition.answer_after(text, each.arguments['prompt_to_repeat'])
      text = text if answer is None else answer
  return text


def _is_of_all(instruction: Instruction) -> bool:
  """Returns whether an instruction is about the response with the request that it repeats."""
  return instruction.id == REPEAT or instruction.id.startswith('length_constraints:')


def _readings(text: str) -> Iterator[str]:
  """Yields a text without its first line, its last line, its asterisks, or any of these."""
  lines = text.split('\n')
  for first, last, mark in itertools.product((0, 1), (0, 1), ('', '*')):
    reading = '\n'.join(lines[first : len(lines) - last])
    yield (reading.replace(mark, '') if mark else reading).strip()
