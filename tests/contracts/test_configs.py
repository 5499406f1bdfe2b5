"""What every config must do: say what it is, load, be read to its last field, and fit its model.

Nothing is computed: models, states and losses are built by `eval_shape` at their real sizes.
"""

import functools
import importlib.util
import json
import re
import runpy
from pathlib import Path
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl import flags
from ml_collections import ConfigDict, config_flags

from r1jax import build
from r1jax.build import rewards
from r1jax.model import Transformer, Yarn
from r1jax.rewards import combine, sandbox
from r1jax.section import Section
from r1jax.stages import pretrain, rl, rl_step
from r1jax.stages.policy import Policy
from r1jax.stages.rl_batch import Batch
from r1jax.structs import Experts, Problem, Prompts
from r1jax.tasks import stream
from r1jax.text import tokenizer
from r1jax.text.templates import TEMPLATES
from r1jax.training import optimizer

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / 'configs').rglob('*.py'))
# What `--config=FILE:ARGUMENT` may have after the colon. Of a family's recipes, the first is tested
# here: the others differ in numbers (test_recipes).
ARGUMENTS = {'zero': ('world', 'tfds', *build.SETS)}
CASES = [(path, *argument) for path in FILES for argument in
         [(a,) for a in ARGUMENTS.get(path.stem, ())] or [()]]  # fmt: skip
ALL = CASES + [
  (path, name) for path in FILES for name in list(runpy.run_path(str(path)).get('RECIPES', ()))[1:]
]
each_case = pytest.mark.parametrize(
  'case', CASES, ids=lambda case: ':'.join([case[0].stem, *case[1:]])
)


def load(path):
  spec = importlib.util.spec_from_file_location(path.stem, path)
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


# An @ becomes a number, so that no two rows are the same.
ROWS = {
  'gsm8k': {'question': '6*7=? @', 'answer': '#### 42'},
  'math': {'problem': '6*7=? @', 'solution': r'It is $\boxed{42}$.'},
  'jsonl': {'question': '6*7=? @', 'answer': '42'},
  'choice': {'problem': '6*7=? @', 'options': ['41', '42'], 'answer': 'B'},
  'ifeval': {
    'key': '@',
    'prompt': 'Say @ without commas.',
    'instruction_id_list': ['punctuation:no_comma'],
    'kwargs': [{}],
  },
  'humaneval': {
    'task_id': '@',
    'prompt': 'def add(x):\n  """Adds @."""\n',
    'entry_point': 'add',
    'canonical_solution': '  return x + @\n',
    'test': 'def check(candidate):\n  assert candidate(1) == 1 + @\n',
  },
  'mbpp': {
    'task_id': '@',
    'text': 'Write a function that adds @.',
    'code': 'def add(x): return x + @',
    'test_setup_code': '',
    'test_list': ['assert add(1) == 1 + @'],
    'challenge_test_list': [],
  },
  'contest': {
    'id': '@',
    'statement': 'Add @.',
    'tests': [{'input': '1\n', 'output': '@\n', 'kind': 'secret'}],
  },
}


@pytest.fixture(scope='session')
def problem_files(tmp_path_factory):
  """Returns a folder with a set in every form that a config can name."""
  from r1jax.tasks import gsm8k, tfds

  folder = tmp_path_factory.mktemp('problems')
  for name, row in ROWS.items():
    lines = [json.dumps(row).replace('@', str(n)) + '\n' for n in range(101)]
    (folder / f'{name}.jsonl').write_text(''.join(lines[:100]))
    (folder / f'{name}_test.jsonl').write_text(lines[100])
  splits = {'train': 'gsm8k.jsonl', 'test': 'gsm8k_test.jsonl'}
  problems = {split: gsm8k.load(folder / name) for split, name in splits.items()}
  tfds.prepare(problems, folder, 'mine')
  return folder


@pytest.fixture
def config(case, problem_files):
  """Returns the config of a case, with problems where it asks for them."""
  path, *argument = case
  config = load(path).get_config(*argument)
  config.mesh.update(dict.fromkeys(config.mesh, 1))  # There is one device.
  if argument and build.SETS.get(argument[0], ('', ''))[1] == 'programs':
    try:
      sandbox.default_backend()
    except sandbox.UnavailableError as error:
      pytest.skip(f'programs cannot be run safely here: {error}')
  for name in config.stages:
    task = config[name].get('task', {})
    if 'train_path' in task:
      task.train_path = str(problem_files / f'{task.name}.jsonl')
      task.test_path = str(problem_files / f'{task.name}_test.jsonl')
    if 'data_dir' in task:
      task.data_dir, task.dataset = str(problem_files), 'mine'
  return config


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_it_is_a_record(path):
  doc = load(path).__doc__
  assert re.search(r'arXiv:\d{4}\.\d{5}', doc), 'no paper is cited'
  assert re.search(rf'python -m r1jax\.main --config={path.relative_to(ROOT)}', doc), 'no command'


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_values_of_the_paper_stand_beside_those_of_the_config(path):
  lines = path.read_text().splitlines()
  numbers = [line for line in lines if re.match(r"^\s+'?[\w.]+'?( =|:) .*\d", line)]
  paper = [line for line in numbers if re.search(r'#.*(Paper|V3|DeepSeek)', line)]
  # What recipes have in common stands in zero.py.
  assert len(paper) >= (3 if hasattr(load(path), 'RECIPES') else 5)


