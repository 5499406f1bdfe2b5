r"""When an answer equals the gold answer.

A false acceptance teaches a policy to cheat, so in doubt two answers differ. Numbers are compared
by exact arithmetic (1/3 is not 0.3333333333333333), structures item by item, words by their
letters, and only what is left, formulas, by computer algebra. A gold number asks for a number: what
is still to be computed, such as the question's own `1/2+1/3`, does not equal 5/6.
"""

import functools
import re
from collections.abc import Callable

from r1jax.rewards import workers
from r1jax.rewards.mathematics import asked, notation, quantities, structures, symbolic
from r1jax.rewards.mathematics.kinds import (
  Blanks,
  Bracketed,
  Collection,
  Formula,
  Matrix,
  Relation,
  Structure,
  Words,
)
from r1jax.text import tags

# Longer answers are equal to the letter or not at all.
MAX_LENGTH = 10_000


def math_equal(answer: str, gold: str, *, question: str = '') -> bool:
  r"""Returns whether the answer is the gold answer.

  Around either, space, LaTeX's wrappers (`$...$`, `\(...\)`, `\[...\]`, `\text{...}`) and one full
  stop do not count. Numbers are integers of any size, decimals, fractions, mixed numbers, percent,
  with separators of thousands, powers of ten, units and currency. The unit of the gold answer is
  taken for granted; an answer to a gold number without unit may name a unit of measurement, or what
  the question counts. Lists and sets are equal in any order, tuples, intervals and matrices entry
  by entry; `x = 5` answers 5 where a value is asked for, and `x > 3` is an interval. An empty
  answer equals nothing, not even an empty gold answer.

  Formulas are equal by algebra if the answer is worked out as far as the gold answer: 2 + 3 is not
  5, (x + 1)(x - 1) not x^2 - 1, nor the other way round, and sin(30°) not 1/2; `symbolic.equal`.

  Comparing formulas may be cut short by a deadline: the answer then is not equal, and the fault is
  recorded (`workers.recorded`).

  Args:
    answer: what was answered, without tags or box.
    gold: the right answer; the order of the two matters, since the answer may be wider in form.
    question: that was asked, if it may tell what is counted, or whether per cent are meant.

  Raises:
    TypeError: one of them is no text.
  """
  if not all(isinstance(text, str) for text in (answer, gold, question)):
    raise TypeError(
      f'the answer is {answer!r}, the gold answer {gold!r}, the question {question!r}; all must be '
      'text, as in '
      "math_equal('5', '5')"
    )
  if not (_is_something(answer) and _is_something(gold)):
    return False
  if max(len(answer), len(gold)) > MAX_LENGTH:
    return answer.strip() == gold.strip()
  if _ABOUT.match(answer) and not _ABOUT.match(gold):
    return False
  answer, gold = (_normal(text) for text in (answer, gold))
  if not (_is_something(answer) and _is_something(gold)):
    return False
  if asked.is_offered(answer, question):
    gold = notation.without_line(gold)
  answer = notation.with_integer_of(asked.without_counted(answer, question), gold)
  if notation.squeeze(answer) == notation.squeeze(gold):
    return True
  try:
    with symbolic.one_deadline():
      right, found = _structure(gold), _structure(answer)
      if not isinstance(right, Collection):
        found = _single(asked.as_tuple(found, right, question))
      if question:
        if asked.is_in_another_unit(found, right, question):
          return False
        if asked.is_another_kind(found, question):
          return False
        if not isinstance(right, Relation) and asked.is_of_another_name(found, question):
          return False
        found = asked.settle(found, right, question)
        right = asked.in_order(right, question)
      return _same(found, right)
  except workers.WorkerError as fault:
    workers.record(fault)
    return False


def value_asked(answer: str, gold: str, question: str) -> str:
  """Returns what an answer gives for what the question asks for, or the answer as it is.

  That is the 12 of `m + n = 12` if the question asks for m + n, and the C of `(C) Parabola` if the
  gold answer is a letter and the question has that option.
  """
  letter = _CHOICE.fullmatch(_normal(gold).strip('() '))
  if letter and (chosen := asked.chosen(answer, question)) is not None:
    return chosen
  structure = _structure(_normal(answer))
  if isinstance(_structure(_normal(gold)), Blanks):
    return asked.without_labels(structure, question) or answer
  if isinstance(structure, Relation) and set(structure.signs) == {'='}:
    formula, *between, value = structure.sides
    if asked.asks_for(question, formula) and all(_is_same_value(side, value) for side in between):
      return value
  return answer


def _is_same_value(undone: str, value: str) -> bool:
  """Returns whether a formula, in which something may be left to be done, has a value."""
  try:
    return undone == value or symbolic.equal(answer=value, gold=undone)
  except workers.WorkerError as fault:
    workers.record(fault)
    return False


def is_several(text: str) -> bool:
  """Returns whether an answer is several values, as `1, 2` and `1; 2`."""
  structure = _structure(_normal(text))
  return isinstance(structure, Blanks | Collection) and len(structure.items) > 1


