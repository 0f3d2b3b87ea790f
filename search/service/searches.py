"""Creating, stopping and resuming searches: run folders here, jobs on the cluster."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from evaluators.settings import SettingsError
from search.config import Config, parse_config
from search.driver import Budget
from search.ledger import CONFIG, Ledger, RunBusyError, claimed
from search.runs import config_of, create_run, raised_budget, reached_limit, submit_command
from search.service.problems import Problem
from search.service.submissions import config_problem

if TYPE_CHECKING:
    from search.config import Plan
    from search.service.cluster import Cluster
    from search.service.settings import ServiceSettings
    from search.service.submissions import Submissions

CLAIM_WAIT = 5.0  # seconds in which another replica writes the run that it creates


@dataclass
class Searches:
    """The searches of a service.

    Args:
        settings: of the service.
        cluster: where they run.
        submissions: reads their configs.
    """

    settings: ServiceSettings
    cluster: Cluster
    submissions: Submissions
    _locks: defaultdict[str, threading.Lock] = field(
        default_factory=lambda: defaultdict(threading.Lock)
    )

    def create(self, text: str) -> tuple[str, bool]:
        """Creates and starts a search; its name, and whether it is new.

        A search with the same name and config is not created again, and is started only if it has
        never been: so a request may be repeated.

        Raises:
            Problem: 422 with every error in the config, 409 if the name is taken by another
                config, 503 if the cluster does not answer.
        """
        plan = self.submissions.plan(text)
        name, config = plan.config.name, plan.config
        with self._locks[name]:
            try:
                ledger, is_new = _found_or_created(plan)
            except ValueError as error:
                raise Problem(HTTPStatus.CONFLICT, str(error)) from None
            if not is_new and not _is_of(ledger, config):
                raise Problem(
                    HTTPStatus.CONFLICT,
                    f"there is a search {name} with another config",
                    field="name",
                    fix="choose another name; to continue that search, resume it",
                )
            if is_new or self._was_never_started(name, ledger):
                self._start(name, config)
        return name, is_new

    def stop(self, name: str, ledger: Ledger) -> None:
        """Begins to stop a search.

        Raises:
            Problem: 409 if it does not run, or not on this service's cluster, 503 if the cluster
                does not answer.
        """
        self.cluster.check()
        job = self.cluster.job(name)
        if job is None or job.is_over:
            if driver := ledger.driver:
                raise Problem(
                    HTTPStatus.CONFLICT,
                    f"search {name} is run by {driver.who}, which is no job of this cluster",
                    fix="stop that process",
                )
            raise Problem(
                HTTPStatus.CONFLICT,
                f"search {name} does not run, so it cannot be stopped",
                fix="nothing needs to be done",
            )
        self.cluster.stop(name)

    def resume(self, name: str, ledger: Ledger, limits: Mapping[str, float | None]) -> None:
        """Continues a search, with new limits of its budget where they are given.

        Raises:
            Problem: 409 if it runs or its budget is spent, 422 if a limit is impossible, 503 if
                the cluster does not answer.
        """
        with self._locks[name]:
            job = self.cluster.job(name)
            if ledger.driver or (job is not None and not job.is_over):
                raise Problem(
                    HTTPStatus.CONFLICT,
                    f"search {name} runs, so it cannot be resumed",
                    fix="stop it first",
                )
            try:
                budget = raised_budget(Budget.model_validate(ledger.budget), limits)
            except SettingsError as error:
                raise config_problem([*error.errors]) from None
            if limit := reached_limit(ledger, budget):
                raise Problem(
                    HTTPStatus.CONFLICT,
                    f"search {name} is over: {limit}",
                    fix="give a larger budget: trials, scorings, hours or worker_hours",
                )
            config = parse_config(config_of(ledger), Path(CONFIG))
            here = {"budget": budget, "run": self.settings.run(name)}  # a root may be a copy
            self._submit(name, config.model_copy(update=here))

    def _start(self, name: str, config: Config) -> None:
        """Starts a new search, unless another replica has done so meanwhile."""
        try:
            self._submit(name, config)
        except Problem as problem:
            job = self.cluster.job(name)
            is_started = job and not job.is_over and job.run == str(config.run)
            if problem.status != HTTPStatus.CONFLICT or not is_started:
                raise

    def _submit(self, name: str, config: Config) -> None:
        arguments = ["search", CONFIG, "--address", "auto", "--resume", "--log-format", "json"]
        self.submit_command(name, arguments, str(config.run), config)

    def submit_command(
        self, name: str, arguments: list[str], run: str, config: Config | None = None
    ) -> None:
        """Starts a job; see `search.runs.submit_command`.

        Raises:
            Problem: 409 if the job runs already, 503 if the cluster does not answer.
        """
        with self.cluster.changed_jobs() as jobs:
            submit_command(name, arguments, run, jobs, config=config)

    def _was_never_started(self, name: str, ledger: Ledger) -> bool:
        if ledger.driver or ledger.trials():
            return False
        return self.cluster.answers and self.cluster.job(name) is None


def _found_or_created(plan: Plan) -> tuple[Ledger, bool]:
    """The run of a plan, and whether it is new: of several replicas one creates it."""
    root, deadline = plan.config.run, time.monotonic() + CLAIM_WAIT
    while not Ledger.is_at(root):
        try:
            with claimed(root):
                if not Ledger.is_at(root):
                    return create_run(plan), True
        except RunBusyError as error:
            if time.monotonic() > deadline:
                raise ValueError(str(error)) from None
            time.sleep(0.1)
    return Ledger(root), False


def _is_of(ledger: Ledger, config: Config) -> bool:
    """Whether a run has this config; its root may be a copy of another one."""
    given = config.model_dump(mode="json", by_alias=True)
    return {**config_of(ledger), "run": None} == {**given, "run": None}
