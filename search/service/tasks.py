"""Exports and verdicts: commands that run as jobs of the cluster, beside the searches."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.service.problems import Problem, without_secrets

if TYPE_CHECKING:
    from search.ledger import Ledger
    from search.service.bodies import ExportBody, VerdictBody
    from search.service.searches import Searches
    from workers.pool.jobs import Job

STATES = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "done",
    "FAILED": "failed",
    "STOPPED": "stopped",
}
LOG_LINES = 20


@dataclass(frozen=True)
class Task:
    """A command that runs, or ran, on the cluster."""

    name: str
    state: str
    message: str = ""
    path: str | None = None
    """Of the exported model, once it is complete."""
    bytes: int = 0
    """Written so far."""
    log: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return asdict(self)


@dataclass(frozen=True)
class Tasks:
    """The exports and verdicts of the searches.

    Args:
        searches: of the service.
        exports: the folder of the exported models; None if there is none.
    """

    searches: Searches
    exports: Path | None

    def export(self, search: str, ledger: Ledger, body: ExportBody) -> Task:
        """Starts an export.

        Raises:
            Problem: 409 if there is an export of that name, or no folder for exports, 503 if the
                cluster is away.
        """
        if not (out := self._out(search, body.name)):
            raise Problem(
                HTTPStatus.CONFLICT,
                "models are exported to folders, and the root of this service is an object store",
                fix="ask the operator to start it with --exports FOLDER, or write the model "
                f"elsewhere: mergefront export {without_secrets(ledger.root)} OUT",
            )
        if out.exists() and not body.force:
            raise Problem(
                HTTPStatus.CONFLICT,
                f"search {search} has an export {body.name} already",
                field="name",
                fix="choose another name, or set `force` to replace it",
            )
        self._make(out.parent)
        job = _export_job(search, body.name)
        arguments = ["export", ledger.root, str(out), *body.arguments]
        self.searches.submit_command(job, arguments, ledger.root)
        return Task(body.name, "waiting")

    def verdict(self, search: str, ledger: Ledger, body: VerdictBody) -> Task:
        """Starts to score what a verdict lacks.

        Raises:
            Problem: 409 if a driver works on the run, 503 if the cluster is away.
        """
        if ledger.driver:
            raise Problem(
                HTTPStatus.CONFLICT,
                f"search {search} runs, and a verdict needs its workers",
                fix="wait until it ends, or stop it",
            )
        arguments = ["verdict", ledger.root, *body.arguments, "--address", "auto", "--json"]
        self.searches.submit_command(f"{search}.verdict", arguments, ledger.root)
        return Task("verdict", "waiting")

    def verdict_task(self, search: str) -> Task:
        """The last verdict that was asked for.

        Raises:
            Problem: 404 if there is none, 503 if none is known and the cluster does not answer.
        """
        job = self.searches.cluster.job(f"{search}.verdict")
        if job is None:
            self.searches.cluster.check()
            raise Problem(HTTPStatus.NOT_FOUND, f"no verdict is being made for search {search}")
        state = STATES.get(job.status, "waiting")
        message = without_secrets(job.message) if state == "failed" else ""
        return Task("verdict", state, message, log=tuple(self._log(job)))

    def all_exports(self, search: str) -> list[Task]:
        """The exports of a search, by name."""
        prefix = _export_job(search, "")
        jobs = [each.name.removeprefix(prefix) for each in self.searches.cluster.named(prefix)]
        folder = self.exports / search if self.exports else None
        done = [each.name for each in folder.iterdir()] if folder and folder.is_dir() else []
        names = sorted({name for name in (*jobs, *done) if not name.startswith(".")})
        found = []
        for name in names:
            with suppress(Problem):  # no folder, or one that was deleted meanwhile
                found.append(self.found(search, name))
        return found

    def found(self, search: str, name: str) -> Task:
        """One export.

        Raises:
            Problem: 404 if there is none, 503 if none is known and the cluster does not answer.
        """
        out = self._out(search, name)
        job = self.searches.cluster.job(_export_job(search, name))
        if not out or (job is None and not out.is_dir()):
            self.searches.cluster.check()
            raise Problem(HTTPStatus.NOT_FOUND, f"search {search} has no export {name}")
        state = STATES.get(job.status, "waiting") if job else "done"
        folders = [out] if out.is_dir() else list(out.parent.glob(f".{name}.*"))
        return Task(
            name,
            state,
            without_secrets(job.message) if job and state == "failed" else "",
            str(out) if state == "done" else None,
            sum(map(_bytes, folders)),
            tuple(self._log(job)) if job else (),
        )

    def _log(self, job: Job) -> list[str]:
        try:
            return last_lines(self.searches.cluster.log(job.name), LOG_LINES)
        except Problem:
            return []

    def _out(self, search: str, name: str) -> Path | None:
        return self.exports / search / name if self.exports else None

    def _make(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if folder.resolve() != folder.parent.resolve() / folder.name:
            raise Problem(HTTPStatus.CONFLICT, f"{folder.name}: its folder leads elsewhere")


def last_lines(text: str, lines: int) -> list[str]:
    """The last lines of a log, without colours and secrets."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    return [without_secrets(line) for line in plain.splitlines()[-lines:]]


def _export_job(search: str, name: str) -> str:
    return f"{search}.export.{name}"


def _bytes(folder: Path) -> int:
    try:
        return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    except OSError:  # renamed meanwhile
        return 0
