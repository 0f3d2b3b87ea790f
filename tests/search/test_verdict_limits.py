"""What a verdict says where there is little to say: changed inputs, few documents, no variance."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import search.runs.pool_on_demand as pool_module
from evaluators.scores import Row, table
from search.cli.app import app
from search.config import make_plan
from search.ledger import Ledger
from search.runs import verdict_on_pick
from tests.search.conftest import begin_scored
from tests.search.test_verdict import SKILLS, Workers, begin_trials, soup_on_the_front
from workers.candidate import Outcome
from workers.pool import InProcessPool


@pytest.fixture
def own_tasks(world, tmp_path, config) -> Path:
    """A folder of tasks that a test may change."""
    folder = Path(shutil.copytree(world / "tasks", tmp_path / "tasks"))
    for path in folder.glob("*.yaml"):
        content = yaml.safe_load(path.read_text())
        content["dataset_kwargs"]["data_files"]["test"] = f"{path.stem}.jsonl"
        path.write_text(yaml.safe_dump(content))
    config["tasks"] = str(folder)
    return folder


def first_line_changed(file: Path) -> None:
    first, *rest = file.read_text().splitlines(keepends=True)
    file.write_text("".join([first.replace("q0", "changed"), *rest]))


CHANGES = {
    "a document is another": (
        first_line_changed,
        ["documents of pick: was ", "/tasks/pick.jsonl)", "Undo these changes, or start a new run"],
    ),
    "a document is gone": (
        lambda file: file.write_text("".join(file.read_text().splitlines(keepends=True)[1:])),
        ["documents of pick: was ", "/tasks/pick.jsonl)"],
    ),
    "the file is gone": (
        Path.unlink,
        ["/tasks/pick.yaml names the data file pick.jsonl, which does not exist"],
    ),
    "too few are left for three sets": (
        lambda file: file.write_text("".join(file.read_text().splitlines(keepends=True)[:2])),
        ["task pick: 2 documents split into", "add documents"],
    ),
    "the task asks otherwise": (
        lambda file: file.with_suffix(".yaml").write_text(
            file.with_suffix(".yaml").read_text().replace("{{q}}", "Q: {{q}}")
        ),
        ["task pick: was ", "/tasks/pick.yaml)"],
    ),
}


@pytest.mark.parametrize(("change", "messages"), CHANGES.values(), ids=CHANGES)
def test_changed_tasks_are_refused_by_task_and_file_unless_all_is_recorded(
    own_tasks, write, config, change, messages, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "300")
    ledger = soup_on_the_front(write, config)
    workers = Workers(dict(enumerate(SKILLS.values())))
    monkeypatch.setattr(pool_module, "ray_pool", workers)
    change(own_tasks / "pick.jsonl")
    done = CliRunner().invoke(app, ["verdict", ledger.root])
    assert done.exit_code == 2, done.output
    assert all(message in done.output for message in messages), done.output
    assert "Traceback" not in done.output
    assert workers.asked == []


def with_values(picks: float | None, bits: float | None, count: int, trial: int) -> Outcome:
    """An outcome with these scores; a score that is None has none per document."""
    rows = [
        Row("pick", i, "h", "p", "acc", "none", picks) for i in range(count) if picks is not None
    ]
    rows += [
        Row("text", i, "h", "p", "bits_per_byte", "none", [-bits * math.log(2), 1])
        for i in range(count)
        if bits is not None
    ]
    values = {"pick": {"acc,none": picks or 0.0}, "text": {"bits_per_byte,none": bits or 9.0}}
    return Outcome(trial, "scored", values, table(rows) if rows else None)


NONE_APART = "not distinguishable from any input model"
SAME = "{} is the same for all on the report documents"
NO_TESTS = "{} has neither intervals nor tests: there are fewer than two report documents"
LIMITS = {
    "no variance at all": ((1.0, 2.0, 40), [SAME, SAME]),
    "one document in a set": ((1.0, 2.0, 1), [SAME, NO_TESTS]),
    "no scores per document": ((None, None, 1), [NO_TESTS, NO_TESTS]),
}


@pytest.mark.parametrize(("given", "warnings"), LIMITS.values(), ids=LIMITS)
def test_a_verdict_without_information_says_so(
    write, config, given, warnings, monkeypatch, tmp_path
):
    monkeypatch.setenv("COLUMNS", "300")
    ledger = begin_scored(make_plan(write(config)), texts=())
    for trial in begin_trials(write, config):
        scores = {"picks": 1.0, "text": 2.0}
        ledger.propose(trial.proposal)
        ledger.finish(
            replace(trial, scores=scores), with_values(1.0, 2.0, 40, trial.number).documents
        )
    monkeypatch.setattr(
        pool_module, "ray_pool", lambda *_: InProcessPool(lambda c: with_values(*given, c.trial))
    )
    done = CliRunner().invoke(app, ["verdict", ledger.root, "--trial", "4"])
    assert done.exit_code == 0, done.output
    for name, warning in zip(("picks", "text"), warnings, strict=True):
        assert f"warning: {warning.format(name)}" in done.output
        assert f"{name}: {NONE_APART}" in done.output
    content = json.loads(
        CliRunner().invoke(app, ["verdict", ledger.root, "--trial", "4", "--json"]).stdout
    )
    assert len(content["warnings"]) == 2
    assert "inf" not in done.stdout.replace("information", "")
    verdict_on_pick(
        ledger, make_pool=lambda *_: InProcessPool(lambda c: with_values(*given, c.trial))
    )
    for command, out in (("report", "page.html"), ("export", "out")):
        done = CliRunner().invoke(app, [command, ledger.root, str(tmp_path / out)])
        assert done.exit_code == 0, done.output


def test_a_recorded_verdict_is_shown_whatever_has_changed_since(own_tasks, write, config):
    ledger = soup_on_the_front(write, config)
    found = verdict_on_pick(ledger, make_pool=Workers(dict(enumerate(SKILLS.values()))))
    first_line_changed(own_tasks / "pick.jsonl")
    assert verdict_on_pick(Ledger(ledger.root)).to_json() == found.to_json()
