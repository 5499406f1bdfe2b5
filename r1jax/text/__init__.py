"""Text to tokens and back: tokenizers, prompt templates, tags."""
