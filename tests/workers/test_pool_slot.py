"""Which worker a candidate goes to."""

from __future__ import annotations

from workers.pool.actor import Process
from workers.pool.slot import Slot, Stage, choose_slot


def a_slot(number: int, node: str, stage: Stage) -> Slot:
    return Slot(number, None, None, stage, Process(node, "host", number, ""))


def test_a_candidate_goes_where_a_worker_is_idle():
    slots = [a_slot(0, "a", "busy"), a_slot(1, "a", "starting"), a_slot(2, "a", "idle")]
    assert choose_slot(slots, []) is slots[2]


def test_a_candidate_is_tried_again_on_another_node_if_there_is_one():
    slots = [a_slot(0, "a", "idle"), a_slot(1, "a", "idle"), a_slot(2, "b", "idle")]
    assert choose_slot(slots, [("a", 0)]) is slots[2]


def test_a_candidate_waits_for_another_slot_rather_than_go_where_its_worker_died():
    slots = [a_slot(0, "a", "idle"), a_slot(1, "a", "busy")]
    assert choose_slot(slots, [("a", 0)]) is None
    slots[1].stage = "idle"
    assert choose_slot(slots, [("a", 0)]) is slots[1]


def test_a_candidate_goes_back_to_a_slot_if_no_other_works():
    slots = [a_slot(0, "a", "idle"), a_slot(1, "a", "starting")]
    assert choose_slot(slots, [("a", 0)]) is slots[0]
    slots[1].stage = "busy"
    assert choose_slot(slots, [("a", 0), ("a", 1)]) is slots[0]


def test_a_slot_that_moved_to_another_node_is_another_one():
    slots = [a_slot(0, "b", "idle")]
    assert choose_slot(slots, [("a", 0)]) is slots[0]
