"""Compiles the programs of a step, and says what each takes."""

import dataclasses
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
from jax.sharding import Mesh
from rich import box
from rich.table import Table

from r1jax import sharding
from r1jax.aot import hlo, programs
from r1jax.model import MLA, ModelConfig
from r1jax.model.sizes import count_parameters

GIB, MIB = 1 << 30, 1 << 20

# What takes less memory, by program.
HELP = {
  'encode prompts': 'fewer rl.settings.prompts_per_step, rl.sampling.prompt_chunk_tokens, or '
  'shorter rl.task.max_prompt_tokens',
  'shrink batch': 'fewer rl.settings.prompts_per_step, or rl.sampling.group_size',
  'decode': 'fewer rl.settings.prompts_per_step, or shorter rl.sampling.max_completion_tokens',
  'score': 'more rl.settings.num_microbatches, or fewer rl.settings.chunk_tokens',
  'gradient': "more rl.settings.num_microbatches, model.remat 'full', fewer "
  'rl.settings.chunk_tokens, more devices along mesh.context, or rl.lora',
  'update': 'more devices along mesh.fsdp, or rl.lora',
}


@dataclasses.dataclass(frozen=True)
class Compiled:
  """What a program takes of a device.

  Attributes:
    name: of the program.
    memory: bytes by kind: arrays that are there, other inputs, outputs, and temporaries when they
      take most. Empty if the program does not fit.
    cost: operations and collectives; None if it does not fit.
    model_operations: of the model for the same work, on a device's share; None where the program is
      no pass of the model.
    seconds: that compilation took.
    fault: why it does not fit, in the compiler's words; or ''.
    beside_bytes: of what is on a device and none of its own: the compiler does not know of it.
  """

  name: str
  memory: Mapping[str, int]
  cost: hlo.Cost | None
  model_operations: float | None
  seconds: float
  fault: str = ''
  beside_bytes: int = 0

  @property
  def total_bytes(self) -> int:
    """All that is on a device while it runs."""
    return sum(self.memory.values())

  @property
  def ratio(self) -> float | None:
    """Its operations over the model's."""
    if self.cost is None or not self.model_operations:
      return None
    return self.cost.operations / self.model_operations

  def to_dict(self) -> dict[str, Any]:
    """Returns everything as JSON takes it."""
    return dataclasses.asdict(self) | {'total_bytes': self.total_bytes, 'ratio': self.ratio}


def compile_all(
  found: Iterator[programs.Program], config: ModelConfig, mesh: Mesh
) -> Iterator[Compiled]:
  """Compiles programs one after the other, and yields what each takes."""
  with jax.set_mesh(mesh):  # Of one device too: it says for what platform programs are.
    for program in found:
      yield _compile(program, config, mesh.size)


def _compile(program: programs.Program, config: ModelConfig, num_devices: int) -> Compiled:
  start = time.perf_counter()
  operations = None
  if program.work is not None:
    operations = model_operations(config, program.work) / num_devices
  beside = {kind: programs.bytes_per_device(tree) for kind, tree in program.beside.items()}
  more = sum(beside.values())
  try:
    compiled = program.lower().compile()
  except jax.errors.JaxRuntimeError as error:
    if 'RESOURCE_EXHAUSTED' not in str(error):
      raise
    seconds = time.perf_counter() - start
    return Compiled(program.name, {}, None, operations, seconds, _shortage(str(error)), more)
  seconds = time.perf_counter() - start
  given = {kind: programs.bytes_per_device(tree) for kind, tree in program.arguments.items()}
  stats = compiled.memory_analysis()
  inputs = max(stats.argument_size_in_bytes - sum(given.values()), 0)
  memory = given | beside | {'inputs': inputs} | yielded(stats, sharding.platform())
  cost = hlo.cost(compiled.as_text())
  return Compiled(program.name, memory, cost, operations, seconds, beside_bytes=more)


def yielded(stats: Any, platform: str) -> dict[str, int]:
  """Returns the bytes of a program beside its arguments, of what `memory_analysis` gives."""
  outputs = stats.output_size_in_bytes - stats.alias_size_in_bytes
  temporaries = stats.temp_size_in_bytes
  if platform == 'tpu':
    # When most is there. Their sum is more than that: some lie where arguments were given up. Only
    # TPUs count temporaries in their peak.
    temporaries = max(stats.peak_memory_in_bytes - stats.argument_size_in_bytes - outputs, 0)
  return {'outputs': outputs, 'temporaries': temporaries}


def _shortage(error: str) -> str:
  """Returns what the compiler says of the memory that is lacking."""
  found = re.search(r'Used [^.]*\.\d+\w+ of [^.]*\.\d+\w+ \w+\.[^.]*\.\d+\w+', error)
  if found:
    return found[0]
  return error.splitlines()[0].removeprefix('RESOURCE_EXHAUSTED: ').rstrip('.')


