"""The base model that ships: a tiny DeepSeek-V3, pre-trained on the text of the built-in world.

DeepSeek-V3 (arXiv:2412.19437), sections 2 and 4; its values stand beside fields.

  python -m r1jax.main --config=configs/base.py --workdir=runs/base
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def get_config() -> ConfigDict:
  """Returns the config."""
  config = ConfigDict()
  config.name = 'base'
  config.seed = 0
  config.stages = ('pretrain',)
  config.export_dtype = 'bfloat16'  # Of the weights, so that the model that ships is small.
  # Devices along each axis; -1 is what is left.
  config.mesh = ConfigDict({'data': -1, 'fsdp': 1, 'tensor': 1, 'expert': 1, 'context': 1})
  config.pretrain = _pretrain()
  return config


def _pretrain() -> ConfigDict:
  stage = ConfigDict()
  stage.kind = 'pretrain'
  stage.steps = 5000
  stage.model = _model()
  stage.vocabulary_documents = 20_000  # Documents that the tokenizer is trained on.
  # Share of the questions in R1-Zero's template; the rest of the mixture as the world has it.
  stage.mixture = ConfigDict({'r1_zero': 0.12})
  stage.optimizer = ConfigDict(
    {
      'kind': 'muon',  # V3: AdamW, slower to learn where to look (experiments/LOG.md).
      'peak': 5e-3,  # Learning rate. V3: 2.2e-4.
      'final': 1e-4,  # At the end of a cosine; None for a constant.
      'warmup': 50,  # Updates.
      'momentum': 0.95,  # Of what is orthogonalised.
      'rms': 0.2,  # Root mean square of an update at learning rate 1: about AdamW's.
      'b1': 0.9,  # Of Adam, for what is no matrix of a layer. V3: 0.9.
      'b2': 0.95,  # V3: 0.95.
      'epsilon': 1e-8,
      'weight_decay': 0.1,  # V3: 0.1.
      'max_norm': 1.0,  # Of the gradient. V3: 1.0.
    }
  )
  stage.settings = ConfigDict(
    {
      'rows_per_step': 16,
      'num_columns': 256,
      'num_microbatches': 1,
      'mtp_weight': 0.3,  # V3: 0.3, later 0.1.
      'balance_weight': 1e-4,  # V3: 1e-4.
      'bias_speed': 1e-3,  # V3: 0.001.
      'chunk_tokens': placeholder(int),
    }
  )
  stage.cadence = ConfigDict(
    {
      'checkpoint_every': 200,
      'evaluate_every': 0,
      'completions_every': 0,
      'max_skipped': 5,
    }
  )
  stage.evaluation = ConfigDict({'num_problems': 128, 'num_samples': 16})
  return stage


def _model() -> ConfigDict:
  return ConfigDict(
    {
      'vocab_size': 1024,  # V3: 129,280.
      'num_layers': 4,  # V3: 61.
      'num_dense_layers': 1,  # V3: 3.
      'model_dim': 128,  # V3: 7,168.
      'mlp_dim': 384,  # V3: 18,432.
      'attention': {
        'kind': 'mla',
        'num_heads': 4,  # V3: 128.
        'query_rank': placeholder(int),  # V3: 1,536.
        'kv_rank': 48,  # V3: 512.
        'nope_dim': 32,  # V3: 128.
        'rope_dim': 16,  # V3: 64.
        'value_dim': 32,  # V3: 128.
      },
      'rope': {'theta': 10_000.0, 'interleaved': True},
      'moe': {
        'num_experts': 8,  # V3: 256.
        'top_k': 2,  # V3: 8.
        'width': 128,  # V3: 2,048.
        'num_shared': 1,  # V3: 1.
      },
      'num_mtp': 1,  # V3: 1.
      'max_positions': 1024,
      'unroll': 4,  # Layers that are compiled one after the other.
    }
  )
