"""Operations and bytes are counted from the text of optimised programs, loops times their trips."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from r1jax.aot import hlo


def operations(function, *shapes):
  compiled = jax.jit(function).lower(*(jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes))
  return hlo.cost(compiled.compile().as_text())


def test_a_product_is_two_operations_for_each_pair():
  assert operations(jnp.matmul, (40, 50), (50, 60)).operations == 2 * 40 * 50 * 60


def test_batched_products_count_once_for_each():
  found = operations(lambda a, b: jnp.einsum('bij,bkj->bik', a, b), (3, 40, 50), (3, 60, 50))
  assert found.operations == 2 * 3 * 40 * 50 * 60


def test_loops_count_as_often_as_they_run():
  def layers(x, weights):
    def layer(x, weight):
      return jax.lax.fori_loop(0, 5, lambda _, y: jnp.tanh(y @ weight), x), None

    return jax.lax.scan(layer, x, weights)[0]

  found = operations(layers, (40, 50), (7, 50, 50))
  assert found.operations == 7 * 5 * 2 * 40 * 50 * 50


def test_of_branches_the_dearest_counts():
  def either(x, weight):
    return jax.lax.cond(x[0, 0] > 0, lambda: x @ weight @ weight, lambda: x @ weight)

  assert operations(either, (40, 50), (50, 50)).operations == 2 * 2 * 40 * 50 * 50


@pytest.mark.parametrize(
  ('first', 'below', 'step', 'trips'),
  [
    (0, lambda i: i < 9, 1, 9),
    (0, lambda i: i < 9, 2, 5),
    (3, lambda i: i < 9, 1, 6),
    (0, lambda i: i <= 9, 1, 10),
  ],
)
def test_a_loop_that_ends_when_all_is_done_counts_to_its_limit(first, below, step, trips):
  """Whatever else is compared with numbers in its condition."""

  def until(x, weight):
    def go_on(carry):
      return below(carry[1]) & (jnp.max(carry[0]) < 10) & (jnp.sum(carry[0] > 5) < 3)

    def body(carry):
      return carry[0] @ weight, carry[1] + step

    return jax.lax.while_loop(go_on, body, (x, first))

  assert operations(until, (40, 50), (50, 50)).operations == trips * 2 * 40 * 50 * 50


def test_a_small_loop_in_another_begins_where_it_is_told():
  """XLA puts small loops of a CPU into computations of their own, which are given the start."""

  def until(x, weight):
    def go_on(carry):
      return (carry[1] < 5) & (jnp.max(carry[0]) < 10)

    def body(carry):
      return carry[0] @ weight, carry[1] + 1

    return jax.lax.while_loop(go_on, body, (x, jnp.int32(1)))[0]

  def outer(x, weight):
    return jax.lax.scan(lambda x, _: (until(x, weight), None), x, None, length=6)[0]

  assert operations(until, (4, 5), (5, 5)).operations == 4 * 2 * 4 * 5 * 5
  assert operations(outer, (4, 5), (5, 5)).operations == 6 * 4 * 2 * 4 * 5 * 5


def test_the_condition_of_a_loop_runs_once_more_than_its_body():
  def until(x, weight):
    def go_on(carry):
      return (carry[1] < 4) & (jnp.sum(carry[0] @ weight) < 10)

    def body(carry):
      return carry[0] @ weight, carry[1] + 1

    return jax.lax.while_loop(go_on, body, (x, 0))

  assert operations(until, (40, 50), (50, 50)).operations == (4 + 5) * 2 * 40 * 50 * 50


def test_a_loop_without_a_limit_is_an_error():
  def until(x, weight):
    return jax.lax.while_loop(lambda x: jnp.max(x) < 10, lambda x: x @ weight, x)

  with pytest.raises(ValueError, match='does not say how often it runs'):
    operations(until, (40, 50), (50, 50))


# As the TPU's compiler writes products: of batches, in one place of a window each.
TPU = """HloModule m

%fused (param_0.1: bf16[2,511,64], param_1.1: bf16[2,64,896]) -> bf16[511,2,896] {{
  %param_0.1 = bf16[2,511,64]{{2,1,0:T(8,128)(2,1)}} parameter(0)
  %param_1.1 = bf16[2,64,896]{{2,1,0:T(8,128)(2,1)S(1)}} parameter(1)
  ROOT %product = {out}{{2,1,0:T(8,128)(2,1)}} convolution(%param_0.1, %param_1.1), {attributes}
}}

