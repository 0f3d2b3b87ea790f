"""The split of documents."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from evaluators.documents import SETS, DocumentSettings, split

EVEN = DocumentSettings()
MANY = [f"document {i}" for i in range(500)]


@given(st.permutations(range(60)), st.integers(60, 200))
def test_a_document_stays_in_its_set_when_others_come_or_move(order: list[int], size: int) -> None:
    before = split({"t": MANY[:60]}, EVEN)
    after = split({"t": [MANY[i] for i in order] + MANY[60:size]}, EVEN)
    for name in SETS:
        kept = {MANY[order[i]] for i in after[name]["t"] if i < 60}
        assert kept == {MANY[i] for i in before[name]["t"]}


def test_every_document_is_in_exactly_one_set() -> None:
    sets = split({"t": MANY}, EVEN)
    assert Counter(i for name in SETS for i in sets[name]["t"]) == Counter(range(500))


@pytest.mark.parametrize("shares", [(0.6, 0.2, 0.2), (0.5, 0.5, 0.0), (0.7, 0.0, 0.3)])
def test_sets_have_approximately_their_share(shares: tuple[float, float, float]) -> None:
    settings = DocumentSettings(**dict(zip(SETS, shares, strict=True)))
    sets = split({"t": [str(Random(i).random()) for i in range(4000)]}, settings)
    for name, share in zip(SETS, shares, strict=True):
        assert len(sets[name]["t"]) == pytest.approx(4000 * share, abs=150)


def test_equal_documents_of_two_tasks_share_a_set() -> None:
    sets = split({"a": MANY[:100], "b": MANY[99::-1]}, EVEN)
    for name in SETS:
        assert {MANY[i] for i in sets[name]["a"]} == {MANY[99 - i] for i in sets[name]["b"]}


def test_all_means_every_document_is_searched_on() -> None:
    settings = TypeAdapter(DocumentSettings).validate_python("all")
    assert split({"t": MANY}, settings) == {
        "search": {"t": tuple(range(500))},
        "selection": {"t": ()},
        "report": {"t": ()},
    }
    assert DocumentSettings.model_validate("all") == settings


def test_shares_that_do_not_sum_to_1_are_rejected() -> None:
    with pytest.raises(ValidationError, match=r"must be 1, not 0\.9"):
        DocumentSettings(search=0.5, selection=0.2, report=0.2)


def test_a_task_with_too_few_documents_is_rejected_with_the_numbers() -> None:
    with pytest.raises(ValueError, match=r"task t: 2 documents split into \d search, .* report"):
        split({"t": ["a", "b"]}, EVEN)
