r"""Decides equality of LaTeX formulas by computer algebra; runs in a process of its own.

Never imported by the package: `workers.Pool` runs this file in a fresh interpreter, and a request
that hangs or eats memory ends with it. Requests are those of `symbolic.py`.

Parser and verdict are `math-verify`'s, over sympy. Its verdict alone is not enough: it rounds, so
that 1/2004! and 1/2006! are one to it, and the question's own formula is as good to it as the
answer. So what it holds for equal must also agree to many digits at several points, be proven
exactly where it has no variables, and be worked out as far as the gold formula.
"""

import functools
import itertools
import json
import logging
import os
import re
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator

import sympy
from latex2sympy2_extended import NormalizationConfig, latex2sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig
from math_verify import verify

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
# The parser works these out at once, so that they have to be counted in the text.
WORKED_OUT = (r'\binom', r'\tbinom', r'\dbinom', r'\choose', r'e^{\ln')


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
# The parser passes over the index of a number, and over degrees.
DROPPED = re.compile('[0-9)]_')
MIXED = re.compile(r'(?<![0-9.^_])([0-9]{1,9})\\frac\{([0-9]{1,9})\}\{([0-9]{1,9})\}')
DEGREES = re.compile(
  r'(\\(?:sin|cos|tan|cot|sec|csc)(?:\^\{[0-9]\})?) ?\(?([0-9.]+|[A-Za-z])\^\{\\circ\}\)?'
)
UNEVALUATED = (sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit, sympy.Derivative)


class UnreadableError(Exception):
  """A text is no formula."""


def equal(answer: str, gold: str) -> bool:
  """Returns whether an answer equals the gold formula, and leaves no more to be computed."""
  try:
    a, g = parse(answer), parse(gold)
  except UnreadableError:
    return False
  if size(a) > LONGER * size(g) + SLACK or pending(answer, a) > pending(gold, g):
    return False
  if is_product(a) != is_product(g) or products(a) > products(g) or is_factored_less(a, g):
    return False
  return same_value(a, g)


def relation(left: str, right: str, gold_left: str, gold_right: str, is_ordered: bool) -> bool:
  """Returns whether one relation is the other times a number, positive if sides are ordered."""
  try:
    a, g = difference(left, right), difference(gold_left, gold_right)
  except UnreadableError:
    return False
  if not g.free_symbols or a.free_symbols != g.free_symbols or size(a) > LONGER * size(g) + SLACK:
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
    return form(parse(answer)) == form(parse(gold))
  except UnreadableError:
    return False


def form(formula: sympy.Expr) -> tuple:
  """Returns a formula's terms and factors in one order, sums of sums and factors of 1 resolved."""
  if isinstance(formula, sympy.Mul):
    parts = [factor for factor in factors(formula) if factor != 1]
  elif isinstance(formula, sympy.Add):
    parts = terms(formula)
  else:
    name = type(formula).__name__ if formula.args else str(formula)
    return (name, *map(form, formula.args))
  return (type(formula).__name__, *sorted(map(form, parts), key=str))


def terms(formula: sympy.Expr) -> list[sympy.Expr]:
  """Returns the terms of a sum, and of sums that are its terms."""
  if not isinstance(formula, sympy.Add):
    return [formula]
  return [term for arg in formula.args for term in terms(arg)]


def has_simpler_roots(answer: str, gold: str) -> bool:
  """Returns whether more roots of an answer can be simplified than of the gold formula."""
  try:
    return unsimplified_roots(parse(answer)) > unsimplified_roots(parse(gold))
  except UnreadableError:
    return True


def unsimplified_roots(formula: sympy.Expr) -> int:
  """Returns how many roots of numbers hold a power, as that of 8 or 1/4, or stand below a line."""
  return sum(
    (is_root(node) and not isinstance(node.func(*node.args), sympy.Pow)) or has_root_below(node)
    for node in sympy.preorder_traversal(formula)
    if isinstance(node, sympy.Expr)
  )


def has_root_below(node: sympy.Expr) -> bool:
  """Returns whether a node is a power below a fraction's line that has a root of a number."""
  if not is_inverse(node) or node.free_symbols:
    return False
  base, exponent = node.args
  return not exponent.is_Integer or any(map(is_root, sympy.preorder_traversal(base)))


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
  named = MIXED.sub(improper, named)
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