%body (p: (s32[], bf16[8])) -> (s32[], bf16[8]) {{
  %p = (s32[]{{:T(128)}}, bf16[8]{{0}}) parameter(0)
  %gather.1 = bf16[1,896,4864]{{2,1,0:T(8,128)(2,1)}} all-gather(%p), channel_id=9, dimensions={{1}}
  %gather.2 = bf16[1,896,4864]{{2,1,0:T(8,128)(2,1)}} all-gather(%p), channel_id=9, dimensions={{1}}
  %x = bf16[2,511,64]{{2,1,0}} constant({{...}})
  %y = bf16[2,64,896]{{2,1,0}} constant({{...}})
  %fusion.1 = {out}{{2,1,0}} fusion(%x, %y), kind=kOutput, calls=%fused
  %i.1 = s32[]{{:T(128)}} get-tuple-element(%p), index=0
  %a.1 = bf16[8]{{0}} get-tuple-element(%p), index=1
  %step = s32[]{{:T(128)}} constant({step})
  %both = (s32[]{{:T(128)}}, s32[]{{:T(128)}}) fusion(%step, %i.1), kind=kLoop, calls=%added
  %next = s32[]{{:T(128)}} get-tuple-element(%both), index=1
  ROOT %t = (s32[]{{:T(128)}}, bf16[8]{{0}}) tuple(%next, %a.1)
}}

%added (param_0.2: s32[], param_1.2: s32[]) -> (s32[], s32[]) {{
  %param_0.2 = s32[]{{:T(128)}} parameter(0)
  %param_1.2 = s32[]{{:T(128)}} parameter(1)
  %none = s32[]{{:T(128)}} constant(0)
  %same = s32[]{{:T(128)}} add(%none, %param_1.2)
  %more = s32[]{{:T(128)}} add(%param_0.2, %same)
  ROOT %two = (s32[]{{:T(128)}}, s32[]{{:T(128)}}) tuple(%same, %more)
}}

%condition (q: (s32[], bf16[8])) -> pred[] {{
  %q = (s32[]{{:T(128)}}, bf16[8]{{0}}) parameter(0)
  %i = s32[]{{:T(128)}} get-tuple-element(%q), index=0
  %limit = s32[]{{:T(128)}} constant(24)
  ROOT %less = pred[]{{:T(512)}} compare(%i, %limit), direction=LT
}}

ENTRY %main (a: bf16[8]) -> (s32[], bf16[8]) {{
  %a = bf16[8]{{0}} parameter(0)
  %reduce.7 = f32[10,20]{{1,0}} all-reduce(%a), channel_id=3, to_apply=%add
  ROOT %w = (s32[]{{:T(128)}}, bf16[8]{{0}}) while(%a), condition=%condition, body=%body
}}
"""


@pytest.mark.parametrize(('step', 'trips'), [(1, 24), (2, 12), (5, 5)])
def test_a_loop_that_is_unrolled_runs_as_much_less_often(step, trips):
  text = TPU.format(
    out='bf16[2,511,896]', attributes='dim_labels=0bf_0io->0bf, window={size=2}', step=step
  )
  assert hlo.cost(text).collectives['all-gather'] == trips


def test_a_batched_product_of_a_tpu():
  text = TPU.format(
    step=1,
    out='bf16[2,511,896]',
    attributes='window={size=2 stride=1 lhs_dilate=2}, dim_labels=0bf_0io->0bf',
  )
  found = hlo.cost(text)
  # Spread two apart, the window of 2 meets each of the batch's two elements once.
  assert found.operations == 24 * 2 * 2 * 511 * 64 * 896


def test_collectives_count_once_a_channel_and_as_often_as_their_loop_runs():
  text = TPU.format(
    out='bf16[2,511,896]', attributes='dim_labels=0bf_0io->0bf, window={size=2}', step=1
  )
  found = hlo.cost(text)
  assert found.collectives == {'all-gather': 24, 'all-reduce': 1}
  assert found.collective_bytes == {'all-gather': 24 * 2 * 896 * 4864, 'all-reduce': 4 * 10 * 20}


def test_of_branches_that_multiply_alike_the_one_that_sends_most_counts():
  text = """HloModule m

%quiet (a: bf16[20,20]) -> bf16[80,20] {
  %a = bf16[20,20]{1,0} parameter(0)
  ROOT %b = bf16[80,20]{1,0} pad(%a)
}

%loud (c: bf16[20,20]) -> bf16[80,20] {
  %c = bf16[20,20]{1,0} parameter(0)
  ROOT %d = bf16[80,20]{1,0} all-gather(%c), channel_id=1
}

