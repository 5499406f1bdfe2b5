import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from asking import model_of, prompts_of
from equations import dot_operations, shapes
from families import VOCABULARY, subject

from r1jax.decoding.prefill import encode_prompts
from r1jax.decoding.scoring import score, token_logp
from r1jax.structs import Experts

FAMILIES = ['gqa', 'v3']
P, G, T = 2, 3, 7
PROMPT_ONLY = VOCABULARY - 1
PROMPTS = prompts_of([4, 2])
PROMPTS.tokens_PS[0, 1] = PROMPT_ONLY
RNG = np.random.default_rng(4)
TOKENS_PGT = RNG.integers(PROMPT_ONLY, size=(P, G, T)).astype(np.int32)
LENGTH_PG = np.array([[7, 3, 5], [1, 6, 4]], np.int32)
MASK_PGT = np.arange(T) < LENGTH_PG[..., None]
WEIGHT_PGT = RNG.normal(size=(P, G, T)).astype(np.float32)


@functools.cache
def scorer(name):
  """Weighted sum of log-probabilities with its gradient, and the scores."""

  def run(params, prompts, tokens_PGT, temperature, chunk_tokens, experts):
    scores = score(
      model_of(name),
      params,
      prompts,
      tokens_PGT,
      LENGTH_PG,
      temperature=temperature,
      experts=experts,
      chunk_tokens=chunk_tokens,
    )
    return jnp.sum(scores.logp_PGT * WEIGHT_PGT), scores

  return run


@functools.cache
def compiled(name):
  return jax.jit(jax.value_and_grad(scorer(name), has_aux=True), static_argnums=(3, 4))


def scores_of(
  name, prompts=PROMPTS, tokens_PGT=TOKENS_PGT, *, temperature=1.0, chunk=None, experts=None
):
  """Scores and the gradient of their weighted sum."""
  run = compiled(name)
  (_, scores), gradient = run(
    subject(name).params, prompts, tokens_PGT, temperature, chunk, experts
  )
  return scores, gradient


def assert_close(found, expected, tolerance):
  """Every leaf, relative to its largest value."""
  for path, leaf in jax.tree_util.tree_leaves_with_path(expected):
    other = functools.reduce(lambda tree, key: tree[key.key], path, found)
    scale = max(np.abs(leaf).max(), 1e-3)
    np.testing.assert_allclose(
      other, leaf, atol=tolerance * scale, err_msg=jax.tree_util.keystr(path)
    )


@functools.cache
def naive(name):
  """Log-probabilities, entropies and the gradient from P * G copies of the prompts, as text."""
  model = model_of(name)

  def group(params, prompt, length, tokens_GT):
    """Reads prompt and completion of each sample as one plain sequence."""
    prompt_GS = np.tile(prompt[:length], (G, 1))
    logits_GLV = model.apply(
      {'params': params}, np.concatenate([prompt_GS, tokens_GT], axis=1)
    ).logits_BLV
    logp_GTV = jax.nn.log_softmax(logits_GLV[:, length - 1 : -1])
    entropy_GT = -jnp.sum(jnp.exp(logp_GTV) * logp_GTV, axis=-1)
    return jnp.take_along_axis(logp_GTV, tokens_GT[..., None], axis=-1)[..., 0], entropy_GT

  def run(params):
    rows = zip(PROMPTS.tokens_PS, PROMPTS.length_P, TOKENS_PGT)
    groups = [group(params, *row) for row in rows]
    logp_PGT, entropy_PGT = (jnp.stack(arrays) * MASK_PGT for arrays in zip(*groups))
    return jnp.sum(logp_PGT * WEIGHT_PGT), (logp_PGT, entropy_PGT)

  program = jax.jit(jax.value_and_grad(run, has_aux=True))
  (_, found), gradient = program(subject(name).params)
  return found, gradient


@pytest.mark.parametrize('name', FAMILIES)
def test_shared_prefix_equals_copies_of_the_prompt(name):
  """In values and in gradients, which reach the prompt through the prefix."""
  scores, gradient = scores_of(name)
  (logp_PGT, entropy_PGT), expected = naive(name)
  np.testing.assert_allclose(scores.logp_PGT, logp_PGT, atol=2e-5)
  np.testing.assert_allclose(scores.entropy_PGT, entropy_PGT, atol=2e-5)
  assert_close(gradient, expected, 2e-5)


