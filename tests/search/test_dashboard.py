"""A run in an Optuna journal, for optuna-dashboard."""

from __future__ import annotations

import json
import threading
import urllib.request
from wsgiref.simple_server import make_server

import optuna
from optuna_dashboard import wsgi

from search.config import make_plan
from search.runs import mirror_of
from search.runs.dashboard import rows_of
from tests.search.conftest import begin_scored


def test_the_journal_has_every_trial_and_grows_with_the_run(write, config, tmp_path):
    plan = make_plan(write(config))
    ledger = begin_scored(plan, [3.0, 2.5, 2.0])
    file = tmp_path / "journal.log"
    mirror, _ = mirror_of(ledger.root, file)
    (name,) = optuna.get_all_study_names(mirror.storage)
    study = optuna.load_study(study_name=name, storage=mirror.storage)
    assert study.metric_names == ["picks", "text"]
    assert [trial.values for trial in study.trials] == [[0.0, 3.0], [0.1, 2.5], [0.2, 2.0]]
    mirror.add(rows_of(ledger))
    assert len(study.trials) == 3
    again, _ = mirror_of(ledger.root, file)
    assert len(optuna.get_all_study_names(again.storage)) == 1


def test_the_dashboard_serves_the_run(write, config, tmp_path):
    ledger = begin_scored(make_plan(write(config)), [3.0, 2.5])
    mirror, _ = mirror_of(ledger.root, tmp_path / "journal.log")
    server = make_server("127.0.0.1", 0, wsgi(mirror.storage))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/api/studies"
        with urllib.request.urlopen(url) as answer:
            (study,) = json.load(answer)["study_summaries"]
        assert study["study_name"] == "test"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
