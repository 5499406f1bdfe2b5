import json
import pathlib
import re

import pytest

from r1jax import structs
from r1jax.rewards import accuracy, format, lenient

DATA = pathlib.Path(__file__).parents[3] / 'shared' / 'data'


def problem(gold='72'):
  return structs.Problem(id='p', question='?', gold=gold)


RIGHT = [
  '<think>48/2 is 24</think><answer>72</answer>',
  '<think>48/2 is 24</think>\n<answer> 72.0 </answer>',
  '<think>t</think> so $\\boxed{72}$.',
  '<think>t</think><answer>It is $\\boxed{72}$.</answer>',
  '<think>t</think><answer>71</answer><answer>72</answer>',
  '<think>t</think><answer>71</answer> no: <answer>72</answer> <answer>7',
  '<think>t</think>\\boxed{71} no: \\boxed{72}',
  '<think>t</think><answer>72</answer> \\boxed{71}',
  '<think><answer>71</answer></think><answer>72</answer>',
  '<think>\\boxed{71}</think>\\boxed{72}',
  'prefilled reasoning</think><answer>72</answer>',
  '<answer>72</answer>',
  '\\boxed{72}',
  '<think>t</think>The answer is 72.',
  '<think>t</think>The answer is: $72$.',
  '<think>t</think>The final answer is $72$. I hope it is correct.',
  '<think>t</think>24 and 48 make 72, so the answer is 72.',
  '<think>t</think>24 and 48 make 72. The answer to the question is 72.',
  '<think>t</think>**Answer:** 72',
  '<think>t</think>**Final Answer**\n\n72',
  '<think>t</think>### Answer:\n72',
  '<think>t</think>答案：72',
  '<think>t</think>因此，答案是72。',
  '<think>t</think>The answer is $72,\\!000\\div 1000$. No, the answer is 72.',
  '<think>t</think>- $\\boxed{72}$',
  '<think>t</think>x = $\\boxed{72}$, which is - as it should be - even.',
  '<think>t</think>\\boxed{72}^\\circ',
  '<think>t</think>\\text{so } \\mathbf{\\boxed{72}}',
  '<think>t</think>\\boxed{\\boxed{72}}',
  '<answer>The answer is 72</answer>',
  '<answer>The answer is $72$.</answer>',
  '<answer>\\boxed{72}, again \\boxed{72}</answer>',
  '<!-- \\boxed{71} --> \\boxed{72} <!-- \\boxed{73} -->',
  '<think>t</think>So the final answer is 72.0',
  '<think>t</think>**Answer:**\n$$\n72\n$$',
  '<think>t</think>The final answer is:\n\\[\n72\n\\]',
  '<think>t</think>The answer is\n$$72.$$',
  '<think>t</think>The answer is therefore 72.',
  '<think>t</think>Ans: 72',
  '<think>t</think>The correct option is 72.',
  '<think>t</think>答：72',
  '<think>t</think>【答案】72',
  '<think>t</think>Hence the result follows.\n\\boxed{72}',
  '<think>t</think>Here $x = 3$\n$$\\boxed{72}$$',
  '<think>t</think>---\n\\boxed{72}\n---',
  '<think>t</think>\\[\n\\boxed{72}\n\\]',
  '<think>t</think>### Final Answer\n\n$$72$$',
  '<think>t</think>### Final Answer\n\n$$\n72\n$$',
  '<think>t</think>The answer is\n\\[\n72\n\\]',
  '<think>t</think>_\\boxed{72}_',
  '<think>t</think>**$\\boxed{72}$**',
  '<think>t</think>\\boxed{72}\\,\\text{cm}',
  '<think>t</think>Its coefficient stands in $\\boxed{72}x^3$',
  '<think>t</think>$\\frac{144}{2}$ or $\\boxed{72}$',
  '<think>t</think>$60+12$ or $\\boxed{72}$',
  '<think>t</think>$\\boxed{72}\\frac{\\text{miles}}{\\text{day}}$',
  '<think>t</think>\\boxed{\\large 72}',
  '<think>t</think>\\boxed{\\textcolor{red}{72}}',
  '<think>t</think>$\\boxed{(A)\\ 72}$',
  '<think>t</think>Answer: 72',
  '<think>t</think>the answer is 71. No, the answer is 72!',
  '<think>t</think>答案是72。',
  '<think>t</think>所以最终答案为：72',
  '48/2 = 24\n24 * 3 = 72\n#### 72',
  '<think>t</think>#### 71\n#### 72\n',
]

