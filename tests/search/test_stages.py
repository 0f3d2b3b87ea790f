"""A search whose candidates are scored in stages; the models are a formula."""

from __future__ import annotations

import json
import logging
import math
from dataclasses import replace
from functools import partial

import numpy as np
import optuna
import pytest
from typer.testing import CliRunner

from evaluators.scores import Estimate, count_documents
from evaluators.stages import StagedTasks
from search.cli.app import app
from search.cli.live_view import plain_line
from search.driver import Budget, Driver, Patience, StageBuilder, StageRules, baselines
from search.ledger import Ledger
from search.ledger import ledger as ledger_module
from search.objectives import losses
from search.results import Effort, RunResults, importance
from search.runs import progress_of
from search.runs.dashboard import rows_of
from search.samplers import Auto, Mirror, Nsga2, Random, Study, Tpe
from tests.search.conftest import OBJECTIVES, make_space
from tests.search.formula import DOCUMENTS, evaluate
from workers.candidate import Candidate, Outcome
from workers.pool import InProcessPool

SPACE = make_space("linear", "ties", depth={"groups": 1})
HEADER = {
    "name": "test",
    "objectives": {each.name: each.to_dict() for each in OBJECTIVES},
    "budget": {"trials": 5},
}
FULL = 2 * DOCUMENTS
TRIALS = 36
RULES = StageRules(
    sizes=(32, 64), tasks=StagedTasks({"pick": DOCUMENTS, "text": DOCUMENTS}), seed=3
)


def make_driver(root, rules=RULES, evaluate=evaluate, sampler=None, workers=1, **more) -> Driver:
    ledger = Ledger(root) if root.exists() else Ledger.create(root, HEADER, "documents: all\n")
    directions = [each.direction for each in OBJECTIVES]
    return Driver(
        study=Study(sampler or Random(), SPACE.axes, directions, seed=7),
        pool=InProcessPool(evaluate, workers),
        ledger=ledger,
        recipe_of=SPACE.recipe,
        baselines=baselines(SPACE),
        objectives=OBJECTIVES,
        budget=Budget(trials=TRIALS),
        stages=StageBuilder(rules, OBJECTIVES, ledger, list("abc")),
        **more,
    )


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Driver:
    """A finished search; tests only read it."""
    driver = make_driver(tmp_path_factory.mktemp("searched") / "run", workers=3)
    driver.told = {}
    tell = driver.study.tell
    driver.study.tell = lambda number, values, **more: (
        driver.told.update({number: (values, more["errors"])}),
        tell(number, values, **more),
    )
    driver.run()
    return driver


def of_state(driver: Driver, state: str) -> list:
    return [trial for trial in driver.trials if trial.state == state]


def fully(trial) -> dict[str, float]:
    """The scores of a trial on all documents."""
    outcome = evaluate(Candidate(trial.number, trial.proposal.recipe))
    return {each.name: each.value(outcome.values) for each in OBJECTIVES}


# -- what is stopped, and what comes of it


def test_a_stopped_trial_is_dominated_when_it_is_scored_on_all_documents(searched):
    stopped, front = of_state(searched, "stopped"), RunResults(OBJECTIVES, searched.trials).front
    assert len(stopped) >= TRIALS // 4
    known = np.array([losses(OBJECTIVES, trial.scores) for trial in front])
    for trial in stopped:
        row = losses(OBJECTIVES, fully(trial))
        assert ((known <= row).all(1) & (known < row).any(1)).any()


def test_a_trial_that_is_not_stopped_has_the_scores_of_one_scoring(searched):
    for trial in of_state(searched, "scored"):
        assert trial.scores == pytest.approx(fully(trial), rel=1e-12)
        assert (trial.share, trial.documents) == (1.0, FULL)
        assert not trial.estimates


def test_base_models_and_the_uniform_soup_are_always_scored_completely(searched):
    labels = {trial.label: trial.state for trial in searched.trials}
    assert all(labels[name] == "scored" for name in ("base", "a", "b", "c", "uniform soup"))


def test_a_stopped_trial_keeps_its_estimates_their_errors_and_the_documents_used(searched):
    for trial in of_state(searched, "stopped"):
        documents = searched.ledger.documents(trial.number)
        assert not trial.scores
        assert 64 <= trial.documents == count_documents(documents) < FULL
        assert trial.share == trial.documents / FULL
        assert trial.estimates.keys() == {"picks", "text"}
        for each in trial.estimates.values():
            assert each.error > 0
            assert each.documents == trial.documents // 2
        assert f"after {trial.documents} of {FULL} documents" in trial.cause


def test_estimates_are_near_the_scores_on_all_documents(searched):
    z = [
        (trial.estimates[name].value - value) / trial.estimates[name].error
        for trial in of_state(searched, "stopped")
        for name, value in fully(trial).items()
    ]
    assert np.mean(np.abs(z) < 2) > 0.85


