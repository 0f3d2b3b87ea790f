"""When a search ends."""

from __future__ import annotations

import pytest

from search.driver import Budget, Patience
from search.ledger import Proposal, Trial
from tests.search.conftest import OBJECTIVES, make_space
from workers.recipe import Recipe

SPACE = make_space("linear", "task_arithmetic")
RECIPE = SPACE.recipe({name: axis.centre for name, axis in SPACE.axes.items()})


def trials(picks: list[float], **more) -> list[Trial]:
    """Scored trials, base and models first, whose second objective never changes."""
    labels = ["base", "a", "b", "c"]
    return [
        Trial(
            Proposal.create(i, RECIPE, label=labels[i] if i < 4 else None),
            "scored",
            order=i,
            scores={"picks": pick, "text": 1.0},
            **{"share": 1.0, **more},
        )
        for i, pick in enumerate(picks)
    ]


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget(trials=4), "4 trials"),
        (Budget(scorings=4), "4 full scorings"),
        (Budget(hours=2), "2 hours"),
        (Budget(worker_hours=1), "1 worker-hour"),
    ],
)
def test_each_limit_ends_a_search_and_says_so(budget, expected):
    done = trials([0.1, 0.2, 0.3, 0.4], seconds={"merge": 600.0, "score": 300.0})
    assert expected in budget.reached(done, 2.0, OBJECTIVES)
    assert budget.reached(done[:3], 1.0, OBJECTIVES) is None


def test_a_stopped_trial_counts_for_the_share_that_was_scored():
    half = trials([0.1, 0.2, 0.3, 0.4], share=0.5)
    assert Budget(scorings=3).reached(half, 0.0, OBJECTIVES) is None
    assert Budget(scorings=2).reached(half, 0.0, OBJECTIVES)


def test_a_search_that_no_longer_gets_better_ends():
    patient = Budget(patience=Patience(trials=3, share=0.05))
    rising = trials([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    flat = trials([0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4])
    assert patient.reached(rising, 0.0, OBJECTIVES) is None
    assert "hypervolume grew by only 0.00%" in patient.reached(flat, 0.0, OBJECTIVES)
    assert patient.reached(flat[:6], 0.0, OBJECTIVES) is None
    assert isinstance(RECIPE, Recipe)


def test_patience_waits_for_as_many_trials_beside_the_first_ones():
    patient = Budget(patience=Patience(trials=2, share=0.05))
    flat = trials([0.1, 0.4, 0.4, 0.4, 0.4, 0.4])
    assert patient.reached(flat[:4], 0.0, OBJECTIVES) is None
    assert patient.reached(flat[:5], 0.0, OBJECTIVES) is None
    assert patient.reached(flat, 0.0, OBJECTIVES)
