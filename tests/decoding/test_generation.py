import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from asking import (
  MAX_TOKENS,
  PROMPTS,
  STOP,
  answers,
  ask,
  assert_same_answers,
  model_of,
  prompts_of,
  rows_of,
)
from equations import dot_operations
from families import V3_CONFIG, VOCABULARY, randomise, subject

from r1jax.decoding import Sampler, generate, generation, live, scoring
from r1jax.decoding.prefill import encode_prompts
from r1jax.decoding.scoring import length_mask, score
from r1jax.model import Transformer, call
from r1jax.model.sizes import count_parameters

FAMILIES = ['gqa', 'v3']


@functools.cache
def scored(name):
  return jax.jit(
    functools.partial(score, model_of(name)),
    static_argnames=('temperature', 'chunk_tokens'),
  )


def score_of(name, found, *, temperature=1.0):
  return scored(name)(
    subject(name).params,
    found.prompts,
    found.tokens_PGT,
    found.length_PG,
    temperature=temperature,
    experts=found.experts,
  )


@pytest.mark.parametrize('name', FAMILIES)
def test_sampled_log_probabilities_are_the_scored_ones(name):
  """Absorbed, a token at a time, against expanded, all at once, with the experts replayed."""
  found = answers(name)
  assert (found.experts is None) == (name == 'gqa')
  scores = score_of(name, found)
  np.testing.assert_allclose(found.logp_PGT, scores.logp_PGT, atol=1e-5)
  assert found.logp_PGT[length_mask(found.length_PG, MAX_TOKENS)].max() < 0


def test_decoding_is_absorbed_and_scoring_expanded(monkeypatch):
  """Both forms agree, so only what is asked of the model tells them apart."""
  asked = []

  def watch(model, params, method, *args, **options):
    if 'prefix' in options:
      asked.append(('suffix' in options, options.get('absorbed', False)))
    return call(model, params, method, *args, **options)

  for module in (generation, scoring):
    monkeypatch.setattr(module, 'call', watch)
  # Of sizes that no other test has compiled.
  found = ask('v3', prompts_of([2, 3]), group_size=2, max_tokens=5, segment_tokens=5)
  assert set(asked) == {(True, True)}
  asked.clear()
  jax.eval_shape(
    functools.partial(score, model_of('v3'), temperature=1.0),
    subject('v3').params,
    found.prompts,
    found.tokens_PGT,
    found.length_PG,
  )
  assert set(asked) == {(False, False)}


def test_recorded_log_probability_is_of_the_temperature_before_cuts():
  found = ask('gqa', sampler=Sampler(temperature=0.6, top_k=4, top_p=0.9))
  scores = score_of('gqa', found, temperature=0.6)
  np.testing.assert_allclose(found.logp_PGT, scores.logp_PGT, atol=1e-5)


def test_recorded_experts_are_the_routers_own_choice():
  """Nearly all of them: in the other form a near tie may flip."""
  found = answers('v3')
  scores = score_of('v3', found)
  for routing in (scores.prefix_routing, scores.suffix_routing):
    assert np.sum(routing.flips_PG) <= 0.01 * np.sum(routing.load_PGE)
  assert found.experts.prefix_NPSQ.shape == (2, 4, 4, 3)
  assert found.experts.suffix_NPGTQ.shape == (2, 4, 4, MAX_TOKENS, 3)


def test_stop_tokens_end_answers_and_are_their_last():
  found = answers('v3')
  stops_PGT = np.isin(found.tokens_PGT, STOP) & np.asarray(length_mask(found.length_PG, MAX_TOKENS))
  last_PG = np.take_along_axis(found.tokens_PGT, found.length_PG[..., None] - 1, axis=-1)[..., 0]
  np.testing.assert_array_equal(found.stopped_PG, np.isin(last_PG, STOP))
  np.testing.assert_array_equal(stops_PGT.sum(axis=-1), found.stopped_PG)
  np.testing.assert_array_equal(found.length_PG[~found.stopped_PG], MAX_TOKENS)
  assert 0 < found.stopped_PG.sum() < found.stopped_PG.size
  assert found.length_PG.min() >= 1


def test_nothing_is_recorded_after_the_end():
  found = answers('v3')
  after_PGT = ~np.asarray(length_mask(found.length_PG, MAX_TOKENS))
  for array in (found.tokens_PGT, found.logp_PGT, found.margin_PGT):
    assert not array[after_PGT].any()


def test_segments_and_compaction_change_nothing():
  assert_same_answers(ask('v3', segment_tokens=4), answers('v3'))


