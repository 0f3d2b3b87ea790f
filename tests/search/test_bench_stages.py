"""The bench of stages: replays of a recorded search, its tables, and what it writes."""

from __future__ import annotations

import pytest

from evaluators.stages import StagedTasks
from scripts import bench_stages
from scripts.stages.page import END, PAGE, START, markdown, with_parts
from scripts.stages.replay import RecordedSearch, replay
from search.driver import Budget, Driver, StageBuilder, StageRules, baselines
from search.ledger import UNIFORM, Ledger
from search.results import Effort
from search.samplers import Random, Study
from tests.search.conftest import OBJECTIVES, make_space
from tests.search.formula import DOCUMENTS, METRICS, evaluate
from workers.pool import InProcessPool

TASKS = StagedTasks(dict.fromkeys(METRICS, DOCUMENTS))
SIZES = (32, 64)
SPACE = make_space("linear", "ties", depth={"groups": 1})


def searched(root, **stages) -> Driver:
    """A search whose sampler does not care what has been scored."""
    header = {"name": "test", "objectives": {}, "budget": {"trials": 30}}
    ledger = Ledger.create(root, header, "documents: all\n")
    rules = StageRules(tasks=TASKS, seed=5, **stages)
    driver = Driver(
        study=Study(Random(), SPACE.axes, [each.direction for each in OBJECTIVES], seed=7),
        pool=InProcessPool(evaluate),
        ledger=ledger,
        recipe_of=SPACE.recipe,
        baselines=baselines(SPACE),
        objectives=OBJECTIVES,
        budget=Budget(trials=30),
        stages=StageBuilder(rules, OBJECTIVES, ledger, list("abc")),
    )
    driver.run()
    return driver


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stages")


@pytest.fixture(scope="module")
def recorded(folder) -> RecordedSearch:
    """A search that was scored completely."""
    trials = searched(folder / "off").trials
    ledger = Ledger(folder / "off")
    tables = {trial.number: ledger.documents(trial.number) for trial in trials}
    return RecordedSearch(OBJECTIVES, list("abc"), TASKS, trials, tables)


def test_a_replay_stops_what_the_search_with_stages_stops(folder, recorded):
    real = searched(folder / "on", sizes=SIZES).trials
    found = replay(recorded, 0.95, seed=5, sizes=SIZES)
    stopped = {trial.proposal.digest for trial in real if trial.state == "stopped"}
    digests = {trial.number: trial.proposal.digest for trial in recorded.trials}
    replayed = {digests[number] for number in found.stops}
    assert len(stopped) >= 5
    # a proposal of the search has not seen the trial that was running when it was made
    assert len(stopped & replayed) >= 0.8 * len(stopped | replayed)
    saved = Effort.of(real).saved
    assert found.total - found.used == pytest.approx(saved, rel=0.2)


def test_a_replay_counts_what_it_takes_and_what_it_loses(recorded):
    found = replay(recorded, 0.95, seed=1, shuffled=True, sizes=SIZES)
    assert not found.lost
    assert not found.undominated
    assert found.volume == pytest.approx(1.0)
    assert found.least < found.used < found.total
    always = [each for each in recorded.trials if each.proposal.is_input or each.label == UNIFORM]
    assert len(recorded.candidates) == len(recorded.trials) - len(always)
    assert found.total == len(recorded.candidates) * 2 * DOCUMENTS


def test_a_replay_tells_of_wrong_stops(recorded):
    """Nothing is good enough if it has to be far better than the front."""
    tolerance = {each.name: 1e9 for each in OBJECTIVES}
    found = replay(recorded, 0.95, seed=1, sizes=SIZES, tolerance=tolerance)
    assert found.stops.keys() == recorded.candidates
    assert found.lost == recorded.front & recorded.candidates
    assert found.lost <= found.undominated
    assert found.volume < 1


def test_with_one_objective_the_front_is_its_best_trial_and_only_its_task_is_scored(recorded):
    best = recorded.only("text")
    found = replay(best, 0.95, seed=1, sizes=SIZES)
    assert found.total == len(best.candidates) * DOCUMENTS
    assert found.least <= found.used < found.total
    scores = {trial.number: trial.scores["text"] for trial in best.trials}
    assert best.front == {n for n, value in scores.items() if value == min(scores.values())}


def test_the_bench_prints_and_writes_the_parts_that_it_is_asked_for(capsys, monkeypatch, tmp_path):
    page = tmp_path / "honesty.md"
    page.write_text(f"before\n{START.format('distances')}\nold\n{END}\nafter\n")
    monkeypatch.setattr(bench_stages, "PAGE", page)
    monkeypatch.setattr("scripts.stages.tables.RUNS", 20)
    bench_stages.main(["--parts", "distances", "--write"])
    assert "| accuracy | " in capsys.readouterr().out
    head, *rows, last = page.read_text().splitlines()
    assert (head, last) == ("before", "after")
    assert "old" not in rows
    assert sum(each.startswith("| bits per byte | ") for each in rows) == 6
    with pytest.raises(SystemExit):
        bench_stages.main(["--parts", "law"])


def test_a_page_without_the_marks_of_a_part_is_an_error():
    with pytest.raises(ValueError, match="no part 'laws'"):
        with_parts("text", {"laws": markdown(["a"], [["1"]])})


def test_the_page_has_every_part_filled_in():
    text = PAGE.read_text(encoding="utf-8")
    options = bench_stages._options([])
    for name in options.parts:
        part = text.split(START.format(name))[1].split(END)[0]
        assert part.count("\n|") > 3
