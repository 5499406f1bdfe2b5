import numpy as np
import pytest

from r1jax.evaluation import charts


def test_points_leave_out_what_is_absent_or_no_number():
  records = [
    {'step': 1, 'kl': 0.5},
    {'step': 2},
    {'step': 3, 'kl': None},
    {'step': 4, 'kl': float('nan')},
    {'step': 5, 'kl': 0.25},
  ]
  steps, values = charts.points(records, 'kl')
  assert steps.tolist() == [1, 5] and values.tolist() == [0.5, 0.25]
  assert not charts.points(records, 'entropy')


def test_points_look_inside_and_prefer_the_whole_name():
  record = {
    'step': 1,
    'strict': {'pass_at_1': {'mean': 0.5}},
    'seconds/sample': 2,
    'seconds': {'sample': 3},
  }
  assert charts.points([record], 'strict/pass_at_1/mean').values.tolist() == [0.5]
  assert charts.points([record], 'seconds/sample').values.tolist() == [2]
  assert not charts.points([{'step': 1, 'strict': None}], 'strict/pass_at_1')


def test_smooth_is_the_mean_of_a_window_around_each_step():
  values = np.arange(80.0) ** 2
  smoothed = charts.smooth(charts.Points(np.arange(80.0), values)).values
  assert smoothed[40] == pytest.approx(values[38:43].mean())
  assert smoothed[0] == pytest.approx(values[:3].mean())
  assert smoothed[79] == pytest.approx(values[77:].mean())


def test_a_short_run_is_not_smoothed():
  series = charts.Points(np.arange(39.0), np.arange(39.0) % 3)
  np.testing.assert_allclose(charts.smooth(series).values, series.values)


def label_places(heights, *, top=1.0):
  ax = charts.axes(charts.figure('title', 'note'), ylabel='y')
  ax.set_ylim(0, top)
  charts.label_ends(ax, [charts.Label(h, f'label {i}', charts.BLUE) for i, h in enumerate(heights)])
  return [text.xy[1] for text in ax.texts]


def test_labels_stand_where_lines_end():
  assert label_places([2.0, 18.0], top=20) == pytest.approx([0.1, 0.9])


def test_labels_that_would_overlap_move_apart_evenly_and_keep_their_order():
  first, second, third, far = label_places([0.52, 0.5, 0.51, 0.1])
  gap = first - third
  assert far == pytest.approx(0.1)
  assert third == pytest.approx(0.51) and second == pytest.approx(0.51 - gap)
  line_inches = 10 / 72
  assert gap * (3.5 - 1.18) > line_inches


def test_labels_pushed_into_their_neighbours_push_these_on():
  places = np.sort(label_places([0.5, 0.5, 0.5, 0.42]))
  gaps = np.diff(places)
  np.testing.assert_allclose(gaps, gaps[0])
  assert places.mean() == pytest.approx((0.5 * 3 + 0.42) / 4)


def test_long_labels_stay_inside_the_figure():
  fig = charts.figure('title', 'note')
  ax = charts.axes(fig, ylabel='y')
  charts.label_ends(ax, [charts.Label(0.5, 'a label of thirty characters..', charts.BLUE)])
  fig.draw_without_rendering()
  assert ax.texts[0].get_window_extent().x1 <= fig.bbox.x1


@pytest.mark.parametrize(
  ('values', 'at_least', 'limits'),
  [([0.2, 2.0], 0.0, (0, 2.1)), ([0.0, 0.0], 0.01, (0, 0.01)), ([0.0, 0.0], 0.0, (0, 1))],
)
def test_the_vertical_axis_begins_at_zero(values, at_least, limits):
  ax = charts.axes(charts.figure('title', 'note'), ylabel='y')
  ax.plot([1, 2], values)
  charts.from_zero(ax, at_least=at_least)
  assert ax.get_ylim() == pytest.approx(limits)


def test_negative_values_stay_in_sight():
  ax = charts.axes(charts.figure('title', 'note'), ylabel='y')
  ax.plot([1, 2], [-1, 1])
  charts.from_zero(ax)
  assert ax.get_ylim()[0] < -1


def test_an_svg_is_an_element_that_takes_the_colours_of_its_page():
  fig = charts.figure('Title & <b>', 'note')
  charts.noisy(charts.axes(fig, ylabel='y'), charts.Points(np.arange(9.0), np.ones(9)), charts.BLUE)
  text = charts.svg(fig, 'kl')
  assert text.startswith('<svg') and text.rstrip().endswith('</svg>')
  assert 'var(--blue)' in text and 'var(--ink)' in text
  assert charts.BLUE not in text and charts.INK not in text
  assert 'Title &amp; &lt;b&gt;' in text
  assert 'http' not in text and 'metadata' not in text
  assert charts.svg(fig, 'kl') == text  # the same figure is the same page


@pytest.mark.parametrize(('count', 'solid'), [(2, False), (3, True)])
def test_what_was_measured_at_the_ends_alone_is_not_drawn_as_a_curve(count, solid):
  ax = charts.axes(charts.figure('title', 'note'), ylabel='share')
  steps = np.arange(count, dtype=float)
  charts.measured(ax, charts.Points(steps, steps), charts.BLUE)
  charts.band(ax, charts.Points(steps, steps - 1), charts.Points(steps, steps + 1), charts.BLUE)
  assert (ax.lines[0].get_linestyle() == '-') == solid
  outline = [path.vertices for path in ax.collections[0].get_paths()]
  if solid:
    assert len(outline) == 1
  else:
    np.testing.assert_array_equal(outline, [[[0, -1], [0, 1]], [[1, 0], [1, 2]]])
