"""Writing a model directory: streamed tensor by tensor, whole or not at all, and read again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from workers.checkpoint.folder import whole_or_not_at_all
from workers.checkpoint.headers import INDEX, SINGLE, TensorInfo, read_headers
from workers.checkpoint.reading import Checkpoint
from workers.checkpoint.stream import Tensors, write_file

SHARD_BYTES = 5 * 10**9  # as transformers and the hub cut them
MANIFEST = "manifest.json"
COMPANIONS = (  # what is copied from the model whose tokenizer the merged one takes
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "chat_template.jinja",
    "additional_chat_templates",
)

Plan = Mapping[str, TensorInfo]


def write_model(
    out: Path,
    tensors: Tensors,
    *,
    like: Checkpoint,
    dtype: str,
    donor: Checkpoint | None = None,
    files: Mapping[str, str] | None = None,
    force: bool = False,
) -> None:
    """Writes a Hugging Face directory; memory of one tensor, whatever the model's size.

    Args:
        out: the directory to make. It appears complete or not at all.
        tensors: (name, tensor) in the order of `like.tensors`.
        like: the checkpoint whose names, shapes and tying it takes.
        dtype: of the tensors.
        donor: the checkpoint whose config and tokenizer it takes, if not those of `like`.
        files: further text files, by name.
        force: replace `out` if it exists.

    Raises:
        ValueError: if `out` exists without `force` or cannot be made, there is no space for it,
            or a tensor is not as planned.
        OSError: if the disk gives up on the way; nothing is left behind then.
    """
    plan = {name: replace(info, dtype=dtype) for name, info in like.tensors.items()}
    needs = sum(info.nbytes for info in plan.values())
    with whole_or_not_at_all(out, needs=needs, force=force) as folder:
        digests = _write_tensors(folder, tensors, plan)
        _verify(folder, plan, digests)
        _copy_companions(folder, donor or like)
        for name, text in (files or {}).items():
            (folder / name).write_text(text, encoding="utf-8")
        # last, so that what a killed writer leaves behind cannot be loaded
        _write_json(folder / "config.json", _config(like, donor or like, dtype))
        _write_manifest(folder, digests)


def _write_tensors(folder: Path, tensors: Tensors, plan: Plan) -> dict[str, str]:
    """Writes the shards and their index; the SHA-256 of each file."""
    shards = _shards(plan)
    stream = iter(tensors)
    digests: dict[str, str] = {}
    weight_map: dict[str, str] = {}
    for i, shard in enumerate(shards, start=1):
        name = SINGLE if len(shards) == 1 else f"model-{i:05}-of-{len(shards):05}.safetensors"
        digests[name] = write_file(folder / name, shard, islice(stream, len(shard)))
        weight_map |= dict.fromkeys(shard, name)
    if len(shards) > 1:
        total = sum(info.nbytes for info in plan.values())
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        _write_json(folder / INDEX, index)
    return digests


def _shards(plan: Plan) -> list[dict[str, TensorInfo]]:
    shards: list[dict[str, TensorInfo]] = [{}]
    size = 0
    for name, info in plan.items():
        if shards[-1] and size + info.nbytes > SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][name] = info
        size += info.nbytes
    return shards


def _verify(folder: Path, plan: Plan, digests: Mapping[str, str]) -> None:
    """What is on disk is what was planned and, by its digest, what was checked on the way."""
    written = read_headers(folder)
    planned = {name: (info.dtype, info.shape) for name, info in plan.items()}
    if planned != {name: (info.dtype, info.shape) for name, info in written.items()}:
        raise OSError(f"{folder}: what was written is not what was planned; is the disk sound?")
    for name, digest in digests.items():
        if _sha256(folder / name) != digest:
            raise OSError(f"{folder / name}: reads other bytes than were written; is the disk bad?")


def _config(like: Checkpoint, donor: Checkpoint, dtype: str) -> dict[str, object]:
    config = {**donor.config, "dtype": dtype}
    config.pop("torch_dtype", None)
    config.pop("_name_or_path", None)
    if donor.tied != like.tied:
        config["tie_word_embeddings"] = like.tied
    if like.vocabulary_rows:
        config["vocab_size"] = like.vocabulary_rows
    return config


def _copy_companions(folder: Path, donor: Checkpoint) -> None:
    for name in COMPANIONS:
        found = donor.path / name
        if found.is_dir():
            shutil.copytree(found, folder / name)
        elif found.is_file():
            shutil.copyfile(found, folder / name)


def _write_manifest(folder: Path, digests: Mapping[str, str]) -> None:
    """Size and SHA-256 of every file, as the hub names its large files."""
    entries = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": digest}
        for name, digest in {**dict(_small_digests(folder)), **digests}.items()
    }
    _write_json(folder / MANIFEST, {"version": 1, "files": dict(sorted(entries.items()))})


def _small_digests(folder: Path) -> Iterator[tuple[str, str]]:
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix != ".safetensors" and not file.name.startswith("."):
            yield str(file.relative_to(folder)), _sha256(file)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_json(file: Path, content: Mapping[str, object]) -> None:
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
