"""The model in NumPy, float64, one token and one head at a time: the oracle of these tests.

It is written from the papers' formulas and shares nothing with the package but its configs and
the names of parameters. Positions and rotation are complex numbers here.
"""

import math

import jax
import numpy as np

from r1jax.model import MLA, Llama3Scaling, Yarn


def as_float64(tree):
  return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def rms_norm(x, scale, epsilon):
  return x / math.sqrt(sum(x * x) / len(x) + epsilon) * scale


def silu(x):
  return x / (1 + np.exp(-x))


def swiglu(x, p):
  return (silu(x @ p['gate']) * (x @ p['up'])) @ p['down']


def frequency(rope, dim, i):
  """Angular frequency of pair i of a vector of width dim."""
  plain = rope.theta ** (-2 * i / dim)
  scaling = rope.scaling
  if isinstance(scaling, Yarn):

    def pair_that_turns(rotations):
      """The (fractional) pair that turns so often over the original context."""
      return math.log(
        scaling.original_positions / (2 * math.pi * rotations), rope.theta ** (2 / dim)
      )

    first = max(math.floor(pair_that_turns(scaling.beta_fast)), 0)
    last = min(math.ceil(pair_that_turns(scaling.beta_slow)), dim - 1)
    stretched = min(max((i - first) / (last - first), 0), 1)
    return plain * (1 - stretched) + plain / scaling.factor * stretched
  if isinstance(scaling, Llama3Scaling):
    wavelength = 2 * math.pi / plain
    if wavelength < scaling.original_positions / scaling.high_frequency_factor:
      return plain
    if wavelength > scaling.original_positions / scaling.low_frequency_factor:
      return plain / scaling.factor
    smooth = (scaling.original_positions / wavelength - scaling.low_frequency_factor) / (
      scaling.high_frequency_factor - scaling.low_frequency_factor
    )
    return (1 - smooth) * plain / scaling.factor + smooth * plain
  return plain


def temperature(factor, weight):
  return 1 + 0.1 * weight * math.log(factor)


