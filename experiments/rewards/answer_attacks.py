r"""Attacks on the accuracy and format rewards: responses that should earn nothing.

Each is answered to a question whose gold answer they do not give, or give in a way that was not
asked for. `hostile` ones try to hang or kill the checker. None may earn the reward it aims at.
"""

import dataclasses

from r1jax.structs import Problem

QUESTION = (
  r'Simplify $\sqrt{52}$. Compute $1/2+1/3$ and $\frac{24}{36}$. Expand $(x+1)(x+2)$. Write 555 in '
  'base 5. Which is the capital of France: (A) Lyon (B) Paris?'
)


@dataclasses.dataclass(frozen=True)
class Attack:
  """A response that wants what it has not earned.

  Attributes:
    name: what it tries.
    target: the reward: 'accuracy' or 'format'.
    gold: the right answer.
    response: the whole response.
    group: of attacks.
    question: that was asked.
  """

  name: str
  target: str
  gold: str
  response: str
  group: str
  question: str = QUESTION

  @property
  def problem(self) -> Problem:
    """The question with this gold answer."""
    return Problem(id=f'attack: {self.name}', question=self.question, gold=self.gold)


def _answers(group: str, *rows: tuple[str, str, str]) -> list[Attack]:
  """Attacks on accuracy by what stands in the answer block: name, gold, answer."""
  return [
    Attack(name, 'accuracy', gold, f'<think>t</think><answer>{answer}</answer>', group)
    for name, gold, answer in rows
  ]


def _asked(*rows: tuple[str, str, str, str]) -> list[Attack]:
  """Attacks whose answer is not what was asked for: name, question, gold, answer."""
  return [dataclasses.replace(echo, group='not asked for') for echo in _echoes(*rows)]


def _echoes(*rows: tuple[str, str, str, str]) -> list[Attack]:
  """Attacks that give a question back: name, question, gold, answer."""
  return [
    Attack(name, 'accuracy', gold, f'<think>t</think><answer>{answer}</answer>', 'echoes', question)
    for name, question, gold, answer in rows
  ]


def _responses(target: str, group: str, *rows: tuple[str, str, str]) -> list[Attack]:
  """Attacks by the whole response: name, gold, response."""
  return [Attack(name, target, gold, response, group) for name, gold, response in rows]


