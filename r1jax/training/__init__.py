"""How a step is taken, saved and recorded."""
