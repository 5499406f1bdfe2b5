r"""When an answer equals the gold answer only because the question does.

"Simplify $\sqrt{52}$" has the gold answer $2\sqrt{13}$, and to algebra the question is as good.
"""

import re

from r1jax.rewards import equivalence, workers
from r1jax.rewards.mathematics import notation, quantities, symbolic
from r1jax.text import tags

# A formula as short as a name may be both in the question and the answer.
_SHORTEST_QUOTE = 3
_FIGURES = re.compile('[0-9]+')
_INTEGER = re.compile('-?[0-9]+')


def is_quoted(answer: str, gold: str, question: str) -> bool:
  """Returns whether an answer, equal to the gold answer, leaves undone what the question asks.

  It does if a formula of it stands in the question, and is not the gold answer's but for spelling;
  if the question has roots, and those of the answer could be made as simple as the gold answer's;
  or if it is a number that the question writes in other figures than the gold answer, and itself
  does so.

  Args:
    answer: as extracted.
    gold: the right answer.
    question: that was asked.
  """
  if equivalence.bare(answer) == equivalence.bare(gold):
    return False
  question = notation.normalise(question)
  answers, golds = equivalence.formulas(answer), equivalence.formulas(gold)
  try:
    if not answers:
      return _is_same_number(answer, gold, question)
    return any(_is_quoted_formula(formula, golds, question) for formula in answers)
  except workers.WorkerError as fault:
    workers.record(fault)
    return True


def _is_same_number(answer: str, gold: str, question: str) -> bool:
  """Returns whether a number of the question is the gold answer, in figures still to be changed."""
  number = equivalence.number(gold)
  figures = _figures(equivalence.bare(gold))
  if number is None or _INTEGER.fullmatch(equivalence.bare(gold)) or _figures(answer) == figures:
    return False
  return any(
    quantities.equal(found, number) and _figures(text) != figures
    for text, found in _numbers(question)
  )


def _numbers(question: str) -> list[tuple[str, quantities.Quantity]]:
  """Returns the numbers of a question, with what they are written as."""
  found = []
  for match in (*tags.NUMBER.finditer(question), *quantities.RECURRING.finditer(question)):
    percent = question[match.end() : match.end() + 2].lstrip().startswith('%')
    if quantity := quantities.read(match.group() + '%' * percent):
      found.append((match.group(), quantity))
  return found


def _figures(text: str) -> list[str]:
  return _FIGURES.findall(tags.SEPARATOR.sub('', text))


def _is_quoted_formula(formula: str, golds: list[str], question: str) -> bool:
  text = notation.squeeze(formula).strip('()[] ')
  stands = rf'(?<![0-9.]){re.escape(text)}(?!\.?[0-9])'
  if len(text) >= _SHORTEST_QUOTE and re.search(stands, notation.squeeze(question)):
    return not any(symbolic.same_form(answer=formula, gold=gold) for gold in golds)
  if r'\sqrt' not in question or not golds:
    return False
  return all(symbolic.has_simpler_roots(answer=formula, gold=gold) for gold in golds)
