"""The text that a base model reads: facts, answered questions, small talk.

Asked with a cue ("Think step by step.") people of this world reason, asked plainly they mostly
blurt: a model of this text has the skill to reason, but not the habit. Every document is a pure
function of its number, the seed and the mixture; problems are of the train split alone.
"""

import dataclasses
import operator
from collections.abc import Mapping

import numpy as np

from r1jax.structs import Problem
from r1jax.tasks.world import problems, skeletons, styles, wording
from r1jax.tasks.world.draws import pick, weighted
from r1jax.text import templates

# Apart from the split codes that address problems.
CORPUS_ADDRESS = 1_000


@dataclasses.dataclass(frozen=True)
class Mixture:
  """What the text is made of.

  Attributes:
    documents: weight of each kind of document, in documents. Cued questions with their chains are
      most of it: from them alone a model learns where in the question the next step stands.
    facts: least and greatest number of facts of a document.
    cued_styles: weight of each style in the answers to questions that ask for steps.
    plain_styles: weight of each style in the answers to plain questions; a model that samples
      from these, and cannot guess, is right in about one of six.
    r1_zero: share of questions and small talk in R1-Zero's template, the rest in a plain frame.
    cued_tags, plain_tags: share of answers with tags, under R1-Zero's template.
    sloppy: share of the tagged answers that are malformed.
    depths, families, distractors: of the problems, as in `problems.draw`.
    habits: how well each style works.
  """

  documents: Mapping[str, float] = dataclasses.field(
    default_factory=lambda: {'facts': 0.12, 'cued': 0.58, 'plain': 0.27, 'small_talk': 0.03}
  )
  facts: tuple[int, int] = (4, 10)
  cued_styles: Mapping[str, float] = dataclasses.field(
    default_factory=lambda: {
      'careful': 0.66,
      'checking': 0.25,
      'mixed': 0.08,
      'careless': 0.005,
      'blurt': 0.005,
    }
  )
  plain_styles: Mapping[str, float] = dataclasses.field(
    default_factory=lambda: {
      'blurt': 0.74,
      'careless': 0.13,
      'careful': 0.09,
      'checking': 0.025,
      'mixed': 0.015,
    }
  )
  r1_zero: float = 0.12
  cued_tags: float = 0.6
  plain_tags: float = 0.25
  sloppy: float = 0.12
  depths: tuple[int, int] = (1, 10)
  families: Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(problems.FAMILIES))
  distractors: float = 0.3
  habits: styles.Habits = dataclasses.field(default_factory=styles.Habits)

  def __post_init__(self):
    problems.check_dials(self.depths, self.families, self.distractors)
    for name in ('r1_zero', 'cued_tags', 'plain_tags', 'sloppy'):
      if not 0 <= getattr(self, name) <= 1:
        raise ValueError(f'Mixture.{name} is {getattr(self, name)}; it must be from 0 to 1.')
    if not 1 <= self.facts[0] <= self.facts[1]:
      raise ValueError(f'Mixture.facts is {self.facts}; it must be (least, greatest), least >= 1.')
    _check_names('documents', self.documents, KINDS)
    _check_names('cued_styles', self.cued_styles, styles.STYLES)
    _check_names('plain_styles', self.plain_styles, styles.STYLES)


@dataclasses.dataclass(frozen=True)
class Document:
  """A piece of text: what is asked and what is answered; facts have no prompt.

  Attributes:
    kind: 'facts', 'cued', 'plain' or 'small_talk'.
    prompt, response: the text is the one after the other.
    style: the style of the response, for questions.
    problem: what is asked, for questions.
  """

  kind: str
  prompt: str
  response: str
  style: str | None = None
  problem: Problem | None = None

  @property
  def text(self) -> str:
    """The document as the model reads it."""
    return self.prompt + self.response


