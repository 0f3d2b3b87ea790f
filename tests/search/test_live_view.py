"""What people see of a search: views and tables that fit every terminal."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from search.cli.front_table import front_tables, trials_table
from search.cli.live_view import LiveView, plain_line
from search.driver import Budget, seconds_left, spent_share
from search.ledger import Proposal, Trial
from search.objectives import Objective
from search.results import RunResults
from search.runs import RunProgress
from tests.search.conftest import make_space
from workers.recipe import Recipe

SPACE = make_space("linear", "ties")
LABELS = ["base", "a", "b", "c", "uniform soup"]
WIDTHS = [40, 80, 100, 200]
COUNTS = [1, 3, 13, 20]
NAMES = ["maths", "law", "a_rather_long_name_of_a_task", "code"]


def make_results(n_objectives: int, n_trials: int = 40) -> RunResults:
    """A run with any number of objectives, whose scores are chance."""
    fate = random.Random(n_objectives)
    objectives = [
        Objective.of(f"{NAMES[i % 4]}{i // 4 or ''}", "t", "m", ["maximize", "minimize"][i % 2])
        for i in range(n_objectives)
    ]
    trials = []
    for i in range(n_trials):
        params = {
            name: fate.choice(axis.choices) if axis.choices else fate.uniform(axis.low, axis.high)
            for name, axis in SPACE.axes.items()
        }
        proposal = Proposal.create(
            i, SPACE.recipe(params), params, LABELS[i] if i < len(LABELS) else None
        )
        trial = Trial(proposal, "scored", i, share=1.0, clock=7.0 * i, documents=120)
        if i % 10 == 7:
            trials.append(replace(trial, state="stopped", share=0.25, documents=30))
        elif i % 10 == 8:
            trials.append(replace(trial, state="broken", share=0.0, documents=0))
        else:
            trials.append(replace(trial, scores={o.name: fate.random() for o in objectives}))
    return RunResults(objectives, trials)


def make_progress(n_objectives: int, **changes) -> RunProgress:
    states = [
        {"name": f"host:{4000 + i}", "stage": "busy", "trial": 40 + i, "seconds": 3.2}
        for i in range(12)
    ]
    report = {"workers": 14, "busy": 12, "starting": 2, "preparing": "", "states": states}
    progress = RunProgress(
        name="skills",
        state="running",
        results=make_results(n_objectives),
        budget=Budget(trials=80),
        running=range(40, 52),
        report={**report, "troubles": ["node 7 is closed: " + "out of memory " * 30]},
        clock=285.0,
    )
    return replace(progress, **changes)


def rendered(*parts, width: int, height: int = 40) -> list[str]:
    console = Console(file=StringIO(), width=width, height=height, highlight=False)
    for part in parts:
        console.print(part)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("height", [24, 40])
def test_the_live_view_fits_every_terminal_and_says_everything(width, count, height):
    progress = make_progress(count)
    lines = rendered(LiveView(progress, "runs/skills"), width=width, height=height)
    check_fit(lines, width)
    assert len(lines) < height
    text = " ".join(" ".join(lines).split())
    for part in (
        "skills: running",
        "40/80 trials",
        "ETA 4m 57s",
        "50%",
        "32 scored",
        "4 stopped",
        "4 broken",
        "12 running",
        "33.0 full scorings (120 documents each)",
        "8% saved by stopping early",
        "by mean",
        "by knee",
        "12 busy, 2 starting",
        "[4000: trial 40, 3s]",
        "node 7 is closed: out of memory",
    ):
        assert part in text
    assert f"█ {progress.results.history[-1]:.4f}" in text
    knee = progress.results.pick("knee")
    first = progress.results.objectives[0]
    assert f"{knee.scores[first.name]:.4f}" in text
    assert f"{progress.results.mean(knee):.3f}" in text


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("count", COUNTS)
def test_the_front_is_readable_in_every_terminal_with_every_objective(width, count):
    results = make_results(count)
    lines = rendered(*front_tables(results, width), width=width)
    check_fit(lines, width)
    text = "\n".join(lines)
    knee = results.pick("knee")
    for each in results.objectives:
        assert f"{knee.scores[each.name]:.4f}" in text
    for trial in results.front:
        assert f"{results.mean(trial):.3f}" in text
    assert "uniform soup" in text


@pytest.mark.parametrize("is_small", [False, True])
def test_long_names_of_models_take_no_room_from_the_numbers(is_small):
    results = make_results(3)
    name = "a-model-with-a-name-of-half-a-line-" * 2
    recipe = Recipe("passthrough", {name: SPACE.base}, base=SPACE.base)
    trials = [
        replace(each, proposal=Proposal.create(each.number, recipe)) for each in results.trials
    ]
    named = replace(results, trials=trials)
    table = trials_table(named, named.objectives, named.front, is_small=is_small)
    text = "\n".join(rendered(table, width=80))
    for trial in named.front:
        for each in named.objectives:
            assert f"{trial.scores[each.name]:.4f}" in text
        assert f"{named.mean(trial):.3f}" in text


def check_fit(lines: list[str], width: int) -> None:
    """No line is longer than the terminal, and no cell has lost its content."""
    assert max(map(len, lines)) <= width
    for line in lines:
        assert not re.search(r"(^|[\s│┃])\d?…($|[\s│┃])", line), line


def test_a_wide_table_has_the_objectives_side_by_side_and_a_narrow_one_has_a_row_for_each():
    results = make_results(2)
    (wide,) = front_tables(results, 80)
    assert [str(column.header) for column in wide.columns] == [
        "trial",
        "maths ↑",
        "law ↓",
        "mean",
        "recipe",
    ]
    _, turned = front_tables(results, 48)
    assert list(turned.columns[0].cells) == ["maths ↑", "law ↓", "mean"]
    assert "48 columns are too few for 2 objectives" in str(turned.caption)


def test_chosen_objectives_are_shown_side_by_side_beside_the_mean_over_all():
    results = make_results(13)
    chosen = [results.objectives[4], results.objectives[1]]
    (table,) = front_tables(results, 80, chosen)
    assert [str(column.header) for column in table.columns][1:4] == ["maths1 ↑", "law ↓", "mean"]
    assert next(iter(table.columns[3].cells)) == f"{results.mean(results.front[0]):.3f}"


def test_the_knee_is_in_the_view_even_if_many_trials_have_a_better_mean():
    """With one objective that weighs most, the best means are all at its end of the front."""
    results = make_results(2, 60)
    maths, law = results.objectives
    trials = [
        replace(trial, state="scored", scores={maths.name: x, law.name: x**8})
        for trial, x in zip(results.trials, [0.0, 1.0, *np.linspace(0.01, 0.99, 58)], strict=True)
    ]
    results = RunResults([replace(maths, weight=50.0), law], trials)
    knee, best = results.pick("knee"), [trial.number for trial in results.front[:8]]
    assert knee.number not in best
    view = LiveView(make_progress(2, results=results), "runs/skills")
    text = "\n".join(rendered(view, width=100))
    assert re.search(rf"{knee.number} .*← knee", text)


def test_long_names_keep_the_ends_that_tell_them_apart():
    lines = rendered(*front_tables(make_results(13), 80), width=80)
    names = [line.split("│")[1].strip() for line in lines if "a_rather" in line]
    assert len(set(names)) == len(names) == 3


def test_a_view_without_a_single_trial_says_what_it_waits_for():
    starting = {"workers": 2, "starting": 2, "busy": 0, "preparing": "statistics 0.6 of 1.2 GB"}
    empty = make_progress(2, results=RunResults(make_results(2).objectives, []), report=starting)
    text = "\n".join(rendered(LiveView(empty, "runs/skills"), width=80))
    assert "2 starting  statistics 0.6 of 1.2 GB" in text
    assert "starting workers: statistics 0.6 of 1.2 GB" in plain_line(empty)
    busy = replace(empty, report={**starting, "starting": 0, "busy": 2})
    assert "scoring the first models" in plain_line(busy)


def test_the_view_of_a_search_without_scores_has_no_front():
    results = make_results(2)
    failed = [replace(trial, state="failed", scores={}) for trial in results.trials]
    progress = make_progress(2, results=RunResults(results.objectives, failed))
    text = "\n".join(rendered(LiveView(progress, "runs/skills"), width=80))
    assert "40 failed" in text
    assert "recipe" not in text


def test_the_time_left_is_that_of_the_limit_that_is_reached_first():
    trials = [each for each in make_results(1).trials if each.state == "scored"]
    clock = trials[-1].clock
    by_trials = seconds_left(Budget(trials=80), trials, clock)
    by_hours = seconds_left(Budget(trials=80, hours=(clock + 60) / 3600), trials, clock)
    assert by_hours == pytest.approx(60)
    assert by_trials == pytest.approx((80 - len(trials)) * (clock - trials[-30].clock) / 29)
    assert seconds_left(Budget(trials=80), trials[:3], clock) is None
    spent = Budget(trials=80, scorings=len(trials) - 4)
    assert seconds_left(spent, trials, clock) == 0.0
    assert spent_share(spent, trials, clock) > 1