@pytest.mark.parametrize('case', ALL, ids=lambda case: ':'.join([case[0].stem, *case[1:]]))
def test_it_is_read_to_its_last_field(config):
  plan = build.plan(config)  # Raises for a field that nothing reads.
  assert [name for name, _ in plan.stages] == list(config.stages)
  assert plan.name == config.name


def sections(config, path='config'):
  """Yields the path of every section that a stage reads field by field, and the section."""
  yield path, config
  for name, value in config.items():
    if isinstance(value, ConfigDict):
      yield from sections(value, f'{path}.{name}')


# Sections whose fields are names that the user chooses from a table.
TABLES = {'reward': 'accurcy', 'families': 'accurcy'}


@each_case
def test_a_field_too_many_is_named_in_every_section(config):
  for path, section in sections(config):
    name = TABLES.get(path.split('.')[-1], 'surplus')
    with section.unlocked():
      section[name] = 1.0
    with pytest.raises(ValueError, match=name) as error:
      build.plan(config)
    where = path if name == 'surplus' else path.rsplit('.', 1)[0]
    assert where in str(error.value)
    with section.unlocked():
      del section[name]
  build.plan(config)


@each_case
def test_a_section_or_field_of_the_stage_that_is_missing_is_named(config):
  for stage in config.stages:
    for name, value in config[stage].items():
      with config[stage].unlocked():
        del config[stage][name]
      with pytest.raises(ValueError, match=rf'config\.{stage}\.{name} is missing'):
        build.plan(config)
      with config[stage].unlocked():
        config[stage][name] = value
  build.plan(config)


class Letters:
  """A tokenizer that needs no training: a character is a token."""

  vocab_size, eos_id, stop_ids, pad_id, bos_id = 1024, 0, (0,), 1, None

  def encode(self, text):
    return [2 + ord(character) % 1000 for character in text]


def base_model():
  """Returns the stage that makes the model which ships."""
  (_, make), *_ = build.plan(load(ROOT / 'configs' / 'base.py').get_config()).stages
  return make(None).config


def shapes(model):
  init = functools.partial(model.init, jax.random.key(0))
  return jax.eval_shape(init, jax.ShapeDtypeStruct((1, 8), jnp.int32))['params']


@each_case
def test_its_stages_fit_their_model(config):
  model = Transformer(base_model())
  policy = Policy(model, shapes(model), Letters())
  for (_, make), section in zip(build.plan(config).stages, (config[s] for s in config.stages)):
    if section.kind == 'rl':
      section.task.max_prompt_tokens = 2000  # Letters are many.
      section.task.chat = False  # And have no chat template.
      (_, make), *_ = build.plan(config).stages
      check_reinforcement(make(policy), policy)
    else:
      check_pretraining(make(None))


def check_reinforcement(stage, policy):
  """The loss of a real batch is a number, and the optimiser takes its gradient."""
  assert isinstance(stage, rl.Stage)
  learning = stage.learning
  settings, answering = learning.settings, learning.answering
  model = policy.model
  sizes = (
    settings.prompts_per_step,
    answering.group_size,
    answering.max_completion_tokens,
    answering.max_prompt_tokens,
  )
  batch = batch_shapes(model.config, *sizes)
  loss = functools.partial(
    rl_step.loss,
    model=model,
    objective=learning.objective,
    temperature=answering.sampler.temperature,
    chunk_tokens=settings.chunk_tokens,
    balance_weight=settings.balance_weight,
  )
  value, report = jax.eval_shape(loss, policy.params, batch)
  assert value.shape == () and value.dtype == jnp.float32
  assert {'kl', 'clip_fraction', 'entropy', 'mismatch'} <= report.measures.keys()
  made = jax.eval_shape(learning.optimizer.init, policy.params)
  updates, _ = jax.eval_shape(learning.optimizer.update, policy.params, made, policy.params)
  assert jax.tree.map(jnp.shape, updates) == jax.tree.map(jnp.shape, policy.params)
  assert stage.cadence.steps > stage.cadence.evaluate_every > 0
  # Rewards of a group, as the stage will see them, become finite advantages.
  value_PG = np.zeros(sizes[:2], np.float32)
  value_PG[:, 0] = 1.0
  values = {'accuracy': value_PG, 'format': value_PG}
  scores = combine.Scores(2 * value_PG, values, values, {}, {}, {})
  assert np.isfinite(learning.advantage(scores)).all()
  assert np.asarray(learning.advantage(scores))[:, 0].min() > 0