WRONG = [
  '',
  '72',
  '<think>t</think>72',
  '<think>t</think><answer></answer>',
  '<think>t</think><answer> \n</answer>',
  '<think>t</think>\\boxed{}',
  '<think>t</think><answer>71</answer>',
  '<think>t</think><answer>72</answer><answer>71</answer>',
  '<think>t</think>\\boxed{72} \\boxed{71}',
  '<think>t</think><answer>72 \\boxed{71}</answer>',
  '<think>t</think><answer>71</answer> \\boxed{72}',
  '<think>t</think><answer>71 or 72</answer>',
  '<think>t</think><answer>71, 72</answer>',
  '<think>t</think><answer>72<answer>71</answer></answer>',
  '<think>t</think><answer>72',
  '<think>t</think>72</answer>',
  '<think>t</think></answer>72<answer>',
  '<think>t</think>The answer is 71.',
  '<think>t</think>The answer is 71 or 72.',
  '<think>t</think>The answer is 71. 72',
  '<think>t</think>The answer is 7.2',
  '<think>t</think>The answer is\n72',
  '<think>t</think>The answer is \\boxed{71}, not #### 72',
  '<think>t</think>#### ',
  '<think>t</think>#### 72 #### 71',
  '<think>t</think>I have no answer: my guess is 72',
  # What takes the answer back, or makes another of it.
  '<think>t</think>The wrong answer is 72',
  '<think>t</think>I doubt the answer is 72',
  '<think>t</think>The answer is not 72',
  '<think>t</think>The answer is 72? No.',
  '<think>t</think>The answer is 72. It might be 71.',
  '<think>t</think>The answer is 72.\nNo, 71.',
  '<think>t</think>错误答案是72',
  '<think>t</think>#### 72\nNo, 71',
  '<think>t</think>-\\boxed{72}',
  '<think>t</think>-$\\boxed{72}$',
  '<think>t</think>x = - \\boxed{72}',
  '<think>t</think>x \\ne \\boxed{72}',
  '<think>t</think>not \\boxed{72}',
  '<think>t</think>不是\\boxed{72}',
  '<think>t</think>1\\boxed{72}',
  '<think>t</think>\\boxed{72}1',
  '<think>t</think>\\boxed{72},000',
  '<think>t</think>\\boxed{72}.5',
  '<think>t</think>\\boxed{72}^2',
  '<think>t</think>\\boxed{72} + 1',
  '<think>t</think>\\boxed{72} \\times 10',
  '<think>t</think>\\boxed{72}/x',
  '<think>t</think>\\boxed{72} or 71',
  '<think>t</think>\\boxed{72} \\text{ or } 71',
  '<think>t</think>\\boxed{71} or \\boxed{72}',
  '<think>t</think>$−\\boxed{72}$',
  '<think>t</think>$±\\boxed{72}$',
  '<think>t</think>$3×\\boxed{72}$',
  '<think>t</think>3*\\boxed{72}',
  '<think>t</think>\\boxed{72} − 6',
  '<think>t</think>\\boxed{72}\\pi',
  '<think>t</think>\\boxed{72}\\sqrt{2}',
  '<think>t</think>\\sqrt\\boxed{72}',
  '<think>t</think>\\frac\\boxed{72}{3}',
  '<think>t</think>\\boxed{72}\\,000',
  '<think>t</think>$\\boxed{72}!$',
  '<think>t</think>\\boxed{72} million',
  '<think>t</think>\\boxed{72}万',
  '<think>t</think>(6, \\boxed{72})',
  '<think>t</think>6 or \\boxed{72}',
  '<think>t</think>\\boxed{72} and 6',
  '<think>t</think>The wrong answer is $\\boxed{72}$',
  '<think>t</think>It is not\n\\boxed{72}',
  '<think>t</think>$\\boxed{72}\\%$',
  '<think>t</think>\\boxed{72}%',
  '<think>t</think>$|\\boxed{72}$|',
  '<think>t</think>$\\boxed{72}|$',
  '<think>t</think>${\\boxed{72}}^2$',
  '<think>t</think>$3{\\boxed{72}}$',
  '<answer>\\boxed{71}\nor\n\\boxed{72}</answer>',
  '<think>t</think>\\boxed{71 \\boxed{72}}',
  '<think>t</think>\\frac{\\boxed{72}}{2}',
  '<think>t</think>\\phantom{\\boxed{72}}',
  '<think>t</think><!-- \\boxed{72} -->',
  '<think>t</think>% \\boxed{72}',
  # Within the reasoning, closed or not.
  '<think>The answer is 72',
  '<think>#### 72</think>',
  '<think><answer>72</answer></think>',
  '<think><answer>72</answer>',
  '<think>\\boxed{72}</think>',
  '<think>\\boxed{72}',
  '<answer>72</answer></think>',
  '<think>t</think><think><answer>72</answer>',
  '<think>t</think><answer>72</answer><think>',
  '<think>t</think><think>\\boxed{72}</think>',
  '<answer><think>72</think></answer>',
]


