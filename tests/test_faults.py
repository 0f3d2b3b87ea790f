"""Whatever is killed, whenever: no finished evaluation is lost, none is told twice, and the search
goes on as if nothing had happened.

The drivers here are real processes that are killed by kill -9; their workers answer from a formula,
so that hundreds of kills take seconds. `tests/test_faults_ray.py` kills real workers and nodes.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from pathlib import Path

import pytest

from search.driver import Budget, Driver, baselines, stopped_by_signals
from search.ledger import Contents, Ledger, RunBusyError
from search.ledger import ledger as ledger_module
from search.samplers import Auto, Study
from tests.search.conftest import OBJECTIVES, make_space
from tests.search.test_driver import evaluate
from workers.candidate import Candidate, Outcome
from workers.pool import InProcessPool

SPACE = make_space("linear", "ties", "dare_ties", depth={"groups": 2})
HEADER = {"name": "test", "objectives": {}, "budget": {"trials": 5}, "inputs": {}}
TRIALS = 60
FORK = multiprocessing.get_context("fork")  # begins in milliseconds


class TellsOnce(Study):
    """A study that refuses to be told of a trial for a second time."""

    def tell(self, number, values, **given) -> None:
        self.told = getattr(self, "told", set())
        assert number not in self.told, f"trial {number} is told twice"
        self.told.add(number)
        super().tell(number, values, **given)


def run_search(
    root: Path, given: Path, pause: float, trials: int = TRIALS, workers: int = 4
) -> None:
    """One driver; notes every outcome that a worker has given away before the driver has it."""

    def working(candidate: Candidate) -> Outcome:
        time.sleep(pause)
        outcome = evaluate(candidate)
        with given.open("a") as notes:
            notes.write(f"{candidate.trial}\n")
        return outcome

    ledger = Ledger(root) if Ledger.is_at(root) else Ledger.create(root, HEADER, "")
    directions = [each.direction for each in OBJECTIVES]
    with ledger.driving():
        driver = Driver(
            study=TellsOnce(Auto(), SPACE.axes, directions, seed=7),
            pool=InProcessPool(working, workers),
            ledger=ledger,
            recipe_of=SPACE.recipe,
            baselines=baselines(SPACE),
            objectives=OBJECTIVES,
            budget=Budget(trials=trials),
        )
        with stopped_by_signals(driver):
            driver.run()


def noted(given: Path) -> list[int]:
    """The outcomes that workers have given away, by number, in order."""
    return [int(line) for line in given.read_text().split()] if given.exists() else []


def lost(given: Path, root: Path) -> set[int]:
    """Outcomes that were given away and not kept."""
    trials = Ledger(root).trials() if Ledger.is_at(root) else []
    return set(noted(given)) - {trial.number for trial in trials}


def killed_again_and_again(root: Path, kills: int, seed: int, workers: int) -> list[int]:
    """How many trials were finished at each kill; the last session ends by itself.

    The workers here give one outcome at a time, and the next when that one is kept: at a kill only
    the session's last can be on its way, and only that one is evaluated again.
    """
    chance, given = random.Random(seed), root.with_suffix(".given")
    counts, twice, before = [], Counter[int](), 0
    for _ in range(kills):
        process = FORK.Process(target=run_search, args=(root, given, 0.002, TRIALS, workers))
        process.start()
        process.join(chance.uniform(0.0, 0.6))
        if not process.is_alive():
            assert process.exitcode == 0
            break
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        last, before = noted(given)[before:][-1:], len(noted(given))
        twice.update(lost(given, root) & set(last))
        assert lost(given, root) <= set(twice), "a finished evaluation was lost"
        counts.append(len(Ledger(root).trials()) if Ledger.is_at(root) else 0)
    run_search(root, given, 0.0, workers=workers)
    assert not lost(given, root)
    assert Counter(noted(given)) == Counter(set(noted(given))) + twice, "evaluated again"
    return counts


def check(root: Path, kills: int, seed: int, workers: int = 4) -> int:
    counts = killed_again_and_again(root / str(seed), kills, seed, workers)
    assert counts == sorted(counts)
    check_whole(root / str(seed))
    return len(counts)


def check_whole(root: Path) -> None:
    """Every trial finished once, and was asked for as in a search that nothing happened to."""
    contents = Ledger(root).contents()
    assert not contents.damage
    assert [trial.order for trial in contents.trials] == list(range(TRIALS))
    assert sorted(trial.number for trial in contents.trials) == list(range(TRIALS))
    for number, params in replayed(contents).items():
        assert contents.proposals[number].params == params


def replayed(contents: Contents) -> dict[int, dict]:
    """What a study asks for that was never interrupted, led through outcomes in the same order."""
    study = Study(Auto(), SPACE.axes, [each.direction for each in OBJECTIVES], seed=7)
    outcomes, asked = deque(contents.trials), {}
    for number, proposal in contents.proposals.items():
        while outcomes and outcomes[0].order < proposal.seen:
            trial = outcomes.popleft()
            study.tell(trial.number, [trial.scores[each.name] for each in OBJECTIVES])
        if proposal.label is None:
            asked[number] = study.ask()[1]
        else:
            study.add(proposal.params, is_input=proposal.is_input)
    return asked


@pytest.fixture(autouse=True)
def small_files_are_few(monkeypatch):
    monkeypatch.setattr(ledger_module, "SMALL_FILES", 16)  # so that compaction is killed as well


@pytest.mark.parametrize("workers", [4, 40])  # of forty, several are asked ahead for
def test_a_driver_killed_at_random_moments_loses_nothing_and_searches_the_same(tmp_path, workers):
    assert check(tmp_path, kills=6, seed=1, workers=workers) >= 1


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_a_driver_that_is_stopped_keeps_what_its_workers_gave(tmp_path, signals):
    root, given = tmp_path / "run", tmp_path / "given"
    process = FORK.Process(target=run_search, args=(root, given, 0.05))
    process.start()
    deadline = time.monotonic() + 60
    while not noted(given):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for number in signals:
        os.kill(process.pid, number)
        time.sleep(0.02)
    process.join(60)
    assert process.exitcode == 0
    contents = Ledger(root).contents()
    assert not lost(given, root)
    assert len(contents.trials) < TRIALS
    assert Ledger(root).driver is None


FULL = """
import subprocess, sys
from pathlib import Path
from search.ledger import Ledger
from tests.test_faults import lost, run_search