def batch_shapes(config, P, G, T, S):
  def array(kind, *shape):
    return jax.ShapeDtypeStruct(shape, kind)

  floats = functools.partial(array, jnp.float32)
  integers = functools.partial(array, jnp.int32)
  num_layers = config.stacks['expert_layers']
  return Batch(
    prompts=Prompts(integers(P, S), integers(P), integers(P)),
    tokens_PGT=integers(P, G, T),
    length_PG=integers(P, G),
    old_logp_PGT=floats(P, G, T),
    ref_logp_PGT=floats(P, G, T),
    advantage_PG=floats(P, G),
    mask_PGT=array(jnp.bool_, P, G, T),
    weight_PGT=floats(P, G, T),
    experts=Experts(
      integers(num_layers, P, S - 1, config.moe.top_k),
      integers(num_layers, P, G, T, config.moe.top_k),
    ),
  )


def check_pretraining(stage):
  assert isinstance(stage, pretrain.Stage)
  model, settings = Transformer(stage.config), stage.settings
  params = shapes(model)
  shape = (settings.rows_per_step, settings.num_columns)
  kinds = (jnp.int32, jnp.float32)
  rows = pretrain.Rows(*(jax.ShapeDtypeStruct(shape, kind) for kind in kinds))
  loss = functools.partial(
    pretrain.loss,
    model=model,
    mtp_weight=settings.mtp_weight,
    balance_weight=settings.balance_weight,
    chunk_tokens=settings.chunk_tokens,
  )
  value, report = jax.eval_shape(loss, params, rows)
  assert value.shape == () and {'nll', 'mtp_nll'} <= report.measures.keys()
  num_bytes = sum(array.size * array.dtype.itemsize for array in jax.tree.leaves(params))
  assert num_bytes <= 10 * 2**20, 'the base model ships in the package, at 10 MB at most'


OVERRIDES = (
  '--config.rl.algorithm.reduction=constant_length',
  '--config.rl.algorithm.reduction_length=160',
  '--config.rl.sampling.sampler.top_k=50',
  '--config.rl.settings.chunk_tokens=32',
  '--config.rl.optimizer.peak=1e-5',
  '--config.rl.reward.format=0',
)


def test_what_has_no_value_can_be_given_one_on_the_command_line(monkeypatch):
  command = ['main', f'--config={ROOT / "configs" / "zero.py"}', *OVERRIDES]
  monkeypatch.setattr('sys.argv', command)  # Which is where `config_flags` looks.
  flag_values = flags.FlagValues()
  config_flags.DEFINE_config_file('config', flag_values=flag_values)
  flag_values(command)
  build.plan(flag_values.config)
  assert flag_values.config.rl.settings.chunk_tokens == 32


def test_a_model_with_a_longer_context_can_be_pretrained():
  config = load(ROOT / 'configs' / 'base.py').get_config()
  with config.unlocked():
    config.pretrain.model.rope.scaling = ConfigDict(
      {'kind': 'yarn', 'factor': 4.0, 'original_positions': 1024}
    )
  ((_, make),) = build.plan(config).stages
  assert make(None).config.rope.scaling == Yarn(factor=4.0, original_positions=1024)


LONGEST = {
  'gsm8k': 'gsm8k/train',
  'math': 'math/train',
  'choice': 'mmlu_stem/test',
  'humaneval': 'humaneval/test',
  'mbpp': 'mbpp/test',
  'ifeval': 'ifeval/test',
  'contest': 'code_stdin/test',
}


@pytest.mark.parametrize('name', LONGEST)
def test_the_longest_question_of_the_published_sets_is_asked_without_another_limit(name):
  file = ROOT.parent / 'shared' / 'data' / f'{LONGEST[name]}.jsonl'
  if not file.is_file():
    pytest.skip(f'the real problem set is not at {file}')
  task = load(ROOT / 'configs' / 'zero.py').get_config(name).rl.task
  read, _ = build.SETS[name]
  longest = sorted((problem.question for problem in read(file)), key=len)[-20:]
  base = tokenizer.load(ROOT / 'r1jax' / 'assets' / 'base')
  prompts = [base.encode(TEMPLATES[task.template](question)) for question in longest]
  assert max(map(len, prompts)) <= task.max_prompt_tokens


def reductions_of(**changes):
  config = load(ROOT / 'configs' / 'zero.py').get_config()
  config.rl.algorithm.update(changes)
  return build.plan(config)