def test_the_gradient_reaches_the_prompt():
  """A token that no answer holds has a gradient: the comparison above can fail."""
  _, gradient = scores_of('v3')
  assert np.abs(gradient['embedding'][PROMPT_ONLY]).max() > 1e-4


def test_chunked_scores_equal_unchunked():
  """Through the whole model, with a last chunk that is not full."""
  whole, gradient = scores_of('v3')
  scores, chunked = scores_of('v3', chunk=9)
  np.testing.assert_allclose(scores.logp_PGT, whole.logp_PGT, atol=1e-6)
  np.testing.assert_allclose(scores.entropy_PGT, whole.entropy_PGT, atol=1e-6)
  assert_close(chunked, gradient, 1e-5)


@pytest.mark.parametrize('name', FAMILIES)
def test_padding_changes_nothing(name):
  """Neither what stands after a prompt nor what stands after an answer, bit for bit."""
  behind_PS = np.arange(4) >= PROMPTS.length_P[:, None]
  other_PS = np.where(behind_PS, (PROMPTS.tokens_PS + 3) % VOCABULARY, PROMPTS.tokens_PS)
  other_PGT = np.where(MASK_PGT, TOKENS_PGT, (TOKENS_PGT + 5) % VOCABULARY)
  assert behind_PS.any() and not MASK_PGT.all()
  expected, gradient = scores_of(name)
  prompts = dataclasses.replace(PROMPTS, tokens_PS=other_PS)
  found, other_gradient = scores_of(name, prompts, other_PGT)
  np.testing.assert_array_equal(found.logp_PGT, expected.logp_PGT)
  np.testing.assert_array_equal(found.entropy_PGT, expected.entropy_PGT)
  assert_close(other_gradient, gradient, 1e-6)
  if name == 'v3':
    for routing in ('prefix_routing', 'suffix_routing'):
      for array in ('load_PGE', 'affinity_PGE'):
        pair = [getattr(getattr(scores, routing), array) for scores in (found, expected)]
        np.testing.assert_array_equal(*pair)


def test_nothing_is_scored_after_the_end():
  scores, _ = scores_of('v3')
  for array in (scores.logp_PGT, scores.entropy_PGT):
    assert not np.asarray(array)[~MASK_PGT].any()
    assert np.all(np.asarray(array)[MASK_PGT] != 0)


HIDDEN_PGTD = RNG.normal(size=(P, G, T, 4)).astype(np.float32)
MATRIX_DV = RNG.normal(size=(4, VOCABULARY)).astype(np.float32)


def of_hidden(hidden_PGTD, matrix_DV, *, temperature=0.5, chunk=None):
  """`token_logp` through a plain linear head."""
  return token_logp(
    lambda hidden: hidden @ matrix_DV,
    hidden_PGTD,
    TOKENS_PGT,
    temperature=temperature,
    chunk_tokens=chunk,
  )


