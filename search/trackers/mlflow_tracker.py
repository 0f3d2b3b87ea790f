"""Runs in MLflow: one for the search, and in it one for each trial."""

from __future__ import annotations

import time

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from search.trackers.protocol import TrackedRun, TrackedTrial

TAG = "mergefront.run"
LONGEST = 500  # characters of a tag's text


class MlflowTracker:
    """The scores and the hypervolume of a run by step, and for each trial its parameters too."""

    def __init__(self, run: TrackedRun, uri: str | None, experiment: str) -> None:
        self._client = MlflowClient(tracking_uri=uri)
        known = self._client.get_experiment_by_name(experiment)
        self._experiment = (
            known.experiment_id if known else self._client.create_experiment(experiment)
        )
        self._run = self._earlier(run) or self._new(run)

    def log(self, trial: TrackedTrial) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, trial.step) for name, value in trial.metrics()]
        self._client.log_batch(self._run, metrics=metrics)
        tags = {"mlflow.parentRunId": self._run, "mlflow.runName": f"trial {trial.number}"}
        child = self._client.create_run(self._experiment, tags=tags).info.run_id
        params = [Param(name, str(value)) for name, value in trial.named_params().items()]
        told = {"state": trial.state, "label": trial.label, "cause": trial.cause}
        said = [RunTag(key, value[:LONGEST]) for key, value in told.items() if value]
        self._client.log_batch(child, metrics=metrics, params=params, tags=said)
        status = "FAILED" if trial.state == "failed" else "FINISHED"
        self._client.set_terminated(child, status=status)

    def close(self) -> None:
        self._client.set_terminated(self._run)

    def _earlier(self, run: TrackedRun) -> str | None:
        """The record of an earlier session, set to running again."""
        found = self._client.search_runs([self._experiment], f"tags.`{TAG}` = '{run.id}'")
        if not found:
            return None
        self._client.update_run(found[0].info.run_id, status="RUNNING")
        return str(found[0].info.run_id)

    def _new(self, run: TrackedRun) -> str:
        tags = {TAG: run.id, "mlflow.runName": run.name, "root": run.root[:LONGEST]}
        made = str(self._client.create_run(self._experiment, tags=tags).info.run_id)
        kept = [Param(key, str(value)[:LONGEST]) for key, value in run.config.items()]
        self._client.log_batch(made, params=kept)
        return made
