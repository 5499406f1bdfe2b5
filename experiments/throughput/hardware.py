"""What GRPO steps of a recipe reach of the hardware: of its bandwidth, and of its matrix rate.

  python experiments/throughput/hardware.py --config=configs/qwen.py:0.5b-gpu
  python experiments/throughput/hardware.py --config=configs/qwen.py:0.5b-gpu \
    --config.init_from=Qwen/Qwen2.5-1.5B

Takes steps of the recipe on the devices at hand, with random weights, prompts of the longest length
and answers of full length; the first compiles and is not counted. Both rates are measured in the
same process: of a sum over a large array, and of a product of square matrices. To each phase there
is a bound, the seconds that it would take at those rates:

  sample   the model's operations on the prompts at the matrix rate; then for every token the bytes
           of all weights, of the prompts' caches and of what the answers have come to, at the
           bandwidth
  score    the model's operations at the matrix rate
  update   likewise, of forward and backward pass (the model's: what is computed again counts as
           none)

Each run adds a line to `hardware.jsonl` beside this file. The machine must be idle.
"""

import dataclasses
import datetime
import functools
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags, logging
from ml_collections import config_flags

from r1jax import runner
from r1jax.aot import recipe, report
from r1jax.aot.programs import Work
from r1jax.decoding import generation
from r1jax.model import Transformer, as_computed
from r1jax.stages.rl_step import Reinforcement
from r1jax.structs import Prompts
from r1jax.training import state
from r1jax.training.allocator import keep_pages

sys.path.insert(0, str(Path(__file__).parent))

import steps

HERE = Path(__file__).parent
_REPEATS = 10


@dataclasses.dataclass(frozen=True)
class Rates:
  """What a device does in a second.

  Attributes:
    bytes: read from its memory or written to it.
    operations: of products of matrices in the dtype of computation, two for each multiplication
      with its addition.
  """

  bytes: float
  operations: float

  @classmethod
  def measured(cls, dtype: Any, *, matrix: int, mebibytes: int) -> 'Rates':
    """Measures a product of square matrices of this size, and an addition to such an array."""
    draw = functools.partial(jax.random.normal, shape=(matrix, matrix), dtype=dtype)
    left, right = (draw(jax.random.key(number)) / matrix**0.5 for number in range(2))
    product = jax.jit(lambda left, right: left @ right)
    # What is read is what was yielded before: one follows the other.
    seconds = _seconds(functools.partial(product, left), right)
    operations = 2 * matrix**3 / seconds
    array = jnp.zeros(mebibytes << 18, jnp.float32)
    add = jax.jit(lambda array: array + 1, donate_argnums=0)
    return cls(2 * array.nbytes / _seconds(add, array), operations)


def _seconds(step: Callable[[jax.Array], jax.Array], value: jax.Array) -> float:
  """Returns the seconds of a step, of which several follow each other: the median of rounds."""
  found = []
  for _ in range(_REPEATS + 1):  # The first compiles.
    start = time.perf_counter()
    for _ in range(_REPEATS):
      value = step(value)
    value.block_until_ready()
    found.append((time.perf_counter() - start) / _REPEATS)
  return float(np.median(found[1:]))


@dataclasses.dataclass(frozen=True)
class Amounts:
  """What a step has to do at least, on all devices together.

  Attributes:
    operations: of the model, by phase; of sampling, on the prompts.
    decoded_bytes: that are read to draw all tokens.
  """

  operations: Mapping[str, float]
  decoded_bytes: float

  @classmethod
  def of_step(cls, learning: Reinforcement, params: Any) -> 'Amounts':
    """Returns what a step of answers of full length has to do.

    Args:
      learning: the step.
      params: shapes of the parameters.
    """
    ask, P = learning.answering, learning.settings.prompts_per_step
    config, G = ask.model.config, ask.group_size
    S, T = ask.max_prompt_tokens, ask.max_completion_tokens
    operations = functools.partial(report.model_operations, config)
    work = functools.partial(Work, P, G, S - 1, adapter_weights=None)
    # Of the embedding a token reads a row; one that is the output head as well is read whole.
    weights = {name: leaf for name, leaf in params.items() if name != 'mtp'}
    if not config.tied:
      del weights['embedding']
    weights = jax.eval_shape(functools.partial(as_computed, config=config), weights)
    batch, _ = jax.eval_shape(
      functools.partial(generation.start, ask.model, group_size=G, room=(T,)),
      params,
      Prompts(
        jax.ShapeDtypeStruct((P, S), jnp.int32), *[jax.ShapeDtypeStruct((P,), jnp.int32)] * 2
      ),
      jax.eval_shape(lambda: jax.random.key(0)),
    )
    # Answers have come to half of their length on the average.
    caches = _bytes(batch.prefix.cache) + _bytes(batch.suffix.blocks) * (T + 1) / (2 * T)
    return cls(
      {
        'sample': operations(work(0, backward=False)),
        'score': operations(work(T, backward=False)),
        'update': operations(work(T, backward=True)),
      },
      T * (_bytes(weights) + caches),
    )

  def bounds(self, rates: Rates, devices: int) -> dict[str, float]:
    """Returns the seconds of each phase on so many devices that do no more than this."""
    seconds = {
      phase: count / (rates.operations * devices) for phase, count in self.operations.items()
    }
    seconds['sample'] += self.decoded_bytes / (rates.bytes * devices)
    return seconds


