"""How a skeleton is asked: expressions and stories, in English and Chinese."""

import numpy as np

from r1jax.tasks.world import wording
from r1jax.tasks.world.draws import pick
from r1jax.tasks.world.skeletons import Skeleton


def expression(skeleton: Skeleton, language: str, rng: np.random.Generator) -> str:
  """Writes a skeleton as an expression to be worked from left to right."""
  text = str(skeleton.start) + ''.join(f'{op}{operand}' for op, operand in skeleton.steps)
  return pick(rng, wording.EXPRESSIONS[language]).format(e=text)


def story(
  skeleton: Skeleton, language: str, rng: np.random.Generator, *, num_distractors: int
) -> str:
  """Writes a skeleton as a story, a sentence for each step.

  Sentences to be ignored stand anywhere between the start and the question, none twice. They count
  nothing that a later sentence could mean, and whoever else they speak of has the other gender, so
  that "them", "the pile", "he" and "she" stay clear.
  """
  words = wording.STORIES[language]
  hero, other = pick(rng, words.people), pick(rng, words.people)
  while other.he == hero.he:
    other = pick(rng, words.people)
  thing = pick(rng, words.things)
  facts = {'name': hero.name, 'he': hero.he, 'him': hero.him, 'He': hero.he.capitalize()}
  facts |= {'other': other.name, 'things': thing.name, 'unit': thing.unit}
  sentences = [pick(rng, words.starts).format(n=skeleton.start, **facts)]
  for op, operand in skeleton.steps:
    sentences.append(pick(rng, words.steps[op]).format(n=operand, **facts))
  unused = list(words.distractors)
  for _ in range(num_distractors):
    distractor = unused.pop(int(rng.random() * len(unused)))
    sentence = distractor.format(n=2 + int(rng.random() * 19), **facts)
    sentences.insert(1 + int(rng.random() * len(sentences)), sentence)
  sentences.append(pick(rng, words.questions).format(**facts))
  return words.space.join(sentences)
