"""Problems of the built-in world: skeletons dressed in words, with gold answers.

A family dresses a skeleton as an expression or as a story, in English or Chinese; depth, the
number of steps, is the dial of difficulty. The SHA-256 of the skeleton alone decides the split, so
no family and no wording can carry a test problem over into training. What is held out is the whole
skeleton, not its parts: a single step of any split is a fact of the base model's text, and two or
three steps in a row may well occur within a longer problem.

  'Work from left to right: 37+8*2-5=?' -> '85'
"""

import dataclasses
import operator
from collections.abc import Mapping

import numpy as np

from r1jax.structs import Problem
from r1jax.tasks.world import questions
from r1jax.tasks.world.draws import weighted
from r1jax.tasks.world.skeletons import SPLITS, Skeleton, draw_skeleton

FAMILIES = {'expression_en': 1.0, 'expression_zh': 1.0, 'story_en': 1.0, 'story_zh': 1.0}


def draw(
  rng: np.random.Generator,
  *,
  split: str,
  depths: tuple[int, int] = (2, 10),
  families: Mapping[str, float] = FAMILIES,
  distractors: float = 0.3,
  id: str = '',
) -> Problem:
  """Draws one problem of a split.

  Args:
    rng: where all randomness comes from; only its `random()` is used, which is the same on all
      platforms.
    split: 'train', 'validation' or 'test'; skeletons of the others are drawn again.
    depths: least and greatest number of steps, both possible, uniform between.
    families: weight of each family; a family that is left out has weight 0.
    distractors: probability that a story has one or two sentences with numbers to be ignored.
    id: the problem's id.
  """
  depth = depths[0] + int(rng.random() * (depths[1] - depths[0] + 1))
  family = _weighted(rng, families)
  skeleton = draw_skeleton(rng, depth)
  while skeleton.split != split:
    skeleton = draw_skeleton(rng, depth)
  kind, language = family.split('_')
  if kind == 'expression':
    question, num_distractors = questions.expression(skeleton, language, rng), 0
  else:
    num_distractors = 1 + int(rng.random() * 2) if rng.random() < distractors else 0
    question = questions.story(skeleton, language, rng, num_distractors=num_distractors)
  values = [equation.right for equation in skeleton.equations()]
  metadata = {
    'depth': depth,
    'family': family,
    'language': language,
    'start': skeleton.start,
    'steps': [[op, operand] for op, operand in skeleton.steps],
    'values': values,
    'distractors': num_distractors,
  }
  return Problem(id=id, question=question, gold=str(values[-1]), metadata=metadata)


def _weighted(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
  # In the order of FAMILIES, whatever the order of the mapping.
  names = [name for name in FAMILIES if weights.get(name, 0.0) > 0]
  return weighted(rng, [(name, weights[name]) for name in names])


def skeleton_of(problem: Problem) -> Skeleton:
  """Returns the skeleton kept in a problem's metadata."""
  steps = tuple((op, operand) for op, operand in problem.metadata['steps'])
  return Skeleton(problem.metadata['start'], steps)


def problem(
  index: int,
  *,
  split: str,
  seed: int = 0,
  depths: tuple[int, int] = (2, 10),
  families: Mapping[str, float] = FAMILIES,
  distractors: float = 0.3,
) -> Problem:
  """Returns problem number `index` of a split: a pure function of its arguments.

  See `draw` for the arguments. Its randomness is addressed by (seed, split, index), so problems
  come out the same in any order, on any platform.
  """
  if split not in SPLITS:
    raise ValueError(f'split is {split!r}; the world has {", ".join(SPLITS)}.')
  address = np.random.SeedSequence([seed, SPLITS.index(split), index])
  return draw(
    np.random.Generator(np.random.PCG64(address)),
    split=split,
    depths=depths,
    families=families,
    distractors=distractors,
    id=f'world/{split}/{seed}/{index}',
  )


@dataclasses.dataclass(frozen=True)
class World:
  """The problems of a split as a random-access source, made when they are asked for.

  Attributes:
    split: 'train', 'validation' or 'test'.
    size: number of problems; there is no end to them, a source needs one all the same.
    seed: another seed, other problems of the same splits.
    depths: least and greatest number of steps; the dial of difficulty.
    families: weight of each family.
    distractors: probability that a story has sentences to be ignored, in [0, 1].
  """

  split: str
  size: int = 1_000_000
  seed: int = 0
  depths: tuple[int, int] = (2, 10)
  families: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(FAMILIES))
  distractors: float = 0.3

  def __post_init__(self):
    if self.split not in SPLITS:
      raise ValueError(f'split is {self.split!r}; the world has {", ".join(SPLITS)}.')
    if self.size < 1 or self.seed < 0:
      raise ValueError(
        f'size is {self.size}, seed {self.seed}; size must be positive, seed not < 0.'
      )
    check_dials(self.depths, self.families, self.distractors)

  def __len__(self) -> int:
    return self.size

  def __getitem__(self, index: int) -> Problem:
    number = operator.index(index)
    if not 0 <= number < self.size:
      raise IndexError(f'problem {number} of a world of {self.size}')
    return problem(
      number,
      split=self.split,
      seed=self.seed,
      depths=self.depths,
      families=self.families,
      distractors=self.distractors,
    )


def check_dials(depths: tuple[int, int], families: Mapping[str, float], distractors: float) -> None:
  """Raises ValueError, with what is allowed, for dials that no problem can be drawn with."""
  low, high = depths
  if not 1 <= low <= high:
    raise ValueError(f'depths is {tuple(depths)}; it must be (least, greatest) with 1 <= least.')
  unknown = sorted(set(families) - set(FAMILIES))
  if unknown:
    raise ValueError(f'families names {unknown}; the world has {", ".join(FAMILIES)}.')
  if min(families.values(), default=0) < 0 or not sum(families.values()) > 0:
    raise ValueError(f'families is {dict(families)}; weights must be >= 0 and not all 0.')
  if not 0 <= distractors <= 1:
    raise ValueError(f'distractors is {distractors}; it is a probability, from 0 to 1.')