def _bytes(tree: Any) -> int:
  return sum(leaf.size * jnp.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(tree))


def measure(stage: recipe.Stage, rates: Rates, count: int) -> dict[str, Any]:
  """Takes steps, of which one is not counted; returns what they took and what bounds them.

  Raises:
    ValueError: the recipe trains adapters.
  """
  learning = stage.learning
  if learning.lora is not None:
    raise ValueError('config.rl.lora.rank is not 0: what is measured are steps that train all')
  train = state.create(random_parameters(stage), learning.optimizer)
  reference = jax.jit(functools.partial(as_computed, config=stage.config))(train.params)
  rows = []
  for step in range(count + 1):
    train, seconds = steps.take(learning, train, reference, step)
    rows.append(seconds)
    print('step', *(f'{phase} {took:.3f} s' for phase, took in zip(steps.PHASES, seconds)))
  taken = np.array(rows[1:])
  bounds = Amounts.of_step(learning, stage.params).bounds(rates, stage.mesh.size)
  ask = learning.answering
  tokens = learning.settings.prompts_per_step * ask.group_size * ask.max_completion_tokens
  return {
    'name': stage.name,
    'prompts': learning.settings.prompts_per_step,
    'group': ask.group_size,
    'prompt_tokens': ask.max_prompt_tokens,
    'completion_tokens': ask.max_completion_tokens,
    'tokens': tokens,
    'phases': {
      phase: {'seconds': list(column), 'bound': bounds[phase]}
      for phase, column in zip(steps.PHASES, taken.T)
    },
  }


def random_parameters(stage: recipe.Stage) -> Any:
  """Returns parameters as drawn before any training, of the dtypes and where those of a run lie."""

  @functools.partial(
    jax.jit, out_shardings=jax.tree.map(lambda shape: shape.sharding, stage.params)
  )
  def draw(key):
    drawn = Transformer(stage.config).init(key, jnp.zeros((1, 2), jnp.int32))['params']
    return jax.tree.map(lambda array, shape: array.astype(shape.dtype), drawn, stage.params)

  return draw(jax.random.key(0))


def lines(found: Mapping[str, Any]) -> Iterable[str]:
  """Yields rows of the table in the README: the medians of a run."""
  for phase, row in found['phases'].items():
    middle = float(np.median(row['seconds']))
    cells = (
      found['name'],
      f'{found["prompts"]} x {found["group"]}',
      f'{found["prompt_tokens"]:,} + {found["completion_tokens"]:,}',
      phase,
      f'{middle:.2f} ({min(row["seconds"]):.2f} to {max(row["seconds"]):.2f})',
      f'{found["tokens"] / middle:,.0f}',
      f'{row["bound"]:.2f}',
      f'{row["bound"] / middle:.0%}',
    )
    yield f'| {" | ".join(cells)} |'


def main(_: list[str]) -> None:
  """Measures the stages of a recipe."""
  logging.set_verbosity(logging.WARNING)
  keep_pages()
  options = flags.FLAGS
  for stage in recipe.read(options.config, jax.devices()):
    with jax.set_mesh(stage.mesh):
      rates = Rates.measured(stage.config.dtype, matrix=options.matrix, mebibytes=options.mebibytes)
      print(f'{rates.bytes / 1e9:.0f} GB/s, {rates.operations / 1e12:.2f} TFLOP/s')
      found = measure(stage, rates, options.steps)
    row = {
      'date': datetime.date.today().isoformat(),
      'devices': f'{stage.mesh.size} x {jax.devices()[0].device_kind}',
      'versions': runner.versions(),
      'rates': dataclasses.asdict(rates),
      **found,
    }
    with Path(options.output).open('a', encoding='utf-8') as file:
      file.write(json.dumps(row) + '\n')
    print('\n'.join(lines(found)))


if __name__ == '__main__':
  config_flags.DEFINE_config_file('config', None, 'File of the recipe.', lock_config=True)
  flags.DEFINE_integer('steps', 5, 'Steps that count.')
  flags.DEFINE_integer('matrix', 8192, 'Rows of the matrices whose product is measured.')
  flags.DEFINE_integer('mebibytes', 1024, 'Size of the array whose bandwidth is measured.')
  flags.DEFINE_string('output', str(HERE / 'hardware.jsonl'), 'File that gets a line.')
  flags.mark_flag_as_required('config')
  app.run(main)
