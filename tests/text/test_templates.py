import pytest

from r1jax.text import templates
from r1jax.text.templates import TEMPLATES


def test_r1_zero_is_the_template_of_the_paper():
  assert templates.r1_zero('What is 1+1?') == (
    'A conversation between User and Assistant. The user asks a question, and the Assistant '
    'solves it. The assistant first thinks about the reasoning process in the mind and then '
    'provides the user with the answer. The reasoning process and answer are enclosed within '
    '<think> </think> and <answer> </answer> tags, respectively, i.e., <think> reasoning process '
    'here </think> <answer> answer here </answer>. User: What is 1+1? Assistant:'
  )


def test_the_plain_frame_speaks_the_language_of_the_question():
  assert templates.question_answer('Why?') == 'Question: Why?\nAnswer:'
  assert templates.question_answer('1+1等于多少？') == '问：1+1等于多少？\n答：'


def test_cues_speak_the_language_of_the_question():
  assert templates.with_cue('Why?') == 'Why? Think step by step.'
  assert templates.with_cue('为什么？') == '为什么？请一步一步思考。'
  assert templates.with_cue('Why?', cue="Let's see.") == "Why? Let's see."


def test_boxed_asks_for_steps_and_a_box():
  assert templates.boxed('1+1=?') == (
    '1+1=?\nPlease reason step by step, and put your final answer within \\boxed{}.'
  )


def test_cued_templates_are_templates_of_cued_questions():
  cued = 'Why? Think step by step.'
  assert TEMPLATES['r1_zero_cued']('Why?') == templates.r1_zero(cued)
  assert TEMPLATES['question_answer_cued']('Why?') == 'Question: Why? Think step by step.\nAnswer:'


@pytest.mark.parametrize('name', TEMPLATES)
@pytest.mark.parametrize('question', ['', '{question}', '{0} \\frac{1}{2} {', '%s $x$', 'a\nb'])
def test_a_question_is_kept_to_the_letter(name, question):
  assert question in TEMPLATES[name](question)
  assert TEMPLATES[name](question).count('{question}') == question.count('{question}')
