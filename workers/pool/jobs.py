"""Searches as jobs of a Ray cluster: its own Jobs API, with the run's name as submission id."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientError
from ray.exceptions import RayError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

PERIOD = 2.0  # seconds between two looks at a job
YOUNG = 120.0  # seconds for which a cluster that has just begun may have nobody to take a job
STOP_WAIT = 60  # seconds from SIGTERM to SIGKILL; Ray's own 3 are too few to keep what comes back
TROUBLES = (RuntimeError, OSError, ClientError, RayError)  # what Ray's client raises of any kind
PORT_TAKEN = (
    " Where another Ray on the head has its agent's port, that stays so: start this one with "
    "--dashboard-agent-listen-port 0"
)


class JobError(ValueError):
    """The cluster or the job is not there, or the job cannot do what is asked."""


@dataclass(frozen=True)
class Job:
    """A submitted search."""

    name: str
    status: str
    message: str
    run: str
    exit_code: int | None
    """Of its command, when it has ended by itself."""

    @property
    def is_over(self) -> bool:
        """Whether it will not go on by itself."""
        return bool(JobStatus(self.status).is_terminal())


class Jobs:
    """The searches of one cluster.

    Args:
        address: of its dashboard, `http://head:8265`. Ray's token authentication takes its token
            from RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, with RAY_AUTH_MODE=token.

    Raises:
        JobError: if nothing answers there, now or later.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        with self._answers():
            self._client = JobSubmissionClient(address)

    def submit(
        self,
        name: str,
        entrypoint: str,
        *,
        folder: Path,
        packages: list[Path],
        run: str,
    ) -> None:
        """Starts a job; one of that name that is over makes room for it.

        Args:
            folder: the job's working directory.
            packages: Python packages that are sent along.

        Raises:
            JobError: if a job of that name still runs or is of another run, or the cluster takes
                none.
        """
        if earlier := self._find(name):
            if earlier.run != run:
                raise JobError(
                    f"job {name} is of another run: {earlier.run}, not {run}; the last part of "
                    "`run` names the job, choose another one"
                )
            if not earlier.is_over:
                raise JobError(
                    f"job {name} is {earlier.status}; `mergefront stop {name}` ends it, and "
                    f"`mergefront logs {name} --follow` shows what it does"
                )
            with self._answers():
                self._client.delete_job(name)
        job = {
            "submission_id": name,
            "entrypoint": entrypoint,
            "runtime_env": {
                "working_dir": str(folder),
                "py_modules": [str(package) for package in packages],
                "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT)},
            },
            "metadata": {"mergefront": run},
        }
        deadline = time.monotonic() + YOUNG
        while True:
            try:
                self._client.submit_job(**job)
                return
            except TROUBLES as error:
                is_young = "No available agent" in str(error)
                if not is_young or time.monotonic() > deadline:
                    hint = PORT_TAKEN if is_young else ""
                    raise JobError(f"job {name} was not taken: {_in_a_line(error)}{hint}") from None
            time.sleep(PERIOD)

    def jobs(self) -> list[Job]:
        """Every search of the cluster."""
        with self._answers():
            details = self._client.list_jobs()
        found = [_job(each) for each in details if _is_ours(each)]
        return sorted(found, key=lambda job: job.name)

    def job(self, name: str) -> Job:
        """One of them.

        Raises:
            JobError: if there is none of that name.
        """
        if found := self._find(name):
            return found
        known = ", ".join(job.name for job in self.jobs()) or "none"
        raise JobError(f"no job {name!r}; there are: {known}")

    def logs(self, name: str) -> str:
        """All it has said so far."""
        job = self.job(name)
        with self._answers():
            return str(self._client.get_job_logs(job.name))

    def follow(self, name: str) -> Iterator[str]:
        """What it says, as it says it, until it is over."""
        heard = 0
        for text in self._heard(name):
            heard += len(text)
            yield text
        while not self.job(name).is_over:  # the connection to a busy head breaks
            time.sleep(PERIOD)
        yield self.logs(name)[heard:]

    def stop(self, name: str) -> Job:
        """Ends it as SIGTERM does, and waits until it is over; its run can be resumed.

        It has `STOP_WAIT` seconds to keep what comes back, then Ray kills it.
        """
        while not (found := self.job(name)).is_over:
            with self._answers():
                self._client.stop_job(name)  # a job that is only about to begin does not hear of it
            time.sleep(PERIOD)
        return found

    def _heard(self, name: str) -> Iterator[str]:
        lines = self._client.tail_job_logs(self.job(name).name)
        with asyncio.Runner() as runner:
            while True:
                try:
                    yield runner.run(anext(lines))
                except (StopAsyncIteration, *TROUBLES):  # who follows asks whether it is over
                    return

    @contextmanager
    def _answers(self) -> Iterator[None]:
        """A cluster that does not answer, or with an error, becomes a JobError."""
        try:
            yield
        except TROUBLES as error:
            raise JobError(
                f"{self._address}: no Ray dashboard answers, or not to us: {_in_a_line(error)}"
            ) from None

    def _find(self, name: str) -> Job | None:
        found = [job for job in self.jobs() if job.name == name]
        return found[0] if found else None


def _is_ours(details: JobDetails) -> bool:
    return "mergefront" in (details.metadata or {})


def _job(details: JobDetails) -> Job:
    metadata: dict[str, Any] = details.metadata or {}
    return Job(
        str(details.submission_id),
        details.status.value,
        details.message or "",
        metadata["mergefront"],
        details.driver_exit_code,
    )


def _in_a_line(error: Exception) -> str:
    """Its first line, and its last, where a traceback of the head's has what matters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " … ".join(dict.fromkeys([*lines[:1], *lines[-1:]])) or type(error).__name__
