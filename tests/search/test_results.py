"""The results of a run: hypervolume over time, the front and its picks, importance."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import numpy as np
import pytest

from search.cli.doctor_tables import preview_table
from search.cli.front_table import front_tables
from search.cli.tables import history_table, importance_table
from search.ledger import Proposal, Trial
from search.objectives import Objective, hypervolume, normalised
from search.results import RunResults, importance
from search.results.importance import _used
from search.samplers import parameter_importance
from tests.search.conftest import OBJECTIVES, make_space

SPACE = make_space("linear", "ties")
LABELS = ["base", "a", "b", "c", "uniform soup"]


def make_results(count: int, seed: int = 0) -> RunResults:
    """A run whose first objective follows one weight alone, and whose second is chance."""
    fate = random.Random(seed)
    trials = []
    for i in range(count):
        params = {
            name: fate.choice(axis.choices) if axis.choices else fate.uniform(axis.low, axis.high)
            for name, axis in SPACE.axes.items()
        }
        label = LABELS[i] if i < len(LABELS) else None
        scores = {"picks": params["weight[b]"] / 2, "text": 1 + fate.random()}
        trials.append(
            Trial(Proposal.create(i, SPACE.recipe(params), params, label), "scored", i, scores)
        )
    return RunResults(OBJECTIVES, trials)


def test_the_history_ends_at_the_fronts_hypervolume_and_never_falls():
    results = make_results(60)
    rows = np.array([[-t.scores["picks"], t.scores["text"]] for t in results.trials])
    anchors = rows[:4]
    corner = normalised(results.reference_point[None], anchors)[0]
    assert results.history == sorted(results.history)
    assert len(results.history) == 60
    assert results.history[-1] == pytest.approx(hypervolume(normalised(rows, anchors), corner))


def test_the_reference_lies_a_tenth_behind_the_worst_input():
    results = make_results(30)
    inputs = [trial.scores["text"] for trial in results.trials[:4]]  # lower is better
    span = max(inputs) - min(inputs)
    assert results.reference_point[1] == pytest.approx(max(inputs) + 0.1 * span)


def test_a_weighted_mean_counts_objectives_by_their_weights_and_its_best_is_picked():
    results = make_results(40)
    first, second = (
        replace(results, objectives=[replace(OBJECTIVES[0], weight=w), OBJECTIVES[1]])
        for w in (3.0, 1.0)
    )
    trial = results.scored[7]
    alone = [
        replace(
            results, objectives=[replace(each, weight=float(each is one)) for each in OBJECTIVES]
        )
        for one in OBJECTIVES
    ]
    picks, text = (each.mean(trial) for each in alone)
    assert second.mean(trial) == pytest.approx((picks + text) / 2)
    assert first.mean(trial) == pytest.approx((3 * picks + text) / 4)
    assert first.pick("mean") is max(first.front, key=first.mean)
    assert Objective.from_dict("picks", first.objectives[0].to_dict()) == first.objectives[0]


def test_models_are_told_from_other_baselines_by_their_names():
    assert list(make_results(10).models) == ["a", "b", "c"]


def test_where_keeps_the_part_of_the_front_that_satisfies_it():
    results = make_results(60)
    some = results.where("picks > a.picks and text <= 1.05 * base.text")
    base, a = results.baselines["base"].scores, results.baselines["a"].scores
    expected = [
        trial
        for trial in results.front
        if trial.scores["picks"] > a["picks"] and trial.scores["text"] <= 1.05 * base["text"]
    ]
    assert some.front == expected
    assert some.front
    assert some.pick("best:picks") in expected


def test_a_pick_where_no_trial_satisfies_the_condition_is_an_error():
    with pytest.raises(ValueError, match="no trial of it satisfies --where"):
        make_results(20).where("picks > 2").pick("knee")


def test_the_parameter_that_decides_an_objective_is_found():
    found = importance(make_results(150))
    assert next(iter(found["picks"])) == "weight[b]"
    assert sum(found["text"].values()) == pytest.approx(1.0)


def test_importance_looks_at_a_log_axis_on_its_log_scale():
    results = make_results(150)
    logs = {"lambda": lambda value: math.log(value) + 2, "weight[a]": lambda value: value}
    trials = []
    for trial in results.trials:
        scores = {"picks": math.log(trial.proposal.params["lambda"]), "text": 1.0}
        trials.append(Trial(trial.proposal, "scored", trial.order, scores))
    used = [dict(_used(trial.proposal.params)) for trial in trials]
    points = [{k: f(point[k]) for k, f in logs.items() if k in point} for point in used]
    losses = [-trial.scores["picks"] for trial in trials]
    linear = parameter_importance(points, losses)
    found = importance(RunResults(OBJECTIVES, trials))["picks"]
    assert found["lambda"] / found["weight[a]"] == pytest.approx(
        linear["lambda"] / linear["weight[a]"]
    )


def test_a_parameter_counts_only_where_its_method_uses_it():
    chance = random.Random(3)
    points, losses = [], []
    for _ in range(30):  # the best are those of ties, where t stays as it was put
        points.append({"method": "ties", "weight[a]": chance.random(), "t": 0.5})
        losses.append(chance.random())
    for _ in range(60):
        points.append({"method": "slerp", "weight[a]": chance.random(), "t": chance.random()})
        losses.append(1 + chance.random())
    used = [dict(_used(point)) for point in points]
    assert all(("t" in point) is (point["method"] == "slerp") for point in used)
    found = parameter_importance(used, losses)
    assert max(found, key=found.__getitem__) == "method"
    assert found["t"] < 0.2 < parameter_importance(points, losses)["t"]


def test_a_trial_without_scores_is_refused_with_its_cause():
    results = make_results(3)
    broken = replace(results.trials[-1], state="broken", scores={}, cause="the logits are NaN")
    found = RunResults(OBJECTIVES, [*results.trials[:-1], broken])
    with pytest.raises(ValueError, match="has no scores: it is broken, the logits are NaN"):
        found.trial(broken.number)


def test_importance_of_too_few_trials_is_refused():
    with pytest.raises(ValueError, match="importance needs 20 scored trials in the space, not 8"):
        importance(make_results(8))


def test_an_objective_that_never_changes_makes_no_parameter_important():
    results = make_results(40)
    flat = [
        Trial(trial.proposal, "scored", trial.order, {**trial.scores, "text": 1.0})
        for trial in results.trials
    ]
    assert not any(importance(RunResults(OBJECTIVES, flat))["text"].values())


def test_tables_can_be_made_of_any_run():
    for results in (RunResults(OBJECTIVES, []), make_results(1), make_results(40)):
        assert front_tables(results, 100)
        if results.scored:
            assert history_table(results).row_count >= 1
    assert importance_table(importance(make_results(150))).row_count == 8
    assert preview_table(SPACE.axes, 5).row_count == 4
