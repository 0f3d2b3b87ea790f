"""Laws of dominance, hypervolume and picks."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from search.objectives import (
    crowding,
    front,
    hypervolume,
    knee,
    normalised,
    ranks,
    reference_point,
    volumes,
)
from search.objectives.front import BLOCK

points = st.integers(1, 5).flatmap(
    lambda columns: arrays(
        np.float64,
        st.tuples(st.integers(1, 12), st.just(columns)),
        elements=st.integers(0, 6).map(float),
    )
)


@given(points)
def test_no_point_on_the_front_is_dominated(x):
    for i in front(x):
        assert not any((x[j] <= x[i]).all() and (x[j] < x[i]).any() for j in range(len(x)))


@given(points)
def test_every_point_off_the_front_is_dominated_by_one_on_it(x):
    on = front(x)
    for i in set(range(len(x))) - set(on.tolist()):
        assert any((x[j] <= x[i]).all() and (x[j] < x[i]).any() for j in on)


@given(points, st.randoms())
def test_front_does_not_depend_on_the_order_of_trials(x, random):
    order = list(range(len(x)))
    random.shuffle(order)
    assert sorted(np.array(order)[front(x[order])]) == sorted(front(x))


@given(points)
def test_hypervolume_counts_the_cells_below_the_reference(x):
    """On whole numbers the dominated volume is a number of unit cells, counted one by one."""
    cells = np.stack(np.meshgrid(*[np.arange(6)] * x.shape[1]), -1).reshape(-1, x.shape[1])
    dominated = (x[:, None] <= cells[None]).all(-1).any(0)
    assert hypervolume(x, np.full(x.shape[1], 6.0)) == dominated.sum()


@given(points, points)
def test_hypervolume_never_falls_when_a_trial_is_added(x, y):
    columns = min(x.shape[1], y.shape[1])
    more = np.concatenate([x[:, :columns], y[:, :columns]])
    reference = np.full(columns, 7.0)
    assert hypervolume(more, reference) >= hypervolume(x[:, :columns], reference)


@given(points)
def test_each_volume_of_a_course_is_the_hypervolume_so_far(x):
    reference = np.full(x.shape[1], 5.0)
    found = volumes(x, reference)
    assert found == pytest.approx([hypervolume(x[: i + 1], reference) for i in range(len(x))])


def test_the_hypervolume_of_many_trials_on_a_front_of_four_objectives_is_quick():
    ball = np.abs(np.random.default_rng(0).normal(size=(400, 4)))
    ball = 1 - ball / np.linalg.norm(ball, axis=1)[:, None]
    start = time.process_time()
    found = hypervolume(ball, np.ones(4))
    assert time.process_time() - start < 2.0  # 0.1 s; by slices within slices it is minutes
    assert volumes(ball, np.ones(4))[-1] == pytest.approx(found)


def test_the_course_of_six_objectives_is_estimated_within_a_few_percent_and_never_falls():
    rows = np.random.default_rng(1).random((30, 6))
    exact = [hypervolume(rows[: i + 1], np.full(6, 1.1)) for i in range(len(rows))]
    found = volumes(rows, np.full(6, 1.1))
    assert found == pytest.approx(exact, abs=0.04 * exact[-1])
    assert found == sorted(found)


def test_the_course_of_many_trials_with_twenty_objectives_is_quick():
    rows = np.random.default_rng(0).random((2000, 20))
    start = time.process_time()
    found = volumes(np.vstack([rows, np.full(20, 2.0)]), np.full(20, 1.1))
    assert time.process_time() - start < 5.0  # 0.3 s; exactly it is years
    assert found[-1] == found[-2] > found[0] > 0  # the last row is beyond the reference


def test_hypervolume_by_hand():
    losses = np.array([[1.0, 3.0], [2.0, 1.0]])
    assert hypervolume(losses, np.array([4.0, 4.0])) == 3 * 1 + 2 * 2


def test_nothing_beyond_the_reference_counts():
    assert hypervolume(np.array([[5.0, 0.0]]), np.array([4.0, 4.0])) == 0


def test_normalised_puts_the_best_anchor_at_0_and_the_worst_at_1():
    anchors = np.array([[10.0, 0.5], [20.0, 0.5]])
    assert normalised(np.array([[15.0, 0.25]]), anchors).tolist() == [[0.5, -0.25]]


@pytest.mark.parametrize(("losses", "expected"), [([[0, 1], [0.2, 0.2], [1, 0]], 1), ([[3, 3]], 0)])
def test_knee_is_nearest_to_the_ideal_corner(losses, expected):
    assert knee(np.array(losses, dtype=float)) == expected


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_a_front_of_many_rows_is_the_one_of_the_definition(columns):
    x = np.random.default_rng(columns).integers(0, 30, (3 * BLOCK, columns)).astype(float)
    no_worse = (x[:, None] <= x[None]).all(-1)
    better = (x[:, None] < x[None]).any(-1)
    assert front(x).tolist() == np.flatnonzero(~(no_worse & better).any(0)).tolist()


@given(points)
def test_each_rank_is_the_front_of_what_the_ranks_before_it_leave(x):
    rank = ranks(x)
    for level in range(rank.max() + 1):
        left = np.flatnonzero(rank >= level)
        assert (rank[left[front(x[left])]] == level).all()
        assert (rank == level).sum() == len(front(x[left]))


@given(points)
def test_ranks_that_are_not_asked_for_are_one_rank(x):
    full, some = ranks(x), ranks(x, enough=3)
    assert (some == np.minimum(full, some.max())).all()


def test_crowding_by_hand():
    losses = np.array([[0.0, 4.0], [1.0, 2.0], [4.0, 0.0]])
    assert crowding(losses).tolist() == [np.inf, 2.0, np.inf]


@pytest.mark.parametrize(
    ("losses", "corner"),
    [
        ([[0.0, 4.0], [2.0, 0.0], [9.0, 9.0]], [2.2, 4.4]),
        ([[8.0], [9.0], [10.0], [40.0], [50.0]], [10.0]),
        ([[1.0], [1.0], [1.0], [3.0]], [3.0]),
        ([[5.0], [5.0]], [6.0]),
    ],
    ids=["front", "better half", "all", "all equal"],
)
def test_the_corner_lies_behind_the_front_by_what_spans_there_are(losses, corner):
    assert reference_point(np.array(losses)) == pytest.approx(np.array(corner))
