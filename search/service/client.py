"""The client of a service."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, Self
from urllib.parse import quote

import httpx2

if TYPE_CHECKING:
    from search.results import RunResults

TIMEOUT = 120.0  # seconds: a config is answered once its models and tasks are read
PERIOD = 1.0  # seconds between two requests for the state of a task
PAGE = 1000  # trials in one request
OVER = ("done", "failed", "stopped")


class ServiceError(ValueError):
    """The service has refused a request; the message has its reason and what to do.

    Args:
        status: of HTTP.
        problem: the body of the answer.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        lines = [str(problem.get("detail") or problem.get("title") or f"status {status}")]
        errors = problem.get("errors") or ()
        lines += [f"  {_field(each)}{each['detail']}" for each in errors]
        lines += [str(problem["fix"])] if problem.get("fix") else []
        super().__init__("\n".join(lines))
        self.status, self.problem = status, problem


class ServiceUnavailableError(OSError):
    """The service does not answer, or not now."""


class Client:
    """Searches of a service, by name.

    Every method raises `ServiceError` if it is refused, and `ServiceUnavailableError` if there is
    no answer.

    Args:
        address: of the service, `https://mergefront.example.com`.
        token: that opens it.
        transport: another way to it than the network.
    """

    def __init__(
        self, address: str, token: str, transport: httpx2.BaseTransport | None = None
    ) -> None:
        if not address.startswith(("http://", "https://")):
            raise ValueError(f"{address!r} is no URL of a service, such as http://host:8300")
        self._http = httpx2.Client(
            base_url=address.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def submit(self, config: str) -> dict[str, Any]:
        """Creates and starts a search from the text of a config; its status."""
        headers = {"Content-Type": "application/yaml"}
        return self._json("POST", "/v1/searches", content=config.encode(), headers=headers)

    def searches(self) -> list[dict[str, Any]]:
        """The status of every search, the newest first."""
        found: list[dict[str, Any]] = []
        while True:
            page = self._json("GET", "/v1/searches", params={"offset": len(found), "limit": 200})
            found += page["searches"]
            if len(found) >= page["total"] or not page["searches"]:
                return found

    def status(self, name: str) -> dict[str, Any]:
        """The status of a search."""
        return self._json("GET", _search(name))

    def events(self, name: str) -> Iterator[dict[str, Any]]:
        """The status at once and after each change, until the search is over."""
        with self._errors(), self._http.stream("GET", f"{_search(name)}/events") as answer:
            if answer.is_error:
                answer.read()
                _raise(answer)
            for line in answer.iter_lines():
                if line.startswith("data: {") and line != "data: {}":
                    yield json.loads(line.removeprefix("data: "))

    def results(self, name: str) -> RunResults:
        """The results of a search, from all its finished trials."""
        from search.ledger import Trial
        from search.results import RunResults

        trials: list[Trial] = []
        while True:
            wanted = {"offset": len(trials), "limit": PAGE}
            page = self._json("GET", f"{_search(name)}/trials", params=wanted)
            trials += [Trial.from_dict(each) for each in page["trials"]]
            if len(trials) >= page["total"] or not page["trials"]:
                return RunResults.of(page["objectives"], trials)

    def front(
        self,
        name: str,
        where: str | None = None,
        pick: str | None = None,
        *,
        history: bool = False,
    ) -> dict[str, Any]:
        """The front, and the number of the picked trial.

        Args:
            name: of the search.
            where: a condition, as `mergefront front --where` takes it.
            pick: `knee`, `mean` or `best:OBJECTIVE`.
            history: add the hypervolume over the scored trials.
        """
        wanted = _given(where=where, pick=pick, history=history or None)
        return self._json("GET", f"{_search(name)}/front", params=wanted)

    def recipe(self, name: str, pick: str = "knee", trial: int | None = None) -> dict[str, Any]:
        """The recipe of a trial, in words, as a file and as maps."""
        return self._json("GET", f"{_search(name)}/recipe", params=_given(pick=pick, trial=trial))

    def logs(self, name: str, lines: int = 500) -> str:
        """The last lines that a search has printed."""
        return self._request("GET", f"{_search(name)}/logs", params={"lines": lines}).text

    def stop(self, name: str) -> dict[str, Any]:
        """Begins to stop a search."""
        return self._json("POST", f"{_search(name)}/stop")

    def resume(self, name: str, **limits: float | None) -> dict[str, Any]:
        """Continues a search, with new limits: trials, scorings, hours, worker_hours."""
        return self._json("POST", f"{_search(name)}/resume", json=_given(**limits))

    def export(self, name: str, export: str, **options: Any) -> dict[str, Any]:
        """Starts an export; its task.

        Args:
            name: of the search.
            export: the name of the model's folder.
            options: as the body of the route: pick, trial, where, and those of `ExportSettings`.
        """
        body = _given(name=export, **options)
        return self._json("POST", f"{_search(name)}/exports", json=body)

    def finished_export(self, name: str, export: str) -> dict[str, Any]:
        """The task of an export, once it has ended; its `state` says how."""
        return self._finished(f"{_search(name)}/exports/{export}")

    def ask_verdict(
        self, name: str, pick: str = "knee", trial: int | None = None
    ) -> dict[str, Any]:
        """Starts to score what the verdict on a trial lacks; its task."""
        return self._json("POST", f"{_search(name)}/verdict", json=_given(pick=pick, trial=trial))

    def finished_verdict(self, name: str) -> dict[str, Any]:
        """The task of the last verdict that was asked for, once it has ended."""
        return self._finished(f"{_search(name)}/verdict/task")

    def verdict(self, name: str, pick: str = "knee", trial: int | None = None) -> dict[str, Any]:
        """The verdict on a trial, as `mergefront verdict --json` prints it."""
        return self._json("GET", f"{_search(name)}/verdict", params=_given(pick=pick, trial=trial))

    def _finished(self, path: str) -> dict[str, Any]:
        while True:
            task = self._json("GET", path)
            if task["state"] in OVER:
                return task
            time.sleep(PERIOD)

    def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        content: dict[str, Any] = self._request(method, path, **request).json()
        return content

    def _request(self, method: str, path: str, **request: Any) -> httpx2.Response:
        with self._errors():
            answer = self._http.request(method, path, **request)
        if answer.is_error:
            _raise(answer)
        return answer

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except httpx2.HTTPError as error:
            where = self._http.base_url
            raise ServiceUnavailableError(f"{where}: no service answers: {error}") from None


def _raise(answer: httpx2.Response) -> NoReturn:
    try:
        problem = answer.json()
    except ValueError:  # not of the service: a proxy's page
        problem = {"detail": f"{answer.url}: {answer.status_code} {answer.reason_phrase}"}
    if answer.is_server_error:
        raise ServiceUnavailableError(str(problem.get("detail")))
    raise ServiceError(answer.status_code, problem)


def _search(name: str) -> str:
    return f"/v1/searches/{quote(name, safe='')}"


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _field(error: Mapping[str, Any]) -> str:
    return f"{error['field']}: " if error.get("field") else ""