disk, given = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=250k", "none", str(disk)], check=True)
try:
    run_search(disk / "run", given, 0.0)
except OSError as error:
    kept = Ledger(disk / "run").contents()
    print(error.errno, len(lost(given, disk / "run")) <= 1 < len(kept.trials), kept.damage)
subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
run_search(disk / "run", given, 0.0)
subprocess.run(["cp", "-r", str(disk / "run"), sys.argv[3]], check=True)
"""
OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.mark.skipif(
    not shutil.which("unshare") or subprocess.run([*OWN_MOUNTS, "true"], check=False).returncode,
    reason="this machine lets nobody mount a small disk",
)
def test_a_disk_that_is_full_ends_the_search_and_room_lets_it_go_on(tmp_path):
    disk, given, kept = tmp_path / "disk", tmp_path / "given", tmp_path / "kept"
    disk.mkdir()
    command = [*OWN_MOUNTS, sys.executable, "-c", FULL, str(disk), str(given), str(kept)]
    said = subprocess.run(
        command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout == f"{errno.ENOSPC} True []\n"
    check_whole(kept)


@pytest.mark.long
def test_a_hundred_kills(tmp_path):
    done, seed = 0, 100
    while done < 100:
        done += check(tmp_path, kills=8, seed=seed)
        seed += 1


def compete(root: Path, given: Path, start, results) -> None:
    start.wait()
    try:
        run_search(root, given, 0.2, trials=12)  # longer than a driver insists
        results.put("won")
    except RunBusyError as error:
        results.put(str(error))


def test_of_two_drivers_that_begin_at_once_one_searches_and_the_other_is_told_who(tmp_path):
    root = tmp_path / "run"
    Ledger.create(root, HEADER, "")
    start, results = FORK.Barrier(2), FORK.Queue()
    both = [
        FORK.Process(target=compete, args=(root, tmp_path / f"{i}.given", start, results))
        for i in range(2)
    ]
    for each in both:
        each.start()
    found = sorted(results.get(timeout=60) for _ in both)
    for each in both:
        each.join()
    assert found[1] == "won"
    assert "is being searched by process" in found[0]
    assert [trial.order for trial in Ledger(root).trials()] == list(range(12))
