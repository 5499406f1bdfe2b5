r"""Accuracy reward: is the final answer right? (arXiv:2501.12948, section 2.2.2).

Where the answer stands `final_answer` tells, what equals it `equivalence`, what only repeats the
question `quotation`, and what is not in the form that the question asks for `asked_form`.
"""

from r1jax import structs
from r1jax.rewards import asked_form, equivalence, final_answer, quotation
from r1jax.text import tags

extract_answer = final_answer.extract

# Every form in which a response may give its answer, the gold one among them.
_FORMS = ('<answer>{}</answer>', r'\boxed{{{}}}')


def reward(problem: structs.Problem, response: str) -> float:
  """Returns 1 if the response's final answer equals the gold answer, else 0.

  A formula of the question, given back as it stands there, is no answer, unless it is the gold
  answer but for spelling: what equals it by algebra was to be worked out. Nor is a number that the
  question writes in other figures, unless it has those of the gold answer: it was to be reduced or
  converted. Where the question asks for a form, as a fraction, a decimal, an expanded sum or an
  equation of some kind, the answer must have it. After a number the answer may name what is counted
  in a word of the question.

  Args:
    problem: with a gold answer that `check_gold` accepts.
    response: all that the assistant said, with what the prompt's template began for it.
  """
  question, is_several = problem.question, equivalence.is_several(problem.gold)
  answer = extract_answer(response, is_several=is_several)
  if answer is None:
    return 0.0
  answer = equivalence.value_asked(answer, problem.gold, question)
  if not equivalence.math_equal(answer, problem.gold, question=question):
    return 0.0
  is_quoted = quotation.is_quoted(answer, problem.gold, question)
  return float(not is_quoted and asked_form.is_asked(answer, problem.gold, question))


def check_gold(gold: str) -> None:
  """Raises ValueError if no response could be rewarded for this gold answer.

  The error says what was found and what is allowed; the caller, who knows it, adds the row.
  """
  if not isinstance(gold, str) or not tags.is_visible(gold):
    raise ValueError(
      f'the gold answer is {gold!r}; it must be text with at least one character that can be seen'
    )
  for form in _FORMS:
    answer = extract_answer(form.format(gold))
    if answer != gold.strip() or not equivalence.math_equal(answer, gold):
      raise ValueError(
        f'the gold answer is {gold!r}, but a response that repeats it as {form.format(gold)!r} is '
        f'read as answering {answer!r}; give the bare number or text of the answer, without tags '
        r'or \boxed{}, and with balanced braces'
      )
  try:
    equivalence.check_readable(gold)
  except ValueError as error:
    raise ValueError(
      f'the gold answer is {gold!r}, but {error}; only LaTeX that can be parsed is compared. Words '
      r'stand in \text{}'
    ) from error
