"""SentencePiece models of others: the tokens of transformers' LlamaTokenizer, or an error."""

import io
import json
import pathlib

import pytest
import sentencepiece
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from r1jax.text import hf, spm_llama, tokenizer

# '</' and 's>' become pieces, so that the name of a control token could be put together.
TEXTS = (
  'The answer is 42. So 6 times 7 is forty two.',
  'one two three',
  'e</ i</ os> as>a ' * 2,
) * 50
SYMBOL = '<|im_end|>'
CONFIG = {'tokenizer_class': 'LlamaTokenizer', 'add_bos_token': True, 'legacy': False}


def model(**options):
  out = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(TEXTS),
    model_writer=out,
    hard_vocab_limit=False,
    user_defined_symbols=[SYMBOL],
    split_by_unicode_script=False,
    minloglevel=2,
    **{
      'model_type': 'bpe',
      'vocab_size': 330,
      'byte_fallback': True,
      'normalization_rule_name': 'identity',
      'remove_extra_whitespaces': False,
    }
    | options,
  )
  return out.getvalue()


@pytest.fixture(scope='module')
def trained():
  return model()


def written(path: pathlib.Path, trained, fields=None, **files):
  """Writes a folder with a model of SentencePiece and what else it holds."""
  path.mkdir(parents=True, exist_ok=True)
  (path / 'tokenizer.model').write_bytes(trained)
  files = {'config': {'model_type': 'llama'}, 'tokenizer_config': fields} | files
  for name, content in files.items():
    if content is not None:
      (path / f'{name}.json').write_text(json.dumps(content))
  return path


SIZE = 330
THINK = {'<think>': SIZE, '</think>': SIZE + 1}
LISTED = {
  'added_tokens_decoder': {
    '1': {'content': '<s>', 'special': True},
    str(SIZE): {'content': '<think>', 'special': False, 'normalized': False},
    str(SIZE + 1): {'content': '</think>', 'special': True, 'lstrip': True, 'rstrip': True},
  }
}
WAYS = {
  'nothing added': ({}, {}),
  'listed': (LISTED, {}),
  'both': (LISTED, {'added_tokens': THINK}),
  'of old': ({}, {'added_tokens': THINK | {'<pad>': SIZE + 2}}),
  'roles of old': (
    {},
    {
      'added_tokens': THINK | {'<pad>': SIZE + 2},
      'special_tokens_map': {
        'eos_token': {'content': SYMBOL, 'lstrip': True},
        'pad_token': '<pad>',
        'additional_special_tokens': ['<think>'],
      },
    },
  ),
  'legacy': ({'legacy': True} | LISTED, {}),
  'no space before': ({'add_prefix_space': False} | LISTED, {}),
  'symbol by a role': ({'eos_token': SYMBOL, 'unk_token': '<unk>'} | LISTED, {}),
  'symbol as extra': ({'additional_special_tokens': [SYMBOL], 'pad_token': '<unk>'}, {}),
}


@pytest.fixture(scope='module', params=WAYS)
def both(request, trained, tmp_path_factory):
  """Returns our tokenizer of a folder, that of transformers, and that of what ours saves."""
  config, files = WAYS[request.param]
  folder = tmp_path_factory.mktemp('spm')
  ours = tokenizer.load(written(folder, trained, CONFIG | config, **files))
  ours.save(folder / 'saved')
  (folder / 'saved' / 'config.json').write_text('{"model_type": "llama"}')
  load = transformers.AutoTokenizer.from_pretrained
  return ours, load(folder), load(folder / 'saved')


def test_the_models_own_ids_end_where_the_added_begin(trained):
  assert sentencepiece.SentencePieceProcessor(model_proto=trained).get_piece_size() == SIZE


NAMES = ('<s>', '</s>', '<unk>', '<think>', '</think>', SYMBOL, '<pad>')
PARTS = (' ', '  ', '\n', '\t', 'one', ' two', 'The answer', '42', '</', 's>', '<0x0A>', '▁', 'é答')
ANY_TEXT = st.lists(st.sampled_from(NAMES + PARTS) | st.text(max_size=5)).map(''.join)


@settings(max_examples=60)
@given(text=ANY_TEXT)
def test_tokens_and_texts_are_those_of_transformers(both, text):
  ours, theirs, again = both
  ids = theirs(text, add_special_tokens=False)['input_ids']
  assert ours.encode_controls(text) == ids
  assert again(text)['input_ids'] == [ours.bos_id, *ids]
  assert ours.decode(ids) == theirs.decode(ids) == again.decode(ids)


def test_control_tokens_are_those_of_transformers(both):
  ours, theirs, again = both
  assert (ours.bos_id, ours.eos_id) == (theirs.bos_token_id, theirs.eos_token_id)
  assert ours.pad_id == (ours.eos_id if theirs.pad_token_id is None else theirs.pad_token_id)
  assert ours.vocab_size == len(theirs) == len(again)
  assert again.all_special_tokens == theirs.all_special_tokens


