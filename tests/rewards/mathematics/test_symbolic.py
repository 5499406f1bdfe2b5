import importlib.util
import shutil
import threading
import time
from pathlib import Path

import pytest

from r1jax.rewards import workers
from r1jax.rewards.mathematics import symbolic

FILE = Path(symbolic.__file__).with_name('symbolic_worker.py')
HANGS = {'answer': '99999999999!x', 'gold': r'x\cdot 99999999999!'}


@pytest.fixture(scope='module')
def worker():
  """The worker's functions, in this process: for tests that ask a hundred times."""
  spec = importlib.util.spec_from_file_location('symbolic_worker', FILE)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


@pytest.mark.parametrize(
  ('answer', 'gold'),
  [
    (r'\sqrt{52}', r'2\sqrt{13}'),
    (r'\frac{1}{\sqrt{10}}', r'\frac{\sqrt{10}}{10}'),
    (r'1+\sqrt{2}', r'\sqrt{3+2\sqrt{2}}'),
    (r'0.5\sqrt{2}', r'\frac{\sqrt{2}}{2}'),
    (r'\frac{-1+\sqrt{5}}{2}', r'\frac{\sqrt{5}-1}{2}'),
    (r'\pi/6', r'\frac{\pi}{6}'),
    (r'1.25\pi', r'\frac{5\pi}{4}'),
    (r'\ln 4', r'2\ln 2'),
    (r'\frac{1024}{1}', '2^{10}'),
    ('-q+p', 'p-q'),
    ('11i+9', '9+11i'),
    (r'x/e', r'\frac{1}{e}x'),
    (r'\exp(x)', 'e^{x}'),
    ('-4(x-3)(x+3)', '4(3-x)(3+x)'),
    ('(5+r)^{2}', '(r+5)^{2}'),
    (r'\frac{1}{7}(x+2)', r'\frac{x+2}{7}'),
    ('8-2x+x^{2}', 'x^{2}-2x+8'),
    (r'2\sin x\cos x', r'\sin 2x'),
    (r'\frac{9a+11}{20}', r'\frac{11+9a}{20}'),
    (r'x_{2}+x_{1}', r'x_{1}+x_{2}'),
    ('-2-5i', '-5i-2'),
    (r'\frac{1}{2}i', r'\frac{i}{2}'),
    (r'-\frac{\sqrt{3}}{2}', r'-0.5\sqrt{3}'),
    (r'\frac{\sqrt{5}}{2}-\frac{1}{2}', r'\frac{\sqrt{5}-1}{2}'),
    ('2(k+1)', '2k+2'),
    (r'\frac{\sqrt{3}}{\sqrt{2}}', r'\frac{\sqrt{6}}{2}'),
    (r'(1+\sqrt{2})^{10}', r'(\sqrt{2}+1)^{10}'),
    (r'-\frac{1}{2}\pi', r'-\frac{\pi}{2}'),
    (r'\frac{1}{x}', 'x^{-1}'),
    (r'\frac{a}{b}', r'ab^{-1}'),
    (r'-x^{3}', r'-(x^{3})'),
    (r'\frac{2x-7}{(x-2)(x+1)}', r'\frac{2x-7}{(x+1)(x-2)}'),
    ('7z^{96}(1+4z)', '7z^{96}(4z+1)'),
    (r'\frac{\log 3}{\log 2}', r'\log_{2} 3'),
    (r'\frac{x+1}{x}', r'1+\frac{1}{x}'),
    (r'2^{-x}', r'\frac{1}{2^{x}}'),
    (r'\frac{1}{x(x+1)}', r'\frac{1}{(x+1)x}'),
    (r'\frac{x}{x^{2}+3x+2}', r'\frac{x}{(x+1)(x+2)}'),
    ('(3+x)^{2}-4', '-4+(x+3)^{2}'),
    (r'(x+2)(x+\frac{1}{2})', r'(2+x)(\frac{1}{2}+x)'),
    (r'\frac{1}{x}-\frac{1}{1+x}', r'-\frac{1}{x+1}+\frac{1}{x}'),
  ],
)
def test_equal(worker, answer, gold):
  assert worker.equal(answer, gold)


