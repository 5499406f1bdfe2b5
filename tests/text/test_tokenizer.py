import json
import pathlib
import random

import numpy as np
import pytest
import sentencepiece
import tokenizers
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from r1jax.text import hf, spm, templates, tokenizer

WORDS = (
  'Tom has {n} apples. He buys {m} more. How many apples does Tom have now?',
  '小明有{n}个苹果。他又买了{m}个。小明现在有多少个苹果？',
  'Work from left to right: {n}+{m}=?',
  'First {n}+1=2. Then {m}-1=3. So the answer is {m}.',
  '<think> {n}+{m}=5, 5*2=10. </think> <answer> {m} </answer>',
  '先算{n}+{m}=9。答案是{m}。\n再见！',
)


def texts(number):
  source = random.Random(0)
  return [
    templates.r1_zero(source.choice(WORDS).format(n=source.randrange(100), m=source.randrange(100)))
    for _ in range(number)
  ]


@pytest.fixture(scope='module')
def trained():
  return spm.train_sentencepiece(texts(600), vocab_size=768)


@pytest.fixture(scope='module')
def folder(trained, tmp_path_factory):
  path = tmp_path_factory.mktemp('tokenizer')
  trained.save(path)
  return path


@pytest.fixture(scope='module')
def exported(folder):
  return hf.HuggingFace.load(folder)


def pieces(tokenizer, text):
  return [tokenizer.piece(id) for id in tokenizer.encode(text)]


# Any text, and such as holds what the vocabulary knows: pieces, their names, runs of digits.
NAMES = ('<think>', '</answer>', '<eos>', '<pad>', '<unk>', '<0x0A>', '<reserved_0>', '\u2581')
PARTS = (
  ' ',
  '  ',
  '\n',
  '\r\n',
  '\t',
  '\0',
  '1',
  '23',
  '456',
  ' 7',
  ' Tom',
  '苹果',
  '=?',
  '。',
  'é',
)
ALPHABET = st.sampled_from(NAMES + PARTS)
ANY_TEXT = st.text() | st.lists(ALPHABET).map(''.join) | st.text(alphabet='0123456789 +<>/think')


@settings(max_examples=400)
@given(text=ANY_TEXT)
def test_every_text_comes_back(trained, text):
  assert trained.decode(trained.encode(text)) == text


@settings(max_examples=400)
@given(text=ANY_TEXT)
def test_the_export_encodes_and_decodes_alike(trained, exported, text):
  ids = trained.encode(text)
  assert exported.encode(text) == ids
  assert exported.decode(ids) == text


def test_the_export_encodes_documents_alike(trained, exported):
  for text in texts(2000):
    ids = trained.encode(text)
    assert exported.encode(text) == ids
    assert exported.decode(ids) == trained.decode(ids) == text


def test_transformers_loads_the_export(trained, folder):
  loaded = transformers.AutoTokenizer.from_pretrained(folder)
  assert (loaded.eos_token_id, loaded.pad_token_id) == (trained.eos_id, trained.pad_id)
  assert loaded.bos_token_id is None
  for text in [*texts(100), 'a  b\n\n c', '😀 é', ' , "x" .']:
    ids = trained.encode(text)
    assert loaded.encode(text, add_special_tokens=False) == ids
    assert loaded.decode(ids) == text


def test_numbers_and_tags_are_single_pieces(trained):
  assert pieces(trained, '37+8=45') == ['37', '+', '8', '=', '45']
  for number in range(100):
    assert pieces(trained, f'{number}') == [f'{number}']
    assert pieces(trained, f'= {number},') == ['=', f' {number}', ',']
  for tag in ('<think>', '</think>', '<answer>', '</answer>'):
    assert pieces(trained, f'a{tag}b') == ['a', tag, 'b']
  assert pieces(trained, '5\n\n6') == ['5', '\n', '\n', '6']


def test_tags_are_single_pieces_even_where_their_parts_are_frequent():
  common = spm.train_sentencepiece(['think\n<\n>\n/\nanswer\n' * 20] * 50, vocab_size=600)
  assert pieces(common, '<think>') == ['<think>']
  assert pieces(common, '</answer>') == ['</answer>']


