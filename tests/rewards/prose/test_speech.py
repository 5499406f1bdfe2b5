import pytest

from r1jax.rewards.prose import speech

HEARD_ROW = 'first them both apples baskets gone'


@pytest.mark.parametrize(
  ('block', 'heard'),
  [
    ('x^2 + y', '2'),
    (r'\frac{a}{b} = \sin\theta', ''),
    (r'\text{if } x \text{ is even}', 'if   is even'),
    (r'\text{a {nested} \} brace} x', 'a {nested} \\} brace'),
    (r'\text{never closed', 'never closed'),
    (r'{\text{one}}\mbox{two}', 'one two'),
    # A number stays for the unit behind it.
    (r'5\text{ cm}', '5  cm'),
    # Other scripts.
    ('小明 = 5', '小明 5'),
    ('площадь = ab', 'площадь'),
    ('αβ', ''),
    # Phrases of Latin words, however they are spaced.
    ('we add them', 'we add them'),
    ('we add', ''),
    (r'we~add\,them\ up', 'we add them up'),
    ('add a number to it', 'add a number to it'),
    ('we + add + them', ''),
    (r'\we \add \them', 'we add them'),
    (r'we\:add\:them', 'we add them'),
    ('f i r s t w e a d d', ''),
    ('f i r s t w e a d d u p', 'f i r s t w e a d d u p'),
    # Six long words in a row, whatever light marks stand between.
    ('first, them, both, apples, baskets', ''),
    ('first, we, them, both, apples, baskets, gone', 'first we them both apples baskets gone'),
    ('first+them*both/apples-baskets_gone', 'first them both apples baskets gone'),
    ('first{}them{}both{}apples^baskets;gone', 'first them both apples baskets gone'),
    ('firstThemBoth applesBasketsGone', 'first them both apples baskets gone'),
    ('fir3st, th3em, b7oth, app1les, bask5ets, go7ne', 'first them both apples baskets gone'),
    (r'\mathrm{first}\mathrm{them}\mathit{both apples}baskets~gone', HEARD_ROW),
    ('first, first, first, first, them, both, apples, apples', ''),
    ('first = them (both) "apples" : baskets | gone', ''),
    ('first, them, both\n\napples, baskets, gone', ''),
    ('小明, first, them, both, apples, baskets, gone', '小明 first them both apples baskets gone'),
    (r'\alpha \beta \gamma \delta', ''),
    (r'\sin \alpha \add \them \up', 'add them up'),
    ("l'été où nous étions", 'été où nous étions'),
    # Code: keywords make no phrase, comments and strings do.
    ('public static void main(String[] args)', ''),
    ('for name in names: print(name)', ''),
    ('x = 1  # add the two numbers', '1 add the two numbers'),
    ("print('the answer is here')", 'the answer is here'),
  ],
)
def test_hear(block, heard):
  assert speech.hear(block).language.split() == heard.split()


@pytest.mark.parametrize(
  ('block', 'expected'),
  [
    ('profit = revenue - cost', ['profit', 'revenue', 'cost']),
    ('maxValue = num_items', ['value', 'items']),
    # Neither commands nor keywords, nor what is heard.
    (r'\varepsilon \lambda \text{price}', []),
    ('return float(values) # add the two numbers', ['values']),
    ('苹果的总数量 = total', ['total']),
    ('é' * 4, ['é' * 4]),
  ],
)
def test_names(block, expected):
  assert speech.hear(block).names == expected


@pytest.mark.parametrize(
  ('block', 'expected'),
  [
    ('we add them', True),
    (r'\text{we add them}', False),
    (r'\text{we add them} so we add', True),
    ('x + y', False),
  ],
)
def test_has_phrase(block, expected):
  assert speech.has_phrase(block) is expected
