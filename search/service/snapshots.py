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

from search.ledger import HEADER, Ledger
from search.runs import Snapshot, snapshot_of, status_of
from search.service.problems import without_secrets
from search.service.settings import RUNS

if TYPE_CHECKING:
    from search.service.settings import ServiceSettings
    from workers.pool.jobs import Job

FRESH = 1.0  # seconds for which a snapshot is used before the run is looked at again
STALE = 5.0  # seconds after which a request waits for that
FAR = 3.0  # times as long for an object store, which counts each look
MAX_RUNS = 64  # in memory
MAX_ANSWERS = 32  # in memory, per run
MAX_BYTES = 2**22  # of them, per run

Answers = OrderedDict[Hashable, "bytes | asyncio.Task[bytes]"]


class RunView:
    """One run as requests see it.

    Args:
        name: of the run.
        root: its folder or URI.
        is_there: whether it still exists.
        job_of: the job of a run, by its name, or None.
    """

    def __init__(
        self,
        name: str,
        root: Path | str,
        is_there: Callable[[str], bool],
        job_of: Callable[[str], Job | None],
    ) -> None:
        self.ledger = Ledger(root)
        self.name = name
        self._is_there, self._job_of = is_there, job_of
        self._pace = 1.0 if self.ledger.is_local else FAR
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
        """Has the run read if that is long ago; waits only if it is too long ago.

        Raises:
            KeyError: if the run is gone.
            ValueError: if its files are damaged.
        """
        now = time.monotonic()
        if now - self._looked >= FRESH * self._pace:
            self._begin()
        oldest = now - STALE * self._pace
        while self._snapshot is None or self._looked < max(self._changed, oldest):
            await asyncio.shield(self._begin())

    def look_again(self) -> None:
        """Has the next request wait for what was changed just now."""
        self._changed = time.monotonic()

    async def answer(self, key: Hashable, make: Callable[[Snapshot], bytes]) -> bytes:
        """An answer that depends on the trials only, computed once as long as they stay."""
        await self.look()
        answers, snapshot = self._answers, self.snapshot
        if key not in answers:
            task = asyncio.create_task(asyncio.to_thread(make, snapshot))
            task.add_done_callback(lambda task: _keep(answers, key, task))
            answers[key] = task
            if len(answers) > MAX_ANSWERS:
                answers.popitem(last=False)
        answers.move_to_end(key)
        found = answers[key]
        # shielded, since others wait for it too
        return found if isinstance(found, bytes) else await asyncio.shield(found)

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
        if not self._is_there(self.name):
            raise KeyError(self.name)
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


def _keep(answers: Answers, key: Hashable, task: asyncio.Task[bytes]) -> None:
    """Keeps an answer, unless it failed or is no longer wanted, as far as there is room."""
    failed = task.cancelled() or task.exception() is not None
    if answers.get(key) is not task:
        return
    if failed:
        del answers[key]
        return
    answers[key] = task.result()
    while sum(len(each) for each in answers.values() if isinstance(each, bytes)) > MAX_BYTES:
        answers.popitem(last=False)


class RunViews:
    """The views of the runs that requests ask for.

    Args:
        settings: of the service.
        job_of: as for `RunView`.
    """

    def __init__(self, settings: ServiceSettings, job_of: Callable[[str], Job | None]) -> None:
        self._settings, self._job_of = settings, job_of
        self._created: dict[str, int] = {}  # when, of the runs that were found
        self._views: OrderedDict[str, RunView] = OrderedDict()

    def names(self) -> list[str]:
        """The names of all runs, the newest first."""
        names = self._settings.store.folders(RUNS)
        found = [name for name in names if name in self._created or self.has(name)]
        return sorted(found, key=lambda name: -self._created[name])

    def has(self, name: str) -> bool:
        """Whether there is a run of that name, inside the folder of the runs."""
        header = self._settings.store.info(f"{RUNS}/{name}/{HEADER}")
        if is_there := header.is_file and _is_inside(self._settings.run(name)):
            self._created[name] = header.mtime_ns or 0
        else:
            self._created.pop(name, None)
        return is_there

    async def of(self, name: str) -> RunView:
        """The view of a run, with what is new.

        Raises:
            KeyError: if there is no such run.
            ValueError: if its files are damaged.
        """
        view = self._views.get(name)
        if view is None:
            opened = await asyncio.to_thread(self._open, name)
            view = self._views.setdefault(name, opened)
            if len(self._views) > MAX_RUNS:
                self._views.popitem(last=False)
        self._views.move_to_end(name)
        try:
            await view.look()
        except KeyError:
            self._views.pop(name, None)
            raise
        return view

    def look_again(self, name: str) -> None:
        """Has the next request read this run."""
        if view := self._views.get(name):
            view.look_again()

    def _open(self, name: str) -> RunView:
        if not self.has(name):
            raise KeyError(name)
        return RunView(name, self._settings.run(name), self.has, self._job_of)


def _is_inside(run: Path | str) -> bool:
    """Whether the folder of a run is no link to elsewhere."""
    return isinstance(run, str) or run.resolve() == run.parent.resolve() / run.name


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
