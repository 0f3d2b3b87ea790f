"""The report of a run: one HTML page, looked at in a real browser."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from search.cli.app import app
from search.ledger import Ledger, Proposal, Trial
from search.objectives import Objective
from search.report import Report, page
from search.report.recipe_map import recipe_maps
from search.results import RunResults, recipe_lines
from tests.browser import chromium
from tests.search.conftest import make_space
from workers.recipe import Group, Recipe

SPACE = make_space("linear", "ties", "slerp", depth={"groups": 2}, modules=["self_attn", "mlp"])
HOSTILE = "</script><img src=x onerror=alert(1)>"


def objectives(n: int) -> list[Objective]:
    directions = ("maximize", "minimize")
    return [Objective.of(f"o{i}", f"t{i}", "acc,none", directions[i % 2]) for i in range(n)]


def results_with(n_objectives: int, trials: int = 24) -> RunResults:
    """A run with the base, the models, points of several methods, and trials that failed."""
    found = []
    axes = SPACE.axes
    for number in range(trials):
        label = ("base", "a", "b", "c")[number] if number < 4 else None
        point = {name: axis.centre for name, axis in axes.items()}
        point["method"] = ("linear", "ties", "slerp")[number % 3]
        recipe = SPACE.recipe(point)
        if label:
            source = SPACE.base if label == "base" else SPACE.models[label]
            recipe = Recipe("passthrough", {label: source}, base=SPACE.base)
        proposal = Proposal.create(number, recipe, None if label else point, label)
        if number % 8 == 7:
            cause = f"perplexity {number * 10.5}, over 2 times the input models' highest 5"
            found.append(Trial(proposal, "broken", number, cause=cause, seconds={"merge": 1.0}))
            continue
        scores = {f"o{i}": ((number * (i + 3)) % 17) / 17 for i in range(n_objectives)}
        seconds = {"merge": 0.5, "gate": 0.1, "score": 4.0}
        found.append(Trial(proposal, "scored", number, scores, seconds=seconds))
    return RunResults(objectives(n_objectives), found)


def html(n_objectives: int, **more: object) -> str:
    results = results_with(n_objectives)
    report = Report("run", results, results.pick("knee"), "base: x\n", "mergefront search x.yaml")
    return page(replace(report, **more))


@pytest.mark.parametrize(("n", "figures"), [(1, 1), (2, 1), (4, 2), (13, 1)])
def test_any_number_of_objectives_is_shown(n, figures):
    text = html(n)
    front = text.split('<section id="front">')[1].split("</section>")[0]
    assert front.count("Plotly.newPlot") == figures
    assert all(f"o{i}" in front for i in range(n))


def test_everything_a_user_asks_of_a_run_is_on_the_page():
    text = html(2)
    ids = re.findall(r'<section id="(\w+)">', text)
    assert ids == ["front", "verdict", "recipe", "progress", "importance", "failures", "config"]
    assert "mergefront search x.yaml" in text
    assert "perplexity 73.5, over 2 times" in text  # the first of three causes of one kind
    assert "perplexity 157.5" not in text
    assert "uniform soup" in text
    assert "Not tested yet" in text


def test_names_cannot_break_out_of_the_page():
    results = results_with(2)
    named = Objective.of(HOSTILE, "t0", "acc,none", "maximize")
    trials = [replace(t, scores={**t.scores, HOSTILE: 0.5}) for t in results.trials]
    broken = [replace(t, cause=HOSTILE) if t.state == "broken" else t for t in trials]
    found = RunResults([*results.objectives, named], broken)
    text = page(Report(HOSTILE, found, found.pick("knee"), HOSTILE, HOSTILE))
    assert "<img" not in text.replace(text[text.index("<script>") : text.index("</head>")], "")


def test_a_recipe_map_has_the_value_of_every_layer_module_and_model():
    point = {name: axis.centre for name, axis in SPACE.axes.items()} | {"method": "ties"}
    for i, (name, axis) in enumerate(SPACE.axes.items()):  # otherwise its groups are one
        if not axis.choices:
            point[name] = axis.low + (axis.high - axis.low) * (i % 7) / 7
    recipe = SPACE.recipe(point)
    maps = {(each.parameter, each.model): each for each in recipe_maps(recipe)}
    assert {model for parameter, model in maps if parameter == "weight"} == {"a", "b", "c"}
    weight = maps["weight", "a"]
    assert weight.layers == ("0", "1", "2", "3")
    assert set(weight.modules) == {"self_attn", "mlp", "norm", "embed", "head", "other"}
    for i, layer in enumerate(weight.layers):
        tensor = f"model.layers.{layer}.mlp.up_proj.weight"
        expected = recipe.parameters(tensor, 4)["weight"]["a"]
        assert weight.values[i][weight.modules.index("mlp")] == expected


def test_a_recipe_in_words_names_groups_and_numbers():
    group = Group({"weight": {"a": 0.25, "b": 1.0}, "lambda": 0.5}, layers=(0, 2), modules=("mlp",))
    rest = Group({"weight": {"a": 0.0, "b": 1.0}, "lambda": 1.0})
    models = {name: SPACE.models[name] for name in "ab"}
    assert recipe_lines(Recipe("task_arithmetic", models, (group, rest), SPACE.base)) == [
        "task_arithmetic of a, b",
        "layers 0 to 1, mlp: weight a 0.25, b 1; lambda 0.5",
        "all tensors: weight a 0, b 1; lambda 1",
    ]


def test_the_command_writes_the_page_into_the_run(tmp_path):
    results = results_with(2)
    header = {"name": "test", "objectives": {o.name: o.to_dict() for o in results.objectives}}
    ledger = Ledger.create(tmp_path / "run", {**header, "budget": {}}, "documents: all\n")
    with ledger.driving():
        for trial in results.trials:
            ledger.propose(trial.proposal)
            ledger.finish(trial)
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert "<h1>test</h1>" in (tmp_path / "run" / "report.html").read_text()
    wrong = CliRunner().invoke(app, ["report", str(tmp_path / "run"), "--trial", "999"])
    assert wrong.exit_code == 2
    assert "trial 999 has no scores" in wrong.output


def test_a_trial_is_shown_in_words_or_with_its_cause(tmp_path):
    results = results_with(2)
    header = {"name": "test", "objectives": {o.name: o.to_dict() for o in results.objectives}}
    ledger = Ledger.create(tmp_path / "run", {**header, "budget": {}}, "documents: all\n")
    with ledger.driving():
        for trial in results.trials:
            ledger.propose(trial.proposal)
            ledger.finish(trial)
    shown, broken, missing, as_json = (
        CliRunner().invoke(app, ["show", str(tmp_path / "run"), *map(str, arguments)])
        for arguments in ((4,), (7,), (99,), (4, "--json"))
    )
    assert "trial 4: scored, recipe digest" in shown.output
    assert "ties of a, b, c\n  all tensors: weight a" in shown.output
    assert "cause: perplexity 73.5, over 2 times" in broken.output
    assert missing.exit_code == 2
    assert "has no finished trial 99; it has 24" in missing.output
    assert json.loads(as_json.stdout)["scores"].keys() == {"o0", "o1"}


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 390])
def test_a_browser_shows_it_without_errors(width, tmp_path):
    path = chromium()
    script = (
        "<script>addEventListener('error', e => document.title = 'ERROR ' + e.message)</script>"
    )
    measure = (
        "<script>addEventListener('load', () => setTimeout(() => { document.body.dataset.found ="
        "JSON.stringify({plots: document.querySelectorAll('.main-svg').length,"
        "wide: document.body.scrollWidth, title: document.title}) }, 500))</script>"
    )
    file = tmp_path / "report.html"
    file.write_text(
        html(2)
        .replace("<html ", f'<html style="width: {width}px" ')  # a window has 500 at least
        .replace("<head>", f"<head>{script}")
        .replace("</body>", f"{measure}</body>")
    )
    picture = tmp_path / "report.png"
    dom = browse(path, tmp_path, width, "--dump-dom", file.as_uri())
    found = json.loads(re.search(r'data-found="([^"]+)"', dom)[1].replace("&quot;", '"'))
    assert found["title"] == "run: mergefront report"  # no script has failed
    assert found["plots"] >= 4
    assert found["wide"] <= width
    browse(path, tmp_path, width, f"--screenshot={picture}", file.as_uri())
    assert len(colours(picture)) > 20


def browse(path: str, folder: Path, width: int, *arguments: str) -> str:
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    flags += ["--disable-component-update", "--disable-sync", "--no-first-run"]
    flags += [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},2400"]
    flags += ["--virtual-time-budget=6000"]
    done = subprocess.run(
        [path, *flags, *arguments], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def colours(png: Path) -> set[bytes]:
    """Some of the colours of a picture; a blank one has one."""
    data, content, position = png.read_bytes(), b"", 8
    while position < len(data):
        (length,) = struct.unpack(">I", data[position : position + 4])
        if data[position + 4 : position + 8] == b"IDAT":
            content += data[position + 8 : position + 8 + length]
        position += 12 + length
    raw = zlib.decompress(content)
    return {raw[i : i + 3] for i in range(0, len(raw) - 3, 997)}
