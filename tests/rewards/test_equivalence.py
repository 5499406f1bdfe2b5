import math
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

import r1jax.rewards
from r1jax.rewards import equivalence, workers
from r1jax.rewards.equivalence import math_equal
from r1jax.rewards.mathematics import symbolic

BIG = '123456789012345678901234567890'

# An answer and its gold answer. Numbers and units have more cases in test_quantities.py.
EQUAL = [
  # Numbers.
  ('72', '72'),
  ('72.', '72'),
  (' 72\n', '72'),
  ('+72', '72'),
  ('72.00', '72'),
  ('-0', '0'),
  ('−5', '-5'),
  ('５', '5'),
  ('1,234', '1234'),
  ('1/2', '0.5'),
  ('2/4', '1/2'),
  (r'\frac12', '1/2'),
  (r'-\dfrac{ 1 }{ 2 }', '-0.5'),
  ('1 1/2', '3/2'),
  (r'1\frac{1}{2}', '1.5'),
  ('1e3', '1000'),
  (r'3\times 10^8', '300,000,000'),
  (BIG + '1', BIG + '1.0'),
  (r'0.\overline{3}', '1/3'),
  ('50%', '50'),
  ('50%', '0.5'),
  ('0.5', r'50\%'),
  ('$50', '50'),
  ('50 dollars', r'\$50'),
  ('5cm', '5'),
  ('5', r'5\text{ cm}'),
  # LaTeX around.
  ('$72$', '72'),
  (r'\[ 72 \]', '72'),
  (r'\text{72}', '72'),
  (r'\(72\).', '72'),
  (r'$\mathrm{72.}$', '72'),
  # Labels.
  ('x = 72', '72'),
  ('72', 'x = 72'),
  ('x=72', '72=x'),
  ('f(x) = x^2', 'x^{2}'),
  (r'\angle ABC = 30^\circ', '30'),
  ('1 : 2', '1:2'),
  ('= 72', '72'),
  ('x=58,500', '58500'),
  ('y = 2x', 'f(x)=2x'),
  # Figures and words.
  ('1.5 million', '1500000'),
  ('five', '5'),
  ('5^{th}', '5'),
  ('5 m', '5'),
  ('10 m/s', '10'),
  ('5 m', '5m'),
  # Formulas.
  (r'\sqrt{13}\cdot 2', r'2\sqrt{13}'),
  ('q+p', 'p+q'),
  (r'60\pi \text{ cm}^2', r'60\pi'),
  ('1024', '2^{10}'),
  ('r^{n-1}a', 'ar^{n-1}'),
  ('P(r+1)^t', 'P(1+r)^t'),
  ('(b+a)^n', '(a+b)^n'),
  (r'\frac{a_1(q^n-1)}{q-1}', r'\frac{a_1(1-q^n)}{1-q}'),
  (r'p^n q^{-m}', r'\frac{p^n}{q^m}'),
  (r'2½+\sqrt3', r'\frac52+\sqrt3'),
  (r'2½\pi', r'\frac52\pi'),
  (r'\sin 70^\circ', r'\cos 20^\circ'),
  (r'\frac{\ln 3}{\ln 2}', r'\log_2 3'),
  ('1,000x', '1000x'),
  (r'\operatorname{arctan}(2)', r'\arctan 2'),
  ('x  +  1', 'x + 1'),
  # Equations and inequalities.
  ('y = x/e', r'$y=\frac{1}{\mathrm{e}}x$'),
  ('x = 3z', 'x - 3z = 0'),
  ('2y - 4x = 6', 'y = 2x+3'),
  ('x>3', r'(3,\infty)'),
  (r'(3,+\infty)', 'x > 3'),
  (r'x \in [1, 2)', r'1 \le x < 2'),
  (r'[1,2)', r'\{x | 1 \leq x < 2\}'),
  (r'x \ne 5', r'(-\infty,5)\cup(5,\infty)'),
  (r'x \geq 2 \text{ or } x \leq -2', r'(-\infty, -2] \cup [2, \infty)'),
  (r'[2, \infty) \cup (-\infty, -2]', r'(-\infty, -2] \cup [2, \infty)'),
  ('6 < 2a+2b', '3 < a+b'),
  ('f(2)<f(1)<f(4)', 'f(4) > f(1) > f(2)'),
  # Lists, sets, tuples, matrices.
  ('2,1', '1,2'),
  ('1 and 2', '1, 2'),
  ('1或2', '2、1'),
  (r'\{2, 1\}', '1,2'),
  ('x=1, x=2', '2, 1'),
  (r'\{5\}', '5'),
  (r'\frac{2}{4}, \sqrt{8}', r'2\sqrt{2}, 0.5'),
  (r'3-2i, 3+2i', r'3 \pm 2i'),
  (r'\left( 3, \frac{1}{2}\pi \right)', r'(3,\frac{\pi}{2})'),
  (r'[1,\frac{\sqrt{8}}{2}]', r'[1, \sqrt 2]'),
  (r'\{-1\} \cup [0, 7)', r'[0,7) \cup \{-1\}'),
  (
    r'\frac{\sqrt2}{2}\begin{pmatrix}1\\0\\-1\end{pmatrix}',
    r'\begin{pmatrix}\frac{\sqrt2}{2}\\0\\-\frac{\sqrt2}{2}\end{pmatrix}',
  ),
  (r'\sqrt2 \cdot \begin{pmatrix}1\\1\end{pmatrix}', r'\begin{pmatrix}\sqrt2\\\sqrt2\end{pmatrix}'),
  (
    r'(1+\sqrt2)\begin{pmatrix}1\\1\end{pmatrix}',
    r'\begin{pmatrix}1+\sqrt2\\1+\sqrt2\end{pmatrix}',
  ),
  (r'-\begin{pmatrix}-1\\1\end{pmatrix}', r'\begin{pmatrix}1\\-1\end{pmatrix}'),
  (r'[-2,1)\cup(1,+\infty)', r'x \ge -2 \text{ and } x \ne 1'),
  (r'x \ge -2, x \ne 1', r'x \ge -2 且 x \ne 1'),
  (r'\{x | x \ge -2 \text{ 且 } x \ne 1\}', r'[-2,1)\cup(1,\infty)'),
  ('x > 1 and x < 5', '(1,5)'),
  (r'x = \frac{\pi}{4} + n\pi, n \in \mathbb{Z}', r'x = \frac{\pi}{4} + k\pi, k \in \mathbb{Z}'),
  (
    r'[2n\pi, \pi n + \frac{\pi}{2}] (n \in Z)',
    r'[2k\pi, \pi k + \frac{\pi}{2}], k \in \mathbb{Z}',
  ),
  ('two hundred and twenty-five', '225'),
  ('forty', '40'),
  ('12元5角', '12.5'),
  ('12元0角5分', '12.05'),
  (r'\begin{bmatrix}5/3\\ 1\end{bmatrix}', r'\begin{pmatrix} \frac53 \\ 1 \end{pmatrix}'),
  ('5; 10', '$5$;$10$'),
  ('5, 10', '$5$;$10$'),
  ('1, 2', 'x = 1, y = 2'),
  ('y = 2, x = 1', 'x = 1, y = 2'),
  (r'k\pi, k \in Z', r'k\pi, k\in\mathbb{Z}'),
  (r'\mathbb{R}', r'(-\infty, \infty)'),
  (r'\mathbb{R} \setminus \{1\}', r'x \ne 1'),
  (r'\{x \in \mathbb{R} : 1 < x < 2\}', '(1, 2)'),
  (r'\emptyset', r'\varnothing'),
  (r'\left[\begin{matrix}1\\2\end{matrix}\right]', r'\begin{bmatrix}1\\2\end{bmatrix}'),
  (r'1, -1', r'\pm 1'),
  (r'1+\sqrt2, 1-\sqrt2, -1+\sqrt2, -1-\sqrt2', r'\pm 1 \pm \sqrt{2}'),
  # Words and choices.
  ('Paris', ' Paris. '),
  ('paris', r'\text{Paris}'),
  (r'\text{(E)}', 'E'),
  ('E', r'\textbf{(E)}'),
  ('4:30 PM', r'\text{4:30 p.m.}'),
  (r'4210_{5}', '4210_5'),
  ('no', 'No'),
  ('(x,y)=(1,2)', '(1,2)'),
  ('A(1,2)', '(1,2)'),
  (r'\sin A=\frac35', r'\frac35'),
  (r'\begin{pmatrix}1\\[4pt]2\end{pmatrix}', r'\begin{pmatrix}1\\2\end{pmatrix}'),
  (r'\mathbf{R}\setminus\{0\}', r'(-\infty,0)\cup(0,\infty)'),
  (r'\text{all real numbers}', r'(-\infty,\infty)'),
  (r'2516_{\text{eight}}', '2516_8'),
  ('①③', r'$\textcircled{1}\textcircled{3}$'),
  ('③、①', '①③'),
  ('(1200)_7', '1200_7'),
  ('B)', 'B'),
  (r'\textbf{(B) } 5', '5'),
  ('YES', 'Yes'),
  # Other spellings.
  (r'\frac{\pi}{3}\text{ rad}', r'\frac{\pi}{3}'),
  (r'3+4\text{i}', '3+4i'),
  ('∛2', r'\sqrt[3]{2}'),
  ('ℝ', r'\mathbb{R}'),
  ('No solutions', 'no solution'),
  ('x=2,y=3', '(2,3)'),
  ('y=3, x=2', '(2,3)'),
  (r'x < -2 \lor x > 2', r'(-\infty,-2)\cup(2,\infty)'),
  (r'\underline{\frac{1}{2}}', '1/2'),
  (r'\fbox{5}', '5'),
  (r'\frac12=0.5', '1/2'),
  (r'\tbinom n2', r'\binom{n}{2}'),
  ('5 = x', 'x = 5'),
]

