"""Where a verdict is shown: under the front, in the report, in the model card; or why it is not."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from evaluators.scores import Row, joined, table
from search.api import open_run
from search.cli.app import app
from search.ledger import Ledger
from search.results import task_answers
from search.runs import picked, recorded_verdicts, results_of, verdict_on_pick
from tests.search.service_caller import Caller, settings_of
from tests.search.test_verdict import SKILLS, Workers, soup_on_the_front, two_on_the_front
from workers.candidate import Candidate, Outcome

COUNT = 40
CUT, UNREAD = 8, 2  # of the answers to COUNT documents


def ended_rows(name: str = "none") -> list[Row]:
    return [
        Row("pick", i, "h", "p", metric, name, float(i < share))
        for metric, share in (("truncated", CUT), ("unparsed", UNREAD))
        for i in range(COUNT)
    ]


class GeneratingWorkers(Workers):
    """Their answers to `pick` are generated."""

    def evaluate(self, candidate: Candidate) -> Outcome:
        found = super().evaluate(candidate)
        documents = joined([found.documents, table(ended_rows())])
        return Outcome(found.trial, found.state, found.values, documents)


@pytest.fixture
def ledger(write, config) -> Ledger:
    return soup_on_the_front(write, config)


@pytest.fixture
def asked(ledger, monkeypatch) -> Ledger:
    """A run of which the verdict on the knee has been asked."""
    monkeypatch.setenv("COLUMNS", "200")
    workers = GeneratingWorkers(dict(enumerate(SKILLS.values())))
    verdict_on_pick(ledger, make_pool=workers)
    return ledger


def run(*arguments: object, status: int = 0) -> str:
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code == status, done.output
    return done.output


def test_it_stands_under_the_front_in_the_report_and_in_the_card(asked, tmp_path):
    (verdict,) = recorded_verdicts(asked)
    assert verdict.sentence.startswith(
        "verdict on trial 4 (uniform soup), picked by knee, on unseen documents: picks: better "
        "than every input"
    )
    front = run("front", asked.root)
    assert verdict.sentence in front
    run("report", asked.root, tmp_path / "page.html")
    run("export", asked.root, tmp_path / "out")
    page, card = ((tmp_path / name).read_text() for name in ("page.html", "out/README.md"))
    for each in verdict.objectives:
        assert each.sentence in card
        assert each.sentence in page
    (content,) = json.loads(run("front", asked.root, "--json"))["verdicts"]
    assert content["sentence"] == verdict.sentence


def test_truncated_and_unparsable_answers_are_shown_with_it_and_warned_of(asked, tmp_path):
    (verdict,) = recorded_verdicts(asked)
    sentence = "answers to pick: 20.0 % truncated, 5.0 % unparsable"
    assert [each.sentence for each in verdict.answers] == [sentence]
    (warning,) = verdict.warnings
    assert warning.startswith("20.0 % of the answers to pick ended at their limit of tokens")
    assert verdict.to_json()["answers"] == {
        "pick": {"documents": COUNT, "truncated": CUT / COUNT, "unparsed": UNREAD / COUNT}
    }
    shown = run("verdict", asked.root)
    run("report", asked.root, tmp_path / "page.html")
    run("export", asked.root, tmp_path / "out")
    page, card = ((tmp_path / name).read_text() for name in ("page.html", "out/README.md"))
    for text in (shown, page, card):
        assert sentence in text
        assert "20.0 % of the answers to pick ended at their limit of tokens" in text


def test_answers_are_judged_by_the_filter_of_an_objective(asked):
    objectives = results_of(asked).objectives
    raw = {
        "pick": {
            ("truncated", "none"): [0.0, 1.0],
            ("unparsed", "none"): [0.0, 0.0],
            ("unparsed", "strict"): [1.0, 1.0],
        },
        "text": {("bits_per_byte", "none"): [[-1.0, 1]]},
    }
    (found,) = task_answers(raw, objectives)
    assert (found.task, found.truncated, found.unparsed) == ("pick", 0.5, 0.0)


def test_a_verdict_on_a_trial_by_number_is_shown_too(ledger):
    workers = Workers(dict(enumerate(SKILLS.values())))
    assert recorded_verdicts(ledger) == []
    verdict_on_pick(ledger, number=1, make_pool=workers)
    assert recorded_verdicts(ledger) == []  # an input, which every verdict scores
    verdict_on_pick(ledger, make_pool=workers)
    assert [each.trial.number for each in recorded_verdicts(ledger)] == [4]


@pytest.mark.parametrize("folder", ["report", "selection"])
def test_a_damaged_record_is_no_missing_one(asked, tmp_path, folder):
    """`front` goes on without it; a report or a card would say that there is no verdict."""
    file = Path(asked.root) / folder / "000002.parquet"
    file.write_bytes(file.read_bytes()[:-40])
    message = f"{file}: "
    front = run("front", asked.root)
    assert "the verdict cannot be read: " + message in front
    assert "if you delete it, it is scored again" in " ".join(front.split())
    for command, out in (("report", "page.html"), ("export", "out")):
        if (command, folder) != ("export", "selection"):  # which names its trial
            assert message in run(command, asked.root, tmp_path / out, status=2)
    file.unlink()
    assert "verdict" not in run("front", asked.root)
    run("export", asked.root, tmp_path / "out")


def test_a_pick_is_that_of_its_verdict_if_there_is_one(asked):
    """The search documents alone pick another trial."""
    results = results_of(asked)
    judged = verdict_on_pick(asked, "knee", only_recorded=True)
    chosen, found = picked(asked, results, "knee")
    assert (chosen.number, found) == (judged.trial.number, judged)
    assert picked(asked, results, "knee", 0)[0].number == 0
    rest = replace(results, trials=[t for t in results.trials if t.number != chosen.number])
    assert picked(asked, rest, "mean")[0].number != chosen.number


def test_service_and_notebook_pick_what_report_and_export_pick(write, config, world, tmp_path):
    """The search documents alone pick trial 2, the selection documents trial 1."""
    ledger = two_on_the_front(write, config)
    workers = Workers({0: 0.1, 1: 0.8, 2: 0.4, 3: 0.1, 4: 0.1, 1_000_000: 0.1})
    verdict_on_pick(ledger, "best:picks", make_pool=workers)
    results = results_of(ledger)
    judged, _ = picked(ledger, results, "best:picks")
    assert (judged.number, results.pick("best:picks").number) == (1, 2)
    assert open_run(ledger.root).trial("best:picks") == judged
    settings = settings_of(tmp_path / "root", world)
    call = Caller.of(settings)
    shutil.copytree(ledger.root, settings.run("demo"))
    recipe = call("GET", "/v1/searches/demo/recipe?pick=best:picks").json()
    assert recipe["trial"] == judged.number
    assert call("GET", "/v1/searches/demo/recipe?trial=2").json()["trial"] == 2
    afar = call("GET", "/v1/searches/demo/front?pick=best:picks&history=true").json()
    assert afar.pop("pick") == judged.number
    assert afar == json.loads(run("front", ledger.root, "--json", "--history"))


def test_a_damaged_record_hides_no_front_of_the_service(asked, world, tmp_path):
    settings = settings_of(tmp_path / "root", world)
    call = Caller.of(settings)
    run_folder = settings.run("demo")
    shutil.copytree(asked.root, run_folder)
    file = run_folder / "selection" / "000002.parquet"
    file.write_bytes(file.read_bytes()[:-40])
    front = call("GET", "/v1/searches/demo/front?pick=knee").json()
    assert (front["pick"], front["verdicts"]) == (results_of(asked).pick("knee").number, [])
    recipe = call("GET", "/v1/searches/demo/recipe?pick=knee")
    assert recipe.status_code == 422
    assert str(file) in recipe.json()["detail"]