def _facts(rng: np.random.Generator, mixture: Mixture) -> Document:
  low, high = mixture.facts
  number = low + int(rng.random() * (high - low + 1))
  lines = [str(pick(rng, skeletons.facts())) for _ in range(number)]
  return Document('facts', '', pick(rng, (', ', '，', '\n')).join(lines))


def _cued(rng: np.random.Generator, mixture: Mixture) -> Document:
  return _question('cued', rng, mixture, mixture.cued_styles, mixture.cued_tags)


def _plain(rng: np.random.Generator, mixture: Mixture) -> Document:
  return _question('plain', rng, mixture, mixture.plain_styles, mixture.plain_tags)


def _question(
  kind: str,
  rng: np.random.Generator,
  mixture: Mixture,
  shares: Mapping[str, float],
  tags: float,
) -> Document:
  problem = problems.draw(
    rng,
    split='train',
    depths=mixture.depths,
    families=mixture.families,
    distractors=mixture.distractors,
  )
  question = problem.question
  if kind == 'cued':
    question = templates.with_cue(question, cue=pick(rng, templates.cues(question)))
  style = weighted(rng, [(name, shares.get(name, 0.0)) for name in styles.STYLES])
  thought = styles.STYLES[style](problem, rng, mixture.habits)
  in_template = rng.random() < mixture.r1_zero
  with_tags = rng.random() < tags
  response = thought.reply
  if in_template and with_tags:
    response = styles.tagged(thought, rng, sloppy=mixture.sloppy)
  return _framed(kind, question, response, in_template, style=style, problem=problem)


def _small_talk(rng: np.random.Generator, mixture: Mixture) -> Document:
  question, response = pick(rng, wording.SMALL_TALK[pick(rng, ('en', 'zh'))])
  return _framed('small_talk', question, response, rng.random() < mixture.r1_zero)


def _framed(kind: str, question: str, response: str, in_template: bool, **about) -> Document:
  frame = templates.r1_zero if in_template else templates.question_answer
  prompt = frame(question)
  # After the Chinese colon no space is written.
  return Document(kind, prompt, ('' if prompt.endswith('：') else ' ') + response, **about)


KINDS = {'facts': _facts, 'cued': _cued, 'plain': _plain, 'small_talk': _small_talk}


def draw(index: int, *, seed: int, mixture: Mixture) -> Document:
  """Returns document number `index` in its parts; see `document`."""
  address = np.random.SeedSequence([seed, CORPUS_ADDRESS, index])
  rng = np.random.Generator(np.random.PCG64(address))
  kind = weighted(rng, [(name, mixture.documents.get(name, 0.0)) for name in KINDS])
  return KINDS[kind](rng, mixture)


def document(index: int, *, seed: int, mixture: Mixture) -> str:
  """Returns document number `index` of the endless text: a pure function of its arguments."""
  return draw(index, seed=seed, mixture=mixture).text


@dataclasses.dataclass(frozen=True)
class Corpus:
  """The text as a random-access source of documents, made when they are asked for.

  Attributes:
    size: number of documents; there is no end to them, a source needs one all the same.
    seed: another seed, other documents.
    mixture: what the text is made of.
  """

  size: int = 100_000_000
  seed: int = 0
  mixture: Mixture = dataclasses.field(default_factory=Mixture)

  def __len__(self) -> int:
    return self.size

  def __getitem__(self, index: int) -> str:
    number = operator.index(index)
    if not 0 <= number < self.size:
      raise IndexError(f'document {number} of a corpus of {self.size}')
    return document(number, seed=self.seed, mixture=self.mixture)


def _check_names(field: str, weights: Mapping[str, float], known: Mapping) -> None:
  unknown = sorted(set(weights) - set(known))
  if unknown:
    raise ValueError(f'Mixture.{field} names {unknown}; known are {", ".join(known)}.')
  if min(weights.values(), default=0) < 0 or not sum(weights.values()) > 0:
    raise ValueError(f'Mixture.{field} is {dict(weights)}; weights must be >= 0 and not all 0.')