def model_operations(config: ModelConfig, work: programs.Work) -> float:
  """Returns the operations that a model needs for some work, on all devices together.

  Two for each weight that a token is multiplied with (the head with answers' tokens alone), and for
  each pair of a token and one that it sees, two for each number of key and value. The backward pass
  takes twice the forward pass: the gradient of what is multiplied with a weight, and that of the
  weight, which a base that stays as it is does not need.
  """
  counts = count_parameters(config)
  head = config.vocab_size * config.model_dim
  answers = work.prompts * work.group_size * work.answer_tokens
  tokens = work.prompts * work.prompt_tokens + answers
  products = 2 * ((counts.active - head) * tokens + head * answers)
  seen = work.prompt_tokens + work.cached_tokens + (work.answer_tokens + 1) / 2
  pairs = work.prompts * work.prompt_tokens * (work.prompt_tokens + 1) / 2 + answers * seen
  attention = config.attention
  if isinstance(attention, MLA):
    width = attention.nope_dim + attention.rope_dim + attention.value_dim
  else:
    width = 2 * attention.head_dim
  scores = 2 * pairs * attention.num_heads * width * config.num_layers
  passes = 3 if work.backward else 1
  if work.adapter_weights is None:
    return passes * (products + scores)
  of_base = 2 if work.backward else 1
  return of_base * products + passes * (scores + 2 * work.adapter_weights * tokens)


def table(found: list[Compiled], *, memory_bytes: int | None, title: str) -> Table:
  """Returns a table with a column for each program; what does not fit has no numbers.

  All are of one device. Bytes between devices are those that collectives yield, and seconds are the
  compiler's.

  Args:
    found: what was compiled.
    memory_bytes: of a device; None if it is not known.
    title: of the table.
  """
  unit, name = (GIB, 'GiB') if max(one.total_bytes for one in found) >= GIB else (MIB, 'MiB')
  made = Table(title=title, title_justify='left', box=box.SIMPLE_HEAD)
  made.add_column(no_wrap=True)
  for one in found:
    made.add_column(one.name, justify='right')
  limit = f' of {memory_bytes / unit:.2f}' if memory_bytes else ''
  made.add_row(
    f'{name}{limit}', *(f'{one.total_bytes / unit:.2f}' if one.cost else '-' for one in found)
  )
  _add_kinds(made, [one.memory for one in found], unit)
  costs = [one.cost for one in found]
  made.add_row('operations', *(f'{cost.operations:.2e}' if cost else '' for cost in costs))
  ratios = [one.ratio for one in found]
  made.add_row("  over model's", *('' if r is None else f'{r:.2f}' for r in ratios))
  moved = [cost.collective_bytes if cost else {} for cost in costs]
  made.add_row(f'{name} gathered', *(f'{sum(kinds.values()) / unit:.2f}' for kinds in moved))
  _add_kinds(made, moved, unit)
  made.add_row('seconds', *(f'{one.seconds:.0f}' for one in found))
  return made


def _add_kinds(made: Table, columns: Sequence[Mapping[str, float]], unit: int) -> None:
  """Adds a row for each kind that is worth one."""
  kinds = dict.fromkeys(kind for column in columns for kind in column)
  for kind in kinds:
    sizes = [column.get(kind, 0) / unit for column in columns]
    if max(sizes) >= 0.005:
      made.add_row(f'  {kind}', *(f'{size:.2f}' if size >= 0.005 else '' for size in sizes))


def notes(found: list[Compiled], *, memory_bytes: int | None) -> list[str]:
  """Returns what a table does not say: whether all fit, or what would help; what is not counted."""
  lines, fit = [], memory_bytes is not None
  for one in found:
    over = one.total_bytes - memory_bytes if memory_bytes else 0
    if one.fault or over > 0:
      fit, why = False, one.fault or f'{over / GIB:.2f} GiB too many'
      if one.beside_bytes:
        why += f'; {one.beside_bytes / GIB:.2f} GiB of the run lie beside it'
      # Of a single microbatch, the update has the gradient in it.
      program = 'gradient' if one.name == 'update' and one.model_operations else one.name
      lines.append(f'{one.name} does not fit: {why}. Try {HELP[program]}.')
    if one.cost is not None and one.cost.opaque:
      names = ', '.join(f'{name} ({count})' for name, count in one.cost.opaque.items())
      lines.append(f'{one.name}: operations of these calls are not counted: {names}.')
  if fit and found:
    most = max(found, key=lambda one: one.total_bytes)
    lines.append(f'All fit: at most {most.total_bytes / GIB:.2f} GiB, in {most.name}.')
  return lines
