"""What the backward pass keeps of a block, by name; all else it computes again."""

import jax

# The result of attention of long sequences and the log of its sums: without them the backward pass
# has to attend again.
ATTENDED = 'attended'
# The residual stream between attention and feed-forward: without it attention's output is projected
# again.
BETWEEN = 'between'
KEEP_ATTENDED = jax.checkpoint_policies.save_only_these_names(ATTENDED)

# The residual stream before a block is kept in any case.
POLICIES = {
  'full': jax.checkpoint_policies.nothing_saveable,
  'residual': jax.checkpoint_policies.save_only_these_names(BETWEEN),
  'attention': KEEP_ATTENDED,
  'dots': jax.checkpoint_policies.dots_with_no_batch_dims_saveable,
}