def test_scores_add_up_exactly_in_float32(trained):
  processor = sentencepiece.SentencePieceProcessor(model_proto=trained.model)
  scores = [processor.get_score(id) for id in range(trained.vocab_size)]
  assert all((64 * score).is_integer() for score in scores)
  assert min(scores) > -32  # 2**24 / 64 / 32: exact up to 8192 pieces at the least.


def test_words_are_single_pieces(trained):
  assert pieces(trained, ' Tom has 12 apples.') == [' Tom', ' has', ' 12', ' apples', '.']
  assert len(trained.encode('小明有12个苹果。')) <= 6


def test_long_numbers_are_pairs_of_digits_wherever_they_stand(trained):
  short, long = pieces(trained, '=12345'), pieces(trained, 'and the ' * 500 + '=12345')
  assert len(short) == 4
  assert long[-4:] == short


def test_a_prompt_is_tokenized_as_the_beginning_of_its_document(trained):
  for prompt, response in [
    (templates.r1_zero('3+4=?'), ' <think> 3+4=7. </think> <answer> 7 </answer>'),
    (templates.r1_zero('小明有3个苹果。'), ' 先算3+4=7。'),
    (templates.question_answer('3+4=?'), ' The answer is 7.'),
    (templates.question_answer('3+4等于多少？'), '答案是7。'),
  ]:
    ids = trained.encode(prompt)
    assert trained.encode(prompt + response)[: len(ids)] == ids


def test_control_tokens(trained, exported):
  for each in (trained, exported):
    assert (each.pad_id, each.eos_id, each.bos_id) == (0, 1, None)
    assert each.vocab_size == 768
    assert each.piece(each.eos_id) == '<eos>'
    ids = [each.eos_id, *each.encode('7'), each.pad_id, *each.encode('2'), each.eos_id]
    assert each.decode(ids) == '<eos>7<pad>2<eos>', 'what was sampled is not hidden'
    assert each.decode([*each.encode('7'), each.vocab_size, each.vocab_size + 9]) == '7\ufffd\ufffd'
    # A text cannot end itself.
    assert not {each.eos_id, each.pad_id} & set(each.encode('a<eos><pad>'))


def test_a_vocabulary_without_enough_words_is_filled(trained):
  small = spm.train_sentencepiece(['one two'] * 3, vocab_size=700)
  assert small.vocab_size == 700
  assert small.piece(699).startswith('<reserved_')
  assert small.decode([699]) == small.piece(699)
  assert small.decode(small.encode('one <reserved_0>')) == 'one <reserved_0>'


@settings(max_examples=200)
@given(ids=st.lists(st.integers(0, 800)))
def test_no_ids_are_beyond_decoding(trained, exported, ids):
  assert isinstance(trained.decode(ids), str)
  assert isinstance(exported.decode(np.array(ids, np.int32)), str)


def test_broken_bytes_are_marked(trained, exported):
  ids = trained.encode('é')
  assert len(ids) == 2
  assert trained.decode(ids[:1]) == exported.decode(ids[:1]) == '\ufffd'


def test_training_is_deterministic(trained):
  assert spm.train_sentencepiece(iter(texts(600)), vocab_size=768).model == trained.model


def test_saving_and_loading_keeps_everything(trained, folder, tmp_path):
  loaded = tokenizer.load(folder)
  assert isinstance(loaded, spm.SentencePiece)
  loaded.save(tmp_path)
  names = sorted(path.name for path in folder.iterdir())
  assert names == ['tokenizer.json', 'tokenizer.model', 'tokenizer_config.json']
  for name in names:
    assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_folder_of_either_kind_is_enough(trained, folder, tmp_path):
  for name in ('tokenizer.model', 'tokenizer.json'):
    alone = tmp_path / name.replace('.', '_')
    alone.mkdir()
    (alone / name).write_bytes((folder / name).read_bytes())
    (alone / 'config.json').write_text('{"eos_token_id": 1}')
    loaded = tokenizer.load(alone)
    assert loaded.eos_id == 1
    assert loaded.encode('7 apples') == trained.encode('7 apples')
    loaded.save(alone / 'again')
    assert tokenizer.load(alone / 'again').encode('7 apples') == trained.encode('7 apples')


