"""The laws that docs/honesty.md measures, on fewer made-up scores: what must be rare is rare."""

from __future__ import annotations

import math

import pytest

from scripts.stages.simulation import KINDS, coverage, documents_used, false_stops

RUNS = 400


def most(rate: float, runs: int) -> float:
    """What a count may show by chance if the true rate is this one: 2.5 standard errors more."""
    return rate + 2.5 * math.sqrt(rate * (1 - rate) / runs)


@pytest.mark.parametrize("kinds", [[each] * 2 for each in KINDS] + [list(KINDS)], ids=" + ".join)
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_candidates_that_nothing_beats_are_stopped_more_rarely_than_the_bound(kinds, confidence):
    rate = false_stops(kinds, confidence, RUNS, seed=11)
    assert 0 < rate <= most(1 - confidence, RUNS)


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_of_estimates_have_the_score_of_all_documents_as_often_as_they_say(kind):
    found = {each.documents: each for each in coverage(kind, RUNS, seed=12)}
    assert found[None].cases >= RUNS // 2  # stopped ones: the choice of when makes nothing worse
    for each in found.values():
        assert 1 - each.share <= most(0.05, each.cases)
        assert each.share < 1  # an interval without end would cover everything


@pytest.mark.parametrize("kind", KINDS)
def test_the_further_behind_a_candidate_is_the_fewer_documents_it_takes(kind):
    used, loss = zip(*(documents_used(kind, b, 40, seed=14) for b in (0.0, 0.1, 0.4)), strict=True)
    assert list(loss) == sorted(loss)
    assert used[0] > 0.95 > used[1] > used[2]
    assert used[2] < 0.25