@pytest.mark.parametrize('response', RIGHT)
def test_right(response):
  assert accuracy.reward(problem(), response) == 1.0


@pytest.mark.parametrize('response', WRONG)
def test_wrong(response):
  assert accuracy.reward(problem(), response) == 0.0


@pytest.mark.parametrize(
  'response',
  [
    '故选B',
    '故选：B',
    '所以选B。',
    '正确选项为B',
    'The correct option is B.',
    'The best answer is B',
  ],
)
def test_the_letter_of_a_choice_is_announced(response):
  assert accuracy.extract_answer(f'<think>t</think>{response}') == 'B'


def test_extract_answer_is_as_written():
  assert accuracy.extract_answer('<answer> 72.0 </answer>') == '72.0'
  assert accuracy.extract_answer('<answer> </answer>') is None
  assert accuracy.extract_answer('72') is None


@pytest.mark.parametrize(
  'gold', ['72', '-1/2', '1,000', 'Paris', r'\frac{1}{2}', r'\{1, 2\}', '[0, 1)', 'x^{2}', '答案']
)
def test_check_gold_accepts_what_can_be_answered(gold):
  accuracy.check_gold(gold)
  assert accuracy.reward(problem(gold), f'<think>t</think><answer>{gold}</answer>') == 1.0
  assert accuracy.reward(problem(gold), f'<think>t</think>\\boxed{{{gold}}}') == 1.0


@pytest.mark.parametrize(
  ('gold', 'allowed'),
  [
    ('', 'at least one character'),
    (' \n', 'at least one character'),
    (None, 'at least one character'),
    (72, 'must be text'),
    ('$ $', 'bare number or text'),
    ('.', 'bare number or text'),
    (' 。 ', 'bare number or text'),
    ('\u200b', 'that can be seen'),
    (r'\boxed{72}', r'without tags or \\boxed'),
    ('<answer>72</answer>', r'without tags or \\boxed'),
    ('72</answer>', r'without tags or \\boxed'),
    ('<think>72', r'without tags or \\boxed'),
    ('{72', 'balanced braces'),
    ('72}', 'balanced braces'),
    ('72\\', 'balanced braces'),
    (r'\frac{1}{2', 'balanced braces'),
    (r'\frac{1}{', 'balanced braces'),
    (r'3 +', 'cannot be parsed'),
    (r'\sqrt{2}^^2', 'cannot be parsed'),
    ('x' * 5000 + '+1', 'may have 2000'),
  ],
)
def test_check_gold_names_what_was_found_and_what_is_allowed(gold, allowed):
  with pytest.raises(ValueError, match=allowed) as caught:
    accuracy.check_gold(gold)
  assert repr(gold) in str(caught.value)


QUESTION = r'Simplify $\sqrt{52}$ and $\frac{24}{32}$, then compute $2+2$ and expand $(x+1) (x+2)$.'