@pytest.mark.parametrize(
  'changes',
  [
    {'reduction': 'constant_length'},
    {'reduction': 'constant_length', 'reduction_length': 0},
    {'reduction_length': 160},
  ],
  ids=str,
)
def test_a_length_that_nothing_reads_or_that_is_missing_is_named(changes):
  with pytest.raises(ValueError, match=r'config\.rl\.algorithm\.reduction_length is'):
    reductions_of(**changes)


def test_the_learning_rate_ends_with_the_last_update():
  """Whatever the number of updates of a step."""
  config = load(ROOT / 'configs' / 'zero.py').get_config()
  config.rl.settings.num_minibatches, config.rl.settings.num_inner_epochs = 2, 3
  config.rl.optimizer.peak, config.rl.optimizer.final = 1.0, 0.5
  seen = {}

  def cosine(**numbers):
    seen.update(numbers)
    return lambda count: 0.0

  with mock.patch.object(optimizer, 'warmup_cosine', cosine):
    build.plan(config)
  assert seen == {'peak': 1.0, 'final': 0.5, 'warmup': 5, 'total': 120 * 2 * 3}


def test_stages_of_a_run_draw_numbers_of_their_own():
  config = load(ROOT / 'configs' / 'zero.py').get_config()
  with config.unlocked():
    config.again = config.rl.copy_and_resolve_references()
  config.stages = ('rl', 'again')
  seen = []

  def shuffled(problems, *, seed):
    seen.append(seed)
    raise InterruptedError

  policy = mock.Mock(params={'embedding': jnp.zeros(1)}, num_parameters=0)
  answering = mock.patch('r1jax.build.reinforcement.Answering')
  with mock.patch.object(stream, 'shuffled', shuffled), answering:
    for _, make in build.plan(config).stages:
      with pytest.raises(InterruptedError):
        make(policy)
  assert len(set(seen)) == 2 and seen[0] == config.seed


def test_the_command_line_sees_the_same_config():
  # What `config_flags` does with a file: it is run, not imported.
  for path in FILES:
    assert 'get_config' in runpy.run_path(str(path))


@pytest.mark.parametrize(
  ('changes', 'expected_G'),
  [
    ({}, [2.0, 1.0, 1.0, 0.0]),
    ({'gates': {'accuracy': 'format'}}, [2.0, 0.0, 1.0, 0.0]),
    # Lengths 40 to 160: lambda is 1/2, 1/6, -1/6, -1/2; a wrong answer gets none that is above 0.
    (
      {'shaping': {'length': {'weight': 3.0, 'term': 'accuracy'}}},
      [2 + 1.5, 1 + 0.5, 1 - 0.5, 0 - 1.5],
    ),
    # The limit is 160 tokens: 40 before it the punishment begins.
    ({'shaping': {'overlong': {'weight': 2.0, 'cache_length': 80}}}, [2.0, 1.0, 0.0, -2.0]),
    (
      {
        'shaping': {
          'cosine': {
            'weight': 1.0,
            'term': 'accuracy',
            'correct': (2.0, 1.0),
            'wrong': (-10.0, 0.0),
            'exceeded': -10.0,
          }
        }
      },
      [2 + 1.5 + 2**0.5 / 4, 1 + 1.5, 1 - 5 * (1 - 2**0.5 / 2), 0 - 10.0],
    ),
    # In the place of the reward, not beside it.
    (
      {
        'reward': {'accuracy': 0.0},
        'shaping': {
          'cosine': {
            'weight': 1.0,
            'term': 'accuracy',
            'correct': (2.0, 1.0),
            'wrong': (-10.0, 0.0),
            'exceeded': -10.0,
          }
        },
      },
      [1.5 + 2**0.5 / 4, 1.5, -5 * (1 - 2**0.5 / 2), -10.0],
    ),
  ],
  ids=['plain', 'gate', 'length', 'overlong', 'cosine', 'cosine alone'],
)
def test_a_config_may_gate_and_shape_its_reward(changes, expected_G):
  config = load(ROOT / 'configs' / 'zero.py').get_config()
  with config.unlocked():
    for name, value in changes.items():
      config.rl[name] = ConfigDict(value)
  section = Section(config.rl)
  score = rewards.scorer(
    section.reward,
    build.KINDS['math'],
    gates=section.gates,
    shaping=section.shaping,
    max_length=160,
    num_workers=1,
  )
  right, wrong = '<think>t</think><answer>1</answer>', '<think>t</think><answer>2</answer>'
  texts = [right, r'\boxed{1}', wrong, 'nothing']
  problems = [Problem('p', '?', '1')]
  scores = score(problems, [texts], np.array([[40, 80, 120, 160]]))
  np.testing.assert_allclose(scores.reward_PG, [expected_G], rtol=1e-6)
