"""What comes with weights goes with them: tokenizer, chat template, defaults of generation."""

import dataclasses
import io
import json

import interop_models as models
import pytest
import sentencepiece
import tokenizers
import transformers

from r1jax.interop import load_generation, save_pretrained
from r1jax.stages.policy import Policy
from r1jax.text import templates
from r1jax.text.prompting import Chat

TEMPLATE = (
  '{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}'
  '{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}'
)
GENERATION = {'do_sample': True, 'temperature': 0.6, 'top_p': 0.95, 'eos_token_id': [3, 6]}
ASKED = [{'role': 'user', 'content': 'one two'}]
MARKS = ('<s>', '</s>', '<pad>', '<|user|>', '<|assistant|>')


@pytest.fixture(params=['file', 'field'])
def published(request, tmp_path):
  """Returns a folder of R1's kind; its chat template stands in a file, or in a field as of old."""
  folder = tmp_path / 'published'
  config = models.CONFIGS['qwen']
  save_pretrained(folder, config, models.random_params(config))
  words = {word: i for i, word in enumerate(['[UNK]', 'one', 'two'])}
  made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token='[UNK]'))
  made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
  made.add_special_tokens(list(MARKS))
  made.add_tokens(['<think>', '</think>'])  # As DeepSeek and Qwen have them: no special tokens.
  made.save(str(folder / 'tokenizer.json'))
  fields = {'eos_token': '</s>', 'bos_token': '<s>', 'pad_token': '<pad>', 'model_max_length': 99}
  if request.param == 'file':
    (folder / 'chat_template.jinja').write_text(TEMPLATE)
  else:
    fields['chat_template'] = TEMPLATE
  (folder / 'tokenizer_config.json').write_text(json.dumps(fields))
  ids = made.get_vocab()
  generation = GENERATION | {'eos_token_id': [ids['</s>'], ids['<|user|>']]}
  (folder / 'generation_config.json').write_text(json.dumps(generation))
  return folder


@pytest.fixture
def exported(published, tmp_path):
  """Returns the folder that a policy leaves which was loaded from the published one."""
  Policy.load(published).save(tmp_path / 'exported')
  return tmp_path / 'exported'


def test_the_chat_template_writes_what_it_wrote(published, exported):
  asked, again = (
    transformers.PreTrainedTokenizerFast.from_pretrained(folder).apply_chat_template(
      ASKED, add_generation_prompt=True, tokenize=False
    )
    for folder in (published, exported)
  )
  assert again == asked == '<s><|user|>one two<|assistant|><think>\n'


def test_thinking_tags_and_special_tokens_stay_one_token_each(published, exported):
  before, after = (
    transformers.PreTrainedTokenizerFast.from_pretrained(folder) for folder in (published, exported)
  )
  text = '<s><|user|>one<|assistant|><think>two</think></s>'
  assert after(text)['input_ids'] == before(text)['input_ids']
  assert len(after(text)['input_ids']) == 8
  assert after.all_special_tokens == before.all_special_tokens
  ours = Policy.load(exported).tokenizer
  assert len(ours.encode('<think>two</think>')) == 3
  assert ours.decode(ours.encode('<think>two</think>')).replace(' ', '') == '<think>two</think>'


def test_defaults_of_generation_are_kept_and_tokens_are_those_of_the_tokenizer(published, exported):
  before, after = load_generation(published), load_generation(exported)
  assert after == before | {'pad_token_id': after['pad_token_id']}
  tokenizer = Policy.load(exported).tokenizer
  assert list(tokenizer.stop_ids) == before['eos_token_id']
  theirs = transformers.GenerationConfig.from_pretrained(exported)
  assert (theirs.temperature, theirs.top_p, theirs.do_sample) == (0.6, 0.95, True)


def test_a_folder_without_defaults_has_none(tmp_path):
  assert load_generation(tmp_path) == {}
  (tmp_path / 'generation_config.json').write_text('[3]')
  with pytest.raises(ValueError, match=r'generation_config\.json holds no JSON object'):
    load_generation(tmp_path)


