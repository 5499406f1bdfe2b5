r"""Accuracy reward: is the final answer right? (arXiv:2501.12948, section 2.2.2).

The final answer is what the last `<answer>` block holds, or else the last `\boxed{}`, and only
once the reasoning has ended: an answer within a think block, closed or not, does not count.
"""

from r1jax import structs
from r1jax.rewards import equivalence
from r1jax.text import tags

# Every form in which a response may give its answer.
_FORMS = ('<answer>{}</answer>', r'\boxed{{{}}}')


def reward(problem: structs.Problem, response: str) -> float:
  """Returns 1 if the response's final answer equals the gold answer, else 0.

  Args:
    problem: with a gold answer that `check_gold` accepts.
    response: all that the assistant said, with what the prompt's template began for it.
  """
  answer = extract_answer(response)
  return float(answer is not None and equivalence.math_equal(answer, problem.gold))


def extract_answer(response: str) -> str | None:
  r"""Returns the final answer of a response as written, or None if it gives none.

  The last complete `<answer>` block after the reasoning counts; if it holds a box, the box,
  whatever the words around it say. Without such a block the last `\boxed{}` after the reasoning
  counts. What follows the block has no effect: that nothing should is the format's to say.
  """
  final = tags.strip_reasoning(response)
  block = tags.answer_block(final)
  boxed = tags.last_boxed(final if block is None else block)
  answer = (block or '') if boxed is None else boxed
  return answer.strip() or None


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
    if answer is None or not equivalence.math_equal(answer, gold):
      raise ValueError(
        f'the gold answer is {gold!r}, but a response that repeats it as {form.format(gold)!r} is '
        f'read as answering {answer!r}; give the bare number or text of the answer, without tags '
        r'or \boxed{}, and with balanced braces'
      )
