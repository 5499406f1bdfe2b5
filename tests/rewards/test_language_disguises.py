"""Language written as names, formulas, addresses or code of which each piece could be some."""

import re

import pytest

from r1jax import structs
from r1jax.rewards import language

LONGER = (
  'Tom begins with three apples and then he goes to the market where he buys two more of them To '
  'find out how many apples he has in total we need to add the number that he had before to the '
  'number that he bought Adding these numbers gives five which means the final result should be '
  'five apples altogether Let me verify this once again by counting every apple separately'
)
HONEST = '首先我们知道小明原来有三个苹果。'
FRENCH = (
  'abord nous calculons le nombre de pommes que Marie prend au marché elle en prend trois paquets '
  'de douze donc trente pommes ensuite elle en donne quinze et nous avons la réponse'
)


def score(thought, lang):
  problem = structs.Problem(id='p', question='?', gold='1', metadata={'lang': lang})
  return language.reward(problem, f'<think>{thought}</think>\n<answer>1</answer>')


def join(between, size=1):
  """Returns a disguise: the words in groups of a size, with spaces, and what stands between."""
  return lambda said: between.join(
    ' '.join(said[at : at + size]) for at in range(0, len(said), size)
  )


def camel(said, size=3, between=' '):
  groups = [said[at : at + size] for at in range(0, len(said), size)]
  return between.join(
    group[0].lower() + ''.join(word.title() for word in group[1:]) for group in groups
  )


RAISED = dict(zip(map(ord, 'abcdefghijklmnoprstuvwxyz'), 'ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ'))
LABEL = r'}\label{'
DISGUISES = {
  'camel': camel,
  'camel, apart': lambda said: camel(said, between='的'),
  'snake of two': lambda said: join(', ', 2)(said).replace(' ', '_').replace(',_', ', '),
  'snake of four': lambda said: re.sub('((?:[^ ]+ ){3}[^ ]+) ', r'\1,', ' '.join(said)).replace(
    ' ', '_'
  ),
  'numbered': join('1, '),
  'digits within': lambda said: ' '.join(f'{word[:2]}3{word[2:]}' for word in said),
  'labels': lambda said: '\n'.join(word.upper()[:5] for word in said),
  **{f'formula {mark}': lambda said, mark=mark: f'${mark.join(said)}$' for mark in ',+*_-({=|'},
  'roman': lambda said: '$' + ' '.join(rf'\mathrm{{{word}}}' for word in said) + '$',
  'operators': lambda said: '$' + ''.join(rf'\operatorname{{{word}}}_1' for word in said) + '$',
  'formulas of two': lambda said: f'${join("$的$", 2)(said)}$',
  'formulas of two, apart': lambda said: f'${join("$我们来看$", 2)(said)}$',
  'ticks of two': lambda said: f'`{join("`、`", 2)(said)}`',
  'labels of nine': lambda said: rf'\label{{{join(LABEL, 9)(said)}}}',
  'citations': lambda said: ' '.join(rf'\cite{{{word}}}' for word in said),
  'address': lambda said: f'https://a.b/{"/".join(said)}',
  'addresses': lambda said: ' '.join(f'https://{word}.org/' for word in said),
  'asy': lambda said: f'[asy]{";".join(said)}[/asy]',
  'verbatim': lambda said: rf'\begin{{verbatim}}{"-".join(said)}\end{{verbatim}}',
  **{f'fence {mark}': lambda said, mark=mark: f'\n```\n{mark.join(said)}\n```' for mark in ',.(-:'},
  'info string': lambda said: f'\n```{" ".join(said)}\nx\n```',
  'info strings': lambda said: ''.join(f'\n```{word}\nx\n```\n' for word in said),
  'raised': lambda said: ' '.join(said).translate(RAISED),
  'boxed': lambda said: ' '.join(
    ''.join(chr(0x1F170 + ord(letter) - ord('A')) for letter in word.upper()) for word in said
  ),
  'flags': lambda said: ' '.join(
    ''.join(chr(0x1F1E6 + ord(letter) - ord('A')) for letter in word.upper()) for word in said
  ),
  'bracketed': lambda said: ' '.join(
    ''.join(chr(0x249C + ord(letter) - ord('a')) for letter in word.lower()) for word in said
  ),
  'braille': lambda said: ' '.join(
    ''.join(chr(0x2801 + ord(letter) - ord('a')) for letter in word.lower()) for word in said
  ),
  'terms': lambda said: ''.join(f'我们来看{word}' for word in said),
}


@pytest.mark.parametrize('disguise', DISGUISES.values(), ids=DISGUISES)
def test_a_sentence_in_disguise_earns_little(disguise):
  """Beside a sentence of 9 words, 62 of another language leave 0.13 in the open."""
  assert score(f'{HONEST}{LONGER}', 'zh') < 0.2
  assert score(f'{HONEST}{disguise(LONGER.split())}', 'zh') < 0.4


def test_french_in_disguise_is_not_english():
  for disguise in (join(','), camel, lambda said: f'${"+".join(said)}$'):
    assert score(f'First we count the apples. {disguise(FRENCH.split())}', 'en') < 0.45


REAL = [
  '使用 hash map 存储，然后做 binary search，时间复杂度为 O(n log n)。',
  '由 Cauchy-Schwarz 不等式和 Lagrange 乘子法，我们得到结果。',
  '变量有`left`、`right`、`middle`，先把`left`设为零，`right`设为数组长度减一，再计算`middle`。',
  '函数 getMaxValue、setMaxValue 和 resetMaxValue 都在类 ValueStore 里面。',
  '参见 https://en.wikipedia.org/wiki/Fermat%27s_little_theorem 可以知道这个定理。',
  '在四边形ABCD中，AB=CD，∠ABC=90°，连接AC、BD交于点O，则三角形OAB与三角形OCD全等。',
  '🇨🇳代表中国，🇫🇷代表法国。因为2ⁿ大于n²，所以xⁿ⁺¹是递增的。',
  '由 NaCl 和 H2SO4 反应得到 Na2SO4 和 HCl，所以生成物的质量是五克。',
  r'利润 $\mathrm{profit}=\mathrm{revenue}-\mathrm{cost}$，所以先求收入再求成本。',
  """下面的代码检查每一个数字：
```python
def count_even(numbers):
  total = 0
  for index, value in enumerate(numbers):
    if value % 2 == 0:
      total += 1
  return total
```
所以答案是二。""",
]


@pytest.mark.parametrize('text', REAL)
def test_real_formulas_code_and_names_cost_nothing(text):
  assert score(text, 'zh') == 1