ENTRY %main (p: pred[], x: bf16[20,20]) -> bf16[80,20] {
  %p = pred[] parameter(0)
  %x = bf16[20,20]{1,0} parameter(1)
  ROOT %y = bf16[80,20]{1,0} conditional(%p, %x, %x), branch_computations={%quiet, %loud}
}
"""
  assert hlo.cost(text).collectives == {'all-gather': 1}


@pytest.mark.parametrize(
  ('instruction', 'kind', 'size'),
  [
    ('(f32[128]{0}, f32[16]{0}) reduce-scatter-start(%x)', 'reduce-scatter', 64),
    (
      '((f32[8]{0}, f32[4]{0}), (f32[64]{0}, f32[32]{0})) all-gather-start(%x, %x)',
      'all-gather',
      384,
    ),
    (
      '(bf16[8]{0}, bf16[8]{0}, u32[]{:S(2)}) collective-permute-start(%x)',
      'collective-permute',
      16,
    ),
    ('(f32[8]{0}, f32[4]{0}) all-reduce-start(%x, %x)', 'all-reduce', 48),
    ('f32[8]{0} collective-broadcast(%x)', 'collective-broadcast', 32),
  ],
)
def test_of_what_is_started_the_result_counts(instruction, kind, size):
  text = f"""HloModule m

ENTRY %main (x: f32[8]) -> f32[8] {{
  %x = f32[8]{{0}} parameter(0)
  %y = {instruction}, channel_id=1
  ROOT %z = f32[8]{{0}} copy(%x)
}}
"""
  assert hlo.cost(text).collective_bytes == {kind: size}


def test_permutations_count_each():
  text = """HloModule m

ENTRY %main (x: f32[8]) -> f32[8] {
  %x = f32[8]{0} parameter(0)
  %y = f32[8]{0} collective-permute(%x), channel_id=1, source_target_pairs={{0,1}}
  ROOT %z = f32[8]{0} collective-permute(%y), channel_id=1, source_target_pairs={{1,0}}
}
"""
  assert hlo.cost(text).collectives == {'collective-permute': 2}


def test_products_of_a_gpu():
  text = """HloModule m

ENTRY %main (x: bf16[3,40,50], y: bf16[3,50,60]) -> bf16[3,40,60] {
  %x = bf16[3,40,50]{2,1,0} parameter(0)
  %y = bf16[3,50,60]{2,1,0} parameter(1)
  %both = (bf16[3,40,60]{2,1,0}, s8[4096]{0}) custom-call(%x, %y), custom_call_target="__cublas$gemm", backend_config={"gemm_backend_config":{"alpha_real":1,"dot_dimension_numbers":{"lhs_contracting_dimensions":["2"],"rhs_contracting_dimensions":["1"],"lhs_batch_dimensions":["0"],"rhs_batch_dimensions":["0"]}}}
  ROOT %z = bf16[3,40,60]{2,1,0} get-tuple-element(%both), index=0
}
"""  # noqa: E501
  found = hlo.cost(text)
  assert found.operations == 2 * 3 * 40 * 60 * 50 and found.opaque == {}


def test_collectives_of_a_shard_map_share_a_channel_and_count_each():
  text = """HloModule m

%all-reduce-scatter.1 (input: bf16[80,20]) -> bf16[20,20] {
  %input = bf16[80,20]{1,0} parameter(0)
  %sum = bf16[80,20]{1,0} all-reduce(%input), channel_id=2, to_apply=%add
  ROOT %slice = bf16[20,20]{1,0} dynamic-slice(%sum), dynamic_slice_sizes={20,20}
}

ENTRY %main (a: bf16[20,20]) -> bf16[20,20] {
  %a = bf16[20,20]{1,0} parameter(0)
  %b = bf16[80,20]{1,0} all-gather(%a), channel_id=1, metadata={op_name="f/shard_map/gather"}
  %c = bf16[80,20]{1,0} all-gather(%b), channel_id=1, metadata={op_name="f/shard_map/gather"}
  ROOT %d = bf16[20,20]{1,0} fusion(%c), kind=kCustom, calls=%all-reduce-scatter.1
}
"""
  found = hlo.cost(text)
  assert found.collectives == {'all-gather': 2, 'reduce-scatter': 1}
  assert found.collective_bytes == {'all-gather': 2 * 2 * 80 * 20, 'reduce-scatter': 2 * 20 * 20}


def test_ragged_products_of_a_tpu():
  text = """HloModule m

