"""The loop, with a pool of this process and scores from a formula: no Ray and no model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pytest

from evaluators.scores import Conditions
from search.driver import Budget, Driver, baselines
from search.ledger import Ledger
from search.samplers import Auto, Gp, Nsga2, Random, Study, Tpe
from tests.search.conftest import OBJECTIVES, make_space
from tests.search.test_ledger import documents
from workers.candidate import Candidate, Outcome
from workers.pool import InProcessPool

SPACE = make_space("linear", "ties", "dare_ties", depth={"groups": 2})
HEADER = {"name": "test", "objectives": {}, "budget": {"trials": 5}}


def evaluate(candidate: Candidate) -> Outcome:
    """Any function of the recipe will do: these two objectives pull it apart."""
    weights = candidate.recipe.groups[0].parameters.get("weight", {"a": 0.0, "b": 1.0})
    a, b = weights.get("a", 0.0), weights.get("b", 0.0)
    values = {
        "pick": {"acc,none": 1 / (1 + (a - 1) ** 2)},
        "text": {"bits_per_byte,none": 1 + (b - 1) ** 2},
    }
    return Outcome(candidate.trial, "scored", values)


def make_driver(root, trials=24, evaluate=evaluate, sampler=None, workers=3, **more) -> Driver:
    ledger = Ledger(root) if root.exists() else Ledger.create(root, HEADER, "")
    directions = [each.direction for each in OBJECTIVES]
    return Driver(
        study=Study(sampler or Random(), SPACE.axes, directions, seed=7),
        pool=InProcessPool(evaluate, workers),
        ledger=ledger,
        recipe_of=SPACE.recipe,
        baselines=baselines(SPACE),
        objectives=OBJECTIVES,
        budget=Budget(trials=trials),
        **more,
    )


def params_by_number(driver: Driver) -> dict:
    return {trial.number: trial.proposal.params for trial in driver.trials}


def test_every_trial_of_the_budget_is_finished_and_recorded(tmp_path):
    driver = make_driver(tmp_path / "run")
    driver.run()
    assert sorted(trial.number for trial in driver.trials) == list(range(24))
    assert [each.number for each in driver.ledger.trials()] == [t.number for t in driver.trials]


def test_known_recipes_go_first(tmp_path):
    driver = make_driver(tmp_path / "run")
    driver.run()
    labels = [trial.label for trial in sorted(driver.trials, key=lambda trial: trial.number)]
    assert labels[:5] == ["base", "a", "b", "c", "uniform soup"]
    assert labels[5:7] == ["ties defaults", "dare_ties defaults"]
    assert labels[-1] is None


def test_a_proposal_is_kept_before_a_worker_sees_it(tmp_path):
    def must_be_kept(candidate: Candidate) -> Outcome:
        assert candidate.trial in Ledger(tmp_path / "run").proposals()
        return evaluate(candidate)

    make_driver(tmp_path / "run", evaluate=must_be_kept).run()


@pytest.mark.parametrize(
    "sampler", [Tpe(startup=4), Random(), Nsga2(), Auto()], ids=lambda s: s.type
)
@pytest.mark.parametrize("stop_after", [3, 18])
def test_a_resumed_search_is_the_one_that_was_not_interrupted(tmp_path, sampler, stop_after):
    whole = make_driver(tmp_path / "whole", sampler=sampler, workers=1)
    whole.run()
    first = make_driver(tmp_path / "cut", sampler=sampler, workers=1)
    first.watch = lambda driver: driver.stop() if len(driver.trials) == stop_after else None
    first.run()
    assert stop_after <= len(first.trials) < 24
    second = make_driver(tmp_path / "cut", sampler=sampler, workers=1)
    second.run()
    assert params_by_number(second) == params_by_number(whole)


def test_what_was_under_way_when_the_driver_died_is_tried_again_under_its_number(tmp_path):
    class Killed(BaseException):
        """Stands for kill -9: nothing catches it."""

    def die_at_seven(candidate: Candidate) -> Outcome:
        if candidate.trial == 7:
            raise Killed
        return evaluate(candidate)

    with pytest.raises(Killed):
        make_driver(tmp_path / "run", evaluate=die_at_seven).run()
    before = Ledger(tmp_path / "run").trials()
    assert 7 in Ledger(tmp_path / "run").proposals()
    driver = make_driver(tmp_path / "run")
    driver.run()
    assert driver.trials[: len(before)] == before
    assert sorted(trial.number for trial in driver.trials) == list(range(24))


def test_stop_gives_candidates_under_way_time_to_come_back(tmp_path):
    driver = make_driver(tmp_path / "run", workers=4)
    driver.watch = Driver.stop
    driver.run()
    assert 4 <= len(driver.trials) < 24
    assert not driver.running
    assert not driver.finished


def test_a_failed_or_broken_candidate_is_kept_with_its_cause_and_never_told_as_a_score(tmp_path):
    def faulty(candidate: Candidate) -> Outcome:
        if candidate.trial == 6:
            return Outcome(
                candidate.trial, "failed", cause="Traceback\nRuntimeError: out of memory"
            )
        if candidate.trial == 7:
            return Outcome(candidate.trial, "broken", cause="not finite")
        return evaluate(candidate)

    driver = make_driver(tmp_path / "run", evaluate=faulty)
    driver.run()
    by_number = {trial.number: trial for trial in driver.ledger.trials()}
    assert (by_number[6].state, by_number[7].state) == ("failed", "broken")
    assert "out of memory" in by_number[6].cause
    assert not by_number[6].scores


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_breaks_the_trial_and_not_the_search(tmp_path, value):
    def poisoned(candidate: Candidate) -> Outcome:
        outcome = evaluate(candidate)
        poison = {**outcome.values, "text": {"bits_per_byte,none": value}}
        return replace(outcome, values=poison) if candidate.trial == 8 else outcome

    driver = make_driver(tmp_path / "run", evaluate=poisoned)
    driver.run()
    trial = next(each for each in driver.trials if each.number == 8)
    assert trial.state == "broken"
    assert trial.cause == f"objective text: text bits_per_byte,none is {value}"


def test_a_recipe_is_never_scored_twice(tmp_path):
    seen = []

    def once(candidate: Candidate) -> Outcome:
        seen.append(candidate.recipe.digest)
        return evaluate(candidate)

    fixed = {"weight": 1.0, "density": 0.5, "lambda": 1.0}
    space = make_space("linear", "ties", **fixed)  # two recipes in all, and the models alone
    driver = make_driver(tmp_path / "run", evaluate=once, workers=1)
    driver.study = Study(Random(), space.axes, ["maximize", "minimize"], seed=0)
    driver.recipe_of, driver.baselines = space.recipe, baselines(space)
    driver.run()
    assert len(seen) == len(set(seen))
    assert {trial.state for trial in driver.trials} == {"scored", "duplicate"}
    twin = next(trial for trial in driver.trials if trial.state == "duplicate")
    assert twin.scores
    assert "the same recipe as trial" in twin.cause


def test_a_recipe_that_broke_is_not_evaluated_again_and_one_that_failed_is(tmp_path):
    seen = []

    def broken_or_failed(candidate: Candidate) -> Outcome:
        seen.append(candidate.recipe.method)
        state = {"ties": "broken", "dare_ties": "failed"}.get(candidate.recipe.method)
        return Outcome(candidate.trial, state) if state else evaluate(candidate)

    fixed = {"weight": 1.0, "density": 0.5, "lambda": 1.0}
    space = make_space("linear", "ties", "dare_ties", **fixed)  # a recipe of each
    driver = make_driver(tmp_path / "run", trials=40, evaluate=broken_or_failed)
    driver.study = Study(Random(), space.axes, ["maximize", "minimize"], seed=0)
    driver.recipe_of, driver.baselines = space.recipe, baselines(space)
    driver.run()
    broken = [trial for trial in driver.trials if trial.state == "broken"]
    by_digest = {trial.proposal.digest for trial in broken}
    assert seen.count("ties") == len(by_digest) < len(broken)
    assert "the same recipe as trial" in broken[-1].cause
    assert seen.count("dare_ties") > len(by_digest)


def test_a_trial_that_was_stopped_half_way_counts_half_in_a_resumed_search_too(tmp_path):
    def scoring(state: str, rows: pa.Table):
        return lambda candidate: replace(evaluate(candidate), state=state, documents=rows)

    whole = documents()
    half = whole.slice(0, 1)
    make_driver(tmp_path / "run", trials=8, evaluate=scoring("scored", whole)).run()
    resumed = make_driver(tmp_path / "run", trials=9, evaluate=scoring("stopped", half))
    resumed.run()
    shares = [trial.share for trial in resumed.trials]
    assert shares[:8] == [1.0] * 8
    assert shares[8] == pytest.approx(1 / 3)


def test_nothing_is_begun_when_the_budget_is_spent(tmp_path):
    driver = make_driver(tmp_path / "run", trials=100, workers=3)
    driver.budget = Budget(trials=100, scorings=5)
    submit, late = driver.pool.submit, []

    def watched(candidate: Candidate) -> None:
        late.extend([candidate.trial] if driver.finished else [])
        submit(candidate)

    driver.pool.submit = watched
    driver.run()
    assert not late
    assert len(driver.trials) == 8  # the three under way have finished


def test_a_proposal_says_which_outcomes_it_had_seen(tmp_path):
    driver = make_driver(tmp_path / "run", workers=1)
    driver.run()
    seen = [trial.proposal.seen for trial in driver.trials]
    assert seen == sorted(seen)
    assert seen[-1] == 22  # all but its own and that of the trial it was asked ahead of


def test_a_slow_sampler_keeps_no_outcome_waiting_and_sees_what_it_says(tmp_path):
    driver = make_driver(tmp_path / "run", workers=4)
    ask, tell = driver.study.ask, driver.study.tell
    told, asks = [], []

    def slow():
        deadline = time.monotonic() + 5.0
        while driver.running and time.monotonic() < deadline:
            time.sleep(0.01)  # all candidates come back while this one is asked for
        asks.append((len(told), len(driver.trials)))
        return ask()

    driver.study.ask = slow
    driver.study.tell = lambda number, values, *, broken, errors: (
        told.append(number),
        tell(number, values, broken=broken),
    )
    driver.run()
    asked = [trial for trial in driver.trials if trial.label is None]
    by_number = sorted(asked, key=lambda trial: trial.number)
    assert [trial.proposal.seen for trial in by_number] == [seen for seen, _ in asks]
    assert any(finished > seen for seen, finished in asks)


def test_a_broken_model_is_told_as_a_constraint_and_a_failed_one_as_a_failure(tmp_path):
    told = {}

    def faulty(candidate: Candidate) -> Outcome:
        state = {18: "broken", 19: "failed"}.get(candidate.trial)
        return Outcome(candidate.trial, state) if state else evaluate(candidate)

    driver = make_driver(tmp_path / "run", evaluate=faulty, workers=1)
    tell = driver.study.tell
    driver.study.tell = lambda number, values, *, broken, errors: (
        told.update({number: (values is not None, broken)}),
        tell(number, values, broken=broken),
    )
    driver.run()
    assert (told[17], told[18], told[19]) == ((True, False), (False, True), (False, False))


def test_a_space_with_nothing_to_search_ends_after_the_baselines(tmp_path):
    space = make_space("karcher")
    driver = make_driver(tmp_path / "run")
    driver.study = Study(Random(), space.axes, ["maximize", "minimize"], seed=0)
    driver.recipe_of, driver.baselines = space.recipe, baselines(space)
    driver.run()
    assert driver.reason == "there is nothing to search but the baselines"
    labels = [trial.label for trial in driver.trials]
    assert labels[:5] == ["base", "a", "b", "c", "uniform soup"]
    assert "karcher defaults" in labels


def test_hours_of_earlier_sessions_count(tmp_path):
    first = make_driver(tmp_path / "run", trials=5)
    first.run()
    spent = first.trials[-1].clock
    second = make_driver(tmp_path / "run", trials=24)
    second.budget = Budget(trials=24, hours=spent / 3600)
    second.run()
    assert len(second.trials) == 5
    assert "hours is spent" in second.reason


@pytest.mark.slow
def test_a_gaussian_process_resumes_as_well(tmp_path):
    test_a_resumed_search_is_the_one_that_was_not_interrupted(tmp_path, Gp(), 9)


def test_a_resumed_search_warns_of_another_version_of_the_engine(tmp_path, caplog):
    def by(engine: str) -> Callable[[Candidate], Outcome]:
        conditions = Conditions(0, 2, "cpu", engine)
        return lambda candidate: replace(evaluate(candidate), conditions=conditions)

    make_driver(tmp_path / "run", 8, by("vllm 0.32.0")).run()
    assert "their scores may differ" not in caplog.text
    make_driver(tmp_path / "run", 16, by("vllm 0.33.0")).run()
    warning = "was scored by vllm 0.33.0, earlier ones by vllm 0.32.0: their scores may differ"
    assert caplog.text.count(warning) == 1
