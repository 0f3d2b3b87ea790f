"""A hub model: headers before weights, only the files that are needed, the revision asked for.

The hub is a small server of our own that speaks as much of its protocol as the client uses.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SHA = "b" * 40
READ = """
import json, sys
from workers.checkpoint import open_checkpoint, open_headers
from workers.recipe import Source
source = Source.parse(sys.argv[2])
found = {"headers": open_headers, "open": open_checkpoint}[sys.argv[1]](source)
print(json.dumps([sorted(found.tensors), sorted(p.name for p in found.path.iterdir())]))
"""


class Hub(BaseHTTPRequestHandler):
    folder: Path
    asked: list[str]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[0] == "api" and parts[-1] == "v9":
            self.send(b"", body=body, status=404, code="RevisionNotFound")
            return
        if parts[0] == "api":
            self.send(json.dumps(self.info(parts)).encode(), body=body)
            return
        file = self.folder / parts[-1]
        if not file.is_file():
            self.send(b"", body=body, status=404, code="EntryNotFound")
            return
        if body:
            self.asked.append(f"{file.name} {self.headers.get('Range', 'whole')}")
        self.send(file.read_bytes(), body=body, etag=file.name)

    def info(self, parts: list[str]) -> object:
        files = [
            {
                "type": "file",
                "path": f.name,
                "rfilename": f.name,
                "size": f.stat().st_size,
                "oid": f.name,
            }
            for f in sorted(self.folder.iterdir())
        ]
        if "tree" in parts:
            return files
        return {"id": "org/model", "sha": SHA, "siblings": files}

    def send(
        self, content: bytes, *, body: bool, status: int = 200, etag: str = "", code: str = ""
    ) -> None:
        size = len(content)
        wanted = self.headers.get("Range", "")
        if body and wanted and status == 200:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            content = content[int(first) : int(last) + 1 if last else None]
            status = 206
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if body else size))
        self.send_header("X-Repo-Commit", SHA)
        if etag:
            self.send_header("ETag", f'"{etag}"')
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def hub(zoo, tmp_path: Path) -> Iterator[tuple[str, list[str]]]:
    import shutil

    folder = shutil.copytree(zoo(), tmp_path / "repo")
    (folder / "consolidated.safetensors").write_bytes(b"large and not needed")
    (folder / "pytorch_model.bin").write_bytes(b"large and not needed")
    asked: list[str] = []
    handler = type("Handler", (Hub,), {"folder": folder, "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def run(how: str, source: str, endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    import os

    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(home)}
    environment |= {
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DOWNLOAD_TIMEOUT": "5",
    }
    return subprocess.run(
        [sys.executable, "-c", READ, how, source],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_doctor_reads_headers_and_no_weights(hub, tmp_path, zoo):
    endpoint, asked = hub
    found = run("headers", "org/model@v1", endpoint, tmp_path / "home")
    assert found.returncode == 0, found.stderr
    tensors, files = json.loads(found.stdout)
    assert "lm_head.weight" in tensors
    assert not [name for name in files if name.endswith((".safetensors", ".bin"))]
    weights = [each for each in asked if "safetensors" in each]
    assert weights
    assert all("bytes=" in each for each in weights)


@pytest.mark.slow
def test_a_merge_downloads_the_weights_and_nothing_else_that_is_large(hub, tmp_path):
    endpoint, asked = hub
    found = run("open", "org/model@v1", endpoint, tmp_path / "home")
    assert found.returncode == 0, found.stderr
    _, files = json.loads(found.stdout)
    assert "model.safetensors" in files
    assert not {"consolidated.safetensors", "pytorch_model.bin"} & {
        each.split()[0] for each in asked
    }


@pytest.mark.slow
def test_a_revision_that_is_not_there_is_named(hub, tmp_path):
    endpoint, _ = hub
    found = run("open", "org/model@v9", endpoint, tmp_path / "home")
    assert (
        "ValueError: org/model@v9: not a local directory, and not available from the hub"
        in found.stderr
    )
