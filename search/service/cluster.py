"""The jobs of the cluster, as the service asks for them: one list for all requests."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from search.service.problems import Problem

if TYPE_CHECKING:
    from workers.pool.jobs import Job, Jobs

log = logging.getLogger(__name__)

FRESH = 2.0  # seconds for which a list of jobs is used
RETRY = 10.0  # seconds before a cluster that did not answer is asked again


class Cluster:
    """The Ray cluster of a service; it may be away for a while.

    Args:
        address: of its dashboard.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._known: dict[str, Job] = {}
        self._until = 0.0
        self._answers = False

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
        self._until = 0.0

    @contextmanager
    def jobs(self) -> Iterator[Jobs]:
        """Ray's jobs, to change one.

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
        finally:
            self.look_again()

    def stop(self, name: str) -> None:
        """Begins to stop a job; it saves its running candidates first, which takes a while."""

        def stop() -> None:
            try:
                with self.jobs() as jobs:
                    jobs.stop(name)
            except Problem as problem:
                log.warning("job %s was not stopped: %s", name, problem.detail)

        threading.Thread(target=stop, name=f"stop {name}", daemon=True).start()

    def _refresh(self) -> None:
        with self._lock:
            if time.monotonic() < self._until:
                return
            try:
                with self.jobs() as jobs:
                    found = {job.name: job for job in jobs.jobs()}
            except Problem as problem:
                log.info("no list of jobs: %s", problem.detail)
                self._answers, self._until = False, time.monotonic() + RETRY
                return  # what was known stays, it is the best guess
            self._known, self._answers = found, True
            self._until = time.monotonic() + FRESH


def unavailable(detail: str) -> Problem:
    """The answer while the cluster is away."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        detail,
        fix="try again later; runs and results can still be read, and running searches go on",
        headers={"Retry-After": "30"},
    )
