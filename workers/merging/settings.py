"""How merges are computed. Nothing here changes a byte of the result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Mode = Literal["auto", "eager", "compiled"]
Statistics = Literal["kept", "asked"]
Placement = Literal["auto", "device", "pinned", "mapped"]


@dataclass(frozen=True)
class MergeSettings:
    """Choices of speed and place, each of them overridable.

    Raises:
        ValueError: if a number is not positive or a choice is unknown.
    """

    mode: Mode = "auto"
    """`compiled` where a compiler exists and the models are large enough to repay it, by `auto`."""
    threads: int | None = None
    """CPU threads of a pass; None is as many as torch uses."""
    chunk: int = 1 << 16
    """Entries that an eager pass on a CPU takes at a time: what fits into a core's cache."""
    placement: Placement = "auto"
    """Where the models lie: on the device, pinned in host memory, or memory-mapped."""
    reserve: int = 4 << 30
    """Bytes of a GPU that are left to a scoring batch, when places are chosen by size."""
    statistics: Statistics = "kept"
    """On disk, for all candidates of a search; or gathered as a method asks, for a single merge."""
    cache: Path | None = None
    """Where statistics are kept; None is mergefront's folder in the user's cache directory."""

    def __post_init__(self) -> None:
        choices_of = {"mode": Mode, "placement": Placement, "statistics": Statistics}
        for name, known in choices_of.items():
            if getattr(self, name) not in known.__args__:  # type: ignore[attr-defined]
                choices = ", ".join(known.__args__)  # type: ignore[attr-defined]
                raise ValueError(f"{name} {getattr(self, name)!r} is not one of {choices}")
        if self.chunk < 1 or (self.threads is not None and self.threads < 1):
            raise ValueError(f"chunk {self.chunk} and threads {self.threads} must be at least 1")
