"""The same run in an object store that fails now and then."""

from __future__ import annotations

import pytest

from search.ledger import Ledger, RunBusyError
from search.ledger import ledger as ledger_module
from tests.search.object_store import root, store  # noqa: F401 - fixtures
from tests.search.test_ledger import HEADER, a_trial, documents, fill


def test_a_run_in_a_store_that_fails_one_request_in_ten_is_whole(root, store, monkeypatch):
    monkeypatch.setattr(ledger_module, "SMALL_FILES", 8)
    ledger = Ledger.create(root, HEADER, "name: test\n")
    with ledger.driving() as lease:
        lease.report({"running": [9]})
        written = fill(ledger, range(20))
        ledger.propose(a_trial(20).proposal)
        assert ledger.driver.who
    again = Ledger(root)
    contents = again.contents()
    assert contents.trials == written
    assert list(contents.waiting) == [20]
    assert not contents.damage
    assert again.config == "name: test\n"
    assert again.documents(3).to_pylist() == documents(3.0).to_pylist()
    assert again.driver is None
    assert store.failed > 5


def test_one_driver_at_a_time(root):
    ledger = Ledger.create(root, HEADER, "")
    with ledger.driving():
        with pytest.raises(RunBusyError, match="is being searched by"), Ledger(root).driving():
            pass
        with pytest.raises(ValueError, match="already holds a run"):
            Ledger.create(root, HEADER, "")


def test_a_prefix_that_holds_no_run_is_named(root):
    with pytest.raises(ValueError, match=r"is not a run: it has no run\.json"):
        Ledger(root)


def test_scores_on_report_documents_survive_a_store_that_fails(root, store):
    ledger = Ledger.create(root, HEADER, "name: test\n")
    before = store.failed
    for number in range(4):
        ledger.record_scores("report", a_trial(number), documents(number))
    assert Ledger(root).scored_on("report") == set(range(4))
    assert ledger.scores_on("report", 2)[0] == a_trial(2)
    assert store.failed > before