@pytest.mark.parametrize(
  ('answer', 'gold'),
  [
    # Equal to six digits, to fifteen, to four hundred; math-verify takes them for equal.
    (r'\frac{1}{2004!}', r'\frac{1}{2006!}'),
    (r'1.414213562373095\sqrt{1}', r'\sqrt{2}'),
    (r'\sqrt{2}+e^{-1000}', r'\sqrt{2}'),
    (r'6.283185307179586', r'2\pi'),
    # Not worked out.
    (r'\sqrt{3^{2}+4^{2}}\pi', r'5\pi'),
    (r'\sqrt{(6-2)^{2}+(9-3)^{2}}', r'2\sqrt{13}'),
    (r'3\cdot 4\sqrt{2}', r'12\sqrt{2}'),
    (r'\binom{5}{2}\sqrt{2}', r'10\sqrt{2}'),
    (r'5!\pi', r'120\pi'),
    (r'\int_{0}^{2} x dx\pi', r'2\pi'),
    ('(x+1)(x+2)', 'x^{2}+3x+2'),
    ('x^{2}+3x+2', '(x+1)(x+2)'),
    (r'2\sqrt{13}+0', r'2\sqrt{13}'),
    (r'1\cdot 2\sqrt{13}', r'2\sqrt{13}'),
    (r'\frac{x+2}{7}1', r'\frac{x+2}{7}'),
    (r'(2\sqrt{13})^{1}', r'2\sqrt{13}'),
    (r'-(-2\sqrt{13})', r'2\sqrt{13}'),
    (r'\frac{2(\sqrt{52})}{2}', r'2\sqrt{13}'),
    (r'\frac{2\pi}{4}', r'\frac{\pi}{2}'),
    (r'\sqrt{15}\sqrt{35}', r'5\sqrt{21}'),
    (r'(-1+i\sqrt{3})^{8}', r'-128-128\sqrt{3}i'),
    ('(1+2i)(3-i)', '5+5i'),
    ('(1+2i)6-3i', '6+9i'),
    (r'\frac{-3+4i}{1+2i}', '1+2i'),
    ('2i+3i+1', '1+5i'),
    ('i^{2}x', '-x'),
    (r'3\sqrt{2}+2\sqrt{2}', r'5\sqrt{2}'),
    ('(-k+4)+(-2+3k)', '2k+2'),
    ('(2n-2)(n+3)+(n+2)(n-6)', '3n^{2}-18'),
    ('x(x+1)+2x+2', 'x^{2}+3x+2'),
    (r'\frac{4+6a}{5}-\frac{1+3a}{4}', r'\frac{11+9a}{20}'),
    ('(5a)^{3}(2a^{2})^{2}', '500a^{7}'),
    ('aaa', 'a^{3}'),
    ('r^{2}+10r+25', '(r+5)^{2}'),
    # In another form: other factors, other lines, deeper roots, powers of powers.
    (r'x(x+5+\frac{6}{x})', '(x+2)(x+3)'),
    (r'(x+2)(3+x)\frac{x}{x}', '(x+2)(x+3)'),
    ('x(x+6)+5', '(x+3)^{2}-4'),
    ('x^{2}+6x+5', '(x+3)^{2}-4'),
    ('(x+1)(x+5)', '(x+3)^{2}-4'),
    (r'\frac{1+\frac{1}{x}}{1+\frac{2}{x}}', r'\frac{x+1}{x+2}'),
    (r'\frac{1}{x^{2}+x}', r'\frac{1}{x}-\frac{1}{x+1}'),
    (r'\frac{1}{x}-\frac{1}{x+1}', r'\frac{1}{x(x+1)}'),
    ('4^{4}', '2^{8}'),
    (r'\log_{4} 9', r'\log_{2} 3'),
    (r'\frac{\log 9}{\log 4}', r'\log_{2} 3'),
    (r'\sqrt[4]{97+56\sqrt{3}}', r'2+\sqrt{3}'),
    # Different.
    ('x', '|x|'),
    (r'\sqrt{x^{2}}', 'x'),
    ('x', 'X'),
    ('x', 'y'),
    (r'4\sqrt{3}+2i', r'4\sqrt{3}-2i'),
    (r'\frac{1}{0}', r'\frac{2}{0}'),
    (r'\frac{1}{0}', r'\frac{1}{0}+1'),
    (r'\infty', r'-\infty'),
    # The parser would pass over what it does not know.
    (r'\sqrt{2}\approx 99', r'\sqrt{2}'),
    ("f'", 'f'),
    ("\\sqrt{2}'", r'\sqrt{2}'),
    (r'\angle BAC', r'\angle ABC'),
    (r'\sqrt{2}\$', r'\sqrt{2}'),
    # No formulas.
    ('', 'x'),
    (r'\frac', 'x'),
    ('x=1', 'x'),
    ('x<1', 'x'),
    ('(1,2)', 'x'),
    (r'\begin{pmatrix}1\end{pmatrix}', 'x'),
  ],
)
def test_not_equal(worker, answer, gold):
  assert not worker.equal(answer, gold)


