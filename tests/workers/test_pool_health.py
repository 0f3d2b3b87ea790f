"""Who is blamed when a worker dies, and when a candidate counts as hung."""

from __future__ import annotations

import pytest

from workers.pool import health as health_module
from workers.pool.actor import start_progress
from workers.pool.deadline import FACTOR, MIN_OUTCOMES, MINIMUM, Deadline
from workers.pool.health import FAILURES, LOST, Health


def test_a_slot_is_closed_when_different_candidates_die_in_it_in_a_row():
    health = Health()
    closed = [health.record_death(0, "n", trial, "boom") for trial in range(FAILURES)]
    assert closed == [False] * (FAILURES - 1) + [True]
    assert health.closed_slots == {"n": 1}


def test_one_deadly_candidate_closes_no_slot_however_often_it_is_tried():
    health = Health()
    assert not any(health.record_death(0, "n", 7, "boom") for _ in range(2 * FAILURES))


def test_a_candidate_that_was_set_aside_is_not_held_against_the_slot():
    health = Health()
    for trial in range(2 * FAILURES):
        assert not health.record_death(0, "n", trial, "boom")
        health.excuse(trial)


def test_an_outcome_between_two_deaths_clears_the_slot():
    health = Health()
    for trial in range(2 * FAILURES):
        assert not health.record_death(0, "n", trial, "boom")
        health.record_outcome(0, "n")


def test_a_worker_that_begins_says_nothing_of_the_candidates_that_died_there():
    health = Health()
    for trial in range(FAILURES):
        health.record_start("n")
        closed = health.record_death(0, "n", trial, "boom")
    assert closed


def test_a_slot_that_moves_to_another_node_takes_no_blame_along():
    health = Health()
    assert not any(health.record_death(0, f"n{trial}", trial, "boom") for trial in range(FAILURES))


def test_a_node_is_closed_when_workers_cannot_begin_there_in_a_row_and_others_are_not():
    health = Health()
    health.record_failed_start(0, "good", "slow disk")
    causes = [f"no driver ({n})" for n in range(FAILURES)]
    closed = [health.record_failed_start(n, "bad", cause) for n, cause in enumerate(causes)]
    assert closed == [False] * (FAILURES - 1) + [True]
    assert health.closed_nodes == {"bad": causes[-1]}


def test_a_slot_whose_workers_cannot_begin_does_not_close_the_node_of_others_that_did():
    health = Health()
    closed = [health.record_failed_start(7, "n", "bad GPU", range(7)) for _ in range(FAILURES)]
    assert closed[-1]
    assert not health.closed_nodes
    assert health.closed_slots == {"n": 1}


def test_a_node_is_closed_once_all_its_slots_have_failed():
    health = Health()
    closed = [health.record_failed_start(n % 2, "n", "no", [1 - n % 2]) for n in range(FAILURES)]
    assert closed[-1]
    assert set(health.closed_nodes) == {"n"}


def test_a_worker_that_begins_clears_its_node():
    health = Health()
    for _ in range(2 * FAILURES):
        assert not health.record_failed_start(0, "n", "slow disk")
        health.record_start("n")


def test_why_a_worker_could_not_start_is_known_at_once_and_until_one_starts():
    health = Health()
    for fail in (health.record_lost, lambda cause: health.record_failed_start(0, "n", cause)):
        fail("no tokenizer")
        assert health.start_error == "no tokenizer"
        health.record_placed()
        assert health.start_error == "no tokenizer"
        health.record_start("n")
        assert health.start_error == ""


def test_a_worker_that_refuses_its_models_is_retried_and_distinguished_from_a_broken_machine():
    health = Health()
    assert not health.only_input_errors
    tries = [
        health.record_failed_start(0, "bad", "no model", is_input_error=True)
        for _ in range(FAILURES)
    ]
    assert tries == [False] * (FAILURES - 1) + [True]
    assert health.only_input_errors
    for _ in range(FAILURES):
        health.record_failed_start(1, "sick", "no space left")
    assert not health.only_input_errors


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(health_module, "time", found)
    return found


def test_workers_are_lost_when_they_die_on_the_way_throughout_a_minute(clock):
    health = Health()
    for _ in range(2 * FAILURES):
        health.record_lost("its machine died")
    assert not health.is_lost
    for _ in range(3):
        clock.now += LOST / 3
        health.record_lost("no such environment")
    assert health.is_lost
    assert not health.has_closed
    health.record_placed()
    assert not health.is_lost


def test_two_machines_that_went_hours_apart_are_two_accidents(clock):
    health = Health()
    health.record_lost("node 1 went")
    clock.now += 7200
    health.record_lost("node 2 went")
    assert not health.is_lost


def test_nothing_is_hung_before_enough_have_come_back_or_within_a_minute():
    deadline = Deadline()
    assert deadline.seconds == float("inf")
    for _ in range(MIN_OUTCOMES):
        deadline.record(0.5)
    assert deadline.seconds == MINIMUM


def test_the_deadline_follows_the_median_and_no_single_slow_candidate():
    deadline = Deadline()
    for seconds in [20.0] * MIN_OUTCOMES + [5000.0]:
        deadline.record(seconds)
    assert deadline.seconds == FACTOR * 20.0
    assert "the median is 20 s" in deadline.error(300)


def test_candidates_that_were_given_up_early_shorten_no_deadline():
    deadline = Deadline()
    for _ in range(MIN_OUTCOMES):
        deadline.record(90.0)
        for state in ("broken", "failed", "stopped"):
            deadline.record(2.0, state)
    assert deadline.seconds == FACTOR * 90.0


def test_a_fixed_deadline_holds_from_the_first_candidate_on():
    assert Deadline(7.0).seconds == 7.0


def test_the_progress_of_a_starting_worker_is_read_from_its_log(tmp_path):
    log = tmp_path / "worker.err"
    log.write_text(
        "11:00:00 I workers.worker  preparing: statistics 0.0 of 1.2 GB\n"
        "11:00:09 I workers.worker  preparing: statistics 0.6 of 1.2 GB\n"
        "11:00:09 W transformers  something else\n"
    )
    assert start_progress(str(log)) == "statistics 0.6 of 1.2 GB"
    assert start_progress(str(tmp_path / "elsewhere.err")) == ""
