"""The programs of a step of reinforcement learning, from shapes alone: what a run would compile.

They are functions that a run calls, at the largest shapes that it can meet: prompts and answers as
long as allowed, and the last segment of decoding, with nobody done; before it, half of the samples
leave. Beside the arguments of a program stands what else a run has on the devices then: what is
trained, its moments, the base, the reference, the sum of gradients, the next microbatch. The rest
of a rollout is on hosts, and a cache that grows takes no more than at its full length
(`live.rooms`): so a run fits where all of these do. Left out are its evaluations, whose
batches are as large as those of a step.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from r1jax import sharding
from r1jax.decoding import generation, live
from r1jax.model import ModelConfig, as_computed, lora
from r1jax.sharding import abstract
from r1jax.stages import rl_step
from r1jax.stages.rl_batch import Batch
from r1jax.stages.rl_step import Reinforcement
from r1jax.structs import Experts, Prompts
from r1jax.training import state as states


@dataclasses.dataclass(frozen=True)
class Program:
  """A program that a step runs.

  Attributes:
    name: what it does.
    lower: lowers it for a platform.
    arguments: arrays that it is given, by kind; smaller ones are left out.
    beside: arrays that are on the devices while it runs, by kind.
    work: what it is to do; None for what is no pass of the model.
  """

  name: str
  lower: Callable[[], Any]
  arguments: Mapping[str, Any]
  beside: Mapping[str, Any]
  work: 'Work | None'


@dataclasses.dataclass(frozen=True)
class Work:
  """What a program is to do, as numbers of tokens.

  Attributes:
    prompts: prompts.
    group_size: answers to each.
    prompt_tokens: read of each prompt.
    answer_tokens: read of each answer.
    cached_tokens: seen by each of these, and read before.
    backward: True with the gradient.
    adapter_weights: trained ones that a token is multiplied with, beside a base whose weights need
      no gradient; None if all weights are trained.
  """

  prompts: int
  group_size: int
  prompt_tokens: int
  answer_tokens: int
  backward: bool
  adapter_weights: int | None
  cached_tokens: int = 0


def of_step(learning: Reinforcement, params: Any, *, platform: str) -> Iterator[Program]:
  """Yields the programs of a step; to be called under its mesh.

  Args:
    learning: the step; its problems, rewards and tokenizer are not needed.
    params: shapes of the parameters, with where they lie.
    platform: to lower for, such as 'tpu'.
  """
  shapes = _Shapes(learning, params)
  yield _encoding(shapes, platform)
  yield from _shrinking(shapes, platform)
  yield _decoding(shapes, platform)
  if learning.use_reference:
    yield _scoring(shapes, platform)
  yield from _update(shapes, platform)


class _Shapes:
  """The arrays of a step, as shapes that lie on the mesh."""

  def __init__(self, learning: Reinforcement, params: Any):
    self.learning, self.mesh = learning, learning.mesh
    self.model, self.settings = learning.answering.model, learning.settings
    trained, base = params, None
    if learning.lora is not None:
      trained = jax.eval_shape(
        functools.partial(lora.create, lora=learning.lora),
        jax.eval_shape(lambda: jax.random.key(0)),
        params,
      )
      trained, base = abstract(trained, self.mesh), params
    self.base = base
    self.policy = learning.policy(trained, base)
    count: Any = jax.ShapeDtypeStruct((), jnp.int32)
    moments = jax.eval_shape(learning.optimizer.init, trained)
    state = states.TrainState(count, trained, moments, count)
    self.state = _like_parameters(state, trained, self.mesh)
    # As in `stages.rl`: the base is the reference, or what began is copied.
    self.reference = params if base is not None else _as_computed(params, self.model.config)
    self.adapter_weights = None
    if base is not None:
      self.adapter_weights = lora.count_active(trained, self.model.config)
    ask = learning.answering
    self.G, self.S, self.T = ask.group_size, ask.max_prompt_tokens, ask.max_completion_tokens
    self.P = self.settings.prompts_per_step
    self.part = self.P // (self.settings.num_minibatches * self.settings.num_microbatches)

  def work(
    self, prompts: int, answer_tokens: int, *, backward: bool = False, adapted: bool = True
  ) -> Work:
    """Returns a pass over the longest prompts, and so many tokens of their answers."""
    weights = self.adapter_weights if adapted else None
    return Work(prompts, self.G, self.S - 1, answer_tokens, backward, weights)

  def prompts(self, count: int) -> Prompts:
    """Returns prompts as long as allowed."""
    tokens = jax.ShapeDtypeStruct((count, self.S), jnp.int32)
    number = jax.ShapeDtypeStruct((count,), jnp.int32)
    return abstract(Prompts(tokens, number, number), self.mesh, 'prompts')

  def of_answers(self, dtype: Any, *sizes: int) -> Any:
    """Returns an array with one number of each answer of a part, or of each of its tokens."""
    return abstract(jax.ShapeDtypeStruct((self.part, self.G, *sizes), dtype), self.mesh, 'prompts')

  def experts(self) -> Experts | None:
    """Returns the choices that a part replays."""
    config = self.model.config
    if config.moe is None:
      return None
    layers, top_k = config.stacks['expert_layers'], config.moe.top_k
    prefix = (layers, self.part, max(self.S - 1, 1), top_k)
    suffix = (layers, self.part, self.G, self.T, top_k)
    one = (jax.ShapeDtypeStruct(shape, jnp.int16) for shape in (prefix, suffix))
    return abstract(Experts(*one), self.mesh, None, 'prompts')

  @property
  def policies(self) -> dict[str, Any]:
    """What the policy's parameters are, by kind."""
    trained = {'parameters': self.state.params}
    return trained if self.base is None else trained | {'base': self.base}

  @property
  def kept(self) -> dict[str, Any]:
    """What is on the devices at all times, by kind."""
    kept = self.policies | {'moments': self.state.optimizer}
    if self.base is None and self.learning.use_reference:
      kept['reference'] = self.reference
    return kept

  def beside(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is on the devices and no argument of a program."""
    return {kind: arrays for kind, arrays in self.kept.items() if kind not in arguments}


def _as_computed(params: Any, config: ModelConfig) -> Any:
  """Returns the shapes of a reference, which lies as the parameters do."""
  shapes = jax.eval_shape(functools.partial(as_computed, config=config), params)
  return jax.tree.map(
    lambda shape, param: jax.ShapeDtypeStruct(param.shape, shape.dtype, sharding=param.sharding),
    *(shapes, params),
  )


def _like_parameters(state: states.TrainState, trained: Any, mesh: Any) -> states.TrainState:
  """Returns the shapes of a state whose moments lie as the parameters that they are of."""
  if mesh is None:
    return state
  # A moment has the path of its parameter at its end.
  placed = {_names(path): leaf for path, leaf in jax.tree.leaves_with_path(trained)}

  def place(path: Any, leaf: Any) -> Any:
    names = _names(path)
    for first in range(len(names)):
      found = placed.get(names[first:])
      if found is not None and found.shape == leaf.shape:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=found.sharding)
    return abstract(leaf, mesh)

  return jax.tree.map_with_path(place, state)


def _names(path: Any) -> tuple[str, ...]:
  return tuple(str(getattr(key, 'key', getattr(key, 'name', key))) for key in path)


# Of an answer; how many there are makes no difference.
_STOP_TOKENS = (0, 1)


def _encoding(shapes: _Shapes, platform: str) -> Program:
  """Returns what encodes the prompts and makes room for the first segment."""
  ask = shapes.learning.answering
  key = abstract(jax.eval_shape(lambda: jax.random.key(0)), shapes.mesh)
  call = functools.partial(
    generation.start,
    shapes.model,
    shapes.policy,
    shapes.prompts(shapes.P),
    key,
    group_size=shapes.G,
    room=_rooms(shapes)[0],
    prompt_chunk_tokens=ask.prompt_chunk_tokens,
  )
  return Program(
    'encode prompts',
    functools.partial(_lower, call, platform),
    shapes.policies,
    shapes.beside(shapes.policies),
    shapes.work(shapes.P, 0),
  )


def _rooms(shapes: _Shapes) -> list[tuple[int, ...]]:
  return live.rooms(shapes.learning.answering.segment_tokens, shapes.T)


def _shrinking(shapes: _Shapes, platform: str) -> Iterator[Program]:
  """Yields what halves the batch before the last segment, if there is one and it can be halved.

  That is the largest block of its suffix, the first to be halved.
  """
  whole = np.ones((shapes.P, shapes.G), bool)
  of_samples, of_prompts = whole.copy(), whole.copy()
  of_samples[:, 1::2], of_prompts[1::2] = False, False
  halves = (of_samples, of_prompts)
  parts = (sharding.prompt_parts(shapes.mesh), sharding.sample_parts(shapes.G))
  plans = (live.compaction(live_PG, parts) for live_PG in halves)
  plan = next((plan for plan in plans if plan is not None), None)
  if plan is None or len(_rooms(shapes)) == 1:
    return
  batch = _batch(shapes, _rooms(shapes)[-2])
  largest, *others = batch.suffix.blocks
  arguments = {'block of cache': largest}
  index_P, index_PG, _ = plan
  call = functools.partial(live.take_block, largest, index_P, index_PG, parts=parts)
  yield Program(
    'shrink batch',
    functools.partial(_lower, call, platform),
    arguments,
    shapes.beside(arguments) | {'cache': (batch.prefix, others)},
    None,
  )


def _decoding(shapes: _Shapes, platform: str) -> Program:
  """Returns the last segment of decoding, for which the cache is largest."""
  ask, rooms = shapes.learning.answering, _rooms(shapes)
  batch = _batch(shapes, rooms[-1])
  before = sum(sum(room) for room in rooms[-2:-1])
  tokens = shapes.T - before
  call = functools.partial(
    generation.segment,
    shapes.model,
    shapes.policy,
    batch,
    sampler=ask.sampler,
    stop_tokens=_STOP_TOKENS,
    tokens=tokens,
  )
  arguments = shapes.policies | {'cache': (batch.prefix, batch.suffix)}
  work = dataclasses.replace(
    shapes.work(shapes.P, tokens), prompt_tokens=0, cached_tokens=shapes.S - 1 + before
  )
  return Program(
    'decode',
    functools.partial(_lower, call, platform),
    arguments,
    shapes.beside(arguments),
    work,
  )


def _batch(shapes: _Shapes, room: tuple[int, ...]) -> live.Batch:
  """Returns a batch with such a suffix, as it lies on the mesh."""
  start = functools.partial(generation.start, shapes.model, group_size=shapes.G, room=room)
  batch, _ = jax.eval_shape(
    lambda policy, prompts, key: start(policy, prompts, key),
    shapes.policy,
    shapes.prompts(shapes.P),
    jax.eval_shape(lambda: jax.random.key(0)),
  )
  return live.laid_out(batch, lambda array, *axes: abstract(array, shapes.mesh, *axes))


def _scoring(shapes: _Shapes, platform: str) -> Program:
  """Returns what scores a part under the reference."""
  part = _part(shapes)
  asked = (part.prompts, part.tokens_PGT, part.length_PG)
  call = functools.partial(
    rl_step.reference_score,
    shapes.model,
    shapes.reference,
    *asked,
    temperature=shapes.learning.answering.sampler.temperature,
    chunk_tokens=shapes.settings.chunk_tokens,
  )
  kind = 'reference' if shapes.base is None else 'base'
  arguments = {kind: shapes.reference, 'microbatch': asked}
  return Program(
    'score',
    functools.partial(_lower, call, platform),
    arguments,
    shapes.beside(arguments),
    shapes.work(shapes.part, shapes.T, adapted=False),
  )


def _update(shapes: _Shapes, platform: str) -> Iterator[Program]:
  """Yields the gradient of a microbatch and the optimiser's step, or both in one."""
  step, state, batch = shapes.learning.update, shapes.state, _part(shapes)
  part, of_part = (shapes.base, batch), shapes.policies | {'microbatch': batch}
  work = shapes.work(shapes.part, shapes.T, backward=True)
  if shapes.settings.num_microbatches == 1:
    call = functools.partial(step.whole, state, part)
    arguments = of_part | {'moments': state.optimizer}
    yield Program(
      'update',
      functools.partial(_lower, call, platform),
      arguments,
      shapes.beside(arguments),
      work,
    )
    return
  sums = {'sum of gradients': state.params}
  yield Program(
    'gradient',
    functools.partial(_lower, functools.partial(step.gradient, state.params, part), platform),
    of_part,
    shapes.beside(of_part) | sums | {'next microbatch': batch},
    work,
  )
  value, report, _ = jax.eval_shape(step.gradient, state.params, part)
  total = (*abstract((value, report), shapes.mesh), state.params)
  arguments = {'parameters': state.params, 'moments': state.optimizer} | sums
  yield Program(
    'update',
    functools.partial(_lower, functools.partial(step.update, state, total), platform),
    arguments,
    shapes.beside(arguments),
    None,
  )


def _part(shapes: _Shapes) -> Batch:
  """Returns a microbatch of the longest answers."""
  number, each = shapes.of_answers(jnp.float32), shapes.of_answers(jnp.float32, shapes.T)
  return Batch(
    prompts=shapes.prompts(shapes.part),
    tokens_PGT=shapes.of_answers(jnp.int32, shapes.T),
    length_PG=shapes.of_answers(jnp.int32),
    old_logp_PGT=each,
    ref_logp_PGT=each if shapes.learning.use_reference else None,
    advantage_PG=number,
    mask_PGT=shapes.of_answers(jnp.bool_, shapes.T),
    weight_PGT=each,
    experts=shapes.experts(),
  )


def _lower(call: functools.partial, platform: str) -> jax.stages.Lowered:
  """Lowers a call of a jitted function for a platform that need not be at hand."""
  jitted: Any = call.func
  return jitted.trace(*call.args, **call.keywords).lower(lowering_platforms=(platform,))


def bytes_per_device(tree: Any) -> int:
  """Returns what the arrays of a tree take on each device."""

  def one(array: Any) -> int:
    placed = getattr(array, 'sharding', None)
    shape = array.shape if placed is None else placed.shard_shape(array.shape)
    return jnp.dtype(array.dtype).itemsize * math.prod(shape)

  return sum(one(array) for array in jax.tree.leaves(tree))