def rotate(x, rope, position):
  """Rotates the pairs of one vector, as complex numbers."""
  dim, out = len(x), np.zeros_like(x)
  grow = 1.0
  if isinstance(rope.scaling, Yarn):
    yarn = rope.scaling
    grow = temperature(yarn.factor, yarn.mscale) / temperature(yarn.factor, yarn.mscale_all_dim)
  for i in range(dim // 2):
    a, b = (2 * i, 2 * i + 1) if rope.interleaved else (i, i + dim // 2)
    turned = complex(x[a], x[b]) * np.exp(1j * position * frequency(rope, dim, i)) * grow
    out[a], out[b] = turned.real, turned.imag
  return out


def softmax_scale(rope, dim):
  scale = 1 / math.sqrt(dim)
  if isinstance(rope.scaling, Yarn):
    scale *= temperature(rope.scaling.factor, rope.scaling.mscale_all_dim) ** 2
  return scale


def attend(query, keys, values, scale):
  """Softmax attention of one query to lists of keys and values."""
  scores = np.array([query @ key * scale for key in keys])
  weights = np.exp(scores - scores.max())
  return sum(w * value for w, value in zip(weights / weights.sum(), values))


def gqa(x_LD, p, config):
  shape, rope = config.attention, config.rope
  L = len(x_LD)

  def project(name, heads):
    y = np.einsum('LD,DHd->LHd', x_LD, p[name])
    if shape.qkv_bias:
      y = y + p[f'{name}_bias']
    if shape.qk_norm and name != 'value':
      scale = p[f'{name}_norm']['scale']
      y = np.array([[rms_norm(v, scale, config.norm_epsilon) for v in row] for row in y])
    if name != 'value':
      y = np.array([[rotate(v, rope, t) for v in row] for t, row in enumerate(y)])
    assert y.shape[1] == heads
    return y

  query, key = project('query', shape.num_heads), project('key', shape.num_kv_heads)
  value = project('value', shape.num_kv_heads)
  out = np.zeros_like(x_LD)
  for t in range(L):
    for h in range(shape.num_heads):
      k = h // (shape.num_heads // shape.num_kv_heads)
      mixed = attend(
        query[t, h], key[: t + 1, k], value[: t + 1, k], softmax_scale(rope, shape.head_dim)
      )
      out[t] += mixed @ p['out'][h]
  return out


def mla(x_LD, p, config):
  """DeepSeek-V2 eq. 37-47, every head's key and value written out."""
  shape, rope, epsilon = config.attention, config.rope, config.attention.norm_epsilon
  C, N = shape.kv_rank, shape.nope_dim
  latents, rope_keys = [], []
  for t, x in enumerate(x_LD):
    down = x @ p['kv_down']
    latents.append(rms_norm(down[:C], p['kv_norm']['scale'], epsilon))
    rope_keys.append(rotate(down[C:], rope, t))
  out = np.zeros_like(x_LD)
  for t, x in enumerate(x_LD):
    if shape.query_rank is None:
      query_Hd = np.einsum('D,DHd->Hd', x, p['query'])
    else:
      compressed = rms_norm(x @ p['query_down'], p['query_norm']['scale'], epsilon)
      query_Hd = np.einsum('Q,QHd->Hd', compressed, p['query_up'])
    for h in range(shape.num_heads):
      query = np.concatenate([query_Hd[h, :N], rotate(query_Hd[h, N:], rope, t)])
      keys = [np.concatenate([latents[s] @ p['key_up'][:, h], rope_keys[s]]) for s in range(t + 1)]
      values = [latents[s] @ p['value_up'][:, h] for s in range(t + 1)]
      scale = softmax_scale(rope, N + shape.rope_dim)
      out[t] += attend(query, keys, values, scale) @ p['out'][h]
  return out


def scores(x, p, moe):
  logits = x @ p['router']
  if moe.scores == 'sigmoid':
    return 1 / (1 + np.exp(-logits))
  return np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()


def choose(biased, moe):
  """The chosen experts, best first (DeepSeek-V3 sec. 2.1.2)."""
  size = moe.num_experts // moe.num_groups
  groups = [range(g * size, (g + 1) * size) for g in range(moe.num_groups)]

  def merit(group):
    return sum(sorted((biased[e] for e in group), reverse=True)[: moe.group_score_size])

  kept = sorted(groups, key=merit, reverse=True)[: moe.num_groups_kept]
  candidates = [e for group in kept for e in group]
  return sorted(candidates, key=lambda e: -biased[e])[: moe.top_k]


def moe(x_LD, p, config, chosen_LQ=None):
  """Loops over tokens and their experts; returns outputs and chosen experts."""
  moe = config.moe
  out, all_chosen = np.zeros_like(x_LD), []
  for t, x in enumerate(x_LD):
    score = scores(x, p, moe)
    bias = p['selection_bias'] if moe.selection_bias else 0
    chosen = choose(score + bias, moe) if chosen_LQ is None else chosen_LQ[t]
    total = sum(score[e] for e in chosen) if moe.normalise else 1.0
    for e in chosen:
      expert = {name: p[name][e] for name in ('gate', 'up', 'down')}
      out[t] += moe.scaling * score[e] / total * swiglu(x, expert)
    if moe.num_shared:
      out[t] += swiglu(x, p['shared'])
    all_chosen.append(chosen)
  return out, np.array(all_chosen)


def block(x_LD, p, config, chosen_LQ=None):
  """One layer; returns its output and the experts chosen, None if it has none."""
  normed = normalise(x_LD, p['attention_norm'], config)
  attention = mla if isinstance(config.attention, MLA) else gqa
  x_LD = x_LD + attention(normed, p['attention'], config)
  normed = normalise(x_LD, p['mlp_norm'], config)
  if 'mlp' in p:
    return x_LD + swiglu(normed, p['mlp']), None
  out, chosen = moe(normed, p['moe'], config, chosen_LQ)
  return x_LD + out, chosen


def forward(tokens_L, params, config):
  """The whole model; returns logits, final hidden states and chosen experts of one sequence."""
  x_LD, all_chosen = params['embedding'][tokens_L], []
  for name, size in config.stacks.items():
    for layer in range(size):
      p = jax.tree.map(lambda leaf, layer=layer: leaf[layer], params[name])
      x_LD, chosen = block(x_LD, p, config)
      all_chosen += [] if chosen is None else [chosen]
  hidden_LD = normalise(x_LD, params['final_norm'], config)
  return unembed(hidden_LD, params, config), hidden_LD, all_chosen


def normalise(x_LD, norm, config):
  return np.array([rms_norm(x, norm['scale'], config.norm_epsilon) for x in x_LD])


def unembed(hidden_LD, params, config):
  return hidden_LD @ (params['embedding'].T if config.tied else params['head'])


def predict_second(tokens_L, hidden_LD, params, config):
  """Logits of the multi-token prediction module (DeepSeek-V3 eq. 21-23)."""
  p, epsilon = params['mtp'], config.norm_epsilon
  joined = [
    np.concatenate(
      [
        rms_norm(params['embedding'][tokens_L[t + 1]], p['embedding_norm']['scale'], epsilon),
        rms_norm(hidden_LD[t], p['hidden_norm']['scale'], epsilon),
      ]
    )
    for t in range(len(tokens_L) - 1)
  ]
  x_LD, _ = block(np.array(joined) @ p['projection'], p['layer'], config)
  return unembed(normalise(x_LD, p['norm'], config), params, config)
