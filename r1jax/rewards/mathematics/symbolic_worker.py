r"""Decides equality of LaTeX formulas by computer algebra; runs in a process of its own.

Never imported by the package: `workers.Pool` runs this file in a fresh interpreter, and a request
that hangs or eats memory ends with it. Requests are those of `symbolic.py`.

Parser and verdict are `math-verify`'s, over sympy. Its verdict alone is not enough: it rounds, so
that 1/2004! and 1/2006! are one to it, and the question's own formula is as good to it as the
answer. So what it holds for equal must also agree to many digits at several points, be proven
exactly where it has no variables, and be worked out as far as the gold formula.
"""

import functools
import json
import logging
import os
import re
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import sympy
from latex2sympy2_extended import NormalizationConfig, latex2sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig
from math_verify import verify

# It runs as a file of its own, isolated.
sys.path.append(str(Path(__file__).parent))
import forms
from forms import attempt

# Digits to which equal formulas agree, relative to their size, and to which they are evaluated.
DIGITS, WORKING_DIGITS = 40, 60
# Values of the variables, shifted for each: of both signs, small and large, fractions and not.
POINTS = tuple(
  sympy.Rational(numerator, 7919) for numerator in (4801, 12553, 33191, -2903, -15269, 90001)
)
# At so many points both must have a value.
ENOUGH = 3
# An answer may have so many times the gold formula's numbers, names and signs, and so many more.
LONGER, SLACK = 1.5, 4

SPELLING = NormalizationConfig(
  basic_latex=True, units=False, malformed_operators=True, nits=True, boxed='none'
)
READING = ConversionConfig(lowercase_symbols=False)
CONSTANTS = {sympy.Symbol('i'): sympy.I, sympy.Symbol('e'): sympy.E}

# The parser passes over what it does not know, as in \sqrt{2}\approx 99; so all must be known.
KNOWN = re.compile(
  r'(?:[A-Za-z0-9+\-*/^_()\[\]{}|!.,% ]'
  r'|\\(?:frac|sqrt|pi|infty|cdot|times|div|pm|binom|overline|lfloor|rfloor|lceil|rceil'
  r'|sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|sinh|cosh|tanh|log|ln|lg|exp|max|min|gcd|lcm'
  r'|alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|vartheta|iota|kappa|lambda|mu|nu|xi'
  r'|rho|sigma|tau|upsilon|phi|varphi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Phi|Psi'
  r'|Omega|int|sum|prod|lim|to|circ)(?![A-Za-z])|\\[{}])*+'
)
# The parser takes it for the imaginary unit; it stands for a name nobody uses.
CAPITAL_I = re.compile(r'(\\[A-Za-z]+)|I')
# The parser passes over the index of a number and over what is raised behind a bar, and adds
# numbers that stand beside each other.
DROPPED = re.compile(r'[0-9)|] *_|\| *\^|[0-9.] +[0-9.]')
MIXED = re.compile(r'(?<![0-9.^_])([0-9]{1,9})\\frac\{([0-9]{1,9})\}\{([0-9]{1,9})\}')
DEGREES = re.compile(
  r'(\\(?:sin|cos|tan|cot|sec|csc)(?:\^\{[0-9]\})?) ?\(?([0-9.]+|[A-Za-z])\^\{\\circ\}\)?'
)
# The parser takes `1/2 x` for 1/(2x), a quotient of logarithms for one of three or four, and knows
# no decimal logarithm.
SLASHED = re.compile(r'(?<![0-9A-Za-z.^_)}/])([0-9]+)/([0-9]+)(?= ?[A-Za-z\\(])')
LOG_SLASHED = re.compile(r'\\(ln|log|lg) ?\(?([0-9]+)\)? ?/ ?\\\1 ?\(?([0-9]+)\)?')
LG = re.compile(r'\\lg(?![A-Za-z])')
LOG_QUOTIENT = re.compile(r'\\frac\{\\(ln|log|lg) ?\(?([0-9]+)\)?\}\{\\\1 ?\(?([0-9]+)\)?\}')


class UnreadableError(Exception):
  """A text is no formula."""