@pytest.mark.parametrize(
  ('gold', 'answer', 'expected'),
  [
    (r'2\sqrt{13}', r'2\sqrt{13}', 1.0),
    (r'2\sqrt{13}', r'\sqrt{52}', 0.0),
    (r'2\sqrt{13}', r'$\sqrt {52}$', 0.0),
    (r'2\sqrt{13}', r'\sqrt{13} \cdot 2', 1.0),
    (r'\sqrt{52}', r'\sqrt{52}', 1.0),
    ('4', '2+2', 0.0),
    ('52', '52', 1.0),
    (r'2\sqrt{13}', r'(\sqrt{52})', 0.0),
    (r'2\sqrt{13}', r'x = \sqrt{52}', 0.0),
    ('0.75', r'\frac{24}{32}', 0.0),
    ('0.75', r'(\frac{24}{32})', 0.0),
    ('3/4', r'\frac{24}{32}', 0.0),
    (r'\frac34', r'\frac{3}{4}', 1.0),
    (r'\frac{24}{32}', r'\frac{24}{32}', 1.0),
    ('2', '2.0', 1.0),
    ('x^2+3x+2', '(x+1)(x+2)', 0.0),
    ('x^2+3x+2', 'x^2+2+3x', 1.0),
    # However the root is written.
    (r'2\sqrt{13}', '52^{1/2}', 0.0),
    (r'2\sqrt{13}', r'\sqrt[2]{52}', 0.0),
    (r'2\sqrt{13}', r'\sqrt{52}/1', 0.0),
    (r'2\sqrt{13}', r'\sqrt{52}+0i', 0.0),
    (r'2\sqrt{13}', r'|\sqrt{52}|', 0.0),
    (r'2\sqrt{13}', r'\{\sqrt{52}\}', 0.0),
    (r'2\sqrt{13}', r'[\sqrt{52}]', 0.0),
    (r'2\sqrt{13}', r'\sqrt{52}\text{ units}', 0.0),
    (r'2\sqrt{13}', r'\frac{\sqrt{208}}{2}', 0.0),
    (r'2\sqrt{13}, 5', r'5, \sqrt{52}', 0.0),
    ('3/4', '24/32', 0.0),
    ('3/4', '+24/32', 0.0),
    ('3/4', r'\{24/32\}', 0.0),
    ('3/4', r'24/32\text{ units}', 0.0),
    ('3/4', '48/64', 0.0),
    ('3/4', r'75\%', 0.0),
    # Where the question writes it as the gold answer does, every spelling will do.
    ('(x+1)(x+2)', '(x+2)(x+1)', 1.0),
    ('52', '52.0', 1.0),
  ],
)
def test_the_question_is_no_answer(gold, answer, expected):
  one = structs.Problem(id='p', question=QUESTION, gold=gold)
  assert accuracy.reward(one, f'<answer>{answer}</answer>') == expected


