"""What an operator decides when a service starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServiceSettings:
    """The root of a service, its cluster, and what its users may do."""

    root: Path
    """The folder with all of its state: `runs/`, `exports/` and `tokens/`."""
    cluster: str
    """The URL of the dashboard of the Ray cluster that runs the searches."""
    data: tuple[Path, ...] = ()
    """Folders in which the models, tasks and recipes of a config may be."""
    allow_code: bool = False
    """Whether a config may run code: of tasks, of functions, or in an environment of its own."""
    allow_hub: bool = False
    """Whether models may come from the hub, and an admin may push exports to it."""
    max_body: int = 256 * 1024  # bytes
    rate: float = 200.0
    """Requests per second of one token; twice as many may come at once."""
    max_streams: int = 1000
    """Open streams of events."""

    @property
    def runs(self) -> Path:
        """The folder of the runs, one folder each."""
        return self.root / "runs"

    @property
    def exports(self) -> Path:
        """The folder of the exported models: one folder per run, in it one per export."""
        return self.root / "exports"

    @property
    def tokens(self) -> Path:
        """The folder of the tokens, one file each."""
        return self.root / "tokens"


def data_folders(given: Iterable[Path], name: str) -> tuple[Path, ...]:
    """The folders that an operator allows, as absolute paths without symbolic links.

    Args:
        given: by the operator.
        name: of the setting, with which the message of an error begins.

    Raises:
        ValueError: if one is no directory.
    """
    folders = tuple(folder.expanduser().resolve() for folder in given)
    for folder in folders:
        if not folder.is_dir():
            raise ValueError(f"{name}: {folder} is no directory")
    return folders
