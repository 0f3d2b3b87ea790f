"""What requests read of the runs: each run is read once for all of them, and only what is new."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.ledger import Ledger
from search.runs import Snapshot, snapshot_of, status_of
from search.service.problems import without_secrets

if TYPE_CHECKING:
    from workers.pool.jobs import Job

FRESH = 1.0  # seconds for which a snapshot is used before the run is looked at again
STALE = 5.0  # seconds after which a request waits for that
MAX_RUNS = 64  # in memory
MAX_ANSWERS = 32  # in memory, per run

Answers = OrderedDict[Hashable, "bytes | asyncio.Task[bytes]"]


class RunView:
    """One run as requests see it.

    Args:
        folder: of the run.
        job_of: the job of a run, by its name, or None.
    """

    def __init__(self, folder: Path, job_of: Callable[[str], Job | None]) -> None:
        self.ledger = Ledger(folder)
        self.name = folder.name
        self._job_of = job_of
        self._reading: asyncio.Task[None] | None = None
        self._looked = self._changed = -math.inf
        self._files: Hashable = None
        self._snapshot: Snapshot | None = None
        self._answers: Answers = OrderedDict()
        self.status: dict[str, Any] = {}
        self.status_json = b""

    @property
    def snapshot(self) -> Snapshot:
        """The trials at the last look."""
        assert self._snapshot is not None, "look first"
        return self._snapshot

    async def look(self) -> None:
        """Has the run read if that is long ago; waits only if it is too long ago."""
        now = time.monotonic()
        if now - self._looked >= FRESH:
            self._begin()
        while self._snapshot is None or self._looked < max(self._changed, now - STALE):
            await asyncio.shield(self._begin())

    def look_again(self) -> None:
        """Has the next request wait for what was changed just now."""
        self._changed = time.monotonic()

    async def answer(self, key: Hashable, make: Callable[[Snapshot], bytes]) -> bytes:
        """An answer that depends on the trials only, computed once as long as they stay."""
        await self.look()
        answers, snapshot = self._answers, self.snapshot
        if key not in answers:
            answers[key] = asyncio.create_task(asyncio.to_thread(make, snapshot))
            if len(answers) > MAX_ANSWERS:
                answers.popitem(last=False)
        answers.move_to_end(key)
        found = answers[key]
        try:
            return found if isinstance(found, bytes) else await self._made(answers, key, found)
        except BaseException:
            answers.pop(key, None)
            raise

    async def _made(self, answers: Answers, key: Hashable, task: asyncio.Task[bytes]) -> bytes:
        answers[key] = content = await asyncio.shield(task)
        return content

    def _begin(self) -> asyncio.Task[None]:
        """The task that reads the run: one at a time."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._look())
            self._reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._reading

    async def _look(self) -> None:
        began = time.monotonic()
        try:
            await asyncio.to_thread(self._read)
            self._looked = began
        finally:
            self._reading = None

    def _read(self) -> None:
        files = self.ledger.version  # before the content: a change meanwhile is seen next time
        if self._snapshot is None or files != self._files:
            self._snapshot = snapshot_of(self.ledger)
            self._files = files
            self._answers = OrderedDict()
        status = status_of(self.ledger, self._snapshot)
        job = self._job_of(self.name)
        found = {**status, **_with_job(self.name, status["state"], job)}
        text = without_secrets(json.dumps(found))  # a job's message repeats what it was given
        self.status, self.status_json = json.loads(text), text.encode()


class RunViews:
    """The views of the runs that requests ask for.

    Args:
        runs: the folder of all runs.
        job_of: as for `RunView`.
    """

    def __init__(self, runs: Path, job_of: Callable[[str], Job | None]) -> None:
        self._runs, self._job_of = runs, job_of
        self._views: OrderedDict[str, RunView] = OrderedDict()

    def names(self) -> list[str]:
        """The names of all runs, the newest first."""
        times = {}
        for header in self._runs.glob("*/run.json"):
            if self._is_inside(header.parent):
                times[header.parent.name] = header.stat().st_mtime
        return sorted(times, key=lambda name: -times[name])

    def has(self, name: str) -> bool:
        """Whether there is a run of that name, inside the folder of the runs."""
        folder = self._runs / name
        return (folder / "run.json").is_file() and self._is_inside(folder)

    async def of(self, name: str) -> RunView:
        """The view of a run, with what is new.

        Raises:
            KeyError: if there is no such run.
            ValueError: if its files are damaged.
        """
        view = self._views.get(name)
        if view is None or not self.has(name):
            self._views.pop(name, None)
            if not self.has(name):
                raise KeyError(name)
            opened = await asyncio.to_thread(RunView, self._runs / name, self._job_of)
            view = self._views.setdefault(name, opened)
            if len(self._views) > MAX_RUNS:
                self._views.popitem(last=False)
        self._views.move_to_end(name)
        await view.look()
        return view

    def look_again(self, name: str) -> None:
        """Has the next request read this run."""
        if view := self._views.get(name):
            view.look_again()

    def _is_inside(self, folder: Path) -> bool:
        return folder.resolve() == self._runs.resolve() / folder.name


def _with_job(name: str, state: str, job: Job | None) -> dict[str, Any]:
    """The fields that the service adds to a status; the job may know more of the state."""
    if job is None:
        return {"name": name, "job": None}
    if state == "stopped" and not job.is_over:
        state = "waiting"  # for the cluster, or for its first lease
    elif state == "stopped" and job.status == "FAILED":
        state = "failed"
    return {
        "name": name,
        "state": state,
        "job": {"status": job.status, "message": job.message},
    }
