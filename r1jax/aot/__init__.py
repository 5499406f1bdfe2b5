"""What the programs of a recipe take of devices, before any is run: `python -m r1jax.aot`."""
