import pytest

from r1jax.rewards.prose import blocks

PROSE = [
  ('so $x+y$ is', 'so is'),
  ('so $$x+y$$ is', 'so is'),
  (r'so \(x+y\) is', 'so is'),
  (r'so \[x+y\] is', 'so is'),
  (r'so \\(x+y\\) is', 'so is'),
  (r'so \begin{align*}xy &= zw\end{align*} is', 'so is'),
  (r'so \begin{itemize}\item this\end{itemize}', 'so this'),
  ('so [asy]draw(here);[/asy] is', 'so is'),
  ('so `xs.add` is', 'so is'),
  ('so ``a `tick` here`` is', 'so is'),
  ('so\n```python\nxs.add(yz)\n```\nis', 'so is'),
  ('so\n~~~\nxs.add(yz)\n~~~\nis', 'so is'),
  ('so\n````\n```\nxs.add(yz)\n````\nis', 'so is'),
  (r'so \frac{ab}{cd} \boxed{east} is', 'so {ab}{cd} {east} is'),
  (r'so \made \up is', 'so made up is'),
  (r'so \label{eq:one}\ref{eq:one} is', 'so is'),
  ('so <br/> <b>this</b> </think> is', 'so this is'),
  ('so <this> is', 'so <this> is'),
  ('so https://a.bc/de?fg=h#ij is', 'so is'),
  ('so https://a.bc/de-this-is', 'so -this-is'),
  ('so www.ab.cd is', 'so is'),
]


@pytest.mark.parametrize(('text', 'prose'), PROSE)
def test_remove(text, prose):
  assert blocks.remove(text).text.split() == prose.split()


MONEY = [
  'It costs $5 and later $10 again.',
  'It costs $5, or $10, or $15.',
  'It costs $5-$10 here.',
  'Pay $5 now or $all of it.',
  'It costs 5$ and 10$ here.',
  'It costs 5$, then 10$.',
  'It costs $5 for each of the apples and $10 for all.',
  r'It costs \$5 and later \$10 again.',
  'One $ is here and one $ is there.',
  'Pay $ now, not $ later.',
]


@pytest.mark.parametrize('text', MONEY)
def test_money_hides_no_words(text):
  assert blocks.remove(text).text.split() == text.split()


def test_a_dollar_before_a_sentence_opens_no_formula():
  text = 'It is in US$, as we said before (see above), and $nm$ of them.'
  assert 'nm' not in blocks.remove(text).text


def test_a_formula_after_money_is_one():
  text = 'It costs $5 for each of the $nm$ apples.'
  assert ' '.join(blocks.remove(text).text.split()) == 'It costs $5 for each of the apples.'


@pytest.mark.parametrize(
  ('opening', 'closing'),
  [('$', '$'), ('$$', '$$'), (r'\(', r'\)'), (r'\[', r'\]'), ('`', '`'), ('``', '``')],
)
def test_a_block_ends_before_a_blank_line_or_is_none(opening, closing):
  assert blocks.remove(f'{opening}ab\ncd{closing} ef').text.split() == ['ef']
  for text in (f'{opening} ab cd', f'{opening} ab\n \ncd {closing} ef'):
    assert {'ab', 'cd'} <= set(blocks.remove(text).text.split())


@pytest.mark.parametrize('opening', ['```', '```python', '~~~', r'\begin{align}', '[asy]'])
def test_what_is_never_closed_hides_nothing(opening):
  assert blocks.remove(f'{opening}\nab cd').text.split() == ['ab', 'cd']


def test_a_sentence_cut_up_into_blocks_is_heard():
  assert blocks.remove('$we$ $add$ $them$ so').text.split() == ['we', 'add', 'them', 'so']
  assert blocks.remove('`we` `add` `them`').text.split() == ['we', 'add', 'them']
  assert blocks.remove('$we$ so $add$ so $them$').text.split() == ['so', 'so']


@pytest.mark.parametrize('between', [',', '的', ' 和 ', '\n- '])
def test_many_words_are_heard_across_what_is_short(between):
  said = ['first', 'them', 'both', 'apples', 'baskets', 'gone']
  for row, is_heard in ((said, True), (said[1:], False)):
    text = between.join(f'`{word}`' for word in row)
    assert (' '.join(row) in blocks.remove(text).text) is is_heard
  assert 'first' not in blocks.remove(' and so '.join(f'${word}$' for word in said)).text


def test_the_names_of_what_is_removed():
  text = r'$cost=2a$ `len(values)` \ref{first} \cite[page 2]{second} www.third.org ```py'
  assert sorted(blocks.remove(text).names) == [
    *('cost', 'first', 'page', 'second', 'third', 'values')
  ]


@pytest.mark.parametrize('text', [r'\label{%s}', r'\cite{%s}', '```%s\nx\n```', 'https://a.b/%s'])
def test_a_sentence_is_heard_wherever_it_is_removed(text):
  said = 'first them both apples baskets gone'
  removed = blocks.remove(text % (said.replace(' ', '/') if 'http' in text else said))
  assert said in removed.text
  assert not removed.names


def test_split_gives_prose_and_blocks_in_turn():
  assert list(blocks.split('a $b$ c `d`')) == [('a ', 'b'), (' c ', 'd'), ('', '')]
  assert list(blocks.split('a')) == [('a', '')]
  assert list(blocks.split('```py b\nc\n```')) == [('', 'py b:\nc\n'), ('', '')]


def test_find_fenced():
  text = 'a\n```python\nb\n```\n`c`\n  ~~~\nd\n  ~~~\n```\ne'
  assert blocks.find(text).fenced == ['\nb\n', '\nd\n']


@pytest.mark.parametrize(
  ('text', 'unclosed'),
  [
    ('$$x$$ \\[y\\] \\(z\\)\n```\nc\n```', []),
    ('costs $5 and a ` and \\$ here', []),
    ('so $$x', ['$$']),
    ('so \\[x\n\n\\(y', ['\\[', '\\(']),
    ('so\n```c\nx', ['```c']),
    ('```\n$$\n```', []),
  ],
)
def test_find_unclosed(text, unclosed):
  assert blocks.find(text).unclosed == unclosed