@pytest.mark.parametrize(
  ('question', 'gold', 'answer', 'expected'),
  [
    ('How many apples has Ann?', '5', '5 apples', 1.0),
    ('How many apples has Ann?', '5', '5 apple', 1.0),
    ('How many red apples has Ann?', '5', r'5\text{ red apples}', 1.0),
    ('How many apples and pears?', '5, 3', '5 apples and 3 pears', 1.0),
    ('How many apples has Ann?', '5', '5 pears', 0.0),
    ('How many apples has Ann?', '5', '5 incorrect', 0.0),
    ('Is it incorrect to say that Ann has 5 apples?', '5', '5 incorrect', 0.0),
    ('How many thousands are there?', '5', '5 thousands', 1.0),
    ('How many are there?', '5', '5 thousands', 0.0),
    ('有多少个苹果？', '5', '5个苹果', 1.0),
    ('有多少个苹果？', '5', '5个梨', 0.0),
    (r'Write $0.5$ as a fraction.', '1/2', '0.5', 0.0),
    (r'Write $0.5$ as a fraction.', r'\frac{1}{2}', '1/2', 1.0),
    (r'Write $50\%$ as a fraction.', r'\frac{1}{2}', r'50\%', 0.0),
    (r'Write $\frac{1}{8}$ as a decimal.', '0.125', '1/8', 0.0),
    (r'Write $0.1\overline{6}$ as a fraction.', '1/6', r'0.1\overline{6}', 0.0),
    (r'Write $300,000,000$ in scientific notation.', r'3\times 10^8', '300000000', 0.0),
    ('What is 72/8?', '9', '72/8', 0.0),
    (r'Simplify ${24 \over 36}$', '2/3', '24/36', 0.0),
    (r'Compute $24 \div 36$', '2/3', '24/36', 0.0),
    ('Which share are 24 of the 36 pupils?', '2/3', '24/36', 0.0),
    ('Which share is red? Give a common fraction.', '2/3', '4/6', 0.0),
    ('Which share is red?', '2/3', '4/6', 1.0),
    ('Express 0.35 as a percent.', r'35\%', '.35', 0.0),
    (r'Write $2\frac{1}{2}$ as an improper fraction.', r'\frac52', r'2\frac{1}{2}', 0.0),
    ('Write 35 percent as a decimal.', '0.35', '35%', 0.0),
    (r'Write $4.5\times10^{-3}$ as a decimal.', '0.0045', r'4.5\times10^{-3}', 0.0),
    (r'Write $4.5\times10^5$ in full.', '450000', r'4.5\times10^5', 0.0),
    (r'Write $4.5\times10^5$ in full.', '450000', '450,000', 1.0),
    ('Write 2.5 million in figures.', '2500000', '2.5 million', 0.0),
    ('What percent is it?', '0.5', r'0.5\%', 1.0),
    ('What share is it?', '0.5', r'0.5\%', 0.0),
    ('What share is it?', '0.5', r'50\%', 1.0),
    ('How many apples?', '5', r'5\%', 0.0),
    ('How many apples?', '5', r'500\%', 0.0),
    ('What percent is it?', '5', r'5\%', 1.0),
    ('What percent is it?', '5', r'500\%', 0.0),
    ('What percent is it?', r'5\%', '5', 1.0),
    # In another order, or with another sign of division.
    ('Factor $2x+2$.', '2(x+1)', '2+2x', 0.0),
    ('Expand $6(x-2)$.', '6x-12', '6(-2+x)', 0.0),
    (r'Rationalize $\frac{6}{\sqrt{3}}$.', r'2\sqrt3', r'6/\sqrt{3}', 0.0),
    (r'Rationalize $\frac{6}{\sqrt{3}}$.', r'2\sqrt3', r'6\cdot3^{-1/2}', 0.0),
    (r'Rationalize $\frac{1}{\sqrt2-1}$.', r'\sqrt2+1', r'\frac{1}{-1+\sqrt2}', 0.0),
    (r'Simplify $\frac{4x+6}{2}$.', '2x+3', '(4x+6)/2', 0.0),
    ('Complete the square: $3x^2-12x+17$.', '3(x-2)^2+5', '17-12x+3x^2', 0.0),
    (r'Simplify $\sqrt{7+4\sqrt{3}}$.', r'2+\sqrt3', r'\sqrt{4\sqrt3+7}', 0.0),
    ('Factor $x^4-1$.', '(x-1)(x+1)(x^2+1)', '(x^2-1)(x^2+1)', 0.0),
    ('Factor $3x^2-3$.', '3(x+1)(x-1)', '(3x+3)(x-1)', 0.0),
    ('Factor $3x^2-3$.', '3(x+1)(x-1)', '3(x-1)(1+x)', 1.0),
    # What is asked for, as a label.
    ('Find $m + n$.', '12', 'm+n = 12', 1.0),
    ('Given $m + n$, what is $m$?', '12', 'm+n = 12', 0.0),
    # What is counted.
    ('What is 5 factorial?', '5', '5 factorial', 0.0),
    ('求5的平方', '5', '5的平方', 0.0),
    ('How many scoops of ice cream?', '6', '6 scoops of ice cream', 1.0),
    ('How much dog food?', '147', '147 kilograms of dog food', 1.0),
    ('Each box holds one.', '12', '12 boxes', 1.0),
    ('Who ate the candy?', '12', '12 candies', 1.0),
    ('How many more apples?', '12', '12 more apples', 1.0),
    ('How many apples?', '12', '12 (apples)', 1.0),
    ('有多少个？', '12', '12（个）', 1.0),
    ('是多少倍？', '106', '106倍', 1.0),
    (r'With probability $1/2$ it is red. And blue?', '1/2', '0.5', 1.0),
    (r'What is the cosine of $\pi/2$, doubled?', r'\frac{\pi}{2}', r'\pi/2', 1.0),
    (r'Expand $x+1$.', '1+x', 'x+1', 1.0),
    (r'Write $\tan x \cos x$ shorter.', r'\sin x', r'\tan x \cos x', 0.0),
    # An equation of the question, moved or scaled.
    ('Write $4x+6y=12$ in lowest terms.', '2x+3y=6', '4x+6y=12', 0.0),
    ('Write $4x+6y=12$ in lowest terms.', '2x+3y=6', '-4x-6y=-12', 0.0),
    ('Write $4x+6y=12$ in lowest terms.', '2x+3y=6', '4x+6y-12=0', 0.0),
    ('Write $4x+6y=12$ in lowest terms.', '2x+3y=6', '6=3y+2x', 1.0),
    ('Solve $4x+6y=12$ for $y$.', r'y=-\frac23x+2', '4x+6y=12', 0.0),
    ('Solve $4x+6y=12$ for $y$.', r'y=-\frac23x+2', '6y=12-4x', 0.0),
    ('Solve $4x+6y=12$ for $y$.', r'y=-\frac23x+2', r'2-\frac{2x}{3}=y', 1.0),
    ('Find the slope-intercept form of the line.', r'y=2x+3', '2x-y=-3', 0.0),
    ('Find an equation of the line.', r'y=2x+3', '2x-y=-3', 1.0),
    ('Write $8>2x+2y$ shorter.', '4>x+y', '8-2x>2y', 0.0),
    ('Write $8>2x+2y$ shorter.', '4>x+y', 'x+y<4', 1.0),
    # A power.
    (r'Write $\frac18$ as a power of 2.', '2^{-3}', '1/8', 0.0),
    (r'Write $256$ as a power of 2.', '2^8', '256', 0.0),
    (r'Write $256$ as a power of 2.', '2^8', '2^8', 1.0),
    ('How many subsets are there?', '2^8', '256', 1.0),
    # Of another unit than is asked for.
    ('How many minutes does it take?', '300', '300 hours', 0.0),
    ('How many minutes does it take?', '300', '300 minutes', 1.0),
    ('How many minutes does it take?', '300', r'300\text{ min}', 1.0),
    ('How far is it, in miles?', '300', '300 km', 0.0),
    ('How many square feet are painted?', '300', '300 feet', 0.0),
    ('How many square feet are painted?', '300', r'300\text{ ft}^2', 1.0),
    ('How many miles per hour is that?', '30', '30 mph', 1.0),
    ('How many degrees has the angle?', '30', r'30\text{ rad}', 0.0),
    ('多少分钟？', '300', '300小时', 0.0),
    ('多少分钟？', '300', '300分钟', 1.0),
    ('What percent is it?', '72', r'\boxed{72}\%', 1.0),
    ('What share is it?', '0.72', r'$\boxed{72}\%$', 1.0),
    ('What share is it?', '0.72', r'$\boxed{0.72}\%$', 0.0),
    ('What share is it?', r'72\%', r'$\boxed{72}\,\%$', 1.0),
    # In an order that is asked for.
    ('List $2, 3, 1$ in ascending order.', '1, 2, 3', '3, 1, 2', 0.0),
    ('List $2, 3, 1$ in ascending order.', '1, 2, 3', '1, 2, 3', 1.0),
    ('Sort the roots from least to greatest.', r'-\sqrt2, \sqrt2', r'\sqrt2, -\sqrt2', 0.0),
    ('把它们从小到大排列。', '1, 2, 3', '3, 1, 2', 0.0),
    ('Find all roots.', '1, 2, 3', '3, 1, 2', 1.0),
  ],
)
def test_the_question_tells_what_is_an_answer(question, gold, answer, expected):
  one = structs.Problem(id='p', question=question, gold=gold)
  assert accuracy.reward(one, f'<answer>{answer}</answer>') == expected


