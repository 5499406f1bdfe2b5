import functools

from r1jax.rewards.instruction_checks import formats


def test_number_bullet_lists(misjudged):
  check = functools.partial(formats.number_bullet_lists, num_bullets=2)
  right = [
    '* a\n* b',
    '- a\n- b',
    'so:\n  * a\n\t+ b\nend',
    '* **a**\n* b\n*c*',
    '* a\n* b\n***\n  * * *',
    '* a\n* b\n---\n- - -',
    '"\n* a\n* b\n"',
  ]
  wrong = [
    '* a',
    '* a\n* b\n* c',
    '* a\n*',
    '* a\n* ',
    '* a\n* .',
    '* a\n* b\n*',
    '*a\n*b',
    '• a\n• b',
    '* a\n* \u200b',
    'a * b\nc * d',
    '**a**\n**b**',
    '* a\n* b\n- c',
    '* a\n* b\n* *',
  ]
  assert misjudged(check, right, wrong) == []


def test_title(misjudged):
  check = formats.title
  right = ['<<A day>>\nIt is.', 'So: <<日>>', '<<<a>>>', '<< a >>', 'Title: << A day >> by me']
  right += ['So <<A day>> it is', 'a<<b>>c', '<<Love; a story>> it is', 'It is << A day >>.']
  right += ['`x << y and y >> x` <<b>>']
  wrong = ['A day', '<<>>', '<< >>', '<<\u200b>>', '<<...>>', '<a>', '<<a\nb>>', '<<a', '>>a<<']
  wrong += ['cout << x; cin >> y', 'std::cout <<x; std::cin>> y', 'f(x) << y and y >> (x)']
  assert misjudged(check, right, wrong) == []


def test_constrained_response(misjudged):
  check = formats.constrained_response
  right = [
    'My answer is yes.',
    'So: My answer is maybe. Sorry.',
    'My answer is no. My answer is no.',
  ]
  wrong = [
    'Yes.',
    'My answer is yes',
    'my answer is yes.',
    'My answer is yes. My answer is no.',
    'My answer is yes. But my answer is no too.',
    'My answer is no\u200b, My answer is yes.',
    'My answer is not yes.',
    'My answer is yes. My answer is maybe. My answer is no.',
  ]
  assert misjudged(check, right, wrong) == []


def test_number_highlighted_sections(misjudged):
  check = functools.partial(formats.number_highlighted_sections, num_highlights=2)
  right = ['*a* *b*', '**a** and *b c*', '* *a* x\n* ***b*** y', '*a* *a*', '**a**b**c**']
  wrong = [
    '*a*',
    '*a* **',
    '*a* ****',
    '*a* * *',
    '*a* *.*',
    '*a* *\u200b*',
    '2 * 3 * 4 * 5',
    '* a\n* b\n',
    '*a\nb* *c*',
    '*a* **b*',
    '*a* _b_',
    '***\na\n***\nb\n***',
    '*a * *b *',
    '*a* * b*',
    '*a** *b*',
  ]
  assert misjudged(check, right, wrong) == []


def test_multiple_sections(misjudged):
  check = functools.partial(formats.multiple_sections, section_spliter='SECTION', num_sections=2)
  right = [
    'SECTION 1\na\nSECTION 2\nb',
    '**SECTION 1:** a\n# SECTION 2: b',
    '"SECTION1 a\nSECTION2 b"',
    'SECTION 1 a\nSECTION 2 b\nSECTION 3 c',
    'SECTION 1\na\n******\nSECTION 1\nb\nSECTION 2\nc',
    '__SECTION 1__ a\n__SECTION 2__ b',
  ]
  wrong = [
    'SECTION 1\na',
    'SECTION 1\nSECTION 2\n',
    'SECTION 1\na\nSECTION 2',
    'SECTION 1 SECTION 2 a',
    'SECTION 1 a\nSECTION 1 b',
    'Section 1 a\nSection 2 b',
    'SECTION A a\nSECTION B b',
    'a SECTION 1 b\nc SECTION 2 d',
    'SECTION 1 .\nSECTION 2 a',
    'SECTION 1 a\nSECTION 3 b',
    'SECTION 1 a\nSECTION 20 b',
    'SECTION 1 a\nSECTION 2\u200b',
  ]
  assert misjudged(check, right, wrong) == []


def test_json_format(misjudged):
  check = formats.json_format
  right = [
    '{"a": 1}',
    '[1]',
    '```json\n{"a": [true]}\n```',
    '```JSON\n["a"]```',
    '```\n["a"]\n```',
    ' ``` json \n["a"]\n``` ',
    '[["a"]]',
    '[' * 100 + '1' + ']' * 100,
    '{"a": ' * 100 + '1' + '}' * 100,
    ' {"a": 1e400} ',
    '[' + '9' * 5000 + ']',
    '{"a": "b, c\\n"}',
  ]
  wrong = [
    'a',
    '5',
    '"a"',
    'null',
    'true',
    '{}',
    '[]',
    '[[], {}]',
    '[null]',
    '["\\u200b"]',
    '{"": ""}',
    '```json\n```',
    '```json\n{}\n```',
    '``````',
    'So: {"a": 1}',
    '{"a": 1} done',
    "{'a': 1}",
    '{"a": 1,}',
    '[NaN]',
    '[Infinity]',
    '```python\n["a"]\n```',
    '```json\n["a"]',
    '["a"]\n```',
    '```json\n["a"]\n``',
    '[1] [2]',
    '[' * 101 + '1' + ']' * 101,
    '[' * 100_000 + 'a',
    '[' * 100_000 + ']' * 100_000,
    '{"a": "\n"}',
  ]
  assert misjudged(check, right, wrong) == []