def test_the_chat_template_of_an_earlier_model_goes(exported):
  config = models.CONFIGS['qwen']
  save_pretrained(exported, config, models.random_params(config))
  names = {file.name for file in exported.iterdir()}
  assert not names & {'chat_template.jinja', 'tokenizer.json', 'generation_config.json'}


def test_other_chat_templates_come_along_and_go_with_their_model(published, tmp_path):
  (published / 'additional_chat_templates').mkdir()
  (published / 'additional_chat_templates' / 'rag.jinja').write_text('{{ documents }}')
  exported = tmp_path / 'exported'
  for _ in range(2):  # The second time they are replaced.
    Policy.load(published).save(exported)
    theirs, ours = (
      transformers.PreTrainedTokenizerFast.from_pretrained(folder)
      for folder in (published, exported)
    )
    assert ours.get_chat_template('rag') == theirs.get_chat_template('rag') == '{{ documents }}'
    assert ours.chat_template == theirs.chat_template
  config = models.CONFIGS['qwen']
  save_pretrained(exported, config, models.random_params(config))
  assert not (exported / 'additional_chat_templates').exists()


def test_special_tokens_of_old_folders_come_along(published, tmp_path):
  config = json.loads((published / 'tokenizer_config.json').read_text())
  special = {'additional_special_tokens': ['<|user|>', '<|assistant|>']}
  special |= {role: config.pop(role) for role in ('eos_token', 'bos_token', 'pad_token')}
  (published / 'tokenizer_config.json').write_text(json.dumps(config))
  (published / 'special_tokens_map.json').write_text(json.dumps(special))
  (published / 'generation_config.json').unlink()
  Policy.load(published).save(tmp_path / 'exported')
  theirs, ours = (
    transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    for folder in (published, tmp_path / 'exported')
  )
  assert ours.all_special_tokens == theirs.all_special_tokens
  assert ours.special_tokens_map == theirs.special_tokens_map
  assert load_generation(tmp_path / 'exported')['eos_token_id'] == theirs.eos_token_id


def test_a_folder_of_sentencepiece_alone_keeps_its_companions(tmp_path):
  out = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(['one two three'] * 9),
    model_writer=out,
    model_type='bpe',
    vocab_size=300,
    hard_vocab_limit=False,
    byte_fallback=True,
    normalization_rule_name='identity',
    remove_extra_whitespaces=False,
    user_defined_symbols=['<|user|>'],
    minloglevel=2,
  )
  published, exported = tmp_path / 'published', tmp_path / 'exported'
  size = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue()).get_piece_size()
  config = dataclasses.replace(models.CONFIGS['llama'], vocab_size=size + 2)
  save_pretrained(published, config, models.random_params(config))
  (published / 'tokenizer.model').write_bytes(out.getvalue())
  fields = {'tokenizer_class': 'LlamaTokenizer', 'legacy': False, 'add_bos_token': True}
  generation = GENERATION | {'eos_token_id': [2, 3]}
  for name, content in {
    'tokenizer_config': fields | {'chat_template': TEMPLATE},
    'added_tokens': {'<think>': size, '</think>': size + 1},
    'generation_config': generation,
  }.items():
    (published / f'{name}.json').write_text(json.dumps(content))
  policy = Policy.load(published)
  policy.save(exported)
  theirs, ours = (
    transformers.AutoTokenizer.from_pretrained(folder) for folder in (published, exported)
  )
  text = '<think>one two</think>'
  ids = policy.tokenizer.encode(text)
  assert ours(text)['input_ids'] == theirs(text)['input_ids'] == [1, *ids]
  assert [ids[0], ids[-1]] == [size, size + 1]
  asked = [
    each.apply_chat_template(ASKED, add_generation_prompt=True, return_dict=False)
    for each in (theirs, ours)
  ]
  assert asked[0] == asked[1] == Chat(policy.tokenizer, templates.question_alone, '')('one two')
  assert policy.tokenizer.stop_ids == (2, 3)
  assert load_generation(exported) == generation | {'bos_token_id': 1, 'pad_token_id': 2}
  assert transformers.AutoConfig.from_pretrained(exported).eos_token_id == [2, 3]
