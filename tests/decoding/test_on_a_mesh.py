"""On meshes answers and scores are those of one device; work and caches are split."""

import functools

import jax
import jax.numpy as jnp
import meshes
import numpy as np
from meshes import (
  CASES,
  NUM_DEVICES,
  P,
  T,
  assert_close,
  host_batch,
  host_params,
  one_device,
  prompts,
  shapes_of,
  where,
)

from r1jax import sharding
from r1jax.aot import hlo, programs
from r1jax.decoding import Sampler, generate, generation, live
from r1jax.decoding.scoring import score
from r1jax.model import Transformer
from r1jax.stages import rl_batch
from r1jax.structs import Prompts

STOP = (0, 5, 11)
# One mesh, along whose context are two devices.
SPLIT_ANSWERS = where(lambda config, shape, group: config.moe is None and shape.context == 2)


@meshes.on(where(lambda config, shape, group: group % shape.context))
def test_answers_of_any_length_on_a_mesh_are_split_by_their_tokens(on_mesh):
  """One of an odd length takes the work of one that is a token longer, and scores as ever."""
  config, mesh, group = on_mesh
  batch = host_batch(config, group)
  program = jax.jit(functools.partial(score, Transformer(config), temperature=1.0, chunk_tokens=16))

  def scored(tokens, mesh):
    cut = rl_batch.placed(rl_batch.narrowed(batch, tokens), mesh)
    length_PG = jnp.minimum(cut.length_PG, tokens)
    params = sharding.place_parameters(host_params(config), mesh)
    given = (params, cut.prompts, cut.tokens_PGT, length_PG)
    compiled = program.lower(*given, experts=cut.experts).compile()
    return compiled(*given, experts=cut.experts), hlo.cost(compiled.as_text()).operations

  (odd, operations), (_, of_even) = scored(T - 1, mesh), scored(T, mesh)
  assert operations == of_even
  with one_device():
    expected, _ = scored(T - 1, None)
  assert odd.hidden_PGTD.shape == expected.hidden_PGTD.shape
  assert_close(jax.device_get(odd), jax.device_get(expected))


@meshes.on(SPLIT_ANSWERS)
def test_devices_of_a_mesh_share_encoding_and_decoding(on_mesh):
  """All of them have a share of the prompts' tokens and of the samples of a group."""
  config, mesh, _ = on_mesh
  model = Transformer(config)
  tokens = jax.ShapeDtypeStruct((P, 64), jnp.int32)
  number = jax.ShapeDtypeStruct((P,), jnp.int32)
  key = jax.eval_shape(lambda: jax.random.key(0))

  def operations(mesh):
    params = sharding.place_parameters(host_params(config), mesh)
    given = sharding.abstract(Prompts(tokens, number, number), mesh, 'prompts')
    start = generation.start.lower(model, params, given, key, group_size=4, room=(8,)).compile()
    batch, _ = jax.tree.map(
      lambda shape, placed: jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=placed),
      start.out_info,
      start.output_shardings,
    )
    options = {'sampler': Sampler(), 'stop_tokens': STOP, 'tokens': 2}
    decode = generation.segment.lower(model, params, batch, **options).compile()
    return [hlo.cost(program.as_text()).operations for program in (start, decode)]

  found = operations(mesh)
  with one_device():
    expected = operations(None)
  for share, whole in zip(found, expected, strict=True):
    assert whole / NUM_DEVICES <= share < 1.2 * whole / NUM_DEVICES


