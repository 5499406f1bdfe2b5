r"""The form that a question asks for, of answers that are equal to the gold answer."""

import pytest

from r1jax import structs
from r1jax.rewards import accuracy

OPTIONS = 'Which is closest? A. $50$ dollars B. $38$ dollars C. $34$ dollars D. $26$ dollars'
# Question, gold answer, answers that leave undone what is asked.
UNDONE = [
  ('Give the distance in simplest radical form.', r'10\sqrt2', r'\sqrt{200}', r'2\sqrt{50}'),
  ('Give the distance in simplest radical form.', r'10\sqrt2', r'\frac{20}{\sqrt2}'),
  ('Simplify the expression.', '2x-1', r'\frac{4x-2}{2}', r'\frac{6x-3}{3}'),
  ('化简', '1-5i', r'\frac{5-25i}{5}'),
  ('Simplify the expression.', r'\frac{x+2}{7}', r'\frac{3x+6}{21}'),
  ('Find the inverse.', r'\frac{11x+5}{x-2}', r'\frac{22x+10}{2x-4}'),
  ('Find the sum.', r'\frac{2n}{n+1}', r'\frac{4n}{2n+2}'),
  ('Find the slope.', r'-\frac{1}{2x}', r'-\frac{2}{4x}'),
  ('Solve $x^2-2x-4=0$.', r'1\pm\sqrt5', r'\frac{2\pm\sqrt{20}}{2}'),
  ('解方程 $x^2-4x+1=0$', r'2\pm\sqrt3', r'\frac{4\pm2\sqrt3}{2}'),
  ('Factor $36-4x^2$ completely.', '4(3-x)(3+x)', '2(6-2x)(3+x)', '-4(x^2-9)'),
  ('Factor $12x^2+36x+24$.', '12(x+1)(x+2)', '3(2x+2)(2x+4)', '6(2x+2)(x+2)'),
  ('Factor $30x^3-8x^2+20x$.', '2x(15x^2-4x+10)', r'4x(7.5x^2-2x+5)'),
  ('Factor it.', '(2x+3)(2x-1)(2x+1)', r'8(x+\frac32)(x-\frac12)(x+\frac12)'),
  (r'Factor $\frac{x^2}{2}-\frac12$.', r'\frac{(x+1)(x-1)}{2}', r'\frac{x^2-1}{2}'),
  ('Expand $(3r+6)(q-5)$.', '3qr+6q-15r-30', '3qr+6q-5(3r+6)', '3(qr+2q-5r-10)'),
  ('Expand $2(x-3)(x+3)$.', '2x^2-18', '2(x^2-9)'),
  ('Expand $4(x+3)$.', '4x+12', '2(2x+6)'),
  ('Write it in the form $Ar^2+Br+C$.', '6r^2-4r-24', '2(3r^2-2r-12)'),
  ('Expand and simplify $2(x+1)+3(x+2)$.', '5x+8', '5(x+1)+3'),
  ('Find the $n$th term.', 'a_n=2n+1', '3+(n-1)2'),
  ('Find the $n$th term.', 'a_n=2^{n-1}', r'2^{n-2}\cdot2'),
  (r'Compute the sum.', r'\frac{\pi^2}{6}', r'\frac{\pi\cdot\pi}{6}'),
  ('Find the angle.', r'\frac\pi3', r'\pi-\frac{2\pi}{3}'),
  (
    'Write the line as $ax+by=c$ with $a>0$ as small as possible.',
    *('4x-5y=-50', '8x-10y=-100', r'y=\frac45x+10', '-4x+5y=50'),
  ),
  (
    r'Give the plane as $Ax+By+Cz+D=0$ with $\gcd(|A|,|B|,|C|,|D|)=1$.',
    *('20x+23y+26z-69=0', '40x+46y+52z-138=0', '20(x-1)+23(y-1)+26(z-1)=0'),
  ),
  ('求圆的标准方程', r'(x-\frac32)^2+y^2=\frac{25}4', 'x^2+y^2-3x-4=0'),
  ('Write it as $y = mx+b$.', 'y=2x+3', 'y=2(x+1)+1', r'y=\frac{4x+6}2'),
  ('Find an equation of the circle.', 'x^2+y^2=13', 'x^2+y^2=3^2+2^2'),
  ('Give the rectangular form.', r'-128-128\sqrt3 i', r'256e^{4\pi i/3}'),
  ('Write it in polar form.', r'4e^{i\pi/3}', r'4e^{7\pi i/3}'),
  ('What is it as a decimal?', '.0000672', '21/312500'),
  ('Express your answer as a decimal.', '4.5', r'\frac92', r'4\frac12'),
  ('Express the sum as a mixed number.', r'6\frac15', '31/5', '6.2'),
  ('Express your answer as a common fraction.', r'\frac25', '0.4', r'40\%', '4/10'),
  ('Write it in scientific notation.', r'9.3\times10^7', '93000000', r'93\times10^6', '93 million'),
  ('What percent is it?', r'65\%', '13/20', '0.65'),
  ('Reduce any fractions.', r'(\frac35,\frac83]', r'(\frac{12}{20},\frac{8}{3}]'),
  (r'Simplify $\sqrt{18x^3}$.', r'3x\sqrt{2x}', r'x\sqrt{18x}'),
  ('Simplify it.', r'36x\sqrt{35x}', r'6x\sqrt{1260x}'),
  ('Simplify it.', r'\frac{1}{2x}', '1/2 x'),
  ('What does it cost in cents?', '7500', r'\$7500'),
  ('How many dollars are left?', '243', r'243\%'),
  ('What is the midpoint?', '(1,2)', '1<x<2'),
  ('What is the area of the sector?', r'12\pi', r'\frac{4320}{360}\pi', r'24/2\pi'),
  ('Find the line.', 'y=2x+3', r'y=\frac{4}{2}x+\frac{6}{2}'),
  ('Find $z$.', '3+4i', r'\frac{6}{2}+\frac{8}{2}i'),
  ('Find the area.', r'\frac{\pi}{4}', r'\frac{90}{360}\pi', r'\frac12\cdot\frac{\pi}{2}'),
  ('Find the area.', r'12\pi', r'10^{\log_{10}12}\pi', r'\exp(\ln 12)\pi', r'12\pi|^{5}'),
  ('Find the area.', r'12\pi', r'12 _8\pi', r'12^\circ\pi'),
  (r'Write $\log_2 3 \cdot \log_3 5$ as one.', r'\log_2 5', r'\log_2 3\log_3 5'),
  ('Find the sum.', 'x+7', 'x+3 4'),
  (OPTIONS, r'\text{C}', '(C) or (D)', 'C. or D.', '(C) is wrong, it is (D)', 'C: anything'),
  (OPTIONS, r'\text{C}', '(C) $26$ dollars', r'\text{(C)} or \text{(D)}'),
  ('It has 6 faces. How many edges does it have?', r'10\;\text{edges}', '10 faces'),
  ('How many more girls than boys does the school have?', '687', '687 boys'),
  ('How many adult tickets are there beside the child tickets?', '65', '65 child tickets'),
  ('What is the number of square inches in it?', '25', '25 inches', '25 square feet'),
  ('What is the number of cubic centimeters in it?', r'36\pi', r'36\pi\text{ cm}'),
  ('What is the degree measure of the angle?', '30', '30 rad'),
  ('Express your answer in radians.', r'-\frac{\pi}{6}', r'-\frac{\pi}{6}^\circ'),
  ('How many apples has Ann?', '5', '5 cm', '5 hours'),
  ('Express your answer in interval notation.', r'[6,\infty)', r'x\ge 6', r'6 \le x'),
  ('Give it in interval notation.', r'(-\infty,-8)\cup(8,\infty)', r'x<-8\text{ or }x>8'),
  ('Write it with terms of decreasing degree.', 'y^4-2y^3+y-5', 'y+y^4-2y^3-5'),
  ('List the letters in alphabetic order.', r'\text{VW}', 'WV'),
  ('Round it to the nearest tenth.', '0.6', '3/5', r'60\%'),
  ('Give two digits after the decimal point.', r'\$15.48', '387/25', '1548/100'),
  ('Give the ends as common fractions.', r'[\frac12,\frac43]', '[0.5,4/3]', r'[\frac12,1\frac13]'),
  ('Find $m+n$.', '23', 'm+n=22=23', 'm+n=?=23'),
  ('Find $x$, given $x+y=10$ and $x-y=4$.', '7', 'y=7'),
  ('Find $Q(x)$ if $P(Q(x))=P(x)Q(x)$.', 'x^2', 'P(x)=x^2'),
  ('What percent of 80 is 40?', '50', r'\frac{4000}{80}\%', '100/2 %'),
  ('How many apples?', '72', '~72', '~~72~~'),
  ('Is it odd, even or neither?', r'\text{neither}', 'neither?'),
  ('On which interval does it increase?', '(1,2)', 'x=1, y=2'),
  ('Which is it?', 'C', '(D) C', '(D)'),
  ('Which is it?', r'\text{(C)}', '(D) C', '(D)'),
  ('Factor $6x+9$.', '3(2x+3)', r'6(x+\frac32)', r'9(\frac23x+1)'),
  ('Give the rectangular form.', r'2+2\sqrt3i', r'4(\frac12+\frac{\sqrt3}{2}i)', r'2(1+\sqrt3i)'),
  ('Convert it to a terminating decimal.', '.0000672', '21/312500'),
  ('Write it in the form "$y = ax^2 + bx + c$".', r'y=-\frac12x^2+4x-6', r'y=-\frac12(x^2-8x+12)'),
]

