"""How the people of the built-in world answer: from the blurted guess to the checked chain.

  blurt     'Maybe 83.'
  careless  '37+8*2=90, 90-5=85. The answer is 85.'
  careful   'First 37+8=45. Then 45*2=90. So 90-5=85. The answer is 85.'
  checking  '37+8=44, 44*2=88, 88-5=83. Check: 37+8=45. Wait, 45, not 44. 45*2=90, 90-5=85. ...'
  mixed     'First 37+8=45. 再算45*2=90。So 90-5=85. 答案是85。'

Each style is a function of (problem, rng, habits) that returns a `Thought`; with tags the thought
stands in `<think>` and its bare answer in `<answer>`, without tags it is the reply.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from r1jax.structs import Problem
from r1jax.tasks.world import problems, skeletons
from r1jax.tasks.world.draws import pick
from r1jax.tasks.world.skeletons import HIGHEST, LOWEST, Equation, Skeleton, Step
from r1jax.tasks.world.wording import PHRASES, Phrases

# A slip lands near the right value, or a ten beside it.
SLIPS = (-10, -2, -1, 1, 2, 10)
# A jump merges this many steps.
JUMPS = (2, 3, 4)
# How far a wrong guess may be from the right answer.
GUESS_REACH = 12


@dataclasses.dataclass(frozen=True)
class Habits:
  """How well each style works; all are probabilities.

  Attributes:
    slip: that a step of a careful chain comes out wrong, and is carried forward.
    checked_slip: that a chain which is then checked has a slip.
    unnoticed: that a check overlooks the slip.
    doubt_at_once: that the doubt of a checking chain follows a step, not the whole chain.
    jump_wrong: that a careless jump over several steps lands wrong.
    guess_right: that a guess over one step more is still right: a blurted answer to a problem of
      depth d is right with `guess_right ** (d - 1)`.
    connectives: that a careful chain is written with connectives ("First", "Then").
    closing: that a chain without tags ends in a sentence that names the answer.
  """

  slip: float = 0.005
  checked_slip: float = 0.2
  unnoticed: float = 0.03
  doubt_at_once: float = 0.35
  jump_wrong: float = 0.75
  guess_right: float = 0.2
  connectives: float = 0.4
  closing: float = 0.7

  def __post_init__(self):
    for name, value in dataclasses.asdict(self).items():
      if not 0 <= value <= 1:
        raise ValueError(f'Habits.{name} is {value}; it is a probability, from 0 to 1.')


@dataclasses.dataclass(frozen=True)
class Thought:
  """What somebody thinks about a problem.

  Attributes:
    thinking: what stands between the think tags.
    answer: what it comes to, right or wrong.
    reply: the whole response where no tags are used.
  """

  thinking: str
  answer: int
  reply: str


def blurt(problem: Problem, rng: np.random.Generator, habits: Habits) -> Thought:
  """Guesses at once."""
  phrases = PHRASES[problem.metadata['language']]
  answer = int(problem.gold)
  if rng.random() >= habits.guess_right ** (problem.metadata['depth'] - 1):
    answer = _near(answer, range(-GUESS_REACH, GUESS_REACH + 1), rng)
  return Thought(pick(rng, phrases.shrugs), answer, pick(rng, phrases.guesses).format(a=answer))


def careful(problem: Problem, rng: np.random.Generator, habits: Habits) -> Thought:
  """Writes every step."""
  chain = work(problems.skeleton_of(problem), rng, slip=habits.slip)
  phrases = PHRASES[problem.metadata['language']]
  return _conclude(_written(chain, phrases, rng, habits), chain[-1].right, phrases, rng, habits)


def careless(problem: Problem, rng: np.random.Generator, habits: Habits) -> Thought:
  """Jumps over steps, merging or leaving them out; often lands wrong."""
  skeleton, phrases = problems.skeleton_of(problem), PHRASES[problem.metadata['language']]
  written, value, done = [], skeleton.start, 0
  while done < len(skeleton.steps):
    jump = skeleton.steps[done : done + pick(rng, JUMPS)]
    text, value = _leap(value, jump, rng, habits)
    written.append(text)
    done += len(jump)
  return _conclude(phrases.comma.join(written) + phrases.stop, value, phrases, rng, habits)


def checking(problem: Problem, rng: np.random.Generator, habits: Habits) -> Thought:
  """Writes every step, rather hastily, and goes over them again."""
  skeleton, phrases = problems.skeleton_of(problem), PHRASES[problem.metadata['language']]
  right = skeleton.equations()
  slip = None
  if rng.random() < habits.checked_slip:
    slip = int(rng.random() * len(right))
  chain = right if slip is None else work(skeleton, rng, slip_at=slip)
  noticed = slip is not None and rng.random() >= habits.unnoticed
  if rng.random() < habits.doubt_at_once:
    text = _doubted(chain, right, slip if noticed else None, phrases, rng)
  else:
    text = _written(chain, phrases, rng, habits) + phrases.space
    text += _checked(chain, right, slip if noticed else None, phrases, rng)
  answer = right[-1].right if noticed else chain[-1].right
  return _conclude(text, answer, phrases, rng, habits, closing=1.0)


def mixed(problem: Problem, rng: np.random.Generator, habits: Habits) -> Thought:
  """Writes every step, in two languages at once."""
  chain = work(problems.skeleton_of(problem), rng, slip=habits.slip)
  native = problem.metadata['language']
  foreign = 'zh' if native == 'en' else 'en'
  speaks = [native if rng.random() < 0.5 else foreign for _ in chain]
  if len(chain) > 1 and len(set(speaks)) == 1:
    speaks[int(rng.random() * len(chain))] = native if speaks[0] == foreign else foreign
  sentences = [
    _sentence(equation, place, len(chain), PHRASES[language], rng)
    for place, (equation, language) in enumerate(zip(chain, speaks))
  ]
  # English sentences are set apart by a space, whatever stands beside them.
  text = sentences[0]
  for before, language, sentence in zip(speaks, speaks[1:], sentences[1:]):
    text += ('' if (before, language) == ('zh', 'zh') else ' ') + sentence
  closing = PHRASES[foreign if len(chain) == 1 else pick(rng, (native, foreign))]
  return _conclude(text, chain[-1].right, closing, rng, habits)


STYLES = {
  'blurt': blurt,
  'careless': careless,
  'careful': careful,
  'checking': checking,
  'mixed': mixed,
}


def work(
  skeleton: Skeleton,
  rng: np.random.Generator,
  *,
  slip: float = 0.0,
  slip_at: int | None = None,
) -> tuple[Equation, ...]:
  """Returns the chain as somebody writes it: a wrong result is carried forward.

  Args:
    skeleton: what is worked out.
    rng: decides on slips.
    slip: probability that a step comes out wrong.
    slip_at: a step that comes out wrong for sure.
  """
  chain: list[Equation] = []
  value = skeleton.start
  for place, (op, operand) in enumerate(skeleton.steps):
    right = _carry(value, op, operand)
    if rng.random() < slip or place == slip_at:
      right = _slip(right, skeleton.steps[place + 1 :], rng)
    chain.append(Equation(value, op, operand, right))
    value = right
  return tuple(chain)


def _carry(value: int, op: str, operand: int) -> int:
  # A wrong value may not divide or may leave the range: it is rounded down or cut, and written so.
  exact = skeletons.result(value, op, operand)
  if exact is not None:
    return exact
  if op == '/':
    return max(LOWEST, value // operand)
  return LOWEST if op == '-' else HIGHEST


def _slip(right: int, following: Sequence[Step], rng: np.random.Generator) -> int:
  # Where some near value lets the following steps go on exactly, the slip is such a one.
  options = [right + by for by in SLIPS if LOWEST <= right + by <= HIGHEST]
  hidden = [value for value in options if _feasible(value, following)]
  return pick(rng, hidden or options)


def _feasible(value: int | None, steps: Sequence[Step]) -> bool:
  for op, operand in steps:
    if value is None:
      return False
    value = skeletons.result(value, op, operand)
  return value is not None


def _near(value: int, reach: Sequence[int], rng: np.random.Generator) -> int:
  return pick(rng, [value + by for by in reach if by and LOWEST <= value + by <= HIGHEST])


def _leap(
  value: int, jump: Sequence[Step], rng: np.random.Generator, habits: Habits
) -> tuple[str, int]:
  """Takes several steps at once; returns what is written and where it lands."""
  if len(jump) == 1:
    equation = work(Skeleton(value, tuple(jump)), rng, slip=habits.slip)[0]
    return str(equation), equation.right
  merged = rng.random() < 0.5
  in_the_head = jump if merged else jump[:-1]
  landed = value
  for op, operand in in_the_head:
    landed = _carry(landed, op, operand)
  if rng.random() < habits.jump_wrong:
    landed = _slip(landed, jump[len(in_the_head) :], rng)
  if merged:
    return str(value) + ''.join(f'{op}{operand}' for op, operand in jump) + f'={landed}', landed
  op, operand = jump[-1]
  equation = Equation(landed, op, operand, _carry(landed, op, operand))
  return str(equation), equation.right


def _terse(chain: Sequence[Equation], phrases: Phrases) -> str:
  return phrases.comma.join(map(str, chain)) + phrases.stop


def _sentence(
  equation: Equation, place: int, depth: int, phrases: Phrases, rng: np.random.Generator
) -> str:
  if place == 0:
    connectives = phrases.first
  else:
    connectives = phrases.last if place == depth - 1 else phrases.following
  return f'{pick(rng, connectives)}{equation}{phrases.stop}'


def _written(
  chain: Sequence[Equation], phrases: Phrases, rng: np.random.Generator, habits: Habits
) -> str:
  if rng.random() >= habits.connectives or len(chain) == 1:
    return _terse(chain, phrases)
  return phrases.space.join(
    _sentence(equation, place, len(chain), phrases, rng) for place, equation in enumerate(chain)
  )


def _checked(
  chain: Sequence[Equation],
  right: Sequence[Equation],
  slip: int | None,
  phrases: Phrases,
  rng: np.random.Generator,
) -> str:
  """Goes over a chain; at the slip it turns to the right values and stays with them.

  Each step is worked out anew before it is compared, so that a reader who writes such a check
  token by token can know whether to go on or to object.
  """
  opening = pick(rng, phrases.checks) + phrases.space
  if slip is None:
    return opening + _terse(chain, phrases) + phrases.space + pick(rng, phrases.fine)
  correction = phrases.correction.format(a=right[slip].right, wrong=chain[slip].right)
  parts = [_terse(right[: slip + 1], phrases), correction]
  if slip + 1 < len(right):
    parts.append(_terse(right[slip + 1 :], phrases))
  return opening + phrases.space.join(parts)


def _doubted(
  chain: Sequence[Equation],
  right: Sequence[Equation],
  slip: int | None,
  phrases: Phrases,
  rng: np.random.Generator,
) -> str:
  """Doubts one step as soon as it is written: the slip, or else any step, which is confirmed."""
  place = int(rng.random() * len(chain)) if slip is None else slip
  if slip is None:
    after, doubt = chain[place + 1 :], phrases.doubt_right.format(equation=chain[place])
  else:
    after, doubt = right[place + 1 :], phrases.doubt_wrong.format(equation=right[place])
  parts = [_terse(chain[: place + 1], phrases), doubt]
  if after:
    parts.append(_terse(after, phrases))
  return phrases.space.join(parts)


def _conclude(
  text: str,
  answer: int,
  phrases: Phrases,
  rng: np.random.Generator,
  habits: Habits,
  closing: float | None = None,
) -> Thought:
  sentence = pick(rng, phrases.closings).format(a=answer)
  if rng.random() >= (habits.closing if closing is None else closing):
    return Thought(text, answer, text)
  # After an English sentence a space, even before a Chinese one.
  space = ' ' if text.endswith('.') else phrases.space
  return Thought(text, answer, text + space + sentence)


def tagged(thought: Thought, rng: np.random.Generator, *, sloppy: float) -> str:
  """Writes a thought with tags: exactly as the template asks, or sloppily.

  Args:
    thought: what is written.
    rng: decides how.
    sloppy: probability that a tag is forgotten, or that the answer holds or is followed by words.
  """
  if rng.random() >= sloppy:
    return f'<think> {thought.thinking} </think> <answer> {thought.answer} </answer>'
  variants = (
    f'<think> {thought.thinking} </think> <answer> {thought.answer}',
    f'<think> {thought.thinking} <answer> {thought.answer} </answer>',
    f'<think> {thought.thinking} </think> {thought.answer}',
    f'<think> {thought.thinking} </think> <answer> {thought.answer} </answer> {thought.answer}',
    f'<think> {thought.reply} </think>',
  )
  return pick(rng, variants)
