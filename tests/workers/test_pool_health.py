"""Who is blamed when a worker dies, and when a candidate counts as hung."""

from __future__ import annotations

from workers.pool import health as health_module
from workers.pool.health import FAILURES, NOWHERE, Health
from workers.pool.hung import ENOUGH, FACTOR, LEAST, Clockwork


def test_a_slot_is_closed_when_different_candidates_die_in_it_in_a_row():
    health = Health()
    closed = [health.died_of(0, "n", trial, "boom") for trial in range(FAILURES)]
    assert closed == [False] * (FAILURES - 1) + [True]
    assert health.closed_slots == {"n": 1}


def test_one_deadly_candidate_closes_no_slot_however_often_it_is_tried():
    health = Health()
    assert not any(health.died_of(0, "n", 7, "boom") for _ in range(2 * FAILURES))


def test_a_candidate_that_was_set_aside_is_not_held_against_the_slot():
    health = Health()
    for trial in range(2 * FAILURES):
        assert not health.died_of(0, "n", trial, "boom")
        health.acquit(trial)


def test_an_outcome_between_two_deaths_clears_the_slot():
    health = Health()
    for trial in range(2 * FAILURES):
        assert not health.died_of(0, "n", trial, "boom")
        health.works(0, "n")


def test_a_node_is_closed_when_workers_cannot_begin_there_in_a_row_and_others_are_not():
    health = Health()
    health.could_not_begin("good", "slow disk")
    closed = [health.could_not_begin("bad", f"no model at /m ({n})") for n in range(FAILURES)]
    assert closed[-1]
    assert health.closed_nodes == {"bad": f"no model at /m ({FAILURES - 1})"}


def test_a_node_whose_worker_refuses_its_models_is_closed_at_once_and_told_from_a_sick_one():
    health = Health()
    assert health.could_not_begin("bad", "no model at /m", refused=True)
    assert health.is_all_refused
    for _ in range(FAILURES):
        health.could_not_begin("sick", "no space left")
    assert not health.is_all_refused


def test_actors_that_die_on_the_way_end_nothing_until_none_finds_a_machine_for_long(monkeypatch):
    health = Health()
    for _ in range(2 * FAILURES):
        assert not health.lost("its machine died")
    monkeypatch.setattr(health_module, "LOST", 0.0)
    assert health.lost("no such environment")
    assert health.closed_nodes == {NOWHERE: "no such environment"}


def test_nothing_is_hung_before_enough_have_come_back_or_within_a_minute():
    clockwork = Clockwork()
    assert clockwork.deadline == float("inf")
    for _ in range(ENOUGH):
        clockwork.took(0.5)
    assert clockwork.deadline == LEAST


def test_the_deadline_follows_the_median_and_no_single_slow_candidate():
    clockwork = Clockwork()
    for seconds in [20.0] * ENOUGH + [5000.0]:
        clockwork.took(seconds)
    assert clockwork.deadline == FACTOR * 20.0
    assert "the median is 20 s" in clockwork.say(300)


def test_a_fixed_deadline_holds_from_the_first_candidate_on():
    assert Clockwork(7.0).deadline == 7.0
