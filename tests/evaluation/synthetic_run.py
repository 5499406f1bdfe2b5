"""A run as it looks on the disk: 100 steps of an RL run that learns, with plausible noise."""

import json

import numpy as np

from r1jax.training import metrics as metrics_log
from r1jax.training import records

STEPS = 100
PHASES = {'sample': 1.9, 'reward': 0.05, 'score': 0.4, 'update': 1.3}


def skill(step):
  return 1 / (1 + np.exp(-(step - 35) / 9))


def metrics():
  noise = np.random.default_rng(0).normal
  return [step_metrics(step, noise) for step in range(1, STEPS + 1)]


def step_metrics(step, noise):
  accuracy = float(np.clip(0.06 + 0.82 * skill(step) + noise(0, 0.03), 0, 1))
  form = float(np.clip(0.35 + 0.64 * skill(step + 18) + noise(0, 0.02), 0, 1))
  return {
    'step': step,
    'reward': accuracy + form,
    'accuracy': accuracy,
    'format': form,
    'length': float(13 + 31 * skill(step - 8) + noise(0, 0.8)),
    'length_std': float(5 + 8 * skill(step - 8)),
    'kl': float(0.09 * skill(step - 6) + abs(noise(0, 0.003))),
    'entropy': float(0.42 - 0.25 * skill(step) + noise(0, 0.01)),
    'clip_fraction': 0.0,
    'mismatch': float(abs(noise(0, 4e-6))),
    'zero_variance_fraction': float(np.clip(0.42 - 0.9 * skill(step) * (1 - skill(step)), 0, 1)),
    'truncated_fraction': float(max(0, 0.04 * (1 - skill(step)) + noise(0, 0.004))),
    'tokens_per_second': float(9000 + noise(0, 200)),
    **{f'seconds/{name}': s * (1 + 0.4 * skill(step)) for name, s in PHASES.items()},
  }


def estimate(mean, reach, **more):
  return {'mean': mean, 'low': max(0.0, mean - reach), 'high': min(1.0, mean + reach), **more}


def evaluation(step):
  good = float(skill(step))
  return {
    'step': step,
    'split': 'held out',
    'num_problems': 256,
    'num_samples': 16,
    'strict': {
      'pass_at_1': estimate(0.051 + 0.79 * good, 0.027),
      'cons_at_k': estimate(0.072 + 0.85 * good, 0.031, k=16),
    },
    'lenient': {
      'pass_at_1': estimate(0.152 + 0.70 * good, 0.028),
      'cons_at_k': estimate(0.183 + 0.74 * good, 0.034, k=16),
    },
    'length': {'mean': 12.7 + 30 * float(skill(step - 8))},
    'checks_itself': 0.031 + 0.37 * good,
    'check_wrong_to_right': 0.083 + 0.21 * good,
    'check_right_to_wrong': 0.021,
    'by_depth': {
      str(depth): {
        'pass_at_1': float(0.3 / depth + (0.985 - 0.3 / depth - 0.045 * (depth - 2)) * good),
        'length': 8.0 + depth * (0.5 + 6 * good),
      }
      for depth in range(2, 9)
    },
  }


def evaluations():
  return [evaluation(step) for step in range(0, STEPS + 1, 10)]


def completions(step):
  rng = np.random.default_rng(step)
  return [completion(step, number, rng) for number in range(16)]


def completion(step, number, rng):
  a, b, c = (int(n) for n in rng.integers(2, 60, 3))
  gold = (a * b + c) % 100
  right, checks = rng.random() < skill(step), rng.random() < 0.4 * skill(step)
  answer = gold if right else (gold + 7) % 100
  check = f' Wait, let me check: {answer} - {c} = {(answer - c) % 100}. Yes.' if checks else ''
  think = f'<think>{a}*{b}={a * b % 100}, {a * b % 100}+{c}={answer}.{check}</think> '
  return {
    'id': f'chain/{step}/{number}',
    'question': f'计算 {a}*{b}+{c}=?' if number % 4 == 3 else f'{a}*{b}+{c}=?',
    'gold': str(gold),
    'completion': think + f'<answer>{answer}</answer>',
    'reward': float(right) + 1.0,
    'terms': {'accuracy': float(right), 'format': 1.0},
    'length': 12 + 20 * bool(checks),
    'truncated': False,
    'checks_itself': bool(checks),
  }


def summary():
  return {
    'base': evaluation(0),
    'trained': evaluation(STEPS),
    'steps': STEPS,
    'tokens': 2_096_128,
    'seconds': 501.0,
  }


CONFIG = {
  'config': {'rl': {'learning_rate': 3e-4, 'group_size': 16}, 'task': {'depth': [2, 8]}},
  'versions': {'python': '3.11.9', 'jax': '0.10.2', 'r1jax': '0.1.0'},
}


def write(workdir):
  """Writes the run into a folder as training leaves it."""
  log = metrics_log.MetricsLog(workdir, restored_step=0)
  for record in metrics():
    log.write(record['step'], {k: v for k, v in record.items() if k != 'step'})
  log.close()
  evaluation_log = records.StepLog(workdir / 'evaluations.jsonl', restored_step=0)
  for record in evaluations():
    evaluation_log.append(record)
  evaluation_log.close()
  completion_log = metrics_log.CompletionsLog(workdir, restored_step=0)
  for step in range(5, STEPS + 1, 5):
    completion_log.write(step, completions(step))
  (workdir / 'config.json').write_text(json.dumps(CONFIG))
  (workdir / 'summary.json').write_text(json.dumps(summary()))