DIFFERENT = [
  ('72', '73'),
  ('72', '-72'),
  ('7 2', '72'),
  ('72 73', '72'),
  ('72 or 73', '72'),
  ('72,73', '72'),
  ('72, 72', '72'),
  ('72 is wrong', '72'),
  (BIG + '1', BIG + '2'),  # equal as floats
  ('0.1000000000000000000001', '0.1'),
  ('0.3333333333333333', '1/3'),
  ('1,23', '123'),
  ('1,2345', '12345'),
  ('0,123', '123'),
  ('1.234.567', '1234567'),
  ('72..', '72'),
  ('0.333...', '0.333'),
  ('50', '0.5'),
  ('5 cm', r'5\text{ m}'),
  ('1 1/2', '11/2'),
  ('1 1/2', '1/2'),
  (r'\frac123', '1/23'),
  (r'\frac123', '12/3'),
  ('--5', '5'),
  ('5²', '52'),
  ('٥', '5'),
  ('1_000', '1000'),
  ('0x10', '16'),
  ('1e3', '10003'),
  ('inf', 'Infinity'),
  ('nan', '0'),
  ('1/0', '2/0'),
  ('0/0', '0'),
  # What is still to be computed is no number.
  ('2+2', '4'),
  ('2**3', '8'),
  ('9//2', '4'),
  ('1/2+1/3', '5/6'),
  ('1/2/2', '1/4'),
  ('1.5/3', '0.5'),
  ('1/-2', '-1/2'),
  ('5!', '120'),
  (r'\sqrt{4}', '2'),
  ('9**9**9**9', '1'),
  # Another number in the base asked for would be the question's.
  ('555', '4210_5'),
  ('4210', '4210_5'),
  ('4210_6', '4210_5'),
  # Structures.
  ('(1,2)', '(2,1)'),
  ('(1,2)', '1,2'),
  ('(1,2)', '12'),
  ('(1,2)', '[1,2]'),
  ('[1,2)', '[1,2]'),
  ('(1,2,3)', '(1,2)'),
  ('1,2,3', '1,2'),
  ('1,1', '1,2'),
  ('1', '1,2'),
  (r'\{1\}', r'\{1,2\}'),
  ('10, 5', '$5$;$10$'),
  ('x < 3', r'x \le 3'),
  ('x < 3', '3'),
  ('x > 3', 'x < 3'),
  (r'(-\infty,5)', r'x \ne 5'),
  (r'1+\sqrt2 \begin{pmatrix}1\\1\end{pmatrix}', r'\begin{pmatrix}1+\sqrt2\\1+\sqrt2\end{pmatrix}'),
  (r'\sqrt2 + \begin{pmatrix}1\\1\end{pmatrix}', r'\begin{pmatrix}\sqrt2\\\sqrt2\end{pmatrix}'),
  (r'\sqrt2 \begin{pmatrix}\sqrt2\\1\end{pmatrix}', r'\begin{pmatrix}2\\\sqrt2\end{pmatrix}'),
  ('x < 1 and x > 5', '(1,5)'),
  ('x > 1, x < 5', '(1,5)'),
  ('x > 1 and y < 5', '(1,5)'),
  (r'[n\pi, k\pi + 1], n \in \mathbb{Z}', r'[k\pi, k\pi + 1], k \in \mathbb{Z}'),
  ('hundred five', '105'),
  ('five twenty', '25'),
  ('12元5分', '12.5'),
  (r'\begin{pmatrix}1&2\end{pmatrix}', r'\begin{pmatrix}1\\2\end{pmatrix}'),
  (r'3 + 2i', r'3 \pm 2i'),
  ('x = 5', 'y = 5'),
  ('x = 5', '6'),
  ('5 = 6', '6'),
  ('x = 6 = 5', '5'),
  ('x=3=2\\sqrt{13}', '2\\sqrt{13}'),
  ('y=3x=2x', 'y=2x'),
  (r'x \not= 5', '5'),
  ('not x = 5', '5'),
  ('wrong = 5', '5'),
  (r'\pi = 5', '5'),
  ('5\\text{i}', '5'),
  ('58, 500', 'x = 58,500'),
  ('2, 1', 'x = 1, y = 2'),
  ('x = 2, y = 1', 'x = 1, y = 2'),
  ('y < 3', 'x < 3'),
  ('x < 1 and x > 2', r'(-\infty, 1) \cup (2, \infty)'),
  (r'x \in 5', '5'),
  (r'\{x | 5\}', r'\{5\}'),
  (r'\{\{5\}\}', r'\{5\}'),
  (r'1 + \sqrt{2}, 1 - \sqrt{2}', r'\pm 1 \pm \sqrt{2}'),
  # A number with what is no unit of measurement.
  ('72 apples', '72'),
  ('72 sour', '72'),
  ('72 thousands', '72'),
  ('72错', '72'),
  ('72千元', '72'),
  ('0.3 repeating', '0.3'),
  ('x+1 sour', 'x+1'),
  ('500%', '5'),
  ('0.5%', '0.5'),
  # A division that comes out even is still to be done.
  ('72/8', '9'),
  (f'{BIG}/{BIG}', '1'),
  # Numbers too large for algebra.
  ('1e9999', r'\sqrt{2}'),
  ('1e-9999', 'x'),
  (r'2\times10^{5000}', r'x=\sqrt{2}'),
  # Mixed numbers in formulas.
  ('x+3 1/4', 'x+1'),
  ('x^2+1½', 'x^2+1'),
  (r'2 1/2+\sqrt3', r'\frac32+\sqrt3'),
  # Names and labels.
  ('(y=3,x=-2)', '(3,-2)'),
  ('x=3,y=2', '(2,3)'),
  ('x=2,z=3', '(2,3)'),
  ('x=2,y=3', '[2,3]'),
  ('x=2,y=3', '2'),
  (r'\frac12=0.6', '1/2'),
  ('0.6=0.5', '1/2'),
  ('2+3=5', '5'),
  # An equation still to be solved.
  ('4x+6=26', 'x=5'),
  ('2x-10=0', 'x=5'),
  ('2x=10', 'x=5'),
  ('x-5=0', 'x=5'),
  ('2x=2\\sqrt{2}', 'x=\\sqrt{2}'),
  ('y=1;x=2', '1;2'),
  ('x=x^2', 'x^2'),
  ('2n=n', '2n'),
  ('NOT=3', '3'),
  ('no=3', '3'),
  ('f(it is 4)=3', '3'),
  ('50=and', r'50\%'),
  ('on', 'No'),
  ('x+1_2', 'x+1'),
  (r'x+\frac{1}{2^{201}}', r'x+\frac{1}{2^{200}}'),
  (r'\{x|x<1, x>3\}', r'(-\infty,1)\cup(3,\infty)'),
  ('x<1, y>2', r'(-\infty,1)\cup(2,\infty)'),
  # Degrees.
  (r'\cos 20', r'\cos 20^\circ'),
  (r'\sin 1^\circ', r'\sin 1'),
  (r'\pi/6 \text{ degrees}', r'\frac{\pi}{6}'),
  (r'2\pi\text{ percent}', r'2\pi'),
  # Functions that have a closed form.
  (r'\sin(\pi/3)', r'\frac{\sqrt{3}}{2}'),
  (r'|\sqrt{2}|', r'\sqrt{2}'),
  (r'\max(\sqrt{2}, 1)', r'\sqrt{2}'),
  (r'\frac{x+1}{1/(x+2)}', '(x+1)(x+2)'),
  ('I', 'i'),
  ('2+3I', '2+3i'),
  ('XYZ', 'xyz'),
  ('xyz-1', 'XYZ-1'),
  ('5\\text{x}', '5'),
  ('1.5 million', '15 million'),
  ('1:2', '2:1'),
  ('y=2x', 'y=3x'),
  ('0=0', 'x = 3z'),
  ('3 > a+b', '3 < a+b'),
  # Words.
  ('Par', 'Paris'),
  ('not Paris', 'Paris'),
  ('abc', 'cba'),
  ('even', 'odd'),
  ('E', 'D'),
  ('A or E', 'E'),
  ('', '72'),
  (r'\text{5} + \text{6}', r'5} + \text{6'),
  # Accepted by published checkers.
  ('1/2004!', '1/2006!'),
  ('12:00', '1:00'),
]


