"""What comes with weights goes with them: tokenizer, chat template, defaults of generation."""

import json

import interop_models as models
import pytest
import tokenizers
import transformers

from r1jax.interop import load_generation, save_pretrained
from r1jax.stages.policy import Policy

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
