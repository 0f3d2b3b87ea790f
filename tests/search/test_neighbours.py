"""Neighbours on a front: what lies side by side, whatever the number of objectives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist

from search.objectives import neighbours


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=20))
def test_along_a_front_of_two_objectives_each_point_is_paired_with_the_next(steps):
    first = np.cumsum(steps)
    points = np.column_stack([first, -np.sqrt(first)])
    shuffled = np.random.default_rng(0).permutation(len(points))
    found = neighbours(points[shuffled])
    pairs = {tuple(sorted((shuffled[a], shuffled[b]))) for a, b in found}
    assert pairs == {(i, i + 1) for i in range(len(points) - 1)}


@pytest.mark.parametrize("objectives", [1, 3, 5])
def test_they_are_the_edges_of_the_shortest_tree_and_the_longest_come_first(objectives):
    points = np.random.default_rng(objectives).random((30, objectives))
    distances = cdist(points, points)
    lengths = [distances[pair] for pair in neighbours(points)]
    assert len(lengths) == 29
    assert lengths == sorted(lengths, reverse=True)
    assert sum(lengths) == pytest.approx(minimum_spanning_tree(distances).sum())


def test_no_point_and_one_point_have_no_neighbours():
    assert neighbours(np.empty((0, 2))) == neighbours(np.zeros((1, 2))) == []
