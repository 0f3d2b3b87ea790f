"""Event files for TensorBoard."""

from __future__ import annotations

from pathlib import Path

from tensorboardX import SummaryWriter

from search.trackers.protocol import TrackedTrial


class TensorboardTracker:
    """Scalars by step: scores, hypervolume, parameters that are numbers; and states as text."""

    def __init__(self, folder: Path) -> None:
        self._writer = SummaryWriter(str(folder), flush_secs=10)

    def log(self, trial: TrackedTrial) -> None:
        for name, value in trial.metrics():
            self._writer.add_scalar(name, value, trial.step)
        for name, value in trial.named_params().items():
            if isinstance(value, float | int):
                self._writer.add_scalar(name, float(value), trial.step)
        said = [trial.state, *(each for each in (trial.label, trial.cause) if each)]
        self._writer.add_text("state", f"trial {trial.number}: {', '.join(said)}", trial.step)

    def close(self) -> None:
        self._writer.close()
