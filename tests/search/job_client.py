"""Ray's client for jobs without a Ray: it keeps what it is given, and refuses what Ray refuses."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from ray.job_submission import JobStatus


@dataclass
class JobClient:
    """The jobs of one cluster, which never begin to run by themselves."""

    jobs: dict[str, SimpleNamespace] = field(default_factory=dict)
    configs: list[dict[str, Any]] = field(default_factory=list)
    """Of the searches that were submitted."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def submitted(self, name: str) -> int:
        """How many jobs of searches of that name were accepted."""
        return len([each for each in self.configs if each["name"] == name])

    def end(self, name: str, status: JobStatus = JobStatus.SUCCEEDED) -> None:
        """Ends a job, long ago."""
        self.jobs[name].status = status
        self.jobs[name].end_time = 1

    def list_jobs(self) -> list[SimpleNamespace]:
        return list(self.jobs.values())

    def submit_job(
        self,
        *,
        submission_id: str,
        entrypoint: str,
        runtime_env: dict[str, Any],
        metadata: dict[str, str],
    ) -> None:
        with self._lock:
            if submission_id in self.jobs:
                raise RuntimeError(f"Job with submission_id {submission_id} already exists.")
            self.jobs[submission_id] = SimpleNamespace(
                submission_id=submission_id,
                entrypoint=entrypoint,
                metadata=metadata,
                status=JobStatus.PENDING,
                message="",
                driver_exit_code=None,
                start_time=time.time_ns(),
                end_time=None,
            )
            config = Path(runtime_env["working_dir"]) / "config.yaml"
            self.configs += [yaml.safe_load(config.read_text())] if config.exists() else []

    def delete_job(self, name: str) -> None:
        with self._lock:
            if not self.jobs[name].status.is_terminal():
                raise RuntimeError(f"Job {name} is in a non-terminal state")
            del self.jobs[name]

    def get_job_logs(self, name: str) -> str:
        return f"the log of {name}\n"

    def stop_job(self, name: str) -> None:
        self.end(name, JobStatus.STOPPED)