def test_one_compaction_after_another_changes_nothing(monkeypatch):
  """Prompts leave and groups shrink: what is left belongs to the prompts that it came from."""
  sizes, compaction = [], generation.compaction

  def watch(live_PG, parts):
    plan = compaction(live_PG, parts)
    sizes.extend([] if plan is None else [plan[1].shape])
    return plan

  monkeypatch.setattr(generation, 'compaction', watch)
  prompts = prompts_of([5, 1, 3, 4, 2, 5, 4, 3])
  options = {'group_size': 4, 'max_tokens': 24, 'sampler': Sampler(4.0)}
  expected = ask('gqa', prompts, segment_tokens=24, **options)
  found = ask('gqa', prompts, segment_tokens=3, **options)
  assert len(sizes) > 2 and sizes[0][1] > sizes[-1][1] and sizes[0][0] > sizes[-1][0]
  assert_same_answers(found, expected)


def test_answers_do_not_depend_on_the_batch():
  expected = answers('v3')
  for row in range(3):
    alone = ask('v3', rows_of(PROMPTS, [row]))
    assert_same_answers(alone, jax.tree.map(lambda a, r=row: a[r : r + 1], no_experts(expected)))
  others = prompts_of([2, 5, 4, 3], seed=9)
  mixed = dataclasses.replace(
    others,
    tokens_PS=np.concatenate([others.tokens_PS[:2], PROMPTS.tokens_PS[[3, 0]]]),
    length_P=np.concatenate([others.length_P[:2], PROMPTS.length_P[[3, 0]]]),
    address_P=np.array([8, 9, 3, 0], np.int32),
  )
  found = jax.tree.map(lambda array: array[[3, 2]], no_experts(ask('v3', mixed)))
  assert_same_answers(found, jax.tree.map(lambda array: array[[0, 3]], no_experts(expected)))


def no_experts(found):
  """Rollouts of which every array has P in front."""
  return dataclasses.replace(found, experts=None)


def test_samples_do_not_depend_on_the_size_of_the_group():
  two = ask('gqa', group_size=2)
  per_prompt = dataclasses.replace(answers('gqa'), prompts=None, experts=None)
  assert_same_answers(two, jax.tree.map(lambda array: array[:, :2], per_prompt))


def test_another_address_or_key_gives_other_answers():
  moved = dataclasses.replace(PROMPTS, address_P=PROMPTS.address_P + 100)
  for found in (ask('v3', moved), ask('v3', key=jax.random.key(2))):
    assert (found.tokens_PGT != answers('v3').tokens_PGT).mean() > 0.5


@pytest.mark.parametrize('name', FAMILIES)
def test_what_stands_after_a_prompt_has_no_effect(name):
  padding_PS = np.arange(5) >= PROMPTS.length_P[:, None]
  assert padding_PS.any()
  nonsense_S = np.array([-100, VOCABULARY, 7, -1, 10**6], np.int32)  # Padding may be any number.
  other = np.where(padding_PS, nonsense_S, PROMPTS.tokens_PS)
  found = ask(name, dataclasses.replace(PROMPTS, tokens_PS=other))
  for array in ('tokens_PGT', 'logp_PGT', 'margin_PGT', 'length_PG', 'stopped_PG'):
    np.testing.assert_array_equal(getattr(found, array), getattr(answers(name), array), array)


def test_prompts_of_one_token_and_columns_of_padding():
  """Without any column but the first, and with four of padding."""
  short = prompts_of([1, 1, 1, 1], seed=3)
  wide = dataclasses.replace(short, tokens_PS=np.pad(short.tokens_PS, ((0, 0), (0, 4))))
  found = ask('gqa', short)
  assert_same_answers(found, ask('gqa', wide))
  np.testing.assert_allclose(found.logp_PGT, score_of('gqa', found).logp_PGT, atol=1e-5)


class Watch:
  """Stands for `generation.segment` and notes the size of the batch and the tokens read."""

  def __init__(self, monkeypatch):
    self.shapes, self.read = [], []
    self._segment = generation.segment
    monkeypatch.setattr(generation, 'segment', self)

  def __call__(self, model, params, batch, **options):
    self.shapes.append(batch.token_PG.shape)
    before = int(batch.suffix.length)
    batch, drawn = self._segment(model, params, batch, **options)
    self.read.append(int(batch.suffix.length) - before)
    assert drawn.token_PGU.shape[:2] == self.shapes[-1]
    for array in jax.tree.leaves(batch.suffix.blocks):
      assert array.shape[1:3] == self.shapes[-1]
    for array in jax.tree.leaves(batch.prefix.cache):
      assert array.shape[1] == self.shapes[-1][0]
    return batch, drawn


def test_finished_answers_leave_the_batch(monkeypatch):
  """The batch is as large as the rule says, by how many are alive at each look."""
  watch = Watch(monkeypatch)
  found = ask('v3', segment_tokens=4)
  ends = np.where(found.stopped_PG, found.length_PG, MAX_TOKENS + 1)
  assert len(watch.shapes) == 3
  expected, size = [(4, 4)], (4, 4)
  for read in (4, 8):
    alive_P = (ends > read).sum(axis=1)
    smaller = tuple(
      next(s for s in (1, 2, 4) if s >= number) for number in ((alive_P > 0).sum(), alive_P.max())
    )
    size = smaller if np.prod(smaller) * 2 <= np.prod(size) else size
    expected.append(size)
  assert watch.shapes == expected
  assert np.prod(watch.shapes[-1]) <= 8
  assert watch.read == [4, 4, 2]