# Question, gold answer, right answers in other words.
DONE = [
  ('How much in dollars does she make?', '18', r'\$18', '18 dollars'),
  ('Find the inverse.', r'\frac{11x+5}{x-2}', r'f^{-1}(x) = \frac{11x+5}{x-2}'),
  ('Find the composition.', 'x+1', r'(f\circ g)(x)=x+1'),
  ('Find the probability.', r'\frac12', r'P(A\cap B)=\frac12'),
  ('求面积', '6', r'S_{\triangle ABC}=6'),
  ('Find the sum.', r'\frac{n(n+1)}2', r'\frac12n(n+1)', r'n(n+1)/2'),
  ('Find the sum.', r'\frac12x(x-1)', r'\frac{x(x-1)}{2}'),
  ('Find the roots.', '4, -2+3i, -2-3i', r'4, -2 \pm 3i'),
  ('Find the roots.', r'\{1\pm\sqrt5,-2\}', r'-2, 1+\sqrt5, 1-\sqrt5'),
  ('List them in decreasing order.', '12, 10, 6', 'x=12, 10, 6', 'x=12, x=10, x=6'),
  ('Find the line.', r'y=\frac23x+2', 'y=2/3x+2', r'y=\frac{2}{3}x+2'),
  ('Find it.', r'\frac{\sqrt3}{2}', r'1/2\sqrt3'),
  ('Find it.', r'\frac{2\pi}{3}', r'2/3\pi', r'2/3 \pi'),
  ('Find it.', r'\frac{\ln3}{\ln2}', r'\ln 3/\ln 2'),
  ('求值', r'1+\lg 2', r'\lg 2+1'),
  ('How many quarters has he?', '16', '16 quarters'),
  ('How many logs?', '4', '4 logs'),
  ('How many tune-ups?', '3', '3 tune-ups'),
  ('How many hours does he work a week?', '35', '35 hours a week', '35 hrs'),
  ('How many minutes?', '20', '20 mins'),
  ('How many hours a week does he work?', '35', '35 hours', '35 hrs', '35 hours per week'),
  ('How many million dollars?', '48', '48 million', '48 million dollars', r'\$48 million'),
  ('How many dozen eggs?', '4', '4 dozen'),
  ('What is the average?', r'12 \text{ gm}', '12 g', '12 grams'),
  ('Solve the system. Give $(x,y)$.', '(3,2)', 'x=3;y=2', 'y=2, x=3'),
  ('一共多少万元？', '48', '48万元', '48'),
  ('一共跳了多少下？', '68', '68下'),
  ('需要多少千克面粉？', '1300', '1300千克面粉', '1300千克'),
  ('打几折？', '8', '8折'),
  ('多少千米每小时？', '60', '60千米/小时', '60km/h', '60千米每小时'),
  ('要多少时间？', '90', '90分钟'),
  (
    'Which conic is it? (A) Line (B) Circle (C) Parabola',
    'C',
    '(C) Parabola',
    r'\textbf{(C)}',
    'C. Parabola',
  ),
  (
    'Which conic is it? A. Line B. Circle C. Parabola',
    r'\text{(C)}',
    '(C) Parabola',
    r'\text{(C) Parabola}',
    'C',
  ),
  ('Which is it? A. $3$ B. $5$ miles', 'B', r'\textbf{(B)}\ 5', 'B. 5'),
  ('Express it as a decimal.', '.35625', '0.35625'),
  (OPTIONS, r'\text{C}', '(C) $34$', 'C. 34 dollars'),
  ('How many tickets were sold?', '65', '65 tickets'),
  ("How many children's tickets were sold?", '65', "65 children's tickets"),
  ('How many did he eat of the apples?', '5', '5 apples'),
  ('How many feet tall is it?', '5', '5 feet', '5 ft'),
  ('How many students are there?', '5', '5 people', '5 students'),
  ('Find the domain.', r'(-\infty,0)\cup(0,1]', r'(-\infty,1]\setminus\{0\}', r'x\le 1, x\ne 0'),
  ('Find it.', r'(-\infty,-7)\cup(-7,\infty)', r'\text{all real numbers except } -7'),
  ('Compute it.', r'\begin{pmatrix}6\\3\end{pmatrix}', '(6,3)', r'\langle 6,3 \rangle'),
  ('Compute it.', r'\begin{pmatrix}6\\3\end{pmatrix}', r'\begin{pmatrix}6&3\end{pmatrix}^T'),
  ('Find $x$.', r'-\frac43', r'\boldsymbol{-\frac{4}{3}}', r'\mathbf{-\frac{4}{3}}'),
  (r'Find $\varphi$.', r'\frac\pi2', r'\varphi=\frac\pi2'),
  ('Find the range of $g(x)$.', '[0,25]', r'0 \le g(x) \le 25'),
  ('Enter "AB", "CD", or "EA".', r'\overline{CD}', 'CD'),
  ('What is the ratio?', '1:2', '1 to 2'),
  ('What time is it?', r'9\text{ a.m.}', '09:00 AM', '9:00 am'),
  ('What time is it?', r'\text{4:30 p.m.}', r'4{:}30\text{ p.m.}'),
  ('What is the angle?', r'\frac{270}7\text{ degrees}', r'\left(\frac{270}{7}\right)^\circ'),
  (r'则 $a_1=(\quad)$, $a_2+a_3=(\quad)$', '$5$;$10$', 'a_1=5, a_2+a_3=10', r'5 \text{；} 10'),
  (r'则 $a_1=(\quad)$, $a_2=(\quad)$', '$5$;$10$', '①5；②10'),
  ('What does it cost, at a price of 0.2 dollars?', r'\$0.20', '0.2', r'\$.2'),
  ('[asy] draw((0,0)--(2.5,1)); [/asy] What is the slope?', r'\frac52', '2.5'),
  (
    'Solve it.',
    *(r'(-\infty,-2)\cup(0,1)\cup(2,4)', r'r<-2 \text{ or } 0<r<1 \text{ or } 2<r<4'),
  ),
  ('Find the domain.', r'(-\infty,-7)\cup(-7,3)\cup(3,\infty)', r'x \ne -7, x \ne 3'),
  (
    'Find the matrix.',
    r'\begin{pmatrix}1/50&7/50\\7/50&49/50\end{pmatrix}',
    r'\frac{1}{50}\begin{pmatrix}1&7\\7&49\end{pmatrix}',
  ),
  ('Find the ordered pair $(a,b)$.', r'(-\frac16,\frac12)', r'a=-\frac16, b=\frac12'),
  ('Find the ordered pair $(b,a)$.', '(3,2)', 'a=2, b=3'),
  ('Solve the system.', '(3,2)', r'\begin{cases}x=3\\y=2\end{cases}'),
  ('求解', r'k\pi+\frac\pi2, k\in Z', r'k\pi+\frac\pi2 (k\in\mathbb Z)'),
  ('Simplify it.', r'\sec x', r'\frac1{\cos x}'),
  ('When does it start?', r'9\text{ a.m.}', '9:00 a.m.', '9 AM'),
  ('When does it start?', '4:30 p.m.', '4:30pm'),
  ('On which day?', 'June 20', 'June 20th'),
  ('What is it?', 'circle', 'a circle', 'A circle.'),
  ('How large is it?', r'864 \mbox{ inches}^2', r'864\text{ in}^2', '864 in^2'),
  (r'则$|z_1-z_2|=$____', r'2\sqrt3', r'|z_1-z_2|=2\sqrt3'),
  (r'则$P(X>2.5)=$____', '0.14', r'P(X>2.5)=0.14'),
  ('Find $m+n$.', '23', 'm+n=20+3=23', '23'),
]


