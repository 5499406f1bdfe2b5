import time

import pytest

from r1jax.rewards.mathematics import notation


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    (' 72\n', '72'),
    ('$72$', '72'),
    ('$$72$$', '72'),
    (r'\(72\)', '72'),
    (r'\[ 72 \].', '72'),
    (r'\text{Paris}', 'Paris'),
    (r'\textbf{(E)}', '(E)'),
    ('**72**', '72'),
    ('72。', '72'),
    ('72..', '72..'),
    (r'$\$5$', r'\$5'),
    ('$5$ and $6$', '$5$ and $6$'),
    (r'\left( 3,\ \tfrac12\right)', r'( 3, \frac{1}{2})'),
    (r'\bigl[0,1\bigr)', '[0,1)'),
    (r'\leftarrow', r'\leftarrow'),
    (r'14,\!400', '14,400'),
    (r'10\,000', r'10\,000'),
    (r'10\,m', '10 m'),
    (r'\dfrac{\sqrt3}{2}', r'\frac{\sqrt{3}}{2}'),
    (r'\frac 59', r'\frac{5}{9}'),
    (r'\frac\pi4', r'\frac{\pi}{4}'),
    (r'\frac{a}b', r'\frac{a}{b}'),
    ('x^10', 'x^{10}'),
    ('4210_5', '4210_{5}'),
    ('30°', r'30^{\circ}'),
    (r'30^\circ', r'30^{\circ}'),
    (r'x \leqslant 3', r'x \le 3'),
    (r'x \neq 3', r'x \ne 3'),
    ('x ≤ 3', r'x \le 3'),
    (r'\mathrm{e}^x', 'e^{x}'),
    (r'\mathrm{cm}', 'cm'),
    ('２√13', r'2\sqrt{13}'),
    ('sqrt(5)', r'\sqrt{5}'),
    ('3pi', r'3\pi'),
    ('spin', 'spin'),
    ('x²⁻¹', 'x^{2}^{-1}'),
    ('2½', r'2\frac{1}{2}'),
    ('①③', '①,③'),
    (r'\textcircled{1}\textcircled{3}', '①,③'),
    ('（3，4）', '(3,4)'),
    ('−5', '-5'),
    (r'44\%', '44%'),
    (r'\begin{pmatrix} 1 \\ 2 \end{pmatrix}', r'\begin{pmatrix} 1 \\ 2 \end{pmatrix}'),
  ],
)
def test_one_spelling(text, expected):
  assert notation.normalise(text) == expected


def test_what_has_one_spelling_keeps_it():
  for text in (r'\frac{1}{2}', r'x^{2}-2x+8', r'\sqrt{13}', '(3, 4)', r'8\sqrt{3} \text{ cm}'):
    assert notation.normalise(text) == text


def test_more_wrappers_than_an_answer_has_are_no_answer():
  layers = 2 * notation.MAX_WRAPPERS + 1  # Wrappers are taken off twice.
  assert notation.normalise('5' + ' .' * layers) != '5'
  assert notation.normalise(r'\(\text{$5$}.\)') == '5'


@pytest.mark.parametrize(
  ('text', 'expected'),
  [('( 3, 4 )', '(3,4)'), ('New York', 'New York'), ('2 1/2', '2 1/2'), ('x + 1', 'x+1')],
)
def test_squeezing_keeps_words_and_numbers_apart(text, expected):
  assert notation.squeeze(text) == expected


@pytest.mark.parametrize(
  'piece',
  [
    '\\frac',
    '{',
    '$',
    '\\frac{',
    'sqrt(',
    '^',
    ' ',
    '½',
    '\\text{',
    '\\frac{1',
    '\\',
    '**',
    '。',
    '_',
  ],
)
def test_time_is_linear(piece):
  start = time.process_time()
  notation.normalise(piece * (200_000 // len(piece)))
  assert time.process_time() - start < 2
