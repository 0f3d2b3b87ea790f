"""The `track` section of a config."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from evaluators.settings import Settings

if TYPE_CHECKING:
    from search.trackers.protocol import TrackedRun, Tracker


class MlflowSettings(Settings):
    """MLflow: a run, and in it one for each trial."""

    module: ClassVar[str] = "mlflow"

    type: Literal["mlflow"] = "mlflow"
    uri: str | None = None
    """Of the tracking server or store; by default MLflow's own, as in MLFLOW_TRACKING_URI."""
    experiment: str = "mergefront"

    def open(self, run: TrackedRun) -> Tracker:
        """Begins or continues the record of a run."""
        from search.trackers.mlflow_tracker import MlflowTracker

        return MlflowTracker(run, self.uri, self.experiment)


class WandbSettings(Settings):
    """Weights & Biases: a run with a step for each trial."""

    module: ClassVar[str] = "wandb"

    type: Literal["wandb"] = "wandb"
    project: str = "mergefront"
    entity: str | None = None
    mode: Literal["online", "offline"] = "online"
    folder: Path | None = None
    """Where it keeps its files; by default `wandb/` in the current folder."""

    def open(self, run: TrackedRun) -> Tracker:
        """Begins or continues the record of a run."""
        from search.trackers.wandb_tracker import WandbTracker

        return WandbTracker(run, self.project, self.entity, self.mode, self.folder)


class TensorboardSettings(Settings):
    """TensorBoard: a folder of event files."""

    module: ClassVar[str] = "tensorboardX"

    type: Literal["tensorboard"] = "tensorboard"
    folder: Path | None = None
    """By default `tensorboard/` in the run's folder."""

    def open(self, run: TrackedRun) -> Tracker:
        """Begins or continues the record of a run."""
        from search.trackers.tensorboard_tracker import TensorboardTracker

        return TensorboardTracker(self.folder or default_folder(run.root))


def default_folder(root: str) -> Path:
    """The folder of a run's event files; of a run in an object store, in the current folder."""
    return (
        Path("tensorboard", root.rpartition("/")[2]) if "://" in root else Path(root, "tensorboard")
    )


def _from_name(given: Any) -> Any:
    return {"type": given} if isinstance(given, str) else given


TrackerSettings = Annotated[
    MlflowSettings | WandbSettings | TensorboardSettings,
    Field(discriminator="type"),
    BeforeValidator(_from_name),
]


def missing_extra(settings: MlflowSettings | WandbSettings | TensorboardSettings) -> str | None:
    """What to install before this tracker can be used, or None; imports nothing."""
    if find_spec(settings.module):
        return None
    extra = settings.type
    return f"track: {extra} is not installed; run: pip install 'mergefront[{extra}]'"
