import matplotlib
import numpy as np
import pytest
import synthetic_run
from matplotlib.colors import to_hex

from r1jax.evaluation import charts, plots
from r1jax.training import records

METRICS, EVALUATIONS = synthetic_run.metrics(), synthetic_run.evaluations()


def texts(fig):
  """Returns all texts of a figure: its own, its labels' and its axes'."""
  found = [text.get_text() for text in fig.texts]
  for ax in fig.axes:
    found += [text.get_text() for text in ax.texts]
    found += [ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc='left')]
  return found


def curves(ax, color):
  return [line.get_ydata() for line in ax.lines if to_hex(line.get_color()) == color]


def has_curve(ax, color, values):
  return any(len(c) == len(values) and np.allclose(c, values) for c in curves(ax, color))


def field(evaluations, how, what, which):
  return [evaluation[how][what][which] for evaluation in evaluations]


def test_accuracy_shows_estimates_intervals_and_training():
  fig = plots.accuracy(METRICS, EVALUATIONS)
  (ax,) = fig.axes
  assert ax.get_xlabel() == 'step' and ax.get_ylabel() == 'share of right answers'
  assert has_curve(ax, charts.BLUE, field(EVALUATIONS, 'strict', 'pass_at_1', 'mean'))
  assert has_curve(ax, charts.ORANGE, field(EVALUATIONS, 'strict', 'cons_at_k', 'mean'))
  assert has_curve(ax, charts.PURPLE, field(EVALUATIONS, 'lenient', 'pass_at_1', 'mean'))
  assert has_curve(ax, charts.GREEN, [record['accuracy'] for record in METRICS])
  assert all(line.get_xdata()[0] == 0 for line in ax.lines if len(line.get_xdata()) == 11)
  trained = EVALUATIONS[-1]
  shown = texts(fig)
  assert f'pass@1 {100 * trained["strict"]["pass_at_1"]["mean"]:.1f}%' in shown
  assert f'cons@16 {100 * trained["strict"]["cons_at_k"]["mean"]:.1f}%' in shown
  assert f'pass@1 lenient {100 * trained["lenient"]["pass_at_1"]["mean"]:.1f}%' in shown


@pytest.mark.parametrize('split', ['test', 'validation'])
def test_every_title_and_note_has_room(split):
  evaluations = [evaluation | {'split': split} for evaluation in EVALUATIONS]
  for name, fig in plots.figures(METRICS, evaluations).items():
    charts.png(fig)  # Draws it, so that texts have their places.
    for text in fig.texts:
      assert text.get_window_extent().x1 <= fig.bbox.x1, f'{name}: {text.get_text()}'


def test_bands_are_the_95_percent_intervals():
  ax = plots.accuracy([], EVALUATIONS).axes[0]
  bands = {to_hex(band.get_facecolor()[0]): band for band in ax.collections}
  for color, what in ((charts.BLUE, 'pass_at_1'), (charts.ORANGE, 'cons_at_k')):
    corners = bands[color].get_paths()[0].vertices
    low, high = (field(EVALUATIONS, 'strict', what, bound) for bound in ('low', 'high'))
    assert corners[:, 1].min() == pytest.approx(min(low))
    assert corners[:, 1].max() == pytest.approx(max(high))
    assert set(np.round(corners[:, 1], 9)) == set(np.round(low + high, 9))


def test_accuracy_without_evaluations_is_that_of_training():
  fig = plots.accuracy(METRICS, [])
  assert curves(fig.axes[0], charts.BLUE) == []
  assert any(text.startswith('training') for text in texts(fig))


def test_response_length_shows_training_held_out_and_the_spread():
  fig = plots.response_length(METRICS, EVALUATIONS)
  (ax,) = fig.axes
  assert ax.get_ylabel() == 'tokens'
  assert has_curve(ax, charts.BLUE, [record['length'] for record in METRICS])
  assert has_curve(ax, charts.ORANGE, [e['length']['mean'] for e in EVALUATIONS])
  assert f'held out {EVALUATIONS[-1]["length"]["mean"]:.1f}' in texts(fig)
  top = ax.collections[0].get_paths()[0].vertices[:, 1].max()
  assert top > max(record['length'] for record in METRICS)
  assert any('±1 std' in text for text in texts(fig))


