import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.algorithms import balance


def test_update_bias_by_hand():
  # Mean loads 4 and 2.
  load_NE = jnp.array([[8.0, 4.0, 0.0], [2.0, 1.0, 3.0]])
  bias_NE = jnp.array([[0.5, 0.5, 0.5], [0.0, 0.0, 0.0]])
  actual = balance.update_bias(bias_NE, load_NE, speed=0.1)
  np.testing.assert_allclose(actual, [[0.4, 0.5, 0.6], [0.0, 0.1, -0.1]], rtol=1e-6)


@pytest.mark.parametrize('dtype', [jnp.int32, jnp.float32])
def test_even_loads_leave_the_bias_alone(dtype):
  bias_NE = jnp.arange(12.0).reshape(2, 6)
  load_NE = jnp.array([[7] * 6, [0] * 6], dtype)
  np.testing.assert_array_equal(balance.update_bias(bias_NE, load_NE, speed=0.1), bias_NE)


def test_update_bias_evens_out_a_router():
  # Scores that favour experts 0 and 1; two of four are chosen by each of 512 tokens.
  noise = jax.random.uniform(jax.random.key(0), (512, 4))
  score = noise + jnp.array([0.6, 0.3, 0.0, 0.0])

  def load(bias_E):
    chosen = jax.lax.top_k(score + bias_E, 2)[1]
    return jnp.sum(jax.nn.one_hot(chosen, 4), axis=(0, 1))[None]

  def step(bias_NE, _):
    load_NE = load(bias_NE[0])
    return balance.update_bias(bias_NE, load_NE, speed=0.01), balance.load_violation(load_NE)[0]

  _, violation = jax.lax.scan(step, jnp.zeros((1, 4)), None, length=120)
  assert violation[0] > 0.5
  assert np.max(violation[-10:]) < 0.1


def test_load_violation_by_hand():
  load_NE = jnp.array([[8.0, 4.0, 0.0, 4.0], [3.0, 3.0, 3.0, 3.0], [6.0, 6.0, 0.0, 0.0], [0.0] * 4])
  actual = balance.load_violation(load_NE)
  np.testing.assert_allclose(actual, [1.0, 0.0, 1.0, 0.0], atol=1e-6)


def sums(score_LE, chosen_LE):
  """Load and affinity of one sequence in one layer, as the model adds them up."""
  share_LE = score_LE / jnp.sum(score_LE, axis=-1, keepdims=True)
  return jnp.sum(chosen_LE, axis=0)[None, None], jnp.sum(share_LE, axis=0)[None, None]


def printed_loss(score_LE, chosen_LE, top_k, weight):
  """arXiv:2412.19437 eq. 17-20, as loops."""
  (length, num_experts), total = score_LE.shape, 0.0
  for expert in range(num_experts):
    frequency = num_experts / (top_k * length) * np.sum(chosen_LE[:, expert])
    normalised = [score_LE[t, expert] / np.sum(score_LE[t]) for t in range(length)]
    total += frequency * np.sum(normalised) / length
  return weight * total


def test_sequence_balance_loss_is_the_printed_one():
  score_LE = np.random.default_rng(0).uniform(size=(5, 6))
  chosen_LE = np.argsort(np.argsort(-score_LE, axis=1), axis=1) < 2
  actual = 0.3 * balance.sequence_balance_loss(*sums(score_LE, chosen_LE))
  expected = printed_loss(score_LE, chosen_LE, top_k=2, weight=0.3)
  np.testing.assert_allclose(actual, [[expected]], rtol=1e-5)


def test_sequence_balance_loss_when_even_collapsed_and_empty():
  # Six experts, top-2, four tokens; the loss is 1, 6 / 2, and 0.
  load_NBE = jnp.array([[[2.0, 2, 1, 1, 1, 1], [4, 4, 0, 0, 0, 0], [0] * 6]])
  affinity_NBE = jnp.array([[[4 / 6] * 6, [2.0, 2, 0, 0, 0, 0], [0.0] * 6]])
  actual = balance.sequence_balance_loss(load_NBE, affinity_NBE)
  np.testing.assert_allclose(actual, [[1.0, 3.0, 0.0]], rtol=1e-6)


def test_sequence_balance_loss_pulls_the_score_of_busy_experts_down():
  chosen_LE = jnp.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])

  def loss(logits_LE):
    load_NBE, affinity_NBE = sums(jax.nn.sigmoid(logits_LE), chosen_LE)
    return jnp.sum(balance.sequence_balance_loss(load_NBE, affinity_NBE))

  gradient_E = jnp.sum(jax.grad(loss)(jnp.zeros((3, 3))), axis=0)
  assert gradient_E[0] > 0 > gradient_E[2]


def gradients(load_NBE, affinity_NBE):
  """Gradients of the sequence balance loss in loads and affinities."""

  def loss(load_NBE, affinity_NBE):
    return jnp.sum(balance.sequence_balance_loss(load_NBE, affinity_NBE))

  return jax.grad(loss, argnums=(0, 1))(load_NBE, affinity_NBE)


def test_gradients_flow_through_affinities_only():
  load_NBE = affinity_NBE = jnp.array([[[3.0, 1.0, 0.0]]])
  by_load, by_affinity = gradients(load_NBE, affinity_NBE)
  np.testing.assert_array_equal(by_load, np.zeros((1, 1, 3)))
  assert np.all(by_affinity != 0)


def test_gradients_are_finite_without_tokens():
  for gradient in gradients(jnp.zeros((1, 1, 4)), jnp.zeros((1, 1, 4))):
    np.testing.assert_array_equal(gradient, np.zeros((1, 1, 4)))


def test_the_balance_loss_of_a_batch_weighs_sequences_by_their_shares():
  rng = np.random.default_rng(0)
  load_NPGE = rng.integers(0, 5, (2, 3, 2, 4)).astype(np.float32)
  affinity_NPGE = rng.random((2, 3, 2, 4), np.float32)
  share_PG = rng.random((3, 2), np.float32)
  loss_NPG = np.asarray(balance.sequence_balance_loss(load_NPGE, affinity_NPGE))
  metric, total = balance.sequence_balance(load_NPGE, affinity_NPGE, share_PG)
  np.testing.assert_allclose(total, (loss_NPG * share_PG).sum(), rtol=1e-5)
  np.testing.assert_allclose(metric.result(), loss_NPG.sum(0).mean(), rtol=1e-5)
  assert loss_NPG.std() > 0.1
