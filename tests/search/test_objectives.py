"""What is optimised: a metric, or the weighted mean of several."""

from __future__ import annotations

import math

import pytest

from search.objectives import Objective, ObjectiveSettings, resolve

METRICS = {
    "arc": {"acc,none": True, "brier,none": False},
    "maths": {"acc,none": True, "exact_match,strict": True, "exact_match,flexible": True},
    "odd": {"score,none": None},
}
GENERAL = {
    "mean": [{"task": "arc", "metric": "acc"}, {"task": "maths", "metric": "acc", "weight": 3}]
}


def resolved(**given) -> Objective:
    found, errors = resolve({"x": ObjectiveSettings.model_validate(given)}, METRICS)
    if errors:
        raise ValueError(*errors)
    return found[0]


def test_an_objective_may_be_the_weighted_mean_of_metrics():
    general = resolved(**GENERAL)
    assert general.direction == "maximize"
    values = {"arc": {"acc,none": 0.2}, "maths": {"acc,none": 0.6}}
    assert general.value(values) == pytest.approx((0.2 + 3 * 0.6) / 4)


@pytest.mark.parametrize("given", [GENERAL, {"task": "arc", "metric": "brier"}])
def test_a_run_keeps_its_objectives_as_they_were(given):
    objective = resolved(**given)
    assert Objective.from_dict("x", objective.to_dict()) == objective


def test_the_value_of_one_metric_is_lm_evals_to_the_last_bit():
    assert resolved(task="arc", metric="acc").value({"arc": {"acc,none": 0.1}}) == 0.1


def test_a_metric_whose_task_says_nothing_takes_the_direction_of_the_config():
    assert resolved(task="odd", metric="score", direction="minimize").direction == "minimize"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_named_with_its_objective_and_metric(value):
    values = {"arc": {"acc,none": 0.2}, "maths": {"acc,none": value}}
    with pytest.raises(ValueError, match=f"objective x: maths acc,none is {value}"):
        resolved(**GENERAL).value(values)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": "arc"}, "needs a task and a metric, or the mean of several"),
        ({**GENERAL, "task": "arc"}, "mean and task contradict each other"),
        ({"mean": GENERAL["mean"][:1]}, "at least 2 items"),
        (
            {"mean": [*GENERAL["mean"], {"task": "arc", "metric": "brier"}]},
            r"objectives.x.mean: acc, brier have different directions",
        ),
        (
            {"mean": [*GENERAL["mean"], {"task": "maths", "metric": "exact_match"}]},
            "objectives.x.mean.2.filter: the task reports 'exact_match' with the filters",
        ),
        (
            {"mean": [*GENERAL["mean"], {"task": "arc", "metric": "ac"}]},
            "objectives.x.mean.2.metric: task 'arc' does not report 'ac'; did you mean 'acc'",
        ),
        ({"task": "odd", "metric": "score"}, "objectives.x.direction: the task declares none"),
    ],
)
def test_what_cannot_be_an_objective_is_refused_with_its_place(given, message):
    with pytest.raises(ValueError, match=message):
        resolved(**given)
