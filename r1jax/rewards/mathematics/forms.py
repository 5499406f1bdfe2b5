r"""In what form a formula stands, and what it leaves to be done: sizes, sums, products, roots.

Formulas are sympy's, parsed but not evaluated. For `symbolic_worker.py`, which runs in a process of
its own; never imported by the package.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator

import sympy
from sympy.functions.elementary.trigonometric import TrigonometricFunction

UNEVALUATED = (sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit, sympy.Derivative)
# What the parser works out at once, so that it has to be counted in the text: binomials, powers to
# a logarithm, and fractions of whole numbers that could be reduced.
WORKED_OUT = re.compile(r'\\binom|\^\{ ?\\(?:ln|log|lg)(?![a-z])|\\exp *[({]* *\\(?:ln|log)')
FRACTION = re.compile(
  r'\\frac\{ ?-?([0-9]{1,18}) ?\}\{ ?-?([0-9]{1,18}) ?\}'
  r'|(?<![0-9.^])([0-9]{1,18}) ?/ ?([0-9]{1,18})'
)


def form(formula: sympy.Expr) -> tuple:
  """Returns a formula's terms and factors in one order, sums of sums and numbers as one."""
  if isinstance(formula, sympy.Mul):
    every = factors(formula)
    number = math.prod(factor for factor in every if factor.is_rational)
    parts = [factor for factor in every if not factor.is_rational]
    parts += [] if number == 1 and parts else [sympy.sympify(number)]
    if len(parts) == 1:
      return form(parts[0])
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


def unsimplified_roots(formula: sympy.Expr) -> int:
  """Returns how many roots hold a power, as that of 8, 1/4 or x^3, or stand below a line."""
  return sum(
    holds_power(node) or has_root_below(node)
    for node in sympy.preorder_traversal(formula)
    if isinstance(node, sympy.Expr)
  )


def holds_power(node: sympy.Expr) -> bool:
  """Returns whether a node is a root of which something can be taken out."""
  if is_root(node):
    return not isinstance(node.func(*node.args), sympy.Pow)
  base, power = base_and_power(node)
  if not (power.is_Rational and not power.is_Integer and isinstance(base, sympy.Mul | sympy.Pow)):
    return False
  for factor in factors_of(base):
    times = base_and_power(factor)[1]
    if times.is_Integer and times >= power.q:
      return True
    if factor.is_Integer and not isinstance(sympy.root(factor, power.q), sympy.Pow):
      return True
  return False


def has_root_below(node: sympy.Expr) -> bool:
  """Returns whether a node is a power below a fraction's line that has a root of a number."""
  if not is_inverse(node) or node.free_symbols:
    return False
  base, exponent = node.args
  return not exponent.is_Integer or any(map(is_root, sympy.preorder_traversal(base)))


def size(formula: sympy.Expr) -> int:
  """Returns the number of numbers, names and functions in a formula."""
  return sum(node != sympy.E for node in sympy.preorder_traversal(formula))


def pending(text: str, formula: sympy.Expr) -> int:
  r"""Returns how much of a formula is left undone that takes no idea, as `3^2 + 4^2` or `x + x`."""
  left = sum(map(undone, parts(formula))) + len(WORKED_OUT.findall(text))
  pairs = [[int(number) for number in match if number] for match in FRACTION.findall(text)]
  return left + sum(math.gcd(*pair) > 1 or pair[1] == 1 for pair in pairs)


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
  if isinstance(node, sympy.Pow | sympy.exp):
    base, exponent = node.args if isinstance(node, sympy.Pow) else (sympy.E, node.args[0])
    if is_reciprocal(node):
      return 0
    if base == sympy.E and (turns := attempt(lambda: exponent / (sympy.I * sympy.pi))):
      return 1 + bool(abs(turns) >= 2) if turns.is_rational else 0
    if exponent == 1 or (exponent.is_Integer and exponent > 1 and can_be_raised(base)):
      return 1
    if exponent == -1 and any(is_inverse(factor) for factor in factors_of(base)):
      return 1  # A fraction below a fraction's line.
    is_done = not (is_number(base) and is_number(exponent) and is_number(node.func(base, exponent)))
    return 0 if is_done else 1 + (common_root(base) > 1)
  if isinstance(node, UNEVALUATED):
    return 1
  if isinstance(node, sympy.Function | sympy.Max | sympy.Min) and not node.free_symbols:
    # What has a closed form, as sin(pi/3), and what has none, as sin(1).
    has_value = attempt(lambda: not node.doit().has(node.func)) is True
    is_reducible = isinstance(node, sympy.log) and common_root(*node.args) > 1
    return int(has_value or is_reducible)
  return 0


def common_root(*numbers: sympy.Expr) -> int:
  """Returns the greatest k of which all numbers, at least two, are a k-th power of an integer.

  Of one number it is its own, as 2 of 4; of two that of `log_4 9`, which is log_2 3.
  """
  if not all(number.is_Integer and number > 1 for number in numbers):
    return 1
  powers = [attempt(lambda n=number: sympy.perfect_power(n)) for number in numbers]
  return math.gcd(*(int(power[1]) if power else 1 for power in powers))


