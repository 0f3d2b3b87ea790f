"""A run in Weights & Biases."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import wandb

from search.trackers.protocol import TrackedRun, TrackedTrial


class WandbTracker:
    """Scores, hypervolume, parameters and states by step; a resumed search continues its run."""

    def __init__(
        self,
        run: TrackedRun,
        project: str,
        entity: str | None,
        mode: Literal["online", "offline"],
        folder: Path | None,
    ) -> None:
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=project,
            entity=entity,
            mode=mode,
            dir=folder,
            id=run.id,
            name=run.name,
            config={**run.config, "root": run.root},
            resume="allow",
            settings=wandb.Settings(silent=True, console="off"),
        )

    def log(self, trial: TrackedTrial) -> None:
        told = {"trial": trial.number, "state": trial.state, "label": trial.label}
        self._run.log({**dict(trial.metrics()), **trial.named_params(), **told}, step=trial.step)

    def close(self) -> None:
        self._run.finish()