def size(formula: sympy.Expr) -> int:
  """Returns the number of numbers, names and functions in a formula."""
  return sum(node != sympy.E for node in sympy.preorder_traversal(formula))


def pending(text: str, formula: sympy.Expr) -> int:
  r"""Returns how much of a formula is left undone that takes no idea, as `3^2 + 4^2` or `x + x`."""
  return sum(map(undone, parts(formula))) + sum(text.count(macro) for macro in WORKED_OUT)


def parts(formula: sympy.Expr) -> Iterator[sympy.Expr]:
  """Yields a formula and all within it, a product of products as one."""
  yield formula
  for part in factors(formula) if isinstance(formula, sympy.Mul) else formula.args:
    if isinstance(part, sympy.Expr):
      yield from parts(part)


def factors_of(formula: sympy.Expr) -> list[sympy.Expr]:
  """Returns the factors of a product, or the formula alone."""
  return factors(formula) if isinstance(formula, sympy.Mul) else [formula]


def factors(product: sympy.Mul) -> list[sympy.Expr]:
  """Returns the factors of a product, and of products that are its factors."""
  return [
    factor
    for arg in product.args
    for factor in (factors(arg) if isinstance(arg, sympy.Mul) else [arg])
  ]


def undone(node: sympy.Expr) -> int:
  """Returns the operations of a node that are between numbers, or change nothing."""
  if isinstance(node, sympy.Add):
    return undone_sum(node)
  if isinstance(node, sympy.Mul):
    return undone_product(node)
  if isinstance(node, sympy.Pow):
    base, exponent = node.args
    if is_reciprocal(node):
      return 0
    if exponent == 1 or (exponent.is_Integer and exponent > 1 and can_be_raised(base)):
      return 1
    if exponent == -1 and any(is_inverse(factor) for factor in factors_of(base)):
      return 1  # A fraction below a fraction's line.
    return int(is_number(base) and is_number(exponent) and is_number(node.func(base, exponent)))
  if isinstance(node, UNEVALUATED):
    return 1
  if isinstance(node, sympy.Function | sympy.Max | sympy.Min) and not node.free_symbols:
    # What has a closed form, as sin(pi/3), and what has none, as sin(1).
    return int(attempt(lambda: not node.doit().has(node.func)) is True)
  return 0


def can_be_raised(base: sympy.Expr) -> bool:
  """Returns whether a power of it can be worked out: of a product, a power, a sum of numbers."""
  is_sum_of_numbers = isinstance(base, sympy.Add) and not base.free_symbols
  return isinstance(base, sympy.Mul | sympy.Pow) or is_sum_of_numbers


def undone_sum(node: sympy.Add) -> int:
  """Returns how many terms could be added up: of numbers, imaginary numbers, like terms."""
  terms = [part for arg in node.args for part in signed_terms(arg)]
  kinds = [
    sympy.S.One if is_number(term) and not term.has(sympy.I) else like(term) for term in terms
  ]
  return len(kinds) - len(set(kinds)) + sum(bool(term == 0) for term in terms)


def signed_terms(node: sympy.Expr) -> list[sympy.Expr]:
  """Returns the terms of a sum within a sum, or the node itself; signs may be lost."""
  if isinstance(node, sympy.Mul) and len(node.args) == 2 and node.args[0] == -1:
    node = node.args[1]
  if isinstance(node, sympy.Add):
    return [term for arg in node.args for term in signed_terms(arg)]
  return [node]


def like(term: sympy.Expr) -> sympy.Expr:
  """Returns a term without its numbers: terms of which this is the same can be added."""
  factors = [factor for factor in sympy.Mul.make_args(term) if not factor.is_rational]
  return sympy.Mul(*factors)


