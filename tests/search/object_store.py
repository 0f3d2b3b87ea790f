"""An object store that fails now and then: moto's S3, in this process."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from pyarrow import fs
from werkzeug.serving import make_server

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
