"""A stub of the hub, to upload to."""

from __future__ import annotations

import base64
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class Hub(ThreadingHTTPServer):
    """The part of the hub's interface that an upload uses, in this process.

    It takes every file with the commit; the transfer of large files is not covered.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.role = "write"
        self.commit_status = 200

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    """One request to the stub."""

    server: Hub

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def handle_any(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != "Bearer good":
            return self.answer(401, {"error": "Invalid credentials"})
        if path == "/api/whoami-v2":
            auth = {"accessToken": {"role": self.server.role}}
            return self.answer(
                200, {"name": "me", "type": "user", "orgs": [{"name": "team"}], "auth": auth}
            )
        if path == "/api/validate-yaml":
            return self.answer(200, {"errors": [], "warnings": []})
        if path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}"
            self.server.repos[repo] = {}
            self.server.private[repo] = asked.get("private") or asked.get("visibility") == "private"
            return self.answer(200, {"url": f"{self.server.address}/{repo}"})
        if path == "/api/repos/delete":
            asked = json.loads(body)
            del self.server.repos[f"{asked['organization']}/{asked['name']}"]
            return self.answer(200, {})
        return self.of_repo(path, body)

    def of_repo(self, path: str, body: bytes) -> None:
        repo = "/".join(path.removeprefix("/api/models/").strip("/").split("/")[:2])
        if repo not in self.server.repos:
            return self.answer(404, {"error": f"Not found: {path}"}, code="RepoNotFound")
        files = self.server.repos[repo]
        if "/preupload/" in path:
            names = [each["path"] for each in json.loads(body)["files"]]
            found = [
                {"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names
            ]
            return self.answer(200, {"files": found})
        if "/commit/" in path:
            if self.server.commit_status != 200:
                return self.answer(self.server.commit_status, {"error": "no write access"})
            self.commit(files, body)
            url = f"{self.server.address}/{repo}/commit/1"
            return self.answer(200, {"success": True, "commitOid": "1", "commitUrl": url})
        if "/tree/" in path:
            listed = [{"type": "file", "path": n, "size": 1, "oid": "1"} for n in files]
            return self.answer(200, listed)
        siblings = [{"rfilename": name} for name in files]
        return self.answer(200, {"id": repo, "sha": "1", "siblings": siblings})

    def commit(self, files: dict[str, bytes], body: bytes) -> None:
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "deletedFile":
                del files[value["path"]]

    def answer(self, status: int, content: Any, code: str = "") -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - the names are the library's