def number(text: str) -> quantities.Quantity | None:
  """Returns the number that a text is, with or without a unit; None if it is something else."""
  structure = _structure(_normal(text))
  return structure if isinstance(structure, quantities.Quantity) else None


def relation(text: str) -> Relation | None:
  """Returns the equation or inequality that a text is, or None if it is something else."""
  structure = _structure(_normal(text))
  return structure if isinstance(structure, Relation) else None


def formulas(text: str) -> list[str]:
  """Returns the formulas in a text, in which something may be left to be computed."""
  return _formulas(_structure(_normal(text)))


def bare(text: str) -> str:
  """Returns an answer without spaces, label and brackets that do not count."""
  structure = _structure(_normal(text))
  if isinstance(structure, Relation) and (value := _value_text(structure)) is not None:
    text, structure = value, _structure(_normal(value))
  if isinstance(structure, Formula):
    return notation.squeeze(structure.text)
  text = notation.squeeze(_normal(text))
  return text.strip('()') if isinstance(structure, quantities.Quantity) else text


def check_readable(gold: str) -> None:
  """Raises ValueError if a gold answer is a formula that cannot be parsed."""
  for formula in _formulas(_structure(_normal(gold))):
    symbolic.check(formula)


_PI = r'\pi'
# Before a number that is about right, or struck out.
_ABOUT = re.compile(r'[\s$]*(?:~~|~ *[-.0-9])')
# The letter of a choice.
_CHOICE = re.compile('[A-H]')
# Of integers that are written out for algebra.
_MAX_BITS = 4 * quantities.MAX_DIGITS


def _is_something(text: str) -> bool:
  return tags.is_visible(text.strip('.。'))


# Votes compare every answer of a group with others; long texts are not worth the memory.
_SHORT = 500


def _normal(text: str) -> str:
  return _normal_again(text) if len(text) <= _SHORT else notation.normalise(text)


def _structure(text: str) -> Structure:
  return _read_again(text) if len(text) <= _SHORT else structures.read(text)


_normal_again = functools.lru_cache(maxsize=4096)(notation.normalise)
_read_again = functools.lru_cache(maxsize=4096)(structures.read)


def _same(answer: Structure, gold: Structure) -> bool:
  """Compares by what the gold answer is."""
  if answer == gold:
    return not _is_formula_of_nothing(gold)
  if isinstance(answer, Relation) and not isinstance(gold, Relation):
    # `x = 5` for 5, and `1/2 = 0.5`.
    value = _value(answer)
    return _are_all(answer, gold) if value is None else _same(value, gold)
  return _COMPARISONS[type(gold)](answer, gold)


def _is_formula_of_nothing(gold: Structure) -> bool:
  return isinstance(gold, Formula) and not tags.is_visible(gold.text)


def _value(relation: Relation) -> Structure | None:
  """Returns what a relation gives to a label, as the 5 in `x = 5`; None if it gives nothing."""
  text = _value_text(relation)
  return None if text is None else structures.read(text)


def _are_all(answer: Relation, gold: Structure) -> bool:
  """Returns whether an answer is one number in several spellings, each of them the gold's."""
  if set(answer.signs) != {'='} or not isinstance(gold, quantities.Quantity):
    return False
  return all(_same_quantity(structures.read(side), gold) for side in answer.sides)


def _value_text(relation: Relation) -> str | None:
  """Returns the text of what a relation gives to a label; None if it gives not one value."""
  if len(relation.sides) != 2 or relation.signs != ('=',):
    return None
  for label, value in (relation.sides, relation.sides[::-1]):
    if structures.is_label(label):
      return None if structures.mentions(value, label) else value
  return None


def _same_quantity(answer: Structure, gold: quantities.Quantity) -> bool:
  return isinstance(answer, quantities.Quantity) and quantities.equal(answer, gold)


def _single(structure: Structure) -> Structure:
  """Returns the only member of a set, or the structure itself."""
  if isinstance(structure, Collection) and len(structure.items) == 1:
    return structure.items[0]
  return structure


def _same_words(answer: Structure, gold: Words) -> bool:
  return isinstance(answer, Words) and answer.text == gold.text


def _same_formula(answer: Structure, gold: Formula) -> bool:
  if isinstance(answer, quantities.Quantity):
    if max(answer.value.numerator.bit_length(), answer.value.denominator.bit_length()) > _MAX_BITS:
      return False
    answer = Formula(_written(answer), answer.unit)
  if not isinstance(answer, Formula) or not quantities.fits(answer.unit, gold.unit):
    return False
  if answer.unit != gold.unit and (
    answer.unit == '%' or (answer.unit == '°' and _PI in answer.text)
  ):
    return False
  return symbolic.equal(answer=answer.text, gold=gold.text)


def _written(quantity: quantities.Quantity) -> str:
  value = quantity.value
  return f'\\frac{{{value.numerator}}}{{{value.denominator}}}'


def _same_brackets(answer: Structure, gold: Bracketed) -> bool:
  if not isinstance(answer, Bracketed):
    return False
  same_kind = (answer.open, answer.close) == (gold.open, gold.close)
  same_name = len({answer.name, gold.name} - {None}) < 2
  return same_kind and same_name and _same_in_order(answer.items, gold.items)


