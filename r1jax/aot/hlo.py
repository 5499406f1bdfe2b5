"""What an optimised program does: operations of its products, and bytes between its devices.

Read from its text, computation by computation, and multiplied by how often loops run it: XLA's own
cost analysis counts the body of a loop once, and a model's layers are one loop.

A program is one device's share of the work, so all numbers are of a device.
"""

import collections
import dataclasses
import functools
import math
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

COLLECTIVES = (
  'all-gather',
  'all-reduce',
  'reduce-scatter',
  'all-to-all',
  'ragged-all-to-all',
  'collective-permute',
  'collective-broadcast',
)
_BYTES = {'pred': 1, 's4': 0.5, 'u4': 0.5, 'bf16': 2}

_HEAD = re.compile(r'^(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$')
_INSTRUCTION = re.compile(r'^\s+(?:ROOT )?%?([\w.\-]+) = (.*)$')
_SHAPE = re.compile(r'\b(pred|bf16|[a-z]\d+\w*)\[([\d,]*)\]')
_OPCODE = re.compile(r'(?:^|[\s)])([a-z][\w\-]*)\(')
_WHOLE = re.compile(r'[su]\d+\[\]')
_CALLED = re.compile(r'(?:calls|to_apply)=%?([\w.\-]+)')
_LOOP = re.compile(r'\b(condition|body)=%?([\w.\-]+)')
_BRANCHES = re.compile(r'branch_computations=\{([^}]*)\}|(?:true|false)_computation=%?([\w.\-]+)')


@dataclasses.dataclass(frozen=True)
class Cost:
  """What a device does in a program.

  Attributes:
    operations: of products; a multiplication and an addition are two.
    collective_bytes: that each kind of collective yields on a device.
    collectives: how many of each kind are run.
    opaque: how often calls are run whose operations are not known, by their target.
  """

  operations: float
  collective_bytes: Mapping[str, float]
  collectives: Mapping[str, int]
  opaque: Mapping[str, int]


def cost(text: str) -> Cost:
  """Returns what a program does.

  Args:
    text: as `Compiled.as_text` of JAX gives it.

  Raises:
    ValueError: a loop does not say how often it runs.
  """
  program = _Program(text)
  program.run(program.entry, 1)
  return Cost(program.operations, dict(program.bytes), dict(program.counts), dict(program.opaque))


@dataclasses.dataclass(frozen=True)
class _Instruction:
  name: str
  shape: str
  opcode: str
  rest: str
  line: str

  @functools.cached_property
  def operands(self) -> list[str]:
    """Names of what it takes, in order."""
    depth = 1
    for end, letter in enumerate(self.rest):
      depth += (letter in '({[') - (letter in ')}]')
      if depth == 0:
        return re.findall(r'%([\w.\-]+)', self.rest[:end])
    return []


# Of a product, as XLA writes it, and as it does for cuBLAS.
_CONTRACTED = re.compile(r'lhs_contracting_dim(?:s=\{|ensions":\[)([\d,"]*)')


class _Place(NamedTuple):
  """Where a value is: the computation, its name there, and what the parameters of that are."""

  computation: str
  name: str
  given: Mapping[int, '_Place'] = MappingProxyType({})


def _number(one: _Instruction) -> int:
  """Returns which element a get-tuple-element takes."""
  return int(re.findall(r'index=(\d+)', one.rest)[0])


def _constant(one: _Instruction) -> int | None:
  """Returns a whole number, if it is one."""
  if one.opcode == 'constant' and _WHOLE.match(one.shape):
    return int(re.findall(r'-?\d+', one.rest)[0])
  return None


# Calls of the TPU's runtime that compute nothing.
_IDLE = re.compile(
  r'AllocateBuffer|Async|Assume|Concat|Bitcast|Gather|Sharding|Sort|TopK|Pad|Slice|Barrier|Rng|Crop'
)