ENTRY %main (a: bf16[8]) -> bf16[120,14] {
  %a = bf16[8]{0} parameter(0)
  %plan = (s32[5]{0}, s32[1]{0}) custom-call(%a), custom_call_target="tpu_custom_call", \
operand_layout_constraints={s32[4]{0}}, metadata={op_name="ragged-dot-metadata"}
  ROOT %dot = bf16[120,14]{1,0} custom-call(%a, %a), custom_call_target="tpu_custom_call", \
operand_layout_constraints={s32[5]{0}, bf16[120,20]{1,0}, bf16[4,20,14]{2,1,0}}, \
frontend_attributes={x="y"}, metadata={op_name="jit(f)/ragged_dot_general/ragged-dot-none"}
}
"""
  found = hlo.cost(text)
  assert found.operations == 2 * 120 * 20 * 14 and not found.opaque


@pytest.mark.parametrize(
  'name', ['jit(f)/transpose(jvp(jit(tgmm)))/pallas_call', 'jit(f)/jit(gmm)']
)
@pytest.mark.parametrize(('scope', 'rows'), [('', 120), ('/expected_rows_30/while/body', 30)])
def test_kernels_of_jax_count_as_the_products_of_the_rows_that_are_expected(name, scope, rows):
  """The gradient by the matrices: rows `[M, K]` and `[M, N]` become `[E, K, N]`."""
  text = """HloModule m

ENTRY %main (a: bf16[8]) -> bf16[4,20,14] {
  %a = bf16[8]{0} parameter(0)
  ROOT %own = bf16[4,20,14]{2,1,0} custom-call(%a, %a), custom_call_target="tpu_custom_call", \
operand_layout_constraints={s32[], s32[5]{0}, bf16[120,20]{1,0}, bf16[120,14]{1,0}}, \
metadata={op_name="NAME"}
}
""".replace('NAME', name.replace('jit(f)', f'jit(f){scope}'))
  found = hlo.cost(text)
  assert found.operations == 2 * rows * 20 * 14 and not found.opaque


def test_loops_of_the_dispatch_count_as_often_as_they_are_expected_to_run():
  def until(x, weight):
    with jax.named_scope('expected_trips_1'):
      return jax.lax.fori_loop(0, jnp.sum(x > 0), lambda _, y: jnp.tanh(y @ weight), x)

  assert operations(until, (40, 50), (50, 50)).operations == 2 * 40 * 50 * 50


def test_calls_that_are_not_known_are_told():
  text = """HloModule m

ENTRY %main (a: bf16[8]) -> bf16[120,14] {
  %a = bf16[8]{0} parameter(0)
  ROOT %own = bf16[120,14]{1,0} custom-call(%a), custom_call_target="tpu_custom_call"
}
"""
  assert hlo.cost(text).opaque == {'tpu_custom_call': 1}


@given(
  *(st.integers(1, 9) for _ in range(3)), st.integers(-3, 5), *(st.integers(1, 3) for _ in range(3))
)
def test_hits_of_a_window_are_those_of_a_convolution(
  size_in, size_out, window, low, stride, dilated, spread
):
  """Ones convolved with ones count the elements that each place of a window falls on."""
  spread_ones = np.zeros((size_in - 1) * dilated + 1)
  spread_ones[::dilated] = 1
  places = np.arange(size_out)[:, None] * stride + np.arange(window) * spread - low
  inside = (places >= 0) & (places < len(spread_ones))
  expected = spread_ones[np.where(inside, places, 0)][inside].sum()
  found = hlo._hits(
    size_in=size_in, size_out=size_out, window=window, low=low,
    stride=stride, dilated=dilated, spread=spread,
  )  # fmt: skip
  assert found == expected


SPLASH = """
ENTRY %main (a: bf16[2,7,4096,64]) -> bf16[2,7,4096,64] {
  %a = bf16[2,7,4096,64]{3,2,1,0} parameter(0)
  ROOT %splash_mqa_KIND_segmented.1 = (f32[2,512,64]{2,1,0:T(8,128)}, bf16[2,7,4096,64]{3,2,1,0}) \
custom-call(%a, %a, %a, /*index=5*/%a), custom_call_target="tpu_custom_call", \
operand_layout_constraints={s8[1,8,9]{2,1,0}, bf16[2,7,4096,64]{3,2,1,0}, \
bf16[2,4608,64]{2,1,0}, bf16[2,4608,32]{2,1,0}, s32[4096,128]{1,0}}, \
frontend_attributes={kernel_metadata={}}
}
"""


@pytest.mark.parametrize(
  ('kind', 'widths'),
  [('fwd', 64 + 32), ('dkv', 64 + 32 + 64 + 64 + 32)],
)
def test_kernels_of_attention_count_the_pairs_that_they_see(kind, widths):
  """512 keys before, of which every query sees all, and of 4,096 those up to its own."""
  found = hlo.cost(SPLASH.replace('\\\n', '').replace('KIND', kind))
  pairs = sum(512 + own + 1 for own in range(4096))
  assert found.operations == 2 * 2 * 7 * pairs * widths
  assert not found.opaque
