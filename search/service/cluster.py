"""The jobs of the cluster, as the service asks for them: one list for all requests."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from search.service.problems import Problem
from search.service.shared_reads import SharedRead

if TYPE_CHECKING:
    from workers.pool.jobs import Job, Jobs

log = logging.getLogger(__name__)

FRESH = 2.0  # seconds for which a list of jobs is used
RETRY = 10.0  # seconds before a cluster that did not answer is asked again
MAX_LOG = 2**22  # characters of a log that are kept
MAX_LOGS = 16  # that are kept


class Cluster:
    """The Ray cluster of a service; it may be away for a while.

    Args:
        address: of its dashboard.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._known: dict[str, Job] = {}
        self._answers = False
        self._list = SharedRead(self._listed, fresh=FRESH, retry=RETRY)
        self._logs: OrderedDict[str, SharedRead[str]] = OrderedDict()
        self._stopping: set[str] = set()

    def job(self, name: str) -> Job | None:
        """The job of that name; None if there is none or the cluster does not answer."""
        self._refresh()
        return self._known.get(name)

    def named(self, prefix: str) -> list[Job]:
        """The jobs whose names begin so."""
        self._refresh()
        return [job for name, job in self._known.items() if name.startswith(prefix)]

    @property
    def answers(self) -> bool:
        """Whether it answered lately."""
        self._refresh()
        return self._answers

    def check(self) -> None:
        """Makes sure that what is known of the jobs is so now.

        Raises:
            Problem: 503 if the cluster does not answer.
        """
        if not self.answers:
            raise unavailable("the cluster does not answer, so its jobs are not known")

    def look_again(self) -> None:
        """Has the next request list the jobs, because one was changed."""
        self._list.look_again()

    @contextmanager
    def jobs(self) -> Iterator[Jobs]:
        """Ray's jobs, which may hang as long as the cluster does.

        Raises:
            Problem: 503 if the cluster does not answer, 409 if the job does not allow it.
        """
        from workers.pool.jobs import ClusterError, JobError, Jobs  # imports Ray

        try:
            yield Jobs(self.address)
        except ClusterError as error:
            raise unavailable(str(error)) from None
        except JobError as error:
            raise Problem(HTTPStatus.CONFLICT, str(error)) from None

    @contextmanager
    def changed_jobs(self) -> Iterator[Jobs]:
        """The same, to change one: the next request lists them again.

        Raises:
            Problem: as above.
        """
        try:
            with self.jobs() as jobs:
                yield jobs
        finally:
            self.look_again()

    def log(self, name: str) -> str:
        """The end of what a job has printed, as it was some seconds ago at most.

        Raises:
            Problem: 503 if the cluster does not answer.
        """
        with self._lock:
            if not (read := self._logs.pop(name, None)):
                read = SharedRead(partial(self._read_log, name), fresh=FRESH, retry=FRESH)
            self._logs[name] = read  # the last that was asked for
            if len(self._logs) > MAX_LOGS:
                self._logs.popitem(last=False)
        try:
            return read.value()
        except TimeoutError:
            raise unavailable("the cluster does not answer in time") from None

    def stop(self, name: str) -> None:
        """Begins to stop a job; it saves its running candidates first, which takes a while."""
        with self._lock:
            if name in self._stopping:
                return
            self._stopping.add(name)
        threading.Thread(target=self._stop, args=(name,), name=f"stop {name}", daemon=True).start()

    def _stop(self, name: str) -> None:
        try:
            with self.changed_jobs() as jobs:
                jobs.stop(name)
        except Problem as problem:
            log.warning("job %s was not stopped: %s", name, problem.detail)
        finally:
            with self._lock:
                self._stopping.discard(name)

    def _refresh(self) -> None:
        try:
            self._known, self._answers = self._list.value(), True
        except (Problem, TimeoutError):  # what was known stays, it is the best guess
            self._answers = False

    def _listed(self) -> dict[str, Job]:
        try:
            with self.jobs() as jobs:
                return {job.name: job for job in jobs.jobs()}
        except Problem as problem:
            log.info("no list of jobs: %s", problem.detail)
            raise

    def _read_log(self, name: str) -> str:
        with self.jobs() as jobs:
            return jobs.logs(name)[-MAX_LOG:]


def unavailable(detail: str) -> Problem:
    """The answer while the cluster is away."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        detail,
        fix="try again later; runs and results can still be read, and running searches go on",
        headers={"Retry-After": "30"},
    )