# Kernels that multiply rows with the matrices of their groups: XLA's, and those of JAX's megablox.
_RAGGED = re.compile(r'op_name="[^"]*(?:ragged[-_]dot|jit\(t?gmm\))')
# Kernels of splash attention, forward and of the derivative.
_SPLASH = re.compile(r'splash_mqa_(fwd|dkv)')
# Products in them, as multiples of the widths of key and value: scores and mix; scores again, those
# of the gradient, and its mix with keys, with queries and with the gradient.
_SPLASH_PRODUCTS = {'fwd': (1, 1), 'dkv': (3, 2)}
# What `model.dispatch` says of work that depends on data.
_EXPECTED = re.compile(r'\bexpected_(rows|trips)_(\d+)')


class _Program:
  """A program as computations of instructions; sums up what it runs."""

  def __init__(self, text: str):
    self.operations = 0.0
    self.bytes: dict[str, float] = collections.defaultdict(float)
    self.counts: dict[str, int] = collections.Counter()
    self.opaque: dict[str, int] = collections.Counter()
    self.computations: dict[str, dict[str, _Instruction]] = {}
    self.entry = ''
    current: dict[str, _Instruction] = {}
    for line in text.splitlines():
      if head := _HEAD.match(line):
        current = self.computations.setdefault(head[2], {})
        self.entry = head[2] if head[1] else self.entry
      elif found := _INSTRUCTION.match(line):
        opcode = _OPCODE.search(_without_layouts(found[2]))
        if opcode is not None:
          body = _without_layouts(found[2])
          current[found[1]] = _Instruction(
            found[1], body[: opcode.start(1)], opcode[1], body[opcode.end() :], line
          )

  def run(
    self, name: str, times: int, given: Mapping[int, '_Place'] = MappingProxyType({})
  ) -> None:
    """Adds what a computation does, so many times.

    Args:
      name: of the computation.
      times: that it runs.
      given: where its parameters stand, by number, if that is one place.
    """
    seen: set[str] = set()
    for computation, one in self._within(name):
      self._collect(one, computation, times, seen)
    for one in self.computations[name].values():
      self._run_instruction(one, _Place(name, one.name, given), times)

  def _run_instruction(self, one: _Instruction, place: '_Place', times: int) -> None:
    computation = place.computation
    if one.opcode in ('dot', 'convolution'):
      self.operations += times * self._product(one, computation)
    elif one.opcode == 'while':
      loop, trips = dict(_LOOP.findall(one.rest)), self._trips(one, place)
      self.run(loop['body'], times * trips)
      self.run(loop['condition'], times * (trips + 1))
    elif one.opcode in ('fusion', 'call', 'async-start', 'map', 'custom-call'):
      self._run_called(one, place, times)
      target = re.search(r'custom_call_target="([^"]*)"', one.line)
      if target and target[1].startswith('__cublas$'):  # Of a GPU.
        self.operations += times * self._product(one, computation)
      elif target and _RAGGED.search(one.line):
        self.operations += times * _ragged_product(one)
      elif target and (kernel := _SPLASH.search(one.name)):
        self.operations += times * _splash(one, kernel[1])
      elif target and not _IDLE.search(target[1]):
        self.opaque[target[1]] += times
    elif one.opcode == 'conditional':
      found = [
        name
        for pair in _BRANCHES.findall(one.rest)
        for part in pair
        if part
        for name in re.findall(r'[\w.\-]+', part)
      ]
      self._run_dearest(found, times)

  def _run_called(self, one: _Instruction, place: '_Place', times: int) -> None:
    passed = {
      number: _Place(place.computation, operand, place.given)
      for number, operand in enumerate(one.operands)
    }
    for name in _CALLED.findall(one.rest):
      for inner in self.computations[name].values():
        self._run_instruction(inner, _Place(name, inner.name, passed), times)

  def _run_dearest(self, names: list[str], times: int) -> None:
    """Adds the branch with most operations, or bytes; which is taken depends on data."""
    costs = []
    for name in names:
      trial = object.__new__(_Program)
      trial.__dict__ = self.__dict__ | {
        'operations': 0.0,
        'bytes': collections.defaultdict(float),
        'counts': collections.Counter(),
        'opaque': collections.Counter(),
      }
      trial.run(name, times)
      costs.append(trial)
    if costs:
      dearest = max(costs, key=lambda trial: (trial.operations, sum(trial.bytes.values())))
      self.operations += dearest.operations
      for kind in ('bytes', 'counts', 'opaque'):
        for key, value in getattr(dearest, kind).items():
          getattr(self, kind)[key] += value

  def _within(self, name: str) -> Iterator[tuple[str, _Instruction]]:
    """Yields the instructions of a computation and of its fusions, and which they are of."""
    for one in self.computations[name].values():
      yield name, one
      if one.opcode in ('fusion', 'call', 'async-start', 'custom-call'):
        for called in _CALLED.findall(one.rest):
          yield from self._within(called)

  def _collect(self, one: _Instruction, computation: str, times: int, seen: set[str]) -> None:
    """Adds a collective; its parts, which a TPU overlaps with other work, share a channel.

    Those of `shard_map`, and permutations, may all have the same channel, and are what they are.
    """
    kind, shape = one.opcode.removesuffix('-start'), one.shape
    if kind not in COLLECTIVES:
      return
    channel = re.search(r'channel_id=(\d+)', one.rest)
    shared = channel is not None and '/shard_map/' not in one.line and 'permute' not in kind
    key = f'{kind}/{channel[1] if channel and shared else one.name}'
    if key in seen:
      return
    seen.add(key)
    if kind == 'all-reduce' and computation.startswith('all-reduce-scatter'):
      # How a TPU writes a reduce-scatter: as a sum of which it keeps a slice.
      kind, shape = 'reduce-scatter', list(self.computations[computation].values())[-1].shape
    if one.opcode.endswith('-start') and kind != 'all-reduce':
      shape = _elements(shape)[1]  # What is started yields its operands first, and then its result.
    self.counts[kind] += times
    self.bytes[kind] += times * sum(_size(dtype, dims) for dtype, dims in _SHAPE.findall(shape))

  def _trips(self, one: _Instruction, place: '_Place') -> int:
    known = re.search(r'known_trip_count[\\":{ n]+(\d+)', one.line)
    if known:
      return int(known[1])
    named = dict(_LOOP.findall(one.rest))
    root = list(self.computations[named['body']].values())[-1]
    found = []
    for limit, index in self._limits(named['condition'], {}) if root.opcode == 'tuple' else ():
      step = self._added(_Place(named['body'], root.operands[index]), index)
      if step:
        trips = -(-(limit - self._start(one, place, index)) // step)
        found.append(max(trips, 0))
    found = found or _expected('trips', one)
    if not found:
      raise ValueError(f'the loop {one.name!r} does not say how often it runs: {one.line[:300]}')
    return min(found)

  def _start(self, one: _Instruction, place: '_Place', index: int) -> int:
    """Returns with what an element of a loop's tuple begins; 0 if that is not told."""
    first, found = self._resolved(_Place(place.computation, one.operands[0], place.given))
    if first.opcode != 'tuple':
      return 0
    return _constant(self._resolved(found._replace(name=first.operands[index]))[0]) or 0

  def _limits(self, name: str, given: Mapping[int, '_Place']) -> Iterator[tuple[int, int]]:
    """Yields the whole numbers below which a condition wants what it is given, and which of that.

    Args:
      name: of its computation.
      given: what is passed to that, by number of the parameter.
    """
    for one in self.computations[name].values():
      operands = [_Place(name, operand, given) for operand in one.operands]
      direction = re.search(r'direction=L([TE])', one.rest)
      if one.opcode == 'compare' and direction:
        left, (right, _) = map(self._resolved, operands)
        limit, index = _constant(right), self._element(*left)
        if limit is not None and index is not None:
          yield limit + (direction[1] == 'E'), index
      for called in _CALLED.findall(one.rest) if one.opcode in ('fusion', 'call') else ():
        yield from self._limits(called, dict(enumerate(operands)))

  def _added(self, place: '_Place', index: int) -> int | None:
    """Returns what is added to an element of a loop's tuple; None if it is not that, and more."""
    one, found = self._resolved(place)
    if self._element(one, found) == index:
      return 0
    if one.opcode != 'add':
      return None
    terms = [_Place(found.computation, operand, found.given) for operand in one.operands]
    for term, other in (terms, terms[::-1]):
      added, more = self._added(term, index), _constant(self._resolved(other)[0])
      if added is not None and more is not None:
        return added + more
    return None

  def _element(self, one: _Instruction, place: '_Place') -> int | None:
    """Returns the number of an element of what a computation is given, if it is one."""
    if one.opcode != 'get-tuple-element':
      return None
    source = self.computations[place.computation][one.operands[0]]
    return _number(one) if source.opcode == 'parameter' else None

  def _resolved(self, place: '_Place') -> tuple[_Instruction, '_Place']:
    """Returns what computes a value, within fusions and behind copies, and where it is."""
    computation, name, given = place
    one = self.computations[computation][name]
    if one.opcode == 'parameter' and given:
      return self._resolved(given[int(re.findall(r'\d+', one.rest)[0])])
    if one.opcode in ('copy', 'bitcast', 'convert'):
      return self._resolved(_Place(computation, one.operands[0], given))
    is_element = one.opcode == 'get-tuple-element'
    caller = self.computations[computation][one.operands[0]] if is_element else one
    if caller.opcode not in ('fusion', 'call'):
      return one, place
    called = _CALLED.findall(caller.rest)[0]
    passed = enumerate(_Place(computation, operand, given) for operand in caller.operands)
    root = list(self.computations[called].values())[-1]
    if is_element and root.opcode != 'tuple':
      return one, place
    result = root.operands[_number(one)] if is_element else root.name
    return self._resolved(_Place(called, result, dict(passed)))

  def _product(self, one: _Instruction, computation: str) -> float:
    shapes = [self._dims(name, computation) for name in one.operands[:2]]
    out = [int(size) for size in _SHAPE.findall(one.shape)[0][1].split(',') if size]
    if one.opcode == 'convolution':
      return _convolution(one.rest, shapes[0], shapes[1], out)
    contracted = _CONTRACTED.search(one.line)
    axes = re.findall(r'\d+', contracted[1]) if contracted else []
    return 2.0 * math.prod(out) * math.prod(shapes[0][int(axis)] for axis in axes)

  def _dims(self, name: str, computation: str) -> list[int]:
    shape = self.computations[computation][name].shape
    return [int(size) for size in _SHAPE.findall(shape)[0][1].split(',') if size]


def _ragged_product(one: _Instruction) -> float:
  """Returns the operations of a kernel that multiplies rows with the matrices of their groups.

  Its operands that are no whole numbers are rows `[M, K]` and matrices `[E, K, N]`, or, for the
  gradient of these, rows `[M, K]` and `[M, N]`. It goes through rows of groups alone: where there
  is room for more, those count that are expected.
  """
  out = _SHAPE.findall(one.shape)[0]
  operands = re.search(r'operand_layout_constraints=\{([^}]*)\}', one.rest)
  found = _SHAPE.findall(operands[1]) if operands else []
  rows = [dims for dtype, dims in found if dtype[0] not in 'sup']
  if out[0][0] in 'sup' or not rows:
    return 0.0  # What only plans the product.
  num_rows, width = (int(size) for size in rows[0].split(','))
  num_rows = min([num_rows, *_expected('rows', one)])
  return 2.0 * num_rows * width * int(out[1].split(',')[-1])


def _splash(one: _Instruction, kernel: str) -> float:
  """Returns the operations of a kernel of splash attention as `model.splash` calls it.

  Its operands that are no whole numbers begin with queries `[.., T, d]`, keys `[.., S, d]` and
  values `[.., S, e]`; a query sees all keys but those of the T last that come after it. Tiles on
  the diagonal are computed whole, which is left out.
  """
  operands = re.search(r'operand_layout_constraints=\{(.*?)\}, \w+=', one.rest)
  found = _SHAPE.findall(operands[1]) if operands else []
  arrays = [dims.split(',') for dtype, dims in found if dtype[0] not in 'sup']
  (*heads, queries, key_width), (*_, keys, _), (*_, value_width) = (
    [int(size) for size in dims] for dims in arrays[:3]
  )
  pairs = math.prod(heads) * queries * (keys - (queries - 1) / 2)
  of_key, of_value = _SPLASH_PRODUCTS[kernel]
  return 2.0 * pairs * (of_key * key_width + of_value * value_width)


def _expected(kind: str, one: _Instruction) -> list[int]:
  """Returns the rows or trips that `model.dispatch` names as what is to be expected, if it does."""
  return [int(number) for found, number in _EXPECTED.findall(one.line) if found == kind]


def _without_layouts(text: str) -> str:
  """Returns an instruction without the layouts of its shapes, in which brackets stand too."""
  return re.sub(r'(\])\{[^{}]*\}', r'\1', text)


def _elements(shape: str) -> list[str]:
  """Returns the elements of a tuple's shape, which may be tuples themselves."""
  found, depth, inner = [''], 0, shape.strip()[1:-1]
  for letter in inner:
    depth += (letter in '([{') - (letter in ')]}')
    if letter == ',' and not depth:
      found.append('')
    else:
      found[-1] += letter
  return found


def _size(dtype: str, dims: str) -> float:
  bits = re.search(r'\d+', dtype)
  width = _BYTES.get(dtype) or (int(bits[0]) / 8 if bits else 1)
  return width * math.prod(int(size) for size in dims.split(',') if size)


def _convolution(rest: str, left: list[int], right: list[int], out: list[int]) -> float:
  """Returns the operations of a convolution, which is what a TPU calls every product.

  Axes of a batch may be spatial ones, most of whose window lies in the padding: only what falls on
  an element counts.
  """
  labels = re.search(r'dim_labels=([\w?]+)_([\w?]+)->([\w?]+)', rest)
  if labels is None:
    raise ValueError(f'a convolution does not name its axes: {rest[:200]}')
  ins, kernel, outs = labels.groups()
  window = re.search(r'window=\{([^}]*)\}', rest)
  fields = dict(part.split('=') for part in window[1].split()) if window else {}
  spatial = sorted(label for label in outs if label.isdigit())

  def numbers(name: str, default: int) -> list[int]:
    return [int(n) for n in fields[name].split('x')] if name in fields else [default] * len(spatial)

  pads = fields['pad'].split('x') if 'pad' in fields else ['0_0'] * len(spatial)
  stride, dilated, spread = numbers('stride', 1), numbers('lhs_dilate', 1), numbers('rhs_dilate', 1)
  total = 2.0 * out[outs.index('b')] * out[outs.index('f')] * right[kernel.index('i')]
  for axis, label in enumerate(spatial):
    low = int(pads[axis].split('_')[0])
    total *= _hits(
      size_in=left[ins.index(label)],
      size_out=out[outs.index(label)],
      window=right[kernel.index(label)],
      low=low,
      stride=stride[axis],
      dilated=dilated[axis],
      spread=spread[axis],
    )
  return total


@functools.cache
def _hits(
  *, size_in: int, size_out: int, window: int, low: int, stride: int, dilated: int, spread: int
) -> int:
  """Returns how often a window that moves along an axis falls on an element."""
  last = (size_in - 1) * dilated
  return sum(
    0 <= place <= last and place % dilated == 0
    for start in range(size_out)
    for tap in range(window)
    for place in [start * stride + tap * spread - low]
  )