def _same_blanks(answer: Structure, gold: Blanks) -> bool:
  """Blanks may be separated by commas in an answer, in their order all the same."""
  if isinstance(answer, Collection) and answer.kind == 'set':
    answer = Blanks(_without_one_name(answer.items))
  return isinstance(answer, Blanks) and _same_in_order(answer.items, gold.items)


def _without_one_name(items: tuple[Structure, ...]) -> tuple[Structure, ...]:
  """Returns the values of `x = 1, x = 2` or `x = 1, 2`, if they are given to one name."""
  named = [item for item in items if isinstance(item, Relation)]
  values = [_value(item) for item in named]
  if len({item.sides[0] for item in named}) != 1 or None in values:
    return items
  return tuple(
    value if isinstance(item, Relation) and (value := _value(item)) is not None else item
    for item in items
  )


def _same_collection(answer: Structure, gold: Collection) -> bool:
  if len(gold.items) == 1 and not isinstance(answer, Collection):
    return _same(answer, gold.items[0])
  if isinstance(answer, Blanks):
    answer = Collection('set', answer.items)
  if not isinstance(answer, Collection) or answer.kind != gold.kind:
    return False
  if _are_named(gold.items) and not _are_named(answer.items):
    return _same_in_order(answer.items, gold.items)  # `1, 2` for `x = 1, y = 2`.
  return _same_in_any_order(list(answer.items), list(gold.items))


def _are_named(items: tuple[Structure, ...]) -> bool:
  return any(isinstance(item, Relation) for item in items)


def _same_matrix(answer: Structure, gold: Matrix) -> bool:
  if isinstance(answer, Bracketed) and answer.name is None and answer.open in ('(', '<'):
    answer = Matrix(tuple((item,) for item in answer.items))  # A column, written as a tuple.
  if not isinstance(answer, Matrix) or len(answer.rows) != len(gold.rows):
    return False
  return all(_same_in_order(row, gold_row) for row, gold_row in zip(answer.rows, gold.rows))


def _same_relation(answer: Structure, gold: Relation) -> bool:
  first, *between, last = gold.sides
  is_value = gold.signs == ('=',) and structures.is_label(first)
  if not isinstance(answer, Relation):
    # 5 for `x = 5`; but nothing for `x - 3z = 0`.
    return is_value and _same(answer, structures.read(last))
  if answer.signs != gold.signs:
    return False
  if is_value:
    named, *_, value = answer.sides if structures.is_label(answer.sides[0]) else answer.sides[::-1]
    if _label(named) == _label(first):
      return _same(structures.read(value), structures.read(last))
    if not structures.has_names(last):
      return False  # An equation, still to be solved.
  if between:
    pairs = [tuple(map(structures.read, sides)) for sides in (answer.sides, gold.sides)]
    return _same_in_order(*pairs)
  is_ordered = gold.signs[0] in ('<', r'\le')
  return symbolic.same_relation(answer=answer.sides, gold=gold.sides, is_ordered=is_ordered)


def _label(text: str) -> str:
  """Returns what a value is given to, a function of x as y."""
  return 'y' if notation.squeeze(text) == 'f(x)' else notation.squeeze(text)


def _same_in_order(answers: tuple[Structure, ...], golds: tuple[Structure, ...]) -> bool:
  if len(answers) != len(golds) or (_are_named(answers) and not _are_named(golds)):
    return False  # Whether names stand in the right order is not known: `(y=1, x=2)`.
  return all(_same(a, g) for a, g in zip(answers, golds))


def _same_in_any_order(answers: list[Structure], golds: list[Structure]) -> bool:
  """Pairs every gold item with an answer of its own; as equality is transitive, any will do."""
  if len(answers) != len(golds):
    return False
  for gold in golds:
    # What is the same to the letter is quickly told.
    answers.sort(key=lambda answer: answer != gold)
    match = next((i for i, answer in enumerate(answers) if _same(answer, gold)), None)
    if match is None:
      return False
    del answers[match]
  return True


def _formulas(structure: Structure) -> list[str]:
  """Returns the formulas within a structure."""
  match structure:
    case Formula(text):
      return [text]
    case Relation(signs, _) if r'\in' in signs:
      return []  # A set, as that of all integers, is no formula.
    case Relation(_, sides):
      return [formula for side in sides for formula in _formulas(structures.read(side))]
    case Matrix(rows):
      return [formula for row in rows for item in row for formula in _formulas(item)]
    case Bracketed(items=items) | Collection(items=items) | Blanks(items=items):
      return [formula for item in items for formula in _formulas(item)]
  return []


_COMPARISONS: dict[type, Callable[..., bool]] = {
  quantities.Quantity: _same_quantity,
  Words: _same_words,
  Formula: _same_formula,
  Bracketed: _same_brackets,
  Blanks: _same_blanks,
  Collection: _same_collection,
  Matrix: _same_matrix,
  Relation: _same_relation,
}