@pytest.mark.parametrize(
  ('answer', 'gold', 'is_ordered', 'expected'),
  [
    (('x', '3z'), ('x-3z', '0'), False, True),
    (('2x', '6z'), ('x-3z', '0'), False, True),
    (('y-2x-3', '0'), ('y', '2x+3'), False, True),
    (('x', '3z+1'), ('x-3z', '0'), False, False),
    (('0', '0'), ('x-3z', '0'), False, False),
    (('x', 'x'), ('x-3z', '0'), False, False),
    (('(x-3z)^{2}', '0'), ('x-3z', '0'), False, False),
    (('3', 'a+b'), ('6', '2a+2b'), True, True),
    (('a+b', '3'), ('6', '2a+2b'), True, False),
    (('a+b', '3'), ('6', '2a+2b'), False, True),
    (('1', '1'), ('2', '2'), False, False),
    (('x', r'\frac'), ('x', '0'), False, False),
  ],
)
def test_relations(worker, answer, gold, is_ordered, expected):
  assert worker.relation(*answer, *gold, is_ordered) is expected


def test_check_says_what_hinders(worker):
  assert worker.check(r'\sqrt{2}') == ''
  assert 'expected' in worker.check(r'\frac{1}{')
  assert 'not known' in worker.check(r'x \ge 1')
  assert 'not known' in worker.check(r'\sqrt{2}\approx 99')


def test_the_pool_gives_the_workers_verdict():
  assert symbolic.equal(answer=r'\sqrt{52}', gold=r'2\sqrt{13}') is True
  assert symbolic.equal(answer=r'\sqrt{53}', gold=r'2\sqrt{13}') is False
  relation = symbolic.same_relation(answer=('x', '3z'), gold=('x-3z', '0'), is_ordered=False)
  assert relation is True
  symbolic.check(r'\sqrt{2}')
  with pytest.raises(ValueError, match=r'\\frac\{1\}\{.*cannot be parsed'):
    symbolic.check(r'\frac{1}{')


def test_lengths_are_bounded():
  long = 'x+' * symbolic.MAX_LENGTH + 'x'
  assert symbolic.equal(answer=long, gold='301x') is False
  with pytest.raises(ValueError, match='characters; it may have'):
    symbolic.check('x+' * symbolic.MAX_GOLD_LENGTH + 'x')


def test_a_hostile_formula_is_a_fault_once_and_remembered(monkeypatch):
  pool = workers.Pool(FILE, num_workers=1, deadline=2.0, memory_bytes=symbolic.MEMORY_BYTES)
  monkeypatch.setattr(symbolic, 'POOL', pool)
  symbolic._answer.cache_clear()
  symbolic.equal(answer='x+1', gold='1+x')  # Started.
  start = time.monotonic()
  with pytest.raises(workers.WorkerError, match='timeout'):
    symbolic.equal(**HANGS)
  assert 1.9 < time.monotonic() - start < 3.5
  start = time.monotonic()
  with pytest.raises(workers.WorkerError, match='timeout'):
    symbolic.equal(**HANGS)
  assert time.monotonic() - start < 0.5
  assert symbolic.equal(answer='x+2', gold='2+x')
  pool.close()
  symbolic._answer.cache_clear()


def test_memory_is_bounded(monkeypatch):
  pool = workers.Pool(FILE, num_workers=1, deadline=60.0, memory_bytes=600 << 20)
  monkeypatch.setattr(symbolic, 'POOL', pool)
  tower = r'\sqrt{2}^{\sqrt{2}^{\sqrt{2}^{99999999999}}}'
  with pytest.raises(workers.WorkerError, match=r'memory: more than 0\.6 GiB'):
    symbolic.equal(answer=f'x+{tower}', gold=f'{tower}+x')
  assert symbolic.equal(answer='x+3', gold='3+x')
  pool.close()


def test_it_works_off_the_main_thread():
  """Where the alarms of math-verify fail (Math-Verify#50)."""
  found = []
  ask = lambda: found.append(symbolic.equal(answer=r'\sqrt{63}', gold=r'3\sqrt{7}'))  # noqa: E731
  thread = threading.Thread(target=ask)
  thread.start()
  thread.join()
  assert found == [True]


@pytest.mark.parametrize(
  ('line', 'error'),
  [
    ("raise KeyError('ours')", RuntimeError),
    ("sympy.sympify('1 +')", workers.WorkerError),
  ],
)
def test_an_error_of_ours_is_a_bug_and_one_of_a_library_a_fault(line, error, tmp_path):
  """In both files that run in the worker."""
  for name in (FILE.name, 'forms.py'):
    shutil.copy(FILE.with_name(name), tmp_path)
  with (tmp_path / 'forms.py').open('a') as forms:
    forms.write(f'\n\ndef form(formula):\n  {line}\n')
  pool = workers.Pool(tmp_path / FILE.name, num_workers=1, memory_bytes=symbolic.MEMORY_BYTES)
  try:
    with pytest.raises(error):
      pool(('same_form', 'x', 'x+1'))
  finally:
    pool.close()
