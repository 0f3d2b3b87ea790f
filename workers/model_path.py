"""What the path of a model says before anything is read: a directory, a hub id, or a mistake."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class MissingModelsError(ValueError):
    """Model directories that do not exist; `errors` has a message for each."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def is_hub_id(path: str) -> bool:
    """Whether a path is not a local directory and can be the name of a hub repository."""
    looks_local = path.startswith((".", "/", "~"))
    return path.count("/") == 1 and not looks_local and not Path(path).is_dir()


def directory_error(path: str | Path) -> str | None:
    """Why a path is no directory of a model, or None if it is one."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        return None
    problem = "is a file" if folder.exists() else "does not exist"
    return f"model directory {path} {problem}; give a directory, or a hub id such as org/model"


def check_paths(paths: Iterable[str]) -> None:
    """Checks that models exist, except those of the hub.

    Raises:
        MissingModelsError: with every one that does not.
    """
    found = [directory_error(path) for path in paths if not is_hub_id(path)]
    if errors := [each for each in found if each]:
        raise MissingModelsError(errors)
