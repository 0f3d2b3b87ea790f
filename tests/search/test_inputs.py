"""Going on with a run: only where its trials stay comparable, and else as a new run."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from evaluators.scores import Estimate
from search.config import ConfigError, make_plan
from search.driver import baselines
from search.ledger import Ledger, Proposal, Trial
from search.runs import (
    create_run,
    open_run,
    reached_limit,
    resume_run,
    run_search,
    status_of,
    transfer_trials,
)
from tests.search.conftest import begin_scored, write_model, write_task
from tests.search.test_driver import evaluate
from workers.pool import InProcessPool

SOUP = {
    "method": "linear",
    "models": {"a": "a", "b": "b"},
    "groups": [{"parameters": {"weight": {"a": 0.7, "b": 0.3}}}],
}


@pytest.fixture
def begun(write, config):
    """A run with its baselines scored."""
    return begin_scored(make_plan(write(config)), texts=(3.0,) * 5)


@pytest.fixture
def own_models(config, tmp_path):
    """Models of this test alone, that it may change."""
    config["models"]["c"] = str(write_model(tmp_path / "c", 3))
    return tmp_path


def test_a_run_goes_on_when_nothing_has_changed(begun):
    _, ledger, changed = resume_run(begun.root)
    assert not changed
    assert len(ledger.trials()) == 5


def test_what_changes_no_trial_is_noted(begun, config, write):
    other = write({**config, "budget": {"trials": 99}, "workers": {"cpus": 1}})
    plan, _, changed = resume_run(begun.root, other)
    assert plan.config.budget.trials == 99
    assert changed == ["budget.trials: was 12, is 99", "workers.cpus: was None, is 1.0"]


def test_a_run_whose_models_tasks_and_folder_moved_goes_on_and_tries_nothing_again(
    config, write, world, tmp_path
):
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(world, here)
    (here / "soup.yaml").write_text(yaml.safe_dump(SOUP))

    def at(folder: Path) -> Path:
        models = {name: str(folder / name) for name in "abc"}
        places = {"base": str(folder / "base"), "models": models, "tasks": str(folder / "tasks")}
        more = {"run": str(folder / "run"), "recipes": [str(folder / "soup.yaml")]}
        return write({**config, **places, **more})

    ledger = create_run(make_plan(at(here)))
    plan = open_run(ledger.root)[0]
    pools = {"make_pool": lambda *_: InProcessPool(evaluate, 2)}
    run_search(plan, ledger, plan.config.budget, **pools)
    here.rename(there)
    with pytest.raises(ConfigError, match="here/base"):
        resume_run(there / "run")
    plan, ledger, _ = resume_run(there / "run", at(there))
    budget = plan.config.budget.model_copy(update={"trials": 16})
    driver = run_search(plan, ledger, budget, **pools)
    labels = [trial.label for trial in driver.trials if trial.label]
    assert len(driver.trials) == 16
    assert len(labels) == len(set(labels))
    assert "recipe soup" in labels


def test_a_raised_budget_is_kept(begun):
    plan, ledger, _ = resume_run(begun.root)
    for trials in (12, 14, 13):
        budget = plan.config.budget.model_copy(update={"trials": trials})
        run_search(plan, ledger, budget, make_pool=lambda *_: InProcessPool(evaluate, 2))
        found = status_of(Ledger(begun.root))
        assert found["budget"]["trials"] == trials
        assert found["state"] == "finished"
        assert resume_run(begun.root)[0].config.budget.trials == trials
    assert found["budget"]["spent"] == 14
    assert len(list((Path(begun.root) / "budgets").iterdir())) == 2


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("seed", 7, "seed: was 0, is 7"),
        ("methods", ["linear"], "methods: was "),
        ("documents", "all", "documents.search: was 0.6, is 1.0"),
    ],
)
def test_a_key_that_matters_is_refused_by_name_with_the_way_out(
    begun, config, write, key, value, said
):
    with pytest.raises(ValueError, match="trials would not be comparable") as refused:
        resume_run(begun.root, write({**config, key: value}))
    assert f"  {said}" in str(refused.value)
    assert f"mergefront search CONFIG --from {begun.root}" in str(refused.value)


def test_a_model_that_was_changed_is_named(own_models, begun):
    write_model(own_models / "c", 4)
    with pytest.raises(ValueError, match=r"models\.c: was \w+, is \w+"):
        resume_run(begun.root)


def test_documents_that_were_changed_are_named(config, tmp_path, write, world):
    tasks = tmp_path / "tasks"
    tasks.mkdir()
    for name in ("pick", "text"):
        content = yaml.safe_load((world / "tasks" / f"{name}.yaml").read_text())
        docs = (world / "tasks" / f"{name}.jsonl").read_text().splitlines()
        keep = {"task", "dataset_path", "dataset_kwargs", "test_split", "num_fewshot"}
        rest = {key: value for key, value in content.items() if key not in keep}
        write_task(tasks, name, [json.loads(doc) for doc in docs], **rest)
    config["tasks"] = str(tasks)
    ledger = create_run(make_plan(write(config)))
    resume_run(ledger.root)
    lines = (tasks / "text.jsonl").read_text().replace('number 1"', 'number 1000"')
    (tasks / "text.jsonl").write_text(lines)
    with pytest.raises(ValueError, match="documents of text: was") as refused:
        resume_run(ledger.root)
    assert "documents of pick" not in str(refused.value)


def test_a_new_run_takes_over_trials_with_their_scores_where_they_hold(
    begun, config, write, tmp_path
):
    plan = make_plan(write({**config, "run": str(tmp_path / "new"), "seed": 5}))
    new = create_run(plan)
    assert transfer_trials(plan, begun, new) == (5, True, 0)
    old, taken = begun.trials(), Ledger(new.root).trials()
    assert [trial.scores for trial in taken] == [trial.scores for trial in old]
    assert [trial.label for trial in taken] == [trial.label for trial in old]


def test_a_new_run_takes_over_stopped_trials_with_their_estimates(begun, config, write, tmp_path):
    last = begun.trials()[-1]
    estimates = {"picks": Estimate(0.1, 0.02, 64), "text": Estimate(3.0, 0.1, 64)}
    stopped = replace(
        last,
        proposal=replace(last.proposal, number=5, label=None),
        state="stopped",
        order=5,
        scores={},
        estimates=estimates,
        documents=128,
    )
    begun.propose(stopped.proposal)
    begun.finish(stopped)
    objectives = {"text": config["objectives"]["text"]}
    plan = make_plan(write({**config, "run": str(tmp_path / "new"), "objectives": objectives}))
    new = create_run(plan)
    transfer_trials(plan, begun, new)
    taken = Ledger(new.root).trials()[-1]
    assert (taken.state, taken.documents) == ("stopped", 128)
    assert taken.estimates == {"text": estimates["text"]}


def test_hours_of_an_old_run_are_not_those_of_a_new_one(begun, config, write, tmp_path):
    late = begun.trials()[-1]
    begun.finish(replace(late, clock=12 * 3600.0))
    budget = {"trials": 12, "hours": 2}
    plan = make_plan(write({**config, "run": str(tmp_path / "new"), "budget": budget}))
    new = create_run(plan)
    transfer_trials(plan, begun, new)
    assert reached_limit(begun, plan.config.budget)
    assert reached_limit(new, plan.config.budget) is None


def test_a_new_run_has_no_gaps_where_trials_of_the_old_one_were_under_way_or_lost(
    begun, config, write, tmp_path
):
    known = baselines(make_plan(Path(begun.root) / "config.yaml").space).known
    for number, first in enumerate(known[5:8], 5):
        begun.propose(Proposal.create(number, first.recipe, first.params, first.label))
    begun.finish(Trial(begun.proposals()[7], "scored", 5, {"picks": 0.9, "text": 2.0}))
    for lost in ("proposed/000001.json", "finished/000001.parquet"):
        (Path(begun.root) / lost).unlink()
    plan = make_plan(write({**config, "run": str(tmp_path / "new")}))
    new = create_run(plan)
    assert transfer_trials(plan, begun, new) == (5, True, 0)
    contents = new.contents()
    assert not contents.damage
    assert list(contents.proposals) == list(range(7))
    assert [trial.number for trial in contents.trials] == [0, 1, 2, 3, 6]
    assert [trial.order for trial in contents.trials] == list(range(5))
    assert list(contents.waiting) == [4, 5]


def test_a_new_run_takes_over_points_alone_where_scores_do_not_hold(begun, config, write, tmp_path):
    plan = make_plan(write({**config, "run": str(tmp_path / "new"), "documents": "all"}))
    new = create_run(plan)
    count, scored, left = transfer_trials(plan, begun, new)
    contents = Ledger(new.root).contents()
    assert not scored
    assert not left
    assert not contents.trials
    assert len(contents.waiting) == count > 0
    assert all(
        Path(s.path).exists() for p in contents.waiting.values() for s in p.recipe.models.values()
    )


def test_points_to_be_scored_anew_are_still_the_models_and_the_soup(begun, config, write, tmp_path):
    for number, first in enumerate(baselines(make_plan(write(config)).space).known[1:5], 1):
        better = {"picks": 0.1 * number, "text": 3.0 + number}  # all of them on the front
        again = Proposal.create(number, first.recipe, first.params, first.label)
        begun.finish(Trial(again, "scored", number, better))
    plan = make_plan(write({**config, "run": str(tmp_path / "new"), "documents": "all"}))
    new = create_run(plan)
    assert transfer_trials(plan, begun, new).trials == 4
    budget = plan.config.budget
    driver = run_search(plan, new, budget, make_pool=lambda *_: InProcessPool(evaluate, 2))
    found = [trial.label for trial in driver.trials if trial.state == "scored"]
    assert {"base", "a", "b", "c", "uniform soup"} <= set(found)


def test_points_outside_the_new_space_are_left_out_and_counted(begun, config, write, tmp_path):
    points = make_plan(write(config)).space
    params = {name: axis.centre for name, axis in points.axes.items()}
    for number, method in enumerate(("task_arithmetic", "ties"), 5):
        point = {**params, "method": method}
        proposal = Proposal.create(number, points.recipe(point), point)
        begun.propose(proposal)
        scores = {"picks": number, "text": number}  # both on the front
        begun.finish(Trial(proposal, "scored", number, scores))
    fewer = {"methods": ["linear", "slerp", "ties", "dare_ties"], "documents": "all"}
    plan = make_plan(write({**config, **fewer, "run": str(tmp_path / "new")}))
    assert plan.space.axes.keys() == params.keys()
    new = create_run(plan)
    taken = transfer_trials(plan, begun, new)
    assert taken.outside == 1
    methods = [proposal.params["method"] for proposal in new.proposals().values()]
    assert "task_arithmetic" not in methods
    assert "ties" in methods
