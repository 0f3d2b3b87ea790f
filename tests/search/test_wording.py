"""What a newcomer reads: every number and mark is explained where it is shown."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from search.cli.front_table import front_tables
from search.cli.log_format import TextFormatter
from search.cli.next_steps import say_next_steps
from search.cli.show import trial_lines
from search.cli.tables import importance_table
from search.config import make_plan
from search.results import RunResults, mean_text
from search.runs import create_run
from tests.search.test_live_view import make_results, rendered


def test_a_front_says_what_its_mean_and_its_knee_are():
    text = " ".join(" ".join(rendered(*front_tables(make_results(3), 80), width=80)).split())
    assert "mean: of all objectives, each on a scale: 0 = the worst of base and models" in text
    assert "above 1 = on average better than the best model" in text
    assert "knee: the trial nearest to" in text


def test_a_mean_with_weights_is_said_to_be_one():
    results = make_results(2)
    assert "weighted" not in mean_text(results.objectives)
    first, second = results.objectives
    assert "weighted by `prefer`" in mean_text([replace(first, weight=2.0), second])


def test_a_mean_above_one_is_better_than_the_best_model_of_each_objective_on_average():
    results = make_results(1)
    (objective,) = results.objectives
    best = max(each.scores[objective.name] for each in results.models.values())
    better = replace(results.scored[-1], scores={objective.name: best + 0.1})
    found = RunResults(results.objectives, [*results.trials[:-1], better])
    assert found.mean(better) > 1
    assert any("0 = the worst of base and models" in line for line in trial_lines(better, found))


def test_the_name_of_a_parameter_is_explained_under_the_importance():
    lines = rendered(importance_table({"law": {"weight[code].1": 1.0}}), width=80)
    assert "parameter[model].part" in " ".join(lines)


@pytest.mark.parametrize(
    ("logger", "expected"),
    [("search.driver.driver", " warning: no GPU"), ("urllib3.pool", " warning (urllib3): no GPU")],
)
def test_a_log_line_for_a_person_has_time_level_and_message(logger, expected):
    record = logging.LogRecord(logger, logging.WARNING, "x.py", 1, "no %s", ("GPU",), None)
    line = TextFormatter().format(record)
    assert line[19:] == expected
    assert line[:19].count(":") == 2


@pytest.mark.parametrize(
    ("changes", "is_proposed"),
    [
        ({}, True),
        ({"documents": "all"}, False),
        ({"verdict": "knee"}, False),
        ({"verdict": "mean"}, False),
    ],
)
def test_a_search_ends_with_what_can_be_done_next(changes, is_proposed, write, config, capsys):
    documents = {"documents": {"search": 0.6, "selection": 0.2, "report": 0.2}}
    plan = make_plan(write({**config, **documents, **changes}))
    ledger = create_run(plan)
    say_next_steps(ledger)
    said = capsys.readouterr().err
    assert (f"mergefront verdict {ledger.root}" in said) == is_proposed
    assert f"mergefront report {ledger.root}" in said
    option = " --pick mean" if changes.get("verdict") == "mean" else "  "
    assert f"mergefront export {ledger.root} OUT{option}" in said  # the model that was tested