def test_a_foreign_sentencepiece_model_gives_way_to_its_tokenizer_json(folder, tmp_path):
  for name in ('tokenizer.json', 'tokenizer_config.json'):
    (tmp_path / name).write_bytes((folder / name).read_bytes())
  (tmp_path / 'tokenizer.model').write_bytes(b'IQ== 0\nIg== 1\n')
  assert isinstance(tokenizer.load(tmp_path), hf.HuggingFace)


def test_what_is_added_to_the_tokenizer_json_counts(trained, folder, tmp_path):
  """As by transformers, which leaves `tokenizer.model` as it was."""
  theirs = transformers.AutoTokenizer.from_pretrained(folder)
  theirs.chat_template = '{{ messages[0].content }}'
  trained.save(tmp_path / 'chat')
  theirs.save_pretrained(tmp_path / 'chat')
  assert tokenizer.load(tmp_path / 'chat').chat_template == theirs.chat_template
  theirs.chat_template = None
  theirs.add_special_tokens({'additional_special_tokens': ['<|turn|>']})
  trained.save(tmp_path / 'added')
  theirs.save_pretrained(tmp_path / 'added')
  loaded = tokenizer.load(tmp_path / 'added')
  text = 'Tom<|turn|> has'
  assert loaded.encode_controls(text) == theirs(text)['input_ids']
  assert trained.vocab_size in loaded.encode_controls(text)


def test_a_folder_without_tokenizer_is_named(tmp_path):
  (tmp_path / 'config.json').write_text('{}')
  with pytest.raises(FileNotFoundError, match=r'tokenizer\.json.*tokenizer\.model.*config\.json'):
    tokenizer.load(tmp_path)
  with pytest.raises(FileNotFoundError, match='is no folder'):
    tokenizer.load(tmp_path / 'nowhere')


def test_damaged_files_are_named(tmp_path):
  (tmp_path / 'tokenizer.model').write_bytes(b'not a model')
  with pytest.raises(ValueError, match=r'tokenizer\.model is not a SentencePiece model'):
    tokenizer.load(tmp_path)
  (tmp_path / 'tokenizer.json').write_text('{"model": ')
  with pytest.raises(ValueError, match=r'tokenizer\.json is not a tokenizer'):
    tokenizer.load(tmp_path)


def test_training_without_text_or_room_is_an_error():
  with pytest.raises(ValueError, match='no text'):
    spm.train_sentencepiece([])
  with pytest.raises(ValueError, match='no vocabulary of 300 pieces'):
    spm.train_sentencepiece(texts(10), vocab_size=300)


def words_alone(path: pathlib.Path, **files):
  """Writes a foreign tokenizer of a few words, and what else its folder holds."""
  words = {'<s>': 0, 'one': 1, 'two': 2, '</s>': 3, '<pad>': 4, '[UNK]': 5}
  made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token='[UNK]'))
  made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
  made.add_special_tokens(['<s>', '</s>', '<pad>'])
  made.post_processor = tokenizers.processors.TemplateProcessing(
    single='<s> $A </s>', special_tokens=[('<s>', 0), ('</s>', 3)]
  )
  made.enable_truncation(max_length=3)
  made.enable_padding(length=8)
  made.save(str(path / 'tokenizer.json'))
  for name, content in files.items():
    (path / f'{name}.json').write_text(json.dumps(content))
  return path


