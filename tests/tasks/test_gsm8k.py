import json

import pytest

from r1jax.tasks import gsm8k


def write(folder, answer):
  path = folder / 'train.jsonl'
  path.write_text(json.dumps({'question': 'How many?', 'answer': answer}) + '\n')
  return path


@pytest.mark.parametrize(
  ('answer', 'gold'),
  [
    ('48/2 = <<48/2=24>>24\n#### 72', '72'),
    ('#### 1,450,000', '1450000'),
    ('#### -5 ', '-5'),
    ('She is #### 3rd.\n#### 4', '4'),
  ],
)
def test_gold_is_the_number_after_the_last_mark(tmp_path, answer, gold):
  (problem,) = gsm8k.load(write(tmp_path, answer))
  assert problem.gold == gold
  assert problem.metadata == {'answer': answer}


def test_an_answer_without_mark_is_an_error(tmp_path):
  path = write(tmp_path, 'It is 72.')
  with pytest.raises(ValueError, match=r"train\.jsonl:1: gold: .*no '#### ' before"):
    gsm8k.load(path)


def test_the_real_set(data):
  train, test = (gsm8k.load(data / 'gsm8k' / f'{split}.jsonl') for split in ('train', 'test'))
  assert (len(train), len(test)) == (7473, 1319)
  assert train[0].question.startswith('Natalia sold clips to 48 of her friends')
  assert (train[0].id, train[0].gold) == ('gsm8k/train:1', '72')
  # Every final answer is a whole number; those from 1,000 on are written with separators.
  assert all(str(int(problem.gold)) == problem.gold for problem in train + test)