@meshes.on(SPLIT_ANSWERS)
def test_a_batch_shrinks_without_a_word_between_devices(on_mesh):
  """Each picks among its own prompts and samples: caches are too large to go round."""
  config, mesh, _ = on_mesh
  parts = (sharding.prompt_parts(mesh), mesh.shape['context'])
  assert min(parts) > 1
  num_prompts, group = 2 * parts[0], 2 * parts[1]
  number = jax.ShapeDtypeStruct((num_prompts,), jnp.int32)
  given = Prompts(jax.ShapeDtypeStruct((num_prompts, 4), jnp.int32), number, number)
  key = jax.eval_shape(lambda: jax.random.key(0))
  batch, _ = jax.eval_shape(
    functools.partial(generation.start, Transformer(config), group_size=group, room=(4, 4)),
    shapes_of(config),
    given,
    key,
  )
  live_PG = np.zeros((num_prompts, group), bool)
  live_PG[1::2, ::2] = True
  plan = live.compaction(live_PG, parts)
  assert plan[1].shape == (num_prompts // 2, group // 2)

  def drawn():
    rng = np.random.default_rng(0)

    def draw(shape):
      if jnp.issubdtype(shape.dtype, jax.dtypes.prng_key):
        return jax.random.split(jax.random.key(0), shape.shape)
      return jnp.asarray(rng.integers(2, size=shape.shape), shape.dtype)

    return jax.tree.map(draw, batch)

  placed = live.laid_out(
    drawn(),
    lambda array, *axes: jax.device_put(array, sharding.abstract(array, mesh, *axes).sharding),
  )
  cache = programs.bytes_per_device(placed.suffix.blocks)
  for block in placed.suffix.blocks:
    program = live.take_block.lower(block, *plan[:2], parts=parts).compile()
    assert not hlo.cost(program.as_text()).collective_bytes
    assert program.memory_analysis().temp_size_in_bytes < cache / 2
  with one_device():
    expected = live.take(drawn(), *plan, parts=parts)
  for found, other in zip(
    jax.tree.leaves(live.take(placed, *plan, parts=parts)),
    jax.tree.leaves(expected),
    strict=True,
  ):
    if jnp.issubdtype(found.dtype, jax.dtypes.prng_key):
      found, other = jax.random.key_data(found), jax.random.key_data(other)
    np.testing.assert_array_equal(found, other)


def sample(config, group, params, mesh, max_tokens=T, temperature=1.0):
  return generate(
    Transformer(config),
    params,
    sharding.place(prompts(), mesh),
    group_size=group,
    max_tokens=max_tokens,
    sampler=Sampler(temperature),
    stop_tokens=STOP,
    key=jax.random.key(3),
    segment_tokens=3,
    mesh=mesh,
  )


@functools.cache
def answers_on_one_device(config, group, **options):
  with one_device():
    return sample(config, group, host_params(config), None, **options)


def assert_same_answers(found, expected):
  """Up to the first near tie, of which there are few."""
  num_near = 0
  for index in np.ndindex(expected.length_PG.shape):
    length = int(expected.length_PG[index])
    (ties,) = np.nonzero(expected.margin_PGT[index][:length] < 1e-4)
    num_near += len(ties) > 0
    alike = ties[0] if len(ties) else length
    np.testing.assert_array_equal(
      found.tokens_PGT[index][:alike], expected.tokens_PGT[index][:alike]
    )
    np.testing.assert_allclose(
      found.logp_PGT[index][:alike], expected.logp_PGT[index][:alike], atol=1e-4
    )
    if not len(ties):
      assert found.length_PG[index] == length
      assert found.stopped_PG[index] == expected.stopped_PG[index]
  assert num_near < 0.2 * expected.length_PG.size


@meshes.on(CASES)
def test_answers_on_a_mesh_equal_one_device(on_mesh, monkeypatch):
  """And their caches are split."""
  config, mesh, group = on_mesh
  expected = answers_on_one_device(config, group)
  caches, segment = [], generation.segment

  def watch(model, params, batch, **options):
    caches.append((batch.prefix.cache, batch.suffix.blocks))
    for keys, leaf in jax.tree.leaves_with_path(caches[-1]):
      heads = 'kv_heads' if keys[-1].key in ('key', 'value') else None
      parts = sharding.prompt_parts(mesh) * (sharding.num_parts(mesh, 'tensor') if heads else 1)
      of_suffix = keys[0].idx == 1
      parts *= sharding.sample_parts(group) if of_suffix else 1
      assert leaf.addressable_shards[0].data.nbytes * parts <= leaf.nbytes, keys
    return segment(model, params, batch, **options)

  monkeypatch.setattr(generation, 'segment', watch)
  found = sample(config, group, sharding.place_parameters(host_params(config), mesh), mesh)
  assert len(caches) == 2
  assert_same_answers(found, expected)


@meshes.on(SPLIT_ANSWERS)
def test_a_group_that_a_mesh_comes_to_split_is_answered_alike(on_mesh, monkeypatch):
  """Of 13 samples 4 are left, which two devices along context share."""
  config, mesh, _ = on_mesh
  options = {'max_tokens': 24, 'temperature': 8.0}  # Many end early.
  expected = answers_on_one_device(config, 13, **options)
  planned, compaction = [], generation.compaction

  def watch(live_PG, parts):
    planned.append((live_PG.shape[1], parts[1]))
    return compaction(live_PG, parts)

  monkeypatch.setattr(generation, 'compaction', watch)
  params = sharding.place_parameters(host_params(config), mesh)
  found = sample(config, 13, params, mesh, **options)
  assert set(planned) >= {(13, 1), (4, 2)}
  assert_same_answers(found, expected)
