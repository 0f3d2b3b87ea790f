"""Where the models of a worker lie, and how their tensors come to the passes.

On a CPU they stay memory-mapped: the page cache is one copy for all workers of a node. For a GPU
they lie on the device when they fit beside the live model and a scoring batch, else in pinned
host memory that the node's workers share, else mapped; then the transfer of one tensor overlaps
the pass over the one before.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from workers.merging.hostcopy import SHARED, HostCopy, missing_bytes
from workers.merging.sources import Sources
from workers.settings import MergeSettings

Wanted = Iterable[tuple[list[str], str]]
"""Models and tensor of each pass, in order."""


class Place(Protocol):
    """The models' tensors, somewhere."""

    @property
    def name(self) -> str:
        """`device`, `pinned` or `mapped`."""

    def feed(self, wanted: Wanted) -> Iterator[list[Tensor]]:
        """The flat tensors of each pass, on the device of the passes."""

    def close(self) -> None:
        """Lets go of what is shared with other processes."""


def place_of(sources: Sources, settings: MergeSettings, device: torch.device) -> Place:
    """The place that the settings ask for, or that the sizes suggest.

    Raises:
        ValueError: if the settings ask for a GPU's place on a CPU.
    """
    wish = settings.placement
    if device.type == "cpu":
        if wish not in ("auto", "mapped"):
            raise ValueError(f"placement {wish!r} is for a GPU; on a CPU the models stay mapped")
        return Mapped(sources)
    chosen = _by_size(sources, settings, device) if wish == "auto" else wish
    if chosen == "device":
        return OnDevice(sources, device)
    copies = (
        {name: HostCopy(sources, name, pin=True) for name in sources.checkpoints}
        if chosen == "pinned"
        else {}
    )
    return OnHost(sources, copies, device)


class Mapped:
    """Memory-mapped files, read by passes on the CPU."""

    name = "mapped"

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def feed(self, wanted: Wanted) -> Iterator[list[Tensor]]:
        for models, tensor in wanted:
            yield [self._sources.flat(model, tensor) for model in models]

    def close(self) -> None:
        return


class OnDevice:
    """Copies on the device itself."""

    name = "device"

    def __init__(self, sources: Sources, device: torch.device) -> None:
        self._tensors = {
            (model, tensor): sources.flat(model, tensor).to(device)
            for tensor in sources.names
            for model in sources.checkpoints
        }

    def feed(self, wanted: Wanted) -> Iterator[list[Tensor]]:
        for models, tensor in wanted:
            yield [self._tensors[model, tensor] for model in models]

    def close(self) -> None:
        self._tensors.clear()


class OnHost:
    """Host memory, pinned or mapped, from which tensors are sent one pass ahead."""

    def __init__(self, sources: Sources, copies: dict[str, HostCopy], device: torch.device) -> None:
        self.name = "pinned" if copies else "mapped"
        self._sources = sources
        self._copies = copies
        self._device = device
        self._sender = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def feed(self, wanted: Wanted) -> Iterator[list[Tensor]]:
        sent: deque[tuple[list[Tensor], torch.cuda.Event]] = deque()
        passed: deque[torch.cuda.Event] = deque()
        queue = iter(wanted)
        while True:
            for models, tensor in queue:
                sent.append(self._send(models, tensor))
                if len(sent) == 2:
                    break
            if not sent:
                return
            tensors, arrived = sent.popleft()
            stream = torch.cuda.current_stream(self._device)
            stream.wait_event(arrived)
            for each in tensors:
                each.record_stream(stream)
            yield tensors
            passed.append(stream.record_event())
            if len(passed) == 2:  # or the host would run ahead, and the device fill with tensors
                passed.popleft().synchronize()

    def close(self) -> None:
        for copy in self._copies.values():
            copy.close()

    def _send(self, models: list[str], tensor: str) -> tuple[list[Tensor], torch.cuda.Event]:
        with torch.cuda.stream(self._sender):
            hosts = [
                self._copies[model].flat(tensor)
                if self._copies
                else self._sources.flat(model, tensor)
                for model in models
            ]
            sent = [host.to(self._device, non_blocking=True) for host in hosts]
            return sent, self._sender.record_event()


def _by_size(sources: Sources, settings: MergeSettings, device: torch.device) -> str:
    models, live = _nbytes(sources), sources.reference.nbytes
    free, _ = torch.cuda.mem_get_info(device)
    if models + live + settings.reserve <= free:
        return "device"
    return "pinned" if fits_host(sources, available()) else "mapped"


def fits_host(sources: Sources, available: int, folder: Path = SHARED) -> bool:
    """Whether what is missing of the shared copies takes no more than half of the host's memory.

    Args:
        sources: the models.
        available: bytes of the host's memory that can be had.
        folder: where copies lie; it may be smaller.
    """
    missing = missing_bytes(sources, folder)
    return missing <= min(available // 2, shutil.disk_usage(folder).free)


def available() -> int:
    """Bytes of host memory that can be had: the page cache gives way."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    return 1024 * int(text.partition("MemAvailable:")[2].split()[0])


def _nbytes(sources: Sources) -> int:
    return sum(checkpoint.nbytes for checkpoint in sources.checkpoints.values())
