"""Small models drawn over the options of their families, for property tests."""

import dataclasses

from hypothesis import strategies as st

from r1jax.model import GQA, MLA, Llama3Scaling, ModelConfig, MoE, Rope, Yarn

THETAS = st.sampled_from([100.0, 10_000.0, 1e6])
NO = st.just(False)
EPSILONS = st.sampled_from([1e-6, 1e-5, 1e-3])
YARNS = st.builds(
  Yarn,
  factor=st.sampled_from([1.5, 4.0, 40.0]),
  original_positions=st.sampled_from([8, 32]),
  beta_fast=st.sampled_from([32.0, 4.0]),
  beta_slow=st.sampled_from([1.0, 0.5]),
  attention_factor=st.none() | st.sampled_from([0.8, 1.0]),
)
LLAMA_SCALINGS = st.builds(
  Llama3Scaling,
  factor=st.sampled_from([2.0, 8.0]),
  original_positions=st.sampled_from([16, 64]),
)


@st.composite
def deepseek_yarns(draw):
  """Draws YaRN as DeepSeek has it: with both terms of mscale, or with neither."""
  mscale = draw(st.sampled_from([0.707, 1.0, None]))
  terms = {} if mscale is None else {'mscale': mscale, 'mscale_all_dim': mscale}
  return dataclasses.replace(draw(YARNS), attention_factor=None, **terms)


@st.composite
def grouped(draw, **options):
  """Draws grouped-query attention of any number of groups and heads in each."""
  num_kv_heads, ratio = draw(st.integers(1, 3)), draw(st.integers(1, 4))
  head_dim = 2 * draw(st.integers(2, 6))
  return GQA(num_kv_heads * ratio, num_kv_heads, head_dim, **options)


@st.composite
def latent(draw):
  """Draws latent attention with and without compressed queries; all widths may differ.

  Those with position beside them are even: transformers' DeepSeek-V2 wants them so.
  """
  return MLA(
    num_heads=draw(st.integers(1, 5)),
    query_rank=draw(st.none() | st.integers(6, 20)),
    kv_rank=2 * draw(st.integers(3, 10)),
    nope_dim=2 * draw(st.integers(2, 5)),
    rope_dim=2 * draw(st.integers(2, 5)),
    value_dim=draw(st.integers(4, 12)),
  )


@st.composite
def decoders(draw, attention, *, experts=None, scaling, interleaved=NO, **options):
  """Draws what all families share."""
  num_layers = draw(st.integers(1, 3))
  moe = draw(experts) if experts is not None else None
  return ModelConfig(
    vocab_size=draw(st.integers(40, 70)),
    num_layers=num_layers,
    model_dim=4 * draw(st.integers(4, 10)),
    mlp_dim=draw(st.integers(8, 48)),
    attention=draw(attention),
    rope=Rope(draw(THETAS), draw(st.none() | scaling), draw(interleaved)),
    moe=moe,
    num_dense_layers=draw(st.integers(0, num_layers - 1)) if moe else 0,
    tied=draw(st.booleans()),
    norm_epsilon=draw(EPSILONS),
    max_positions=320,
    **{name: draw(option) for name, option in options.items()},
  )


@st.composite
def v3_experts(draw):
  """Draws V3's routing: groups of experts, each scored by its two best, and a selection bias."""
  kept, left_out, size = draw(st.integers(1, 3)), draw(st.integers(0, 2)), draw(st.integers(2, 4))
  return MoE(
    (kept + left_out) * size,
    top_k=draw(st.integers(1, min(4, kept * size))),
    width=draw(st.integers(6, 16)),
    num_shared=draw(st.integers(0, 2)),
    normalise=draw(st.booleans()),
    scaling=draw(st.sampled_from([1.0, 2.5])),
    num_groups=kept + left_out,
    num_groups_kept=kept,
  )


@st.composite
def v2_experts(draw):
  """Draws V2's routing: softmax scores that are not normalised, groups scored by their best."""
  kept, left_out, size = draw(st.integers(1, 3)), draw(st.integers(0, 2)), draw(st.integers(2, 4))
  return MoE(
    (kept + left_out) * size,
    top_k=draw(st.integers(1, min(4, kept * size))),
    width=draw(st.integers(6, 16)),
    num_shared=draw(st.integers(1, 2)),
    scores='softmax',
    normalise=False,
    scaling=draw(st.sampled_from([1.0, 16.0])),
    num_groups=kept + left_out,
    num_groups_kept=kept,
    group_score_size=1,
    selection_bias=False,
  )


@st.composite
def qwen_experts(draw):
  """Draws Qwen3's routing: softmax scores, no groups, nothing shared."""
  num_experts = draw(st.integers(2, 8))
  return MoE(
    num_experts,
    top_k=draw(st.integers(1, min(4, num_experts))),
    width=draw(st.integers(6, 16)),
    scores='softmax',
    normalise=draw(st.booleans()),
    group_score_size=1,
    selection_bias=False,
  )


def _whole_heads(config):
  """Returns a model whose width its heads divide, as transformers wants of some."""
  heads = config.attention.num_heads
  return dataclasses.replace(config, model_dim=-(-config.model_dim // heads) * heads)


FAMILIES = {
  'deepseek-v3': decoders(
    latent(),
    experts=v3_experts(),
    scaling=deepseek_yarns(),
    interleaved=st.booleans(),
    num_mtp=st.integers(0, 1),
  ),
  'deepseek-v2': decoders(
    latent(), experts=v2_experts(), scaling=deepseek_yarns(), interleaved=st.just(True)
  ).map(_whole_heads),
  'qwen2': decoders(grouped(qkv_bias=True), scaling=YARNS),
  'qwen3': decoders(grouped(qk_norm=True), scaling=YARNS),
  'qwen3-moe': decoders(grouped(qk_norm=True), experts=qwen_experts(), scaling=YARNS),
  'llama': decoders(grouped(), scaling=LLAMA_SCALINGS).map(_whole_heads),
}
