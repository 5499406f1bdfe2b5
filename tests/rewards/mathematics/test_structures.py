import time
from fractions import Fraction

import pytest

from r1jax.rewards.mathematics import notation, structures
from r1jax.rewards.mathematics.kinds import (
  Blanks,
  Bracketed,
  Collection,
  Formula,
  Matrix,
  Relation,
  Words,
)
from r1jax.rewards.mathematics.quantities import Quantity

LOW, HIGH = Formula(r'-\infty'), Formula(r'\infty')


def number(value):
  return Quantity(Fraction(value))


ONE, TWO, THREE = map(number, (1, 2, 3))


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('1', ONE),
    ('((1))', ONE),
    ('{1}', ONE),
    ('(1,2)', Bracketed('(', (ONE, TWO), ')')),
    ('(1;2)', Bracketed('(', (ONE, TWO), ')')),
    ('[1,2)', Bracketed('[', (ONE, TWO), ')')),
    (r'\langle 1,2 \rangle', Bracketed('<', (ONE, TWO), '>')),
    ('(100,200)', Bracketed('(', (number(100), number(200)), ')')),
    ('1,2', Collection('set', (ONE, TWO))),
    ('1、2', Collection('set', (ONE, TWO))),
    ('1, 2, and 3', Collection('set', (ONE, TWO, THREE))),
    (r'1, 2, \text{ and } 3', Collection('set', (ONE, TWO, THREE))),
    ('1或2', Collection('set', (ONE, TWO))),
    (r'\{1,2\}', Collection('set', (ONE, TWO))),
    (r'\{1\}', Collection('set', (ONE,))),
    ('1; 2', Blanks((ONE, TWO))),
    (r'$1$;$\frac{2}{1}$', Blanks((ONE, TWO))),
    (r'\pm 1', Collection('set', (ONE, number(-1)))),
    (r'3 \pm 2i', Collection('set', (Formula('3 + 2i'), Formula('3 - 2i')))),
    (r'a \pm b \mp c', Collection('set', (Formula('a + b - c'), Formula('a - b + c')))),
    (
      r'(-\infty,1)\cup[2,\infty)',
      Collection('union', (Bracketed('(', (LOW, ONE), ')'), Bracketed('[', (TWO, HIGH), ')'))),
    ),
    ('x<1', Bracketed('(', (LOW, ONE), ')', 'x')),
    ('y>1', Bracketed('(', (ONE, HIGH), ')', 'y')),
    (r'1 \ge x', Bracketed('(', (LOW, ONE), ']', 'x')),
    (r'1 < x \leq 2', Bracketed('(', (ONE, TWO), ']', 'x')),
    (r'2 \geq x > 1', Bracketed('(', (ONE, TWO), ']', 'x')),
    (r'x \in 1', Relation((r'\in',), ('x', '1'))),
    (r'x \in [1,2]', Bracketed('[', (ONE, TWO), ']')),
    (r'\{x | x>1\}', Bracketed('(', (ONE, HIGH), ')', 'x')),
    (r'\{x \mid 1 < x < 2\}', Bracketed('(', (ONE, TWO), ')', 'x')),
    (r'\{x \in R: x>1\}', Bracketed('(', (ONE, HIGH), ')', 'x')),
    (
      r'x \le 1 \text{ or } x > 2',
      Collection(
        'union', (Bracketed('(', (LOW, ONE), ']', 'x'), Bracketed('(', (TWO, HIGH), ')', 'x'))
      ),
    ),
    (
      r'x \ge 1 \text{ and } x < 2',
      Bracketed('[', (ONE, TWO), ')', 'x'),
    ),
    (
      r'x \ge 1 且 x \ne 2',
      Collection(
        'union', (Bracketed('[', (ONE, TWO), ')', 'x'), Bracketed('(', (TWO, HIGH), ')', 'x'))
      ),
    ),
    (
      r'x > 1 \text{ and } y < 2',
      Collection(
        'both', (Bracketed('(', (ONE, HIGH), ')', 'x'), Bracketed('(', (LOW, TWO), ')', 'y'))
      ),
    ),
    (
      r'x \ne 1',
      Collection(
        'union', (Bracketed('(', (LOW, ONE), ')', 'x'), Bracketed('(', (ONE, HIGH), ')', 'x'))
      ),
    ),
    (r'\mathbb{R}', Bracketed('(', (LOW, HIGH), ')')),
    (
      r'\mathbb{R} \setminus \{2, 1\}',
      Collection(
        'union',
        tuple(Bracketed('(', pair, ')') for pair in ((LOW, ONE), (ONE, TWO), (TWO, HIGH))),
      ),
    ),
    (r'\{1 | 2\}', Collection('set', (Formula('1 | 2'),))),
    ('x=1,234', Relation(('=',), ('x', '1,234'))),
    (
      r'\pm 1 \pm 2i',
      Collection('set', tuple(map(Formula, ('1 + 2i', '1 - 2i', '- 1 + 2i', '- 1 - 2i')))),
    ),
    ('x = 1', Relation(('=',), ('x', '1'))),
    ('a + b > 1', Relation(('<',), ('1', 'a + b'))),
    ('x < x^2', Relation(('<',), ('x', 'x^{2}'))),
    ('f(2) < f(1) < f(4)', Relation(('<', '<'), ('f(2)', 'f(1)', 'f(4)'))),
    ('1 < x > 2', Formula('1 < x > 2')),
    (r'\begin{pmatrix} 1 & 2 \\ 3 & 1 \end{pmatrix}', Matrix(((ONE, TWO), (THREE, ONE)))),
    (r'\begin{bmatrix} 1 \\ 2 \\ \end{bmatrix}', Matrix(((ONE,), (TWO,)))),
    (r'\left[\begin{matrix} 1 \\ 2 \end{matrix}\right]', Matrix(((ONE,), (TWO,)))),
    (r'\text{even}', Words('even')),
    ('New York', Words('new york')),
    ('星期五', Words('星期五')),
    (r'\text{4:30 p.m.}', Words('4:30 pm')),
    ('12:00', Words('12:00')),
    (r'\text{June } 20', Words('june 20')),
    ('①③', Collection('set', (Words('①'), Words('③')))),
    ('4210_5', Words('4210 in base 5')),
    ('(4210)_5', Words('4210 in base 5')),
    ('XYZ', Words('XYZ')),
    ('Yes', Words('yes')),
    ('xyz-1', Formula('xyz-1')),
    (r'\text{(E)}', Formula('E')),
    ('xy', Formula('xy')),
    (r'8\sqrt{3} \text { square inches}', Formula(r'8\sqrt{3}', 'in^2')),
    (r'2\pi cm', Formula(r'2\pi', 'cm')),
    ('+x', Formula('x')),
    ('f(1,2)', Formula('f(1,2)')),
    ('(1,2', Formula('(1,2')),
    ('1,,2', Formula('1,,2')),
    ('(1,2}', Formula('(1,2}')),
    ('', Formula('')),
  ],
)
def test_reads(text, expected):
  assert structures.read(notation.normalise(text)) == expected


@pytest.mark.parametrize(
  ('text', 'is_label'),
  [('x', True), ('f(x)', True), (r'\angle ABC', True), ('P(A|B)', True), ('面积', True),
   ('x_{1}', True), ('2x', False), ('x+1', False), (r'\frac{x}{y}', False), ('', False)],
)  # fmt: skip
def test_labels(text, is_label):
  assert structures.is_label(text) is is_label


def test_depth_and_items_are_bounded():
  deep = '(1,' * 50 + '2' + ')' * 50
  assert 'Formula' in repr(structures.read(deep))
  assert structures.read(','.join('12' * 50)) == Formula(','.join('12' * 50))
  many = ','.join('1' * structures.MAX_ITEMS)
  assert len(structures.read(many).items) == structures.MAX_ITEMS


@pytest.mark.parametrize(
  'piece', ['(', '{', '1,', 'x<', r'\pm', 'and ', r'\cup', '(1,2)', r'\{', '=']
)
def test_time_is_bounded(piece):
  start = time.process_time()
  structures.read(piece * 100_000)
  structures.read(piece * (structures.MAX_LENGTH // len(piece)))
  assert time.process_time() - start < 1
