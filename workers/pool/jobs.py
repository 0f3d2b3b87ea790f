"""Searches as jobs of a Ray cluster, through Ray's Jobs API; the run's name is the job's id."""

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

from workers.pool.failures import summary

PERIOD = 2.0  # seconds between two requests for a job's status
START_WAIT = 120.0  # seconds within which a new cluster should be able to run jobs
STOP_WAIT = 60  # seconds from SIGTERM to SIGKILL; Ray's 3 are too few to save running candidates
SETTLING = 8.0  # seconds in which Ray takes the end of a job for that of a new one of its name
CLIENT_ERRORS = (RuntimeError, OSError, ClientError, RayError)  # all that Ray's client raises
PORT_HINT = (
    " This does not go away if another Ray on the head uses the agent's port: start this Ray with "
    "--dashboard-agent-listen-port 0"
)


class JobError(ValueError):
    """There is no such cluster or job, or the job does not allow the request."""


class ClusterError(JobError):
    """The cluster does not answer; the job itself may be all right."""


@dataclass(frozen=True)
class Job:
    """A submitted search."""

    name: str
    status: str
    message: str
    run: str
    exit_code: int | None
    """Of its command, if it has ended by itself."""
    started: int | None = None
    """In milliseconds since 1970; a job of the same name that is submitted later differs in it."""
    ended: int | None = None
    """The same of its end."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return bool(JobStatus(self.status).is_terminal())


class Jobs:
    """The searches of one cluster.

    Args:
        address: of its dashboard, `http://head:8265`. With RAY_AUTH_MODE=token, Ray's client reads
            its token from RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH.

    Raises:
        ClusterError: if the dashboard does not answer; so do all methods.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        with self._client_errors():
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
        """Starts a job; it replaces one of the same name that has ended.

        Args:
            folder: the job's working directory.
            packages: folders of the Python packages to upload with it.

        Raises:
            JobError: if a job of that name still runs or belongs to another run, or the cluster
                refuses the job.
        """
        if earlier := self._find(name):
            if earlier.run != run:
                raise JobError(
                    f"job {name} belongs to another run: {earlier.run}, not {run}; the job's "
                    "name is the last part of `run`, choose another one"
                )
            if not earlier.is_over:
                raise JobError(
                    f"job {name} is {earlier.status}; `mergefront stop {name}` ends it, and "
                    f"`mergefront logs {name} --follow` shows what it does"
                )
            time.sleep(_settling(earlier))
            self._delete(earlier)
        self._submit_when_ready(
            name,
            submission_id=name,
            entrypoint=entrypoint,
            runtime_env={
                "working_dir": str(folder),
                "py_modules": [str(package) for package in packages],
                "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT)},
            },
            metadata={"mergefront": run},
        )

    def jobs(self) -> list[Job]:
        """All searches of the cluster, by name."""
        with self._client_errors():
            details = self._client.list_jobs()
        found = [_job(each) for each in details if _is_search(each)]
        return sorted(found, key=lambda job: job.name)

    def job(self, name: str) -> Job:
        """The job of that name.

        Raises:
            JobError: if there is none.
        """
        if found := self._find(name):
            return found
        known = ", ".join(job.name for job in self.jobs()) or "none"
        raise JobError(f"no job {name!r}; there are: {known}")

    def logs(self, name: str) -> str:
        """Its output so far."""
        job = self.job(name)
        with self._client_errors():
            return str(self._client.get_job_logs(job.name))

    def follow(self, name: str) -> Iterator[str]:
        """Its output as it appears, until the job ends."""
        length = 0
        for text in self._tail(name):
            length += len(text)
            yield text
        while not self.job(name).is_over:  # a connection to a busy head may break
            time.sleep(PERIOD)
        yield self.logs(name)[length:]

    def stop(self, name: str) -> Job:
        """Sends SIGTERM and waits until the job has ended; its run can be resumed.

        After `STOP_WAIT` seconds, in which it saves finished candidates, Ray kills it.
        """
        first = self.job(name)
        while not (found := self.job(name)).is_over and found.started == first.started:
            with self._client_errors():
                self._client.stop_job(name)  # repeated: a job that is just starting misses it
            time.sleep(PERIOD)
        return found

    def _delete(self, ended: Job) -> None:
        """Deletes a job that has ended, unless somebody else has started it again meanwhile."""
        now = self._find(ended.name)
        if now and now.started != ended.started:
            raise JobError(f"job {ended.name} is {now.status}: it was started a moment ago")
        if now:
            with self._client_errors():
                self._client.delete_job(ended.name)

    def _submit_when_ready(self, name: str, **job: Any) -> None:
        """Submits a job, and retries while a new cluster has no agent that could run it."""
        deadline = time.monotonic() + START_WAIT
        while True:
            try:
                self._client.submit_job(**job)
                return
            except CLIENT_ERRORS as error:
                is_new = "No available agent" in str(error)
                if not is_new or time.monotonic() > deadline:
                    hint = PORT_HINT if is_new else ""
                    raise JobError(f"job {name} was refused: {_summary(error)}{hint}") from None
            time.sleep(PERIOD)

    def _tail(self, name: str) -> Iterator[str]:
        lines = self._client.tail_job_logs(self.job(name).name)
        with asyncio.Runner() as runner:
            while True:
                try:
                    yield runner.run(anext(lines))
                except (
                    StopAsyncIteration,
                    *CLIENT_ERRORS,
                ):  # `follow` checks whether the job ended
                    return

    @contextmanager
    def _client_errors(self) -> Iterator[None]:
        """Turns errors of Ray's client into a JobError."""
        try:
            yield
        except CLIENT_ERRORS as error:
            raise ClusterError(
                f"{self._address}: no Ray dashboard answers this request: {_summary(error)}"
            ) from None

    def _find(self, name: str) -> Job | None:
        found = [job for job in self.jobs() if job.name == name]
        return found[0] if found else None


def _is_search(details: JobDetails) -> bool:
    return "mergefront" in (details.metadata or {})


def _job(details: JobDetails) -> Job:
    metadata: dict[str, Any] = details.metadata or {}
    return Job(
        str(details.submission_id),
        details.status.value,
        details.message or "",
        metadata["mergefront"],
        details.driver_exit_code,
        details.start_time,
        details.end_time,
    )


def _settling(ended: Job) -> float:
    """Seconds until a job that has ended can be replaced; the clocks of two machines may differ."""
    age = time.time() - (ended.ended or 0) / 1000
    return min(max(SETTLING - age, 0.0), SETTLING)


def _summary(error: Exception) -> str:
    return summary(str(error)) or type(error).__name__