def test_the_sampler_is_told_estimates_with_their_errors_and_scores_without(searched):
    for trial in searched.trials:
        if trial.number not in searched.told:  # the last ones, which no ask has followed
            continue
        values, errors = searched.told[trial.number]
        if trial.state == "stopped":
            assert values == [trial.estimates[name].value for name in ("picks", "text")]
            assert errors == [trial.estimates[name].error for name in ("picks", "text")]
        elif trial.state == "scored":
            assert values == [trial.scores[name] for name in ("picks", "text")]
            assert errors is None


def test_only_completely_scored_trials_are_on_the_front_picked_or_best(searched):
    """Even if the estimates of the stopped ones were better than everything."""
    lucky = {name: Estimate(1e9 * sign, 1e-3, 64) for name, sign in (("picks", 1), ("text", -1))}
    trials = [
        replace(trial, estimates=lucky) if trial.state == "stopped" else trial
        for trial in searched.trials
    ]
    results, plain = (RunResults(OBJECTIVES, some) for some in (trials, searched.trials))
    assert results.to_json("x") == plain.to_json("x")
    assert results.best() == plain.best()
    assert results.history_json() == plain.history_json()
    assert [results.pick(how).number for how in ("knee", "mean", "best:text")] == [
        plain.pick(how).number for how in ("knee", "mean", "best:text")
    ]


def test_a_stopped_trial_cannot_be_chosen_and_the_message_says_why(searched):
    trial = of_state(searched, "stopped")[0]
    expected = rf"trial {trial.number} has only estimates of scores: it is stopped, no better "
    with pytest.raises(ValueError, match=expected):
        RunResults(OBJECTIVES, searched.trials).trial(trial.number)


def test_a_recipe_that_was_stopped_is_not_scored_again(tmp_path):
    fixed = {"weight": 1.0, "density": 0.5, "lambda": 1.0}
    space = make_space("linear", "ties", **fixed)
    seen = []

    def bad(candidate: Candidate) -> Outcome:
        seen.append(candidate.recipe.digest)
        estimates = {name: Estimate(0.5, 0.1, 64) for name in ("picks", "text")}
        done = evaluate(candidate)
        is_scored = candidate.stages is None
        stopped = {"state": "stopped", "values": {}, "estimates": estimates, "cause": "beaten"}
        return done if is_scored else replace(done, **stopped)

    driver = make_driver(tmp_path / "run", evaluate=bad)
    driver.study = Study(Random(), space.axes, ["maximize", "minimize"], seed=0)
    driver.recipe_of, driver.baselines = space.recipe, baselines(space)
    driver.run()
    again = [t for t in of_state(driver, "stopped") if "the same recipe as" in t.cause]
    assert again
    assert all(t.estimates and not t.documents for t in again)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(("field", "number"), [("value", math.nan), ("error", math.inf)])
def test_an_estimate_that_is_no_number_breaks_the_trial_and_not_the_search(tmp_path, field, number):
    def poisoned(candidate: Candidate) -> Outcome:
        outcome = evaluate(candidate)
        if outcome.state != "stopped":
            return outcome
        bad = replace(outcome.estimates["text"], **{field: number})
        return replace(outcome, estimates={**outcome.estimates, "text": bad})

    driver = make_driver(tmp_path / "run", evaluate=poisoned)
    driver.run()
    assert not of_state(driver, "stopped")
    (first, *_) = of_state(driver, "broken")
    assert "objective text: its estimate is" in first.cause
    assert not first.estimates


# -- durability


def made(driver: Driver) -> dict:
    """What each candidate was compared with, by number; filled while the driver runs."""
    found: dict = {}
    submit = driver.pool.submit

    def watched(candidate: Candidate) -> None:
        stages = candidate.stages
        found[candidate.trial] = stages and (
            [each.trial for each in stages.members],
            [each.trial for each in stages.inputs],
            stages.order,
        )
        submit(candidate)

    driver.pool.submit = watched
    return found


@pytest.mark.parametrize(
    "sampler", [Tpe(startup=4), Nsga2(population=6), Auto()], ids=lambda s: s.type
)
def test_a_resumed_search_stops_what_the_uninterrupted_one_stops(tmp_path, sampler):
    whole = make_driver(tmp_path / "whole", sampler=sampler)
    of_whole = made(whole)
    whole.run()
    first = make_driver(tmp_path / "cut", sampler=sampler)
    of_first = made(first)
    first.watch = lambda driver: driver.stop() if len(driver.trials) >= 18 else None
    first.run()
    second = make_driver(tmp_path / "cut", sampler=sampler)
    of_second = made(second)
    second.run()
    assert of_first | of_second == of_whole
    assert any(of_first.values())
    assert any(of_second.values())
    kept = ("number", "state", "scores", "estimates", "documents", "cause")
    assert [[getattr(trial, name) for name in kept] for trial in second.trials] == [
        [getattr(trial, name) for name in kept] for trial in whole.trials
    ]


