"""Writes a model directory tensor by tensor and verifies it by reading it again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

from workers.checkpoint.atomic_directory import atomic_directory
from workers.checkpoint.checkpoint import Checkpoint, read_tensor
from workers.checkpoint.file_writer import Tensors, only_finite, write_file
from workers.checkpoint.headers import INDEX, SINGLE, TensorInfo, read_headers
from workers.checkpoint.parts import with_language_config

SHARD_BYTES = 5 * 10**9  # as in transformers and on the hub
MANIFEST = "manifest.json"
GENERATION_CONFIG = "generation_config.json"
TOKENIZER_FILES = (  # copied from the model whose tokenizer the merged one uses
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
    "chat_template.json",
)
PROCESSOR_FILES = (  # of the inputs of towers
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
)

Plan = Mapping[str, TensorInfo]


def write_model(
    out: Path,
    tensors: Tensors,
    *,
    like: Checkpoint,
    dtype: str,
    files: Mapping[str, str] | None = None,
    force: bool = False,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Writes a Hugging Face directory; only one tensor is in memory at a time.

    Tensors of `like` that are not merged are copied unchanged.

    Args:
        out: the directory to make; it appears complete or not at all.
        tensors: (name, tensor) in the order of `like.tensors`.
        like: the checkpoint with the same tensor names, shapes, config and tokenizer.
        dtype: of the tensors.
        files: additional text files by name.
        force: replace `out` if it exists.
        shard_bytes: of tensors in a file, unless a single one is larger.

    Raises:
        ValueError: if `out` exists without `force` or cannot be made, the disk has too little
            space, or a tensor does not match `like` or has values that are not finite.
        OSError: if writing fails; no files remain then.
    """
    merged = {name: replace(info, dtype=dtype) for name, info in like.tensors.items()}
    plan = {**merged, **like.unmerged}
    copied = ((name, read_tensor(info.file, name)) for name, info in like.unmerged.items())
    nbytes = sum(info.nbytes for info in plan.values())
    with atomic_directory(out, nbytes=nbytes, force=force) as folder:
        digests = _write_tensors(
            folder, chain(only_finite(tensors), copied), _shards(plan, shard_bytes)
        )
        _verify(folder, plan, digests)
        _copy_other_files(like, folder)
        for name, text in (files or {}).items():
            (folder / name).write_text(text, encoding="utf-8")
        # last, so that the directory of a killed writer cannot be loaded
        _write_json(folder / "config.json", _config(like, dtype))
        write_manifest(folder, digests)


def write_config(folder: Path, like: Checkpoint) -> None:
    """Writes config and tokenizer of a model without its weights, for an engine that gets them."""
    _copy_other_files(like, folder)
    _write_json(folder / "config.json", _config(like, like.dtype))


def _copy_other_files(like: Checkpoint, folder: Path) -> None:
    copy_tokenizer_files(like.tokenizer_path, folder)
    _copy((GENERATION_CONFIG,), like.generation_path, folder)
    _copy(PROCESSOR_FILES, like.path, folder)


def _write_tensors(folder: Path, tensors: Tensors, shards: Sequence[Plan]) -> dict[str, str]:
    """Writes the shards and their index; returns the SHA-256 of each file."""
    stream = iter(tensors)
    digests: dict[str, str] = {}
    weight_map: dict[str, str] = {}
    for i, shard in enumerate(shards, start=1):
        name = SINGLE if len(shards) == 1 else f"model-{i:05}-of-{len(shards):05}.safetensors"
        digests[name] = write_file(folder / name, shard, islice(stream, len(shard)))
        weight_map |= dict.fromkeys(shard, name)
    if len(shards) > 1:
        total = sum(info.nbytes for shard in shards for info in shard.values())
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        _write_json(folder / INDEX, index)
    return digests


def _shards(plan: Plan, limit: int) -> list[dict[str, TensorInfo]]:
    shards: list[dict[str, TensorInfo]] = [{}]
    size = 0
    for name, info in plan.items():
        if shards[-1] and size + info.nbytes > limit:
            shards.append({})
            size = 0
        shards[-1][name] = info
        size += info.nbytes
    return shards


def _verify(folder: Path, plan: Plan, digests: Mapping[str, str]) -> None:
    """Checks that headers and digests of the files on disk are as expected."""
    written = read_headers(folder)
    planned = {name: (info.dtype, info.shape) for name, info in plan.items()}
    if planned != {name: (info.dtype, info.shape) for name, info in written.items()}:
        raise OSError(f"{folder}: the headers differ from those written; is the disk faulty?")
    for name, digest in digests.items():
        if _sha256(folder / name) != digest:
            raise OSError(
                f"{folder / name}: has other bytes than were written; is the disk faulty?"
            )


def _config(like: Checkpoint, dtype: str) -> dict[str, object]:
    config: dict[str, object] = {**like.config, "dtype": dtype}
    config.pop("torch_dtype", None)
    config.pop("_name_or_path", None)
    if like.vocabulary_rows:
        config = with_language_config(config, {"vocab_size": like.vocabulary_rows})
    return config


def copy_tokenizer_files(source: Path, folder: Path) -> None:
    """Copies the files of a tokenizer and its chat template."""
    _copy(TOKENIZER_FILES, source, folder)


def _copy(names: Iterable[str], source: Path, folder: Path) -> None:
    for name in names:
        path = source / name
        if path.is_dir():
            shutil.copytree(path, folder / name)
        elif path.is_file():
            shutil.copyfile(path, folder / name)


def write_manifest(folder: Path, digests: Mapping[str, str]) -> None:
    """Writes size and SHA-256 of every file; the hub uses the same digest for large files."""
    entries = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": digest}
        for name, digest in {**dict(_other_digests(folder)), **digests}.items()
    }
    _write_json(folder / MANIFEST, {"version": 1, "files": dict(sorted(entries.items()))})


def _other_digests(folder: Path) -> Iterator[tuple[str, str]]:
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix != ".safetensors" and not file.name.startswith("."):
            yield str(file.relative_to(folder)), _sha256(file)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_json(file: Path, content: Mapping[str, object]) -> None:
    file.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