def read(path):
  if not (DATA / path).exists():
    pytest.skip(f'needs the problem set {DATA / path}')
  return [json.loads(line) for line in (DATA / path).read_text('utf-8').splitlines()]


def test_all_of_gsm8k():
  rows = read('gsm8k/train.jsonl')
  assert len(rows) == 7473
  for row in rows:
    solution, _, gold = row['answer'].rpartition('\n#### ')
    accuracy.check_gold(gold)
    one = problem(gold)
    right = f'<think>{solution}</think>\n<answer>{gold}</answer>'
    boxed = f'<think>{solution}</think>\nSo it is $\\boxed{{{gold}}}$.'
    assert accuracy.reward(one, right) == accuracy.reward(one, boxed) == 1.0, row
    assert lenient.reward(one, right) == format.reward(one, right) == 1.0, row
    value = int(gold.replace(',', ''))
    for corrupted in (value + 1, -value or 1, f'{value}0' if value else 10, f'{value}.01'):
      wrong = f'<think>{solution} {gold}</think>\n<answer>{corrupted}</answer>'
      assert accuracy.reward(one, wrong) == lenient.reward(one, wrong) == 0.0, (row, corrupted)
    assert accuracy.reward(one, f'<think>{solution} \\boxed{{{gold}}}</think>') == 0.0, row


def bare(answer):
  """A MATH answer without what two equal answers of neighbouring rows differ in."""
  return (
    re.sub(r'\\[dt]?frac ?(\d)(\d)', r'\\frac{\1}{\2}', answer)
    .replace(r'^\circ', '')
    .removeprefix('x = ')
  )


def test_every_math_answer_can_be_rewarded_and_none_for_the_next_row():
  golds = [row['answer'] for row in read('math/train.jsonl')]
  for gold, other in zip(golds, [*golds[1:], golds[0]]):
    accuracy.check_gold(gold)
    score = accuracy.reward(problem(gold), f'<think>t</think><answer>{other}</answer>')
    assert score == float(bare(gold) == bare(other)), (gold, other)
