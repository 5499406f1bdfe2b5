"""Kinds of answers, as `structures.read` finds them: numbers, words, tuples, sets, relations."""

import dataclasses

from r1jax.rewards.mathematics import quantities


@dataclasses.dataclass(frozen=True)
class Words:
  """Text that is no formula, such as `Friday`, and numerals such as `1200_{7}`.

  It is without case, but for three letters that may be names: `XYZ` is not `xyz`.
  """

  text: str


@dataclasses.dataclass(frozen=True)
class Formula:
  r"""A formula that only algebra can compare.

  Attributes:
    text: without unit.
    unit: in one spelling, as of `8\sqrt{3}\text{ cm}`; None if there is none.
  """

  text: str
  unit: str | None = None


@dataclasses.dataclass(frozen=True)
class Bracketed:
  """Items in order between brackets: a tuple, a point, a vector, or an interval.

  Attributes:
    open: `(`, `[` or `<`.
    items: at least two.
    close: `)`, `]` or `>`.
    name: of whose interval it is, as the x of `x > 3`; None if that is not said.
  """

  open: str
  items: tuple['Structure', ...]
  close: str
  name: str | None = None


@dataclasses.dataclass(frozen=True)
class Collection:
  r"""Items whose order does not count: `1, 2`, `\{1, 2\}`, `A \cup B`, `1 \pm 2`.

  Attributes:
    kind: 'set' of values, 'union' of intervals and sets, or 'both' of conditions.
    items: at least one; for a list at least two.
  """

  kind: str
  items: tuple['Structure', ...]


@dataclasses.dataclass(frozen=True)
class Blanks:
  """Answers to several blanks, in order, as `3; 4`."""

  items: tuple['Structure', ...]


@dataclasses.dataclass(frozen=True)
class Matrix:
  """Rows of entries."""

  rows: tuple[tuple['Structure', ...], ...]


@dataclasses.dataclass(frozen=True)
class Relation:
  r"""Sides and what stands between them, as `y = 2x` and `f(2) < f(1) < f(4)`.

  Attributes:
    signs: each one of `=`, `<`, `\le`, `\ne`; `>` and `\ge` are turned round.
    sides: one more than signs.
  """

  signs: tuple[str, ...]
  sides: tuple[str, ...]


Structure = (
  quantities.Quantity | Words | Formula | Bracketed | Collection | Blanks | Matrix | Relation
)
