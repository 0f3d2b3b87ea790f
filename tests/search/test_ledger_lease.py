"""One driver at a time."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time

import pytest

from search.ledger import Ledger, Proposal, RunBusyError, Trial, parquet
from search.ledger import lease as lease_module
from search.ledger import ledger as ledger_module
from workers.recipe import Recipe, Source

RECIPE = Recipe("passthrough", {"a": Source("/a")})
HEADER = {"name": "test", "objectives": {}, "budget": {"trials": 5}}


@pytest.fixture
def ledger(tmp_path):
    return Ledger.create(tmp_path / "run", HEADER, "name: test\n")


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(lease_module, "RENEWAL", 0.1)
    monkeypatch.setattr(lease_module, "EXPIRY", 2.0)


def drive(root, started) -> None:
    with Ledger(root).driving():
        started.set()
        time.sleep(600)


def race(root, start, winners) -> None:
    start.wait()
    try:
        with Ledger(root).driving():
            winners.put(os.getpid())
            time.sleep(2)
    except RunBusyError:
        winners.put(None)


def test_one_driver_at_a_time_and_a_dead_one_has_no_lease(ledger):
    context = multiprocessing.get_context("fork")
    started = context.Event()
    holder = context.Process(target=drive, args=(ledger.root, started))
    holder.start()
    assert started.wait(60)
    assert ledger.driver is not None
    said = rf"searched by process {holder.pid} on .* since \d{{4}}-.*; .* --takeover"
    with pytest.raises(RunBusyError, match=said), ledger.driving():
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert ledger.driver is None
    with ledger.driving():
        assert ledger.driver is not None
    assert ledger.driver is None


def test_of_drivers_that_race_for_a_run_one_wins(ledger):
    context = multiprocessing.get_context("fork")
    start, winners = context.Barrier(5), context.Queue()
    racers = [context.Process(target=race, args=(ledger.root, start, winners)) for _ in range(5)]
    for racer in racers:
        racer.start()
    found = [winners.get(timeout=60) for _ in racers]
    for racer in racers:
        racer.join()
    assert len([pid for pid in found if pid]) == 1


def record_of_another_machine(ledger: Ledger, root) -> str:
    """The record of a driver on another machine."""
    with ledger.driving():
        (name,) = (root / "drivers").iterdir()
        content = json.loads(name.read_text())
    name.write_text(json.dumps({**content, "machine": "another", "who": "process 7 on far"}))
    return name


def test_a_driver_on_another_machine_counts_as_dead_when_it_does_not_renew(ledger, tmp_path, quick):
    record = record_of_another_machine(ledger, tmp_path / "run")
    assert ledger.driver is not None
    began = time.monotonic()
    with ledger.driving():
        assert time.monotonic() - began >= 2.0
        assert not record.exists()


def test_takeover_breaks_the_lease_of_a_driver_that_is_certainly_dead(ledger, tmp_path, quick):
    record_of_another_machine(ledger, tmp_path / "run")
    with ledger.driving(takeover=True):
        assert "far" not in ledger.driver.who


def test_a_driver_whose_run_was_taken_over_writes_no_more(ledger, quick):
    with ledger.driving():
        other = Ledger(ledger.root)
        with other.driving(takeover=True):
            time.sleep(0.5)
            with pytest.raises(RunBusyError, match="was taken over by another driver"):
                ledger.propose(Proposal.create(0, RECIPE))


def test_a_driver_that_renews_at_the_moment_of_a_takeover_has_lost_the_run(ledger, quick):
    with ledger.driving() as old:
        exists, looked = old._store.exists, threading.Event()

        def slow(name: str) -> bool:
            found = exists(name)
            if not looked.is_set():
                looked.set()
                time.sleep(0.5)  # its record is removed meanwhile, and written again afterwards
            return found

        old._store.exists = slow
        assert looked.wait(10)
        with Ledger(ledger.root).driving(takeover=True) as new:
            time.sleep(0.6)
            new.check()
            with pytest.raises(RunBusyError, match="was taken over"):
                old.check()
            assert ledger.driver.token == new._record.token


def test_a_driver_that_was_taken_over_compacts_no_files(ledger, quick, monkeypatch):
    monkeypatch.setattr(ledger_module, "SMALL_FILES", 2)
    begun, go = threading.Event(), threading.Event()
    trials_file = parquet.trials_file

    def slow(*arguments):
        begun.set()
        assert go.wait(10)
        return trials_file(*arguments)

    monkeypatch.setattr(parquet, "trials_file", slow)
    with ledger.driving():
        for number in range(2):
            ledger.propose(Proposal.create(number, RECIPE))
            ledger.finish(Trial(Proposal.create(number, RECIPE), "broken", number))
        assert begun.wait(10)
        with Ledger(ledger.root).driving(takeover=True):
            go.set()
    assert len(ledger.trials()) == 2
    assert not [name for name in ledger._store.files("finished") if "-" in name]


@pytest.mark.parametrize("content", ['{"tok', "[]", '{"token": "x"}'])
def test_a_record_that_cannot_be_read_is_named_and_ignored_once_it_is_old(
    ledger, tmp_path, content
):
    record = tmp_path / "run" / "drivers" / "abcd.json"
    record.parent.mkdir()
    record.write_text(content)
    with pytest.raises(ValueError, match=r"abcd\.json: a driver's record .* delete it"):
        _ = ledger.driver
    with pytest.raises(RunBusyError, match=r"abcd\.json"), ledger.driving():
        pass
    assert list(record.parent.iterdir()) == [record]
    long_ago = time.time() - 100
    os.utime(record, (long_ago, long_ago))
    assert ledger.driver is None
    with ledger.driving():
        pass