def judged(question, gold, answer):
  one = structs.Problem(id='p', question=question, gold=gold)
  return accuracy.reward(one, f'<think>t</think><answer>{answer}</answer>')


@pytest.mark.parametrize(
  ('question', 'gold', 'answer'),
  [(question, gold, answer) for question, gold, *answers in UNDONE for answer in answers],
)
def test_what_is_not_in_the_form_asked_for(question, gold, answer):
  assert judged(question, gold, gold) == 1.0
  assert judged(question, gold, answer) == 0.0


@pytest.mark.parametrize(
  ('question', 'gold', 'answer'),
  [(question, gold, answer) for question, gold, *answers in DONE for answer in answers],
)
def test_what_is_right_in_other_words(question, gold, answer):
  accuracy.check_gold(gold)
  assert judged(question, gold, answer) == 1.0


@pytest.mark.parametrize(
  'said',
  [
    r'negative \boxed{18}',
    r'\boxed{18}\text{ percent}',
    r'\boxed{18}k',
    r'$x > \boxed{18}$',
    r'half of \boxed{18}',
    r'twice \boxed{18}',
    r'\boxed{18} dozen',
    r'$\boxed{18} : 1$',
    r'$\boxed{18}_{16}$',
    r'$\boxed{18}\!5$',
    r'$1\,\boxed{18}$',
    r'\boxed{19} \text{ but not } \boxed{18}',
    r'$1 / \boxed{18}$',
    r'$1 \over \boxed{18}$',
    r'$\boxed{18} \over 2$',
    r'$2 \boxed{18}$',
    r'$\boxed{18}\text{ thousand}$',
    r'$\boxed{18}{,}000$',
    r'$\boxed{18}e3$',
    r'$\boxed{18} \bmod 5$',
    r'负\boxed{18}',
    r'$x = \boxed{18}, 19$',
    r'\boxed{18} or maybe 19',
    r'$\boxed{18}\text{ to }21$',
    r'17 to $\boxed{18}$',
    r'大于\boxed{18}',
    r'x or $\boxed{18}$',
    r'17或者\boxed{18}',
    r"It doesn't equal \boxed{18}",
    r'错误答案是\boxed{18}',
    r'答案不可能是\boxed{18}',
    r'\boxed{18} is incorrect',
    r'~~\boxed{18}~~',
  ],
)
def test_what_stands_beside_a_box_counts(said):
  one = structs.Problem(id='p', question='How many?', gold='18')
  assert accuracy.reward(one, f'<think>t</think>{said}') == 0.0
  assert accuracy.reward(one, r'<think>t</think>\boxed{18}') == 1.0


@pytest.mark.parametrize(
  'said',
  [
    r'This makes $9 \cdot 2 = \boxed{18}$.',
    r'> $\boxed{18}$',
    r'making for $\boxed{18}$ in total.',
    r'when $N = \boxed{18}$, $30N + 7$ is composite.',
    r'$3^5 \equiv \boxed{18} \pmod{25}$',
    r'which is \boxed{18} and not 19.',
  ],
)
def test_what_stands_beside_a_box_may_be_harmless(said):
  one = structs.Problem(id='p', question='How many?', gold='18')
  assert accuracy.reward(one, f'<think>t</think>{said}') == 1.0


def test_boxes_that_are_listed_answer_together_where_several_values_are_asked():
  several = structs.Problem(id='p', question='求 $a_1$ 和 $a_2+a_3$', gold='5;10')
  said = r'<think>t</think>$a_1 = \boxed{5}$，$a_2+a_3=\boxed{10}$'
  assert accuracy.reward(several, said) == 1.0
  assert accuracy.reward(several, said.replace('5', '6')) == 0.0
  assert accuracy.reward(several, f'<think>t</think><answer>{said[16:]}</answer>') == 1.0