@pytest.mark.parametrize(('answer', 'gold'), EQUAL)
def test_equal(answer, gold):
  assert math_equal(answer, gold)


@pytest.mark.parametrize(('answer', 'gold'), DIFFERENT)
def test_different(answer, gold):
  assert not math_equal(answer, gold)


@pytest.mark.parametrize('empty', ['', ' ', '\n\t', '$ $', r'\text{ }', '\u3000'])
def test_empty_answer_equals_nothing(empty):
  for gold in ('72', 'Paris', '', ' ', empty):
    assert not math_equal(empty, gold)
    assert not math_equal(gold, empty)


@pytest.mark.parametrize('pair', [(5, '5'), ('5', 5), (None, '5')])
def test_what_is_no_text_is_an_error(pair):
  with pytest.raises(TypeError, match='all must be text'):
    math_equal(*pair)


def test_public_name():
  assert r1jax.rewards.math_equal is math_equal


rationals = st.fractions(max_denominator=10**6)


def write(value: Fraction, form: str) -> str:
  if form == 'slash':
    return f'{value.numerator}/{value.denominator}'
  if form == 'tex':
    return rf'$\frac{{{value.numerator}}}{{{value.denominator}}}$'
  return f'{value.numerator:,}' + ('.0' if value.denominator == 1 else f'/{value.denominator}')


