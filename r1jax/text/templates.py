"""Prompt templates: how a question is put to a model."""

from collections.abc import Callable

# DeepSeek-R1, table 1 (https://arxiv.org/abs/2501.12948v1).
R1_ZERO = (
  'A conversation between User and Assistant. The user asks a question, and the Assistant solves '
  'it. The assistant first thinks about the reasoning process in the mind and then provides the '
  'user with the answer. The reasoning process and answer are enclosed within <think> </think> '
  'and <answer> </answer> tags, respectively, i.e., <think> reasoning process here </think> '
  '<answer> answer here </answer>. User: {question} Assistant:'
)
# DeepSeek-R1's advice for mathematical questions (https://huggingface.co/deepseek-ai/DeepSeek-R1).
BOXED = 'Please reason step by step, and put your final answer within \\boxed{}.'
ENGLISH_CUES = ('Think step by step.', "Let's think step by step.")
CHINESE_CUES = ('请一步一步思考。', '请一步一步计算。')


def is_chinese(text: str) -> bool:
  """Returns whether a text holds any Chinese character."""
  return any('\u4e00' <= character <= '\u9fff' for character in text)


def question_alone(question: str) -> str:
  """Returns the question as it is: for a chat template around it."""
  return question


def r1_zero(question: str) -> str:
  """Returns the prompt with which R1-Zero was trained."""
  # Not str.format: a question may hold braces.
  return R1_ZERO.replace('{question}', question)


def question_answer(question: str) -> str:
  """Returns a plain frame, in the question's language."""
  if is_chinese(question):
    return f'问：{question}\n答：'
  return f'Question: {question}\nAnswer:'


def boxed(question: str) -> str:
  r"""Returns the question with the paper's request for steps and a `\boxed{}` answer."""
  return f'{question}\n{BOXED}'


def cues(question: str) -> tuple[str, ...]:
  """Returns the requests for steps in the question's language."""
  return CHINESE_CUES if is_chinese(question) else ENGLISH_CUES


def with_cue(question: str, cue: str | None = None) -> str:
  """Returns the question with a request for steps; by default the first of its language."""
  chosen = cues(question)[0] if cue is None else cue
  return question + ('' if is_chinese(question) else ' ') + chosen


def r1_zero_cued(question: str) -> str:
  """Returns R1-Zero's prompt for a question that asks for steps."""
  return r1_zero(with_cue(question))


def question_answer_cued(question: str) -> str:
  """Returns the plain frame around a question that asks for steps."""
  return question_answer(with_cue(question))


TEMPLATES: dict[str, Callable[[str], str]] = {
  'r1_zero': r1_zero,
  'r1_zero_cued': r1_zero_cued,
  'question_answer': question_answer,
  'question_answer_cued': question_answer_cued,
  'boxed': boxed,
  'question': question_alone,
}
