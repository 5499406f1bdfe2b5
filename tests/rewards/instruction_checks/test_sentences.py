import pytest

from r1jax.rewards.instruction_checks import sentences


def count(text):
  """Returns the number of sentences that end, and of blocks that do not end with one."""
  counted = [sentences.count_ended(block) for block in sentences.split_blocks(text)]
  return sum(ended for ended, _, _ in counted), sum(bool(rest.strip()) for *_, rest in counted)


@pytest.mark.parametrize(
  ('text', 'number'),
  [
    ('It rains. It pours! Does it? It does.', 4),
    ('it rains. it pours. all in small letters.', 3),
    ('Dr. Smith met Mr. J. R. Jones vs. Mrs. Lee at St. Mary.', 1),
    ('Some fruit, e.g. pears, i.e. those of No. 5 (cf. fig. 3), is ripe.', 1),
    ('He said no. 5 of them left.', 1),
    ('He said no. Five of them left.', 2),
    ('Apples, pears, etc. are fruit. Apples, pears, etc. We like them.', 3),
    ('Acme Inc. makes shoes at 9 a.m. in the U.S. of America.', 1),
    ('It was I. He knew.', 2),
    ('Pi is 3.14, see example.com or Node.js, and costs $1,000.50 today.', 1),
    ('It was 1999. Then came 2000.', 2),
    ('Well... maybe. Well… maybe. Well... Maybe.', 4),
    ('"Stop!" he said. “Why?” she asked. "I am tired." He sat down.', 4),
    ('(Is it so?) perhaps. (It is.) Good.', 3),
    ('What?! No!!! Yes...', 3),
    ('**It rains.** *It pours.* _It snows._ `It ends.`', 4),
    ('Great!🎉 Fine.😀', 2),
    ('今天天气很好。我们去湖边吧！你去吗？“好。”他说。', 5),
    ('यह सच है। वह झूठ है।', 2),
    ('یہ سچ ہے۔ کیا یہ سچ ہے؟', 2),
    ('It rains.It pours.', 2),
    ('It rains.\nIt pours.\n\nIt snows.', 3),
    ('1. It rains.\n2. It pours.\n- It snows.', 3),
    ('We know: 1. It rains. 2. It pours.', 3),
    ('P.S. I love you.', 1),
    ('She got an "A". Then she left.', 2),
    ('He came with plan B... Then he met the Dr! Then he left for the U.S.', 3),
    ('It is in a1.Be there.', 1),
    ('It was 5 p.m. We left.', 2),
    ('It was 5 p.m. on a Monday. We left at 6 p.m. Eastern time.', 2),
    ('He went to Washington D.C. "They" came to D.C. United.', 2),
    ('The U.S. Capitol is in D.C. However, the U.S.S. Maine is not.', 2),
    ('It is vitamin C. It is good.', 2),
    ('It is vitamin C. It’s good.', 2),
    ('It is by J. Rowling. It is by J. K. Rowling. It is by J. The', 3),
    ('A. The cat. B. The dog. Part A. The fox.', 3),
    ('J. K. They wrote.', 1),
    ('P.S. You rock. P.P.S. They rock.', 2),
    ('Some bands, e.g. The Who, i.e. They Might Be Giants, a.k.a. The Giants.', 1),
    ('This is plan B. Go.', 1),
    ('... !!! ? 1. 2.', 0),
    ('', 0),
  ],
)
def test_sentences(text, number):
  assert count(text)[0] == number


@pytest.mark.parametrize(
  ('text', 'may_end'),
  [
    ('This is plan B. Go.', 1),
    ('Plan B. Go with option C. Run to section D. Rest.', 2),
    ('This is plan B. It is good.', 0),
    ('This is plan B. now.', 0),
    ('This is plan B.Go.', 0),
    ('It is by J. Rowling.', 0),
    ('It is a floorplan B. Go.', 0),
    ('It is plan AB. Go.', 0),
  ],
)
def test_a_sentence_may_end_at_a_label(text, may_end):
  assert sentences.count_ended(text)[1] == may_end


@pytest.mark.parametrize(
  ('text', 'ended', 'open_ended'),
  [
    ('It rains', 0, 1),
    ('It rains. It pours', 1, 1),
    ('A heading\n\nIt rains.', 1, 1),
    ('It rains\nand pours', 0, 1),
    ('* It rains\n* It pours\n  and snows\n1) It ends', 0, 3),
    ('It rains\n \n\t\nIt pours', 0, 2),
    ('100. It rains\n101. It pours', 0, 2),
    ('It rains. It pours.', 2, 0),
  ],
)
def test_blocks_without_a_full_stop(text, ended, open_ended):
  assert count(text) == (ended, open_ended)


def test_markers_of_items_are_taken_off():
  blocks = sentences.split_blocks('So:\n* one\n 2. two\n(3) three\n*four*')
  assert blocks == ['So:', 'one', 'two', 'three\n*four*']