def equal(answer: str, gold: str) -> bool:
  """Returns whether an answer equals the gold formula, and leaves no more to be computed."""
  try:
    a, g = parse(answer), parse(gold)
  except UnreadableError:
    return False
  if is_longer(a, g) or forms.pending(answer, a) > forms.pending(gold, g):
    return False
  if bare_degrees(answer) != bare_degrees(gold):
    return False
  return forms.is_of_the_form(a, g) and same_value(a, g)


def bare_degrees(text: str) -> int:
  """Returns how many signs of degrees stand elsewhere than in an angle's function.

  The parser passes over them.
  """
  return DEGREES.sub('', text).count(r'\circ')


def is_longer(a: sympy.Expr, g: sympy.Expr) -> bool:
  """Returns whether an answer is much longer than the gold formula."""
  return forms.size(a) > LONGER * forms.size(g) + SLACK


def relation(left: str, right: str, gold_left: str, gold_right: str, is_ordered: bool) -> bool:
  """Returns whether one relation is the other times a number, positive if sides are ordered."""
  try:
    a, g = difference(left, right), difference(gold_left, gold_right)
    undone, gold_undone = (
      sum(forms.pending(side, parse(side)) for side in sides)
      for sides in ((left, right), (gold_left, gold_right))
    )
  except UnreadableError:
    return False
  if undone > gold_undone:
    return False
  if not g.free_symbols or a.free_symbols != g.free_symbols or is_longer(a, g):
    return False
  factors = [numeric(a / g, values) for values in points(g.free_symbols)]
  known = [factor for factor in factors if factor is not None]
  if len(known) < ENOUGH or not all(agree(factor, known[0]) for factor in known):
    return False
  factor = attempt(lambda: sympy.simplify(a / g))
  return bool(
    factor is not None
    and not factor.free_symbols
    and factor.is_nonzero
    and (factor.is_positive or not is_ordered)
  )


def same_form(answer: str, gold: str) -> bool:
  """Returns whether two formulas are one but for the order of terms and factors."""
  try:
    return forms.form(parse(answer)) == forms.form(parse(gold))
  except UnreadableError:
    return False


def has_simpler_roots(answer: str, gold: str) -> bool:
  """Returns whether more roots of an answer can be simplified than of the gold formula."""
  try:
    return forms.unsimplified_roots(parse(answer)) > forms.unsimplified_roots(parse(gold))
  except UnreadableError:
    return True


def has_sums_to_multiply(answer: str, gold: str) -> bool:
  """Returns whether more of an answer than of the gold formula is a number times a sum."""
  try:
    return forms.sums_to_multiply(parse(answer)) > forms.sums_to_multiply(parse(gold))
  except UnreadableError:
    return True


def check(formula: str) -> str:
  """Returns what hinders a formula from being parsed, '' if nothing does."""
  try:
    parse(formula)
  except UnreadableError as error:
    return str(error)
  return ''


def difference(left: str, right: str) -> sympy.Expr:
  """Returns one side less the other."""
  return sympy.Add(parse(left), -parse(right))


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> sympy.Expr:
  """Returns the formula, nothing in it worked out, decimals as fractions."""
  if not KNOWN.fullmatch(text) or DROPPED.search(text):
    raise UnreadableError('it has signs that are not known')
  named = CAPITAL_I.sub(lambda match: match[1] or r'\Upsilon ', text)
  named = SLASHED.sub(r'\\frac{\1}{\2}', MIXED.sub(improper, named))
  named = LOG_SLASHED.sub(r'\\log_{\3} \2', LOG_QUOTIENT.sub(r'\\log_{\3} \2', named))
  named = LG.sub(r'\\log_{10}', named)
  named = DEGREES.sub(r'\1(\2\\cdot\\frac{\\pi}{180})', named)
  try:
    parsed = latex2sympy(named, normalization_config=SPELLING, conversion_config=READING)
  except MemoryError:
    raise
  except Exception as error:
    raise UnreadableError(' '.join(str(error).split())[:200]) from error
  if not isinstance(parsed, sympy.Expr):
    raise UnreadableError(f'it is a {type(parsed).__name__}')
  exact = {number: sympy.Rational(str(number)) for number in parsed.atoms(sympy.Float)}
  with sympy.evaluate(False):
    return parsed.xreplace({**CONSTANTS, **exact})