def can_be_raised(base: sympy.Expr) -> bool:
  """Returns whether a power of it can be worked out: of a product, a power, a sum of numbers."""
  is_sum_of_numbers = isinstance(base, sympy.Add) and not base.free_symbols
  return isinstance(base, sympy.Mul | sympy.Pow) or is_sum_of_numbers


def undone_sum(node: sympy.Add) -> int:
  """Returns how many terms could be added up: of numbers, imaginary numbers, like terms.

  With them the multiples of sums, which have to be multiplied out before.
  """
  terms = [part for arg in node.args for part in signed_terms(arg)]
  kinds = [
    sympy.S.One if is_number(term) and not term.has(sympy.I) else like(term) for term in terms
  ]
  multiples = sum(is_multiple_of_sum(term) and not has_number_below(term) for term in terms)
  return len(kinds) - len(set(kinds)) + sum(bool(term == 0) for term in terms) + multiples


def is_multiple_of_sum(term: sympy.Expr) -> bool:
  """Returns whether a term is a number times a sum, as 3(x + 2)."""
  every = factors_of(term)
  numbers = [factor for factor in every if factor.is_rational]
  sums = [factor for factor in every if isinstance(factor, sympy.Add)]
  is_more = abs(math.prod(numbers)) != 1
  return len(sums) == 1 and len(every) == len(numbers) + 1 and is_more


def has_number_below(product: sympy.Expr) -> bool:
  """Returns whether a product has a number below its line."""
  return any(map(is_reciprocal, factors_of(product)))


def sums_to_multiply(formula: sympy.Expr) -> int:
  """Returns how many products are a number times a sum."""
  return sum(is_multiple_of_sum(part) for part in parts(formula))


def signed_terms(node: sympy.Expr) -> list[sympy.Expr]:
  """Returns the terms of a sum within a sum, or the node itself; signs may be lost."""
  if isinstance(node, sympy.Mul) and len(node.args) == 2 and node.args[0] == -1:
    node = node.args[1]
  if isinstance(node, sympy.Add):
    return [term for arg in node.args for term in signed_terms(arg)]
  return [node]


def like(term: sympy.Expr) -> sympy.Expr:
  """Returns a term without its numbers: terms of which this is the same can be added."""
  return sympy.Mul(*(factor for factor in factors_of(term) if not factor.is_rational))


def undone_product(node: sympy.Mul) -> int:
  """Returns how many factors could be multiplied: numbers, roots, powers of one name, signs."""
  every = factors(node)
  below = [factor for factor in every if is_reciprocal(factor)]
  above = [factor for factor in every if is_number(factor) and factor not in below]
  # Of several fractions the parser writes some as one number.
  fractions = [factor for factor in above if factor.is_Rational and not factor.is_Integer]
  # The parser writes 1/x as 1 times 1/x.
  if any(factor == 1 and is_inverse(after) for factor, after in itertools.pairwise(every)):
    above.remove(sympy.S.One)
  imaginary = above.count(sympy.I)
  complexes = sum(isinstance(factor, sympy.Add) for factor in above)
  bases = [base_and_power(factor)[0] for factor in every]
  raised = {base for base, power in map(base_and_power, every) if power.free_symbols}
  names = [base for base in bases if base.is_Symbol or base == sympy.pi or base in raised]
  groups = (
    len(above) - imaginary - above.count(sympy.S.NegativeOne),
    imaginary,
    len(below) + len(fractions),
    sum(isinstance(factor, sympy.log) and not factor.free_symbols for factor in every),
    sum(map(is_root, every)),
    sum(bool(factor.is_Rational and factor < 0) for factor in every),
  )
  return (
    sum(max(0, group - 1) for group in groups)
    + above.count(sympy.S.One)
    + above.count(sympy.S.Zero)
    + sum(factor.is_Pow and factor.args[0] == 1 for factor in every)
    + min(imaginary, complexes)
    + is_reducible(every)
    + has_fractions_to_cancel(every)
    + len(names)
    - len(set(names))
  )


def is_reducible(factors: list[sympy.Expr]) -> bool:
  """Returns whether a number could be cancelled, as in (4x - 2)/2."""
  above = [factor for factor in factors if not is_inverse(factor)]
  below = [base ** (-power) for base, power in map(base_and_power, factors) if power.is_negative]
  return bool(math.gcd(content(above), content(below)) > 1)


def has_fractions_to_cancel(factors: list[sympy.Expr]) -> bool:
  """Returns whether a number stands before a sum with fractions, as in 6(x + 3/2)."""
  number = math.prod(factor for factor in factors if factor.is_Integer)
  sums = [factor for factor in factors if isinstance(factor, sympy.Add)]
  shares = [
    attempt(lambda each=each: sympy.expand(each).as_content_primitive()[0]) for each in sums
  ]
  return any(
    share is not None and share.is_Rational and math.gcd(int(number), int(share.q)) > 1
    for share in shares
  )