@settings(max_examples=60)
@given(text=ANY_TEXT)
def test_no_text_holds_control_tokens(both, text):
  ours, theirs, _ = both
  special = {id for id, token in theirs.added_tokens_decoder.items() if token.special}
  assert not special & set(ours.encode(text))


def test_the_name_of_a_control_token_can_be_put_together(trained):
  pieces = sentencepiece.SentencePieceProcessor(model_proto=trained)
  assert not {'</', 's>'} - {pieces.id_to_piece(id) for id in range(SIZE)}


@settings(max_examples=60)
@given(words=st.lists(st.sampled_from(['one', 'The', 'answers', '42.', 'é', 'List<Words>'])))
def test_texts_are_cut_as_by_sentencepiece(trained, tmp_path_factory, words):
  folder = written(tmp_path_factory.mktemp('spm'), trained, CONFIG)
  text = ' '.join(words)
  theirs = sentencepiece.SentencePieceProcessor(model_proto=trained).encode(text)
  assert tokenizer.load(folder).encode(text) == theirs


def test_all_that_came_is_saved(trained, tmp_path):
  config = CONFIG | LISTED | {'chat_template': 'old', 'model_max_length': 99}
  generation = {'eos_token_id': [2, 3]}
  folder = written(tmp_path / 'a', trained, config, added_tokens=THINK, special_tokens_map={})
  (folder / 'generation_config.json').write_text(json.dumps(generation))
  for name in ('chat_template.jinja', 'additional_chat_templates/rag.jinja'):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(f'{name}\r\n', newline='')
  ours = tokenizer.load(folder)
  assert isinstance(ours, spm_llama.Llama)
  assert (ours.stop_ids, ours.chat_template) == ((2, 3), 'chat_template.jinja\n')
  ours.save(tmp_path / 'b')
  ours_alone = {'config.json', 'generation_config.json'}
  files = {str(file.relative_to(folder)) for file in folder.rglob('*') if file.is_file()}
  saved = {str(f.relative_to(tmp_path / 'b')) for f in (tmp_path / 'b').rglob('*') if f.is_file()}
  assert saved == files - ours_alone and 'additional_chat_templates/rag.jinja' in saved
  assert all((tmp_path / 'b' / name).read_bytes() == (folder / name).read_bytes() for name in saved)


REFUSED = [
  ({'model_type': 'unigram'}, {}, {}, 'not of kind BPE'),
  ({'byte_fallback': False}, {}, {}, r'no pieces for all bytes \(byte_fallback\)'),
  ({'normalization_rule_name': 'nfkc'}, {}, {}, r'the model normalises text \(nfkc, '),
  ({'remove_extra_whitespaces': True}, {}, {}, 'remove_extra_whitespaces True'),
  ({'add_dummy_prefix': False}, {}, {}, 'no space before a text.*add_prefix_space is false'),
  ({'treat_whitespace_as_suffix': True}, {}, {}, 'spaces at the end of pieces'),
  ({}, {'tokenizer_class': 'PreTrainedTokenizerFast'}, {}, "'PreTrainedTokenizerFast', not 'Llama"),
  ({}, {'tokenizer_class': None}, {}, 'tokenizer_class in tokenizer_config.json is None'),
  ({}, {'legacy': None}, {}, 'legacy in tokenizer_config.json is None, not true or false'),
  ({}, {'add_bos_token': None}, {}, 'add_bos_token in tokenizer_config.json is None'),
  ({}, {'sp_model_kwargs': {'alpha': 1}}, {}, "sp_model_kwargs in .* is {'alpha': 1}"),
  ({}, {}, {'config': {'model_type': 'qwen2'}}, "another tokenizer .* for model_type 'qwen2'"),
  ({}, {}, {'added_tokens': {'<x>': 333}}, "'<x>' would get the id 330, and the folder .* 333"),
  ({}, {'pad_token': '<pad>'}, {}, "'<pad>' would get the id 330, and the folder gives it none"),
  ({}, {'extra_special_tokens': ['<s>']}, {}, r"'<\|im_end\|>' is a symbol to the model alone"),
]


@pytest.mark.parametrize(('options', 'config', 'files', 'said'), REFUSED)
def test_what_is_not_clear_is_refused(trained, tmp_path, options, config, files, said):
  written(tmp_path, model(**options) if options else trained, CONFIG | config, **files)
  with pytest.raises(ValueError, match=said):
    tokenizer.load(tmp_path)


def test_a_refusal_names_the_way_out(tmp_path):
  """What transformers writes beside the model is read, and gives its tokens."""
  written(tmp_path, model(normalization_rule_name='nfkc'), added_tokens=THINK)
  with pytest.raises(ValueError, match=r'AutoTokenizer\.from_pretrained\(folder\)\.save_pretr'):
    tokenizer.load(tmp_path)
  theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
  theirs.save_pretrained(tmp_path)
  ours = tokenizer.load(tmp_path)
  assert isinstance(ours, hf.HuggingFace)
  for text in ('<think>one ²</think> two', 'a</s>b'):
    assert ours.encode_controls(text) == theirs(text, add_special_tokens=False)['input_ids']
  assert not {1, 2} & set(ours.encode('a</s>b')), 'no question ends itself'