@pytest.mark.parametrize('chunk', [None, 1, 5, 8, 14, 41, 42, 99])
def test_token_logp_against_float64(chunk):
  scaled_PGTV = HIDDEN_PGTD.astype(np.float64) @ MATRIX_DV.astype(np.float64) / 0.5
  logp_PGTV = scaled_PGTV - np.log(np.exp(scaled_PGTV).sum(axis=-1, keepdims=True))
  logp_PGT, entropy_PGT = of_hidden(HIDDEN_PGTD, MATRIX_DV, chunk=chunk)
  expected = np.take_along_axis(logp_PGTV, TOKENS_PGT[..., None], axis=-1)[..., 0]
  np.testing.assert_allclose(logp_PGT, expected, rtol=1e-5, atol=1e-5)
  expected = -(np.exp(logp_PGTV) * logp_PGTV).sum(axis=-1)
  np.testing.assert_allclose(entropy_PGT, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('chunk', [1, 8, 41])
def test_chunks_do_not_change_the_gradient(chunk):
  def total(hidden, matrix, chunk):
    return jnp.sum(of_hidden(hidden, matrix, chunk=chunk)[0] * WEIGHT_PGT)

  gradient = jax.grad(total, argnums=(0, 1))
  pairs = zip(gradient(HIDDEN_PGTD, MATRIX_DV, chunk), gradient(HIDDEN_PGTD, MATRIX_DV, None))
  for found, expected in pairs:
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize('chunk', [None, 3])
def test_entropy_has_no_gradient(chunk):
  gradient = jax.grad(lambda hidden: jnp.sum(of_hidden(hidden, MATRIX_DV, chunk=chunk)[1]))
  assert not np.any(gradient(HIDDEN_PGTD))


def own_experts(name):
  """The router's own choice, as a rollout carries it."""
  scores, _ = scores_of(name)
  prefix = scores.prefix_routing.chosen_PGTQ[:, :, 0].astype(jnp.int16)
  return Experts(prefix, scores.suffix_routing.chosen_PGTQ.astype(jnp.int16))


def test_replay_of_the_own_choice_changes_nothing():
  expected, gradient = scores_of('v3')
  found, replayed = scores_of('v3', experts=own_experts('v3'))
  np.testing.assert_allclose(found.logp_PGT, expected.logp_PGT, atol=1e-6)
  assert_close(replayed, gradient, 1e-5)
  assert not np.any(found.suffix_routing.flips_PG)


def test_other_experts_change_the_scores_of_what_follows_them():
  experts = own_experts('v3')
  expected, _ = scores_of('v3', experts=experts)
  rotated = lambda chosen: (chosen + 1) % 8  # noqa: E731
  suffix = experts.suffix_NPGTQ.at[:, 0, 0, 3].set(rotated(experts.suffix_NPGTQ[:, 0, 0, 3]))
  found, _ = scores_of('v3', experts=Experts(experts.prefix_NPSQ, suffix))
  changed_PGT = np.abs(found.logp_PGT - expected.logp_PGT) > 1e-5
  assert changed_PGT[0, 0, 3] and not changed_PGT[0, 0, :3].any()
  assert not changed_PGT[0, 1:].any() and not changed_PGT[1].any()
  assert np.asarray(found.suffix_routing.flips_PG)[:, 0, 0].all()
  prefix = experts.prefix_NPSQ.at[:, 0].set(rotated(experts.prefix_NPSQ[:, 0]))
  found, _ = scores_of('v3', experts=Experts(prefix, experts.suffix_NPGTQ))
  changed_PG = (np.abs(found.logp_PGT - expected.logp_PGT) > 1e-5).any(axis=-1)
  np.testing.assert_array_equal(changed_PG, [[True] * G, [False] * G])


def has_all_logits(chunk):
  """Whether the scores and their gradient make logits of all completion tokens at one time."""
  run = jax.value_and_grad(
    lambda params: scorer('gqa')(params, PROMPTS, TOKENS_PGT, 1.0, chunk, None)[0]
  )
  program = jax.make_jaxpr(run)(subject('gqa').params).jaxpr
  size = P * G * T * VOCABULARY
  return any(VOCABULARY in shape and np.prod(shape) >= size for shape in shapes(program))


def test_chunks_spare_the_logits_of_all_tokens():
  assert has_all_logits(None)
  assert not has_all_logits(3)


@pytest.mark.parametrize(('chunk', 'rows'), [(None, P * G * T), (9, 8), (1, P)])
def test_a_chunk_is_of_the_whole_batch(chunk, rows):
  """However many answers there are, no more logits exist than it says, or one of each prompt."""

  def total(hidden, matrix):
    return jnp.sum(of_hidden(hidden, matrix, chunk=chunk)[0])

  program = jax.make_jaxpr(jax.grad(total, argnums=(0, 1)))(HIDDEN_PGTD, MATRIX_DV).jaxpr
  of_tokens = [np.prod(s[:-1]) for s in shapes(program) if s[-1:] == (VOCABULARY,) and len(s) > 2]
  assert max(of_tokens) == rows


def test_prompt_work_does_not_grow_with_the_group():
  """Operations are a + b G; a is the encoding of each prompt, once, and in training its gradient.

  Latent attention also expands the prefix's latents once for the group, so that a is more.
  """
  model, params = model_of('v2'), subject('v2').params

  def operations(group_size, differentiate):
    tokens_PGT = np.zeros((P, group_size, T), np.int32)
    length_PG = np.full((P, group_size), T)

    def run(params):
      scores = score(model, params, PROMPTS, tokens_PGT, length_PG, temperature=1.0)
      return jnp.sum(scores.logp_PGT)

    run = jax.grad(run) if differentiate else run
    return dot_operations(jax.make_jaxpr(run)(params).jaxpr)

  encode = jax.make_jaxpr(functools.partial(encode_prompts, model))
  once = dot_operations(encode(params, PROMPTS).jaxpr)
  for differentiate, passes in ((False, 1), (True, 2)):
    two, four = (operations(size, differentiate) for size in (2, 4))
    assert 2 * two - four >= passes * once > 0
