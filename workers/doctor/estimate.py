"""What a merge or a search will take: memory, disk, time. From sizes alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from rich.filesize import decimal

from workers.checkpoint import open_headers
from workers.recipe import Source

LITTLE = 0.1  # seconds of a merge, below which what surrounds it counts for more
_PROBE = 1 << 24  # bytes copied to learn what this machine's memory does
_ROWS = 2  # times the model that scoring holds beside it: activations and logits, generously


@dataclass(frozen=True)
class Estimate:
    """Bytes and seconds; the time to score is not in it, for nothing but a trial tells it."""

    parameters: int
    worker_memory: int
    """Of a worker by itself: the live model, and as much again for scoring."""
    shared_memory: int
    """The models, mapped once per node; where it is short they are read from disk each time."""
    export_disk: int
    adapter_disk: int
    """Once per node, for the tensors that adapters change."""
    merge_seconds: float
    """Of one candidate on this machine: each model is read once, the merged one written."""

    def to_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """A few lines for a person."""
        merging = (
            f"about {self.merge_seconds:.2g} s"
            if self.merge_seconds >= LITTLE
            else "hardly any time"
        )
        adapters = f", {decimal(self.adapter_disk)} for adapters" if self.adapter_disk else ""
        return [
            f"memory: {decimal(self.worker_memory)} for each worker, and "
            f"{decimal(self.shared_memory)} of models shared by the workers of a node",
            f"disk: {decimal(self.export_disk)} for each exported model{adapters}",
            f"time: {merging} to merge a candidate on this machine; "
            "the first trials tell what scoring takes",
        ]


def estimate(base: Source | None, models: Mapping[str, Source]) -> Estimate:
    """What merging these models takes.

    Raises:
        ValueError: if a model cannot be read.
    """
    sources = [*([base] if base else []), *models.values()]
    opened = [open_headers(source) for source in sources]
    like = opened[0]
    changed = [
        each.tensors[name].nbytes
        for each in opened
        if each.adapter
        for name in each.adapter.changes
    ]
    moved = sum(each.nbytes for each in opened) + like.nbytes
    return Estimate(
        parameters=sum(info.nbytes_as("bfloat16") // 2 for info in like.tensors.values()),
        worker_memory=_ROWS * like.nbytes,
        shared_memory=sum(each.nbytes for each in opened),
        export_disk=like.nbytes,
        adapter_disk=sum(changed),
        merge_seconds=moved / _bandwidth(),
    )


def _bandwidth() -> float:
    """Bytes per second that a copy moves here, reading and writing counted."""
    source = np.ones(_PROBE, dtype=np.uint8)
    target = np.empty_like(source)
    np.copyto(target, source)  # the first touch pays for the pages
    began = time.perf_counter()
    np.copyto(target, source)
    return 2 * _PROBE / (time.perf_counter() - began)
