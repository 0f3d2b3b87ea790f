"""Where a model's files are: in a local directory, or in the cache of the Hugging Face hub."""

from __future__ import annotations

import os
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from evaluators.wording import first_line
from workers.checkpoint.headers import INDEX, SINGLE, shards_of
from workers.model_path import directory_error, is_hub_id

SMALL = ["*.json", "*.model", "*.txt", "*.jinja", "README.md", "LICENSE*"]
ADAPTER_CONFIG, ADAPTER = "adapter_config.json", "adapter_model.safetensors"


def cache_folder() -> Path:
    """Mergefront's folder in the user's cache directory."""
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "mergefront"


def model_folder(path: str, revision: str | None) -> Path:
    """A model's directory; of a hub model, only the necessary files are downloaded.

    Raises:
        ValueError: if there is no such directory or hub model, or the model is not cached and the
            hub cannot be reached.
    """
    if not is_hub_id(path):
        return _local(path, revision)
    folder = small_files(path, revision)
    sharded = (folder / INDEX).is_file()
    weights = sorted(set(shards_of(folder).values())) if sharded else [SINGLE]
    return _snapshot(path, revision, weights)


def small_files(path: str, revision: str | None) -> Path:
    """A hub model's directory without its weights."""
    return _snapshot(path, revision, SMALL)


def adapter_folder(location: str) -> Path:
    """A LoRA adapter's directory; `location` is a directory or `hub/id@revision`.

    Raises:
        ValueError: as `model_folder`.
    """
    if not is_hub_id(location):
        return _local(location, None)
    path, _, revision = location.partition("@")
    return _snapshot(path, revision or None, [ADAPTER, *SMALL])


def _local(path: str, revision: str | None) -> Path:
    if error := directory_error(path):
        raise ValueError(error)
    if revision:
        raise ValueError(f"{path}: a local directory has no revision; remove {revision!r}")
    return Path(path).expanduser()


def _snapshot(path: str, revision: str | None, patterns: list[str]) -> Path:
    try:
        folder = huggingface_hub.snapshot_download(
            path, revision=revision, allow_patterns=patterns, ignore_patterns=["*/*"]
        )
    except HFValidationError as error:
        raise ValueError(f"{path}: is neither a local directory nor a hub id: {error}") from None
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = first_line(error)
        where = f"{path}@{revision}" if revision else path
        raise ValueError(
            f"{where}: not a local directory, and not available from the hub: {reason}"
        ) from None
    return Path(folder)
