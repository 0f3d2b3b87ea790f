"""The Python API: what the commands do, with values instead of printed text."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

import search
from search import ConfigError, load_config, open_run, run_search
from search.config import make_plan
from tests.search.conftest import begin_scored
from tests.search.test_driver import evaluate
from workers.pool import InProcessPool

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def in_process(plan, address) -> InProcessPool:
    return InProcessPool(evaluate, 2)


@pytest.fixture
def run(write, config):
    """A run whose baselines are scored, written by the ledger alone."""
    return open_run(begin_scored(make_plan(write(config)), (3.0, 3.0, 3.0, 3.0, 2.0)).root)


def test_every_name_of_the_api_can_be_imported():
    assert {name for name in search.__all__ if getattr(search, name) is not None} == set(
        dir(search)
    )
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = search.runn


def test_importing_the_package_imports_nothing_else():
    code = "import sys, search; print([m for m in sys.modules if m.startswith('search.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_search_reports_each_trial_once_and_a_resumed_one_only_the_new(write, config):
    seen, more = [], []
    run = run_search(write(config), on_trial=seen.append, make_pool=in_process)
    frame = run.trials()
    assert [trial.number for trial in seen] == list(frame.index)
    assert len(frame) == config["budget"]["trials"]
    run.resume(trials=15, on_trial=more.append, make_pool=in_process)
    assert len(more) == 3
    assert list(run.trials().index) == [trial.number for trial in (*seen, *more)]


def test_a_new_budget_that_is_none_is_refused_with_the_message_of_the_command(run):
    with pytest.raises(ValueError, match=r"^trials: must be greater than 0 \(got 0\)$"):
        run.resume(trials=0)


def test_a_spent_budget_starts_no_worker(run):
    def make_pool(*_):
        raise AssertionError("a pool was started")

    assert run.resume(trials=5, make_pool=make_pool).root == run.root


def test_what_a_callback_raises_ends_the_search_and_loses_nothing(write, config):
    def stop(trial) -> None:
        if trial.number >= 4:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        run_search(write(config), on_trial=stop, make_pool=in_process)
    run = run_search(write(config), make_pool=in_process)
    assert sorted(run.trials().index) == list(range(config["budget"]["trials"]))


def test_a_search_runs_outside_the_main_thread(write, config):
    found = []
    thread = threading.Thread(
        target=lambda: found.append(run_search(write(config), make_pool=in_process))
    )
    thread.start()
    thread.join()
    assert len(found[0].trials()) == config["budget"]["trials"]


def test_an_existing_run_is_not_continued_unless_it_may_be(write, config):
    path = write(config)
    run_search(path, make_pool=in_process)
    with pytest.raises(ValueError, match="mergefront resume"):
        run_search(path, resume=False, make_pool=in_process)


def test_frames_have_scores_and_parameters_as_columns(run):
    frame = run.trials(params=True)
    assert frame.loc[4, "scores.text"] == 2.0
    assert list(frame["label"][:4]) == ["base", "a", "b", "c"]
    assert frame["on_front"].sum() == len(run.front()) == 1
    assert frame.loc[4, "mean"] == run.results.mean(run.trial("knee"))
    assert run.front("text < 1").empty
    assert "params.method" in frame.columns


def test_a_config_that_is_wrong_is_an_exception_with_all_errors(write, config):
    with pytest.raises(ConfigError) as error:
        load_config(write({**config, "metods": [], "seed": -1}))
    assert len(error.value.errors) == 2


def test_figures_mark_the_pick(run):
    (pick,) = [trace for trace in run.plot_front(4).data if trace.name == "pick"]
    assert list(pick.x) == [pytest.approx(0.4)]
    assert len(run.plot_hypervolume().data[0].x) == 5
    with pytest.raises(ValueError, match="no parameters to show"):
        run.plot_recipe(0)


def test_a_model_is_exported_as_the_command_does(run, tmp_path):
    written = run.export(tmp_path / "out", pick="best:text")
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert (scores["trial"], written.path) == (4, tmp_path / "out")


def test_every_member_that_the_docs_name_is_there(run):
    page = (ROOT / "docs" / "python-api.md").read_text()
    functions, members = page.split("## A run")
    rows = [line for line in members.splitlines() if line.startswith("| `")]
    named = [name for row in rows for name in re.findall(r"`(\w+)(?:\(|`)", row.split("|")[1])]
    assert len(named) > 10
    assert [name for name in named if not hasattr(run, name)] == []
    for name in re.findall(r"^\| `(\w+)\(", functions, re.MULTILINE):
        assert name in search.__all__


@pytest.mark.slow
def test_the_notebook_of_the_docs_runs(tmp_path):
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = "\n".join("".join(each["source"]) for each in cells if each["cell_type"] == "code")
    script = tmp_path / "notebook.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert yaml.safe_load((tmp_path / "merged" / "mergekit_config.yml").read_text())