def improper(mixed: re.Match[str]) -> str:
  r"""Returns a mixed number as a fraction: `2\frac{1}{2}` is 5/2, and no product."""
  whole, numerator, denominator = map(int, mixed.groups())
  if numerator >= denominator:
    return mixed[0]
  return f'\\frac{{{whole * denominator + numerator}}}{{{denominator}}}'


def same_value(a: sympy.Expr, g: sympy.Expr) -> bool:
  """Returns whether two formulas have the same value for all values of their variables."""
  names = a.free_symbols | g.free_symbols
  pairs = [(numeric(a, values), numeric(g, values)) for values in points(names)]
  known = [pair for pair in pairs if None not in pair]
  if len(known) < (ENOUGH if names else 1) or not all(agree(*pair) for pair in known):
    return False
  if attempt(lambda: sympy.expand(a.doit() - g.doit()).is_number and bool(names)):
    return attempt(lambda: sympy.expand(a.doit() - g.doit()) == 0) is True
  # The alarms of math-verify are for the main thread of a program that has time; ours is killed.
  if not verify(g, a, float_rounding=DIGITS, numeric_precision=DIGITS, timeout_seconds=None):
    return False
  return bool(names) or is_zero(a.doit() - g.doit())


def points(names: set[sympy.Symbol]) -> list[dict[sympy.Symbol, sympy.Rational]]:
  """Returns values of the variables."""
  ordered = sorted(names, key=str)
  if not ordered:
    return [{}]
  return [
    {name: point + sympy.Rational(i * i + i, 11) for i, name in enumerate(ordered)}
    for point in POINTS
  ]


def numeric(formula: sympy.Expr, values: dict) -> sympy.Expr | None:
  """Returns the value of a formula to many digits, or None if it has none."""
  # Not by putting the numbers in: exact powers of fractions take long.
  value = attempt(lambda: formula.evalf(WORKING_DIGITS, subs=values))
  return value if value is not None and value.is_number and value.is_finite else None


def agree(a: sympy.Expr, b: sympy.Expr) -> bool:
  """Returns whether two values are equal to `DIGITS` digits."""
  scale = max(abs(a), abs(b))
  return bool(abs(a - b) <= scale * sympy.Float(10) ** -DIGITS)


def is_zero(constant: sympy.Expr) -> bool:
  """Returns whether a number is proven to be 0."""
  if constant == 0 or attempt(lambda: sympy.simplify(constant)) == 0:
    return True
  return attempt(lambda: constant.equals(0)) is True


# An error that is raised in these is a bug, and no fault of a library.
OURS = (__file__, forms.__file__)
TASKS: dict[str, Callable] = {
  task.__name__: task
  for task in (equal, relation, same_form, has_simpler_roots, has_sums_to_multiply, check)
}


def main() -> None:
  """Answers requests, a line of JSON each, until there are no more."""
  deadline, memory_bytes = float(sys.argv[1]), int(sys.argv[2])
  # What libraries print must not be taken for a reply.
  replies = os.fdopen(os.dup(1), 'w')
  for stream in (1, 2):
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
  logging.disable(logging.CRITICAL)
  resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
  print(json.dumps({'result': 'ready'}), file=replies, flush=True)
  for line in sys.stdin:
    # If whoever asks is dead, nobody else ends a request that hangs.
    signal.setitimer(signal.ITIMER_REAL, 2 * deadline + 1)
    task, *arguments = json.loads(line)
    try:
      reply = {'result': TASKS[task](*arguments)}
    except MemoryError:
      reply = {'memory': f'more than {memory_bytes / 2**30:.1f} GiB'}
    except RecursionError:
      reply = {'result': False if task != 'check' else 'it is nested too deeply'}
    except Exception as error:
      *_, innermost = traceback.walk_tb(error.__traceback__)
      is_ours = innermost[0].f_code.co_filename in OURS
      reply = {'bug' if is_ours else 'failed': traceback.format_exc()}
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(json.dumps(reply), file=replies, flush=True)


if __name__ == '__main__':
  main()