def test_what_was_under_way_when_the_driver_died_gets_the_same_stages_again(tmp_path):
    class Killed(BaseException):
        """Stands for kill -9: nothing catches it."""

    def die(candidate: Candidate) -> Outcome:
        if candidate.trial == 15:
            raise Killed
        return evaluate(candidate)

    first = make_driver(tmp_path / "run", evaluate=die, workers=3)
    of_first = made(first)
    with pytest.raises(Killed):
        first.run()
    unfinished = set(of_first) - {trial.number for trial in first.ledger.trials()}
    second = make_driver(tmp_path / "run", workers=3)
    of_second = made(second)
    second.run()
    assert 15 in unfinished
    assert {n: of_second[n] for n in unfinished} == {n: of_first[n] for n in unfinished}
    assert of_first[15] is not None


def test_stopped_trials_survive_compaction(tmp_path, searched, monkeypatch):
    monkeypatch.setattr(ledger_module, "SMALL_FILES", 8)
    ledger = Ledger.create(tmp_path / "run", HEADER, "")
    with ledger.driving():
        for trial in searched.trials:
            ledger.propose(trial.proposal)
            ledger.finish(trial, searched.ledger.documents(trial.number))
    assert list((tmp_path / "run" / "trials").iterdir())
    assert Ledger(ledger.root).trials() == searched.trials
    trial = of_state(searched, "stopped")[0]
    assert count_documents(Ledger(ledger.root).documents(trial.number)) == trial.documents


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "order.json is damaged: "),
        ('{"pick": "x"}', "order.json is damaged: "),
        ('{"pick": [3, 4]}', "is scored on other documents of task"),
    ],
)
def test_without_a_valid_order_everything_is_scored_completely_and_the_file_named(
    tmp_path, searched, caplog, content, expected
):
    driver = make_driver(tmp_path / "run")
    (tmp_path / "run" / "order.json").write_text(content)
    with caplog.at_level(logging.WARNING):
        assert states(driver) == {"scored"}
    assert expected in caplog.text


def test_a_damaged_file_of_the_front_is_named_once_and_nothing_is_compared_with_it(
    tmp_path, searched, caplog
):
    ledger = searched.ledger
    best = RunResults(OBJECTIVES, searched.trials).pick("knee").number
    read = ledger.documents

    class Damaged:
        order, record_order = ledger.order, ledger.record_order

        def documents(self, number: int):
            if number == best:
                raise ValueError(f"finished/{number:06}.parquet: truncated")
            return read(number)

    builder = StageBuilder(RULES, OBJECTIVES, Damaged(), list("abc"))
    late = replace(searched.trials[-1].proposal, seen=len(searched.trials), label=None)
    later = replace(late, seen=len(searched.trials) - 1)
    with caplog.at_level(logging.WARNING):
        found = [builder.stages(each, searched.trials) for each in (late, later, late)]
    for stages in found:
        assert best not in [each.trial for each in stages.members]
        assert stages.members
    assert caplog.text.count(f"no candidate is compared with trial {best}") == 1


# -- where stages are of no use


def states(driver: Driver) -> set[str]:
    driver.run()
    return {trial.state for trial in driver.trials}


def test_without_sizes_every_candidate_is_scored_in_one_go(tmp_path):
    driver = make_driver(tmp_path / "run", rules=replace(RULES, sizes=()))
    candidates = made(driver)
    assert states(driver) == {"scored"}
    assert not any(candidates.values())
    assert not (tmp_path / "run" / "order.json").exists()


def test_a_metric_of_a_whole_corpus_is_scored_completely_and_named_once(tmp_path, caplog):
    def with_strings(candidate: Candidate) -> Outcome:
        assert candidate.stages is None
        done = evaluate(candidate)
        rows = done.documents.to_pylist()
        for row in rows:
            if row["task"] == "pick":
                row |= {"value": None, "value_json": '["the answer", "an answer"]'}
        return replace(done, documents=done.documents.from_pylist(rows, done.documents.schema))

    with caplog.at_level(logging.WARNING):
        assert states(make_driver(tmp_path / "run", evaluate=with_strings)) == {"scored"}
    text = "candidates are not scored in stages  picks: acc is no mean or ratio of documents"
    assert caplog.text.count(text) == 1


