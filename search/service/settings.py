"""What an operator decides when a service starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from search.ledger import Store

RUNS = "runs"
SECRETS = {"access_key", "secret_key", "session_token"}  # of pyarrow's URIs


@dataclass(frozen=True)
class ServiceSettings:
    """The root of a service, its cluster, and what its users may do."""

    root: Path | str
    """The folder with all of its state: `runs/`, `tokens/` and `exports/`; or the URI of one in an
    object store, without exports."""
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
    """Requests per second of one token; twice as many may come at once. Of those that
    may take seconds, a fortieth."""
    max_streams: int = 1000
    """Open streams of events, of which one token may hold a quarter."""
    export_folder: Path | None = None
    """Where exported models are written, if not in the root."""

    @cached_property
    def store(self) -> Store:
        """The files of the root.

        Raises:
            ValueError: if its URI is not supported.
        """
        return Store(self.root)

    def run(self, name: str) -> Path | str:
        """The folder or URI of a run."""
        return self._within(f"{RUNS}/{name}")

    @property
    def exports(self) -> Path | None:
        """The folder of the exported models: one folder per run, in it one per export.

        None if there is none: models are written to folders, and the root is an object store.
        """
        return self.export_folder or (
            self.root / "exports" if isinstance(self.root, Path) else None
        )

    @property
    def tokens(self) -> Path | str:
        """The folder or URI of the tokens, one file each."""
        return self._within("tokens")

    @property
    def shown_root(self) -> str:
        """The root for people: without keys and options of a store."""
        return str(self.root) if isinstance(self.root, Path) else _shown(self.root)

    def make_folders(self) -> None:
        """Makes the folders that are missing.

        Raises:
            OSError: if one cannot be made.
        """
        for folder in (self._within(RUNS), self.exports):
            if isinstance(folder, Path):
                folder.mkdir(parents=True, exist_ok=True)

    def _within(self, name: str) -> Path | str:
        return self.root / name if isinstance(self.root, Path) else self.store.location(name)


def root_of(given: str) -> Path | str:
    """The root that an operator names: a URI, or a folder without symbolic links.

    Raises:
        ValueError: if a URI has keys in it, which would be in the config of every run.
    """
    if "://" not in given:
        return Path(given).expanduser().resolve()
    uri = urlsplit(given)
    if "@" in uri.netloc or SECRETS & parse_qs(uri.query).keys():
        raise ValueError(
            f"root {_shown(given)}: keys in a URI would be in every run's config; give them by the "
            "environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or a profile"
        )
    return given


def _shown(root: str) -> str:
    uri = urlsplit(root)
    return f"{uri.scheme}://{uri.netloc.rpartition('@')[2]}{uri.path}"


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
