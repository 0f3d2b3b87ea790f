"""Estimates memory, disk space and time of merges from the sizes of the models."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from rich.filesize import decimal

from workers.checkpoint import (
    Checkpoint,
    merge_vocabularies,
    open_headers,
    with_vocabulary_rows,
)
from workers.doctor.vllm_memory import VllmMemory, vllm_memory
from workers.recipe import Source, TokenizerChoice, is_vocabulary

if TYPE_CHECKING:
    from evaluators.tasks import SuiteSettings

NEGLIGIBLE = 0.1  # seconds; below this, the overhead of a merge is larger
_PROBE = 1 << 24  # bytes copied to measure the memory bandwidth
_WORKER_FACTOR = 2  # times the model's size: the model, and activations and logits


@dataclass(frozen=True)
class Estimate:
    """Bytes and seconds; without the time to score, which only a trial shows."""

    parameters: int
    worker_memory: int
    """Of each worker: the live model, and as much again for scoring."""
    shared_memory: int
    """The memory-mapped models, once per node; with less, they are read from disk each time."""
    export_disk: int
    adapter_disk: int
    """For the tensors that adapters change, once per node."""
    vocabulary_disk: int
    """For embeddings and heads with the rows of a chosen tokenizer, once per node."""
    merge_seconds: float
    """Of one candidate on this machine: each model is read and the merged one written once."""
    vllm: VllmMemory | None = None
    """If candidates are scored by vLLM."""

    def to_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """A few lines for a person."""
        merging = (
            f"about {self.merge_seconds:.2g} s"
            if self.merge_seconds >= NEGLIGIBLE
            else "hardly any time"
        )
        cached = {"adapters": self.adapter_disk, "vocabularies": self.vocabulary_disk}
        caches = "".join(f", {decimal(size)} for {what}" for what, size in cached.items() if size)
        lines = [
            f"memory: {decimal(self.worker_memory)} for each worker, and "
            f"{decimal(self.shared_memory)} of models shared by the workers of a node",
            f"disk: {decimal(self.export_disk)} for each exported model{caches}",
            f"time: {merging} to merge a candidate on this machine; "
            "the first trials show how long scoring takes",
        ]
        return [*lines, self.vllm.line()] if self.vllm else lines


def estimate(
    base: Source | None,
    models: Mapping[str, Source],
    tokenizer: TokenizerChoice | None = None,
    scoring: SuiteSettings | None = None,
) -> Estimate:
    """Estimates what merging these models needs, with the vocabulary of a chosen tokenizer.

    Args:
        base: the base, if there is one.
        models: the others by name.
        tokenizer: the chosen tokenizer.
        scoring: how candidates are scored, if they are.

    Raises:
        ValueError: if a model cannot be read, or their vocabularies cannot be merged.
    """
    sources = {**({"base": base} if base else {}), **models}
    opened = {name: open_headers(source) for name, source in sources.items()}
    adapted = sum(each.tensors[name].nbytes for each in opened.values() for name in each.changes)
    vocabularies = 0
    if tokenizer is not None:
        rows = merge_vocabularies(opened, tokenizer).n_rows
        opened = {name: _with_rows(each, rows) for name, each in opened.items()}
        vocabularies = sum(map(_vocabulary_bytes, opened.values()))
    like, *_ = opened.values()
    read = sum(each.nbytes for each in opened.values())
    return Estimate(
        parameters=sum(info.nbytes_as("bfloat16") // 2 for info in like.tensors.values()),
        worker_memory=_WORKER_FACTOR * like.nbytes
        + sum(info.nbytes for info in like.towers.values()),
        shared_memory=read,
        export_disk=like.nbytes + sum(info.nbytes for info in like.unmerged.values()),
        adapter_disk=adapted,
        vocabulary_disk=vocabularies,
        merge_seconds=(read + like.nbytes) / _bandwidth(),
        vllm=vllm_memory(like, scoring) if scoring and scoring.engine == "vllm" else None,
    )


def _with_rows(checkpoint: Checkpoint, rows: int) -> Checkpoint:
    return replace(checkpoint, tensors=with_vocabulary_rows(checkpoint.tensors, rows))


def _vocabulary_bytes(checkpoint: Checkpoint) -> int:
    """Of embedding and head."""
    return sum(info.nbytes for name, info in checkpoint.tensors.items() if is_vocabulary(name))


def _bandwidth() -> float:
    """Bytes read and written per second by a copy in memory."""
    source = np.ones(_PROBE, dtype=np.uint8)
    target = np.empty_like(source)
    np.copyto(target, source)  # the first write allocates the pages
    began = time.perf_counter()
    np.copyto(target, source)
    return 2 * _PROBE / (time.perf_counter() - began)
