"""Where the models of a worker are stored, and how their tensors get to the kernels.

On a CPU they stay memory-mapped: the page cache is one copy for all workers of a node. For a GPU
they are on the device if they fit beside the live model and a scoring batch, else in pinned host
memory that the node's workers share, else mapped; then the transfer of one tensor overlaps the
pass before.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from workers.checkpoint import available_memory
from workers.merging.host_copy import SHARED, HostCopy, missing_bytes
from workers.merging.model_set import ModelSet
from workers.settings import MergeSettings

Reads = Iterable[tuple[list[str], str]]
"""Models and tensor of each pass, in order."""


class Placement(Protocol):
    """Stores the models' tensors."""

    @property
    def name(self) -> str:
        """`device`, `pinned` or `mapped`."""

    def load(self, reads: Reads) -> Iterator[list[Tensor]]:
        """The flat tensors of each pass, on its device."""

    def close(self) -> None:
        """Releases what is shared with other processes."""


def choose_placement(
    model_set: ModelSet, settings: MergeSettings, device: torch.device
) -> Placement:
    """The placement of the settings; `auto` decides by size.

    Raises:
        ValueError: if the settings have a GPU's placement on a CPU.
    """
    name: str = settings.placement
    if device.type == "cpu":
        if name not in ("auto", "mapped"):
            raise ValueError(f"placement {name!r} is for a GPU; on a CPU the models stay mapped")
        return MappedPlacement(model_set)
    name = _choose_by_size(model_set, settings.reserve, device) if name == "auto" else name
    if name == "device":
        return DevicePlacement(model_set, device)
    models = model_set.checkpoints if name == "pinned" else ()
    copies = {model: HostCopy(model_set, model, pin=True) for model in models}
    return HostPlacement(model_set, copies, device)


class MappedPlacement:
    """Memory-mapped files, for a CPU."""

    name = "mapped"

    def __init__(self, model_set: ModelSet) -> None:
        self._model_set = model_set

    def load(self, reads: Reads) -> Iterator[list[Tensor]]:
        for models, tensor in reads:
            yield [self._model_set.flat(model, tensor) for model in models]

    def close(self) -> None:
        return


class DevicePlacement:
    """Copies in the memory of a GPU."""

    name = "device"

    def __init__(self, model_set: ModelSet, device: torch.device) -> None:
        self._tensors = {
            (model, tensor): model_set.flat(model, tensor).to(device)
            for tensor in model_set.names
            for model in model_set.checkpoints
        }

    def load(self, reads: Reads) -> Iterator[list[Tensor]]:
        for models, tensor in reads:
            yield [self._tensors[model, tensor] for model in models]

    def close(self) -> None:
        self._tensors.clear()


class HostPlacement:
    """Host memory, pinned or mapped, from which tensors are sent to a GPU one pass ahead."""

    def __init__(
        self, model_set: ModelSet, copies: dict[str, HostCopy], device: torch.device
    ) -> None:
        self.name = "pinned" if copies else "mapped"
        self._model_set = model_set
        self._copies = copies
        self._device = device
        self._copy_stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def load(self, reads: Reads) -> Iterator[list[Tensor]]:
        sent: deque[tuple[list[Tensor], torch.cuda.Event]] = deque()
        passed: deque[torch.cuda.Event] = deque()
        queue = iter(reads)
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
            if len(passed) == 2:  # keep the host from filling the device with tensors
                passed.popleft().synchronize()

    def close(self) -> None:
        for copy in self._copies.values():
            copy.close()

    def _send(self, models: list[str], tensor: str) -> tuple[list[Tensor], torch.cuda.Event]:
        with torch.cuda.stream(self._copy_stream):
            hosts = [
                self._copies[model].flat(tensor)
                if self._copies
                else self._model_set.flat(model, tensor)
                for model in models
            ]
            sent = [host.to(self._device, non_blocking=True) for host in hosts]
            return sent, self._copy_stream.record_event()


def _choose_by_size(model_set: ModelSet, reserve: int, device: torch.device) -> str:
    models, live = _nbytes(model_set), model_set.reference.nbytes
    free, _ = torch.cuda.mem_get_info(device)
    if models + live + reserve <= free:
        return "device"
    return "pinned" if fits_host(model_set, available_memory()) else "mapped"


def fits_host(model_set: ModelSet, available: int, folder: Path = SHARED) -> bool:
    """Whether the shared copies that do not exist yet take at most half of the host's memory.

    Args:
        model_set: the models.
        available: bytes of host memory that can be allocated.
        folder: of the copies; its file system may have less space.
    """
    missing = missing_bytes(model_set, folder)
    return missing <= min(available // 2, shutil.disk_usage(folder).free)


def _nbytes(model_set: ModelSet) -> int:
    return sum(checkpoint.nbytes for checkpoint in model_set.checkpoints.values())
