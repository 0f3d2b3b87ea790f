"""How merges are computed. Nothing here changes a byte of the result."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeInt, PositiveInt

from evaluators.settings import Settings

Mode = Literal["auto", "eager", "compiled"]
Statistics = Literal["kept", "asked"]
Placement = Literal["auto", "device", "pinned", "mapped"]


class MergeSettings(Settings):
    """Choices of speed and place, each of them overridable."""

    mode: Mode = "auto"
    """`compiled` where a compiler exists and the models are large enough to repay it, by `auto`."""
    threads: PositiveInt | None = None
    """CPU threads of a pass; None is as many as torch uses."""
    chunk: PositiveInt = 1 << 16
    """Entries that an eager pass on a CPU takes at a time: what fits into a core's cache."""
    placement: Placement = "auto"
    """Where the models lie: on the device, pinned in host memory, or memory-mapped."""
    reserve: NonNegativeInt = 4 << 30
    """Bytes of a GPU that are left to a scoring batch, when places are chosen by size."""
    statistics: Statistics = "kept"
    """On disk, for all candidates of a search; or gathered as a method asks, for a single merge."""
    cache: Path | None = None
    """Where statistics are kept; None is mergefront's folder in the user's cache directory."""