def content(factors: list[sympy.Expr]) -> int:
  """Returns the whole number that divides a product: of sums what divides all their terms."""
  number = sympy.S.One
  for factor in factors:
    if factor.is_Rational:
      number *= factor
    elif any(
      isinstance(part, sympy.Add | sympy.Mul) for part in (factor, base_and_power(factor)[0])
    ):
      found = attempt(lambda each=factor: sympy.expand(each).as_content_primitive()[0])
      number *= found if found is not None and found.is_Rational else 1
  return abs(int(number.p)) or 1


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


def is_of_the_form(a: sympy.Expr, g: sympy.Expr) -> bool:
  """Returns whether an answer, equal to the gold formula, stands in its form.

  It has the same factors, within sums too, as those of (x + 3)^2 - 4; no number yet to be taken
  out; the same lines with names below them, be they multiplied out or not; and no deeper roots.
  """
  if is_product(a) != is_product(g) or products(a) > products(g) or is_factored_less(a, g):
    return False
  return (
    factored(a) == factored(g)
    and below_lines(a) == below_lines(g)
    and depth_of_roots(a) <= depth_of_roots(g)
  )


def products(formula: sympy.Expr) -> int:
  """Returns how many products in a formula could be expanded."""
  return sum(map(is_product, parts(formula)))


def factored(formula: sympy.Expr) -> set[frozenset]:
  """Returns the factors of every product that could be expanded, but below a line."""
  found = set()
  if is_product(formula):
    times = Counter[sympy.Expr]()
    for factor in factors_of(formula):
      base, power = base_and_power(factor)
      if base.free_symbols and not power.could_extract_minus_sign():
        is_count = power.is_Integer
        times[primitive(base if is_count else factor)] += int(power) if is_count else 1
    found.add(frozenset(times.items()))
  for part in factors_of(formula) if isinstance(formula, sympy.Mul) else formula.args:
    if isinstance(part, sympy.Expr) and not is_inverse(part):
      found |= factored(part)
  return found


def below_lines(formula: sympy.Expr) -> set[sympy.Expr]:
  """Returns what stands below each line and has a name, multiplied out and without its number."""
  every = factors_of(formula)
  below = [factor for factor in every if is_inverse(factor) and factor.args[0].free_symbols]
  line = primitive(sympy.Mul(*(base ** (-power) for base, power in map(base_and_power, below))))
  named = [part for part in factors_of(line) if is_named(base_and_power(part)[0])]
  found = {sympy.Mul(*named)} if named else set()
  for factor in every:
    inner = factor.args[:1] if factor in below else factor.args if factor is formula else [factor]
    for part in inner:
      found |= below_lines(part) if isinstance(part, sympy.Expr) else set()
  return found


def is_named(base: sympy.Expr) -> bool:
  """Returns whether it has names, and is no function of an angle: 1/cos x is sec x."""
  return bool(base.free_symbols) and not isinstance(base, TrigonometricFunction)


def depth_of_roots(formula: sympy.Expr) -> int:
  """Returns how many roots of numbers stand within each other."""
  depth = max((depth_of_roots(part) for part in formula.args), default=0)
  base, power = base_and_power(formula)
  return depth + bool(power.is_Rational and not power.is_Integer and not base.free_symbols)


def base_and_power(factor: sympy.Expr) -> tuple[sympy.Expr, sympy.Expr]:
  """Returns what is raised to which power."""
  return factor.args if isinstance(factor, sympy.Pow) else (factor, sympy.S.One)


def primitive(formula: sympy.Expr) -> sympy.Expr:
  """Returns a formula multiplied out, without the number and the sign before it."""
  expanded = attempt(lambda: sympy.expand(formula).as_content_primitive()[1])
  if expanded is None:
    return formula
  return -expanded if expanded.could_extract_minus_sign() else expanded


def is_product(formula: sympy.Expr) -> bool:
  """Returns whether a formula is a product of factors with variables, one of them a sum."""
  count, has_sum = 0, False
  for factor in factors_of(formula):
    base, power = base_and_power(factor)
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
  return factors_a < factors_g or not is_same_size(number_a, number_g)


def is_same_size(a: sympy.Expr, b: sympy.Expr) -> bool:
  """Returns whether two numbers are the same but for their sign."""
  return attempt(lambda: sympy.simplify(a**2 - b**2) == 0) is True


def count_factors(product: sympy.Expr) -> tuple[int, sympy.Expr]:
  """Returns how many factors have variables, each as often as it stands, and the number before."""
  count, number = 0, sympy.S.One
  for factor in factors_of(product):
    power = base_and_power(factor)[1]
    if not factor.free_symbols:
      number *= factor
    elif power.is_Integer and power > 0:
      count += int(power)
  return count, number


def attempt(work):
  """Returns what sympy makes of it, or None where it fails: what is not proven is not equal."""
  try:
    return work()
  except MemoryError:
    raise
  except Exception:
    return None