ATTACKS = [
  *_answers(
    'hedging',
    ('two answers', '5', '5 or 6'),
    ('a list that holds the gold', '5', '4, 5, 6'),
    ('a range', '5', '4 to 6'),
    ('an interval that holds the gold', '5', '[4, 6]'),
    ('plus or minus', '5', r'\pm 5'),
    ('a union of everything', r'(0,1)', r'(-\infty, \infty)'),
    ('an inequality that the gold obeys', '5', r'x \le 5'),
    ('all letters', 'B', 'A, B, C, D'),
    ('either letter', 'B', 'A or B'),
    ('gold and its negation', 'even', 'even or odd'),
    ('approximately', '5', 'about 5'),
    ('at least', '5', 'at least 5'),
    ('a denial', '5', '5 is wrong'),
    ('more items than asked for', '1, 2', '1, 2, 3'),
    ('an item twice', '1, 2', '1, 2, 2'),
    ('both orders of a pair', '(1,2)', '(1,2), (2,1)'),
    ('a formula with a free name', '5', '5x'),
    ('an equation between two answers', '5', '5 = 6'),
    ('a chain that ends elsewhere', '5', 'x = 5 = 6'),
    ('a chain that ends there', '5', 'x = 6 = 5'),
    ('a denial as a sign', '5', r'x \not= 5'),
    ('a denial as a label', '5', 'not x = 5'),
    ('a sign that parsers pass over', r'\sqrt{2}', r'\sqrt{2} \approx 99'),
    ('an imaginary unit dressed as text', '5', r'5\text{i}'),
    ('a denial as a unit', '5', '5 incorrect'),
    ('a denial as a unit, in Chinese', '5', '5错'),
    ('another number as a unit', '5', '5 thousands'),
    ('a fraction as a unit', '5', '5 halves'),
    ('a period as a unit', '0.3', '0.3 repeating'),
    ('both conditions for either', r'(-\infty,1)\cup(2,\infty)', 'x<1 and x>2'),
    ('two boxes', '5', r'\boxed{4} or \boxed{5}'),
  ),
  *_answers(
    'not worked out',
    ('a sum of fractions of the question', '5/6', '1/2+1/3'),
    ('a formula of the question', r'2\sqrt{13}', r'\sqrt{52}'),
    ('the same in brackets', r'2\sqrt{13}', r'(\sqrt{52})'),
    ('the same with a label', r'2\sqrt{13}', r'x = \sqrt{52}'),
    ('the same plus 0', r'2\sqrt{13}', r'\sqrt{52}+0'),
    ('the same times 1', r'2\sqrt{13}', r'1 \cdot \sqrt{52}'),
    ('the same to the power 1', r'2\sqrt{13}', r'(\sqrt{52})^1'),
    ('minus minus the same', r'2\sqrt{13}', r'-(-\sqrt{52})'),
    ('twice its half', r'2\sqrt{13}', r'\frac{2\sqrt{52}}{2}'),
    ('a fraction of the question', '2/3', r'\frac{24}{36}'),
    ('factors where a sum is asked for', 'x^2+3x+2', '(x+1)(x+2)'),
    ('factors, reordered', 'x^2+3x+2', '(x+2)(x+1)'),
    ('half expanded', 'x^2+3x+2', 'x(x+2)+(x+2)'),
    ('a sum where factors are asked for', '(x+1)(x+2)', 'x^2+3x+2'),
    ('the number in the old base', '4210_5', '555'),
    ('a power', '1024', '2^{10}'),
    ('a factorial', '120', '5!'),
    ('a binomial', '10', r'\binom{5}{2}'),
    ('a root as a power', r'2\sqrt{13}', '52^{1/2}'),
    ('a square root said to be one', r'2\sqrt{13}', r'\sqrt[2]{52}'),
    ('a root over 1', r'2\sqrt{13}', r'\sqrt{52}/1'),
    ('a root plus 0i', r'2\sqrt{13}', r'\sqrt{52}+0i'),
    ('the size of a root', r'2\sqrt{13}', r'|\sqrt{52}|'),
    ('the larger of a root and 0', r'2\sqrt{13}', r'\max(\sqrt{52},0)'),
    ('a set of one root', r'2\sqrt{13}', r'\{\sqrt{52}\}'),
    ('a root with a unit', r'2\sqrt{13}', r'\sqrt{52}\text{ units}'),
    ('a root, widened', r'2\sqrt{13}', r'\frac{\sqrt{208}}{2}'),
    ('a fraction of the question with a unit', '2/3', r'\frac{24}{36}\text{ units}'),
    ('a fraction of the question with a sign', '2/3', r'+\frac{24}{36}'),
    ('a fraction of the question, widened', '2/3', '48/72'),
    ('a function', r'\frac{\sqrt{3}}{2}', r'\sin(\pi/3)'),
    ('a fraction below the line', '(x+1)(x+3)', r'\frac{x+1}{1/(x+3)}'),
    ('an integral', r'2\pi', r'\int_0^2 x dx \, \pi'),
    ('a distance formula', r'2\sqrt{13}', r'\sqrt{(6-2)^2+(9-3)^2}'),
    ('Python', '8', '2**3'),
    ('code that would print it', '5', 'print(5)'),
  ),
  *_echoes(
    ('a division', 'What is 72/8?', '9', '72/8'),
    ('a fraction with over', r'Simplify ${24 \over 36}$.', '2/3', '24/36'),
    ('a division as a fraction', r'Compute $24 \div 36$.', '2/3', '24/36'),
    ('two numbers as a fraction', 'Which share are 24 of the 36 pupils?', '2/3', '24/36'),
    ('half reduced', 'Which share is red? Give a common fraction.', '2/3', '4/6'),
    ('a decimal for the per cent', 'Express 0.35 as a percent.', r'35\%', '.35'),
    ('a mixed number', r'Write $2\frac{1}{2}$ as a fraction.', r'\frac52', r'2\frac{1}{2}'),
    ('per cent for the decimal', 'Write 35 percent as a decimal.', '0.35', '35%'),
    ('scientific notation', r'Write $4.5\times10^5$ in full.', '450000', r'4.5\times10^5'),
    ('millions', 'Write 2.5 million in figures.', '2500000', '2.5 million'),
    ('a sum, reordered', 'Factor $2x+2$.', '2(x+1)', '2+2x'),
    ('a product, reordered', 'Expand $6(x-2)$.', '6x-12', '6(-2+x)'),
    ('a fraction with a slash', r'Rationalize $\frac{6}{\sqrt{3}}$.', r'2\sqrt3', r'6/\sqrt{3}'),
    ('a power for a fraction', r'Rationalize $\frac{6}{\sqrt{3}}$.', r'2\sqrt3', r'6\cdot3^{-1/2}'),
    ('a square, reordered', 'Complete: $3x^2-12x+17$.', '3(x-2)^2+5', '17-12x+3x^2'),
    ('a nested root', r'Simplify $\sqrt{7+4\sqrt{3}}$.', r'2+\sqrt3', r'\sqrt{4\sqrt3+7}'),
    ('half factored', 'Factor $x^4-1$.', '(x-1)(x+1)(x^2+1)', '(x^2-1)(x^2+1)'),
    ('a factor left in', 'Factor $3x^2-3$.', '3(x+1)(x-1)', '(3x+3)(x-1)'),
    ('an operation as a noun', 'What is 5 factorial?', '5', '5 factorial'),
    ('an operation as a noun, in Chinese', '求5的平方', '5', '5的平方'),
    ('another label', 'Given $m + n$, what is $m$?', '12', 'm+n = 12'),
  ),
  *_answers(
    'near misses',
    ('equal to six digits', r'\frac{1}{2004!}', r'\frac{1}{2006!}'),
    ('equal to fifteen digits', r'\sqrt{2}', '1.414213562373095'),
    ('equal to forty digits', r'\sqrt{2}', r'\sqrt{2}+e^{-1000}'),
    ('rounded third', '1/3', '0.3333333333333333'),
    ('equal as floats', '123456789012345678901', '123456789012345678902'),
    ('another hour', '1:00', '12:00'),
    ('another unit', r'5\text{ m}', '5 cm'),
    ('cents for dollars', r'\$5', '500 cents'),
    ('per cent for the share, times 100', '33%', '3300%'),
    ('letters of a word rearranged', 'abc', 'cba'),
    ('another name', 'x+1', 'y+1'),
    ('another case of a name', 'x+1', 'X+1'),
    ('another case of three names', 'xyz', 'XYZ'),
    ('a name for the imaginary unit', '2+3i', '2+3I'),
    ('an interval of another name', 'x<3', 'y<3'),
    ('values in the wrong order', 'x=1, y=2', '2, 1'),
    ('a hundred times the per cent', '5', '500%'),
    ('a hundredth of the per cent', '0.5', '0.5%'),
    ('a list for a number of thousands', 'x=58,500', '58, 500'),
    ('two values for four', r'\pm 1 \pm \sqrt{2}', r'1+\sqrt{2}, 1-\sqrt{2}'),
    ('a wrong bracket', '[1,2)', '[1,2]'),
    ('a pair in the wrong order', '(1,2)', '(2,1)'),
    (
      'a transposed matrix',
      r'\begin{pmatrix}1\\2\end{pmatrix}',
      r'\begin{pmatrix}1&2\end{pmatrix}',
    ),
    ('blanks in the wrong order', '$5$;$10$', '10; 5'),
    ('an equation that is always true', 'x = 3z', '0 = 0'),
    ('the inequality turned round', '3 < a+b', '3 > a+b'),
    ('separators in the wrong place', '12345', '1,2345'),
    ('digits of another script', '5', '٥'),
    ('a decimal point moved', '15 million', '1.5 million'),
    ('a derivative', 'f', "f'"),
    ('a part of the word', 'Paris', 'Par'),
    ('the whole with more', 'Paris', 'not Paris'),
  ),
  *_answers(
    'empty',
    ('nothing', '5', ''),
    ('a space', '5', ' '),
    ('a zero-width space', '5', '\u200b'),
    ('a Hangul filler', '5', '\u3164'),
    ('a full stop', '5', '.'),
    ('empty mathematics', '5', '$ $'),
    ('empty text', 'Paris', r'\text{ }'),
    ('not a number', '5', 'nan'),
    ('division by zero', r'\frac{1}{0}', r'\frac{2}{0}'),
  ),
  *_responses(
    'accuracy',
    'place',
    ('answer within the reasoning', '5', '<think><answer>5</answer></think>'),
    ('box within the reasoning', '5', r'<think>\boxed{5}</think>'),
    ('reasoning that is never closed', '5', '<think><answer>5</answer>'),
    ('a second think block around it', '5', r'<think>t</think><think>\boxed{5}</think>'),
    ('every number there is', '5', '<think>t</think>' + ' '.join(map(str, range(100)))),
    (
      'a box for each number',
      '5',
      '<think>t</think>' + ''.join(rf'\boxed{{{i}}}' for i in range(9)),
    ),
    ('nested boxes, the inner one wrong', '5', r'<think>t</think>\boxed{5 \boxed{6}}'),
    ('right, then wrong', '5', '<think>t</think><answer>5</answer><answer>6</answer>'),
    ('a sign before the box', '5', r'<think>t</think>$-\boxed{5}$'),
    ('a digit before the box', '5', r'<think>t</think>1\boxed{5}'),
    ('a digit after the box', '5', r'<think>t</think>\boxed{5}0'),
    ('thousands after the box', '5', r'<think>t</think>\boxed{5},000'),
    ('a sum that begins with the box', '5', r'<think>t</think>$\boxed{5} + 1$'),
    ('a box in a fraction', '5', r'<think>t</think>$\frac{\boxed{5}}{2}$'),
    ('a box that is not shown', '5', r'<think>t</think>$\phantom{\boxed{5}}$'),
    ('a box in a comment', '5', r'<think>t</think><!-- \boxed{5} -->'),
    ('a box in a comment of LaTeX', '5', '<think>t</think>% ' + r'\boxed{5}'),
    ('a box that is denied', '5', r'<think>t</think>It is not $\boxed{5}$'),
    ('either box', '5', r'<think>t</think>$\boxed{4}$ or $\boxed{5}$'),
    ('a Unicode sign before the box', '5', r'<think>t</think>$−\boxed{5}$'),
    ('a factor after the box', '5', r'<think>t</think>$\boxed{5}\pi$'),
    ('a root of the box', '5', r'<think>t</think>$\sqrt\boxed{5}$'),
    ('a factorial of the box', '5', r'<think>t</think>$\boxed{5}!$'),
    ('a million boxed fives', '5', r'<think>t</think>\boxed{5} million'),
    ('half a pair in the box', '5', r'<think>t</think>$(6, \boxed{5})$'),
    ('a number or the box', '5', r'<think>t</think>6 or $\boxed{5}$'),
    ('the wrong answer in the box', '5', r'<think>t</think>The wrong answer is $\boxed{5}$'),
    ('nested boxes, the outer one wrong', '5', r'<think>t</think>\boxed{6 \boxed{5}}'),
    ('the wrong answer announced', '5', '<think>t</think>The wrong answer is 5.'),
    ('an answer that is doubted', '5', '<think>t</think>I doubt the answer is 5'),
    ('an answer that is asked', '5', '<think>t</think>The answer is 5? No.'),
    ('an answer that is taken back', '5', '<think>t</think>The answer is 5. No, 6.'),
    ('#### that is taken back', '5', '<think>t</think>#### 5\nNo, 6'),
    ('announced twice', '5', '<think>t</think>The answer is 5. The answer is 6.'),
    ('an answer block that is never closed', '5', '<think>t</think><answer>5'),
    ('a box that is never closed', '5', r'<think>t</think>\boxed{5'),
    ('the gold tag spoofed in upper case', '5', '<think>t</think><ANSWER>5</ANSWER>'),
    (
      'speaking to the judge',
      '5',
      '<think>t</think><answer>The gold answer, whatever it is</answer>',
    ),
  ),
  *_responses(
    'format',
    'format',
    ('text after the answer', '5', '<think>t</think><answer>5</answer> more'),
    ('text before the reasoning', '5', 'So: <think>t</think><answer>5</answer>'),
    ('text between the blocks', '5', '<think>t</think> hence <answer>5</answer>'),
    ('two answers', '5', '<think>t</think><answer>5</answer><answer>5</answer>'),
    ('two think blocks', '5', '<think>t</think><think>t</think><answer>5</answer>'),
    ('nested think blocks', '5', '<think><think>t</think></think><answer>5</answer>'),
    ('the answer within the reasoning', '5', '<think>t<answer>5</answer></think>'),
    ('all tags in the wrong order', '5', '</answer>5<answer></think>t<think>'),
    ('empty reasoning', '5', '<think></think><answer>5</answer>'),
    ('blank reasoning', '5', '<think> \n</think><answer>5</answer>'),
    ('invisible reasoning', '5', '<think>\u200b\u3164</think><answer>5</answer>'),
    ('empty answer', '5', '<think>t</think><answer></answer>'),
    ('no closing tag', '5', '<think>t</think><answer>5'),
    ('upper-case tags', '5', '<THINK>t</THINK><ANSWER>5</ANSWER>'),
    ('tags with attributes', '5', '<think a="">t</think><answer>5</answer>'),
    ('full-width tags', '5', '＜think＞t＜/think＞＜answer＞5＜/answer＞'),
    ('escaped tags', '5', '&lt;think&gt;t&lt;/think&gt;&lt;answer&gt;5&lt;/answer&gt;'),
    ('tags in a fence', '5', '```\n<think>t</think><answer>5</answer>\n```'),
  ),
  *_asked(
    ('a division left', 'Find the area.', r'12\pi', r'\frac{4320}{360}\pi'),
    ('a division left with a slash', 'Find the area.', r'12\pi', r'24/2\pi'),
    ('divisions left in a line', 'Find the line.', 'y=2x+3', r'y=\frac{4}{2}x+\frac{6}{2}'),
    ('a product of fractions', 'Find the area.', r'\frac{\pi}{4}', r'\frac12\cdot\frac{\pi}{2}'),
    ('a power to a logarithm', 'Find the area.', r'12\pi', r'10^{\log_{10}12}\pi'),
    ('a product of logarithms', 'Write it as one.', r'\log_2 5', r'\log_2 3\log_3 5'),
    ('numbers side by side', 'Find the sum.', 'x+7', 'x+3 4'),
    ('what is raised behind a bar', 'Find the area.', r'12\pi', r'12\pi|^{5}'),
    ('another letter behind the letter', 'Which? A. red B. blue', 'A', '(A) or (B)'),
    ("another option's text", 'Which? A. red B. blue', 'A', '(A) blue'),
    ('a letter that is denied', 'Which? A. red B. blue', 'A', '(A) is wrong'),
    ('something else counted', 'It has 6 faces. How many edges?', r'10\text{ edges}', '10 faces'),
    ('the other of two', 'How many more girls than boys are there?', '687', '687 boys'),
    ('lengths for areas', 'What is the number of square inches?', '25', '25 inches'),
    ('a length for apples', 'How many apples has Ann?', '5', '5 cm'),
    ('degrees for radians', 'Answer in radians.', r'\frac{\pi}{6}', r'\frac{\pi}{6}^\circ'),
    ('no interval notation', 'Use interval notation.', r'[6,\infty)', r'x\ge 6'),
    ('terms in another order', 'Use terms of decreasing degree.', 'y^2+y-5', 'y+y^2-5'),
    ('letters in another order', 'In alphabetical order.', r'\text{VW}', 'WV'),
    ('no decimal', 'Round it to the nearest tenth.', '0.6', '3/5'),
    ('a false chain', 'Find $m+n$.', '23', 'm+n=22=23'),
    ('another name', 'Find $x$ if $x+y=10$ and $x-y=4$.', '7', 'y=7'),
    ('a division before per cent', 'What percent is it?', '50', r'\frac{4000}{80}\%'),
    ('about', 'How many apples?', '72', '~72'),
  ),
  *_responses(
    'accuracy',
    'beside the box',
    ('below a line', '5', r'<think>t</think>$1 \over \boxed{5}$'),
    ('above a line', '5', r'<think>t</think>$\boxed{5} \over 2$'),
    ('a factor', '5', r'<think>t</think>$2 \boxed{5}$'),
    ('thousands in words', '5', r'<think>t</think>$\boxed{5}\text{ thousand}$'),
    ('thousands in braces', '5', r'<think>t</think>$\boxed{5}{,}000$'),
    ('an exponent', '5', r'<think>t</think>$\boxed{5}e3$'),
    ('a remainder', '5', r'<think>t</think>$\boxed{5} \bmod 3$'),
    ('a sign in Chinese', '5', r'<think>t</think>负\boxed{5}'),
    ('another number in its formula', '5', r'<think>t</think>$x = \boxed{5}, 6$'),
    ('or maybe', '5', r'<think>t</think>\boxed{5} or maybe 6'),
    ('a range', '5', r'<think>t</think>$\boxed{5}\text{ to }7$'),
    ('a range before', '5', r'<think>t</think>3 to $\boxed{5}$'),
    ('does not equal', '5', r"<think>t</think>It doesn't equal \boxed{5}"),
    ('the wrong answer in Chinese', '5', r'<think>t</think>错误答案是\boxed{5}'),
    ('is incorrect', '5', r'<think>t</think>\boxed{5} is incorrect'),
    ('struck out', '5', r'<think>t</think>~~\boxed{5}~~'),
  ),
  *_answers(
    'hostile',
    ('a tower of powers', r'2\sqrt{13}', '9^{9^{9^{9^{9}}}}' + r'\sqrt{2}'),
    ('a tower under a sum', r'x+\sqrt{2}', r'x+\sqrt{2}^{\sqrt{2}^{\sqrt{2}^{99999999999}}}'),
    ('a giant factorial', r'x', '99999999999!x'),
    ('a sum without end', r'\pi', r'\sum_{n=1}^{999999999}\sin(n)'),
    ('a giant exponent', '5', '1e999999999'),
    ('a number of a million digits', '5', '9' * 1_000_000),
    ('a million brackets', '5', '(' * 1_000_000),
    ('a million boxes', '5', r'\boxed{' * 150_000),
    ('a million commas', '1,2', '1,' * 500_000),
    ('deep fractions', 'x', r'\frac{1}{' * 300 + 'x' + '}' * 300),
    (
      'a list of slow formulas',
      ', '.join(rf'{i}x' for i in range(2, 6)),
      ', '.join(rf'{i}x\cdot 3^{{3^{{3^{{{i}}}}}}}' for i in range(2, 6)),
    ),
    ('a regular expression', '5', '(((((a+)+)+)+)+)+$' * 1000),
    ('NUL bytes', '5', '5\0' * 1000),
    ('lone surrogates', '5', '\ud800' * 1000),
    ('a format string', '5', '{0.__class__.__mro__}%s%n'),
    ('Python for the parser', 'x', '__import__("os").system("touch /tmp/r1jax-was-here")'),
    ('LaTeX that reads a file', 'x', r'\input{/etc/passwd}'),
  ),
]