def test_the_spread_is_left_out_where_it_is_not_known():
  metrics = [{'step': 1, 'length': 5.0}, {'step': 2, 'length': 6.0}]
  fig = plots.response_length(metrics, [])
  assert not fig.axes[0].collections
  assert not any('±1 std' in text for text in texts(fig))


def test_response_length_by_style_has_a_line_a_style():
  metrics = [
    {'step': s, 'length': 5.0 * s, 'length/blurt': 3.0, 'length/chain': 9.0} for s in (1, 2)
  ]
  assert {'blurt 3.0', 'chain 9.0', 'training 10.0'} <= set(
    texts(plots.response_length(metrics, []))
  )


def test_rewards_show_every_term():
  metrics = [
    {'step': s, 'reward': 1.5, 'accuracy': 0.5, 'format': 1.0, 'reward/language': 0.25}
    for s in (1, 2)
  ]
  fig = plots.rewards(metrics)
  assert {'reward 1.50', 'accuracy 0.50', 'format 1.00', 'language 0.25'} <= set(texts(fig))


def test_more_series_than_colours_are_all_drawn():
  metrics = [{'step': s, 'reward': 1.0, **{f'reward/t{i}': i for i in range(9)}} for s in (1, 2)]
  assert {f't{i} {i}.00' for i in range(9)} <= set(texts(plots.rewards(metrics)))
  metrics = [{'step': s, **{f'seconds/p{i}': i for i in range(9)}} for s in (1, 2)]
  assert {f'p{i} {i}.00 s' for i in range(9)} <= set(texts(plots.seconds(metrics)))


def test_self_checking_shows_the_share_and_what_checks_do():
  fig = plots.self_checking(EVALUATIONS)
  ax = fig.axes[0]
  assert has_curve(ax, charts.BLUE, [e['checks_itself'] for e in EVALUATIONS])
  assert has_curve(ax, charts.GREEN, [e['check_wrong_to_right'] for e in EVALUATIONS])
  assert has_curve(ax, charts.ORANGE, [e['check_right_to_wrong'] for e in EVALUATIONS])


def test_samples_that_teach_little():
  ax = plots.without_signal(METRICS).axes[0]
  assert has_curve(ax, charts.ORANGE, [record['zero_variance_fraction'] for record in METRICS])
  assert has_curve(ax, charts.PURPLE, [record['truncated_fraction'] for record in METRICS])


def test_health_has_a_panel_a_sign_with_its_unit():
  fig = plots.health(METRICS)
  panels = {ax.get_title(loc='left'): ax for ax in fig.axes}
  assert has_curve(panels['KL to the reference, nats'], charts.BLUE, [r['kl'] for r in METRICS])
  assert has_curve(
    panels['entropy of a token, nats'], charts.PURPLE, [r['entropy'] for r in METRICS]
  )
  mismatch = panels['largest sampling mismatch, nats']
  assert has_curve(mismatch, charts.GREEN, [r['mismatch'] for r in METRICS])
  assert 'clipped tokens' in panels


def test_a_long_name_of_a_reward_term_leaves_room_for_the_curves():
  key = 'reward/my_project.rewards.language_consistency_of_english_and_chinese'
  fig = plots.rewards([{'step': step, 'reward': 1.0, key: 0.5} for step in (1, 2, 3)])
  assert '…_of_english_and_chinese 0.50' in texts(fig)
  assert fig.axes[0].get_position().width > 0.35


def test_depths_that_are_words_are_drawn_after_numbers():
  told = {name: {'pass_at_1': 0.5, 'length': 3.0} for name in ('hard', '10', '2')}
  accuracy, _ = plots.by_depth({'by_depth': told}, {'by_depth': told}).axes
  assert [label.get_text() for label in accuracy.get_xticklabels()] == ['2', '10', 'hard']


