"""Architecture of a model: frozen dataclasses, checked once when they are made."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Yarn:
  """YaRN context extension (arXiv:2309.00071), with DeepSeek's two mscale terms.

  Attributes:
    factor: how many times longer than `original_positions` the context becomes.
    original_positions: context length of pre-training, in tokens.
    beta_fast: rotations over the original context above which a frequency is kept.
    beta_slow: rotations below which a frequency is divided by `factor`.
    mscale: weight of ln(factor) in the temperature applied to the rotated vectors.
    mscale_all_dim: weight of ln(factor) in the temperature applied to all dimensions: it scales
      the softmax, and the rotated vectors are relieved of it. 0 where a family has none.
    attention_factor: on the rotated vectors, or None for what the two terms imply.
  """

  factor: float
  original_positions: int
  beta_fast: float = 32.0
  beta_slow: float = 1.0
  mscale: float = 1.0
  mscale_all_dim: float = 0.0
  attention_factor: float | None = None


@dataclasses.dataclass(frozen=True)
class Llama3Scaling:
  """Frequency scaling of Llama 3.1 (arXiv:2407.21783; the published config.json)."""

  factor: float
  original_positions: int
  low_frequency_factor: float = 1.0
  high_frequency_factor: float = 4.0


@dataclasses.dataclass(frozen=True)
class Rope:
  """Rotary position embedding (arXiv:2104.09864).

  Attributes:
    theta: base of the wavelengths.
    scaling: how a longer context is reached, or None.
    interleaved: True if neighbours (2i, 2i+1) are rotated together, as in DeepSeek's weights;
      False for (i, i + d/2), as in Llama's and Qwen's.
  """

  theta: float = 10_000.0
  scaling: Yarn | Llama3Scaling | None = None
  interleaved: bool = False


@dataclasses.dataclass(frozen=True)
class GQA:
  """Grouped-query attention (arXiv:2305.13245)."""

  num_heads: int
  num_kv_heads: int
  head_dim: int
  qkv_bias: bool = False
  qk_norm: bool = False

  def __post_init__(self):
    if self.num_heads % self.num_kv_heads:
      raise ValueError(
        f'num_heads {self.num_heads} must be a multiple of num_kv_heads {self.num_kv_heads}: '
        'change model.attention'
      )
    _check_even('head_dim', self.head_dim)


@dataclasses.dataclass(frozen=True)
class MLA:
  """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434 sec. 2.1).

  Attributes:
    num_heads: query heads.
    query_rank: rank of the query compression, or None for none (V2-Lite).
    kv_rank: rank of the latent that stands for keys and values.
    nope_dim: key width per head without position.
    rope_dim: key width shared by all heads that carries position.
    value_dim: value width per head.
    norm_epsilon: of the norms of the latents; DeepSeek's code has it fixed, whatever the epsilon
      of the other norms.
  """

  num_heads: int
  query_rank: int | None
  kv_rank: int
  nope_dim: int
  rope_dim: int
  value_dim: int
  norm_epsilon: float = 1e-6

  def __post_init__(self):
    _check_even('rope_dim', self.rope_dim)


@dataclasses.dataclass(frozen=True)
class MoE:
  """Mixture of experts (DeepSeekMoE, arXiv:2401.06066; DeepSeek-V3, arXiv:2412.19437 sec. 2.1.2).

  Attributes:
    num_experts: routed experts.
    top_k: routed experts a token uses.
    width: feed-forward width of one expert.
    num_shared: shared experts, merged into one of `num_shared * width`.
    scores: 'sigmoid' (V3) or 'softmax' (V2).
    normalise: divide the chosen scores by their sum.
    scaling: factor on the routed experts' sum.
    num_groups: groups of experts; a token uses experts of `num_groups_kept` of them alone.
    num_groups_kept: see `num_groups`.
    group_score_size: how many of a group's best experts score the group (V3: 2, V2: 1).
    selection_bias: True if a bias per expert takes part in choosing (not in weighing).
    dispatch: 'dense' computes every expert for every token, 'grouped' only the chosen ones.
  """

  num_experts: int
  top_k: int
  width: int
  num_shared: int = 0
  scores: str = 'sigmoid'
  normalise: bool = True
  scaling: float = 1.0
  num_groups: int = 1
  num_groups_kept: int = 1
  group_score_size: int = 2
  selection_bias: bool = True
  dispatch: str = 'grouped'

  def __post_init__(self):
    _check_choice('model.moe.scores', self.scores, ('sigmoid', 'softmax'))
    _check_choice('model.moe.dispatch', self.dispatch, ('dense', 'grouped'))
    if self.num_experts % self.num_groups:
      raise ValueError(
        f'num_experts {self.num_experts} must be a multiple of num_groups {self.num_groups}: '
        'change model.moe'
      )
    if self.num_groups_kept > self.num_groups:
      raise ValueError(
        f'num_groups_kept {self.num_groups_kept} exceeds num_groups {self.num_groups}: '
        'change model.moe'
      )
    group_size = self.num_experts // self.num_groups
    if self.num_groups > 1 and self.group_score_size > group_size:
      raise ValueError(
        f'group_score_size {self.group_score_size} exceeds the {group_size} experts of a group: '
        'change model.moe'
      )
    reachable = group_size * self.num_groups_kept
    if self.top_k > reachable:
      raise ValueError(
        f'top_k {self.top_k} exceeds the {reachable} experts of the {self.num_groups_kept} groups '
        'kept: change model.moe'
      )


@dataclasses.dataclass(frozen=True)
class ModelConfig:
  """A decoder-only transformer.

  Attributes:
    vocab_size: rows of the embedding.
    num_layers: blocks, the multi-token prediction module apart.
    model_dim: width of the residual stream.
    mlp_dim: width of the dense feed-forward layers.
    attention: `GQA` or `MLA`.
    rope: rotary position embedding.
    moe: experts of all layers after the first `num_dense_layers`, or None.
    num_dense_layers: leading layers with a dense feed-forward; all of them where `moe` is None.
    num_mtp: multi-token prediction modules: 0 or 1 (V3 uses 1).
    tied: output head shared with the embedding.
    norm_epsilon: of every RMSNorm but those of the latents, which have their own.
    init_std: standard deviation of initial weights (V3: 0.006).
    dtype: of activations and products; parameters are stored in float32.
    remat: what the backward pass keeps of a block: 'none' keeps all, 'full' only its input,
      'dots' also the results of products without batch axes, which most weight products are;
      'attention' those of attention to long sequences, 'residual' the sum behind attention.
    unroll: layers that a trip of the loop over a stack runs, but in decoding; more of them take
      longer to compile and save copies of what goes in and out of the loop.
    max_positions: context length the weights are meant for, in tokens; recorded on export.
  """

  vocab_size: int
  num_layers: int
  model_dim: int
  mlp_dim: int
  attention: GQA | MLA
  rope: Rope = Rope()
  moe: MoE | None = None
  num_dense_layers: int = 0
  num_mtp: int = 0
  tied: bool = False
  norm_epsilon: float = 1e-6
  init_std: float = 0.02
  dtype: str = 'float32'
  remat: str = 'none'
  unroll: int = 1
  max_positions: int = 4096

  def __post_init__(self):
    _check_choice('model.dtype', self.dtype, ('float32', 'bfloat16'))
    _check_choice('model.remat', self.remat, ('none', 'dots', 'attention', 'residual', 'full'))
    if self.unroll < 1:
      raise ValueError(f'unroll is {self.unroll}, must be at least 1: change model.unroll')
    if self.num_mtp not in (0, 1):
      raise ValueError(f'num_mtp is {self.num_mtp}, allowed are 0 and 1: change model.num_mtp')
    if self.moe is None and self.num_dense_layers not in (0, self.num_layers):
      raise ValueError(
        f'num_dense_layers {self.num_dense_layers} has no effect without experts: set model.moe '
        'or leave it 0'
      )
    if self.moe is not None and self.num_dense_layers == self.num_layers and not self.num_mtp:
      raise ValueError(
        f'no layer has experts, since all {self.num_layers} are dense: lower '
        'model.num_dense_layers or leave model.moe out'
      )
    if self.num_dense_layers > self.num_layers:
      raise ValueError(
        f'num_dense_layers {self.num_dense_layers} exceeds num_layers {self.num_layers}'
      )

  @property
  def stacks(self) -> dict[str, int]:
    """Number of blocks in each scanned stack, in the order they run."""
    dense = self.num_layers if self.moe is None else self.num_dense_layers
    sizes = {'dense_layers': dense, 'expert_layers': self.num_layers - dense}
    return {name: size for name, size in sizes.items() if size}


def _check_even(name: str, size: int) -> None:
  if size % 2:
    raise ValueError(
      f'{name} is {size}; it must be even, for pairs are rotated: change model.attention'
    )


def _check_choice(path: str, found: str, allowed: tuple[str, ...]) -> None:
  if found not in allowed:
    raise ValueError(f'{path} is {found!r}, allowed are {", ".join(map(repr, allowed))}')
