"""Opening models by their headers: a local directory, or a model on the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from workers.checkpoint.adapted_checkpoint import adapted
from workers.checkpoint.checkpoint import Checkpoint
from workers.checkpoint.headers import TensorInfo, check_dtypes, read_headers, read_json
from workers.checkpoint.ignored import without_unmerged
from workers.checkpoint.location import model_folder, small_files
from workers.checkpoint.remote import remote_headers
from workers.checkpoint.stacked_checkpoint import stack
from workers.checkpoint.whole_checkpoint import with_towers
from workers.model_path import is_hub_id
from workers.recipe import Source


def open_checkpoint(source: Source) -> Checkpoint:
    """Opens a model by its headers; downloads the weights of a hub model if they are not cached.

    Raises:
        ValueError: if it does not exist, has no safetensors, a file is damaged, a tensor has a
            dtype that cannot be merged, its adapter does not fit it, or it has not all of the
            source's layers.
    """
    folder = model_folder(source.path, source.revision)
    return _checkpoint(folder, read_headers(folder), source)


def open_headers(source: Source) -> Checkpoint:
    """As `open_checkpoint`, but of a hub model only headers and small files are downloaded.

    Raises:
        ValueError: as `open_checkpoint`.
    """
    if not is_hub_id(source.path):
        return open_checkpoint(source)
    folder = small_files(source.path, source.revision)
    return _checkpoint(folder, remote_headers(source.path, source.revision, folder), source)


def _checkpoint(folder: Path, tensors: Mapping[str, TensorInfo], source: Source) -> Checkpoint:
    if not tensors:
        raise ValueError(f"{folder}: holds no tensors")
    model = without_unmerged(Checkpoint(folder, tensors, read_json(folder / "config.json")))
    check_dtypes(model.tensors)
    if source.adapter:
        model = adapted(model, source.adapter)
    if source.layers:
        model = stack(model, source.layers)
    return with_towers(model) if source.merge == "all" else model