def test_seconds_are_stacked_to_the_whole_step():
  metrics = [
    {'step': 1, 'seconds/sample': 2.0, 'seconds/update': 1.0},
    {'step': 2, 'seconds/sample': 2.0, 'seconds/update': 1.0, 'seconds/evaluate': 5.0},
  ]
  fig = plots.seconds(metrics)
  tops = [layer.get_paths()[0].vertices[:, 1].max() for layer in fig.axes[0].collections]
  assert tops == [2.0, 3.0, 8.0]
  assert {'sample 2.00 s', 'update 1.00 s', 'evaluate 2.50 s'} <= set(texts(fig))
  assert fig.axes[0].get_ylabel() == 'seconds'


def test_bars_show_both_models_at_every_depth():
  base = {
    'by_depth': {'10': {'pass_at_1': 0.1, 'length': 4.0}, '2': {'pass_at_1': 0.3, 'length': 3.0}}
  }
  trained = {
    'by_depth': {'2': {'pass_at_1': 0.9, 'length': 9.0}, '10': {'pass_at_1': 0.6, 'length': 40.0}}
  }
  accuracy, length = plots.by_depth(base, trained).axes
  bars = lambda ax: [bar.get_height() for bar in ax.patches]  # noqa: E731
  assert [label.get_text() for label in accuracy.get_xticklabels()] == ['2', '10']
  assert bars(accuracy) == [0.3, 0.1, 0.9, 0.6]
  assert bars(length) == [3.0, 4.0, 9.0, 40.0]
  assert accuracy.get_xlabel() == 'depth' and length.get_title(loc='left') == 'tokens'


def test_a_depth_that_one_model_lacks_leaves_a_gap():
  base = {'by_depth': {'2': {'pass_at_1': None, 'length': 3.0}}}
  trained = {
    'by_depth': {'2': {'pass_at_1': 0.9, 'length': 9.0}, '3': {'pass_at_1': 0.8, 'length': 12.0}}
  }
  accuracy, length = plots.by_depth(base, trained).axes
  assert [(round(b.get_x() + b.get_width() / 2, 6), b.get_height()) for b in accuracy.patches] == [
    (0.2, 0.9), (1.2, 0.8)
  ]  # fmt: skip
  assert [bar.get_height() for bar in length.patches] == [3.0, 9.0, 12.0]


def test_splits_have_figures_of_their_own():
  deep = [{**evaluation, 'split': 'deep/er'} for evaluation in EVALUATIONS]
  found = plots.figures(METRICS, EVALUATIONS + deep)
  assert {'accuracy', 'accuracy_deep_er', 'by_depth', 'by_depth_deep_er', 'health'} <= set(found)
  assert len(curves(found['accuracy'].axes[0], charts.BLUE)) == 1


def test_only_what_the_data_supports_is_drawn():
  assert plots.figures([], []) == {}
  found = plots.figures([{'step': 1, 'reward': 1.0}], [])
  assert set(found) == {'accuracy', 'response_length', 'rewards', 'without_signal', 'health'}
  minimal = {key: EVALUATIONS[0][key] for key in ('step', 'split', 'strict', 'lenient', 'length')}
  assert set(plots.figures([], [minimal])) == {'accuracy', 'response_length'}


def test_save_all_writes_pictures_of_what_the_run_left(tmp_path):
  synthetic_run.write(tmp_path)
  paths = plots.save_all(tmp_path)
  assert set(paths) == {
    'accuracy', 'response_length', 'self_checking', 'by_depth', 'rewards', 'without_signal',
    'health', 'seconds',
  }  # fmt: skip
  for name, path in paths.items():
    assert path == tmp_path / 'plots' / f'{name}.png'
    assert path.read_bytes().startswith(b'\x89PNG')


def test_save_all_draws_a_killed_run(tmp_path):
  (tmp_path / 'metrics.jsonl').write_bytes(
    records.encode({'step': 1, 'reward': 0.5, 'kl': float('nan')}) + b'{"step": 2, "rew'
  )
  assert 'rewards' in plots.save_all(tmp_path)


def test_drawing_changes_no_setting_of_matplotlib():
  before = dict(matplotlib.rcParams)
  for name, fig in plots.figures(METRICS, EVALUATIONS).items():
    charts.svg(fig, name)
  assert dict(matplotlib.rcParams) == before
