"""The run folder keeps what it was given, and gives it back."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import pyarrow as pa
import pytest

from evaluators.scores import SCHEMA
from search.ledger import Ledger, RunBusyError
from search.trial import Proposal, Trial
from tests.search.conftest import make_space

HEADER = {"name": "test", "objectives": {}, "trials": 5}


def a_trial(number: int, **changes) -> Trial:
    space = make_space("linear")
    params = {name: axis.centre for name, axis in space.axes.items()}
    proposal = Proposal(number, space.recipe(params), params, notes={"generation": 3})
    return Trial(
        proposal,
        **{"state": "scored", "order": number, "scores": {"x": 0.1 + 0.2}, **changes},
    )


@pytest.fixture
def ledger(tmp_path):
    return Ledger.create(tmp_path / "run", HEADER, "name: test\n")


def test_a_finished_trial_comes_back_as_it_was(ledger):
    trial = a_trial(3, seconds={"merge": 0.25}, worker="host:1", cause=None)
    rows = [["t", 0, "h", "p", "acc", "none", 1.0, None]]
    documents = pa.table(list(zip(*rows, strict=True)), schema=SCHEMA)
    ledger.propose(trial.proposal)
    ledger.finish(trial, documents)
    (back,) = Ledger(ledger.root).trials()
    assert back == trial
    assert ledger.documents(3).to_pylist() == documents.to_pylist()


def test_trials_come_in_the_order_of_finishing(ledger):
    for number, order in ((0, 2), (1, 0), (2, 1)):
        trial = a_trial(number, order=order)
        ledger.propose(trial.proposal)
        ledger.finish(trial)
    assert [trial.number for trial in ledger.trials()] == [1, 2, 0]


def test_a_file_that_was_being_written_when_the_driver_died_is_not_read(ledger):
    trial = a_trial(0)
    ledger.propose(trial.proposal)
    ledger.finish(trial)
    (ledger.root / "finished" / ".000001.parquet.4711").write_bytes(b"PAR1 half")
    (ledger.root / "proposed" / ".000001.json.4711").write_bytes(b'{"numb')
    assert [each.number for each in ledger.trials()] == [0]
    assert list(ledger.proposals()) == [0]


def test_a_second_run_is_not_written_over_the_first(ledger):
    with pytest.raises(
        ValueError, match="already holds a run; go on with it by `mergefront resume"
    ):
        Ledger.create(ledger.root, HEADER, "")


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"is not a run: it has no run\.json"):
        Ledger(tmp_path)


def test_a_run_of_another_format_is_named(ledger):
    (ledger.root / "run.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="format 99; this version reads 1"):
        Ledger(ledger.root)


def hold(root, started) -> None:
    with Ledger(root).driving():
        started.set()
        time.sleep(600)


def test_one_driver_at_a_time_and_a_dead_one_lets_go(ledger):
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    holder = context.Process(target=hold, args=(ledger.root, started))
    holder.start()
    assert started.wait(60)
    assert ledger.is_driven
    with pytest.raises(RunBusyError, match=f"process {holder.pid} on"), ledger.driving():
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    with ledger.driving():
        pass
    assert not ledger.is_driven
