"""`mergefront verdict`: what is scored on which documents, once, and what is said about it.

The workers are a formula in this process; run, config, models, tasks and ledger are real.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from huggingface_hub import ModelCard
from typer.testing import CliRunner

import search.runs.document_effects as document_effects_module
import search.runs.pool_on_demand as pool_module
from evaluators.scores import Row, table
from evaluators.suite import Suite
from search.cli.app import app
from search.config import make_plan, suite_settings
from search.ledger import Ledger, Trial
from search.runs import ScoringError, results_of, verdict_on_pick
from tests.search.conftest import begin_scored
from workers.candidate import Candidate, Outcome
from workers.pool import InProcessPool

SKILLS = {"base": 0.2, "a": 0.5, "b": 0.4, "c": 0.3, "uniform soup": 0.9}
DOCUMENTS = 400


def answers(candidate: Candidate, skill: float, count: int = DOCUMENTS) -> Outcome:
    """What a worker of this skill reports, on the documents of the candidate."""
    seed = [candidate.trial, {"search": 0, "selection": 1, "report": 2}[candidate.documents]]
    rng = np.random.default_rng(seed)
    right = (rng.random(count) < skill).astype(float)
    sizes = rng.integers(5, 50, count)
    logs = -sizes * (2 - skill + 0.2 * rng.standard_normal(count))
    rows = [Row("pick", i, "h", "p", "acc", "none", each) for i, each in enumerate(right)]
    rows += [
        Row("text", i, "h", "p", "bits_per_byte", "none", [float(a), int(b)])
        for i, (a, b) in enumerate(zip(logs, sizes, strict=True))
    ]
    values = {
        "pick": {"acc,none": float(right.mean())},
        "text": {"bits_per_byte,none": float(-logs.sum() / sizes.sum() / math.log(2))},
    }
    return Outcome(candidate.trial, "scored", values, table(rows))


class Workers:
    """Makes pools that answer by the skills, and remembers what was asked."""

    def __init__(self, skills: dict[int, float]) -> None:
        self.asked: list[tuple[str, int]] = []
        self.pools = 0
        self.unable: set[int] = set()
        self._skills = skills

    def __call__(self, plan, address) -> InProcessPool:
        self.pools += 1
        return InProcessPool(self.evaluate, workers=3)

    def evaluate(self, candidate: Candidate) -> Outcome:
        self.asked.append((candidate.documents, candidate.trial))
        if candidate.trial in self.unable:
            return Outcome(candidate.trial, "failed", cause="Traceback\nOSError: no more disk")
        return answers(candidate, self._skills[candidate.trial])


@pytest.fixture
def ledger(write, config) -> Ledger:
    return soup_on_the_front(write, config)


def soup_on_the_front(write, config) -> Ledger:
    """A run with only the baselines; the uniform soup is the only member of the front."""
    ledger = begin_scored(make_plan(write(config)), texts=())
    for trial in begin_trials(write, config):
        outcome = answers(Candidate(trial.number, trial.proposal.recipe), SKILLS[trial.label])
        scores = {
            "picks": outcome.values["pick"]["acc,none"],
            "text": outcome.values["text"]["bits_per_byte,none"],
        }
        ledger.propose(trial.proposal)
        ledger.finish(replace(trial, scores=scores), outcome.documents)
    return ledger


def begin_trials(write, config) -> list[Trial]:
    other = {**config, "run": config["run"] + "-other"}
    return begin_scored(make_plan(write(other)), texts=[1.0] * 5).trials()


@pytest.fixture
def workers() -> Workers:
    return Workers(dict(enumerate(SKILLS.values())))


def test_the_pick_and_its_inputs_are_scored_once_on_unseen_documents(ledger, workers):
    found = verdict_on_pick(ledger, make_pool=workers)
    assert found.trial.label == "uniform soup"
    assert sorted(workers.asked) == [(s, n) for s in ("report", "selection") for n in range(5)]
    assert workers.pools == 1
    again = verdict_on_pick(Ledger(ledger.root), make_pool=workers)
    assert again.to_json() == found.to_json()
    assert (workers.pools, len(workers.asked)) == (1, 10)
    assert [each.number for each in Ledger(ledger.root).trials()] == list(range(5))


def test_a_named_trial_needs_no_selection_and_is_compared_with_all_others(ledger, workers):
    found = verdict_on_pick(ledger, number=2, make_pool=workers)
    assert {documents for documents, _ in workers.asked} == {"report"}
    assert (found.pick, found.selection, found.trial.label) == (None, {}, "b")
    assert list(found.objectives[0].comparisons) == ["base", "a", "c", "uniform soup"]
    results = {k: each.result for k, each in found.objectives[0].comparisons.items()}
    assert results == {"base": "better", "a": "worse", "c": "better", "uniform soup": "worse"}
    assert found.objectives[1].comparisons["base"].result == "better"  # where lower is better


def test_the_front_is_ranked_again_by_what_it_scores_on_selection_documents(write, config, workers):
    """Trials 1 and 2 look alike in the search; the selection documents show that 1 is better."""
    ledger = two_on_the_front(write, config)
    workers = Workers({0: 0.1, 1: 0.8, 2: 0.4, 3: 0.1, 4: 0.1, 1_000_000: 0.1})
    found = verdict_on_pick(ledger, "best:picks", make_pool=workers)
    assert (found.trial.number, found.pick) == (1, "best:picks")
    assert found.objectives[0].search == 0.60
    assert set(found.selection) == {1}  # which dominates the other there
    measured = ledger.scores_on("selection", 1)[0].scores
    assert found.selection[1]["picks"] < measured["picks"]  # shrunk towards the search scores


def two_on_the_front(write, config) -> Ledger:
    """A run whose models a and b, trials 1 and 2, look alike and better than all others."""
    ledger = begin_scored(make_plan(write(config)), texts=())
    for trial in begin_trials(write, config):
        picks = {1: 0.60, 2: 0.61}.get(trial.number, 0.1)
        scores = {"picks": picks, "text": 8.9 if trial.number == 1 else 9.0}
        ledger.propose(trial.proposal)
        ledger.finish(replace(trial, scores=scores), with_scores(scores))
    return ledger


def with_scores(scores: dict[str, float]) -> pa.Table:
    """Documents with these scores: a share of hits, and equal bits for all."""
    hits = round(scores["picks"] * 100)
    rows = [Row("pick", i, "h", "p", "acc", "none", float(i < hits)) for i in range(100)]
    logs = -scores["text"] * math.log(2)
    rows += [Row("text", i, "h", "p", "bits_per_byte", "none", [logs, 1]) for i in range(100)]
    return table(rows)


def test_a_trial_that_fails_is_named_and_the_others_are_kept(ledger, workers):
    workers.unable = {3}
    with pytest.raises(ScoringError, match="trial 3 has no scores on the selection documents: it"):
        verdict_on_pick(ledger, make_pool=workers)
    kept = ledger.scored_on("selection")
    assert kept
    assert 3 not in kept
    workers.unable = set()
    before = len(workers.asked)
    verdict_on_pick(ledger, make_pool=workers)
    assert ("selection", min(kept)) not in workers.asked[before:]


def test_changed_documents_are_refused(ledger, workers):
    ledger.header["inputs"]["documents of pick"] = "0123"
    with pytest.raises(
        ValueError, match=r"not\s+be comparable:\n  documents of pick: was 0123, is"
    ):
        verdict_on_pick(ledger, make_pool=workers)
    assert workers.asked == []


def test_a_score_that_is_no_mean_of_documents_has_its_interval_by_the_jackknife(
    write, config, world
):
    """The real tasks aggregate what is left, with one block of documents after the other."""
    plan = make_plan(write(config))
    ledger = begin_scored(plan, texts=(1.0,))
    outcome = answers(Candidate(0, ledger.trials()[0].proposal.recipe, "report"), 0.5, count=30)
    documents = outcome.documents
    assert documents is not None
    assert Suite(suite_settings(plan.config)).aggregate(documents) == {
        name: pytest.approx(values) for name, values in outcome.values.items()
    }
    score = outcome.values["text"]["bits_per_byte,none"]
    suite = Suite(suite_settings(plan.config))
    found = document_effects_module._by_jackknife(plan.objectives[1], score, documents, suite)
    assert set(found.influences) == {"text"}
    assert len(found.influences["text"]) == 30


@pytest.fixture
def run(monkeypatch, workers):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(pool_module, "ray_pool", workers)
    return lambda *arguments: CliRunner().invoke(app, ["verdict", *map(str, arguments)])


def test_the_command_prints_scores_and_one_sentence_per_objective(run, ledger):
    done = run(ledger.root)
    assert done.exit_code == 0, done.output
    assert "Verdict on report documents" in done.output
    assert "trial 4 (uniform soup), picked by knee on the selection documents:" in done.output
    assert "picks: better than every input model (+0." in done.output
    assert "text: better than every input model (+0." in done.output


def test_the_json_keeps_its_contract(run, ledger, workers):
    content = json.loads(CliRunner().invoke(app, ["verdict", ledger.root, "--json"]).stdout)
    assert (content["version"], content["trial"], content["pick"]) == (1, 4, "knee")
    picks = content["objectives"]["picks"]
    assert picks["gap"] == pytest.approx(picks["report"] - picks["search"])
    assert picks["interval"][0] < picks["report"] < picks["interval"][1]
    assert picks["comparisons"]["a"].keys() == {
        "score",
        "improvement",
        "interval",
        "test",
        "p",
        "p_holm",
        "result",
    }
    assert picks["comparisons"]["a"]["test"] == "mcnemar"
    assert content["objectives"]["text"]["comparisons"]["a"]["test"] == "paired t"


def test_a_run_without_report_documents_says_how_to_set_them(run, write, config):
    ledger = begin_scored(make_plan(write({**config, "documents": "all"})), texts=(1.0,))
    done = run(ledger.root)
    assert done.exit_code == 2
    assert "leaves no report documents" in done.output
    assert "documents: {search: 0.6, selection: 0.2, report: 0.2}" in done.output


def test_a_failure_has_status_1_and_a_run_of_another_driver_2(run, ledger, workers):
    workers.unable = {3}
    assert run(ledger.root).exit_code == 1
    with ledger.driving():
        done = run(ledger.root)
    assert done.exit_code == 2
    assert "--takeover" in done.output


def test_if_one_score_is_no_mean_of_its_documents_all_are_compared_by_the_jackknife(ledger):
    skills = list(SKILLS.values())

    def evaluate(candidate: Candidate) -> Outcome:
        found = answers(candidate, skills[candidate.trial], count=30)
        if candidate.trial:
            return found
        return replace(found, values={**found.values, "pick": {"acc,none": 0.123}})

    found = verdict_on_pick(ledger, number=4, make_pool=lambda *_: InProcessPool(evaluate))
    picks, text = (list(each.comparisons.values()) for each in found.objectives)
    assert {each.test.test for each in picks + text} == {"paired t"}
    assert picks[0].score == 0.123
    assert picks[1].test.half_width > 0


def exported_card(ledger: Ledger, out: Path) -> ModelCard:
    done = CliRunner().invoke(app, ["export", str(ledger.root), str(out)])
    assert done.exit_code == 0, done.output
    return ModelCard.load(out / "README.md")


def test_a_model_card_has_the_scores_and_sentences_of_the_verdict(ledger, workers, tmp_path):
    found = verdict_on_pick(ledger, make_pool=workers)
    card = exported_card(ledger, tmp_path / "out")
    assert {each.dataset_name: each.metric_value for each in card.data.eval_results} == {
        "pick (report documents)": found.objectives[0].report,
        "text (report documents)": found.objectives[1].report,
    }
    for each in found.objectives:
        assert f"- {each.sentence}" in card.text


def test_without_a_verdict_a_model_card_says_that_its_scores_are_of_the_search(ledger, tmp_path):
    card = exported_card(ledger, tmp_path / "out")
    (best,) = results_of(ledger).front
    assert [each.dataset_name for each in card.data.eval_results] == [
        "pick (search documents)",
        "text (search documents)",
    ]
    assert [each.metric_value for each in card.data.eval_results] == list(best.scores.values())
    assert "these numbers flatter it" in card.text
