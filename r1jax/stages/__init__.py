"""What happens: the stages of the paper, each from a policy to a policy."""
