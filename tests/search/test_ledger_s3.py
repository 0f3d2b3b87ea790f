"""The same run in an object store that fails now and then: moto's S3, in this process."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from pyarrow import fs
from werkzeug.serving import make_server

from search.ledger import Ledger, RunBusyError
from search.ledger import ledger as ledger_module
from tests.search.test_ledger import HEADER, a_trial, documents, fill

ONE_IN = 10


class Unreliable:
    """Answers every tenth request with an error, as a busy store does."""

    def __init__(self, store: DomainDispatcherApplication) -> None:
        self._store = store
        self._count = itertools.count(1)
        self.failed = 0

    def __call__(self, environ, start_response):
        if next(self._count) % ONE_IN == 0:
            self.failed += 1
            start_response("500 Internal Server Error", [("Content-Type", "application/xml")])
            return [b"<Error><Code>InternalError</Code><Message>try again</Message></Error>"]
        return self._store(environ, start_response)


@pytest.fixture(scope="module")
def store() -> Iterator[Unreliable]:
    unreliable = Unreliable(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, unreliable, threaded=True)
    unreliable.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield unreliable
    server.shutdown()


@pytest.fixture
def root(store, monkeypatch, request) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    options = f"scheme=http&endpoint_override=127.0.0.1:{store.port}&region=us-east-1"
    fs.FileSystem.from_uri(f"s3://runs?{options}&allow_bucket_creation=true")[0].create_dir("runs")
    return f"s3://runs/{abs(hash(request.node.name))}?{options}"


def test_a_run_in_a_store_that_fails_one_request_in_ten_is_whole(root, store, monkeypatch):
    monkeypatch.setattr(ledger_module, "SMALL_FILES", 8)
    ledger = Ledger.create(root, HEADER, "name: test\n")
    with ledger.driving() as lease:
        lease.report({"running": [9]})
        written = fill(ledger, range(20))
        ledger.propose(a_trial(20).proposal)
        assert ledger.driver.who
    again = Ledger(root)
    contents = again.contents()
    assert contents.trials == written
    assert list(contents.waiting) == [20]
    assert not contents.damage
    assert again.config == "name: test\n"
    assert again.documents(3).to_pylist() == documents(3.0).to_pylist()
    assert again.driver is None
    assert store.failed > 5


def test_one_driver_at_a_time(root):
    ledger = Ledger.create(root, HEADER, "")
    with ledger.driving():
        with pytest.raises(RunBusyError, match="is being searched by"), Ledger(root).driving():
            pass
        with pytest.raises(ValueError, match="already holds a run"):
            Ledger.create(root, HEADER, "")


def test_a_prefix_that_holds_no_run_is_named(root):
    with pytest.raises(ValueError, match=r"is not a run: it has no run\.json"):
        Ledger(root)


def test_scores_on_report_documents_survive_a_store_that_fails(root, store):
    ledger = Ledger.create(root, HEADER, "name: test\n")
    before = store.failed
    for number in range(4):
        ledger.record_scores("report", a_trial(number), documents(number))
    assert Ledger(root).scored_on("report") == set(range(4))
    assert ledger.scores_on("report", 2)[0] == a_trial(2)
    assert store.failed > before
