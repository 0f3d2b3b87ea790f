"""Estimates memory, disk space and time of merges from the sizes of the models."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from rich.filesize import decimal

from workers.checkpoint import open_headers
from workers.recipe import Source

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
    merge_seconds: float
    """Of one candidate on this machine: each model is read and the merged one written once."""

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
        adapters = f", {decimal(self.adapter_disk)} for adapters" if self.adapter_disk else ""
        return [
            f"memory: {decimal(self.worker_memory)} for each worker, and "
            f"{decimal(self.shared_memory)} of models shared by the workers of a node",
            f"disk: {decimal(self.export_disk)} for each exported model{adapters}",
            f"time: {merging} to merge a candidate on this machine; "
            "the first trials show how long scoring takes",
        ]


def estimate(base: Source | None, models: Mapping[str, Source]) -> Estimate:
    """Estimates what merging these models needs.

    Raises:
        ValueError: if a model cannot be read.
    """
    sources = [*([base] if base else []), *models.values()]
    opened = [open_headers(source) for source in sources]
    like = opened[0]
    changed = [each.tensors[name].nbytes for each in opened for name in each.changes]
    moved = sum(each.nbytes for each in opened) + like.nbytes
    return Estimate(
        parameters=sum(info.nbytes_as("bfloat16") // 2 for info in like.tensors.values()),
        worker_memory=_WORKER_FACTOR * like.nbytes
        + sum(info.nbytes for info in like.towers.values()),
        shared_memory=sum(each.nbytes for each in opened),
        export_disk=like.nbytes + sum(info.nbytes for info in like.unmerged.values()),
        adapter_disk=sum(changed),
        merge_seconds=moved / _bandwidth(),
    )


def _bandwidth() -> float:
    """Bytes read and written per second by a copy in memory."""
    source = np.ones(_PROBE, dtype=np.uint8)
    target = np.empty_like(source)
    np.copyto(target, source)  # the first write allocates the pages
    began = time.perf_counter()
    np.copyto(target, source)
    return 2 * _PROBE / (time.perf_counter() - began)