@pytest.mark.parametrize(
  'files',
  [
    {'tokenizer_config': {'eos_token': '</s>'}},
    {'tokenizer_config': {'eos_token': {'content': '</s>', 'lstrip': False}}},
    {'generation_config': {'eos_token_id': [3, 0]}, 'config': {'eos_token_id': 0}},
    {'tokenizer_config': {'eos_token': None}, 'config': {'eos_token_id': 3}},
    {'special_tokens_map': {'eos_token': '</s>'}},
    {'special_tokens_map': {'eos_token': {'content': '</s>'}, 'pad_token': '</s>'}},
    {'special_tokens_map': {'eos_token': '</s>'}, 'tokenizer_config': {'eos_token': '<s>'}},
    {
      'special_tokens_map': {'eos_token': '<s>', 'pad_token': '</s>'},
      'tokenizer_config': {'eos_token': '</s>', 'added_tokens_decoder': {}},
    },
    # As Qwen2.5, whose model names a first token that its tokenizer has not.
    {
      'tokenizer_config': {'eos_token': '</s>', 'bos_token': None},
      'config': {'bos_token_id': 0},
    },
    {'tokenizer_config': {'eos_token': '</s>', 'bos_token': '<s>', 'add_bos_token': False}},
    # Named, but not what this tokenizer puts before a text.
    {'tokenizer_config': {'eos_token': '</s>', 'bos_token': 'one'}},
  ],
)
def test_the_end_of_text_is_found_where_models_name_it(tmp_path, files):
  loaded = tokenizer.load(words_alone(tmp_path, **files))
  assert loaded.eos_id == loaded.pad_id == 3
  assert loaded.bos_id is None
  loaded.save(tmp_path / 'again')
  assert tokenizer.load(tmp_path / 'again').eos_id == 3


def test_nothing_is_added_cut_or_filled_up(tmp_path):
  config = {'eos_token': '</s>', 'pad_token': '<pad>', 'bos_token': '<s>'}
  loaded = tokenizer.load(words_alone(tmp_path, tokenizer_config=config))
  assert loaded.encode('one two one two one') == [1, 2, 1, 2, 1]
  assert loaded.encode('one') == [1]
  assert (loaded.bos_id, loaded.eos_id, loaded.pad_id) == (0, 3, 4)
  assert not {0, 3, 4} & set(loaded.encode('<s> one </s> <pad>'))
  with pytest.raises(IndexError, match='id 9'):
    loaded.piece(9)


@pytest.mark.parametrize(
  'files',
  [
    {'tokenizer_config': {'eos_token': '</s>'}, 'config': {'bos_token_id': 0}},
    {'tokenizer_config': {'eos_token': '</s>', 'bos_token': 'one', 'add_bos_token': True}},
  ],
)
def test_the_first_token_is_found_where_models_name_it(tmp_path, files):
  loaded = tokenizer.load(words_alone(tmp_path, **files))
  assert loaded.bos_id == (1 if 'add_bos_token' in files['tokenizer_config'] else 0)
  loaded.save(tmp_path / 'again')
  assert tokenizer.load(tmp_path / 'again').bos_id == loaded.bos_id


def test_all_tokens_that_end_a_completion_are_found(tmp_path, caplog):
  """As in Llama 3.1, whose turns end otherwise than its texts; what is no token is told."""
  files = {'tokenizer_config': {'eos_token': '</s>'}, 'config': {'eos_token_id': [0, 3, 99]}}
  loaded = tokenizer.load(words_alone(tmp_path, **files))
  assert loaded.eos_id == 3 and loaded.stop_ids == (3, 0)
  assert 'ids of control tokens are [0, 3, 99]; the tokenizer has [0, 3]' in caplog.text
  files['generation_config'] = {'eos_token_id': True, 'pad_token_id': -1}
  assert tokenizer.load(words_alone(tmp_path, **files)).stop_ids == (3, 0)


def test_a_tokenizer_without_end_of_text_is_an_error(tmp_path):
  with pytest.raises(ValueError, match=r'no end-of-text.*special_tokens_map\.json.* config\.json'):
    tokenizer.load(words_alone(tmp_path))
  with pytest.raises(ValueError, match="'</t>', which is not in the vocabulary"):
    tokenizer.load(words_alone(tmp_path, tokenizer_config={'eos_token': '</t>'}))


@pytest.mark.parametrize('text', ['[]', '{"eos_token": '])
def test_a_damaged_configuration_is_named(tmp_path, text):
  (words_alone(tmp_path) / 'tokenizer_config.json').write_text(text)
  with pytest.raises(ValueError, match=r'tokenizer_config\.json'):
    tokenizer.load(tmp_path)