def undone_product(node: sympy.Mul) -> int:
  """Returns how many factors could be multiplied: numbers, roots, powers of one name, signs."""
  every = factors(node)
  below = [factor for factor in every if is_reciprocal(factor)]
  above = [factor for factor in every if is_number(factor) and factor not in below]
  # The parser writes 1/x as 1 times 1/x.
  if any(factor == 1 and is_inverse(after) for factor, after in itertools.pairwise(every)):
    above.remove(sympy.S.One)
  imaginary = above.count(sympy.I)
  complexes = sum(isinstance(factor, sympy.Add) for factor in above)
  bases = [factor.args[0] if isinstance(factor, sympy.Pow) else factor for factor in every]
  names = [base for base in bases if base.is_Symbol]
  groups = (
    len(above) - imaginary - above.count(sympy.S.NegativeOne),
    imaginary,
    len(below),
    sum(map(is_root, every)),
    sum(bool(factor.is_Rational and factor < 0) for factor in every),
  )
  reducible = sum(bool(sympy.gcd(n, m.args[0]) > 1) for n in above if n.is_Integer for m in below)
  return (
    sum(max(0, group - 1) for group in groups)
    + above.count(sympy.S.One)
    + above.count(sympy.S.Zero)
    + sum(factor.is_Pow and factor.args[0] == 1 for factor in every)
    + min(imaginary, complexes)
    + reducible
    + len(names)
    - len(set(names))
  )


def is_root(node: sympy.Expr) -> bool:
  """Returns whether a node is a root of a number, above the line."""
  if not isinstance(node, sympy.Pow) or not node.args[0].is_Rational:
    return False
  exponent = node.args[1]
  return bool(exponent.is_Rational and not exponent.is_Integer and exponent > 0)


def is_inverse(node: sympy.Expr) -> bool:
  """Returns whether a node is a power that stands below a fraction's line."""
  return isinstance(node, sympy.Pow) and node.args[1].could_extract_minus_sign()


def is_number(node: sympy.Expr) -> bool:
  """Returns whether a node is a rational number, real or complex, as it stands or worked out."""
  if node.free_symbols:
    return False
  if node.is_rational:
    return True
  if not node.has(sympy.I):
    return False
  real_and_imaginary = attempt(lambda: sympy.expand(node).as_real_imag())
  return real_and_imaginary is not None and all(part.is_rational for part in real_and_imaginary)


def is_reciprocal(node: sympy.Expr) -> bool:
  """Returns whether a node is 1/n."""
  return isinstance(node, sympy.Pow) and node.args[0].is_Rational and node.args[1] == -1


def products(formula: sympy.Expr) -> int:
  """Returns how many products in a formula could be expanded."""
  return sum(
    is_product(node) for node in sympy.preorder_traversal(formula) if isinstance(node, sympy.Expr)
  )


def is_product(formula: sympy.Expr) -> bool:
  """Returns whether a formula is a product of factors with variables, one of them a sum."""
  count, has_sum = 0, False
  for factor in sympy.Mul.make_args(formula):
    base, power = factor.args if isinstance(factor, sympy.Pow) else (factor, sympy.S.One)
    if not factor.free_symbols or power.could_extract_minus_sign():
      continue
    count += int(power) if power.is_Integer else 1
    has_sum = has_sum or isinstance(base, sympy.Add)
  return has_sum and count > 1


def is_factored_less(a: sympy.Expr, g: sympy.Expr) -> bool:
  """Returns whether a product has fewer factors than another, or a number yet to be taken out."""
  if not is_product(g):
    return False
  (factors_a, number_a), (factors_g, number_g) = count_factors(a), count_factors(g)
  return factors_a < factors_g or (abs(number_a) == 1 != abs(number_g))


def count_factors(product: sympy.Expr) -> tuple[int, sympy.Expr]:
  """Returns how many factors have variables, each as often as it stands, and the number before."""
  count, number = 0, sympy.S.One
  for factor in factors_of(product):
    power = factor.args[1] if isinstance(factor, sympy.Pow) else sympy.S.One
    if not factor.free_symbols:
      number *= factor
    elif power.is_Integer and power > 0:
      count += int(power)
  return count, number


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


def attempt(work):
  """Returns what sympy makes of it, or None where it fails: what is not proven is not equal."""
  try:
    return work()
  except MemoryError:
    raise
  except Exception:
    return None


TASKS: dict[str, Callable] = {
  task.__name__: task for task in (equal, relation, same_form, has_simpler_roots, check)
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
      is_ours = innermost[0].f_code.co_filename == __file__
      reply = {'bug' if is_ours else 'failed': traceback.format_exc()}
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(json.dumps(reply), file=replies, flush=True)


if __name__ == '__main__':
  main()
