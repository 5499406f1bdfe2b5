import collections
import hashlib
import pickle
import re

import numpy as np
import pytest

from r1jax.tasks.world import Corpus, Mixture, corpus, problems, skeletons, styles
from r1jax.text import templates

MIXTURE = Mixture()
DOCUMENTS = [corpus.draw(index, seed=0, mixture=MIXTURE) for index in range(18_000)]
QUESTIONS = [document for document in DOCUMENTS if document.kind in ('cued', 'plain')]


def share(chosen, among):
  return sum(map(bool, map(chosen, among))) / len(among)


def in_template(document):
  return document.prompt.startswith('A conversation')


def of_kind(kind):
  return [document for document in DOCUMENTS if document.kind == kind]


def test_kinds_come_as_often_as_the_mixture_says():
  counts = collections.Counter(document.kind for document in DOCUMENTS)
  shares = {kind: counts[kind] / len(DOCUMENTS) for kind in counts}
  assert shares == pytest.approx(dict(MIXTURE.documents), abs=0.03)


def test_facts_are_right():
  for document in of_kind('facts'):
    found = re.split(r', |，|\n', document.text)
    assert 4 <= len(found) <= 10
    for fact in found:
      left, op, operand, right = re.fullmatch(r'(\d+)([-+*/])(\d)=(\d+)', fact).groups()
      worked = {
        '+': int(left) + int(operand),
        '-': int(left) - int(operand),
        '*': int(left) * int(operand),
        '/': int(left) / int(operand),
      }[op]
      assert worked == int(right)


def test_facts_are_all_there_and_none_is_favoured():
  counts = collections.Counter(
    fact for document in of_kind('facts') for fact in re.split(r', |，|\n', document.text)
  )
  assert set(counts) == set(map(str, skeletons.facts()))
  # About 9 of each: a Poisson count of 9 above 30 has a probability below 1e-7.
  assert max(counts.values()) < 30
  products = sum(number for fact, number in counts.items() if '*' in fact)
  assert products / counts.total() == pytest.approx(178 / 2048, abs=0.015)


def test_problems_of_other_splits_never_occur():
  for document in QUESTIONS:
    steps = ''.join(f'{op}{operand}' for op, operand in document.problem.metadata['steps'])
    text = f'{document.problem.metadata["start"]}{steps}'
    assert hashlib.sha256(text.encode()).digest()[7] % 32 > 1
    assert document.problem.question in document.prompt


def test_depths_are_at_least_as_wide_as_the_task():
  assert {document.problem.metadata['depth'] for document in QUESTIONS} == set(range(1, 11))


def test_cues_ask_for_steps_and_get_them():
  cues = templates.ENGLISH_CUES + templates.CHINESE_CUES
  for document in QUESTIONS:
    assert any(cue in document.prompt for cue in cues) == (document.kind == 'cued')
  chains = ('careful', 'checking', 'mixed')
  assert share(lambda d: d.style in chains, of_kind('cued')) == pytest.approx(0.99, abs=0.02)
  assert share(lambda d: d.style == 'checking', of_kind('cued')) == pytest.approx(0.24, abs=0.04)
  assert share(lambda d: d.style == 'blurt', of_kind('plain')) == pytest.approx(0.74, abs=0.03)


def test_tags_belong_to_the_template():
  for document in DOCUMENTS:
    if not in_template(document):
      assert '<' not in document.text
  assert share(in_template, QUESTIONS) == pytest.approx(0.12, abs=0.02)
  for kind, expected in (('plain', 0.25), ('cued', 0.6)):
    asked = [document for document in of_kind(kind) if in_template(document)]
    assert share(lambda d: '<think>' in d.response, asked) == pytest.approx(expected, abs=0.05)
  tagged = [document for document in QUESTIONS if '<think>' in document.response]
  exact = r' <think> [^<]* </think> <answer> \d+ </answer>'
  assert share(lambda d: re.fullmatch(exact, d.response), tagged) == pytest.approx(0.88, abs=0.04)


def test_every_style_also_comes_with_tags():
  assert {document.style for document in QUESTIONS if '<think>' in document.response} == set(
    styles.STYLES
  )


def test_a_document_is_its_prompt_and_a_response():
  for document in DOCUMENTS:
    if document.kind != 'facts':
      assert document.prompt.endswith(('Assistant:', 'Answer:', '答：'))
      assert document.response.startswith(' ') != document.prompt.endswith('：')
    assert document.text == document.prompt + document.response


def mixture_accuracy(shares):
  """Right answers, the last number taken, of problems as the task asks them."""
  source = np.random.default_rng(0)
  right = []
  for index in range(1500):
    problem = problems.problem(index, split='test')
    for style, weight in shares.items():
      reply = styles.STYLES[style](problem, source, MIXTURE.habits).reply
      right.append(weight * (re.findall(r'\d+', reply)[-1] == problem.gold))
  return sum(right) / 1500 / sum(shares.values())


def test_asked_plainly_one_in_six_is_right():
  assert 0.1 < mixture_accuracy(MIXTURE.plain_styles) < 0.2


def test_asked_with_a_cue_most_are_right():
  assert mixture_accuracy(MIXTURE.cued_styles) > 0.88


def test_declines_and_greetings_are_there():
  talk = {document.response.strip() for document in of_kind('small_talk')}
  assert {'Sorry, I can not help with that.', '你好！我能帮你什么？', 'You are welcome.'} <= talk


def test_documents_are_always_the_same():
  source = Corpus(seed=3)
  assert source[5] == pickle.loads(pickle.dumps(source))[np.int64(5)]
  assert source[5] == corpus.document(5, seed=3, mixture=MIXTURE) != source[6]
  assert source[5] != Corpus(seed=4)[5]
  text = '\0'.join(Corpus()[index] for index in range(100))
  assert hashlib.sha256(text.encode()).hexdigest() == GOLDEN_HASH


def test_a_corpus_ends_where_it_says():
  source = Corpus(size=2)
  assert len(source) == 2
  with pytest.raises(IndexError, match='document 2 of a corpus of 2'):
    source[2]


@pytest.mark.parametrize(
  ('fields', 'message'),
  [
    ({'documents': {'poems': 1.0}}, r"Mixture.documents names \['poems'\]"),
    ({'cued_styles': {'poetic': 1.0}}, 'Mixture.cued_styles'),
    ({'plain_styles': {}}, 'not all 0'),
    ({'sloppy': 1.2}, 'Mixture.sloppy is 1.2'),
    ({'facts': (0, 3)}, 'Mixture.facts'),
    ({'depths': (3, 2)}, 'depths'),
  ],
)
def test_wrong_mixtures_are_named(fields, message):
  with pytest.raises(ValueError, match=message):
    Mixture(**fields)


GOLDEN_HASH = 'ce49ba58350450592efdc1fa95c1697ec28787d1a0292e03f39ef3aad73419e6'