def test_an_objective_in_which_no_model_differs_is_named_and_a_tolerance_sets_it_aside(
    tmp_path, caplog
):
    flat = partial(evaluate, change=lambda task, _, value: 1.0 if task == "pick" else value)
    with caplog.at_level(logging.WARNING):
        assert states(make_driver(tmp_path / "strict", evaluate=flat)) == {"scored"}
    assert caplog.text.count("objective picks is the same for all input models on every") == 1
    tolerant = replace(RULES, tolerance={"picks": 0.2})
    assert "stopped" in states(make_driver(tmp_path / "loose", tolerant, evaluate=flat))


def test_without_a_scored_input_model_nothing_is_scored_in_stages(tmp_path, caplog):
    def broken_inputs(candidate: Candidate) -> Outcome:
        if candidate.trial < 4:
            return Outcome(candidate.trial, "broken", cause="not finite")
        return evaluate(candidate)

    with caplog.at_level(logging.WARNING):
        found = states(make_driver(tmp_path / "run", evaluate=broken_inputs))
    assert found == {"broken", "scored"}
    assert caplog.text.count("not scored in stages  no input model has scores") == 1


# -- what is said of it


def test_the_effort_counts_documents_and_what_stages_saved(searched):
    effort = Effort.of(searched.trials)
    stopped = of_state(searched, "stopped")
    assert effort.full == FULL
    assert effort.scored == sum(trial.documents for trial in searched.trials)
    assert effort.scored + effort.saved == FULL * len(searched.trials)
    assert effort.scorings == pytest.approx(sum(trial.share for trial in searched.trials))
    assert effort.saved == sum(FULL - trial.documents for trial in stopped)
    expected = f"{effort.scored / FULL:.1f} full scorings ({FULL} documents each), "
    assert str(effort) == expected + f"{effort.saved / (FULL * TRIALS):.0%} saved by stopping early"


def test_the_effort_of_trials_of_an_earlier_version_is_their_share(searched):
    old = [replace(trial, documents=0) for trial in of_state(searched, "scored")]
    assert Effort.of(old) == Effort(0, 0, 0)
    assert not str(Effort.of([]))
    mixed = [*old[1:], of_state(searched, "scored")[0]]
    assert Effort.of(mixed) == Effort(FULL * len(mixed), FULL, 0)


def test_status_report_and_dashboard_say_what_was_stopped_and_saved(searched, tmp_path):
    effort, root = Effort.of(searched.trials), searched.ledger.root
    stopped = len(of_state(searched, "stopped"))
    status = CliRunner().invoke(app, ["status", root])
    assert f"{stopped} stopped" in status.output
    assert f"scored: {effort}\n" in status.output
    content = json.loads(CliRunner().invoke(app, ["status", root, "--json"]).output)
    assert content["documents"] == {
        "scored": effort.scored,
        "full": FULL,
        "saved": effort.saved,
    }
    assert content["budget"]["scorings"] == pytest.approx(effort.scorings)
    done = CliRunner().invoke(app, ["report", root, str(tmp_path / "page.html")])
    assert done.exit_code == 0, done.output
    assert f"scored: {effort}" in (tmp_path / "page.html").read_text()
    assert str(effort) in plain_line(progress_of(searched.ledger))


def test_the_dashboard_has_stopped_trials_without_values(searched, tmp_path):
    directions = {each.name: each.direction for each in OBJECTIVES}
    mirror = Mirror(tmp_path / "journal.log", "x", SPACE.axes, directions)
    mirror.add(rows_of(searched.ledger))
    study = optuna.load_study(study_name="x", storage=mirror.storage)
    by_number = {trial.user_attrs["trial"]: trial for trial in study.trials}
    for trial in searched.trials:
        shown = by_number[trial.number]
        if trial.state == "stopped":
            assert (shown.state.name, shown.values) == ("PRUNED", None)
            assert shown.user_attrs["estimated picks"] == trial.estimates["picks"].value
    assert {trial.number for trial in study.best_trials} <= {
        n for n, each in enumerate(study.trials) if each.user_attrs["state"] == "scored"
    }


def test_importance_learns_from_stopped_trials_too(searched):
    assert importance(RunResults(OBJECTIVES, searched.trials)).keys() == {"picks", "text"}
    with pytest.raises(ValueError, match="importance needs 20 scored trials"):
        importance(RunResults(OBJECTIVES, of_state(searched, "scored")))


def test_stopped_trials_end_patience_as_scored_ones_do(searched):
    trials = [trial for trial in searched.trials if trial.label is None]
    inputs = [trial for trial in searched.trials if trial.label]
    hopeless = [
        replace(trial, state="stopped", scores={}, order=len(inputs) + i)
        for i, trial in enumerate(trials[:10])
    ]
    patient = Budget(trials=1000, patience=Patience(trials=10))
    ends = patient.reached([*inputs, *hopeless], 0.0, OBJECTIVES)
    assert "in 10 trials the hypervolume grew by only 0.00%" in ends
    assert patient.reached([*inputs, *hopeless[:9]], 0.0, OBJECTIVES) is None
