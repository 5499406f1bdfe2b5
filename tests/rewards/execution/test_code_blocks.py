import time

import pytest

from r1jax.rewards.execution import code_blocks

ONE, TWO = 'print(1)', 'print(2)'
ALL = ('python', 'cpp')


def fenced(code, info='python', fence='```'):
  return f'{fence}{info}\n{code}\n{fence}'


@pytest.mark.parametrize(
  ('text', 'code'),
  [
    (fenced(ONE), ONE),
    (f'First\n{fenced(ONE)}\nthen\n{fenced(TWO)}\ndone', TWO),
    (fenced(ONE, fence='~~~~'), ONE),
    (fenced(ONE, info=' python title="x"'), ONE),
    (fenced(ONE).replace('\n', '\r\n'), ONE),
    # Indented with its fence, as in a list.
    ('1. So:\n   ```python\n   if x:\n     y\n   ```\n', 'if x:\n  y'),
    ('1. So:\n\n    ```python\n    if x:\n      y\n    ```\n', 'if x:\n  y'),
    ('- ```python\n  if x:\n    y\n  ```', 'if x:\n  y'),
    (' 10) * ~~~\n       if x:\n        y\n    z\n       ~~~', 'if x:\n y\nz'),
    ('-\t```\n \tx\n \t```', 'x'),
    (f'1. So:\n     ```python\n     {ONE}\n```', ONE),
    # Only what the fence is indented by is taken away.
    ('   ```\n\tx\n   ```', '\tx'),
    # Marks of lists, and those indented more than the block, are content.
    (fenced('x = """\n- ```\n    ```\n"""'), 'x = """\n- ```\n    ```\n"""'),
    ('- ```\n  x\n      ```\n  ```', 'x\n    ```'),
    # What names another language is no program.
    (f'{fenced(ONE)}\n{fenced(TWO, "text")}', ONE),
    (f'{fenced(ONE)}\n{fenced(TWO, "bash")}\n{fenced(TWO, "java")}', ONE),
    (f'{fenced(ONE)}\n{fenced(TWO, "")}', TWO),
    # Shorter fences, those of the other kind, and those that are indented deeply are content.
    (fenced(f'"""\n```\n{TWO}\n```\n"""', fence='````'), f'"""\n```\n{TWO}\n```\n"""'),
    (fenced('~~~\nx\n~~~'), '~~~\nx\n~~~'),
    (fenced('x = """\n    ```\n"""'), 'x = """\n    ```\n"""'),
    (fenced('x  # ```'), 'x  # ```'),
    # A longer fence closes.
    ('```\n' + ONE + '\n`````', ONE),
    # A fence with a language opens: the one before it was forgotten to be closed.
    (f'```python\n{ONE}\nNo:\n{fenced(TWO)}', TWO),
    # What is cut off is no block, and the one before counts.
    (f'{fenced(ONE)}\n```python\n{TWO}', ONE),
    (f'{fenced(ONE)}\n```python\n{TWO}\n``', ONE),
    # An empty one is the last, too.
    (f'{fenced(ONE)}\n```python\n```', ''),
  ],
)
def test_the_last_block_that_is_opened_and_closed(text, code):
  assert code_blocks.last_block(text, ALL).code == code + '\n'


@pytest.mark.parametrize(
  'text',
  [
    '',
    ONE,
    f'`{ONE}`',
    f'``\n{ONE}\n``',
    f'```python\n{ONE}',
    f'```python {ONE}```',
    '```',
    '```\n~~~',
    fenced(ONE, 'java'),
    f'> {ONE}\n> ```',
  ],
)
def test_no_block(text):
  assert code_blocks.last_block(text, ALL) is None


@pytest.mark.parametrize(
  ('info', 'language'),
  [
    ('python', 'python'),
    ('Python', 'python'),
    ('py', 'python'),
    ('python3', 'python'),
    ('python3.11', 'python'),
    ('Python 3', 'python'),
    ('py3', 'python'),
    ('pypy', 'python'),
    ('PyPy3', 'python'),
    ('{.python}', 'python'),
    ('{.python .numberLines}', 'python'),
    ('python:main.py', 'python'),
    ('python{1}', 'python'),
    ('python,ignore', 'python'),
    ('python;', 'python'),
    ('language-python', 'python'),
    ('cpp', 'cpp'),
    ('C++', 'cpp'),
    ('c++17', 'cpp'),
    ('cpp17', 'cpp'),
    ('', ''),
    ('java', None),
    ('text', None),
    ('pythonic', None),
    ('python-repl', None),
    ('python_repl', None),
    ('c', None),
    ('c#', None),
    ('17', None),
    ('--', None),
  ],
)
def test_the_fence_names_the_language(info, language):
  found = code_blocks.last_block(fenced(ONE, info), ALL)
  assert (found and found.language) == language


def test_only_the_languages_asked_for_count():
  text = f'{fenced(ONE)}\n{fenced(TWO, "cpp")}'
  assert code_blocks.last_block(text, ALL) == code_blocks.Block('cpp', TWO + '\n')
  assert code_blocks.last_block(text, ('python',)) == code_blocks.Block('python', ONE + '\n')


@pytest.mark.parametrize(
  ('response', 'code'),
  [
    (f'<think>{fenced(ONE)}</think>{fenced(TWO)}', TWO),
    (f'<think>\n{fenced(ONE)}\n</think>\n<answer>\n{fenced(TWO)}\n</answer>', TWO),
    (f'</think><answer>\n{fenced(ONE)}\n</answer>\n{fenced(TWO)}', ONE),
    (f'</think>\n{fenced(ONE)}\n<answer>42</answer>', None),
    (f'<think>\n{fenced(ONE)}\n</think>', None),
    (f'<think>\n{fenced(ONE)}\n', None),
    (fenced(ONE), ONE),
  ],
)
def test_only_what_follows_the_reasoning_and_is_in_the_answer_counts(response, code):
  # A fence is a line of its own, also right behind a tag.
  response = response.replace('>```', '>\n```')
  found = code_blocks.find_program(response, ALL)
  assert (found and found.code) == (code and code + '\n')


def test_a_program_may_be_long_but_not_endless():
  line = '#' * (code_blocks.MAX_LENGTH - 1)
  assert code_blocks.last_block(fenced(line), ALL).code == line + '\n'
  assert code_blocks.last_block(fenced(line + '##'), ALL) is None


@pytest.mark.parametrize(
  'unit',
  [
    *('```\n', '```', '`', '~~~x\n', ' ', '\n', '```python\n', '<answer>', '\r', '- ', '1. '),
    *('\t```\n', '- ```\n', '    ```\n', 'python'),
  ],
)
def test_any_text_is_read_in_linear_time(unit):
  start = time.process_time()
  text = unit * (1_000_000 // len(unit))
  code_blocks.find_program(text, ALL)
  code_blocks.find_program(f'```python\n{text}\n```', ALL)
  # A fence that is indented as far as half of the text.
  code_blocks.find_program(f'{" " * len(text)}```\n{text}\n```', ALL)
  code_blocks.find_program(f'```{text}\n```', ALL)
  assert time.process_time() - start < 8
