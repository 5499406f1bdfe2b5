import jax
import jax.numpy as jnp
import numpy as np
import pytest

from r1jax.algorithms import advantages

ALL = {
  'group_normalised': lambda reward_PG: advantages.group_normalised(reward_PG, epsilon=1e-6),
  'mean_only': advantages.mean_only,
  'leave_one_out': advantages.leave_one_out,
}


def test_group_normalised_by_hand():
  # Mean 1/4; population variance 3/16; std sqrt(3)/4: 3/4 and -1/4 over it.
  reward_PG = jnp.array([[1.0, 0.0, 0.0, 0.0], [2.0, 4.0, 4.0, 6.0]])
  expected = [[3**0.5, -(3**-0.5), -(3**-0.5), -(3**-0.5)], [-(2**0.5), 0.0, 0.0, 2**0.5]]
  actual = advantages.group_normalised(reward_PG, epsilon=0.0)
  np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_epsilon_is_added_to_the_std():
  # Rewards 0 and 2: std 1, so epsilon 1 halves the advantages.
  actual = advantages.group_normalised(jnp.array([[0.0, 2.0]]), epsilon=1.0)
  np.testing.assert_allclose(actual, [[-0.5, 0.5]], atol=1e-6)


def test_mean_only_by_hand():
  actual = advantages.mean_only(jnp.array([[1.0, 0.0, 0.0, 0.0], [2.0, 4.0, 4.0, 6.0]]))
  np.testing.assert_allclose(actual, [[0.75, -0.25, -0.25, -0.25], [-2.0, 0.0, 0.0, 2.0]])


def test_leave_one_out_by_hand():
  # The baseline of 6 is (1 + 2) / 2; of 1, (2 + 6) / 2; of 2, (1 + 6) / 2.
  actual = advantages.leave_one_out(jnp.array([[1.0, 2.0, 6.0]]))
  np.testing.assert_allclose(actual, [[-3.0, -1.5, 4.5]], rtol=1e-6)


@pytest.mark.parametrize('name', ALL)
# 0.1 and 1/3 are not exact: their mean over 7 is off by a rounding error.
@pytest.mark.parametrize('reward', [0.0, 1.0, 0.1, 1 / 3, -1e4 / 3])
def test_equal_rewards_give_exactly_zero(name, reward):
  np.testing.assert_array_equal(ALL[name](jnp.full((2, 7), reward)), np.zeros((2, 7)))


def test_equal_rewards_give_zero_and_no_nan_without_epsilon():
  reward_PG = jnp.array([[0.1] * 7, [0.0] * 6 + [1.0]])
  actual = advantages.group_normalised(reward_PG, epsilon=0.0)
  np.testing.assert_array_equal(actual[0], np.zeros(7))
  assert actual[1, -1] > 0


@pytest.mark.parametrize('name', ALL)
def test_groups_are_apart_and_centred(name):
  reward_PG = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
  together = ALL[name](reward_PG)
  alone = np.concatenate([ALL[name](row[None]) for row in reward_PG])
  np.testing.assert_allclose(together, alone, rtol=1e-6)
  np.testing.assert_allclose(np.sum(together, axis=1), np.zeros(3), atol=1e-5)


@pytest.mark.parametrize('name', ALL)
def test_integer_rewards_are_not_truncated(name):
  assert ALL[name](jnp.array([[1, 0, 0]])).dtype == jnp.float32
  np.testing.assert_allclose(
    ALL[name](jnp.array([[1, 0, 0]])), ALL[name](jnp.array([[1.0, 0.0, 0.0]]))
  )


@pytest.mark.parametrize('name', ALL)
def test_a_group_of_one_is_an_error_that_says_what_to_do(name):
  with pytest.raises(ValueError, match=r'group of 1 .* at least 2 completions'):
    ALL[name](jnp.ones((3, 1)))


def test_groups_that_vary():
  reward_PG = np.array([[1.0, 1.0], [0.0, 1.0], [0.1, 0.1], [0.0, 0.0]])
  for found_P in (advantages.varies(reward_PG), jax.jit(advantages.varies)(reward_PG)):
    np.testing.assert_array_equal(found_P, [False, True, False, False])
