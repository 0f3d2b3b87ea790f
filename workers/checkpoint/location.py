"""Where a model's files are: a directory here, or the hub's copy of one."""

from __future__ import annotations

import os
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from workers.checkpoint.headers import INDEX, SINGLE, shards_of

SMALL = ["*.json", "*.model", "*.txt", "*.jinja", "README.md", "LICENSE*"]
ADAPTER_CONFIG, ADAPTER = "adapter_config.json", "adapter_model.safetensors"


def cache_folder() -> Path:
    """Where what is computed once is kept: the user's cache directory."""
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "mergefront"


def is_hub_id(path: str) -> bool:
    """Whether a path that is no directory here can be the name of a hub repository."""
    looks_local = path.startswith((".", "/", "~"))
    return path.count("/") == 1 and not looks_local and not Path(path).is_dir()


def model_folder(path: str, revision: str | None) -> Path:
    """A model's directory with its weights; of a hub model only the files that are needed.

    Raises:
        ValueError: if there is no such directory or hub model, or the hub cannot be reached and
            the model is not in its cache.
    """
    if not is_hub_id(path):
        return _local(path, revision)
    folder = small_files(path, revision)
    sharded = (folder / INDEX).is_file()
    weights = sorted(set(shards_of(folder).values())) if sharded else [SINGLE]
    return _snapshot(path, revision, weights)


def small_files(path: str, revision: str | None) -> Path:
    """A hub model's directory with all but its weights."""
    return _snapshot(path, revision, SMALL)


def adapter_folder(place: str) -> Path:
    """A LoRA adapter's directory; `place` is a directory or `hub/id@revision`.

    Raises:
        ValueError: as `model_folder`.
    """
    if not is_hub_id(place):
        return _local(place, None)
    path, _, revision = place.partition("@")
    return _snapshot(path, revision or None, [ADAPTER_CONFIG, ADAPTER])


def _local(path: str, revision: str | None) -> Path:
    folder = Path(path).expanduser()
    if not folder.is_dir():
        kind = "a file and no" if folder.exists() else "no"
        raise ValueError(
            f"{kind} model directory at {path}; give a directory, or a hub id such as org/model"
        )
    if revision:
        raise ValueError(f"{path}: a directory here has no revision ({revision!r}); leave it out")
    return folder


def _snapshot(path: str, revision: str | None, patterns: list[str]) -> Path:
    try:
        folder = huggingface_hub.snapshot_download(
            path, revision=revision, allow_patterns=patterns, ignore_patterns=["*/*"]
        )
    except HFValidationError as error:
        raise ValueError(f"{path}: is no directory here and no hub id: {error}") from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        where = f"{path}@{revision}" if revision else path
        raise ValueError(
            f"{where}: no directory here, and the hub does not give it: {reason}"
        ) from None
    return Path(folder)
