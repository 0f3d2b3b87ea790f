"""Headers of a model on the hub, read without downloading its weights."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import (
    HfHubHTTPError,
    NotASafetensorsRepoError,
    OfflineModeIsEnabled,
    SafetensorsParsingError,
)

from evaluators.wording import first_line
from workers.checkpoint.headers import DTYPES, INDEX, SINGLE, TensorInfo, read_headers


def remote_headers(path: str, revision: str | None, folder: Path) -> dict[str, TensorInfo]:
    """Every tensor of a hub model, from cached files or else by range requests.

    Raises:
        ValueError: if it has no safetensors, or the hub cannot be reached.
    """
    if (folder / SINGLE).exists() or ((folder / INDEX).exists() and _complete(folder)):
        return read_headers(folder)
    try:
        found = huggingface_hub.get_safetensors_metadata(path, revision=revision)
    except NotASafetensorsRepoError:
        raise ValueError(
            f"{path}: has no safetensors on the hub; pickled weights are not read: load the model "
            "with transformers and call save_pretrained()"
        ) from None
    except (HfHubHTTPError, SafetensorsParsingError, OfflineModeIsEnabled, OSError) as error:
        reason = first_line(error)
        raise ValueError(f"{path}: its headers could not be read from the hub: {reason}") from None
    return {
        name: TensorInfo(DTYPES.get(info.dtype, info.dtype), tuple(info.shape), folder / file)
        for file, metadata in found.files_metadata.items()
        for name, info in metadata.tensors.items()
    }


def _complete(folder: Path) -> bool:
    try:
        read_headers(folder)
    except ValueError:
        return False
    return True