forms = st.sampled_from(['slash', 'tex', 'thousands'])


@given(rationals, rationals, forms, forms)
def test_agrees_with_rational_numbers(left, right, left_form, right_form):
  assert math_equal(write(left, left_form), write(left, right_form))
  assert math_equal(write(left, left_form), write(right, right_form)) == (left == right)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_agrees_with_decimals(value):
  assert math_equal(f'{value:,f}', f'{value:f}0')
  assert not math_equal(f'{value:f}', f'{value:f}1')


@given(st.text(max_size=20))
def test_is_reflexive(text):
  # Nothing but emptiness keeps a text from being equal to itself.
  assert math_equal('x' + text, 'x' + text)


def test_longer_answers_are_equal_to_the_letter_or_not_at_all():
  longest = '7' * equivalence.MAX_LENGTH
  assert math_equal(longest, longest)
  assert math_equal(longest + '7', longest + '7\n')
  assert not math_equal('$' + longest + '$', longest)


def test_a_fault_is_no_equality_and_is_recorded(monkeypatch):
  def fail(**_):
    raise workers.WorkerError('timeout', 'late')

  monkeypatch.setattr(symbolic, 'equal', fail)
  with workers.recorded() as faults:
    assert not math_equal('x+1', '1+x')
  assert [fault.reason for fault in faults] == ['timeout']


def test_a_bug_is_no_verdict(monkeypatch):
  def fail(**_):
    raise RuntimeError('bug')

  monkeypatch.setattr(symbolic, 'equal', fail)
  with pytest.raises(RuntimeError, match='bug'):
    math_equal('x+1', '1+x')


@pytest.mark.parametrize(
  'answer',
  [
    '1e999999999',
    '1e-999999999',
    '9' * 300_000,
    '0.' + '9' * 300_000,
    '1/' * 150_000,
    '$' * 300_000,
    '($' * 150_000,
    r'\(' * 150_000,
    r'\text{' * 50_000,
    '{' * 300_000,
    '.' * 300_000,
    '. ' * 150_000,
    '9**' * 100_000,
    '\ud800' * 1000,
  ],
  ids=lambda answer: answer[:6].encode('ascii', 'replace').decode(),
)
def test_cost_is_bounded(answer):
  start = time.process_time()
  assert not math_equal(answer, '1')
  assert not math_equal('1', answer)
  assert math_equal('x' + answer, 'x' + answer)
  assert time.process_time() - start < 5


def test_factorials_are_not_evaluated():
  assert not math_equal('2004!', str(math.factorial(20)))