def test_decoding_ends_with_the_last_answer(monkeypatch):
  watch = Watch(monkeypatch)
  everything = ask('gqa', stop_tokens=tuple(range(VOCABULARY)), segment_tokens=4)
  assert watch.read == [1]
  np.testing.assert_array_equal(everything.length_PG, 1)
  assert everything.stopped_PG.all()
  watch.read.clear()
  never = ask('gqa', stop_tokens=())
  assert watch.read == [MAX_TOKENS]
  np.testing.assert_array_equal(never.length_PG, MAX_TOKENS)
  assert not never.stopped_PG.any()


def test_memory_holds_no_more_of_a_suffix_than_the_longest_answer_needs(monkeypatch):
  """Counted whenever there is new room, in bytes of what has the shape of a suffix's entries."""
  with_room, counts = generation.with_room, []

  def count():
    return sum(array.nbytes for array in jax.live_arrays() if array.ndim == 6)

  def watch(suffix, room):
    made = with_room(suffix, room)
    counts.append((room, count() - elsewhere))
    return made

  def draw_nothing(model, params, batch, *, tokens, **others):
    return batch, generation._nothing_drawn(model, batch.token_PG.shape, tokens)

  monkeypatch.setattr(generation, 'with_room', watch)
  monkeypatch.setattr(generation, 'segment', draw_nothing)
  elsewhere = count()
  ask('gqa', segment_tokens=2)
  rooms, sizes = zip(*counts)
  assert list(rooms) == live.rooms(2, MAX_TOKENS) and {1, 3} <= {len(room) for room in rooms}
  assert max(sizes) == sizes[-1] == sizes[0] * MAX_TOKENS // 2


@pytest.mark.parametrize('name', FAMILIES)
def test_prompt_work_does_not_grow_with_the_group(name):
  """All products before the first token is drawn are those of encoding each prompt once."""
  prompts = prompts_of([7, 2])
  arguments = (subject(name).params, prompts)

  def start(group_size):
    run = functools.partial(generation.start, model_of(name), group_size=group_size, room=(8,))
    return dot_operations(jax.make_jaxpr(run)(*arguments, jax.random.key(0)).jaxpr)

  encode = jax.make_jaxpr(functools.partial(encode_prompts, model_of(name)))
  assert start(4) == start(32) == dot_operations(encode(*arguments).jaxpr) > 0


def test_prompts_that_cannot_be_split_are_refused(monkeypatch):
  message = '4 prompts cannot be split over 3 devices .*: make the prompts a multiple of it'
  with pytest.raises(ValueError, match=message):
    monkeypatch.setattr(generation.sharding, 'prompt_parts', lambda mesh: 3)
    ask('gqa')


@pytest.mark.parametrize(
  'name', ['group_size', 'max_tokens', 'segment_tokens', 'prompt_chunk_tokens']
)
def test_sizes_without_sense_are_refused(name):
  with pytest.raises(ValueError, match=f'{name} is 0; it must be at least 1'):
    ask('gqa', **{name: 0})


def test_a_model_whose_experts_are_all_in_its_mtp_module_answers():
  config = dataclasses.replace(V3_CONFIG, num_layers=2, num_dense_layers=2)
  shapes = jax.eval_shape(
    Transformer(config).init, jax.random.key(0), jax.ShapeDtypeStruct((1, 2), np.int32)
  )
  found = generate(
    Transformer(config),
    randomise(shapes['params']),
    PROMPTS,
    group_size=2,
    max_tokens=3,
    sampler=Sampler(),
    stop_tokens=(),
    key=jax.random.key(0),
  )
  assert found.experts is None and (found.length_PG == 3).all()
  assert count_parameters(config).mtp > 0


def test_greedy_answers_of_a_group_are_one():
  found = ask('gqa', sampler=Sampler(temperature=0))
  np.testing.assert_array_equal(found.tokens_PGT, found.tokens_PGT[:, :1].repeat(4, axis=1))
  logits_V = score_first_logits('gqa')
  np.testing.assert_array_equal(found.tokens_PGT[:, 0, 0], np.argmax(logits_V, axis=-1))


def score_first_logits(name):
  """Logits after each prompt, from the plain pass over each alone."""
  rows = [
    subject(name).call(subject(name).params, jnp.asarray(tokens[None, :length]))
    for tokens, length in zip(PROMPTS.tokens_PS, PROMPTS.length_P)
  ]
  return np.array([out.logits_BLV[0, -1] for out in rows])
